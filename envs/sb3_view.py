"""The games as a Stable-Baselines3 `VecEnv`: many of them from the learner's seat, in one batch.

`MaskablePPO` of sb3-contrib finds the legal actions by itself. Not imported by `envs`: this module
alone needs Stable-Baselines3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from envs.gymnasium_view import action_space, frame_space
from envs.opponents import Opponent
from envs.render import Picture, check_render_mode, enlarge, frames_per_s
from envs.sparring import MAX_SEED, Flags, Frames, Outcome, Sparring, check_actions, check_seed

VecStep = tuple[Frames, npt.NDArray[np.float32], Flags, list[dict[str, Any]]]


class GameVecEnv(VecEnv):
    """`num_envs` games against an opponent; those that end start anew at once.

    Rewards are the learner's: in volley every point when it is scored, elsewhere the result at the
    end. An illegal action ends its game with reward -1 and `info["illegal_action"]`. Episodes are
    counted by SB3's `VecMonitor`.

    Args:
        variant: a game with its modifiers, such as `tron:fog+wrap`.
        num_envs: at least 1.
        opponent: `random`, a name that an installed package knows, or an `Opponent`.
        seat: where the learner sits: 0, 1, or None to draw it for every game.
        render_mode: None or "rgb_array".
        device: where the games are computed; observations are arrays in any case.
        action_repeat: ticks in a step, of games that are played in ticks.

    Raises:
        ValueError: for an unknown variant, opponent, seat or render mode, a number below 1, or an
            action that cannot be repeated.
    """

    def __init__(
        self,
        variant: str,
        num_envs: int = 1,
        *,
        opponent: str | Opponent = "random",
        seat: int | None = None,
        render_mode: str | None = None,
        device: torch.device | str = "cpu",
        action_repeat: int = 1,
    ) -> None:
        check_render_mode(render_mode, ("rgb_array",))
        self.sparring = Sparring(variant, num_envs, opponent, seat, device, action_repeat)
        num_envs = len(self.sparring.seat)  # Python's integer
        self._entropy = np.random.default_rng()
        self._rows = [_Row(self.sparring, row, render_mode) for row in range(num_envs)]
        self._actions = torch.zeros(num_envs, dtype=torch.int64)
        super().__init__(num_envs, frame_space(), action_space())
        pace = frames_per_s(self.sparring.game.ticks_per_s, self.sparring.game.action_repeat)
        self.metadata["render_fps"] = pace  # type: ignore[assignment]  # as VecVideoRecorder reads it

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Chance starts anew with the next `reset`; the first number seeds the whole batch.

        Raises:
            ValueError: for a seed that is not an integer of at least 0.
        """
        first = check_seed(seed)
        if first is None:
            first = int(self._entropy.integers(2**32))
        self._seeds = [first + row for row in range(self.num_envs)]
        return self._seeds

    def reset(self) -> Frames:
        """Begin new games in all rows."""
        if self._seeds[0] is not None:
            self.sparring.seed(self._seeds[0])
        elif not self.sparring.started:
            self.sparring.seed(int(self._entropy.integers(MAX_SEED)))
        self._reset_seeds()
        self._reset_options()
        self.sparring.restart()
        self.reset_infos = [{"seat": row.seat} for row in self._rows]
        return self.sparring.frames()

    def step_async(self, actions: npt.NDArray[np.int64]) -> None:
        """Take up the actions of all rows.

        Raises:
            ValueError: unless these are `num_envs` integers from 0 to 15.
        """
        self._actions = check_actions(actions, self.num_envs).to(self.sparring.game.device)

    def step_wait(self) -> VecStep:
        """Do them, and let the opponents act.

        Raises:
            gymnasium.error.ResetNeeded: before the first `reset`.
        """
        if not self.sparring.started:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        outcome = self.sparring.play(self._actions)
        over = outcome.terminated | outcome.truncated
        infos = self._infos(outcome)
        if bool(over.any()):
            rows = over.nonzero()[:, 0].tolist()
            for row, frame in zip(rows, self.sparring.frames(over), strict=True):
                infos[row]["terminal_observation"] = frame
            self.sparring.restart(over)
            for row in rows:
                self.reset_infos[row] = {"seat": self._rows[row].seat}
        return self.sparring.frames(), outcome.rewards.cpu().numpy(), over.cpu().numpy(), infos

    def _infos(self, outcome: Outcome) -> list[dict[str, Any]]:
        by_clock = (outcome.truncated & ~outcome.terminated).tolist()
        columns = zip(by_clock, outcome.illegal.tolist(), self.sparring.seat.tolist(), strict=True)
        return [
            {"TimeLimit.truncated": clock, "illegal_action": illegal, "seat": seat}
            for clock, illegal, seat in columns
        ]

    def close(self) -> None:
        """Nothing is open."""

    def get_images(self) -> Sequence[Picture | None]:
        """The learner's screens, each (512, 512, 3) uint8; None without a render mode."""
        return [row.render() for row in self._rows]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of each row: `seat`, `variant`, `opponent`, `render_mode`.

        Raises:
            AttributeError: if rows have no such attribute.
        """
        return [getattr(self._rows[row], attr_name) for row in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Hang an attribute on each row; what the games are made of cannot be set.

        Raises:
            AttributeError: for what is read only.
        """
        for row in self._get_indices(indices):
            setattr(self._rows[row], attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call `action_masks` or `render` of each row.

        Raises:
            AttributeError: if rows have no such method.
        """
        if method_name == "action_masks":
            masks = self.sparring.masks()  # of all rows at once
            return [masks[row] for row in self._get_indices(indices)]
        methods = self.get_attr(method_name, indices)
        return [method(*method_args, **method_kwargs) for method in methods]

    def env_is_wrapped(
        self,
        wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]],
        indices: VecEnvIndices = None,
    ) -> list[bool]:
        """Nothing is wrapped around single rows."""
        return [False for _ in self._get_indices(indices)]


class _Row:
    """One game of the batch, as SB3 asks about single environments."""

    def __init__(self, sparring: Sparring, row: int, render_mode: str | None) -> None:
        self._sparring, self._row, self._render_mode = sparring, row, render_mode

    @property
    def variant(self) -> str:
        """The canonical name of the game."""
        return self._sparring.game.variant

    @property
    def opponent(self) -> str:
        """Who sits in the other seat."""
        return self._sparring.opponent.name

    @property
    def seat(self) -> int:
        """Where the learner sits in this game."""
        return int(self._sparring.seat[self._row])

    @property
    def render_mode(self) -> str | None:
        """None or "rgb_array"."""
        return self._render_mode

    def action_masks(self) -> Flags:
        """(16,) bool, what may be done now."""
        masks: Flags = self._sparring.masks()[self._row]
        return masks

    def render(self) -> Picture | None:
        """The learner's screen, enlarged."""
        if self._render_mode is None:
            return None
        only = torch.zeros_like(self._sparring.seat, dtype=torch.bool)
        only[self._row] = True
        return enlarge(self._sparring.frames(only)[0])
