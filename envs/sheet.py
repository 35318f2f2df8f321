"""Picture sheets: what every modifier of a game looks like, a few moves into a sensible game.

For the documentation; nothing that plays imports this.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from envs.core import NUM_ACTIONS, NUM_SEATS, Game, State, take
from envs.registry import GAMES, make

COLUMNS = 4
CELL_INCHES, CAPTION_INCHES, DPI = 2.56, 0.22, 125
PAPER, INK, FAINT = "#0e1119", "#f2ead6", "#8d94a6"


@dataclass(frozen=True)
class Plan:
    """How a game is played for its pictures.

    Attributes:
        ticks: of play before the picture.
        hold: ticks for which a decision holds.
        ahead: ticks that a player looks ahead.
        habit: how likely a random future repeats its last action.
        num_futures: how many random futures each decision rests on.
        seed: of all chance.
        mixed: combinations that are shown beside the single modifiers.
    """

    ticks: int
    hold: int
    ahead: int
    habit: float
    num_futures: int
    seed: int
    mixed: tuple[str, ...]


PLANS = {
    "connect": Plan(15, 1, 30, 0.0, 256, 3, ("pillars+wrap", "misere+popout", "five+night")),
    "tron": Plan(
        58, 1, 16, 0.9, 128, 5, ("fog+rocks+wrap", "gates+night+wrap", "clutter+night+tails")
    ),
    "volley": Plan(
        62, 4, 40, 0.9, 96, 2, ("moon+tallnet+wind", "bigball+fog+night", "clutter+moon")
    ),
}


def write_sheet(name: str, path: Path) -> None:
    """Draw the sheet of a game: the classic from both seats, every modifier, some combinations.

    Raises:
        ValueError: for an unknown game.
    """
    plan = PLANS[make(name).name]
    shown = [(name, 0), (name, 1)]
    shown += [(f"{name}:{modifier}", 0) for modifier in GAMES[name].MODIFIERS]
    shown += [(f"{name}:{mixed}", 1) for mixed in plan.mixed]
    num_lines = -(-len(shown) // COLUMNS)
    size = COLUMNS * CELL_INCHES, num_lines * (CELL_INCHES + CAPTION_INCHES)
    figure = Figure(figsize=size, dpi=DPI, facecolor=PAPER, layout="constrained")
    for number, (variant, seat) in enumerate(shown):
        axes = figure.add_subplot(num_lines, COLUMNS, number + 1)
        axes.imshow(frame_of(variant, seat, plan).permute(1, 2, 0).numpy(), interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(variant, color=INK, fontsize=9, loc="left", pad=4)
        axes.set_title(f"seat {seat}", color=FAINT, fontsize=8, loc="right", pad=4)
    figure.savefig(path, metadata={"Software": None})


def frame_of(variant: str, seat: int, plan: Plan) -> Tensor:
    """(3, 64, 64) uint8: the screen of a seat in the middle of a game."""
    game = make(variant)
    state = sensible_game(game, plan)
    return game.frame(state, torch.tensor([seat]))[0]


def sensible_game(game: Game[Any], plan: Plan) -> State:
    """One unfinished game after `plan.ticks` ticks, or fewer if it would have ended."""
    generator = torch.Generator().manual_seed(plan.seed)
    state: State = game.init(1, generator)
    actions = torch.zeros(1, NUM_SEATS, dtype=torch.int64)
    for tick in range(plan.ticks):
        if tick % plan.hold == 0:
            actions = sensible_actions(game, state, actions, plan, generator)
        following = game.step(state, actions, generator)
        if bool(following.ended):
            break
        state = following
    return state


def sensible_actions(
    game: Game[Any], state: State, previous: Tensor, plan: Plan, generator: Generator
) -> Tensor:
    """(1, 2) the first actions of the best random futures, for each seat; habits break ties."""
    state = take(state, torch.zeros(plan.num_futures, dtype=torch.int64))
    first = _any_actions(state, generator)
    actions, score = first, torch.zeros(plan.num_futures, NUM_SEATS)
    for tick in range(plan.ahead):
        state = game.step(state, actions, generator)
        score += state.rewards * (1 - tick / plan.ahead / 2)
        actions = _next_actions(state, actions, plan.habit, generator)
    count = torch.zeros(NUM_ACTIONS, NUM_SEATS).scatter_add_(0, first, torch.ones_like(score))
    total = torch.zeros(NUM_ACTIONS, NUM_SEATS).scatter_add_(0, first, score)
    value = torch.where(count > 0, total / count.clamp(min=1), -torch.inf)
    value += (torch.arange(NUM_ACTIONS)[:, None] == previous) * 1e-3
    return value.argmax(0)[None]


def _next_actions(state: State, actions: Tensor, habit: float, generator: Generator) -> Tensor:
    others = _any_actions(state, generator)
    legal = state.legal_actions.gather(2, actions[..., None])[..., 0]
    goes_on = torch.rand(actions.shape, generator=generator) < habit
    return torch.where(goes_on & legal, actions, others)


def _any_actions(state: State, generator: Generator) -> Tensor:
    """(B, 2) legal actions, all equally likely; 0 for a seat that has none."""
    weights = state.legal_actions.flatten(0, 1).float()
    weights[:, 0] += weights.sum(1) == 0
    return torch.multinomial(weights, 1, generator=generator).view(-1, NUM_SEATS)
