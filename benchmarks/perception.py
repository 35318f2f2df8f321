"""What looking is worth: eyes with R = 0, 1, 2, 3 looks learn to name details of two games.

    python benchmarks/perception.py --steps 600 --seeds 3 --json looks.json

The eyes are trained from nothing, with linear heads, on frames out of games between scripted
players: in light cycles to tell which of the four moves would crash and where both heads are, in
volleyball where the ball is and how it moves. As in play, the eyes also learn to look where things
will change. No reward, no policy: what is measured is what can be read. Where the looks fall is
compared with chance, with the middle of the screen, and with the most contrasted places.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Generator, Tensor, nn

import envs
from envs import legal_of
from envs.opponents import choose
from envs.tron_screen import CELLS
from envs.tron_tables import MOVES
from envs.volley import BALL
from lifelong_agent.perception import Eyes, EyesConfig
from lifelong_agent.ppo import GAZE_EVERY, PPOConfig
from lifelong_agent.retina import pool
from selfplay.cli import Options, guarded, parse, progress_bar, write_json
from selfplay.machine import best_precision
from selfplay.players import make_scripted

NUM_GAMES, TICKS, EVERY = 256, 400, 5
HELD_OUT_GAMES = 24
SLIPS = 0.15  # share of random actions, for variety
BATCH, LEARNING_RATE = 128, 1e-3
SIDE, PLACES = 64, 16  # pixels of a screen, and places to look at, each way
NEAR_PX = 6
GAZE = PPOConfig.gaze_weight


@dataclass(frozen=True)
class Frames:
    """Labelled screens of one game.

    Attributes:
        screens: (N, 3, 64, 64) uint8, as seat 0 sees them.
        yes: (N, Y) float32, 0 or 1.
        numbers: (N, M) float32, standardised.
        spot: (N, 2) float32, row and column in pixels of what should be looked at.
        later: (N, 9, 16, 16) uint8, the glance one tick later; the same one if the game was over.
    """

    screens: Tensor
    yes: Tensor
    numbers: Tensor
    spot: Tensor
    later: Tensor

    def rows(self, chosen: Tensor) -> Frames:
        """Some of them."""
        return Frames(*(getattr(self, field.name)[chosen] for field in fields(self)))


def label_tron(game: Any, state: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Which moves of seat 0 run into something; both heads; the own head's pixel."""
    head, other = state.heads[:, 0], CELLS - 1 - state.heads[:, 1]
    targets = game.next_cells[head[:, None] * len(MOVES) + torch.arange(len(MOVES))]
    blocked = [game._is_blocked(state, targets[:, [k, k]])[:, 0] for k in range(len(MOVES))]
    places = torch.stack([head % 32, head // 32, other % 32, other // 32], 1).float()
    return torch.stack(blocked, 1).float(), places, places[:, [1, 0]] * 2 + 1


def label_volley(game: Any, state: Any) -> tuple[Tensor, Tensor, Tensor]:
    """No questions; the ball's place and velocity; its pixel."""
    ball = state.bodies[:, BALL].float()
    spot = torch.stack([48 - ball[:, 1], ball[:, 0] + 24], 1) * SIDE / 48
    return torch.zeros(len(ball), 0), ball, spot


World = tuple[str, tuple[str, str], Callable[[Any, Any], tuple[Tensor, Tensor, Tensor]]]
WORLDS: tuple[World, ...] = (  # a game, who plays it, and what is asked about its frames
    ("tron", ("tron/wall_hugger", "tron/voronoi"), label_tron),
    ("volley", ("volley/predictor", "volley/tracker"), label_volley),
)


def watch(world: World, seed: int, num_games: int = NUM_GAMES, ticks: int = TICKS) -> Frames:
    """Frames of some games, every fifth tick, all games of a tick together."""
    name, players, label = world
    game, generator = envs.make(name), Generator().manual_seed(seed)
    state, parts, later = game.init(num_games, generator), [], []
    seats = [torch.full((num_games,), seat) for seat in range(envs.NUM_SEATS)]
    pair = [make_scripted(player) for player in players]
    for tick in range(1, ticks + 2):
        actions = [p.act(game, state, s, generator) for p, s in zip(pair, seats, strict=True)]
        slips = [choose(legal_of(state, s).float(), generator) for s in seats]
        slipped = torch.rand(num_games, generator=generator) < SLIPS
        both = [torch.where(slipped, b, a) for a, b in zip(actions, slips, strict=True)]
        state = game.step(state, torch.stack(both, 1), generator)
        if len(parts) > len(later):
            before, now = (pool(x, PLACES) for x in (parts[-1][0], game.frame(state, seats[0])))
            later.append(torch.where(state.ended[:, None, None, None], before, now))
        state = game.reset(state, state.ended, generator)
        if tick % EVERY == 0 and tick <= ticks:
            parts.append((game.frame(state, seats[0]), *label(game, state)))
    screens, yes, numbers, spot = (torch.cat(column) for column in zip(*parts, strict=True))
    numbers = (numbers - numbers.mean(0)) / numbers.std(0)
    return Frames(screens, yes, numbers, spot, torch.cat(later))


def split(frames: Frames, num_games: int = NUM_GAMES) -> tuple[Frames, Frames]:
    """Frames to learn from, and those of games that are held out."""
    game = torch.arange(len(frames.screens)) % num_games
    return frames.rows(game >= HELD_OUT_GAMES), frames.rows(game < HELD_OUT_GAMES)


class Reader(nn.Module):
    """Something that sees, and one linear head for each game.

    Args:
        eyes: (N, 3, 64, 64) uint8 to a `Percept`.
        width: of its reading.
        worlds: what is to be read.
    """

    def __init__(self, eyes: nn.Module, width: int, worlds: list[Frames]) -> None:
        super().__init__()
        self.eyes = eyes
        sizes = [w.yes.shape[1] + w.numbers.shape[1] for w in worlds]
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def forward(self, parts: list[Frames]) -> tuple[list[Tensor], list[Tensor]]:
        """What is said of each game's frames, and the looks' fixations."""
        percept = self.eyes(torch.cat([part.screens for part in parts]))
        sizes = [len(part.screens) for part in parts]
        readings = torch.split(percept.reading, sizes)
        said = [head(x) for head, x in zip(self.heads, readings, strict=True)]
        return said, list(torch.split(percept.fixations, sizes))

    def foresight(self, parts: list[Frames]) -> Tensor:
        """What the eyes fail to foresee of the next tick; 0 for what never looks."""
        anticipation = getattr(self.eyes, "anticipation", None)
        if anticipation is None:
            return torch.zeros(())
        screens = torch.cat([part.screens[::GAZE_EVERY] for part in parts])
        later = torch.cat([part.later[::GAZE_EVERY] for part in parts])
        return torch.as_tensor(anticipation(screens, pool(screens, PLACES), later))


def error(said: Tensor, truth: Frames) -> Tensor:
    """Cross-entropy of the questions plus the mean squared error of the numbers."""
    questions = truth.yes.shape[1]
    loss = F.mse_loss(said[:, questions:], truth.numbers)
    if questions:
        loss = loss + F.binary_cross_entropy_with_logits(said[:, :questions], truth.yes)
    return loss


def looking(looks: int, worlds: list[Frames]) -> Reader:
    """Untrained eyes with R looks, and heads."""
    config = EyesConfig(looks=looks, precision=best_precision())
    return Reader(Eyes((3, SIDE, SIDE), config), config.reading, worlds)


def learn(
    make: Callable[[], Reader],
    worlds: list[Frames],
    steps: int,
    seed: int,
    learning_rate: float = LEARNING_RATE,
) -> Reader:
    """Train eyes and heads on batches of all games; the rate falls in the second half."""
    torch.manual_seed(seed)
    reader, generator = make(), Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(reader.parameters(), lr=learning_rate, fused=True)
    for step in range(steps):
        rate = learning_rate * min(1, 2 * (steps - step) / steps + 0.05)
        optimizer.param_groups[0]["lr"] = rate
        parts = [
            world.rows(torch.randint(len(world.screens), (BATCH,), generator=generator))
            for world in worlds
        ]
        said, _ = reader(parts)
        loss = torch.stack([error(s, part) for s, part in zip(said, parts, strict=True)]).sum()
        loss = loss + GAZE * reader.foresight(parts)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
    return reader


def balanced_accuracy(logits: Tensor, truth: Tensor) -> float:
    """Mean over questions of (share of yeses said yes + share of noes said no) / 2."""
    said, is_so = logits > 0, truth > 0.5
    hit = (said & is_so).sum(0) / is_so.sum(0).clamp(min=1)
    rejected = (~said & ~is_so).sum(0) / (~is_so).sum(0).clamp(min=1)
    return float(((hit + rejected) / 2).mean())


def explained(said: Tensor, truth: Tensor) -> list[float]:
    """R^2 of each number: 1 - mean squared error / variance."""
    return [float(x) for x in 1 - (said - truth).square().mean(0) / truth.var(0)]


def near(fixations: Tensor, spot: Tensor) -> float:
    """Share of frames in which some look's centre is within 6 pixels of the spot, each way."""
    away = (fixations - spot[:, None]).abs().amax(2).amin(1)
    return float((away <= NEAR_PX).float().mean())


def rival_looks(screens: Tensor, looks: int, seed: int) -> dict[str, Tensor]:
    """(N, R, 2) where others would look: by chance, in the middle, at the most contrast."""
    chance = torch.randint(
        PLACES**2, (len(screens), looks), generator=Generator().manual_seed(seed)
    )
    _, most, least = pool(screens, PLACES).int().chunk(3, 1)
    contrast = (most - least).sum(1).flatten(1).topk(looks, 1).indices
    cell = SIDE // PLACES

    def centres(places: Tensor) -> Tensor:
        return torch.stack([places // PLACES, places % PLACES], -1) * cell + cell // 2

    middle = torch.full((len(screens), looks, 2), SIDE // 2)
    return {"chance": centres(chance), "the middle": middle, "contrast": centres(contrast)}


@torch.no_grad()
def answers(reader: Reader, worlds: list[Frames]) -> tuple[list[Tensor], list[Tensor]]:
    """What is said of all frames, a batch at a time, and the looks' fixations."""
    rows = torch.arange(len(worlds[0].screens)).split(BATCH)  # type: ignore[no-untyped-call]
    parts = [reader([world.rows(part) for world in worlds]) for part in rows]
    said, fixations = (zip(*column, strict=True) for column in zip(*parts, strict=True))
    return [torch.cat(x) for x in said], [torch.cat(x) for x in fixations]


def measure(reader: Reader, held_out: list[Frames], seed: int) -> dict[str, float]:
    """All figures of one trained reader."""
    said, fixations = answers(reader, held_out)
    tron_said, volley_said = said
    tron, volley = held_out
    questions = tron.yes.shape[1]
    ball = explained(volley_said, volley.numbers)
    figures = {
        "loss": sum(float(error(x, world)) for x, world in zip(said, held_out, strict=True)),
        "moves that crash, balanced accuracy": balanced_accuracy(
            tron_said[:, :questions], tron.yes
        ),
        "both heads, R2": float(np.mean(explained(tron_said[:, questions:], tron.numbers))),
        "the ball's place, R2": float(np.mean(ball[:2])),
        "the ball's velocity, R2": float(np.mean(ball[2:])),
    }
    looks = fixations[0].shape[1]
    for world, seen, what in ((tron, fixations[0], "own head"), (volley, fixations[1], "ball")):
        if looks:
            figures[f"looks near the {what}"] = near(seen, world.spot)
            for who, where in rival_looks(world.screens, looks, seed).items():
                figures[f"looks near the {what}, {who}"] = near(where, world.spot)
    return figures


@dataclass(frozen=True, kw_only=True)
class Perception(Options):
    """What looking is worth."""

    steps: int = 600
    """Batches of 128 frames of each game."""
    seeds: int = 3
    """Runs of each kind."""
    looks: tuple[int, ...] = (0, 1, 2, 3)
    """Numbers of looks."""

    def run(self) -> None:
        """Train, measure, show."""
        if min(self.steps, self.seeds) < 1 or min(self.looks) < 0:
            raise ValueError("steps and seeds are at least 1, looks at least 0")
        worlds = [split(watch(world, self.seed)) for world in WORLDS]
        learned, held_out = ([world[part] for world in worlds] for part in (0, 1))
        results: dict[str, list[dict[str, float]]] = {f"R = {n}": [] for n in self.looks}
        runs = list(product(range(self.seeds), self.looks))
        with progress_bar("reading", len(runs), "runs") as tell:
            for done, (seed, looks) in enumerate(runs, 1):
                make = functools.partial(looking, looks, learned)
                reader = learn(make, learned, self.steps, seed)
                results[f"R = {looks}"].append(measure(reader, held_out, seed))
                tell(done, f"R = {looks}")
        show("what can be read", results)
        write_json(self.json, dict(zip(map(str, self.looks), results.values(), strict=True)))


def show(title: str, results: Mapping[str, list[dict[str, float]]]) -> None:
    """A table of means over seeds and, in brackets, the least and the most."""
    names = dict.fromkeys(name for runs in results.values() for run in runs for name in run)
    table = Table(title, *results)
    for name in names:
        cells = []
        for runs in results.values():
            values = [run[name] for run in runs if name in run]
            span = f" ({min(values):.3f}-{max(values):.3f})" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{span}" if values else "")
        table.add_row(name, *cells)
    Console(width=120).print(table)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    guarded(lambda: parse(Perception, arguments, "benchmarks/perception.py").run())


if __name__ == "__main__":
    main()
