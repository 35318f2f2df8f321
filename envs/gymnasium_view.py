"""The games as Gymnasium environments: the learner holds one seat, an opponent the other.

`SeatEnv` is one game, `SeatVectorEnv` steps many of them as one tensor program. Observations are
the learner's frames; which actions are legal is in `info["action_mask"]` and `action_masks()`.
"""

from __future__ import annotations

from typing import Any, ClassVar, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.envs.registration import register
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from envs.core import FRAME_SHAPE, NUM_ACTIONS
from envs.opponents import Opponent
from envs.registry import GAMES
from envs.render import RENDER_MODES, Display, Picture, check_render_mode, enlarge, frames_per_s
from envs.sparring import MAX_SEED, Flags, Frames, Sparring, check_actions, check_seed

IDS = {game: f"lifelong/{game.capitalize()}-v0" for game in GAMES}
Info = dict[str, Any]


def register_ids() -> None:
    """Make the games known to `gymnasium.make` and `make_vec`; once is enough."""
    for game, name in IDS.items():
        if name not in gymnasium.registry:
            register(
                name,
                entry_point="envs.gymnasium_view:SeatEnv",
                vector_entry_point="envs.gymnasium_view:SeatVectorEnv",
                kwargs={"game": game},
            )


def frame_space() -> gymnasium.spaces.Space[Frames]:
    """What one seat sees: (3, 64, 64) uint8."""
    return gymnasium.spaces.Box(0, 255, FRAME_SHAPE, np.uint8)


def action_space() -> gymnasium.spaces.Discrete:
    """The actions that all games share."""
    return gymnasium.spaces.Discrete(NUM_ACTIONS)


def variant_of(game: str, modifiers: str) -> str:
    """`tron` and `fog+wrap` make `tron:fog+wrap`."""
    return f"{game}:{modifiers}" if modifiers else game


class SeatEnv(gymnasium.Env[Frames, np.int64]):
    """One game from the learner's seat.

    A step is the learner's action and the opponent's. Rewards are the learner's: in volley every
    point when it is scored, elsewhere the result at the end. An illegal action terminates the game
    with reward -1 and `info["illegal_action"]`. Other keys of `info`: `action_mask` ((16,) int8,
    for `action_space.sample`) and `seat`.

    Args:
        game: connect, tron or volley.
        modifiers: joined by +, such as `fog+wrap`.
        opponent: `random`, a name that an installed package knows, or an `Opponent`; an object is
            used as it is, so one that remembers must not sit in two environments.
        seat: where the learner sits: 0, 1, or None to draw it for every game.
        render_mode: None, "human" or "rgb_array".
        device: where the game is computed.
        action_repeat: ticks in a step, of games that are played in ticks.

    Raises:
        ValueError: for an unknown variant, opponent, seat or render mode, or an action that cannot
            be repeated.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - Gymnasium's name and form
        "render_modes": list(RENDER_MODES),
        "render_fps": 10,
    }

    def __init__(
        self,
        game: str,
        modifiers: str = "",
        *,
        opponent: str | Opponent = "random",
        seat: int | None = None,
        render_mode: str | None = None,
        device: torch.device | str = "cpu",
        action_repeat: int = 1,
    ) -> None:
        check_render_mode(render_mode)
        variant = variant_of(game, modifiers)
        self.sparring = Sparring(variant, 1, opponent, seat, device, action_repeat)
        self.observation_space = frame_space()
        self.action_space = action_space()
        self.render_mode = render_mode
        pace = frames_per_s(self.sparring.game.ticks_per_s, self.sparring.game.action_repeat)
        self.metadata = {**self.metadata, "render_fps": pace}
        self._display = Display(self.sparring.game.variant, pace)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frames, Info]:
        """Begin a new game; the opponent has moved already if it is first.

        Raises:
            ValueError: for a seed that is not an integer of at least 0.
        """
        super().reset(seed=check_seed(seed))
        if seed is not None or not self.sparring.started:
            self.sparring.seed(int(self.np_random.integers(MAX_SEED)))
        self.sparring.restart()
        self._show()
        return self.sparring.frames()[0], self._info(illegal=False)

    def step(self, action: np.int64) -> tuple[Frames, SupportsFloat, bool, bool, Info]:
        """Act, and let the opponent act.

        Raises:
            ValueError: unless the action is an integer from 0 to 15.
            gymnasium.error.ResetNeeded: before the first `reset`.
        """
        if not self.sparring.started:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        if not self.action_space.contains(action):
            raise ValueError(
                f"the action must be an integer from 0 to {NUM_ACTIONS - 1}, not {action!r}"
            )
        actions = torch.tensor([int(action)], device=self.sparring.game.device)
        outcome = self.sparring.play(actions)
        self._show()
        return (
            self.sparring.frames()[0],
            float(outcome.rewards),
            bool(outcome.terminated),
            bool(outcome.truncated),
            self._info(illegal=bool(outcome.illegal)),
        )

    def action_masks(self) -> Flags:
        """(16,) bool, what may be done now; the name that sb3-contrib asks for."""
        masks: Flags = self.sparring.masks()[0]
        return masks

    def _info(self, *, illegal: bool) -> Info:
        return {
            "action_mask": self.action_masks().astype(np.int8),
            "illegal_action": illegal,
            "seat": int(self.sparring.seat),
        }

    def render(self) -> Picture | None:
        """The learner's screen, (512, 512, 3) uint8; with "human" in a window."""
        if self.render_mode is None:
            raise gymnasium.error.Error('rendering needs render_mode="human" or "rgb_array"')
        picture = enlarge(self.sparring.frames()[0])
        if self.render_mode == "rgb_array":
            return picture
        self._display.show(picture)
        return None

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()

    def close(self) -> None:
        """Close the window, if there is one."""
        self._display.close()


