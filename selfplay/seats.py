"""What it takes to hold a seat, and the simplest who does."""

from __future__ import annotations

from typing import Any

from torch import Generator, Tensor, arange, multinomial

from envs import Game, State
from envs.opponents import Opponent, RandomOpponent

AnyGame = Game[Any]


Player = Opponent
"""Whoever can take a seat in each of B games: `name`, `act`, `reset`."""

Random = RandomOpponent
"""Any legal action, all equally likely."""


class Stateless:
    """A player that remembers nothing."""

    name = "stateless"

    def reset(self, mask: Tensor) -> None:
        """Nothing to forget."""


def choose(weights: Tensor, generator: Generator) -> Tensor:
    """(B,) int64 drawn in proportion to (B, A) weights; 0 where a row has none."""
    empty = weights.sum(1, keepdim=True) == 0
    first = arange(weights.shape[1], device=weights.device) == 0
    return multinomial(weights + (empty & first), 1, generator=generator)[:, 0]


def legal_of(state: State, seat: Tensor) -> Tensor:
    """(B, A) bool: what `seat` may do."""
    return state.legal_actions.gather(
        1, seat[:, None, None].expand(-1, 1, state.legal_actions.shape[2])
    )[:, 0]
