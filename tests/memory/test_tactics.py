"""Strategies push choices within bounds and put a lid on known mistakes."""

import numpy as np
import pytest

from memory import Hippocampus, Strategy
from memory.tactics import Tactician, Tactics, TacticsConfig, bend, weigh
from tests.memory.make import KEY_SIZE, make_episode, read_traces

CONFIG = TacticsConfig()
EVEN = np.full(4, 0.25, np.float32)


def make_strategy(mean: float, action: int = 0, opponent: str = "ana") -> Strategy:
    return Strategy("a", opponent, 7, (action, 3), 3, mean, (mean - 0.1, mean + 0.1), (1,))


def make_tactics(push: list[float], mistakes: list[int]) -> Tactics:
    flags = np.zeros(4, bool)
    flags[mistakes] = True
    return Tactics(np.array(push, np.float32), flags, ())


def test_the_push_is_the_weighted_sum_of_advantages_by_hand() -> None:
    exact = [make_strategy(0.6), make_strategy(-0.4, 1), make_strategy(0.5, 0, "ben")]
    similar = [(make_strategy(0.8, 2), 4), (make_strategy(0.9, 3), 8)]
    tactics = weigh(exact, similar, "ana", 4, CONFIG)
    by_hand = [2 * (0.6 + 0.5 * 0.5), 2 * -0.4, 2 * 0.25 * np.exp(-1) * 0.8, 0]
    assert tactics.push == pytest.approx(by_hand, abs=1e-6)
    assert tactics.mistakes.tolist() == [False, True, False, False]
    assert len(tactics.strategies) == 4


def test_the_push_is_bounded_and_others_mistakes_are_no_lid() -> None:
    loud = [make_strategy(-2.0, 1, f"ben {i}") for i in range(9)]
    tactics = weigh(loud, (), "ana", 4, CONFIG)
    assert tactics.push.tolist() == [0, -CONFIG.bound, 0, 0]
    assert not tactics.mistakes.any()


def test_bent_probabilities_by_hand() -> None:
    bent = bend(EVEN, make_tactics([np.log(3), 0, 0, 0], []), 0.02)
    assert bent == pytest.approx([0.5, 1 / 6, 1 / 6, 1 / 6])
    capped = bend(EVEN, make_tactics([0, 0, 0, 0], [0]), 0.02)
    assert capped == pytest.approx([0.02, 0.98 / 3, 0.98 / 3, 0.98 / 3])


def test_a_lid_never_raises_a_mistake_and_is_lifted_where_nothing_else_is_left() -> None:
    policy = np.array([0.01, 0.99, 0, 0], np.float32)
    assert bend(policy, make_tactics([0] * 4, [0]), 0.02)[0] == pytest.approx(0.01)
    assert bend(policy, make_tactics([0] * 4, [0, 1]), 0.02) == pytest.approx(policy)
    only = np.array([0, 1, 0, 0], np.float32)
    assert bend(only, make_tactics([0] * 4, [1]), 0.02) == pytest.approx(only)


def test_a_mistake_made_twice_is_avoided_the_third_time_in_this_situation_only() -> None:
    memory = Hippocampus.open(None, KEY_SIZE)
    tactician = Tactician(memory.book)
    episode = make_episode([1, 2], -1, actions=[0, 2])
    code = episode.traces[1].code
    for time in range(2):
        assert not tactician.consult("connect", "ana", code, None, 4).mistakes.any(), time
        memory.remember(make_episode([1, 2], -1, actions=[0, 2]), "v")
        tactician.refresh()
    tactics = tactician.consult("connect", "ana", code, None, 4)
    assert tactics.mistakes.tolist() == [False, False, True, False]
    assert bend(EVEN, tactics, 0.02)[2] == pytest.approx(0.02, abs=1e-6)
    assert not tactician.consult("connect", "ana", code + 1, None, 4).strategies
    assert not tactician.consult("tron", "ana", code, None, 4).strategies
    stranger = tactician.consult("connect", "ben", code, None, 4)
    assert stranger.push[2] < 0
    assert not stranger.mistakes.any()


def test_a_strategy_is_heard_in_scenes_that_show_the_same_attributes() -> None:
    memory = Hippocampus.open(None, KEY_SIZE)
    tactician = Tactician(memory.book)
    for _ in range(2):
        episode = make_episode([1], -1, actions=[2])
        memory.remember(episode, "v")
    striped = bytes([255, 255] + [0] * 14)
    memory.book.note_scenes({episode.traces[0].code: striped})
    zebra = bytes([255, 254] + [0] * 14)
    tactics = tactician.consult("another variant", "ben", 999, zebra, 4)
    assert tactics.push[2] < 0
    assert not tactics.mistakes.any()
    assert not tactician.consult("another variant", "ben", 999, bytes(16), 4).strategies


def test_a_strategy_whose_action_is_not_there_is_not_heard() -> None:
    memory = Hippocampus.open(None, KEY_SIZE)
    for _ in range(2):
        episode = make_episode([1], -1, actions=[2])
        memory.remember(episode, "v")
    tactician, code = Tactician(memory.book), episode.traces[0].code
    assert tactician.consult("connect", "ana", code, None, 3).mistakes[2]
    assert not tactician.consult("connect", "ana", code, None, 2).strategies


def test_what_a_sentence_says_can_be_recomputed_from_its_evidence() -> None:
    memory = Hippocampus.open(None, KEY_SIZE)
    for result in (-1, -1, 0, -1):
        memory.remember(make_episode([1, 2], result, actions=[0, 2]), "v")
    for strategy in memory.book.read("connect", "ana"):
        traces = list(read_traces(memory.store, strategy.evidence).values())
        assert strategy.count == len(traces)
        mean = sum(trace.advantage for trace in traces) / len(traces)
        assert strategy.mean_advantage == pytest.approx(mean)
        assert f"seen {strategy.count} times" in strategy.sentence or strategy.count == 1
        assert f"{abs(mean):.2f} ±" in strategy.sentence
        assert all(trace.action == strategy.actions[0] for trace in traces)
