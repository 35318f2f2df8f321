"""How fast the games are, rules alone and with frames, beside the libraries that know them.

Actions are drawn beforehand for all: this measures rules and restarts, not dice.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

import envs
from envs.opponents import choose
from selfplay.measure import TURNS, Row, turn_about

CPU_BATCH, CUDA_BATCH = 4096, 65_536
BATCH_STEPS = 100
SINGLE_STEPS = 3000  # of libraries that play one game at a time

Play = Callable[[], Any]


@dataclass(frozen=True)
class Timed:
    """A play of known length: `steps` game steps in one call."""

    play: Play
    steps: int


@dataclass(frozen=True)
class Effort:
    """How much to play: games side by side, steps of each, turns."""

    batch: int
    steps: int = BATCH_STEPS
    turns: int = TURNS

    @classmethod
    def of(cls, device: torch.device) -> Effort:
        """The usual one."""
        return cls(CUDA_BATCH if device.type == "cuda" else CPU_BATCH)


def bench_games(
    variants: Sequence[str], device: torch.device, seed: int, effort: Effort | None = None
) -> list[Row]:
    """Steps and frames per second of each variant, and of those peers that have the game.

    Rows come as they are, and compiled where there is a C++ compiler; the peer compiles, too, if
    it can. Rows with frames draw what one seat sees after every step.
    """
    effort = effort or Effort.of(device)
    rows: list[Row] = []
    for variant in variants:
        rows += _bench(envs.make(variant, device), seed, effort)
    return rows


def _bench(game: envs.Game[Any], seed: int, effort: Effort) -> list[Row]:
    ours = {**our_plays(game, seed, effort), "frames": _drawing(game, seed, effort)}
    theirs = {
        name: make(seed, effort)
        for name, make in PEERS.get(game.variant, {}).items()
        if importlib.util.find_spec(MODULES[name]) is not None
    }
    plays = [*ours.values(), *theirs.values()]
    times = turn_about([timed.play for timed in plays], game.device, effort.turns)
    speeds = [timed.steps / t for timed, t in zip(plays, times, strict=True)]
    speed = dict(zip([*ours, *theirs], speeds, strict=True))
    rows = [Row(f"{game.variant}: {what}", speed[what], _unit(what)) for what in ours]
    for peer in theirs:
        what = COUNTERPART[peer] if COUNTERPART[peer] in ours else "rules"
        rows.append(Row(f"{game.variant}: {what}", speed[what], _unit(what), peer, speed[peer]))
    return rows


def _unit(what: str) -> str:
    return "frames/s" if what == "frames" else "steps/s"


def our_plays(game: envs.Game[Any], seed: int, effort: Effort) -> dict[str, Timed]:
    """Legal play with restarts: rules, compiled rules, and rules with frames."""
    generator = Generator(game.device).manual_seed(seed)
    start = game.init(effort.batch, generator)
    seat = torch.zeros(effort.batch, dtype=torch.int64, device=game.device)

    def turn(state: Any, actions: Tensor) -> Any:
        following = game.step(state, actions, generator)
        return game.reset(following, following.ended, generator)

    def seen_turn(state: Any, actions: Tensor) -> Any:
        following = turn(state, actions)
        game.frame(following, seat)
        return following

    state, script = start, []
    for _ in range(effort.steps):
        actions = choose(state.legal_actions.flatten(0, 1).float(), generator)
        script.append(actions.view(effort.batch, envs.NUM_SEATS))
        state = turn(state, script[-1])

    def play(turn: Callable[[Any, Tensor], Any]) -> None:
        state = start
        for actions in script:
            state = turn(state, actions)

    turns: dict[str, Callable[[Any, Tensor], Any]] = {"rules": turn}
    if shutil.which(os.environ.get("CXX", "g++")):
        turns["rules, compiled"] = torch.compile(turn, dynamic=False)
    turns["rules with frames"] = seen_turn
    steps = effort.batch * effort.steps
    return {what: Timed(partial(play, turn), steps) for what, turn in turns.items()}


def _drawing(game: envs.Game[Any], seed: int, effort: Effort) -> Timed:
    generator = Generator(game.device).manual_seed(seed)
    state = game.init(effort.batch, generator)
    for _ in range(10):
        actions = choose(state.legal_actions.flatten(0, 1).float(), generator)
        state = game.step(state, actions.view(effort.batch, envs.NUM_SEATS), generator)
    seat = torch.arange(effort.batch, device=game.device) % envs.NUM_SEATS
    return Timed(partial(game.frame, state, seat), effort.batch)


# Peers. Each returns the same kind of play; none of them is imported unless it is installed.


def play_pgx(seed: int, effort: Effort) -> Timed:
    """`pgx`, compiled, with its own automatic reset."""
    jax, pgx = importlib.import_module("jax"), importlib.import_module("pgx")
    auto_reset = importlib.import_module("pgx.experimental.wrappers").auto_reset
    game = pgx.make("connect_four")
    init, step = jax.jit(jax.vmap(game.init)), jax.jit(jax.vmap(auto_reset(game.step, game.init)))
    start = init(jax.random.split(jax.random.PRNGKey(seed), effort.batch))
    state, script = start, []
    for key in jax.random.split(jax.random.PRNGKey(seed + 1), effort.steps):
        draw, restart = jax.random.split(key)
        logits = jax.numpy.log(state.legal_action_mask.astype(jax.numpy.float32))
        actions = jax.random.categorical(draw, logits, axis=1)
        script.append((actions, jax.random.split(restart, effort.batch)))
        state = step(state, *script[-1])

    def play() -> None:
        state = start
        for actions, restarts in script:
            state = step(state, actions, restarts)
        jax.block_until_ready(state)

    return Timed(play, effort.batch * effort.steps)


def play_open_spiel(seed: int, effort: Effort) -> Timed:
    """OpenSpiel's rules, one game after another."""
    game = importlib.import_module("pyspiel").load_game("connect_four")
    script = _random_games(seed, game.new_initial_state, lambda s: s.legal_actions(), _apply)

    def play() -> None:
        for actions in script:
            state = game.new_initial_state()
            for action in actions:
                state.apply_action(action)

    return Timed(play, sum(map(len, script)))


