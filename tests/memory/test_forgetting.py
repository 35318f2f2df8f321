import math

import numpy as np
import pytest

from memory import Hippocampus
from memory.erasure import erase
from memory.forgetting import (
    ForgettingConfig,
    first_stability,
    stability_after_recall,
    strength,
    weakest,
)
from memory.scenes import Scenes
from tests.memory.make import KEY_SIZE, make_episode, make_key, make_trace, read_traces

SMALL = ForgettingConfig(capacity_traces=20, slack=0.1)


def test_strength_falls_to_1_over_e_after_as_many_sleeps_as_the_stability() -> None:
    assert [strength(k, 2.0) for k in (0, 2, 4)] == pytest.approx([1, 1 / math.e, math.e**-2])


def test_surprising_and_new_traces_start_more_stable() -> None:
    config = ForgettingConfig(spread=0.5)
    assert first_stability(0.0, False, config) == 1
    assert first_stability(-1.0, True, config) == pytest.approx(4)


def test_spaced_recalls_keep_a_trace_longer_than_massed_ones() -> None:
    config = ForgettingConfig(gain=0.5)

    def left_after(sleeps: tuple[int, ...], end: int) -> float:
        stability, fresh = 2.0, 0
        for now in sleeps:
            stability, fresh = stability_after_recall(stability, now - fresh, config), now
        return strength(end - fresh, stability) if fresh else strength(end, stability)

    massed, spaced = (6, 6, 6), (2, 4, 6)
    assert left_after(spaced, 12) > left_after(massed, 12) > left_after((), 12)
    assert stability_after_recall(2.0, 0, config) == 2.0
    assert stability_after_recall(2.0, 2, config) == pytest.approx(2 * (1.5 - 0.5 / math.e))


def test_the_weakest_are_old_and_unstable_and_of_equals_the_oldest() -> None:
    ids = np.array([1, 2, 3, 4])
    leaving = weakest(ids, np.array([4, 4, 0, 4]), np.array([2.0, 8.0, 1.0, 2.0]), 3)
    assert leaving.tolist() == [1, 4, 2]


def test_the_capacity_is_never_exceeded_and_index_and_store_agree(tmp_path) -> None:
    memory = Hippocampus.open(tmp_path, KEY_SIZE, SMALL)
    for game in range(30):
        memory.remember(make_episode([3 * game, 3 * game + 1, 3 * game + 2], -1), "v")
        assert len(memory) <= 20
        if game % 3 == 0:
            memory.fade()
            assert len(memory) <= 18
        memory.check_valid()
    assert memory.store.count("games") == 30
    assert memory.store.last_id("traces") == 90
    assert memory.store.count("answers") <= 2 * len(memory)
    newest = memory.recall(make_key(89)[None], 1)
    assert newest.ids.tolist() == [[90]]
    memory.store.close()
    again = Hippocampus.open(tmp_path, KEY_SIZE, SMALL)
    again.check_valid()
    assert again.recall(make_key(89)[None], 1).ids.tolist() == [[90]]
    assert again._beliefs == memory._beliefs
    again.store.close()


def test_a_trace_that_was_recalled_outlives_its_equals() -> None:
    memory = Hippocampus.open(None, KEY_SIZE, SMALL)
    for game in range(6):
        memory.remember(make_episode([3 * game, 3 * game + 1, 3 * game + 2], 0), "v")
        memory.fade()
        memory.refresh([2])
    for game in range(6, 12):
        memory.remember(make_episode([3 * game, 3 * game + 1, 3 * game + 2], 0), "v")
        memory.fade()
    ids, _ = memory.store.read_keys()
    assert 2 in ids
    assert not {1, 3} & set(ids)
    assert read_traces(memory.store, [2])[2].recalls == 6
    memory.store.check()


def test_a_game_that_cannot_fit_is_refused_and_nothing_leaves() -> None:
    memory = Hippocampus.open(None, KEY_SIZE, SMALL)
    memory.remember(make_episode([1, 2], 1), "v")
    with pytest.raises(ValueError, match="21 decisions does not fit"):
        memory.remember(make_episode(list(range(21)), 1), "v")
    assert len(memory) == 2
    with pytest.raises(ValueError, match="at least 1"):
        ForgettingConfig(capacity_traces=0)


def test_scenes_leave_with_the_last_trace_that_showed_them() -> None:
    memory, query = Hippocampus.open(None, KEY_SIZE, SMALL), "SELECT code FROM traces"
    for number in range(30):
        episode = make_episode([3 * number, 3 * number + 1, 3 * number + 2], 0)
        memory.book.note_scenes({trace.code: bytes(16) for trace in episode.traces})
        memory.remember(episode, "v")
        memory.fade()
        left = {code for code, _ in memory.book.scenes.nearest(bytes(16), 90)}
        assert len(left) <= SMALL.capacity_traces
        assert left >= {code for (code,) in memory.store.connection.execute(query)}
    assert memory.book.scenes.attributes(make_trace(0).code) is None
    memory.store.check()


def test_scenes_of_a_removed_player_go_though_the_traces_had_left_before() -> None:
    memory = Hippocampus.open(None, KEY_SIZE)
    memory.book.note_scenes({make_trace(1).code: bytes(16), make_trace(2).code: bytes(16)})
    memory.remember(make_episode([1], 0, "ana"), "v")
    memory.remember(make_episode([2], 0, "ben"), "v")
    memory._forget(np.array([1]))
    erase(memory.store, "ana")
    assert Scenes(memory.store).attributes(make_trace(1).code) is None
    assert memory.store.count("scenes") == 0, "the dictionary that described the others is gone"


def test_games_with_holes_are_not_rehearsed() -> None:
    memory = Hippocampus.open(None, KEY_SIZE)
    memory.remember(make_episode([1, 2], 1), "v")
    memory.remember(make_episode([3, 4], 1), "v")
    memory._forget(np.array([2]))
    assert [e.traces[0].action for e in memory.store.read_episodes("connect", "ana")] == [0]
    assert memory.rehearse("connect", "ana").games == 1
