"""Where things are on the screens of two games, and screens on which one thing stands alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from perception import SIDE, Frames
from torch import Generator, Tensor

from envs.tron_screen import SIDE as CELLS_A_SIDE
from envs.tron_screen import Kind, kinds

TRON_THINGS = (Kind.OWN_HEAD, Kind.OTHER_HEAD, Kind.OWN, Kind.OTHER, Kind.FLOOR)
THING_PX = 8  # side of what is cut out
NUM_ALONE = 300  # of each kind
SCENES = 512  # frames whose median is the empty scene

Label = tuple[Tensor, Tensor, Tensor]


def label_tron(game: Any, state: Any, generator: Generator) -> Label:
    """Where in seat 0's view one thing of each kind is: heads, a piece of each trail, floor.

    Returns:
        No questions, no numbers, and (B, K, 2) row and column in pixels, NaN where there is none.
    """
    seat = torch.zeros(len(state.ticks), dtype=torch.int64)
    cells = kinds(game.view(state, seat)).flatten(1)
    drawn, spots = torch.rand(cells.shape, generator=generator), []
    for kind in TRON_THINGS:
        is_kind = cells == kind
        cell = (drawn * is_kind).argmax(1)
        spot = torch.stack([cell // CELLS_A_SIDE, cell % CELLS_A_SIDE], 1) * 2.0 + 1
        spots.append(spot.masked_fill(~is_kind.any(1, keepdim=True), torch.nan))
    return _only(torch.stack(spots, 1))


def label_volley(game: Any, state: Any, generator: Generator) -> Label:
    """Where the players, the ball, and some empty air are; NaN where that is not empty."""
    bodies = state.bodies.float()
    spots = torch.stack([48 - bodies[:, :, 1], bodies[:, :, 0] + 24], 2) * SIDE / 48
    air = torch.rand(len(bodies), 1, 2, generator=generator) * (SIDE - 8) + 4
    is_near = (air - spots).abs().amax(2).amin(1) < 8
    air = air.masked_fill(is_near[:, None, None], torch.nan)
    return _only(torch.cat([spots, air], 1))


def _only(spots: Tensor) -> Label:
    return torch.zeros(len(spots), 0), spots[:, 0], spots


LABELS: dict[str, Callable[[Any, Any, Generator], Label]] = {
    "tron": label_tron,
    "volley": label_volley,
}


def empty_scene(screens: Tensor) -> Tensor:
    """(3, H, W) uint8: the median of frames taken evenly out of (N, 3, H, W)."""
    return screens[:: max(len(screens) // SCENES, 1)].median(0).values


def alone(
    frames: Frames, scene: Tensor, things: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Single things, cut out of frames, on a scene.

    Args:
        frames: with their spots.
        scene: (3, 64, 64) uint8.
        things: how many of their kinds to show.
        generator: chooses frames and new places.

    Returns:
        (M, 3, 64, 64) uint8, (M,) int64 kinds, (M, 2) float32 row and column of the middle.
    """
    screens, kind_of, spots, last = [], [], [], SIDE - THING_PX
    for kind in range(things):
        there = (~frames.spot[:, kind].isnan().any(1)).nonzero()[:, 0]
        rows = there[torch.randint(len(there), (NUM_ALONE,), generator=generator)]
        cuts = (frames.spot[rows, kind].long() - THING_PX // 2).clamp(0, last).tolist()
        corners = torch.randint(last + 1, (NUM_ALONE, 2), generator=generator)
        for row, (top, left), (down, across) in zip(rows, cuts, corners.tolist(), strict=True):
            screen = scene.clone()
            thing = frames.screens[row, :, top : top + THING_PX, left : left + THING_PX]
            screen[:, down : down + THING_PX, across : across + THING_PX] = thing
            screens.append(screen)
        kind_of.append(torch.full((NUM_ALONE,), kind))
        spots.append(corners + THING_PX / 2)
    return torch.stack(screens), torch.cat(kind_of), torch.cat(spots)
