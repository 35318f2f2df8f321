import numpy as np
import pytest

from memory import Hippocampus, Recalled, Trace
from memory.forgetting import ForgettingConfig
from memory.reconsolidation import Judgement, ReconsolidationConfig, judge, revise
from tests.memory.make import KEY_SIZE, make_episode, make_key, make_trace, read_traces

CONFIG = ReconsolidationConfig(aloud=0.5, tolerance=0.5, rate=0.1, most=0.2)


def decision(
    action: int, came: float, said: tuple[int, float], similarity: float = 1.0, trace_id: int = 7
) -> Trace:
    """One decision, expected to be worth 0, that recalled (action, value)."""
    recalled = (Recalled(trace_id, *said, similarity, "ana"),)
    return make_trace(1, action, returns=came, recalled=recalled)


@pytest.mark.parametrize(
    ("trace", "useful", "surprising"),
    [
        (decision(2, 0.6, said=(2, 0.9)), {7}, {}),
        (decision(2, -0.6, said=(2, 0.9)), set(), {7: (0.9, -0.6)}),
        (decision(1, 0.2, said=(2, -0.9)), {7}, {}),  # a warning that was heeded
        (decision(1, -0.2, said=(2, -0.9)), set(), {}),  # heeded, in vain
        (decision(1, 0.2, said=(2, 0.9)), set(), {}),  # not taken, not tested
        (decision(2, 0.6, said=(2, 0.9), similarity=0.3), set(), {}),  # a whisper
        (decision(2, 0.6, said=(2, 0.9), trace_id=-1), set(), {}),  # a trace that is gone
    ],
)
def test_a_recall_is_judged_by_what_came_of_it(trace: Trace, useful: set, surprising: dict) -> None:
    assert judge([trace], CONFIG) == Judgement(frozenset(useful), surprising)


def test_who_was_wrong_once_was_not_useful() -> None:
    right, wrong = decision(2, 0.6, said=(2, 0.9)), decision(2, -0.6, said=(2, 0.9))
    assert judge([right, wrong], CONFIG).useful == frozenset()


def test_a_value_moves_a_tenth_of_the_way_and_no_further_than_the_cap() -> None:
    judgement = Judgement(frozenset(), {7: (0.9, -0.6), 8: (0.5, -1.0), 9: (0.0, 1.0)})
    values = {7: 0.8, 8: 0.5}
    moves = revise(judgement, values.get, {8: 0.15}, CONFIG)
    assert [r.trace_id for r in moves] == [7, 8]  # 9 is gone
    assert moves[0].after == pytest.approx(0.8 - 0.1 * 1.4)
    assert moves[1].after == pytest.approx(0.5 - 0.05)
    assert revise(judgement, values.get, {7: 0.2, 8: 0.2}, CONFIG) == ()


def play(memory: Hippocampus, situation: int, action: int, result: float) -> None:
    """One game of one decision, with what memory says of it."""
    episode = make_episode([situation], result, actions=[action])
    (trace,) = episode.traces
    advice = memory.advise("connect", "ana", trace.code, trace.key, 0.0, 4)
    trace.recalled = advice.recalled
    memory.remember(episode, "v")


def test_a_warning_that_was_heeded_lasts_longer_than_its_equal() -> None:
    memory = Hippocampus.open(None, KEY_SIZE, ForgettingConfig(gain=0.5))
    memory.remember(make_episode([1, 2], -1, actions=[3, 3]), "v")
    memory.fade()
    play(memory, 2, action=0, result=1)
    traces = read_traces(memory.store, [1, 2])
    assert (traces[1].recalls, traces[2].recalls) == (0, 1)
    assert (traces[1].refreshed, traces[2].refreshed) == (0, 1)
    assert traces[2].stability > 3 > traces[1].stability - 1
    memory.store.check()


def test_a_recall_that_surprised_moves_the_trace_and_is_noted() -> None:
    memory = Hippocampus.open(None, KEY_SIZE)
    play(memory, 1, 0, result=1)
    play(memory, 1, 0, result=-1)
    assert read_traces(memory.store, [1])[1].returns == pytest.approx(0.8)
    for _ in range(3):  # each game recalls the newest trace
        play(memory, 1, 0, result=1)
    row = memory.store.connection.execute(
        "SELECT trace_id, sleep, said, came, before, after FROM revisions"
    ).fetchone()
    assert row == pytest.approx((1, 0, 1, -1, 1, 0.8))
    memory.store.check()


def test_the_cap_holds_until_the_next_sleep_and_over_a_restart(tmp_path) -> None:
    memory = Hippocampus.open(tmp_path, KEY_SIZE)
    play(memory, 1, 0, result=1)
    wrong = Recalled(1, 0, 1.0, 1.0, "ana")

    def surprise(memory: Hippocampus) -> float:
        episode = make_episode([2], -1)
        episode.traces[0].recalled = (wrong,)
        memory.remember(episode, "v")
        return read_traces(memory.store, [1])[1].returns

    assert surprise(memory) == pytest.approx(0.8)
    memory.store.close()
    memory = Hippocampus.open(tmp_path, KEY_SIZE)
    assert surprise(memory) == pytest.approx(0.8)
    memory.fade()
    assert surprise(memory) == pytest.approx(0.62)  # a tenth of the way from 0.8 to -1
    assert memory._notes[1].returns == pytest.approx(0.62)
    memory.store.close()


def test_an_exact_recall_names_the_newest_trace_and_when_that_is_gone_an_older_one() -> None:
    memory = Hippocampus.open(None, KEY_SIZE)
    for _ in range(3):
        memory.remember(make_episode([1], 1), "v")
    code = make_trace(1).code
    for gone, newest in ((None, 3), (3, 2), (1, 2)):
        if gone is not None:
            memory._forget(np.array([gone]))
        (recalled,) = memory.advise("connect", "ana", code, make_key(1), 0.0, 4).recalled
        assert recalled.trace_id == newest
    assert memory.advise("connect", "ben", code, make_key(1), 0.0, 4).recalled[0].trace_id == 2


def test_the_notes_of_a_forgotten_trace_leave_with_it() -> None:
    memory = Hippocampus.open(None, KEY_SIZE)
    play(memory, 1, 0, result=1)
    play(memory, 1, 0, result=-1)
    assert memory.store.count("revisions") == 1
    memory._forget(np.array([1]))
    assert memory.store.count("revisions") == 0
