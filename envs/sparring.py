"""Games from one seat: a learner holds it, an opponent holds the other, B games side by side.

What Gymnasium's and Stable-Baselines3's views have in common. One step is the learner's action
and whatever the opponent replies, so that the learner is always to move. Not a training path:
here every action is checked.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from envs.core import NUM_ACTIONS, NUM_SEATS, Game, S, State, legal_of, merge, take
from envs.opponents import Opponent, make_opponent
from envs.registry import make

ILLEGAL_REWARD = -1.0
MAX_SEED = 2**63 - 1
Frames = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """What a step brought the learner.

    Attributes:
        rewards: (B,) float32, of its own move and of the reply.
        terminated: (B,) bool, the rules ended the game, or an illegal action did.
        truncated: (B,) bool, the clock ended it.
        illegal: (B,) bool, the action was not allowed.
    """

    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    illegal: Tensor


class Sparring:
    """B games of a learner against an opponent.

    `state` holds the games and `seat` ((B,) int64) where the learner sits, both from the first
    `restart` on. The source of chance is a generator of its own, seeded by `seed`.

    Args:
        variant: the name of a game with its modifiers.
        num_games: B, at least 1.
        opponent: a name or an `Opponent`.
        seat: 0, 1, or None to draw it for every game.
        device: where the games are.
        action_repeat: ticks in a step, of games that are played in ticks.

    Raises:
        ValueError: for an unknown variant, opponent or seat, or an action that cannot be repeated.
    """

    def __init__(
        self,
        variant: str,
        num_games: int,
        opponent: str | Opponent,
        seat: int | None,
        device: torch.device | str = "cpu",
        action_repeat: int = 1,
    ) -> None:
        if seat is not None and (isinstance(seat, bool) or seat not in range(NUM_SEATS)):
            raise ValueError(f"seat must be 0, 1, or None for either by chance, not {seat!r}")
        self.game: Game[Any] = make(variant, device, action_repeat=action_repeat)
        self.opponent = make_opponent(opponent, self.game.name, device)
        self.generator = Generator(self.game.device)
        self._fixed_seat = seat
        self.state: State = self.game.init(num_games, self.generator)
        self.seat = torch.zeros(num_games, dtype=torch.int64, device=self.game.device)
        self.started = False

    def seed(self, seed: int) -> None:
        """Chance starts anew from `seed`."""
        self.generator.manual_seed(seed)

    def restart(self, rows: Tensor | None = None) -> None:
        """Begin new games in `rows` ((B,) bool; None: in all); the opponent opens if it is first.

        Raises:
            ValueError: if the opponent moves illegally.
        """
        num_games = len(self.seat)
        if rows is None or not self.started:
            rows = torch.ones(num_games, dtype=torch.bool, device=self.seat.device)
        self.started = True
        self.seat = torch.where(rows, self._seats(num_games), self.seat)
        self.state = self.game.reset(self.state, rows, self.generator)
        self.opponent.reset(rows)
        self._let_reply()

    def _seats(self, num_games: int) -> Tensor:
        if self._fixed_seat is not None:
            return torch.full_like(self.seat, self._fixed_seat)
        return torch.randint(
            NUM_SEATS, (num_games,), generator=self.generator, device=self.seat.device
        )

    def play(self, actions: Tensor) -> Outcome:
        """Do (B,) int64 actions in [0, A), and let the opponent act.

        An illegal action ends its game: it is terminated and costs the learner 1. Finished games
        stay as they are and pay zero.

        Raises:
            ValueError: if the opponent moves illegally.
        """
        illegal = ~self.legal_actions().gather(1, actions[:, None])[:, 0]
        self.state = _forfeit(self.state, illegal)
        rewards = self._advance(~self.state.ended, actions) + self._let_reply()
        return Outcome(
            rewards=rewards + illegal * ILLEGAL_REWARD,
            terminated=self.state.terminated,
            truncated=self.state.truncated,
            illegal=illegal,
        )

    def _let_reply(self) -> Tensor:
        """(B,) rewards of the learner until it is to move, or the game is over."""
        rewards = torch.zeros(len(self.seat), device=self.seat.device)
        nothing = torch.zeros_like(self.seat)
        while bool((waiting := ~self.state.ended & ~self._is_to_move(self.seat)).any()):
            rewards = rewards + self._advance(waiting, nothing)
        return rewards

    def _advance(self, rows: Tensor, actions: Tensor) -> Tensor:
        """One tick in `rows`; (B,) rewards of the learner."""
        if not bool(rows.any()):
            return torch.zeros(len(rows), device=rows.device)
        other = 1 - self.seat
        replies = torch.zeros_like(actions)
        if bool((replying := rows & self._is_to_move(other)).any()):
            replies = self._ask_opponent(replying)
        both = torch.stack([actions, replies], 1).gather(1, torch.stack([self.seat, other], 1))
        following = self.game.step(self.state, both, self.generator)
        self.state = following if bool(rows.all()) else merge(rows, following, self.state)
        gained: Tensor = following.rewards.gather(1, self.seat[:, None])[:, 0]
        return gained * rows

    def _ask_opponent(self, replying: Tensor) -> Tensor:
        other = 1 - self.seat
        replies = self.opponent.act(self.game, self.state, other, self.generator)
        if replies.dtype != torch.int64 or replies.shape != other.shape:
            raise ValueError(
                f"the opponent {self.opponent.name!r} must answer with int64 of shape "
                f"{tuple(other.shape)}, not {replies.dtype} of {tuple(replies.shape)}"
            )
        in_range = (replies >= 0) & (replies < NUM_ACTIONS)
        legal = legal_of(self.state, other).gather(1, replies.clamp(0, NUM_ACTIONS - 1)[:, None])
        if bool((wrong := replying & ~(in_range & legal[:, 0])).any()):
            row = int(wrong.nonzero()[0])
            allowed = legal_of(self.state, other)[row].nonzero()[:, 0].tolist()
            raise ValueError(
                f"illegal action {int(replies[row])} of the opponent {self.opponent.name!r} "
                f"in game {row}: allowed are {allowed}"
            )
        return replies

    def _is_to_move(self, seat: Tensor) -> Tensor:
        return self.state.to_move.gather(1, seat[:, None])[:, 0]

    def legal_actions(self) -> Tensor:
        """(B, A) bool: what the learner may do; all in a finished game."""
        return legal_of(self.state, self.seat)

    def frames(self, rows: Tensor | None = None) -> Frames:
        """(N, 3, 64, 64) uint8: the learner's screens, in the chosen rows ((B,) bool) or in all."""
        if rows is None:
            drawn = self.game.frame(self.state, self.seat)
        else:
            drawn = self.game.frame(take(self.state, rows), self.seat[rows])
        frames: Frames = drawn.cpu().numpy()
        return frames

    def masks(self) -> Flags:
        """`legal_actions` in numpy."""
        masks: Flags = self.legal_actions().cpu().numpy()
        return masks


