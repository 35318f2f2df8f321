"""One game between a person and a rival: whose turn it is, what is legal, who won.

It keeps the rules' state and knows neither pixels nor clocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from envs import Game, State
from lifelong_agent.records import AgentObservation


@dataclass
class Referee:
    """A game on `envs`' rules, one row wide.

    Attributes:
        game: the rules, with `validate` on.
        person_seat: 0 if the person begins.
        seed: of the game's chance.
        moves: the actions so far, where players take turns.
        num_ticks: steps so far.
        state: of the rules.
        ended: whether the game is over.
        results: what each seat has been paid so far.
    """

    game: Game[Any]
    person_seat: int
    seed: int = 0
    moves: list[int] = field(default_factory=list)
    num_ticks: int = 0
    results: list[float] = field(default_factory=lambda: [0.0, 0.0])
    state: State = field(init=False)
    ended: bool = field(init=False)

    def __post_init__(self) -> None:
        self._chance = torch.Generator().manual_seed(self.seed)
        self._take_up(self.game.init(1, self._chance))

    def _take_up(self, state: State) -> None:
        """What the screen asks in every frame is read out of the tensors once."""
        self.state = state
        self.ended = bool(state.ended[0])
        self._to_move: list[bool] = state.to_move[0].tolist()

    @property
    def rival_seat(self) -> int:
        """The other seat."""
        return 1 - self.person_seat

    @property
    def person_result(self) -> int:
        """Who is ahead or has won: 1 the person, -1 the rival, 0 nobody."""
        paid = self.results[self.person_seat]
        return (paid > 0) - (paid < 0)

    def is_turn_of(self, seat: int) -> bool:
        """Whether `seat` is to move."""
        return self._to_move[seat]

    def is_legal(self, action: int) -> bool:
        """Whether somebody is to move and may do this."""
        return any(self.is_turn_of(seat) and self.may(seat, action) for seat in (0, 1))

    def may(self, seat: int, action: int) -> bool:
        """Whether an action is legal for a seat."""
        return bool(self.state.legal_actions[0, seat, action])

    def play(self, action: int) -> None:
        """Let whoever is to move do this.

        Raises:
            ValueError: if it is not allowed.
        """
        self._step(torch.full((1, 2), action, dtype=torch.int64))
        self.moves.append(action)

    def play_both(self, persons: int, rivals: int) -> None:
        """Let both act at once.

        Raises:
            ValueError: if one of the actions is not allowed.
        """
        pair = (persons, rivals) if self.person_seat == 0 else (rivals, persons)
        self._step(torch.tensor([pair], dtype=torch.int64))

    def _step(self, actions: Tensor) -> None:
        self._take_up(self.game.step(self.state, actions, self._chance))
        self.num_ticks += 1
        for seat in (0, 1):
            self.results[seat] += float(self.state.rewards[0, seat])

    def rival_view(self) -> AgentObservation:
        """What the rival sees and may do."""
        seat = torch.tensor([self.rival_seat])
        frame: Tensor = self.game.frame(self.state, seat)[0]
        return {
            "observation": frame.numpy(),
            "action_mask": self.state.legal_actions[0, self.rival_seat].numpy(),
        }
