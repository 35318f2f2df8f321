from pathlib import Path

import pytest

import benchmarks.memory_endurance as endurance
from benchmarks.memory_endurance import Block, Endurance, blocks, complaints


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endurance, "BLOCK", 5)
    monkeypatch.setattr(endurance, "SLEEP_EVERY", 3)


@pytest.mark.usefixtures("short")
def test_an_interrupted_run_goes_on_and_stays_within_its_capacity(tmp_path: Path) -> None:
    first = list(blocks(Endurance(memory=tmp_path, games=10, capacity=60)))
    again = list(blocks(Endurance(memory=tmp_path, games=15, capacity=60)))
    assert [block.games for block in again] == [5, 10, 15]
    assert again[:2] == first
    assert all(block.traces <= 60 for block in again)
    assert all(block.advice_p99 >= block.advice_median > 0 for block in again)


def test_what_is_not_flat_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endurance, "inspect", lambda _: [])
    options = Endurance(memory=tmp_path, capacity=100)
    flat = [Block(500 * i, 0.1, 0.2, 5.0, 9.0, 90, 1.0, 200.0) for i in range(1, 10)]
    assert complaints(options, flat) == []
    slower = [Block(500 * i, 0.1 * i, 0.2, 5.0, 9.0, 90, 1.0, 200.0) for i in range(1, 10)]
    assert complaints(options, slower) == ["advice_median rose from 0.500 to 0.800"]
    fuller = [*flat, Block(5000, 0.1, 0.2, 5.0, 9.0, 101, 1.0, 200.0)]
    assert "more than its capacity" in complaints(options, fuller)[0]
