import math

import numpy as np
import pytest

from memory import Store
from memory.lines import NO_WAY, Line, Lines, LinesConfig, Way, choose_way, promise, take
from tests.memory.make import make_episode, make_trace

PLAIN = LinesConfig(liking=1.0, doubt=0.0, floor=1e-6)


def a_line(result: float, codes: list[int], actions: list[int], policy: list[float]) -> Line:
    rows = np.array([policy] * len(codes), np.float16)
    return Line(result, np.array(codes), np.array(actions), rows, np.zeros(len(codes), np.float16))


def test_a_line_that_was_not_lost_is_gone_again_as_long_as_the_opponent_answers_alike() -> None:
    lost = a_line(-1, [1, 2], [0, 0], [0.5, 0.5])
    held = a_line(0, [1, 3, 4], [1, 0, 1], [0.5, 0.5])
    won = a_line(1, [1, 3, 5], [1, 1, 0], [0.5, 0.5])
    assert choose_way([lost, held], PLAIN).actions == (1, 0, 1)
    way = choose_way([lost, held, won, lost], PLAIN)
    assert (way.codes, way.actions, way.is_trial) == ((1, 3, 5), (1, 1, 0), False)
    assert [way.action(ply, code) for ply, code in enumerate((1, 3, 6, 5))] == [1, 1, None, None]


def test_a_line_that_mostly_ended_worse_is_not_gone_again_for_the_once_that_it_was_won() -> None:
    won, lost = (a_line(result, [1, 2], [0, 0], [0.5, 0.5]) for result in (1, -1))
    assert choose_way([won, lost], PLAIN).actions == (0, 0)
    assert choose_way([won, lost, lost], PLAIN).is_trial
    assert choose_way([lost, won, won], PLAIN).actions == (0, 0)


def test_a_lost_line_is_left_with_an_action_that_is_new_there() -> None:
    way = choose_way([a_line(-1, [1, 2, 3], [0, 0, 0], [0.6, 0.4, 0.0])], PLAIN)
    assert (way.codes, way.actions, way.is_trial) == ((1,), (1,), True)


def test_the_promise_of_another_action_falls_along_a_lost_line() -> None:
    line = a_line(-1, [1, 2, 3, 4], [0] * 4, [0.75, 0.25, 0.0])
    again = a_line(-1, [1, 2], [0, 1], [0.75, 0.25, 0.0])
    found = promise(line, [line, again], PLAIN)
    # the second game had 2 decisions and shares the first two situations: log(1 - 0), log(1 - 1/2)
    hopes = [0, math.log(3 / 4) + math.log(1 / 2), math.log(2 / 4), math.log(1 / 4)]
    assert found[:, 1] == pytest.approx([math.log(0.25) + hope for hope in hopes])
    assert (found[:, 2] == -np.inf).all()
    # where the critic was pessimistic the game may have been lost already
    doubtful = promise(line, [line], LinesConfig(liking=1.0, doubt=2.0, floor=1e-6))
    assert doubtful[0, 1] == pytest.approx(math.log(0.25) + 2 * math.log(1 / 2))


def lose_to(branching: int, depth: int, winning: tuple[int, ...], most: int) -> int:
    """Games until the one line that wins against a deterministic opponent is found."""
    lines: list[Line] = []
    for number in range(most):
        way, codes, actions, code = choose_way(lines, LinesConfig()), [], [], 1
        for ply in range(depth):
            action = way.action(ply, code)
            codes.append(code)
            actions.append(0 if action is None else action)
            code = code * branching + actions[-1]
        if tuple(actions) == winning:
            return number
        lines.append(a_line(-1, codes, actions, [1 / branching] * branching))
        lost = {tuple(line.actions.tolist()) for line in lines}
        assert len(lost) == len(lines), "a line was lost twice"
    raise AssertionError("never found")


@pytest.mark.parametrize("winning", [(2, 2, 2, 2), (1, 2, 0, 1), (0, 0, 0, 1)])
def test_whoever_can_be_beaten_is_beaten_in_the_end_and_no_line_is_lost_twice(
    winning: tuple[int, ...],
) -> None:
    assert lose_to(3, 4, winning, 3**4) < 3**4


def race(config: LinesConfig, needed: int, most: int) -> int:
    """Games until enough of six late decisions are right; each makes the game one longer."""
    lines: list[Line] = []
    for number in range(most):
        way, codes, actions, code, lasts = choose_way(lines, config), [], [], 1, 12
        while len(codes) < lasts:
            action = way.action(len(codes), code)
            codes.append(code)
            actions.append(0 if action is None else action)
            lasts += actions[-1] * (6 <= len(codes) <= 12)
            code = code * 2 + actions[-1]
        if lasts >= 12 + needed:
            return number
        lines.append(a_line(-1, codes, actions, [0.6, 0.4]))
    return most


def test_where_there_is_no_one_mistake_the_game_that_lasted_longest_is_improved() -> None:
    assert race(LinesConfig(), 4, 128) < 80
    assert race(LinesConfig(patience=1000), 4, 128) == 128, "leaving games early finds nothing"


def meet_in_the_opening(config: LinesConfig, saving: int) -> int:
    """Games of 60 decisions until one is not lost: one unheard-of action early, and no other."""
    lines: list[Line] = []
    for number in range(64):
        way, codes, actions = choose_way(lines, config), [], []
        for ply in range(60):
            code = hash(tuple(actions))
            action = way.action(ply, code)
            codes.append(code)
            actions.append(0 if action is None else action)
        if actions[:saving] == [0] * (saving - 1) + [2]:
            return number
        lines.append(a_line(-1, codes, actions, [0.6, 0.399, 0.001]))
    return 64


