"""Names to players: scripted ladders, stubborn characters, and networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor

from envs import State, legal_of, take
from lifelong_agent.policy import DualStreamNetwork, Thought, sample
from lifelong_agent.weights import PRETRAINED, load_network
from selfplay.connect_players import ConnectStubborn, Negamax, OnePly
from selfplay.seats import AnyGame, Player, Random, Stateless
from selfplay.tron_players import TronStubborn, Voronoi, WallHugger
from selfplay.volley_players import predictor, tracker
from selfplay.volley_players import stubborn as volley_stubborn


class Stubborn(Stateless):
    """A deterministic player with one fixed habit in each game, drawn from its seed.

    Chance, other games and games before have no part in what it does.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.name = f"stubborn:{seed}"
        self._characters: dict[str, Player] = {
            "connect": ConnectStubborn(seed),
            "tron": TronStubborn(seed),
            "volley": volley_stubborn(seed),
        }

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """What it always does here; `ValueError` in a game that it does not know."""
        if game.name not in self._characters:
            known = ", ".join(self._characters)
            raise ValueError(f"this player knows {known}, not {game.variant}")
        return self._characters[game.name].act(game, state, seat, generator)


class Crowd(Stateless):
    """Stubborn players, one for each of as many games.

    Args:
        seeds: of the players.
    """

    name = "crowd"

    def __init__(self, seeds: Sequence[int]) -> None:
        self.players = [Stubborn(seed) for seed in seeds]
        self._slimes = volley_stubborn(*seeds)

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """What each does in its game; where it is not to move, or a game is over, anything."""
        if game.name == "volley":
            return self._slimes.act(game, state, seat, generator)
        actions = torch.zeros_like(seat)
        moving = state.to_move.gather(1, seat[:, None])[:, 0] & ~state.ended
        for row in moving.nonzero():
            its_game = take(state, row)
            actions[row] = self.players[int(row)].act(game, its_game, seat[row], generator)
        return actions


class Clumsy:
    """`clumsy-PERCENT:NAME`: another player, so many of whose actions are any legal ones.

    A ladder from that player down to `random`, for learners that could not climb the first rung.

    Args:
        player: who it would be.
        percent: of its actions, 1 to 99.
    """

    def __init__(self, player: Player, percent: int) -> None:
        self.player, self.percent = player, percent
        self.name = f"clumsy-{percent}:{player.name}"
        self._random = Random()

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """What the player would do, or anything."""
        meant = self.player.act(game, state, seat, generator)
        slipped = self._random.act(game, state, seat, generator)
        lots = torch.rand(len(seat), generator=generator, device=seat.device)
        return torch.where(lots * 100 < self.percent, slipped, meant)

    def reset(self, mask: Tensor) -> None:
        """New games for the player."""
        self.player.reset(mask)


class NetworkPlayer:
    """A network in a seat, without memory.

    Args:
        network: played as it is; freeze a copy first if it goes on learning.
        name: what it is called in tables.
        greedy: the most probable action, instead of a draw.
    """

    def __init__(self, network: DualStreamNetwork, name: str, *, greedy: bool = False) -> None:
        self.network, self.name, self.greedy = network, name, greedy
        self._state: Tensor | None = None

    def turn_into(self, network: DualStreamNetwork, name: str) -> None:
        """Play on with the weights of another network, in the same memory, and with a clear head.

        Args:
            network: of the same sizes.
            name: what it is called.
        """
        self.network.load_state_dict(network.state_dict())
        self.name = name
        if self._state is not None:
            self._state.zero_()

    def begin(self, num_games: int) -> None:
        """Be ready for so many games at a time."""
        self._state = self.network.initial_state(num_games)

    @torch.no_grad()
    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Think once per game; the state of rows that are not to move is left alone."""
        if self._state is None or len(self._state) != len(seat):
            self.begin(len(seat))
            assert self._state is not None
        thought: Thought = self.network(game.frame(state, seat), legal_of(state, seat), self._state)
        moving = state.to_move.gather(1, seat[:, None])
        self._state = torch.where(moving, thought.state, self._state)
        if self.greedy:
            return thought.log_probs.argmax(1)
        return sample(thought.log_probs, generator)

    def reset(self, mask: Tensor) -> None:
        """Zero the recurrent state of new games."""
        if self._state is not None:
            self._state = self._state * (~mask).float()[:, None]

    def state_dict(self) -> dict[str, Tensor]:
        """The carried states."""
        return {} if self._state is None else {"state": self._state}

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Take them up."""
        self._state = tensors["state"]


SCRIPTED = (
    *("random", "connect/one_ply", "connect/negamax-N"),
    *("tron/wall_hugger", "tron/voronoi", "tron/voronoi-N"),
    *("volley/tracker", "volley/predictor", "stubborn:SEED", "clumsy-PERCENT:NAME"),
)
SIMPLE: dict[str, Callable[[], Player]] = {
    "random": Random,
    "connect/one_ply": OnePly,
    "tron/wall_hugger": WallHugger,
    "tron/voronoi": Voronoi,
    "volley/tracker": tracker,
    "volley/predictor": predictor,
}


def make_scripted(name: str) -> Player:
    """Build a scripted player from its name.

    Raises:
        ValueError: for an unknown name, naming the known ones.
    """
    if name in SIMPLE:
        return SIMPLE[name]()
    if match := re.fullmatch(r"connect/negamax-([1-9])", name):
        return Negamax(int(match[1]))
    if match := re.fullmatch(r"tron/voronoi-([2-4])", name):
        return Voronoi(int(match[1]))
    if match := re.fullmatch(r"stubborn:(\d{1,9})", name):
        return Stubborn(int(match[1]))
    if match := re.fullmatch(r"clumsy-([1-9]\d?):((?!clumsy|random).+)", name):
        return Clumsy(make_scripted(match[2]), int(match[1]))
    raise ValueError(
        f"unknown player {name!r}: known are {', '.join(SCRIPTED)}, agent, agent:DIR; N is 1 to 9 "
        "moves of negamax, 2 to 4 of voronoi, PERCENT 1 to 99 of another scripted player"
    )


def is_network(name: str) -> bool:
    """Whether it is an agent's network that is meant."""
    return name == "agent" or name.startswith("agent:")


def make_player(name: str, device: torch.device | str = "cpu") -> Player:
    """Build any player: a scripted one, `agent` (the shipped network), or `agent:DIR`.

    Networks play greedily and without memory.

    Raises:
        ValueError: for an unknown name, or a network that cannot be read.
    """
    if is_network(name):
        directory = Path(name[6:]) if name != "agent" else PRETRAINED
        return NetworkPlayer(load_network(directory, device), name, greedy=True)
    return make_scripted(name)
