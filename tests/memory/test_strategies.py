import pytest

from memory import Store
from memory.strategies import StrategyBook, interval, peaks
from tests.memory.make import make_episode


def test_peaks_are_local_and_the_largest_come_first() -> None:
    assert peaks([0.1, -0.9, 0.2, 0.5, 0.5, 0.0], 3) == [1, 3, 4]
    assert peaks([0.0, 0.0], 3) == []
    assert peaks([0.3, -0.9, 0.4], 1) == [1]


def test_an_interval_narrows_with_the_square_root_of_n() -> None:
    assert interval(0.5, 4, spread=0.5) == pytest.approx((0.5 - 0.49, 0.5 + 0.49))


def test_a_blunder_seen_twice_becomes_a_bad_strategy_with_its_evidence() -> None:
    store = Store()
    book = StrategyBook(store)
    for game in (1, 2):
        episode = make_episode([1, 2], result=-1)
        episode.traces[1].returns = -0.9
        strategies = book.summarise(episode)
        ids = store.write_game(episode, {}, [s.to_row() for s in strategies], "v")
        (strategy,) = book.resolve(strategies, ids)
        assert strategy.count == game
        assert strategy.evidence[-1] == ids[1]
    assert strategy.mean_advantage == pytest.approx(-0.9)
    assert strategy.verdict == "bad"
    assert len(strategy.evidence) == 2
    assert "2 times" in strategy.sentence
    assert "0.90" in strategy.sentence


def test_a_small_surprise_seen_once_is_kept_but_undetermined() -> None:
    book = StrategyBook(Store())
    episode = make_episode([1], result=0)
    episode.traces[0].returns = 0.3
    (strategy,) = book.summarise(episode)
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