@pytest.mark.parametrize("saving", range(1, 7))
def test_what_nobody_would_think_of_is_tried_in_the_opening(saving: int) -> None:
    assert meet_in_the_opening(LinesConfig(), saving) < 26
    assert meet_in_the_opening(LinesConfig(patience=1000), saving) > 30


def test_there_is_no_way_against_somebody_who_answers_in_another_way_each_time() -> None:
    fickle = [a_line(1, [1, code], [0, 0], [0.5, 0.5]) for code in (2, 3, 4)]
    assert choose_way(fickle, PLAIN) == NO_WAY
    assert choose_way(fickle[:2], PLAIN).codes == (1, 3)  # as likely as not
    assert choose_way([], PLAIN) == NO_WAY


def test_an_answer_that_ended_the_game_is_another_answer() -> None:
    """The opponent let one game go on and won the others at once, or the other way round."""
    long, short = [1, 2, 3, 4, 5], [1, 2, 3]
    won = a_line(1, long, [0] * 5, [0.5, 0.5])
    cut = [a_line(-1, short, [0] * 3, [0.5, 0.5]) for _ in range(9)]
    assert choose_way([won, *cut], PLAIN).is_trial  # the won line was reached once in ten games
    assert choose_way([won, cut[0]], PLAIN).actions == (0,) * 5  # as likely as not
    quick = a_line(1, short, [0] * 3, [0.5, 0.5])
    slow = [a_line(-1, long, [0] * 5, [0.5, 0.5]) for _ in range(9)]
    assert choose_way([quick, *slow], PLAIN).is_trial
    assert choose_way([quick, quick, slow[0]], PLAIN).actions == (0,) * 3


def test_in_the_middle_of_a_game_the_line_is_one_through_the_present_situation() -> None:
    store = Store(None)
    for situations in ([1, 2, 4], [1, 3, 5]):
        store.write_game(make_episode(situations, 1, actions=[0, 0, 1]), {}, [], "v")
    lines, codes = Lines(store), [make_trace(number).code for number in range(6)]
    for second, third in ((2, 4), (3, 5)):
        way = lines.way_on("connect", "ana", [(codes[1], 0)], codes[second])
        assert way.codes == (codes[1], codes[second], codes[third])
        assert way.action(2, codes[third]) == 1


def test_lines_are_read_from_the_store_as_they_were_noted() -> None:
    store = Store(None)
    lines, first = Lines(store), make_trace(1).code
    assert lines.way("connect", "ana", first) == NO_WAY
    for result, actions in ((-1, [0, 0, 0]), (1, [1, 2, 3])):
        episode = make_episode([1, 2, 3], result, actions=actions)
        episode.traces[0].legal_actions = np.array([True, True, False, False])
        store.write_game(episode, {}, [], "v")
        lines.note(episode)
    reopened = Lines(store)
    for known in (lines, reopened):
        assert known.way("connect", "ana", first).actions == (1, 2, 3)
    one, other = (known._played["connect", "ana"][0] for known in (lines, reopened))
    assert np.array_equal(one.policy, other.policy)
    assert (one.policy[0] > 0).tolist() == [True, True, False, False]


def test_a_game_that_begins_otherwise_as_on_the_other_seat_has_lines_of_its_own() -> None:
    store = Store(None)
    for situations, result in (([1, 2], 1), ([3, 4], -1), ([3, 4], -1)):
        store.write_game(make_episode(situations, result), {}, [], "v")
    lines, codes = Lines(store), [make_trace(number).code for number in range(6)]
    assert lines.way("connect", "ana", codes[1]).actions == (0, 0)
    assert lines.way("connect", "ana", codes[3]).is_trial
    assert lines.way("connect", "ana", codes[5]) == NO_WAY


def test_the_action_of_the_way_gets_its_share_even_where_the_network_gave_it_nothing() -> None:
    policy = np.array([0.75, 0.25, 0.0], np.float32)
    assert take(policy, 2, 0.98) == pytest.approx([0.015, 0.005, 0.98])
    assert take(policy, 0, 0.7) is policy
    assert take(np.array([0, 1, 0], np.float32), 1, 0.98) == pytest.approx([0, 1, 0])
    assert take(np.array([1, 0, 0], np.float32), 2, 0.98) == pytest.approx([0.02, 0, 0.98])


def test_a_known_line_is_gone_on_with_from_the_middle_of_a_game() -> None:
    store = Store(None)
    for result, actions in ((1, [1, 2, 3]), (-1, [0, 1, 1])):
        store.write_game(make_episode([1, 2, 3], result, actions=actions), {}, [], "v")
    lines = Lines(store)
    codes = [trace.code for trace in make_episode([1, 2, 3], 1).traces]
    way = lines.way_on("connect", "ana", [(codes[0], 1)], codes[1])
    assert [way.action(ply, codes[ply]) for ply in range(3)] == [1, 2, 3]
    lost = lines.way_on("connect", "ana", [(codes[0], 0)], codes[1])
    assert lost.is_trial
    assert lost.actions[1] != 1  # that was lost
    assert lines.way_on("connect", "ana", [(codes[0], 3)], codes[1]) == Way((codes[0],), (3,))
    assert lines.knows("connect", "ana")
    assert not lines.knows("connect", "ben")


def test_other_ways_are_tried_also_when_there_are_more_games_than_are_looked_at() -> None:
    store = Store(None)
    lines, situations = Lines(store, LinesConfig(most=4)), list(range(20))
    first, ways = make_trace(0).code, []
    for _ in range(12):
        episode = make_episode(situations, -1)
        store.write_game(episode, {}, [], "v")
        lines.note(episode)
        ways.append(lines.way("connect", "ana", first))
    assert len(lines._played["connect", "ana"]) == 4
    assert all(way.is_trial for way in ways)
    assert len(set(ways[4:])) > 4
