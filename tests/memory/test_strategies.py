from pathlib import Path

import numpy as np
import pytest

from memory import Episode, Store, Strategy
from memory.confidence import Spread, interval
from memory.strategies import StrategyBook, peaks
from tests.memory.make import make_episode


def note(book: StrategyBook, episode: Episode) -> list[Strategy]:
    strategies = book.summarise(episode)
    ids = book.store.write_game(episode, {}, [s.to_row() for s in strategies], "v")
    return book.resolve(strategies, ids)


def make_lesson(returns: list[float], game: str = "connect", opponent: str = "ana") -> Episode:
    """A game of as many situations, each with what it turned out to be worth (expected: 0)."""
    episode = make_episode(list(range(len(returns))), result=-1, opponent=opponent)
    episode.game = game
    for trace, worth in zip(episode.traces, returns, strict=True):
        trace.returns = worth
    return episode


def test_peaks_are_local_and_the_largest_come_first() -> None:
    assert peaks([0.1, -0.9, 0.2, 0.5, 0.5, 0.0], 3) == [1, 3, 4]
    assert peaks([0.0, 0.0], 3) == []
    assert peaks([0.3, -0.9, 0.4], 1) == [1]


def test_an_interval_is_that_of_two_observations_more() -> None:
    half = 1.96 * 0.5 * 6**0.5 / 4
    assert interval(0.5, 4, spread=0.5) == pytest.approx((0.5 - half, 0.5 + half))
    assert interval(1, 5, spread=1)[0] < 0 < interval(1, 6, spread=1)[0]  # five heads, six heads


def test_spread_is_pooled_over_things_not_between_them() -> None:
    spread = Spread()
    assert spread.value == 0.5
    spread.see_all([1.0, 0.0, 0.5])  # 0.5^2 + 0.5^2 around 0.5
    spread.see_all([-1.0, -1.0])
    spread.see_all([0.9])
    assert (spread.squares, spread.freedom) == (pytest.approx(0.5), 3)
    assert spread.value == pytest.approx(((2 * 0.25 + 0.5) / (2 + 3)) ** 0.5)


def test_a_blunder_seen_twice_becomes_a_bad_strategy_with_its_evidence() -> None:
    book = StrategyBook(Store())
    for game in (1, 2):
        (strategy,) = note(book, make_lesson([0, -0.9]))
        assert strategy.count == game
        assert strategy.evidence[-1] == 2 * game
        assert strategy.verdict == ("undetermined", "bad")[game - 1]
    assert strategy.mean_advantage == pytest.approx(-0.9)
    assert strategy.evidence == (2, 4)
    assert "2 times" in strategy.sentence
    assert "0.90" in strategy.sentence


