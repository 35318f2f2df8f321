"""The slow learner: in sleep, what is remembered teaches the network, or nothing is changed at all.

Two networks of one architecture. The fast one, which plays, learns recent and old decisions half
and half by cloning and is held near the slow one; the slow one follows it. The eyes are left as
they are: memory's keys are made of what they read. Where the decisions come from, and which of
them are worth learning, is not decided here.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.nn import Parameter
from torch.optim import Adam

from lifelong_agent.losses import mask_logits
from lifelong_agent.policy import DualStreamNetwork
from memory import Hippocampus, SleepReport, Trace, advise


@dataclass(frozen=True)
class NeocortexConfig:
    """How sleep teaches.

    Attributes:
        batch: decisions per step, half of them old.
        most_steps: after which all is said.
        fast_rate: learning rate of the fast network.
        slow_rate: learning rate of the slow network's distillation.
        value: weight of the value's error beside the policy's.
        hold: weight of staying near the slow network on old decisions.
        average: decay of the slow network's moving average,
        average_often: and the probability with which a step applies it.
        max_gradient: norm to which each network's gradient is clipped.
        held_out: share of the decisions that are examined only.
        slack: by how much the regard for old decisions may fall.
    """

    batch: int = 64
    most_steps: int = 600
    fast_rate: float = 3e-4
    slow_rate: float = 1e-3
    value: float = 0.25
    hold: float = 0.5
    average: float = 0.999
    average_often: float = 0.8
    max_gradient: float = 1.0
    held_out: float = 0.25
    slack: float = 0.005


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
        """Some of them, by (M,) int64 row numbers."""
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
    """Decisions of the games not lost against somebody, with the policy that memory advises now."""
    temperature = hippocampus.advice_config.temperature
    traces = []
    for episode in hippocampus.store.read_episodes(game, opponent):
        for trace in episode.traces if episode.result >= 0 else []:
            advice = hippocampus.advise(
                game, opponent, trace.code, trace.key, trace.value, len(trace.policy)
            )
            policy = advise(trace.policy, advice.advantage, temperature)
            traces.append(replace(trace, policy=policy))
    return traces


@torch.no_grad()
def read_lessons(
    network: DualStreamNetwork, traces: Sequence[Trace], variants: Sequence[str], rows: int = 256
) -> Lessons:
    """Look at remembered frames again, a few rows at a time.

    Args:
        network: whose eyes read.
        traces: N decisions; `policy` and `value` are what is to be learned.
        variants: the game that each was taken in.
        rows: frames per look.
    """
    device = network.policy_head.weight.device

    def stack(name: str) -> Tensor:
        values = np.stack([getattr(trace, name) for trace in traces])  # a copy: they are read-only
        return torch.from_numpy(values).to(device)

    frames = stack("frame")
    readings = torch.cat([network.eyes(part).reading for part in torch.split(frames, rows)])
    policy, numbers = (
        stack("policy").float(),
        {name: i for i, name in enumerate(sorted(set(variants)))},
    )
    return Lessons(
        readings, stack("state").float(), stack("legal_actions").bool(),
        policy / policy.sum(1, keepdim=True), stack("value").float(),
        torch.tensor([numbers[name] for name in variants], device=device),
    )  # fmt: skip


def answer(network: DualStreamNetwork, lessons: Lessons) -> tuple[Tensor, Tensor]:
    """(N, A) log-probabilities and (N,) values that a network gives in the lessons' situations."""
    features, _ = network.circuits(lessons.readings, lessons.states)
    log_probs = mask_logits(network.policy_head(features), lessons.legal_actions)
    return log_probs, network.value_head(features).squeeze(-1)


def divergence(policy: Tensor, log_probs: Tensor) -> Tensor:
    """Mean over rows of KL(policy || exp(log_probs)) = sum of p (log p - log q), in nats."""
    return F.kl_div(log_probs, policy, reduction="batchmean")


def regard(log_probs: Tensor, policy: Tensor) -> Tensor:
    """How well the greedy action is regarded by a policy: mean of policy[a] / max policy.

    1 where both choose alike; near ties cost little, an action that was out of the question all.
    """
    chosen = policy.gather(1, log_probs.argmax(1, keepdim=True))[:, 0]
    return (chosen / policy.max(1).values).mean()


@dataclass(frozen=True)
class Marks:
    """How a network does in decisions that it was not taught.

    Attributes:
        old: `regard` for old decisions, in [0, 1]; 1 if there are none.
        new: minus the divergence from recent ones, at most 0.
    """

    old: float
    new: float


@torch.no_grad()
def examine(network: DualStreamNetwork, recent: Lessons, old: Lessons) -> Marks:
    """Give marks."""
    fit = -float(divergence(recent.policy, answer(network, recent)[0]))
    kept = float(regard(answer(network, old)[0], old.policy)) if len(old) else 1.0
    return Marks(kept, fit)


