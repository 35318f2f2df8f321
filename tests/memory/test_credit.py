import pytest

from memory.credit import Answer, CreditConfig, best_value, blend, reverse_replay
from tests.memory.make import make_episode, make_trace


def test_a_lost_game_is_taught_backwards_with_hope_where_actions_are_untried() -> None:
    episode = make_episode([1, 2], result=-1)
    episode.traces[0].value, episode.traces[1].value = 0.4, 0.2
    config = CreditConfig(mix=0.5, discount=0.9, rate=1.0)
    answers = reverse_replay(episode, lambda _: {}, config)
    # last: 0.5 * -1 + 0.5 * -1 = -1
    assert answers[1].value == pytest.approx(-1)
    # its situation is still worth the critic's 0.2, since three actions are untried:
    # first: 0.5 * (0.9 * -1) + 0.5 * 0.9 * 0.2 = -0.36
    assert answers[0].value == pytest.approx(-0.36)
    assert episode.traces[0].advantage == pytest.approx(-0.76)


def test_hope_ends_when_every_action_has_been_tried() -> None:
    known = {1: Answer(-0.8, 1), 2: Answer(-0.6, 1), 3: Answer(-1.0, 1)}
    episode = make_episode([1, 2], result=-1)
    episode.traces[1].value = 0.9
    second = episode.traces[1].code
    config = CreditConfig(mix=0.0, discount=1.0, rate=1.0)
    answers = reverse_replay(episode, lambda t: known if t.code == second else {}, config)
    assert answers[0].value == pytest.approx(-0.6)


def test_an_implausible_action_is_no_way_out() -> None:
    trace = make_trace(1, value=0.5)
    trace.policy[:] = [0.5, 0.5, 0.0, 0.0]
    tried = {0: Answer(-1.0, 1), 1: Answer(-0.7, 1)}
    assert best_value(trace, tried, plausible=0.02) == pytest.approx(-0.7)
    assert best_value(trace, {0: Answer(-1.0, 1)}, plausible=0.02) == pytest.approx(0.5)


def test_an_illegal_action_is_no_way_out() -> None:
    trace = make_trace(1, value=0.5)
    trace.legal_actions[1:] = False
    assert best_value(trace, {0: Answer(-1.0, 1)}, plausible=0.0) == pytest.approx(-1.0)


def test_a_value_moves_by_one_over_n_but_at_least_by_the_rate() -> None:
    assert blend(None, -1.0, 0.6) == Answer(-1.0, 1)
    assert blend(Answer(1.0, 1), -1.0, 0.25).value == pytest.approx(0.0)
    assert blend(Answer(1.0, 9), -1.0, 0.25).value == pytest.approx(0.5)
    assert blend(Answer(1.0, 9), -1.0, 0.25).count == 10
