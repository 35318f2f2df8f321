"""What is believed of the actions in each situation, and which trace bears it out.

Two tables in RAM, rebuilt from the store when a memory is opened. Nothing is learned here
(`memory.credit`) and nothing stored.
"""

from __future__ import annotations

from collections.abc import Iterable

from memory.credit import Answer

EVERYONE = ""
Belief = tuple[str, str, int, int]  # game, opponent, code, action
Situation = tuple[str, str, int]  # game, opponent, code


class Beliefs:
    """Answers by game, opponent and situation; what everybody taught is under `EVERYONE`."""

    def __init__(self) -> None:
        self._answers: dict[Situation, dict[int, Answer]] = {}
        self._newest: dict[Belief, int] = {}

    def __contains__(self, situation: Situation) -> bool:
        return situation in self._answers

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Beliefs)
            and self._answers == other._answers
            and self._newest == other._newest
        )

    def answers(self, game: str, opponent: str, code: int) -> dict[int, Answer]:
        """What is believed of the actions in a situation against one opponent."""
        return self._answers.get((game, opponent, code), {})

    def newest_trace(self, game: str, opponent: str, code: int, action: int) -> int:
        """Id of the newest trace of this very decision; -1 if none is left."""
        return self._newest.get((game, opponent, code, action), -1)

    def learn(self, belief: Belief, answer: Answer) -> None:
        """Replace what is believed of one action."""
        game, opponent, code, action = belief
        self._answers.setdefault((game, opponent, code), {})[action] = answer

    def learn_all(self, rows: Iterable[tuple[str, str, int, int, float, int]]) -> None:
        """Take up many beliefs, each with its value and count."""
        answers = self._answers
        for game, opponent, code, action, value, count in rows:
            answers.setdefault((game, opponent, code), {})[action] = Answer(value, count)

    def bear_out(self, belief: Belief, trace_id: int) -> None:
        """Name the trace that speaks for a belief."""
        self._newest[belief] = trace_id

    def forget(self, beliefs: Iterable[Belief]) -> None:
        """Believe nothing of these decisions any longer."""
        for belief in beliefs:
            self._newest.pop(belief, None)
            game, opponent, code, action = belief
            actions = self._answers.get((game, opponent, code), {})
            actions.pop(action, None)
            if not actions:
                self._answers.pop((game, opponent, code), None)


def both(belief: Belief) -> tuple[Belief, Belief]:
    """The belief about one opponent and its shared twin."""
    game, _, code, action = belief
    return belief, (game, EVERYONE, code, action)