def test_a_blunder_that_ends_the_game_is_clear_at_once_where_early_moves_are_not() -> None:
    book, rng = StrategyBook(Store()), np.random.default_rng(0)
    for _ in range(40):
        note(book, make_lesson([rng.choice([-1.0, 1.0]), 0, 0, -0.9]))
    for _ in range(2):
        strategies = note(book, make_lesson([-0.9, 0, 0, 0, -0.9], opponent="ben"))
    verdict = {s.evidence[0] - s.evidence[0] // 5 * 5: s.verdict for s in strategies}
    assert len(verdict) == 2
    assert sorted(verdict.values()) == ["bad", "undetermined"]
    assert [s.verdict for s in strategies if len(s.evidence) == 2 and s.code == _last_code()] == [
        "bad"
    ]


def _last_code() -> int:
    return make_lesson([0] * 5).traces[-1].code


@pytest.mark.parametrize("outcomes", [(-1.0, 1.0), (-1.0, 0.0, 1.0), None])
def test_random_rewards_make_hardly_any_strategies(outcomes: tuple[float, ...] | None) -> None:
    rng = np.random.default_rng(1)
    book = StrategyBook(Store())
    shares = []
    for game in range(400):
        opening, action = rng.integers(15), rng.integers(2)
        situations = [3 * int(opening) + step for step in range(3)]
        episode = make_episode(situations, 0, actions=[int(action)] * 3)
        worth = rng.normal(0, 0.6) if outcomes is None else rng.choice(outcomes)
        for trace in episode.traces:
            trace.returns = float(worth * rng.uniform(0.8, 1))
        note(book, episode)
        if game % 40 == 39:
            noted = book.read("connect", "ana")
            shares.append(np.mean([s.verdict != "undetermined" for s in noted]))
    assert len(noted) > 60
    assert np.median([s.count for s in noted]) >= 2
    assert np.mean(shares) <= 0.05
    assert shares[-1] <= 0.05


def test_true_strategies_are_found_among_random_ones() -> None:
    rng = np.random.default_rng(2)
    book = StrategyBook(Store())
    for _ in range(40):
        note(book, make_lesson([rng.choice([-1.0, 1.0]), 0, 0.7 + rng.normal(0, 0.3)]))
    verdicts = {s.code: s.verdict for s in book.read("connect", "ana")}
    codes = [trace.code for trace in make_lesson([0, 0, 0]).traces]
    assert (verdicts[codes[0]], verdicts[codes[2]]) == ("undetermined", "good")


def test_what_is_read_again_after_a_restart_has_the_same_bounds(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    book = StrategyBook(Store(tmp_path))
    for _ in range(12):
        note(book, make_lesson([rng.choice([-1.0, 1.0]), 0, -0.9]))
    bounds = {s.code: s.ci95 for s in book.read("connect", "ana")}
    book.store.close()
    again = StrategyBook(Store(tmp_path))
    assert {s.code: s.ci95 for s in again.read("connect", "ana")} == {
        code: pytest.approx(ci95) for code, ci95 in bounds.items()
    }
    again.store.close()


def test_a_small_surprise_seen_once_is_kept_but_undetermined() -> None:
    book = StrategyBook(Store())
    episode = make_episode([1], result=0)
    episode.traces[0].returns = 0.3
    (strategy,) = note(book, episode)
    assert strategy.verdict == "undetermined"


def test_strategies_are_kept_per_opponent() -> None:
    store = Store()
    book = StrategyBook(store)
    for name in ("ana", "ben"):
        episode = make_episode([1], result=-1, opponent=name)
        episode.traces[0].returns = -1.0
        strategies = book.summarise(episode)
        store.write_game(episode, {}, [s.to_row() for s in strategies], "v")
    assert [s.count for s in book.read("connect", "ana")] == [1]


def test_a_sentence_calls_actions_what_it_is_told() -> None:
    book = StrategyBook(Store())
    (strategy,) = note(book, make_lesson([-0.9, -0.8, 0]))
    assert strategy.actions == (0, 0)
    words = strategy.tell(lambda action: f"going {('left', 'right')[action]}")
    assert "going left, then going left in this position" in words
    assert "move" not in words
    assert "move 1, then move 1" in strategy.sentence


def test_confidence_fades_with_sleeps_and_the_count_stays_true() -> None:
    book = StrategyBook(Store(), life_sleeps=10)
    for _ in range(3):
        (strategy,) = note(book, make_lesson([-0.9]))
    assert (strategy.verdict, strategy.weight) == ("bad", 3)
    for _ in range(10):
        book.store.note_sleep(0)
    (faded,) = book.read("connect", "ana")
    assert (faded.count, faded.weight) == (3, pytest.approx(3 / np.e))
    assert faded.ci95 == pytest.approx(
        interval(-0.9, 3 / np.e, book._spread("connect")[True].value)
    )
    assert faded.verdict == "undetermined"
    (again,) = note(book, make_lesson([0.1]))
    assert (again.count, again.weight) == (4, pytest.approx(3 / np.e + 1))
    assert again.mean_advantage == pytest.approx((-0.9 * 3 / np.e + 0.1) / (3 / np.e + 1))
    book.store.check()


def test_what_was_seen_once_and_long_ago_leaves_in_the_end() -> None:
    book = StrategyBook(Store(), life_sleeps=10)
    note(book, make_lesson([-0.9]))
    for _ in range(2):
        note(book, make_lesson([0, 0.8]))
    for _ in range(29):  # 10 ln 20 = 29.96
        book.store.note_sleep(0)
        book.fade()
    assert len(book.read("connect", "ana")) == 2
    for _ in range(2):
        book.store.note_sleep(0)
        book.fade()
    assert [s.count for s in book.read("connect", "ana")] == [2]
