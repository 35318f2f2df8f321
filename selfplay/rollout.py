"""What a learner is fed with: openings, and arenas side by side as one stream of decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

import torch
from torch import Generator, Tensor

from envs import FRAME_SHAPE, NUM_ACTIONS, State, merge
from envs.opponents import choose
from lifelong_agent.experience import Observation, Outcome
from selfplay.arena import AnyGame, Arena, as_shown, decisions, join, observe


def random_positions(
    game: AnyGame, num: int, max_plies: int, midgame_share: float, generator: Generator
) -> State:
    """Unfinished positions after random legal play.

    Args:
        game: the rules; in a simultaneous game a ply is a tick.
        num: how many.
        max_plies: the deepest position, at least 2.
        midgame_share: share of positions that are 2 to `max_plies` plies deep; the others are
            the start, or one ply deep, in equal parts.
        generator: chance.

    Returns:
        A state with `num` rows, none of them ended.

    Raises:
        ValueError: if `max_plies` is less than 2.
    """
    if max_plies < 2:
        raise ValueError(f"openings are up to 2 plies deep or more, not {max_plies}")
    start = torch.randint(0, 2, (num,), generator=generator, device=game.device)
    deep = torch.randint(2, max_plies + 1, (num,), generator=generator, device=game.device)
    is_deep = torch.rand(num, generator=generator, device=game.device) < midgame_share
    plies = torch.where(is_deep, deep, start)
    state: State = game.init(num, generator)
    for ply in range(max_plies):
        weights = state.legal_actions.flatten(0, 1).float()
        actions = choose(weights, generator).view(num, 2)
        following = game.step(state, actions, generator)
        state = merge((plies > ply) & ~following.ended, following, state)
    return state


class Arenas:
    """Several arenas as one stream (see `lifelong_agent.experience.Stream`).

    Rows go by arenas, and those of the same game follow each other.
    """

    obs_shape: tuple[int, ...] = FRAME_SHAPE
    num_actions = NUM_ACTIONS

    def __init__(self, arenas: list[Arena]) -> None:
        games = list({id(arena.game): arena.game for arena in arenas}.values())
        arenas = sorted(arenas, key=lambda arena: games.index(arena.game))
        self.arenas = arenas
        self.generators = list({id(a.generator): a.generator for a in arenas}.values())
        self.num_rows = sum(arena.num_rows for arena in arenas)
        self.groups = torch.cat(
            [a.seat.new_full((a.num_rows,), games.index(a.game)) for a in arenas]
        )

    def observe(self) -> Observation:
        """All arenas' observations, one after another."""
        return join([observe(alike) for alike in self._by_game()])

    def _by_game(self) -> list[list[Arena]]:
        """Arenas that play the same game, together."""
        groups = groupby(self.arenas, key=lambda arena: id(arena.game))
        return [list(alike) for _, alike in groups]

    def ask(self, teachers: Mapping[str, Callable[[AnyGame, State, Tensor], Tensor]]) -> Tensor:
        """What the teacher of each game (by name) makes of every decision, (num_rows, A).

        Each teacher is asked once for all arenas of a game; actions go by the names that are shown.
        """
        said = []
        for alike in self._by_game():
            game = alike[0].game
            said.append(as_shown(alike, teachers[game.name](game, *decisions(alike))))
        return torch.cat(said)

    def state_dict(self) -> dict[str, Any]:
        """The games as they stand."""
        return {str(i): arena.state_dict() for i, arena in enumerate(self.arenas)}

    def load_state_dict(self, tensors: dict[str, Any]) -> None:
        """Take them up."""
        for i, arena in enumerate(self.arenas):
            arena.load_state_dict(tensors[str(i)])

    def advance(self, actions: Tensor) -> Outcome:
        """Hand every arena its actions."""
        sizes = [arena.num_rows for arena in self.arenas]
        shares = torch.split(actions, sizes)
        parts = [arena.advance(a) for arena, a in zip(self.arenas, shares, strict=True)]
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        return Outcome(
            torch.cat([p.reward for p in parts]),
            torch.cat([p.ended for p in parts]),
            torch.cat([p.sign for p in parts]),
            _gather([(start, p.truncated) for start, p in zip(starts, parts, strict=True)]),
            _cut(parts),
        )


def _cut(parts: list[Outcome]) -> Tensor | None:
    """Rows that the clock ended unseen; None if there is no such arena."""
    if all(part.cut is None for part in parts):
        return None
    nowhere = [torch.zeros_like(part.ended) for part in parts]
    cuts = [part.cut for part in parts]
    return torch.cat([no if cut is None else cut for cut, no in zip(cuts, nowhere, strict=True)])


Cut = tuple[Tensor, Observation]


def _gather(cuts: list[tuple[int, Cut | None]]) -> Cut | None:
    """Truncated rows of arenas that start at given rows, as rows of the whole stream."""
    found = [(start + cut[0], cut[1]) for start, cut in cuts if cut is not None]
    if not found:
        return None
    return torch.cat([rows for rows, _ in found]), join([last for _, last in found])
