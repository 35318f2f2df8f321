"""Which decision deserves what: reverse replay of one game with lambda-returns.

Pure functions over what is remembered of each situation; no store, no network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from memory.traces import Episode, Trace


@dataclass(frozen=True)
class CreditConfig:
    """How outcomes flow back.

    Attributes:
        mix: lambda; 1 believes only the game's result, 0 only the next situation's best answer.
        discount: per decision.
        rate: least share by which a new return replaces a remembered value.
        plausible: probability from which an untried action counts as a way out.
    """

    mix: float = 0.5
    discount: float = 0.98
    rate: float = 0.6
    plausible: float = 0.02


@dataclass(frozen=True)
class Answer:
    """What an action in a situation turned out to be worth: a mean over `count` visits."""

    value: float
    count: int


Answers = Mapping[int, Answer]


def best_value(trace: Trace, answers: Answers, plausible: float) -> float:
    """V(s): the best remembered answer, or the critic's hope while plausible ones are untried."""
    untried = [
        a
        for a, legal in enumerate(trace.legal_actions)
        if legal and a not in answers and trace.policy[a] >= plausible
    ]
    values = [answer.value for answer in answers.values()]
    return max(values + [trace.value] * bool(untried), default=trace.value)


def reverse_replay(
    episode: Episode, lookup: Callable[[Trace], Answers], config: CreditConfig
) -> list[Answer]:
    """Teach a game backwards, last decision first.

    Q(s, a) <- mix * G + (1 - mix) * discount * V(s'), where G is the discounted result and
    V(s') is `best_value` of the next decision's situation, with what this very replay has just
    taught about it. The last decision is worth the result.

    Args:
        episode: a finished game; the `returns` of its traces are set.
        lookup: what is remembered of a trace's situation before this game.
        config: the knobs.

    Returns:
        The new answer for each trace's action, in the order of the traces. Of a decision that
        was taken twice, the first answer holds both.

    Source: reverse replay of place cells, doi:10.1038/nature04587; Sutton and Barto, section 12.1.
    """
    taught: list[Answer] = []
    overlay: dict[int, dict[int, Answer]] = {}
    outcome, following = episode.result, episode.result
    for trace in reversed(episode.traces):
        known = {**lookup(trace), **overlay.get(trace.code, {})}
        trace.returns = config.mix * outcome + (1 - config.mix) * following
        answer = blend(known.get(trace.action), trace.returns, config.rate)
        taught.append(answer)
        overlay.setdefault(trace.code, {})[trace.action] = answer
        known[trace.action] = answer
        outcome *= config.discount
        following = config.discount * best_value(trace, known, config.plausible)
    return taught[::-1]


def blend(old: Answer | None, target: float, rate: float) -> Answer:
    """Move a remembered value towards a new one, by 1 / n but at least by `rate`."""
    if old is None:
        return Answer(target, 1)
    step = max(rate, 1 / (old.count + 1))
    return Answer(old.value + step * (target - old.value), old.count + 1)
