"""What it takes to hold a seat, and the simplest who does."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Generator, Tensor, arange, multinomial

from envs import Game, State

AnyGame = Game[Any]


class Player(Protocol):
    """Takes one seat in each of B games."""

    name: str

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Choose (B,) int64 actions for `seat` ((B,) int64); rows not to move are ignored."""

    def reset(self, mask: Tensor) -> None:
        """New games begin in the rows where `mask` ((B,) bool) is True."""


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


class Random(Stateless):
    """Any legal action, all equally likely."""

    name = "random"

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Draw one."""
        return choose(legal_of(state, seat).float(), generator)
