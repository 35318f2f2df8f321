"""Names to games: the grammar `game` or `game:modifier+modifier`, order-free."""

from __future__ import annotations

import itertools
from typing import Any

import torch

from envs.connect import Connect
from envs.core import Game
from envs.tron import Tron
from envs.volley import Volley

GAMES: dict[str, type[Game[Any]]] = {game.name: game for game in (Connect, Tron, Volley)}


def make(
    name: str,
    device: torch.device | str = "cpu",
    *,
    validate: bool = False,
    action_repeat: int = 1,
) -> Game[Any]:
    """Build a game from its name, such as `connect` or `tron:fog+wrap`; see `Game` for the rest.

    Raises:
        ValueError: for an unknown game, a modifier that is unknown, repeated, or clashes, or an
            action that cannot be repeated.
    """
    game, _, tail = name.partition(":")
    modifiers = tuple(tail.split("+")) if ":" in name else ()
    return _class_of(game)(modifiers, device, validate=validate, action_repeat=action_repeat)


def list_variants(game: str) -> tuple[str, ...]:
    """Every valid variant of a game by its canonical name, the classic first.

    Those with fewer modifiers come before those with more.

    Raises:
        ValueError: for an unknown game.
    """
    kind = _class_of(game)
    names = sorted(kind.MODIFIERS)
    sets = itertools.chain.from_iterable(
        itertools.combinations(names, size) for size in range(len(names) + 1)
    )
    return tuple(
        f"{game}:{'+'.join(chosen)}" if chosen else game
        for chosen in sets
        if not any(clash <= set(chosen) for clash in kind.CLASHES)
    )


def _class_of(game: str) -> type[Game[Any]]:
    if game not in GAMES:
        raise ValueError(f"unknown game {game!r}: known are {', '.join(sorted(GAMES))}")
    return GAMES[game]
