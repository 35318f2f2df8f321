"""The contract of every game: a frozen batched `State` and the pure functions of a `Game`.

Games are tensor programs. `B` games are played side by side by two seats that share `A = 16`
actions. Chance arrives as a `torch.Generator`; nothing here learns, draws windows, or resets
itself.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Generator, Tensor

NUM_ACTIONS = 16
NUM_SEATS = 2
FRAME_SHAPE = (3, 64, 64)


@dataclasses.dataclass(frozen=True)
class State:
    """What every game shares; a game adds its own tensors, all with B rows.

    Attributes:
        legal_actions: (B, 2, A) bool; all False for a seat that is not to move, all True in a
            finished row.
        to_move: (B, 2) bool; all False in a finished row.
        rewards: (B, 2) float32 in [-1, 1], what the last step paid; zero-sum.
        terminated: (B,) bool, the rules ended the game.
        truncated: (B,) bool, the clock ended it.
        ticks: (B,) int32, steps since the start.
    """

    legal_actions: Tensor
    to_move: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    ticks: Tensor

    @property
    def ended(self) -> Tensor:
        """(B,) bool: terminated or truncated."""
        return self.terminated | self.truncated

    @property
    def num_games(self) -> int:
        """B."""
        return int(self.terminated.shape[0])

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.terminated.device


S = TypeVar("S", bound=State)

AHEAD = {"cuda"}


def runs_ahead(device: torch.device) -> bool:
    """Whether the host should not ask what tensors hold, but have all computed under masks.

    On CUDA the answer costs more than the work that it would save, and what asks cannot be
    recorded as a graph.
    """
    return device.type in AHEAD


def take(state: S, rows: Tensor) -> S:
    """Copy the chosen rows, in the order of `rows` ((N,) int64 or (B,) bool)."""
    return type(state)(**{f.name: getattr(state, f.name)[rows] for f in dataclasses.fields(state)})


def put(state: S, rows: Tensor, part: S) -> S:
    """A copy of `state` whose `rows` ((N,) int64, without repeats) are those of `part`."""
    return type(state)(
        **{
            f.name: getattr(state, f.name).index_copy(0, rows, getattr(part, f.name))
            for f in dataclasses.fields(state)
        }
    )


def concatenate(states: Sequence[S]) -> S:
    """The games of all states, one after another."""
    kind = type(states[0])
    parts = {f.name: [getattr(s, f.name) for s in states] for f in dataclasses.fields(kind)}
    return kind(**{name: torch.cat(tensors) for name, tensors in parts.items()})


def merge(mask: Tensor, chosen: S, otherwise: S) -> S:
    """Row by row, `chosen` where `mask` ((B,) bool) is True, else `otherwise`."""

    def pick(name: str) -> Tensor:
        a, b = getattr(chosen, name), getattr(otherwise, name)
        return torch.where(mask.view(-1, *[1] * (a.dim() - 1)), a, b)

    return type(otherwise)(**{f.name: pick(f.name) for f in dataclasses.fields(otherwise)})


def legal_of(state: State, seat: Tensor) -> Tensor:
    """(B, A) bool: what `seat` ((B,) int64) may do."""
    places = seat[:, None, None].expand(-1, 1, state.legal_actions.shape[2])
    return state.legal_actions.gather(1, places)[:, 0]


class Game(ABC, Generic[S]):
    """One game in one variant, on one device.

    `simultaneous` games have both seats act in every tick, the others take turns. `ticks_per_s` is
    how fast a person plays it: 0 for games that wait for a move.

    Args:
        modifiers: names out of `MODIFIERS`, in any order.
        device: where the tensors live.
        validate: raise `ValueError` in `step` on an illegal action (views, window and tests;
            training samples under the mask and skips the check).
        action_repeat: ticks that one step plays with the same actions, at both seats.

    Raises:
        ValueError: for an unknown modifier, one given twice, or two that clash; for an action
            that is repeated less than once, or where players take turns.

    Source: of repeated actions, Mnih et al. (2015), doi:10.1038/nature14236.
    """

    name: ClassVar[str]
    action_names: ClassVar[tuple[str, ...]]
    simultaneous: ClassVar[bool]
    ticks_per_s: ClassVar[float]
    MODIFIERS: ClassVar[dict[str, str]]
    CLASHES: ClassVar[tuple[frozenset[str], ...]] = ()
    num_actions: ClassVar[int] = NUM_ACTIONS

    def __init__(
        self,
        modifiers: Iterable[str] = (),
        device: torch.device | str = "cpu",
        *,
        validate: bool = False,
        action_repeat: int = 1,
    ) -> None:
        self.modifiers = _checked_modifiers(self, list(modifiers))
        self.device = torch.device(device)
        self.validate = validate
        self.action_repeat = _checked_action_repeat(self, action_repeat)
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Make the tables of this variant on this device."""

    @property
    def variant(self) -> str:
        """The canonical name: `connect`, or `connect:popout+wrap` with sorted modifiers."""
        tail = "+".join(sorted(self.modifiers))
        return f"{self.name}:{tail}" if tail else self.name

    @abstractmethod
    def init(self, num_games: int, generator: Generator) -> S:
        """Start `num_games` (at least 1) fresh games."""

    def step(self, state: S, actions: Tensor, generator: Generator) -> S:
        """Advance every game by one tick, or by `action_repeat` of them, whose rewards add up.

        Args:
            state: B games.
            actions: (B, 2) int64 in [0, A); the entry of a seat that is not to move is ignored.
            generator: the source of chance, on the game's device.

        Returns:
            The next state. A row that had already ended stays as it was and pays zero.

        Raises:
            ValueError: with `validate`, if the shape, the dtype or an action is not allowed.
        """
        if self.validate:
            self._check_actions(state, actions)
        state = self._advance(state, actions, generator)
        for _ in range(1, self.action_repeat):
            later = self._advance(state, actions, generator)
            state = dataclasses.replace(later, rewards=state.rewards + later.rewards)
        return state

    @abstractmethod
    def _advance(self, state: S, actions: Tensor, generator: Generator) -> S:
        """A tick, without the checks."""

    def reset(self, state: S, mask: Tensor, generator: Generator) -> S:
        """Fresh games in the rows where `mask` ((B,) bool) is True."""
        return merge(mask, self.init(state.num_games, generator), state)

    @abstractmethod
    def frame(self, state: S, seat: Tensor) -> Tensor:
        """Draw the screen as `seat` ((B,) int64, 0 or 1) sees it: (B, 3, 64, 64) uint8."""

    def mirror_frames(self, frames: Tensor) -> Tensor:
        """Flip frames (N, 3, 64, 64) left to right; games without that symmetry raise."""
        raise NotImplementedError(f"{self.variant} has no left-right symmetry")

    @property
    def mirror_actions(self) -> Tensor | None:
        """(A,) int64: what action `a` is called in the flipped frame; None without symmetry."""
        return None

    def _check_actions(self, state: S, actions: Tensor) -> None:
        if actions.dtype != torch.int64 or actions.shape != state.to_move.shape:
            wanted = tuple(state.to_move.shape)
            raise ValueError(
                f"actions must be int64 of shape {wanted}, not {actions.dtype} of "
                f"{tuple(actions.shape)}"
            )
        if actions.device != state.device:
            raise ValueError(f"actions are on {actions.device}, the games on {state.device}")
        in_range = (actions >= 0) & (actions < self.num_actions)
        legal = state.legal_actions.gather(2, actions.clamp(0, self.num_actions - 1)[..., None])
        wrong = state.to_move & ~(in_range & legal[..., 0])
        if bool(wrong.any()):
            row, seat = (int(i) for i in wrong.nonzero()[0])
            allowed = state.legal_actions[row, seat].nonzero()[:, 0].tolist()
            raise ValueError(
                f"illegal action {int(actions[row, seat])} of seat {seat} in game {row}: "
                f"allowed are {allowed}"
            )


