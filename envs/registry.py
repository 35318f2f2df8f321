"""Names to games: the grammar `game` or `game:modifier+modifier`, order-free."""

from __future__ import annotations

from typing import Any

import torch

from envs.connect import Connect
from envs.core import Game

GAMES: dict[str, type[Game[Any]]] = {Connect.name: Connect}


def make(name: str, device: torch.device | str = "cpu", *, validate: bool = False) -> Game[Any]:
    """Build a game from its name, such as `connect` or `tron:fog+wrap`.

    Raises:
        ValueError: for an unknown game, or a modifier that is unknown, repeated, or clashes.
    """
    game, _, tail = name.partition(":")
    if game not in GAMES:
        raise ValueError(f"unknown game {game!r}: known are {', '.join(sorted(GAMES))}")
    modifiers = tuple(tail.split("+")) if ":" in name else ()
    return GAMES[game](modifiers, device, validate=validate)
