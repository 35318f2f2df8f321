"""How fast and how exactly memories are recalled, and what they cost: keys of frames of games.

The agent's own network plays all three games, half by chance, against random opponents, so that
keys, frames and recurrent states are those of play.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from torch import Generator, Tensor

import envs
from envs import legal_of
from envs.opponents import choose
from lifelong_agent import LifelongAgent
from lifelong_agent.keys import KEY_SIZE
from memory import Episode, Hippocampus, Trace, fingerprint
from memory.forgetting import ForgettingConfig
from memory.traces import Floats
from selfplay.cli import progress_bar
from selfplay.measure import Row
from selfplay.seats import AnyGame

GAMES = ("connect", "tron", "volley")
ROWS = 64
LONGEST = 60
QUERIES = 2000
TURNS = 4
NEIGHBOURS = 8


def percentiles(times_s: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    return float(np.percentile(times_s, 50) * 1e3), float(np.percentile(times_s, 99) * 1e3)


# Episodes


@dataclass
class _Table:
    """B games in progress, and what the agent remembers of each."""

    game: AnyGame
    seat: Tensor
    memory: Tensor
    episodes: list[Episode]


@torch.inference_mode()
def play_episodes(agent: LifelongAgent, seed: int) -> Iterator[Episode]:
    """Games without end, one after another; volley and long ones stop after 60 decisions."""
    generator = Generator().manual_seed(seed)
    for number, variant in enumerate(cycle(GAMES)):
        seat = torch.arange(ROWS) % 2
        names = [f"somebody-{(number + row) % 50}" for row in range(ROWS)]
        table = _Table(
            envs.make(variant), seat, agent.network.initial_state(ROWS),
            [Episode(variant, name) for name in names],
        )  # fmt: skip
        _play(agent, table, generator)
        yield from (episode for episode in table.episodes if episode.traces)


def _play(agent: LifelongAgent, table: _Table, generator: Generator) -> None:
    state = table.game.init(ROWS, generator)
    for _ in range(LONGEST):
        if bool(state.ended.all()):
            break
        actions = _decide(agent, table, state, generator)
        others = choose(legal_of(state, 1 - table.seat).float(), generator)
        both = torch.stack([actions, others], 1)
        both = torch.where(table.seat[:, None] == 0, both, both.flip(1))
        state = table.game.step(state, both, generator)
        rewards = state.rewards.gather(1, table.seat[:, None])[:, 0]
        for episode, reward in zip(table.episodes, rewards.tolist(), strict=True):
            episode.result = max(-1.0, min(1.0, episode.result + reward))


def _decide(agent: LifelongAgent, table: _Table, state: Any, generator: Generator) -> Tensor:
    frames, legal = table.game.frame(state, table.seat), legal_of(state, table.seat)
    thought = agent.network(frames, legal, table.memory)
    keys = agent.keys(thought.percept.reading, frames).numpy()
    policy = thought.log_probs.exp()
    actions = choose(policy + legal / legal.sum(1, keepdim=True).clamp_min(1), generator)
    moving = state.to_move.gather(1, table.seat[:, None])[:, 0] & ~state.ended
    for row in moving.nonzero()[:, 0].tolist():
        pixels = frames[row].numpy().copy()
        table.episodes[row].traces.append(
            Trace(
                fingerprint(pixels), keys[row].copy(), pixels, table.memory[row].numpy().copy(),
                thought.percept.fixations[row].numpy().copy(), int(actions[row]),
                legal[row].numpy().copy(), policy[row].numpy().copy(), float(thought.value[row]),
            )
        )  # fmt: skip
    table.memory = torch.where(moving[:, None], thought.state, table.memory)
    return actions


# Measures


def bench_recall(directory: Path, seed: int, sizes: list[int]) -> list[Row]:
    """Milliseconds per recall of 8 neighbours on one thread, exactness, seconds and bytes.

    Each size is a memory on disk, filled by play and opened again; 1,000,000 traces take 1.4 GB.

    Args:
        directory: the agent's folder.
        seed: of the games.
        sizes: traces, ascending.

    Raises:
        ValueError: for sizes that do not rise, or none.
    """
    if not sizes or sizes != sorted(set(sizes)) or sizes[0] < QUERIES:
        raise ValueError(f"sizes of memory must rise, from {QUERIES} on")
    torch.set_num_threads(1)
    agent = LifelongAgent.load(directory)
    queries = _keys(play_episodes(agent, seed + 1))
    episodes = play_episodes(agent, seed)
    config = ForgettingConfig(capacity_traces=2 * sizes[-1])  # nothing is forgotten
    with tempfile.TemporaryDirectory() as folder:
        each = [_bench_memory(Path(folder), config, episodes, size, queries) for size in sizes]
    return list(chain.from_iterable(each))


def _keys(episodes: Iterator[Episode]) -> Floats:
    """(2000, D) keys, one of every third decision."""
    keys = (trace.key for episode in episodes for trace in episode.traces)
    return np.stack(list(islice(keys, 0, 3 * QUERIES, 3)))


def _bench_memory(
    folder: Path, config: ForgettingConfig, episodes: Iterator[Episode], size: int, queries: Floats
) -> list[Row]:
    memory = Hippocampus.open(folder, KEY_SIZE, config)
    with progress_bar("remembering", size, "traces") as tell:
        fill(memory, episodes, size, tell)
    memory.store.close()
    opening_s = min(_seconds_to_open(folder, config) for _ in range(TURNS))
    memory = Hippocampus.open(folder, KEY_SIZE, config)
    rows = [*_speeds(memory, queries, size), _exactness(memory, queries, size)]
    memory.store.close()
    stored = (folder / "memory.sqlite").stat().st_size
    return [
        *rows,
        Row(f"opening, {size:,} traces", opening_s, "s"),
        Row(f"on disk, {size:,} traces", stored / size, "bytes/trace"),
    ]


def _seconds_to_open(folder: Path, config: ForgettingConfig) -> float:
    start = time.perf_counter()
    memory = Hippocampus.open(folder, KEY_SIZE, config)
    opening_s = time.perf_counter() - start
    memory.store.close()
    return opening_s


def fill(
    memory: Hippocampus, episodes: Iterator[Episode], traces: int, tell: Callable[[int, str], None]
) -> None:
    """Remember games until there are that many traces; the last one is cut short."""
    while len(memory) < traces:
        episode = next(episodes)
        del episode.traces[traces - len(memory) :]
        memory.remember(episode, "benchmark")
        tell(len(memory), "")


def _speeds(memory: Hippocampus, queries: Floats, size: int) -> list[Row]:
    """Ours and bare FAISS, first in turn; each query's best of four, since machines are noisy."""
    faiss.omp_set_num_threads(1)
    searches = [memory.recall, memory.index.bare.search]
    times = np.empty((2, len(queries), TURNS))
    for number, query in enumerate(queries[:, None]):
        for turn in range(TURNS):
            for who in ((0, 1), (1, 0))[turn % 2]:
                start = time.perf_counter()
                searches[who](query, NEIGHBOURS)
                times[who, number, turn] = time.perf_counter() - start
    ours, theirs = (percentiles(best) for best in times.min(2).tolist())
    return [
        Row(f"recall, {name}, {size:,} traces", ms, "ms", "bare FAISS", peer_ms)
        for name, ms, peer_ms in zip(("median", "p99"), ours, theirs, strict=True)
    ]


def _exactness(memory: Hippocampus, queries: Floats, size: int) -> Row:
    """Share of queries whose nearest found is as near as an exact search finds."""
    keys = np.stack(list(memory.index.contents().values()))
    exact = faiss.IndexFlatL2(keys.shape[1])
    exact.add(keys)
    nearest, _ = exact.search(queries, 1)
    found = memory.recall(queries, 1).distances
    return Row(f"recall@1, {size:,} traces", float((found <= nearest + 1e-5).mean()), "share")
