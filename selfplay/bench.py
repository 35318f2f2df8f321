"""Benchmarks: the games, training, decisions, recall, strength."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator

import envs
from envs import legal_of
from envs.opponents import choose
from lifelong_agent import LifelongAgent
from lifelong_agent.ppo import LifelongPPO
from lifelong_agent.weights import PRETRAINED
from memory import Episode, Hippocampus, Trace, fingerprint
from selfplay.bench_games import bench_games
from selfplay.bench_recall import bench_recall, percentiles
from selfplay.bench_sb3 import bench_sb3
from selfplay.machine import best_batch, best_precision
from selfplay.measure import Row, turn_about
from selfplay.strength import bench_strength
from selfplay.training import TrainConfig, Trainer


@dataclass(frozen=True)
class BenchConfig:
    """What to measure on.

    Attributes:
        agent: the agent's folder; None for the shipped one.
        games: per opponent (strength).
        variants: the games (envs, strength).
        traces: sizes of memory, ascending (recall).
    """

    agent: Path | None
    games: int
    variants: list[str]
    traces: list[int]


def run(what: str, device: torch.device, seed: int, config: BenchConfig) -> list[Row]:
    """Measure one of envs, train, decide, recall, strength."""
    directory = config.agent or PRETRAINED
    measures: dict[str, Callable[[], list[Row]]] = {
        "envs": lambda: bench_games(config.variants, device, seed),
        "train": lambda: bench_train(device, seed),
        "decide": lambda: bench_decide(directory, seed),
        "recall": lambda: bench_recall(directory, seed, config.traces),
        "strength": lambda: bench_strength(directory, device, seed, config.games, config.variants),
    }
    return measures[what]()


# Training


def bench_train(device: torch.device, seed: int, rollouts: int = 3) -> list[Row]:
    """Learner steps per second, against what the bare network allows on the same data.

    The bare network does only the unavoidable: one forward per decision to act, then forward,
    backward and the optimiser's step in each epoch, on observations that are already there.
    """
    num_games, minibatches = best_batch(device)
    config = TrainConfig(
        seed=seed, device=str(device), precision=best_precision(device),
        num_games=num_games, minibatches=minibatches, compiled=device.type == "cuda",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, Path(folder))
        algorithm = trainer.algorithm
        steps = trainer.arenas.num_rows * algorithm.config.num_steps

        def learn() -> None:
            algorithm.learn(steps, log_interval=1_000_000, reset_num_timesteps=False)

        trainer.before_rollout()
        times = turn_about([learn, lambda: _bare_network(algorithm)], device)
    speeds = [steps / t for t in times]
    learner = Row("learner", speeds[0], "steps/s", "bare network", speeds[1])
    return [learner] if device.type == "cuda" else [learner, *bench_sb3(device, seed)]


def _bare_network(algorithm: LifelongPPO) -> None:
    rollout, network = algorithm.rollout, algorithm.policy.network
    assert rollout is not None
    state = algorithm.states[:, 0].clone()
    with torch.no_grad():
        for t in range(len(rollout.frames)):
            glances = network.eyes.glance(rollout.frames[t])
            network(rollout.frames[t], rollout.legal_actions[t], state, glances)
    weights = {name: w.clone() for name, w in network.state_dict().items()}
    for rows in algorithm._minibatches():
        algorithm._descend(algorithm._gradients(rows)[-1])
    network.load_state_dict(weights)


# Decisions


def bench_decide(directory: Path, seed: int, traces: int = 20_000) -> list[Row]:
    """Milliseconds per decision on one thread, looks and memory included."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    agent = LifelongAgent.load(directory)
    _fill(agent.hippocampus, traces, seed)
    game = envs.make("connect")
    generator = Generator().manual_seed(seed)
    times: list[float] = []
    while len(times) < 2000:
        state = game.init(1, generator)
        agent.begin_game("connect", "benchmark")
        while not bool(state.ended):
            obs = {
                "observation": game.frame(state, state.seat)[0],
                "action_mask": legal_of(state, state.seat)[0],
            }
            start = time.perf_counter()
            agent.act(obs)  # type: ignore[arg-type]
            times.append(time.perf_counter() - start)
            actions = choose(legal_of(state, state.seat).float(), generator)
            state = game.step(state, actions[:, None].expand(1, 2), generator)
    torch.set_num_threads(threads)
    median, p99 = percentiles(times[200:])
    return [
        Row(f"decision, median, {traces:,} traces", median, "ms"),
        Row(f"decision, p99, {traces:,} traces", p99, "ms"),
    ]


def _fill(hippocampus: Hippocampus, traces: int, seed: int) -> None:
    """Games of random keys and frames, as many as give `traces` traces."""
    random = np.random.default_rng(seed)
    frames = random.integers(0, 255, (20, 3, 64, 64), dtype=np.uint8)
    frames[:, :, ::2] = 0
    for start in range(0, traces, 20):
        episode = Episode("connect", f"somebody-{start % 50}", 1.0)
        for i in range(20):
            key = random.standard_normal(hippocampus.key_size).astype(np.float32)
            episode.traces.append(_random_trace(key / np.linalg.norm(key), frames[i], random))
        hippocampus.remember(episode, "benchmark")


def _random_trace(
    key: np.ndarray[Any, Any], frame: np.ndarray[Any, Any], random: np.random.Generator
) -> Trace:
    return Trace(
        code=fingerprint(key.view(np.uint8)),
        key=key,
        frame=frame,
        state=np.zeros(224, np.float32),
        fixations=np.zeros((1, 2), np.int64),
        action=int(random.integers(7)),
        legal_actions=np.ones(16, np.bool_),
        policy=np.full(16, 1 / 16, np.float32),
        value=0.0,
    )
