"""Ten thousand games in a row: do answers stay quick, and does the memory stay within its bounds?

    python benchmarks/memory_endurance.py --memory runs/endurance

A small synthetic agent plays: positions are drawn from a tree, opponents have habits, memory
advises each decision, every game is stored, and every tenth is followed by a sleep. A run that was
interrupted goes on where it stopped. Prints one row per block of games, and fails if the later
blocks are not as the earlier ones once the memory is full.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from memory import Episode, Hippocampus, Trace, advise, fingerprint, sleep
from memory.forgetting import ForgettingConfig
from memory.inspection import inspect
from memory.traces import Floats
from selfplay.bench_recall import percentiles
from selfplay.cli import Options, checked_output, guarded, parse, progress_bar, write_json

KEY_SIZE, NUM_ACTIONS, STATE_SIZE = 64, 7, 224
OPPONENTS, DECISIONS, OPENINGS = 100, 12, 40
BLOCK, SLEEP_EVERY, SLEEP_S = 500, 10, 0.05
OUT = Console(soft_wrap=True)


@dataclass(frozen=True, kw_only=True)
class Endurance(Options):
    """Play many games with one memory, and watch what it costs."""

    memory: Path = Path("runs/endurance")
    """Folder of the memory and of the log; a run there is taken up again."""
    games: int = 10_000
    """In all."""
    capacity: int = 20_000
    """Traces that the memory keeps."""


@dataclass(frozen=True)
class Block:
    """What one block of games cost; times in milliseconds."""

    games: int
    advice_median: float
    advice_p99: float
    remember_median: float
    remember_p99: float
    traces: int
    store_mb: float
    resident_mb: float


def position(number: int) -> tuple[Floats, np.ndarray]:
    """Key and frame of a position, always the same."""
    random = np.random.default_rng(number)
    key = random.standard_normal(KEY_SIZE).astype(np.float32)
    cells = random.integers(3, size=(6, 7))
    board = np.kron(cells, np.ones((8, 8), np.uint8)).astype(np.uint8)
    frame = np.zeros((3, 64, 64), np.uint8)
    frame[:, 8:56, 4:60] = 80 * board
    frame[0, 0, :8] = np.frombuffer(np.int64(number).tobytes(), np.uint8)
    return key / np.linalg.norm(key), frame


def play(memory: Hippocampus, number: int, times: list[float]) -> Episode:
    """One game; the time of each piece of advice goes into `times`."""
    random = np.random.default_rng([7, number])
    who = int(random.integers(OPPONENTS))
    episode, place = Episode("synthetic", f"opponent-{who}"), int(random.integers(OPENINGS))
    worth = 0
    for _ in range(DECISIONS):
        (key, frame), code = position(place), 0
        code = fingerprint(frame)
        start = time.perf_counter()
        advice = memory.advise("synthetic", episode.opponent, code, key, 0.0, NUM_ACTIONS)
        times.append(time.perf_counter() - start)
        policy = random.dirichlet(np.ones(NUM_ACTIONS)).astype(np.float32)
        action = int(advise(policy, advice.advantage, 0.2).argmax())
        episode.traces.append(
            Trace(
                code, key, frame, random.uniform(-1, 1, STATE_SIZE).astype(np.float32),
                np.zeros((1, 2), np.int64), action, np.ones(NUM_ACTIONS, np.bool_), policy, 0.0,
                recalled=advice.recalled,
            )
        )  # fmt: skip
        worth += 1 if (place + action + who) % NUM_ACTIONS < 3 else -1
        place = (place * 31 + action * 7 + int(random.integers(4)) + 1) % 1_000_003
    episode.result = float(np.sign(worth))
    return episode


def play_block(memory: Hippocampus, last: int) -> Block:
    """Go on until `last` games are stored."""
    advice: list[float] = []
    remember: list[float] = []
    for number in range(memory.store.last_game() + 1, last + 1):
        episode = play(memory, number, advice)
        start = time.perf_counter()
        memory.remember(episode, "synthetic")
        remember.append(time.perf_counter() - start)
        if number % SLEEP_EVERY == 0:
            sleep(memory, SLEEP_S)
    assert memory.store.directory is not None
    stored = (memory.store.directory / "memory.sqlite").stat().st_size / 1e6
    return Block(
        last, *percentiles(advice), *percentiles(remember), len(memory), stored, resident_mb()
    )


def resident_mb() -> float:
    """Memory of this process, where the system tells (Linux); else 0."""
    status = Path("/proc/self/statm")
    pages = int(status.read_text().split()[1]) if status.exists() else 0
    return pages * 4096 / 1e6


def blocks(options: Endurance) -> Iterator[Block]:
    """All blocks, those of earlier runs out of the log."""
    options.memory.mkdir(parents=True, exist_ok=True)
    log = options.memory / "blocks.jsonl"
    for line in log.read_text().splitlines() if log.exists() else []:
        yield Block(**json.loads(line))
    config = ForgettingConfig(capacity_traces=options.capacity)
    memory = Hippocampus.open(options.memory, KEY_SIZE, config)
    for last in range(BLOCK, options.games + 1, BLOCK):
        if memory.store.last_game() < last:
            block = play_block(memory, last)
            with log.open("a") as file:
                file.write(json.dumps(asdict(block)) + "\n")
            yield block
    memory.store.close()


def complaints(options: Endurance, rows: list[Block]) -> list[str]:
    """What was not flat, once the memory was full; the last third against the one before it."""
    full = [row for row in rows if row.games * DECISIONS > 1.2 * options.capacity]
    found = inspect(options.memory)
    if any(row.traces > options.capacity for row in rows):
        found.append("the memory holds more than its capacity")
    third = len(full) // 3
    for name, most in (("advice_median", 1.3), ("remember_median", 1.3), ("resident_mb", 1.1)):
        early, late = (
            np.median([getattr(row, name) for row in part])
            for part in (full[third : 2 * third], full[2 * third :])
        )
        if third and late > most * early:
            found.append(f"{name} rose from {early:.3f} to {late:.3f}")
    return found


def show(rows: list[Block]) -> None:
    """A table of the blocks."""
    table = Table(*(name.replace("_", " ") for name in asdict(rows[0])))
    for row in rows:
        table.add_row(*(f"{value:,.3f}" if value % 1 else f"{value:,.0f}"
                        for value in asdict(row).values()))  # fmt: skip
    OUT.print(table)


def main() -> None:
    """The benchmark."""

    def run() -> None:
        options = parse(Endurance, None, "benchmarks/memory_endurance.py")
        checked_output(options.json)
        if options.games < BLOCK or options.capacity < DECISIONS:
            raise ValueError(f"there are at least {BLOCK} games and room for {DECISIONS} traces")
        rows = []
        with progress_bar("playing", options.games, "games") as tell:
            for row in blocks(options):
                rows.append(row)
                tell(row.games, "")
        show(rows)
        found = complaints(options, rows)
        write_json(options.json, {"blocks": [asdict(row) for row in rows], "complaints": found})
        if found:
            raise ValueError("; ".join(found))
        OUT.print("flat, within its capacity, and sound")

    guarded(run)


if __name__ == "__main__":
    main()
