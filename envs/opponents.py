"""Who holds the other seat in the single-agent views: the protocol, `random`, and others by name.

The games know no players. A name such as `connect/one_ply` is looked up in the entry points of the
group `lifelong.players`, where any installed package may offer its own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from envs.core import Game, State, legal_of
from envs.registry import GAMES

GROUP = "lifelong.players"


class Opponent(Protocol):
    """Takes one seat in each of B games."""

    name: str

    def act(self, game: Game[Any], state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Choose (B,) int64 actions for `seat` ((B,) int64); rows not to move are ignored."""

    def reset(self, mask: Tensor) -> None:
        """New games begin in the rows where `mask` ((B,) bool) is True."""


Factory = Callable[[str, torch.device], Opponent]


def choose(weights: Tensor, generator: Generator) -> Tensor:
    """(B,) int64 drawn in proportion to (B, A) weights; 0 where a row has none."""
    empty = weights.sum(1, keepdim=True) == 0
    first = torch.arange(weights.shape[1], device=weights.device) == 0
    race = torch.empty_like(weights).exponential_(generator=generator)
    return ((weights + (empty & first)) / race).argmax(1)  # `multinomial`, which asks for a value


class RandomOpponent:
    """Any legal action, all equally likely."""

    name = "random"

    def act(self, game: Game[Any], state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Draw one; action 0 where the seat is not to move."""
        return choose(legal_of(state, seat).float(), generator)

    def reset(self, mask: Tensor) -> None:
        """Nothing to forget."""


def specialty(name: str) -> str:
    """The one game that a player's name says it plays: `tron` of `tron/wall_hugger`.

    So it is of `clumsy-20:tron/wall_hugger`; empty for names that say no game.
    """
    match = re.fullmatch(r"(?:clumsy-\d+:)?(\w+)/.*", name)
    return match[1] if match and match[1] in GAMES else ""


def make_opponent(who: str | Opponent, game: str, device: torch.device | str = "cpu") -> Opponent:
    """Find an opponent by name; an object that can already play is returned as it is.

    Args:
        who: `random`, a name that an installed package knows, or an `Opponent`.
        game: the name of the game without modifiers.
        device: where the games are.

    Raises:
        ValueError: for an unknown name, a player of another game, or an object that cannot play.
    """
    if not isinstance(who, str):
        if all(hasattr(who, part) for part in ("name", "act", "reset")):
            return who
        raise ValueError(
            f"the opponent must be a name or an object with name, act and reset, not {who!r}"
        )
    if who == RandomOpponent.name:
        return RandomOpponent()
    if specialty(who) not in ("", game):
        raise ValueError(f"opponent {who!r} plays {specialty(who)}, not {game}")
    return _ask_packages(who, torch.device(device))


def _ask_packages(name: str, device: torch.device) -> Opponent:
    answers = []
    for package, factory in _factories():
        try:
            return factory(name, device)
        except ValueError as error:
            answers.append(f"{package}: {error}")
    said = "; ".join(answers) or f"no installed package offers players (entry points {GROUP!r})"
    raise ValueError(
        f"unknown opponent {name!r}: give 'random', an object with name, act and reset, "
        f"or a name that a package knows ({said})"
    )


@functools.cache
def _factories() -> tuple[tuple[str, Factory], ...]:
    return tuple((entry.name, entry.load()) for entry in entry_points(group=GROUP))