class Neocortex:
    """The slow network, and the sleep that teaches both.

    Args:
        fast: the network that plays; changed by `consolidate`, if at all.
        config: the knobs.
    """

    def __init__(self, fast: DualStreamNetwork, config: NeocortexConfig | None = None) -> None:
        self.fast, self.slow = fast, copy.deepcopy(fast)
        self.config = config or NeocortexConfig()

    def consolidate(
        self,
        recent: Lessons,
        old: Lessons,
        budget_s: float,
        generator: Generator,
        tell: Callable[[float], None] = lambda _: None,
    ) -> SleepReport:
        """Teach both networks, examine them, and keep the outcome or roll it back.

        A network is kept only if its marks for held-out old decisions do not fall and those for
        recent ones rise; the slow one only if the fast one is. Rolled back, a network is what it
        was, bit for bit. The report is the fast one's.

        Args:
            recent: decisions to be learned.
            old: decisions not to be forgotten; may be empty.
            budget_s: seconds that it may take, the examination included.
            generator: draws batches; on the networks' device.
            tell: told the share that is done, in [0, 1].

        Raises:
            ValueError: for a budget that is not positive.
        """
        if not budget_s > 0:
            raise ValueError(f"a sleep needs a positive budget of seconds, not {budget_s}")
        if not len(recent):
            return SleepReport(False, "nothing new to learn")
        deadline = time.monotonic() + budget_s
        recent, recent_exam = self._hold_out(recent, generator)
        old, old_exam = self._hold_out(old, generator)
        before = [examine(network, recent_exam, old_exam) for network in (self.fast, self.slow)]
        reserve = 2 * (time.monotonic() + budget_s - deadline)  # for the second examination
        saved = [copy.deepcopy(network.state_dict()) for network in (self.fast, self.slow)]
        self._teach(recent, old, deadline - reserve, generator, tell)
        after = [examine(network, recent_exam, old_exam) for network in (self.fast, self.slow)]
        report, slow_report = map(self._judge, before, after)
        if not report.accepted:
            self.fast.load_state_dict(saved[0])
        if not (report.accepted and slow_report.accepted):
            self.slow.load_state_dict(saved[1])
        tell(1.0)
        return report

    def _hold_out(self, lessons: Lessons, generator: Generator) -> tuple[Lessons, Lessons]:
        """Those to be taught, and those to be examined; few lessons are both."""
        order = torch.randperm(len(lessons), generator=generator, device=generator.device)
        num = int(self.config.held_out * len(lessons))
        if num < 4:
            return lessons, lessons
        return lessons.pick(order[num:]), lessons.pick(order[:num])

    def _teach(
        self, recent: Lessons, old: Lessons, deadline: float, generator: Generator,
        tell: Callable[[float], None],
    ) -> None:  # fmt: skip
        """Steps until the time is up or all is said."""
        optimizer = Adam(
            [
                {"params": _teachable(self.fast), "lr": self.config.fast_rate},
                {"params": _teachable(self.slow), "lr": self.config.slow_rate},
            ],
            fused=True,
        )
        began, longest_s = time.monotonic(), 0.0
        for step in range(self.config.most_steps):
            started = time.monotonic()
            if started + longest_s > deadline:
                break
            self._descend(optimizer, self._loss(recent, old, generator))
            if torch.rand((), generator=generator) < self.config.average_often:
                self._average()
            longest_s = max(longest_s, time.monotonic() - started)
            late = (time.monotonic() - began) / max(deadline - began, 1e-9)
            tell(min(0.99, max(late, (step + 1) / self.config.most_steps)))

    def _loss(self, recent: Lessons, old: Lessons, generator: Generator) -> Tensor:
        """The fast network's loss plus the slow one's; neither has a gradient in the other's."""
        half = self.config.batch // 2
        lessons = recent.draw(half, generator)
        if len(old):
            lessons = lessons.join(old.draw(half, generator))
        fast, value = answer(self.fast, lessons)
        slow, worth = answer(self.slow, lessons)
        cloning = divergence(lessons.policy, fast)
        cloning = cloning + self.config.value * F.mse_loss(value, lessons.value)
        distilling = divergence(fast.detach().exp(), slow)
        distilling = distilling + self.config.value * F.mse_loss(worth, value.detach())
        if len(old):
            held = divergence(slow[half:].detach().exp(), fast[half:])
            cloning = cloning + self.config.hold * held
        return cloning + distilling

    def _descend(self, optimizer: Adam, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], self.config.max_gradient)
        optimizer.step()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the slow weights a little towards the fast ones."""
        pairs = zip(_teachable(self.slow), _teachable(self.fast), strict=True)
        for slow, fast in pairs:
            slow.lerp_(fast, 1 - self.config.average)

    def _judge(self, before: Marks, after: Marks) -> SleepReport:
        old = f"{before.old:.3f} to {after.old:.3f}"
        new = f"{before.new:.3f} to {after.new:.3f}"
        if after.old < before.old - self.config.slack:
            return SleepReport(False, f"old skill would fall ({old}), rolled back")
        if not after.new > before.new:
            return SleepReport(False, f"nothing was learned ({new}), rolled back")
        return SleepReport(True, f"fit of recent decisions {new}, regard for old ones {old}")


def _teachable(network: DualStreamNetwork) -> list[Parameter]:
    """All but the eyes."""
    return [p for name, p in network.named_parameters() if not name.startswith("eyes.")]
