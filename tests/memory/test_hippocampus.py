import numpy as np
import pytest

from memory import Answer, Hippocampus, advise, sleep
from memory.beliefs import EVERYONE
from tests.memory.make import KEY_SIZE, make_episode, make_key


@pytest.fixture
def memory() -> Hippocampus:
    return Hippocampus.open(None, KEY_SIZE)


def advice_for(memory: Hippocampus, situation: int, opponent: str = "ana") -> np.ndarray:
    trace = make_episode([situation], 0).traces[0]
    return memory.advise("connect", opponent, trace.code, trace.key, 0.0, 4).advantage


def test_an_empty_memory_recalls_nothing(memory: Hippocampus) -> None:
    recall = memory.recall(make_key(1)[None], 3)
    assert recall.ids.tolist() == [[-1, -1, -1]]
    assert np.isinf(recall.distances).all()
    assert not advice_for(memory, 1).any()


def test_the_nearest_trace_is_the_same_situation_and_missing_neighbours_are_minus_one(
    memory: Hippocampus,
) -> None:
    memory.remember(make_episode([1, 2, 3], 1), "v")
    recall = memory.recall(make_key(2)[None], 5)
    assert recall.ids[0, 0] == 2
    assert recall.distances[0, 0] == pytest.approx(0, abs=1e-5)
    assert (np.diff(recall.distances[0, :3]) >= 0).all()
    assert recall.ids[0, 3:].tolist() == [-1, -1]


def test_one_visit_is_enough_for_a_warning_at_the_second(memory: Hippocampus) -> None:
    memory.remember(make_episode([1, 2], -1, actions=[0, 3]), "v")
    advice = advice_for(memory, 2)
    assert advice[3] == pytest.approx(-1)
    assert advice[[0, 1, 2]] == pytest.approx(0)


def test_a_known_win_is_not_given_up_for_a_hope_of_another_network(memory: Hippocampus) -> None:
    memory.remember(make_episode([1], 1, actions=[2]), "v")
    trace = make_episode([1], 0).traces[0]
    taught_elsewhere = np.array([0.75, 0.1, 0.1, 0.05], np.float32)
    told = memory.advise("connect", "ana", trace.code, trace.key, 1.0, 4)
    assert told.advantage == pytest.approx([0, 0, 0.5, 0])
    assert advise(taught_elsewhere, told.advantage, 0.2).argmax() == 2
    memory.remember(make_episode([3], 0, actions=[2]), "v")  # a draw leaves room for hope
    trace = make_episode([3], 0).traces[0]
    told = memory.advise("connect", "ana", trace.code, trace.key, 0.3, 4)
    assert told.advantage == pytest.approx([0, 0, -0.3, 0])


def test_what_one_opponent_taught_does_not_overwrite_what_another_taught(
    memory: Hippocampus,
) -> None:
    memory.remember(make_episode([1], 1, "ana"), "v")
    memory.remember(make_episode([1], -1, "ben"), "v")
    assert advice_for(memory, 1, "ana")[0] == pytest.approx(1)
    assert advice_for(memory, 1, "ben")[0] == pytest.approx(-1)


def test_a_stranger_is_met_with_a_share_of_what_everybody_taught(memory: Hippocampus) -> None:
    memory.remember(make_episode([1], -1, "ana"), "v")
    share = memory.advice_config.shared
    assert advice_for(memory, 1, "carl")[0] == pytest.approx(-share)


def test_bad_keys_are_refused_at_the_door_and_nothing_is_stored(memory: Hippocampus) -> None:
    for key in (np.full(KEY_SIZE, np.nan, np.float32), np.zeros(3, np.float32)):
        episode = make_episode([1], 1)
        episode.traces[0].key = key
        with pytest.raises(ValueError, match="finite"):
            memory.remember(episode, "v")
    with pytest.raises(ValueError, match="NaN"):
        memory.recall(np.full((1, KEY_SIZE), np.nan, np.float32), 1)
    with pytest.raises(ValueError, match="wanted"):
        memory.recall(np.zeros((1, 3), np.float32), 1)
    assert memory.store.count("games") == 0