def _forfeit(state: S, rows: Tensor) -> S:
    """The same games, terminated in `rows`."""
    if not bool(rows.any()):
        return state
    return dataclasses.replace(
        state,
        terminated=state.terminated | rows,
        to_move=state.to_move & ~rows[:, None],
        legal_actions=state.legal_actions | rows[:, None, None],
    )


def check_actions(actions: object, num_games: int) -> Tensor:
    """(B,) int64 out of an array of the same shape.

    Raises:
        ValueError: unless these are B integers from 0 to 15.
    """
    wanted = f"actions must be {num_games} integers from 0 to {NUM_ACTIONS - 1}"
    try:
        array = np.asarray(actions)
    except ValueError:  # ragged
        raise ValueError(f"{wanted}, not {actions}") from None
    whole = np.issubdtype(array.dtype, np.integer)
    if not whole or array.shape != (num_games,) or array.min() < 0 or array.max() >= NUM_ACTIONS:
        raise ValueError(f"{wanted}, not {array.dtype} of shape {array.shape}: {actions}")
    return torch.from_numpy(array.astype(np.int64))


def check_seed(seed: object) -> int | None:
    """A seed as a Python integer, or None.

    Raises:
        ValueError: for anything but None or an integer from 0 to 2^63 - 1.
    """
    if seed is None:
        return None
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not whole or not 0 <= int(seed) <= MAX_SEED:  # type: ignore[call-overload]
        raise ValueError(f"the seed must be None or an integer from 0 to {MAX_SEED}, not {seed!r}")
    return int(seed)  # type: ignore[call-overload, no-any-return]