def _checked_modifiers(game: Game[S], names: list[str]) -> frozenset[str]:
    known = ", ".join(sorted(game.MODIFIERS)) or "none"
    for name in names:
        if name not in game.MODIFIERS:
            raise ValueError(f"unknown modifier {name!r} of {game.name}: known are {known}")
        if names.count(name) > 1:
            raise ValueError(f"modifier {name!r} is given twice: known are {known}")
    for clash in game.CLASHES:
        if clash <= set(names):
            raise ValueError(
                f"modifiers {' and '.join(sorted(clash))} clash in {game.name}: known are {known}"
            )
    return frozenset(names)


def _checked_action_repeat(game: Game[S], action_repeat: int) -> int:
    if not _is_whole(action_repeat) or action_repeat < 1:
        raise ValueError(f"action_repeat must be a whole number from 1 on, not {action_repeat!r}")
    if action_repeat > 1 and not game.simultaneous:
        raise ValueError(f"no action is repeated in {game.name}, where players take turns")
    return int(action_repeat)


def check_num_games(num_games: int) -> None:
    """Raise `ValueError` unless `num_games` is a positive whole number."""
    if not _is_whole(num_games) or num_games < 1:
        raise ValueError(f"the number of games must be a whole number of at least 1: {num_games}")


def _is_whole(number: object) -> bool:
    """Python's and NumPy's integers, but no truth values."""
    return isinstance(number, Integral) and not isinstance(number, bool)
