"""What sleep teaches: remembered decisions as the circuits meet them, and dreams between them.

Which games are worth learning from is decided here; how a network learns from them is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Generator, Tensor

from lifelong_agent.losses import mask_logits
from lifelong_agent.policy import DualStreamNetwork
from memory import Hippocampus, Trace

BEST_GAMES = 3
"""Of the games against one opponent, so many of the best, the latest first, are taught."""

DOUBT = 0.3
"""Share of the network's own probabilities in what is taught: other ways stay open to trial."""


@dataclass(frozen=True)
class Lessons:
    """N remembered decisions as the circuits meet them.

    Attributes:
        readings: (N, D) float32, what the eyes made of the frames.
        states: (N, S) float32, the recurrent states before the decisions.
        legal_actions: (N, A) bool.
        policy: (N, A) float32, the probabilities to be learned.
        value: (N,) float32, the expectation to be learned.
        variant: (N,) int64, a number per game.
    """

    readings: Tensor
    states: Tensor
    legal_actions: Tensor
    policy: Tensor
    value: Tensor
    variant: Tensor

    def __len__(self) -> int:
        return len(self.value)

    def pick(self, rows: Tensor) -> Lessons:
        """Some of them, by (M,) int64 row numbers, or those of an (N,) bool mask."""
        return Lessons(*(getattr(self, field.name)[rows] for field in fields(self)))

    def join(self, others: Lessons) -> Lessons:
        """These, then the others."""
        pairs = ((getattr(self, f.name), getattr(others, f.name)) for f in fields(self))
        return Lessons(*map(torch.cat, pairs))

    def draw(self, num: int, generator: Generator) -> Lessons:
        """`num` of them with replacement, every variant as often as any other."""
        often = torch.bincount(self.variant)[self.variant].float()
        return self.pick(torch.multinomial(1 / often, num, True, generator=generator))


def recollect(hippocampus: Hippocampus, game: str, opponent: str) -> list[Trace]:
    """Decisions of the best games against somebody, with the policy that is to be learned.

    The best are the latest of those with the best result that was reached; lost games teach
    nothing. A situation that came up several times is given once, as it was met last.

    The policy is 0.7 for the action that memory now believes in most among those that were tried
    and are no known mistake (hope for others is for play; what is taught has been shown to work),
    and 0.3 times the shipped network's own probabilities, so that other ways stay open to trial.
    """
    store = hippocampus.store
    best = best_games(store.whole_games(game, opponent))
    if not best:
        return []
    episodes = store.read_episodes(game, opponent, best)
    latest = {trace.code: trace for episode in episodes for trace in episode.traces}
    mistakes = _mistakes(hippocampus, game, opponent)
    taught = []
    for trace in latest.values():
        beliefs = {a: b.value for a, b in hippocampus.answers(game, opponent, trace.code).items()}
        sound = {a: v for a, v in beliefs.items() if (trace.code, a) not in mistakes}
        favourite = max(sound, key=lambda a: (sound[a], a == trace.action), default=trace.action)
        policy = DOUBT * trace.policy
        policy[favourite] += 1 - DOUBT
        taught.append(replace(trace, policy=policy))
    return taught


def _mistakes(hippocampus: Hippocampus, game: str, opponent: str) -> set[tuple[int, int]]:
    """Situations and actions with which bad strategies begin."""
    noted = hippocampus.book.read(game, opponent)
    return {(s.code, s.actions[0]) for s in noted if s.verdict == "bad"}


def undisputed(taught: Sequence[tuple[str, Trace]]) -> list[tuple[str, Trace]]:
    """Lessons without those of a situation in which most others teach another action.

    Against one opponent this may be right and against another that: only the hippocampus knows
    who is on the other side. Of as many votes each, those win that were given first.

    Args:
        taught: game and decision, the opponents met last first.
    """
    choices = [(game, trace.code, int(trace.policy.argmax())) for game, trace in taught]
    votes: dict[tuple[str, int], Counter[int]] = {}
    for game, code, action in choices:
        votes.setdefault((game, code), Counter())[action] += 1
    winners = {place: counted.most_common(1)[0][0] for place, counted in votes.items()}
    return [
        lesson
        for lesson, (game, code, action) in zip(taught, choices, strict=True)
        if action == winners[game, code]
    ]


