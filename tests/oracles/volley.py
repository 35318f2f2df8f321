"""Slime volleyball as a person would write it: plain floats, loops, one match at a time.

Written from the published dynamics alone, before and without the package's tensors, to judge
them. Chance stays outside: `step` is told how the next ball would be launched.

        -24                 0                 24
     12                     o                         the ball waits here for 30 ticks
    3.5                     O                         the round top of the net
    1.5 ======^^============|============^^======     ground, half discs of radius 1.5
               seat 0                seat 1
"""

import math

HALF_WIDTH, CEILING, GROUND = 24.0, 48.0, 1.5
NET_HALF_WIDTH, STUB_RADIUS, PLAYER_RADIUS = 0.5, 0.5, 1.5
DT, NUDGE = 1 / 30, 0.1
WALK_SPEED, JUMP_SPEED, MAX_BALL_SPEED = 17.5, 13.5, 22.5
WAIT_TICKS, POINTS, MAX_TICKS = 30, 5, 3000
FORWARD, BACKWARD, JUMP = {1, 2}, {4, 5}, {2, 3, 4}  # the actions that press each key
NUM_ACTIONS = 6


class Rules:
    """What the modifiers change: gravity, the height of the net, the size of the ball."""

    def __init__(self, modifiers=()):
        self.gravity = -14.7 if "moon" in modifiers else -29.4
        self.net_height = 7.0 if "tallnet" in modifiers else 3.5
        self.ball_radius = 1.0 if "bigball" in modifiers else 0.5


class Body:
    """A disc that moves: `x, y` where it is, `vx, vy` how fast."""

    def __init__(self, x, y, vx=0.0, vy=0.0):
        self.x, self.y, self.vx, self.vy = float(x), float(y), float(vx), float(vy)

    def move(self):
        self.x += self.vx * DT
        self.y += self.vy * DT

    def as_list(self):
        return [self.x, self.y, self.vx, self.vy]


class Match:
    """One match: `players[seat]`, `ball`, `wait` ticks, points `lost` and last `rewards`."""

    def __init__(self, modifiers=(), launch=(0.0, 10.0), wind=0.0):
        self.rules, self.wind = Rules(modifiers), wind
        self.players = [Body(-12, GROUND), Body(12, GROUND)]
        self.lost, self.rewards, self.ticks = [0, 0], [0.0, 0.0], 0
        self.launch(launch)

    def launch(self, velocity):
        """A new ball, waiting in the air over the net."""
        self.ball = Body(0, 12, *velocity)
        self.wait = WAIT_TICKS

    @property
    def terminated(self):
        return max(self.lost) >= POINTS

    @property
    def truncated(self):
        return self.ticks >= MAX_TICKS and not self.terminated

    @property
    def ended(self):
        return self.terminated or self.truncated

    def step(self, actions, next_launch):
        """One tick; the velocity of the next ball is used if this tick ends a rally."""
        self.rewards = [0.0, 0.0]
        if self.ended:
            return
        self.ticks += 1
        for seat in (0, 1):
            self._move_player(seat, actions[seat])
        previous_x = self.ball.x
        if self.wait > 0:
            self.wait -= 1
        else:
            self._move_ball()
        self._collide()
        loser = self._edges(previous_x)
        if loser is not None:
            self.rewards[loser], self.rewards[1 - loser] = -1.0, 1.0
            self.lost[loser] += 1
            self.launch(next_launch)

    def _move_player(self, seat, action):
        player, side = self.players[seat], (-1, 1)[seat]  # side: where its half lies
        player.vy += self.rules.gravity * DT
        if player.y <= GROUND + NUDGE * DT:
            player.vy = JUMP_SPEED if action in JUMP else 0.0
        towards_net = (action in FORWARD) - (action in BACKWARD)
        player.vx = -side * towards_net * WALK_SPEED
        player.move()
        if player.y <= GROUND:
            player.y, player.vy = GROUND, 0.0
        nearest, farthest = NET_HALF_WIDTH + PLAYER_RADIUS, HALF_WIDTH - PLAYER_RADIUS
        if player.x * side <= nearest:
            player.x, player.vx = side * nearest, 0.0
        if player.x * side >= farthest:
            player.x, player.vx = side * farthest, 0.0

    def _move_ball(self):
        ball = self.ball
        ball.vx += self.wind * DT
        ball.vy += self.rules.gravity * DT
        speed = math.hypot(ball.vx, ball.vy)
        if speed > MAX_BALL_SPEED:
            ball.vx *= MAX_BALL_SPEED / speed
            ball.vy *= MAX_BALL_SPEED / speed
        ball.move()

    def _collide(self):
        for player in self.players:
            self._bounce(player, PLAYER_RADIUS)
        self._bounce(Body(0, self.rules.net_height), STUB_RADIUS)

    def _bounce(self, other, radius):
        """Push the ball out of another disc in steps of nudge and mirror its velocity."""
        ball, reach = self.ball, self.rules.ball_radius + radius
        distance = math.hypot(ball.x - other.x, ball.y - other.y)
        if distance >= reach or distance == 0:  # equal centres have no line between them
            return
        nx, ny = (ball.x - other.x) / distance, (ball.y - other.y) / distance
        while math.hypot(ball.x - other.x, ball.y - other.y) < reach:
            ball.x += NUDGE * nx
            ball.y += NUDGE * ny
        normal = (ball.vx - other.vx) * nx + (ball.vy - other.vy) * ny
        ball.vx -= 2 * normal * nx
        ball.vy -= 2 * normal * ny

    def _edges(self, previous_x):
        """Walls, ground, ceiling, net. The seat that loses the point, if one does."""
        ball, radius = self.ball, self.rules.ball_radius
        wall, inside = HALF_WIDTH - radius, NUDGE * DT
        if abs(ball.x) >= wall:
            ball.x = math.copysign(wall - inside, ball.x)
            ball.vx = -ball.vx
        if ball.y <= GROUND + radius:
            return 0 if ball.x <= 0 else 1
        if ball.y >= CEILING - radius:
            ball.y = CEILING - radius - inside
            ball.vy = -ball.vy
        if ball.y <= self.rules.net_height:
            face = NET_HALF_WIDTH + radius
            if ball.x <= face < previous_x:
                ball.x, ball.vx = face + inside, -ball.vx
            elif previous_x < -face <= ball.x:
                ball.x, ball.vx = -face - inside, -ball.vx
        return None

    def mirrored(self):
        """The same match seen from behind: left and right, and the seats, exchanged."""
        other = Match()
        other.rules, other.wind = self.rules, -self.wind
        other.players = [Body(-p.x, p.y, -p.vx, p.vy) for p in reversed(self.players)]
        other.ball = Body(-self.ball.x, self.ball.y, -self.ball.vx, self.ball.vy)
        other.lost, other.rewards = self.lost[::-1], self.rewards[::-1]
        other.wait, other.ticks = self.wait, self.ticks
        return other