class SeatVectorEnv(VectorEnv[Frames, npt.NDArray[np.int64], npt.NDArray[Any]]):
    """Many games from the learner's seats, stepped together.

    Args:
        num_envs: B, at least 1.
        autoreset_mode: of Gymnasium: NEXT_STEP (a finished game ignores the next action and starts
            anew), SAME_STEP (it starts anew at once; the end is in `final_obs` and `final_info`),
            or DISABLED (it waits for `reset(options={"reset_mask": ...})`).

    The other arguments, rewards and `info` are those of `SeatEnv`, with B rows. One seed is the
    seed of the whole batch.

    Raises:
        ValueError: as `SeatEnv`, for a number below 1, or an unknown mode.
    """

    RENDER_MODES: ClassVar[tuple[str, ...]] = ("rgb_array",)

    def __init__(
        self,
        num_envs: int,
        game: str,
        modifiers: str = "",
        *,
        opponent: str | Opponent = "random",
        seat: int | None = None,
        render_mode: str | None = None,
        device: torch.device | str = "cpu",
        action_repeat: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        check_render_mode(render_mode, self.RENDER_MODES)
        variant = variant_of(game, modifiers)
        self.sparring = Sparring(variant, num_envs, opponent, seat, device, action_repeat)
        self.num_envs = num_envs = len(self.sparring.seat)  # Python's integer
        self.single_observation_space, self.single_action_space = frame_space(), action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.render_mode = render_mode
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.metadata = {
            "render_modes": list(self.RENDER_MODES),
            "render_fps": frames_per_s(
                self.sparring.game.ticks_per_s, self.sparring.game.action_repeat
            ),
            "autoreset_mode": self.autoreset_mode,
        }

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frames, Info]:
        """Begin new games, in all rows or in those of `options["reset_mask"]` ((B,) bool).

        Raises:
            ValueError: for a seed that is not an integer of at least 0, or a mask of another form.
        """
        super().reset(seed=check_seed(seed))
        if seed is not None or not self.sparring.started:
            self.sparring.seed(int(self.np_random.integers(MAX_SEED)))
        rows = (options or {}).get("reset_mask")
        self.sparring.restart(None if rows is None else self._checked_rows(rows))
        return self.sparring.frames(), self._infos(np.zeros(self.num_envs, np.bool_))

    def _checked_rows(self, rows: object) -> torch.Tensor:
        array = np.asarray(rows)
        if array.dtype != np.bool_ or array.shape != (self.num_envs,) or not array.any():
            raise ValueError(
                f"reset_mask must be {self.num_envs} booleans, at least one of them True, "
                f"not {array.dtype} of shape {array.shape}"
            )
        return torch.from_numpy(array).to(self.sparring.game.device)

    def step(
        self, actions: npt.NDArray[np.int64]
    ) -> tuple[Frames, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], Info]:
        """Act in every game, and let the opponents act.

        Raises:
            ValueError: unless the actions are B integers from 0 to 15.
            gymnasium.error.ResetNeeded: before the first `reset`.
        """
        if not self.sparring.started:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        chosen = check_actions(actions, self.num_envs).to(self.sparring.game.device)
        before = self.sparring.state.ended
        outcome = self.sparring.play(chosen)
        terminated, truncated = outcome.terminated, outcome.truncated
        illegal: Flags = outcome.illegal.cpu().numpy()
        final: Info = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            over = terminated | truncated
            final = self._final(over, illegal)
            self._start_again(over)
            illegal = illegal & ~over.cpu().numpy()  # the info is that of the new game
        elif self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._start_again(before)
            terminated, truncated = terminated & ~before, truncated & ~before
        return (
            self.sparring.frames(),
            outcome.rewards.double().cpu().numpy(),
            terminated.cpu().numpy(),
            truncated.cpu().numpy(),
            {**self._infos(illegal), **final},
        )

    def _start_again(self, rows: torch.Tensor) -> None:
        if bool(rows.any()):
            self.sparring.restart(rows)

    def _final(self, ended: torch.Tensor, illegal: Flags) -> Info:
        """The last observations and infos of games that end in this step, as Gymnasium packs them.

        `final_obs` is an array of B objects, a frame or None; `final_info` is an info of its own.
        """
        if not bool(ended.any()):
            return {}
        rows: Flags = ended.cpu().numpy()
        frames = np.full(self.num_envs, None, dtype=object)
        for row, frame in zip(np.flatnonzero(rows), self.sparring.frames(ended), strict=True):
            frames[row] = frame
        infos = {
            key: rows if key.startswith("_") else _only(rows, value)
            for key, value in self._infos(illegal).items()
        }
        return {"final_obs": frames, "_final_obs": rows, "final_info": infos, "_final_info": rows}

    def action_masks(self) -> Flags:
        """(B, 16) bool, what may be done now."""
        return self.sparring.masks()

    def _infos(self, illegal: Flags) -> Info:
        values = {
            "action_mask": self.action_masks().astype(np.int8),
            "illegal_action": illegal,
            "seat": self.sparring.seat.cpu().numpy().copy(),
        }
        present = {f"_{key}": np.ones(self.num_envs, np.bool_) for key in values}
        return {**values, **present}

    def render(self) -> tuple[Picture, ...]:
        """The learner's screens, each (512, 512, 3) uint8."""
        if self.render_mode is None:
            raise gymnasium.error.Error('rendering needs render_mode="rgb_array"')
        return tuple(enlarge(frame) for frame in self.sparring.frames())


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    known = [known.value for known in AutoresetMode]
    if not isinstance(mode, AutoresetMode) and mode not in known:
        raise ValueError(f"autoreset_mode must be one of {', '.join(known)}, not {mode!r}")
    return AutoresetMode(mode)


def _only(rows: Flags, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values of the chosen rows, zero elsewhere."""
    kept = rows.reshape(-1, *[1] * (values.ndim - 1))
    return np.where(kept, values, np.zeros_like(values))