def best_games(results: Mapping[int, float]) -> list[int]:
    """The last three of the games that ended as well as any, oldest first; none if all are lost.

    Args:
        results: by the game's id, oldest first.
    """
    best = max(results.values(), default=-1.0)
    return [game_id for game_id, result in results.items() if result == best >= 0][-BEST_GAMES:]


@torch.no_grad()
def read_lessons(
    network: DualStreamNetwork,
    traces: Sequence[Trace],
    variants: Sequence[int],
    known: dict[int, Tensor] | None = None,
    rows: int = 256,
) -> Lessons:
    """Look at remembered frames again, a few rows at a time.

    Args:
        network: whose eyes read.
        traces: N decisions; `policy` and `value` are what is to be learned.
        variants: a number for the game that each was taken in.
        known: readings by fingerprint, which need no second look; new ones are added.
        rows: frames per look.
    """
    device = network.policy_head.weight.device
    known = {} if known is None else known
    unread = {trace.code: trace for trace in traces if trace.code not in known}
    for start in range(0, len(unread), rows):
        some = list(unread.values())[start : start + rows]
        frames = torch.from_numpy(np.stack([trace.frame for trace in some])).to(device)
        known.update(zip([t.code for t in some], network.eyes(frames).reading, strict=True))

    def stack(name: str) -> Tensor:
        values = np.stack([getattr(trace, name) for trace in traces])  # a copy: they are read-only
        return torch.from_numpy(values).to(device)

    if not traces:
        return no_lessons(network)
    policy = stack("policy").float()
    return Lessons(
        torch.stack([known[trace.code] for trace in traces]), stack("state").float(),
        stack("legal_actions").bool(), policy / policy.sum(1, keepdim=True),
        stack("value").float(), torch.tensor(list(variants), device=device),
    )  # fmt: skip


def answer(network: DualStreamNetwork, lessons: Lessons) -> tuple[Tensor, Tensor]:
    """(N, A) log-probabilities and (N,) values that a network gives in the lessons' situations."""
    features, _ = network.circuits(lessons.readings, lessons.states)
    log_probs = mask_logits(network.policy_head(features), lessons.legal_actions)
    return log_probs, network.value_head(features).squeeze(-1)


@torch.no_grad()
def dream(guide: DualStreamNetwork, awake: Lessons, num: int, generator: Generator) -> Lessons:
    """Situations between remembered ones, with the answers that the guide gives there.

    Readings and states are lambda a + (1 - lambda) b of two lessons a and b, lambda uniform in
    [0, 1]; what is legal is taken from a. They stand for all that was learned before there was
    a memory, of which no frame is left.

    Args:
        guide: the network that is not to be forgotten.
        awake: N lessons, at least 1.
        num: dreams wanted.
        generator: chance.

    Source: pseudo-rehearsal, doi:10.1080/09540099550039318; mixup, arXiv:1710.09412.
    """
    one, other = awake.draw(num, generator), awake.draw(num, generator)
    share = torch.rand(num, 1, generator=generator, device=generator.device)
    mixed = replace(
        one,
        readings=torch.lerp(one.readings, other.readings, share),
        states=torch.lerp(one.states, other.states, share),
    )
    log_probs, value = answer(guide, mixed)
    return replace(mixed, policy=log_probs.exp(), value=value)


def no_lessons(network: DualStreamNetwork) -> Lessons:
    """None at all, of the widths that a network has."""
    nobody = network.initial_state(0)
    legal = nobody.new_zeros(0, network.config.num_actions)
    reading = nobody.new_zeros(0, network.config.eyes.reading)
    value = nobody.new_zeros(0)
    return Lessons(reading, nobody, legal.bool(), legal, value, value.long())
