"""Scripted volley players: a ladder of two, and stubborn characters with one habit each.

All of them see the state itself, fog or not, and draw no chance.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Generator, Tensor

from envs import Game, State
from envs.volley import ACTIONS, BALL, Volley, VolleyState
from envs.volley_physics import FARTHEST, GROUND, HALF_WIDTH, NEAREST, PLAYER_RADIUS, Court
from selfplay.seats import Stateless

STRIDE = 0.3  # nearer to its aim a player stands still: half of what it walks in a tick
CONTACT = 0.9  # of the reach: the height over a player at which it wants to meet the ball
FLIGHT_S = 2.2  # the longest flight, at the gravity of the Earth
EARTH, NET_HEIGHT = -29.4, 3.5  # of the classic game


@dataclass(frozen=True)
class Habit:
    """How a player plays, in units of the world, the own half on the left of x = 0.

    Attributes:
        foresees: it goes where the ball will come down, else where the ball is now.
        offset: how far behind that place it stands; more makes flatter and farther returns, so
            that behind a tall net it takes less of it.
        leap: it jumps when the centre of the ball is so near to its own; 0 for never.
        home: x where it waits while the ball is not for its half; None to stay below the ball.
    """

    foresees: bool
    offset: float
    leap: float
    home: float | None


TRACKER = Habit(foresees=False, offset=0.3, leap=2.6, home=None)
PREDICTOR = Habit(foresees=True, offset=0.6, leap=2.6, home=-10.0)
HABITS = [
    Habit(foresees, offset, leap, home)
    for foresees, offset, leap, home in itertools.product(
        (True, False), (0.2, 0.45, 0.7, 0.95), (0.0, 2.3, 2.6, 3.2), (-4.0, -8.0, -12.0, -18.0)
    )
]
GOLDEN = (5**0.5 - 1) / 2
FARTHER, ELSEWHERE = 0.25, 4.0  # units, the distance of a habit from the next
SHUFFLE = 37  # without a common factor with the number of habits: neighbours differ in much


class Slime(Stateless):
    """A deterministic player that does what its habit says.

    Args:
        name: what it is called in tables.
        habits: how it plays; one for all games, or one for each.
    """

    def __init__(self, name: str, *habits: Habit) -> None:
        self.name, self.habits = name, habits
        self._on: dict[torch.device, tuple[Tensor, ...]] = {}

    def act(self, game: Game[Any], state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Walk towards the aim; jump when the ball is near."""
        if not isinstance(game, Volley) or not isinstance(state, VolleyState):
            raise ValueError(f"this player knows volley, not {game.variant}")
        own, ball, wind = look(state, seat)
        way = self._aim(game.court, ball, wind) - own[0]
        walk = (way > STRIDE).long() - (way < -STRIDE).long()
        near = torch.hypot(*(ball[:2] - own[:2])) < self._traits(seat.device)[2]
        return _actions(seat.device)[walk + 1, near.long()]

    def _traits(self, device: torch.device) -> tuple[Tensor, ...]:
        """Foresees, offset, leap and home (NaN for none), one each or one for all games.

        Made once on each device: no turn that is recorded on CUDA copies anything from the host.
        """
        if device not in self._on:
            rows = [(h.foresees, h.offset, h.leap, h.home) for h in self.habits]
            foresees, offset, leap, home = zip(*rows, strict=True)
            homes = [math.nan if x is None else x for x in home]
            self._on[device] = tuple(
                torch.tensor(trait, device=device) for trait in (foresees, offset, leap, homes)
            )
        return self._on[device]

    def _aim(self, court: Court, ball: Tensor, wind: Tensor) -> Tensor:
        """(B,) x in the own half where it wants to be."""
        place = ball[0]
        foresees, offset, _, home = self._traits(place.device)
        if any(habit.foresees for habit in self.habits):
            height = GROUND + CONTACT * (PLAYER_RADIUS + court.ball_radius)
            place = torch.where(foresees, foresee(court, ball, wind, height), place)
        aim = place - offset * NET_HEIGHT / court.net_height
        aim = torch.where((place >= 0) & ~home.isnan(), home, aim)
        return aim.clamp(-FARTHEST, -NEAREST)


def tracker() -> Slime:
    """Stays below the ball, and jumps when it is near."""
    return Slime("volley/tracker", TRACKER)


def predictor() -> Slime:
    """Goes where the ball will come down, and hits it from behind with a jump."""
    return Slime("volley/predictor", PREDICTOR)


def stubborn(*seeds: int) -> Slime:
    """The character of a seed in all games, or that of each seed in its own game."""
    return Slime(",".join(f"stubborn:{seed}" for seed in seeds), *map(habit_of, seeds))


def habit_of(seed: int) -> Habit:
    """One of the 128 habits; from seed 128 on, it stands and waits a little elsewhere.

    Where exactly comes from the golden ratio, so that no two seeds mean the same character.
    """
    habit, more = HABITS[seed * SHUFFLE % len(HABITS)], seed // len(HABITS) * GOLDEN % 1
    home = None if habit.home is None else habit.home - ELSEWHERE * more
    return replace(habit, offset=habit.offset + FARTHER * more, home=home)


def look(state: VolleyState, seat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The world with the half of `seat` ((B,) int64) on the left of x = 0.

    Returns:
        (4, B) own player and (4, B) ball as x, y, vx, vy, and the (B,) wind.
    """
    side = (1 - 2 * seat).to(state.bodies.dtype)
    mirror = torch.stack((side, torch.ones_like(side), side, torch.ones_like(side)))
    own = state.bodies[torch.arange(len(seat), device=seat.device), seat]
    return own.T * mirror, state.bodies[:, BALL].T * mirror, state.wind * side


def foresee(court: Court, ball: Tensor, wind: Tensor, height: float) -> Tensor:
    """Where falling balls will come down to a height, by flying them ahead in a free sky.

    The path is folded back at the walls, and at the net where it crosses it too low.

    Args:
        court: the physics.
        ball: (4, B) x, y, vx, vy.
        wind: (B,) horizontal acceleration.
        height: in units of the world.

    Returns:
        (B,) x; of a ball that stays above it to the end of sight, where it is now.
    """
    x, y, is_falling = _flight(court, ball, wind)
    low = (y <= height) & is_falling
    ticks = low.int().argmax(0)  # the first tick at which it is low, or 0
    landing = x.gather(0, ticks[None])[0]
    is_before = torch.arange(1, len(x), device=x.device)[:, None] <= ticks
    crosses = (x[1:] * x[:-1] < 0) & (y[1:] <= court.net_height + court.ball_radius)
    landing = torch.where((crosses & is_before).any(0), -landing, landing)
    wall = HALF_WIDTH - court.ball_radius
    beyond = (landing.abs() - wall).clamp(min=0)
    return landing - 2 * beyond * landing.sign()


def _flight(court: Court, ball: Tensor, wind: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(T, B) x, y, and whether the ball falls, in the coming ticks."""
    place, speed, pull = ball[:2], ball[2:], court.pull(wind)
    path: list[Tensor] = []
    for _ in range(round(30 * FLIGHT_S * EARTH / court.gravity)):
        place, speed = court.fly(place, speed, pull)
        path += [place, speed]
    x, y, _, vy = torch.stack(path).view(-1, 4, ball.shape[1]).unbind(1)
    return x, y, vy < 0


@cache
def _actions(device: torch.device) -> Tensor:
    """(3, 2) int64: backward, stand, forward; without and with a jump."""
    names = (("backward", "backward jump"), ("none", "jump"), ("forward", "forward jump"))
    return torch.tensor([[ACTIONS.index(name) for name in row] for row in names], device=device)
