"""What recalls do to the traces that spoke: the right ones last longer, the wrong ones move a bit.

A recalled trace is labile until the game is over. If what it said came true, it is fresh again; if
it surprised, its value moves towards what came instead, and the move is noted. Pure functions of
what was recalled; nothing is stored here.

Source: doi:10.1038/35021052 (reconsolidation), doi:10.1016/j.tics.2007.05.005 (its limits).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from memory.traces import Trace


@dataclass(frozen=True)
class ReconsolidationConfig:
    """When a recall counts, and how far it may move a trace.

    Attributes:
        aloud: similarity from which a trace is answerable for what it said.
        tolerance: |what came - what was said| up to which it came true.
        rate: share of the way to what came by which a value moves.
        most: a value moves at most so far in all between two sleeps.
    """

    aloud: float = 0.5
    tolerance: float = 0.5
    rate: float = 0.1
    most: float = 0.2


@dataclass(frozen=True)
class Revision:
    """One move of a trace's value.

    Attributes:
        trace_id: of which trace.
        said: the value that it gave when it was recalled.
        came: what the same action turned out to be worth this time.
        before: its value before the move.
        after: its value since.
    """

    trace_id: int
    said: float
    came: float
    before: float
    after: float


@dataclass(frozen=True)
class Reconsolidation:
    """What one game's recalls change: new stabilities by trace id, and moves of values."""

    stabilities: Mapping[int, float] = field(default_factory=dict)
    revisions: tuple[Revision, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """Which recalled traces were right, and of the wrong ones what they said and what came."""

    useful: frozenset[int]
    surprising: Mapping[int, tuple[float, float]]


def judge(traces: Iterable[Trace], config: ReconsolidationConfig) -> Judgement:
    """Compare what recalled traces said with what came of it.

    A trace that spoke of the action that was then taken was right if |came - said| is within the
    tolerance. A warning against an action that was not taken was right if the action taken
    instead came out no worse than the critic expected. All else stays untested.

    Args:
        traces: the decisions of a finished game, their `returns` set, with what they recalled.
        config: the limits.
    """
    useful, surprising = set[int](), dict[int, tuple[float, float]]()
    for trace in traces:
        for recalled in trace.recalled:
            if recalled.trace_id < 1 or recalled.similarity < config.aloud:
                continue
            if recalled.action == trace.action:
                if abs(trace.returns - recalled.value) <= config.tolerance:
                    useful.add(recalled.trace_id)
                else:
                    surprising[recalled.trace_id] = (recalled.value, trace.returns)
            elif recalled.value < trace.value <= trace.returns:
                useful.add(recalled.trace_id)
    return Judgement(frozenset(useful - surprising.keys()), surprising)


def revise(
    judgement: Judgement,
    value_of: Callable[[int], float | None],
    moved: Mapping[int, float],
    config: ReconsolidationConfig,
) -> tuple[Revision, ...]:
    """Move the values of the traces that surprised: after = before + rate * (came - before).

    Args:
        judgement: which ones, and what came.
        value_of: a trace's value as it stands; None if the trace is gone.
        moved: how far each trace has moved in all since the last sleep; with this move it stays
            within `config.most`.
        config: the limits.
    """
    revisions = []
    for trace_id, (said, came) in sorted(judgement.surprising.items()):
        before = value_of(trace_id)
        if before is None:
            continue
        left = max(0.0, config.most - moved.get(trace_id, 0.0))
        move = min(max(config.rate * (came - before), -left), left)
        if move:
            revisions.append(Revision(trace_id, said, came, before, before + move))
    return tuple(revisions)