def _apply(state: Any, action: int) -> bool:
    state.apply_action(action)
    return bool(state.is_terminal())


def play_pettingzoo(seed: int, effort: Effort) -> Timed:
    """PettingZoo's `connect_four_v3` with observations and masks, one game after another."""
    env = importlib.import_module("pettingzoo").make("aec", "classic/connect_four_v3")

    def fresh() -> Any:
        env.reset(seed=seed)
        return env

    def legal(env: Any) -> list[int]:
        mask = env.last()[0]["action_mask"]
        return [action for action, allowed in enumerate(mask) if allowed]

    def move(env: Any, action: int) -> bool:
        env.step(action)
        return any(env.terminations.values())

    script = _random_games(seed, fresh, legal, move)

    def play() -> None:
        for actions in script:
            env.reset(seed=seed)
            for action in actions:
                env.last()
                env.step(action)

    return Timed(play, sum(map(len, script)))


def _random_games(
    seed: int,
    start: Callable[[], Any],
    legal: Callable[[Any], list[int]],
    move: Callable[[Any, int], bool],
) -> list[list[int]]:
    """The actions of whole random games, `SINGLE_STEPS` or a few more in all."""
    dice, games, num_steps = random.Random(seed), [], 0
    while num_steps < SINGLE_STEPS:
        state, actions, ended = start(), [], False
        while not ended:
            actions.append(dice.choice(legal(state)))
            ended = move(state, actions[-1])
        games.append(actions)
        num_steps += len(actions)
    return games


MODULES = {"pgx": "pgx", "OpenSpiel": "pyspiel", "PettingZoo": "pettingzoo"}
COUNTERPART = {
    "pgx": "rules, compiled", "OpenSpiel": "rules", "PettingZoo": "rules with frames",
}  # fmt: skip
PEERS: dict[str, dict[str, Callable[[int, Effort], Timed]]] = {
    "connect": {
        "pgx": play_pgx, "OpenSpiel": play_open_spiel, "PettingZoo": play_pettingzoo,
    },
}  # fmt: skip
"""For each variant the libraries that have it; nobody else has these light cycles, and no batched
library has slime volleyball."""