def test_a_reopened_memory_gives_the_same_advice(tmp_path) -> None:
    memory = Hippocampus.open(tmp_path, KEY_SIZE)
    for result in (1, -1, -1):
        memory.remember(make_episode([1, 2, 3], result), "v")
    before = [advice_for(memory, s) for s in (1, 2, 3)]
    recall = memory.recall(make_key(2)[None], 4)
    memory.store.close()
    again = Hippocampus.open(tmp_path, KEY_SIZE)
    assert np.array_equal(before, [advice_for(again, s) for s in (1, 2, 3)])
    assert np.array_equal(recall.ids, again.recall(make_key(2)[None], 4).ids)
    again.store.close()


def test_a_memory_of_another_agent_is_refused(tmp_path) -> None:
    memory = Hippocampus.open(tmp_path, KEY_SIZE)
    memory.remember(make_episode([1], 1), "v")
    memory.store.close()
    with pytest.raises(ValueError, match="another agent"):
        Hippocampus.open(tmp_path, KEY_SIZE + 1)
    with pytest.raises(ValueError, match="among 4 actions, this agent's among 3"):
        Hippocampus.open(tmp_path, KEY_SIZE, num_actions=3)
    memory = Hippocampus.open(tmp_path, KEY_SIZE, num_actions=4)  # the lock was let go
    memory.store.close()


def test_sleep_keeps_what_does_not_cost_competence_and_says_so(memory: Hippocampus) -> None:
    assert not sleep(memory, 1.0).accepted
    memory.remember(make_episode([1, 2], -1, actions=[0, 0]), "v")
    memory.remember(make_episode([1, 2], 1, actions=[0, 1]), "v")
    report = sleep(memory, 1.0)
    assert report.accepted
    assert "2 games" in report.reason
    assert advice_for(memory, 2)[1] > 0 > advice_for(memory, 2)[0]
    with pytest.raises(ValueError, match="positive"):
        sleep(memory, 0)


def test_games_that_have_settled_are_not_replayed_until_their_player_is_met_again(
    memory: Hippocampus,
) -> None:
    for opponent in ("ana", "ben"):
        memory.remember(make_episode([1, 2], -1, opponent), "v")
    for _ in range(20):
        sleep(memory, 1.0)
    assert memory.unsettled() == []
    sleeps = memory.store.sleep_count()
    assert sleep(memory, 1.0).reason == "what was played has settled"
    assert memory.store.sleep_count() == sleeps + 1  # traces fade all the same
    memory.remember(make_episode([1, 2], 1, "ben"), "v")
    assert memory.unsettled() == [("connect", "ben")]
    assert "rehearsed 2 games" in sleep(memory, 1.0).reason


def test_a_memory_of_frames_of_another_size_is_refused(tmp_path) -> None:
    memory = Hippocampus.open(tmp_path, KEY_SIZE, frame_shape=(3, 8, 8))  # nothing is there yet
    memory.remember(make_episode([1], 1), "v")
    memory.store.close()
    with pytest.raises(ValueError, match=r"frames are \(3, 16, 16\), this agent's \(3, 8, 8\): it"):
        Hippocampus.open(tmp_path, KEY_SIZE, frame_shape=(3, 8, 8))
    Hippocampus.open(tmp_path, KEY_SIZE, frame_shape=(3, 16, 16)).store.close()


def test_a_decision_taken_twice_in_a_game_is_believed_by_both_visits(memory: Hippocampus) -> None:
    episode = make_episode([1, 2, 1], 1)
    code = episode.traces[0].code
    memory.remember(episode, "v")
    # last visit: 1; first: 0.5 * 0.98 * 0.98 + 0.5 * 0.98 * 0.98 = 0.9604
    (own,) = memory.answers("connect", "ana", code).values()
    assert own == Answer(pytest.approx(1 + 0.6 * (0.9604 - 1)), 2)
    (shared,) = memory.answers("connect", EVERYONE, code).values()
    assert shared == Answer(pytest.approx(1 + 0.5 * (0.9604 - 1)), 2)
    # asleep: the last 0.97624 + 0.6 * (1 - 0.97624) = 0.990496; the other situation 0.49 + 0.49 *
    # 0.990496 = 0.975343, from 0.98 to 0.977206; the first 0.4802 + 0.49 * 0.977206 = 0.959031
    rehearsed = memory.rehearse("connect", "ana").beliefs[code][0]
    assert rehearsed == Answer(pytest.approx(0.990496 + 0.6 * (0.959031 - 0.990496), abs=1e-6), 4)
