"""Scripted players of four in a row: a ladder of exhaustive search, and fixed habits.

They play every variant by its own rules: what an action does and decides they ask the game.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from envs import NUM_ACTIONS, State, runs_ahead
from envs.connect import Connect, ConnectState
from envs.connect_rules import POP, Position, Rules
from envs.opponents import choose
from selfplay.seats import AnyGame, Stateless

ILLEGAL = -1000
CHUNK_ROWS = 1 << 15  # positions searched at a time; 128 times as many where the host runs ahead
STUBBORN_PLIES_WITH_POPS = 4


class OnePly(Stateless):
    """`connect`: win if possible, else block a win, else random; it never loses by its own move."""

    name = "connect/one_ply"

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Win, block, or draw."""
        game, position = seen_by(game, state, seat)
        scores = search(game.rules, position, 1)
        legal = scores > ILLEGAL
        blocks = _blocks(game.rules, position) & legal & (scores == 0)
        liking = 2 * scores.clamp(min=-1) + blocks
        best = legal & (liking == liking.masked_fill(~legal, -3).amax(1, keepdim=True))
        return game.rules.moves[choose(best.float(), generator)]


class Negamax(Stateless):
    """`connect`: sees wins and losses within `plies`; sooner wins, later losses, else random.

    Among equals it draws in proportion to the square root of the number of lines through the cell
    that it fills, in `misere` in inverse proportion. All being equally likely, two plies are hardly
    worth more than `one_ply` (0.60): what they see besides, a win that one's own disc offers, is
    rare. So much of a liking is needed to make a ladder (0.68), and no more is taken.
    """

    def __init__(self, plies: int) -> None:
        self.plies = plies
        self.name = f"connect/negamax-{plies}"

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Draw among the best moves."""
        game, position = seen_by(game, state, seat)
        scores = search(game.rules, position, self.plies)
        best = (scores == scores.amax(1, keepdim=True)) & (scores > ILLEGAL)
        weights = cell_weights(game.rules, position)
        return game.rules.moves[choose(best * weights, generator)]


def cell_weights(rules: Rules, position: Position) -> Tensor:
    """(B, M) float32: root of the number of lines through the filled cell; `misere`: one over that.

    A pop fills no cell; it counts as the corner, the poorest one.
    """
    after, _ = _play_all(rules, position)
    filled = after.occupied & ~position.occupied[:, None]
    bit = filled.clamp(min=1).double().log2().round().long()  # of a power of two; the corner's is 0
    weights = rules.lines_through[bit].float().sqrt()
    return 1 / weights if rules.is_misere else weights


class ConnectStubborn(Stateless):
    """`stubborn:SEED` for connect: deterministic, with one fixed habit.

    It looks 1 to 6 plies ahead (seed modulo 6, plus 1; at most 4 where discs may be popped) and,
    among equals, always prefers the same actions: in a fixed order of columns, or in an order
    fixed per position. Every other pair of six seeds likes a pop better than a drop in its column.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.name = f"stubborn:{seed}"
        self.plies = 1 + seed % 6
        self.per_position = bool(seed // 6 % 2)
        self.pops = 0.5 if seed // 12 % 2 else -0.5
        generator = torch.Generator().manual_seed(seed)
        self.order = torch.randperm(7, generator=generator)
        self.salt = int(torch.randint(1, 2**31, (1,), generator=generator)) | 1

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """The habitual action among the best."""
        game, position = seen_by(game, state, seat)
        plies = min(self.plies, STUBBORN_PLIES_WITH_POPS) if game.rules.has_pops else self.plies
        scores = look_ahead(game, position, plies).double()
        return (scores * 1e6 + self._liking(position)).argmax(1)

    def _liking(self, position: Position) -> Tensor:
        """(B or 1, 16) float64, below 1e6."""
        actions = torch.arange(NUM_ACTIONS, device=position.mine.device)
        if self.per_position:
            seen = (position.mine * 31 + position.theirs * 17 + self.salt)[:, None]
            mixed = seen * (2 * actions + 1) * self.salt
            return (mixed >> 13 & 0xFFFF).double()
        column = actions % POP
        order = self.order.to(actions.device)[column % 7].double() + 0.25 * (column // 7)
        return (order + self.pops * (actions >= POP))[None]


def look_ahead(game: Connect, position: Position, plies: int) -> Tensor:
    """Score every action by exhaustive search; the clock is not looked at.

    Args:
        game: the rules.
        position: (B,) boards as the side to move sees them.
        plies: depth, at least 1.

    Returns:
        (B, 16) int64: `plies + 1 - d` for a forced win in d plies, its negative for a forced loss,
        0 for neither within sight, `ILLEGAL` for an illegal action.
    """
    moves = game.rules.moves
    scores = torch.full((len(position.mine), NUM_ACTIONS), ILLEGAL, device=moves.device)
    return scores.index_copy(1, moves, search(game.rules, position, plies))


def search(rules: Rules, position: Position, plies: int) -> Tensor:
    """`look_ahead`, but (B, M): one column for each of `rules.moves`."""
    num_rows, ahead = len(position.mine), runs_ahead(position.mine.device)
    chunk = CHUNK_ROWS << 7 * ahead
    if num_rows > chunk:
        parts = [slice(first, first + chunk) for first in range(0, num_rows, chunk)]
        return torch.cat([search(rules, _rows(position, part), plies) for part in parts])
    after, legal = _play_all(rules, position)
    decided = rules.result(after) * legal
    scores, replies = decided * plies, after.turned
    undecided = legal & (decided == 0) & ~rules.is_stuck(replies)
    if plies > 1 and ahead:
        answers = best_score(rules, _all(replies), plies - 1).view_as(scores)
        scores = torch.where(undecided, -answers, scores)
    elif plies > 1 and bool(undecided.any()):
        scores[undecided] = -best_score(rules, _rows(replies, undecided), plies - 1)
    return scores.masked_fill(~legal, ILLEGAL)


def best_score(rules: Rules, position: Position, plies: int) -> Tensor:
    """(B,) int64: the best that `search` finds.

    The last ply, most of all positions, is seen at a glance where discs can only be dropped.
    """
    if plies > 1 or rules.has_pops:
        return search(rules, position, plies).amax(1)
    landings = rules.landings(position)
    lines = landings & rules.completing(position.mine)
    score = -(landings == lines).long() if rules.is_misere else (lines != 0).long()
    return score.masked_fill(landings == 0, ILLEGAL)


def seen_by(game: AnyGame, state: State, seat: Tensor) -> tuple[Connect, Position]:
    """The game, and (B,) boards as `seat` sees them; `ValueError` for another game."""
    if not isinstance(game, Connect) or not isinstance(state, ConnectState):
        raise ValueError(f"this player knows connect, not {game.variant}")
    return game, game.position(state, seat)


def _play_all(rules: Rules, position: Position) -> tuple[Position, Tensor]:
    """(B, M) boards after each of `rules.moves` (theirs may be (B, 1)), and whether it is legal."""
    boards = (position.mine, position.theirs, position.occupied)
    after, moved = rules.play(Position(*(board[:, None] for board in boards)), rules.moves)
    return after, moved != 0


def _rows(position: Position, rows: Tensor | slice) -> Position:
    """The chosen rows of all boards, first spread to one shape."""
    boards = (position.mine, position.theirs, position.occupied)
    return Position(*(board.expand_as(position.occupied)[rows] for board in boards))


def _all(position: Position) -> Position:
    """All boards of all rows, one after another."""
    boards = (position.mine, position.theirs, position.occupied)
    return Position(*(board.expand_as(position.occupied).flatten() for board in boards))


def _blocks(rules: Rules, position: Position) -> Tensor:
    """(B, M) bool: moves that stop wins which the other side would have, if it were to move.

    Without pops it is the drop to where the other would win; with them, whatever leaves the
    fewest winning replies.
    """
    after, legal = _play_all(rules, position.turned)
    wins = (rules.result(after) > 0) & legal
    if not rules.has_pops:
        return wins
    after, legal = _play_all(rules, position)
    replies = search(rules, _all(after.turned), 1).view(*legal.shape, -1)
    left = (replies > 0).sum(2).masked_fill(~legal, NUM_ACTIONS)
    return wins.any(1, keepdim=True) & (left == left.amin(1, keepdim=True))
