"""The games as PettingZoo environments, both seats open: AEC for turns, Parallel for both at once.

As PettingZoo's own modules do, this one offers `raw_env`, `env` and `parallel_env`; importing it
also makes the games known to `pettingzoo.make`, by the ids that they have in Gymnasium. Not
imported by `envs`: this module alone needs PettingZoo.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from pettingzoo import AECEnv, ParallelEnv, aec_registry, parallel_registry, register
from pettingzoo.utils import parallel_to_aec, wrappers
from torch import Generator, Tensor

from envs.core import FRAME_SHAPE, NUM_ACTIONS, NUM_SEATS, Game, State
from envs.gymnasium_view import IDS
from envs.registry import GAMES, make
from envs.render import RENDER_MODES, Display, Picture, check_render_mode, enlarge, frames_per_s
from envs.sparring import ILLEGAL_REWARD, check_seed

AGENTS = tuple(f"player_{seat}" for seat in range(NUM_SEATS))
Observation = dict[str, npt.NDArray[Any]]
Infos = dict[str, dict[str, Any]]


def _register_ids() -> None:
    forms = (("aec", "env", aec_registry), ("parallel", "parallel_env", parallel_registry))
    for form, function, registry in forms:
        for name, game in GAMES.items():
            if IDS[name] not in registry and (game.simultaneous or form == "aec"):
                entry_point = f"envs.pettingzoo_view:{function}"
                register(form, IDS[name], entry_point, kwargs={"variant": name})


_register_ids()


def raw_env(
    variant: str = "connect",
    *,
    render_mode: str | None = None,
    device: torch.device | str = "cpu",
) -> AECEnv:
    """One seat at a time, without PettingZoo's wrappers: an illegal move in a turn raises.

    Raises:
        ValueError: for an unknown variant or render mode.
    """
    table = Table(variant, render_mode, device)
    if table.game.simultaneous:
        return parallel_to_aec(SimultaneousEnv(table))
    return TurnEnv(table)


def env(
    variant: str = "connect",
    *,
    render_mode: str | None = None,
    device: torch.device | str = "cpu",
) -> AECEnv:
    """One seat at a time, as PettingZoo prescribes for its classic games.

    An illegal move ends the game with -1 for the mover and 0 for the other, in games of both at
    once as soon as both have chosen. An action outside the space raises `AssertionError`.

    Raises:
        ValueError: for an unknown variant or render mode.
    """
    wrapped = raw_env(variant, render_mode=render_mode, device=device)
    if isinstance(wrapped, TurnEnv):
        wrapped = wrappers.TerminateIllegalWrapper(wrapped, illegal_reward=ILLEGAL_REWARD)
    wrapped = wrappers.AssertOutOfBoundsWrapper(wrapped)
    return wrappers.OrderEnforcingWrapper(wrapped)


def parallel_env(
    variant: str = "tron",
    *,
    render_mode: str | None = None,
    device: torch.device | str = "cpu",
) -> ParallelEnv:
    """Both seats at once; games that take turns have no such form.

    An illegal action ends the game for both, as in `env`: -1 for whoever did it, 0 for the other.

    Raises:
        ValueError: for an unknown variant or render mode, or a game that takes turns.
    """
    table = Table(variant, render_mode, device)
    if not table.game.simultaneous:
        raise ValueError(f"{table.game.name} takes turns: use env(), parallel are tron and volley")
    return SimultaneousEnv(table)


class Table:
    """One game, its chance, and what the agents see of it.

    `state` is what `restart` made and `play` went on with.
    """

    def __init__(self, variant: str, render_mode: str | None, device: torch.device | str) -> None:
        check_render_mode(render_mode)
        self.game: Game[Any] = make(variant, device, validate=True)
        self.render_mode = render_mode
        self.generator = Generator(self.game.device)
        self.generator.seed()
        self.state: State = self.game.init(1, self.generator)
        self.metadata = {
            "name": f"{self.game.variant}_v0",
            "render_modes": list(RENDER_MODES),
            "render_fps": frames_per_s(self.game.ticks_per_s),
            "is_parallelizable": self.game.simultaneous,
        }
        self._display = Display(self.game.variant, frames_per_s(self.game.ticks_per_s))
        self.observation_spaces = {agent: _observation_space() for agent in AGENTS}
        self.action_spaces = {agent: spaces.Discrete(NUM_ACTIONS) for agent in AGENTS}

    def restart(self, seed: int | None) -> None:
        """A new game; without a seed chance goes on."""
        if (checked := check_seed(seed)) is not None:
            self.generator.manual_seed(checked)
        self.state = self.game.init(1, self.generator)
        self._show()

    def play(self, actions: list[int]) -> None:
        """One tick: an action for each seat; that of a seat not to move is ignored."""
        self.state = self.game.step(self.state, self._tensor([actions]), self.generator)
        self._show()

    def _tensor(self, values: list[Any]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self.game.device)

    def rewards(self) -> dict[str, float]:
        """What the last tick paid."""
        return dict(zip(AGENTS, self.state.rewards[0].tolist(), strict=True))

    def observe(self, agent: str) -> Observation:
        """The agent's screen, and what it may do: nothing when it is not to move."""
        seat = AGENTS.index(agent)
        mask = self.state.legal_actions[0, seat].to(torch.int8)
        return {"observation": self.frame(seat), "action_mask": mask.cpu().numpy()}

    def frame(self, seat: int) -> Picture:
        """(3, 64, 64) uint8, the screen of a seat."""
        drawn: Picture = self.game.frame(self.state, self._tensor([seat]))[0].cpu().numpy()
        return drawn

    def render(self) -> Picture | None:
        """The screen of `player_0`, (512, 512, 3) uint8; with "human" in a window."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() needs render_mode 'human' or 'rgb_array'")
            return None
        picture = enlarge(self.frame(0))
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


def _observation_space() -> spaces.Dict:
    return spaces.Dict(
        {
            "observation": spaces.Box(0, 255, FRAME_SHAPE, np.uint8),
            "action_mask": spaces.Box(0, 1, (NUM_ACTIONS,), np.int8),
        }
    )


class _Spaces:
    """What both forms of an environment have in common."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.metadata = table.metadata
        self.render_mode = table.render_mode
        self.possible_agents = list(AGENTS)
        self.agents: list[str] = []
        self.observation_spaces = table.observation_spaces
        self.action_spaces = table.action_spaces

    def observation_space(self, agent: str) -> spaces.Dict:
        """The frame and the mask of legal actions; always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """The actions that all games share; always the same object."""
        return self.action_spaces[agent]

    def render(self) -> Picture | None:
        """See `Table.render`."""
        return self.table.render()

    def close(self) -> None:
        """Close the window, if there is one."""
        self.table.close()


class TurnEnv(_Spaces, AECEnv):  # type: ignore[misc]
    """A game whose seats take turns."""

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """A new game.

        Raises:
            ValueError: for a seed that is not an integer of at least 0.
        """
        self.table.restart(seed)
        self.agents = self.possible_agents[:]
        self.rewards: dict[str, float] = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: Infos = {agent: {} for agent in self.agents}
        self.agent_selection = self._next_agent(AGENTS[1])

    def _next_agent(self, mover: str) -> str:
        """Whose turn it is; when the game is over, the one who did not move last."""
        other = AGENTS[1 - AGENTS.index(mover)]
        return mover if bool(self.table.state.to_move[0, AGENTS.index(mover)]) else other

    def observe(self, agent: str) -> Observation:
        """The agent's own screen, and what it may do: nothing when it is not to move."""
        return self.table.observe(agent)

    def step(self, action: int | None) -> None:
        """Move for `agent_selection`; None for one whose game is over.

        Raises:
            ValueError: for an illegal move.
        """
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        if action is None or not self.action_space(agent).contains(action):
            raise ValueError(_out_of_range(agent, action))
        self._cumulative_rewards[agent] = 0.0
        self.table.play([int(action)] * NUM_SEATS)
        state = self.table.state
        self.rewards = self.table.rewards()
        self.terminations = dict.fromkeys(self.agents, bool(state.terminated))
        self.truncations = dict.fromkeys(self.agents, bool(state.truncated))
        self._accumulate_rewards()
        self.agent_selection = self._next_agent(agent)


