"""Opponents are told by how they answer."""

import math
from pathlib import Path

import pytest

from memory import Acquaintances, Hippocampus, Store
from memory.acquaintances import Impression, steps
from tests.memory.make import KEY_SIZE, make_episode

ANA, BEN = [1, 2, 3, 4], [1, 2, 5, 6]


def make_memory(folder: Path | None = None) -> Hippocampus:
    memory = Hippocampus.open(folder, KEY_SIZE)
    for _ in range(2):
        memory.remember(make_episode(ANA, -1, "ana"), "v")
        memory.remember(make_episode(BEN, 1, "ben"), "v")
    return memory


def impression_of(memory: Hippocampus, situations: list[int], besides: str = "") -> Impression:
    impression = Acquaintances(memory.store).meet("connect", besides)
    for step in steps(make_episode(situations, 0)):
        impression.see(step)
    return impression


def test_log_odds_by_hand() -> None:
    memory = make_memory()
    impression = impression_of(memory, ANA)
    ana = impression.nearest()
    assert ana is not None
    assert (ana.opponent, ana.same, ana.other) == ("ana", 3, 0)
    # 1 -> 2: as everybody; 2 -> 3: 2 of 2 against 0 of 2; 3 -> 4: 2 of 2, nobody else was there
    by_hand = math.log(1) + math.log((2.5 / 3) / (0.5 / 3)) + math.log((2.5 / 3) / 0.5)
    assert ana.log_odds == pytest.approx(by_hand)


def test_a_stranger_who_answers_alike_is_taken_for_the_one_they_play_like() -> None:
    memory = make_memory()
    assert impression_of(memory, BEN).nearest().opponent == "ben"
    assert impression_of(memory, [1, 2]).nearest() is None  # too early to tell
    assert impression_of(memory, [1, 2, 9, 8]).nearest() is None  # nobody answered so
    assert impression_of(memory, ANA, "ana").nearest() is None


def test_two_who_answer_alike_are_not_told_apart() -> None:
    memory = make_memory()
    memory.remember(make_episode(ANA, -1, "ana's twin"), "v")
    memory.remember(make_episode(ANA, -1, "ana's twin"), "v")
    assert impression_of(memory, ANA).nearest() is None
    assert impression_of(memory, ANA, "ana's twin").nearest().opponent == "ana"


def test_nobody_is_recognised_in_another_variant() -> None:
    memory = make_memory()
    impression = Acquaintances(memory.store).meet("tron")
    for step in steps(make_episode(ANA, 0)):
        impression.see(step)
    assert impression.nearest() is None


def test_games_count_as_soon_as_they_are_noted_and_after_a_restart(tmp_path: Path) -> None:
    memory = make_memory(tmp_path)
    acquaintances = Acquaintances(memory.store)
    acquaintances.meet("connect")
    episode = make_episode([1, 7, 8, 9], 0, "carl")
    memory.remember(episode, "v")
    acquaintances.note(episode)
    live = acquaintances.meet("connect")
    memory.store.close()
    read = Acquaintances(Store(tmp_path)).meet("connect")
    for impression in (live, read):
        for step in steps(episode):
            impression.see(step)
        assert impression.nearest().opponent == "carl"


def test_what_one_taught_counts_nearly_as_much_against_one_who_plays_alike() -> None:
    memory = make_memory()
    trace = make_episode(ANA, 0).traces[-1]

    def advice(**who: str | None) -> float:
        told = memory.advise("connect", "zoe", trace.code, trace.key, 0.0, 4, **who)
        return float(told.advantage[0])

    config = memory.advice_config
    assert advice() == pytest.approx(-config.shared)
    assert advice(alike="ana") == pytest.approx(-config.alike)
    assert advice(alike="ben") == pytest.approx(-config.shared)  # who was never there


def test_a_game_twice_as_long_is_read_in_about_twice_the_work() -> None:
    """A match of volley has thousands of plies: a game must not begin with seconds of reading."""
    work = []
    for plies in (400, 800):
        memory = Hippocampus.open(None, KEY_SIZE)
        memory.remember(make_episode(list(range(plies)), 1, "ana"), "v")
        ticks: list[None] = []
        memory.store.connection.set_progress_handler(lambda seen=ticks: seen.append(None), 100)
        Acquaintances(memory.store).meet("connect")
        memory.store.connection.set_progress_handler(None, 0)
        work.append(len(ticks))
    assert work[1] < 2.5 * work[0]


def test_what_came_after_a_forgotten_trace_is_no_answer() -> None:
    memory = make_memory()
    with memory.store.connection as connection:
        connection.execute("DELETE FROM traces WHERE ply = 1")
    impression = Acquaintances(memory.store).meet("connect")
    first, second, third = steps(make_episode(ANA, 0))
    for step in [*steps(make_episode([1, 3], 0)), first, second, *3 * [third]]:
        impression.see(step)
    ana = impression.nearest()
    assert ana is not None
    assert (ana.opponent, ana.same, ana.other) == ("ana", 3, 0), "only 3 -> 4 is known"
