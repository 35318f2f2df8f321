"""What it takes to hold a seat, and the simplest who does."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from envs import Game
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