class SimultaneousEnv(_Spaces, ParallelEnv):  # type: ignore[misc]
    """A game in which both act in every tick."""

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], Infos]:
        """A new game.

        Raises:
            ValueError: for a seed that is not an integer of at least 0.
        """
        self.table.restart(seed)
        self.agents = self.possible_agents[:]
        return self._observations(), self._infos([])

    def _observations(self) -> dict[str, Observation]:
        return {agent: self.table.observe(agent) for agent in AGENTS}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Both act; when the game is over, nobody is left in `agents` and this does nothing.

        Raises:
            ValueError: if the action of an agent is missing or no integer from 0 to 15.
        """
        if not self.agents:
            return {}, {}, {}, {}, {}
        wrong = [agent for agent in AGENTS if not self._is_legal(agent, actions.get(agent))]
        if wrong:
            rewards = {agent: ILLEGAL_REWARD if agent in wrong else 0.0 for agent in AGENTS}
        else:
            self.table.play([int(actions[agent]) for agent in AGENTS])
            rewards = self.table.rewards()
        state = self.table.state
        terminations = dict.fromkeys(AGENTS, bool(wrong) or bool(state.terminated))
        truncations = dict.fromkeys(AGENTS, bool(state.truncated))
        if terminations[AGENTS[0]] or truncations[AGENTS[0]]:
            self.agents = []
        return self._observations(), rewards, terminations, truncations, self._infos(wrong)

    def _infos(self, wrong: list[str]) -> Infos:
        return {agent: {"illegal_action": agent in wrong} for agent in AGENTS}

    def _is_legal(self, agent: str, action: int | None) -> bool:
        if action is None or not self.action_space(agent).contains(action):
            raise ValueError(_out_of_range(agent, action))
        return bool(self.table.state.legal_actions[0, AGENTS.index(agent), int(action)])


def _out_of_range(agent: str, action: object) -> str:
    return f"the action of {agent} must be an integer from 0 to {NUM_ACTIONS - 1}, not {action!r}"
