"""What sleep teaches: remembered decisions as the circuits meet them, and dreams between them.

Which games are worth learning from is decided here; how a network learns from them is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Generator, Tensor

from lifelong_agent.losses import mask_logits
from lifelong_agent.policy import DualStreamNetwork
from memory import Episode, Hippocampus, Strategy, Trace, bend
from memory.tactics import TacticsConfig, weigh

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
    """Decisions against somebody, with the policy that is to be learned.

    - Those of the best games, the latest of those with the best result that was reached; a lost
      game is none. The policy is 0.7 for the action that memory now believes in most among those
      that were tried (hope for others is for play; what is taught has been shown to work), and
      0.3 times the shipped network's own probabilities, so that other ways stay open to trial.
    - Those of known mistakes: the shipped network's probabilities under the lid of the strategy.

    A situation that came up several times is given once, as it was met last.
    """
    episodes = list(hippocampus.store.read_episodes(game, opponent))
    latest = {trace.code: trace for episode in best_games(episodes) for trace in episode.traces}
    taught = []
    for trace in latest.values():
        beliefs = {a: b.value for a, b in hippocampus.answers(game, opponent, trace.code).items()}
        tried = beliefs or {trace.action: trace.returns}
        favourite = max(tried, key=lambda a: (tried[a], a == trace.action))
        policy = DOUBT * trace.policy
        policy[favourite] += 1 - DOUBT
        taught.append(replace(trace, policy=policy))
    mistakes = _mistakes(hippocampus, game, opponent)
    return taught + [trace for trace in mistakes if trace.code not in latest]


def _mistakes(hippocampus: Hippocampus, game: str, opponent: str) -> list[Trace]:
    """Where bad strategies began, with the policy under their lid."""
    bad: dict[int, list[Strategy]] = {}
    for strategy in hippocampus.book.read(game, opponent):
        if strategy.verdict == "bad":
            bad.setdefault(strategy.code, []).append(strategy)
    evidence = [strategies[0].evidence[-1] for strategies in bad.values()]
    config, found = TacticsConfig(), []
    for _, trace in hippocampus.store.read_traces(evidence).values():
        tactics = weigh(bad[trace.code], (), opponent, len(trace.policy), config)
        found.append(replace(trace, policy=bend(trace.policy, tactics, config.lid)))
    return found


def best_games(episodes: Sequence[Episode]) -> list[Episode]:
    """The last three of the games that ended as well as any, oldest first; none if all are lost."""
    best = max((episode.result for episode in episodes), default=-1.0)
    return [e for e in episodes if e.result == best >= 0][-BEST_GAMES:]


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
