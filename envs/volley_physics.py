"""The dynamics of slime volleyball on a batch of courts. It keeps no score and draws nothing.

Numbers stand in rows: bodies are (4, 3, B), first x, y, vx, vy, then left player, right player,
ball. The published dynamics are sequential; the order of operations here is theirs.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

HALF_WIDTH, CEILING, GROUND = 24.0, 48.0, 1.5
NET_HALF_WIDTH, STUB_RADIUS, PLAYER_RADIUS = 0.5, 0.5, 1.5
TICKS_PER_SECOND, NUDGE = 30, 0.1
WALK_SPEED, JUMP_SPEED, MAX_BALL_SPEED = 17.5, 13.5, 22.5
PLAYER_START, BALL_START = 12.0, 12.0
POINTS, MAX_TICKS, WAIT_TICKS = 5, 3000, 30
DT = 1 / TICKS_PER_SECOND
MARGIN = NUDGE * DT  # how far inside a wall the ball is put back
NEAREST, FARTHEST = NET_HALF_WIDTH + PLAYER_RADIUS, HALF_WIDTH - PLAYER_RADIUS
TINY = 1e-30


def length(vectors: Tensor) -> Tensor:
    """(B,) lengths of (2, B) vectors.

    All its operations are rounded exactly: `torch.hypot` gives other last digits to the last few
    of a batch, and a match would depend on its place.
    """
    squares = vectors * vectors
    return (squares[0] + squares[1]).sqrt()


class Court:
    """What the modifiers make of gravity, net, and ball, and the laws of motion.

    Args:
        modifiers: `moon`, `tallnet` and `bigball` change something; others are ignored.
        device: where the tensors live; bodies are float64, except on Apple's GPUs, which have none.
    """

    def __init__(self, modifiers: Collection[str], device: torch.device | str) -> None:
        self.gravity = -14.7 if "moon" in modifiers else -29.4
        self.net_height = 7.0 if "tallnet" in modifiers else 3.5
        self.ball_radius = 1.0 if "bigball" in modifiers else 0.5
        self.device = torch.device(device)
        self.dtype = torch.float32 if self.device.type == "mps" else torch.float64
        self._least = self._column(-FARTHEST, NEAREST)
        self._most = self._column(-NEAREST, FARTHEST)
        walls = self._column(HALF_WIDTH, CEILING) - self.ball_radius
        self._walls, self._inside = walls, walls - MARGIN
        self._stub = self._column(0.0, self.net_height)

    def _column(self, first: float, second: float) -> Tensor:
        return torch.tensor([[first], [second]], dtype=self.dtype, device=self.device)

    def advance(
        self, bodies: Tensor, walk: Tensor, jump: Tensor, moving: Tensor, wind: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One tick.

        Args:
            bodies: (4, 3, B), contiguous.
            walk: (2, B) wanted horizontal speed of the players.
            jump: (2, B) the speed with which they leave the ground, 0 to stay.
            moving: (B,) bool, False where the ball still waits in the air.
            wind: (B,) horizontal acceleration of the ball.

        Returns:
            (4, 3, B) bodies, and (B,) where the ball fell to the ground: -1 left, 1 right, 0 not.
        """
        players = self.move_players(bodies[:, :2], walk, jump)
        ball = bodies[:, 2]
        flown = torch.cat(self.fly(ball[:2], ball[2:], self.pull(wind)))
        place, speed = torch.where(moving, flown, ball).view(2, 2, -1)
        for player in (players[:, 0], players[:, 1]):
            place, speed = self.bounce(place, speed, player[:2], player[2:], PLAYER_RADIUS)
        place, speed, fallen = self.bounce_off_court(place, speed, ball[0])
        return torch.cat((players, torch.cat((place, speed))[:, None]), 1), fallen

    def move_players(self, players: Tensor, walk: Tensor, jump: Tensor) -> Tensor:
        """(4, 2, B) players after one tick: fall or leap, walk, stay in the own half."""
        x, y, _, vy = players
        vy = torch.where(y <= GROUND + MARGIN, jump, vy + self.gravity * DT)
        y = y + vy * DT
        vy = vy * (y > GROUND)
        x = (x + walk * DT).clamp(self._least, self._most)
        vx = walk * ((x > self._least) & (x < self._most))
        return torch.stack((x, y.clamp(min=GROUND), vx, vy))

    def pull(self, wind: Tensor) -> Tensor:
        """(2, B): what wind and gravity add to a speed in one tick."""
        return torch.stack((wind * DT, torch.full_like(wind, self.gravity * DT)))

    def fly(self, place: Tensor, speed: Tensor, pull: Tensor) -> tuple[Tensor, Tensor]:
        """Free flight of balls for one tick: (2, B) place and speed."""
        speed = speed + pull
        too_fast = MAX_BALL_SPEED / length(speed)
        speed = speed * too_fast.clamp(max=1.0)
        return place + speed * DT, speed

    def bounce(
        self, place: Tensor, speed: Tensor, centre: Tensor, motion: Tensor | float, radius: float
    ) -> tuple[Tensor, Tensor]:
        """Push balls out of a disc in whole nudges, and mirror their velocity on the normal.

        The published loop nudges while the discs overlap: ceil((reach - distance) / nudge) times.
        Where the centres coincide there is no normal, and nothing happens.
        """
        reach = radius + self.ball_radius
        between = place - centre
        distance = length(between)
        normal = between / distance.clamp(min=TINY)
        nudges = ((reach - distance) / NUDGE).ceil_().clamp_(min=0)
        relative = speed - motion
        along = (relative * normal).sum(0) * nudges.clamp(max=1)
        place = torch.addcmul(place, normal, nudges, value=NUDGE)
        return place, torch.addcmul(speed, normal, along, value=-2)

    def bounce_off_court(
        self, place: Tensor, speed: Tensor, previous_x: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The stub, walls, ceiling, ground, and the sides of the net, in this order.

        Returns:
            (2, B) place, (2, B) speed, and (B,) where the ball fell: -1 left, 1 right, 0 not.
        """
        place, speed = self.bounce(place, speed, self._stub, 0.0, STUB_RADIUS)
        outside = place.abs() >= self._walls
        place = torch.where(outside, place.clamp(-self._inside, self._inside), place)
        x, y = place
        fallen = ((x > 0) * 2.0 - 1.0) * (y <= GROUND + self.ball_radius)
        face = NET_HALF_WIDTH + self.ball_radius
        came_from = torch.ones_like(x).copysign(previous_x)
        crossed = (previous_x.abs() > face) & (x * came_from <= face) & (y <= self.net_height)
        x = torch.where(crossed, came_from * (face + MARGIN), x)
        turned = torch.stack((outside[0] ^ crossed, outside[1]))
        speed = torch.where(turned, -speed, speed)
        return torch.stack((x, y)), speed, fallen
