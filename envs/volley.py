"""Slime volleyball: two half discs, a net, a ball; where it falls to the ground a point is lost.

A rally ends when the ball touches the ground: it pays +1 to one seat and -1 to the other, in that
tick, and a new ball is launched. A match is what the state counts as one game: it terminates when
a seat has lost five points, and is truncated after 3000 ticks, which pays nothing of its own. The
score of a match is the sum of its rewards: points won minus points lost.

Seat 0 plays on the left, seat 1 on the right. In frames everyone plays on the left. Numbers are
float64: bounces multiply rounding errors, and in float32 half of the matches leave the published
dynamics by more than 1e-4 within 300 ticks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from envs.core import NUM_ACTIONS, NUM_SEATS, Game, State, check_num_games
from envs.volley_backdrop import WINDS
from envs.volley_physics import (
    BALL_START,
    CEILING,
    GROUND,
    HALF_WIDTH,
    JUMP_SPEED,
    MAX_TICKS,
    PLAYER_START,
    POINTS,
    WAIT_TICKS,
    WALK_SPEED,
    Court,
)
from envs.volley_scene import CLUTTER_PERIOD, Scene, View

ACTIONS = ("none", "forward", "forward jump", "jump", "backward jump", "backward")
FORWARD = (0, 1, 1, 0, -1, -1)  # to the net
JUMPS = (0, 0, 1, 1, 1, 0)
LAUNCH_LEAST, LAUNCH_RANGE = (-20.0, 10.0), (40.0, 15.0)
BALL = 2  # its place among the bodies, after the seats


@dataclass(frozen=True)
class VolleyState(State):
    """Bodies beside the shared fields.

    Attributes:
        bodies: (B, 3, 4) float64, for seat 0, seat 1 and the ball: x, y, vx, vy in units of the
            world and seconds; x is 0 at the net, y is 1.5 at the ground.
        wait: (B,) int32 ticks that the ball still waits in the air.
        lost: (B, 2) int32 points that each seat has lost.
        wind: (B,) float64 horizontal acceleration of a flying ball; 0 without the modifier.
        drift: (B,) int32 where the clutter is on its way; it has no effect on the play.
    """

    bodies: Tensor
    wait: Tensor
    lost: Tensor
    wind: Tensor
    drift: Tensor


class Volley(Game[VolleyState]):
    """Slime Volleyball at 30 ticks per second, both seats acting at once.

    Source: the dynamics of github.com/hardmaru/slimevolleygym, order of operations included.
    """

    name = "volley"
    simultaneous = True
    ticks_per_s = 30.0
    action_names = ACTIONS + tuple(f"unused {i}" for i in range(len(ACTIONS), NUM_ACTIONS))
    MODIFIERS: ClassVar[dict[str, str]] = {
        "moon": "half the gravity, for the ball and the players",
        "wind": "a steady side wind pushes the flying ball, another one in every match",
        "tallnet": "the net is twice as high",
        "bigball": "the ball is twice as wide",
        "fog": "the ball cannot be seen in a band of fog",
        "night": "dark colours",
        "clutter": "coloured balls fly about that mean nothing",
    }

    def _prepare(self) -> None:
        self.court = Court(self.modifiers, self.device)
        self._scene = Scene(self.modifiers, self.court)
        forward, jumps = self._per_action(FORWARD), self._per_action(JUMPS)
        walks = torch.cat((forward, -forward)) * WALK_SPEED  # of seat 0, then of seat 1
        leaps = torch.cat((jumps, jumps)) * JUMP_SPEED
        self._moves = torch.stack((walks, leaps))
        self._first_move = torch.tensor([[0], [NUM_ACTIONS]], device=self.device)
        six = torch.arange(NUM_ACTIONS, device=self.device) < len(ACTIONS)
        self._legal = torch.stack((six, torch.ones_like(six)))[:, None].repeat(1, NUM_SEATS, 1)
        self._winds = self._numbers([wind for wind in WINDS if wind])
        self._launch = self._numbers(LAUNCH_LEAST)[:, None], self._numbers(LAUNCH_RANGE)[:, None]
        self._resting = self._numbers(
            [[-PLAYER_START, GROUND, 0, 0], [PLAYER_START, GROUND, 0, 0], [0, BALL_START, 0, 0]]
        )

    def _numbers(self, values: object) -> Tensor:
        return torch.tensor(values, dtype=self.court.dtype, device=self.device)

    def _per_action(self, values: tuple[int, ...]) -> Tensor:
        return self._numbers(values + (0,) * (NUM_ACTIONS - len(values)))

    def init(self, num_games: int, generator: Generator) -> VolleyState:
        """Players in the middle of their halves, the ball waiting over the net."""
        check_num_games(num_games)
        rows = self._resting.T[..., None].repeat(1, 1, num_games)
        rows[:, BALL] = self._new_balls(num_games, generator)
        ticks = torch.zeros(num_games, dtype=torch.int32, device=self.device)
        weather = torch.randint(
            len(self._winds) * CLUTTER_PERIOD, (num_games,), generator=generator, device=self.device
        )
        wind = self._winds[weather % len(self._winds)] * ("wind" in self.modifiers)
        drift = weather.int() // len(self._winds) * ("clutter" in self.modifiers)
        lost = ticks[:, None].repeat(1, NUM_SEATS)
        return self._begin(rows.permute(2, 1, 0), ticks + WAIT_TICKS, lost, wind, drift)

    def from_bodies(
        self, bodies: Tensor, wait: Tensor, lost: Tensor, wind: Tensor, drift: Tensor
    ) -> VolleyState:
        """The state of unfinished matches at tick 0; see `VolleyState` for the shapes.

        Raises:
            ValueError: if a number is not finite or lies outside the world, or a match is over.
        """
        self._check_bodies(bodies, wind)
        for what, counts, most in (("wait", wait, WAIT_TICKS), ("lost", lost, POINTS - 1)):
            if bool(((counts < 0) | (counts > most)).any()):
                raise ValueError(f"{what} must be between 0 and {most}")
        dtype = self.court.dtype
        return self._begin(bodies.to(dtype), wait.int(), lost.int(), wind.to(dtype), drift.int())

    def _begin(
        self, bodies: Tensor, wait: Tensor, lost: Tensor, wind: Tensor, drift: Tensor
    ) -> VolleyState:
        num_games = len(bodies)
        nobody = torch.zeros(num_games, dtype=torch.bool, device=self.device)
        return VolleyState(
            legal_actions=self._legal[:1].repeat(num_games, 1, 1),
            to_move=torch.ones(num_games, NUM_SEATS, dtype=torch.bool, device=self.device),
            rewards=torch.zeros(num_games, NUM_SEATS, device=self.device),
            terminated=nobody,
            truncated=nobody,
            ticks=torch.zeros_like(wait),
            bodies=bodies,
            wait=wait,
            lost=lost,
            wind=wind,
            drift=drift,
        )

    def _new_balls(self, num_games: int, generator: Generator) -> Tensor:
        """(4, B) balls over the net, each with a launch of its own."""
        least, span = self._launch
        chance = torch.rand(
            2, num_games, generator=generator, dtype=self.court.dtype, device=self.device
        )
        place = self._resting[BALL, :2, None].expand(2, num_games)
        return torch.cat((place, least + span * chance))

    def _check_actions(self, state: VolleyState, actions: Tensor) -> None:
        super()._check_actions(state, actions)
        self._check_bodies(state.bodies, state.wind)

    def _check_bodies(self, bodies: Tensor, wind: Tensor) -> None:
        finite = bool(bodies.isfinite().all()) and bool(wind.isfinite().all())
        x, y = bodies[..., 0], bodies[..., 1]
        if not finite or bool(((x.abs() > HALF_WIDTH) | (y < 0) | (y > CEILING)).any()):
            raise ValueError(
                f"bodies and wind must be finite, with x between -{HALF_WIDTH:g} and "
                f"{HALF_WIDTH:g}, y between 0 and {CEILING:g}"
            )

    def _advance(self, state: VolleyState, actions: Tensor, generator: Generator) -> VolleyState:
        ended = state.ended
        before = _in_rows(state.bodies)
        walk, leap = self._wishes(actions, ended)
        after, fallen = self.court.advance(before, walk, leap, state.wait == 0, state.wind)
        won = fallen * ~ended  # by seat 0, which sits on the left
        point = won != 0
        rewards = torch.stack((won, -won), 1) + 0.0  # no -0.0
        lost = state.lost + (rewards < 0)
        ticks = state.ticks + ~ended
        terminated = state.terminated | (lost >= POINTS).any(1)
        truncated = state.truncated | (ticks >= MAX_TICKS) & ~terminated
        over = terminated | truncated
        new_balls = self._new_balls(len(ended), generator)
        after[:, BALL] = torch.where(point, new_balls, after[:, BALL])
        wait = (state.wait - (~ended).int()).clamp(min=0).masked_fill(point, WAIT_TICKS)
        return VolleyState(
            legal_actions=self._legal.index_select(0, over.int()),
            to_move=~over[:, None].repeat(1, NUM_SEATS),
            rewards=rewards,
            terminated=terminated,
            truncated=truncated,
            ticks=ticks,
            bodies=torch.where(ended, before, after).permute(2, 1, 0),
            wait=wait,
            lost=lost,
            wind=state.wind,
            drift=state.drift,
        )

    def _wishes(self, actions: Tensor, ended: Tensor) -> Tensor:
        """(2, 2, B): how fast each seat wants to walk, and to leave the ground."""
        moves = actions.T.masked_fill(ended, 0) + self._first_move
        return self._moves.index_select(1, moves.flatten()).view(2, NUM_SEATS, -1)

    def frame(self, state: VolleyState, seat: Tensor) -> Tensor:
        """Draw the court with the own half on the left and the own player yellow."""
        return self._scene.draw(
            View(
                bodies=_in_rows(state.bodies),
                wind=state.wind,
                lost=state.lost,
                wait=state.wait,
                ticks=state.ticks,
                drift=state.drift,
                seat=seat,
            )
        )


def _in_rows(bodies: Tensor) -> Tensor:
    """(4, 3, B) contiguous; no copy for what `_advance` made, which is stored in this order."""
    return bodies.permute(2, 1, 0).contiguous()


def swap_seats(state: VolleyState) -> VolleyState:
    """The same matches with the seats exchanged: the world in a mirror."""
    mirror = state.bodies.new_tensor([-1, 1, -1, 1])
    return replace(
        state,
        bodies=state.bodies[:, [1, 0, BALL]] * mirror,
        wind=-state.wind,
        lost=state.lost.flip(1),
        rewards=state.rewards.flip(1),
        legal_actions=state.legal_actions.flip(1),
        to_move=state.to_move.flip(1),
    )
