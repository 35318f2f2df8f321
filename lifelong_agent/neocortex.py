"""The slow learner: in sleep, what is remembered teaches the network, or nothing is changed at all.

Two networks of one architecture. The fast one learns recent and old decisions half and half by
cloning and is held near the slow one; the slow one, which acts, follows it: it keeps more of what
was learned and loses less of what was known before (docs/memory.md). Two things are left as they
are: the eyes, since memory's keys are made of what they read, and the circuits that the carried
state is made of, since remembered states must stay what they were. Where the decisions come from,
and which of them are worth learning, is not decided here (`lifelong_agent.lessons`).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.nn import Parameter
from torch.optim import Adam

from lifelong_agent.lessons import Lessons, answer, dream
from lifelong_agent.policy import DualStreamNetwork
from memory import SleepReport

Weights = dict[str, Tensor]
SHARES = (1.0, 0.5, 0.25)
"""Of the way from the old weights to those that were taught, the first that passes is gone."""


@dataclass(frozen=True)
class NeocortexConfig:
    """How sleep teaches.

    Attributes:
        batch: decisions per step, half of them old.
        most_steps: after which all is said. Short nights one after another teach as much as long
            ones, and cost less of what is not rehearsed.
        fast_rate: learning rate of the fast network at first; it falls in the second half.
        slow_rate: the same of the slow network's distillation.
        value: weight of the value's error beside the policy's.
        hold: weight of staying near the slow network on old decisions.
        average: decay of the slow network's moving average,
        average_often: and the probability with which a step applies it.
        max_gradient: norm to which each network's gradient is clipped.
        dreams: situations between remembered ones that count as old decisions.
        slack: by how many nats the answers to old decisions may move away in one sleep,
        limit: and how far away they may be, after many, if they move away at all.
        enough: divergence in nats up to which a recent decision counts as learned.
    """

    batch: int = 128
    most_steps: int = 100
    fast_rate: float = 1e-3
    slow_rate: float = 1e-3
    value: float = 0.25
    hold: float = 0.5
    average: float = 0.999
    average_often: float = 0.8
    max_gradient: float = 1.0
    dreams: int = 512
    slack: float = 0.02
    limit: float = 0.1
    enough: float = 0.1


def divergence(policy: Tensor, log_probs: Tensor) -> Tensor:
    """Mean over rows of KL(policy || exp(log_probs)) = sum of p (log p - log q), in nats."""
    return F.kl_div(log_probs, policy, reduction="batchmean")


@dataclass(frozen=True)
class Marks:
    """How far a network's answers are from what they should be, as negative numbers of nats.

    Attributes:
        old: minus the divergence from old decisions; 0 if there are none.
        new: minus the divergence from recent ones.
    """

    old: float
    new: float


@torch.no_grad()
def examine(network: DualStreamNetwork, recent: Lessons, *old: Lessons) -> Marks:
    """Give marks. Probabilities count, not only the greedy choice: danger shows before it acts.

    Args:
        network: who is examined.
        recent: decisions to be learned.
        old: sets of decisions not to be forgotten, each of which weighs the same.
    """
    off = [float(divergence(some.policy, answer(network, some)[0])) for some in (recent, *old)]
    return Marks(-sum(off[1:]) / max(len(old), 1), -off[0])


@dataclass(frozen=True)
class Night:
    """What one sleep teaches and asks.

    Attributes:
        recent: decisions to be learned.
        old: sets of decisions not to be forgotten, remembered ones, dreams, and those of the time
            before there was a memory; taught.
        exam: the same remembered ones, each a fact of its own that only rehearsal keeps, and
            other dreams and others from before, which are never taught.
    """

    recent: Lessons
    old: tuple[Lessons, ...]
    exam: tuple[Lessons, ...]

    def draw(self, num: int, generator: Generator) -> Lessons:
        """`num` lessons, the first half recent ones, the others from all old sets alike."""
        lessons = self.recent.draw(num // 2, generator)
        for some in self.old:
            lessons = lessons.join(some.draw(num // 2 // len(self.old), generator))
        return lessons


@torch.no_grad()
def knows(network: DualStreamNetwork, lessons: Lessons, enough: float) -> Tensor:
    """(N,) bool: whether the greedy choice is right, and the answer off by no more than `enough`.

    A game is as good as its weakest decision; a mean would hide it.
    """
    log_probs = answer(network, lessons)[0]
    off = F.kl_div(log_probs, lessons.policy, reduction="none").sum(1)
    return (log_probs.argmax(1) == lessons.policy.argmax(1)) & (off <= enough)


class Neocortex:
    """The fast and the slow network, and the sleep that teaches both.

    Args:
        guide: the network that both begin as; it never changes, and answers in dreams.
        config: the knobs.
        before: situations of the time before there was a memory, with the guide's answers, if
            there are any: of two in turn one is rehearsed, the other only asked.
    """

    def __init__(
        self,
        guide: DualStreamNetwork,
        config: NeocortexConfig | None = None,
        before: Lessons | None = None,
    ) -> None:
        self.guide, self.before = guide, before
        self.fast, self.slow = copy.deepcopy(guide), copy.deepcopy(guide)
        self.config = config or NeocortexConfig()
        self._taught = [teachable(network) for network in self.networks]
        # the first optimiser of a program takes a second of imports, which is no night's business
        self._optimizer = Adam([{"params": taught} for taught in self._taught], fused=True)

    @property
    def networks(self) -> tuple[DualStreamNetwork, DualStreamNetwork]:
        """Fast, slow."""
        return self.fast, self.slow

    def consolidate(
        self,
        recent: Lessons,
        old: Lessons,
        budget_s: float,
        generator: Generator,
        tell: Callable[[float], None] = lambda _: None,
    ) -> SleepReport:
        """Teach both networks, examine them, and keep the outcome, part of it, or nothing.

        They are kept only if of both the marks for old decisions and for dreams that were not
        taught do not fall, and those for recent ones rise. Rolled back, both are what they were,
        bit for bit; so they are after any exception, such as one that `tell` raises to wake them
        up. The report is the slow one's, unless it was the fast one that failed.

        Args:
            recent: decisions to be learned.
            old: decisions that were learned, not to be forgotten; may be empty.
            budget_s: seconds that it may take, the examination included.
            generator: draws batches and dreams; on the networks' device.
            tell: told the share that is done, in [0, 1].

        Raises:
            ValueError: for a budget that is not positive.
        """
        if not budget_s > 0:
            raise ValueError(f"a sleep needs a positive budget of seconds, not {budget_s}")
        if not len(recent):
            return SleepReport(False, "nothing new to learn")
        started = time.monotonic()
        night = self._prepare(recent, old, generator)
        before = [examine(network, recent, *night.exam) for network in self.networks]
        deadline = started + budget_s - 4 * (time.monotonic() - started)  # for the examinations
        saved = [copy.deepcopy(network.state_dict()) for network in self.networks]
        try:
            self._teach(night, deadline, generator, tell)
            report = self._accept(night, before, saved)
            tell(1.0)
        except BaseException:
            self._mix(saved, saved, 0.0)
            raise
        return report

    def _accept(self, night: Night, before: list[Marks], saved: list[Weights]) -> SleepReport:
        """Keep all that was learned; if that costs too much, half the way to it, or a quarter."""
        taught = [copy.deepcopy(network.state_dict()) for network in self.networks]
        for share in SHARES:
            self._mix(saved, taught, share)
            after = [examine(network, night.recent, *night.exam) for network in self.networks]
            fast_report, slow_report = map(self._judge, before, after)
            report = slow_report if fast_report.accepted else fast_report
            if report.accepted:
                return report
        self._mix(saved, saved, 0.0)
        return report

    @torch.no_grad()
    def _mix(self, saved: list[Weights], taught: list[Weights], share: float) -> None:
        """Weights between those before and those after, exactly the one or the other at 0 and 1."""
        for network, old, new in zip(self.networks, saved, taught, strict=True):
            network.load_state_dict({name: old[name].lerp(new[name], share) for name in old})

    def _prepare(self, recent: Lessons, old: Lessons, generator: Generator) -> Night:
        """Remembered decisions and dreams, to be taught and to be asked."""
        taught, asked = ([old] if len(old) else [] for _ in range(2))
        for first, some in enumerate((taught, asked)):
            if self.config.dreams:
                awake = recent.join(old)
                some.append(dream(self.guide, awake, self.config.dreams, generator))
            if self.before is not None:
                every_other = torch.arange(first, len(self.before), 2, device=generator.device)
                some.append(self.before.pick(every_other))
        return Night(recent, tuple(taught), tuple(asked))

    def _teach(
        self, night: Night, deadline: float, generator: Generator, tell: Callable[[float], None]
    ) -> None:
        """Steps until the time is up or all is said."""
        self._optimizer.state.clear()
        began, longest_s, share = time.monotonic(), 0.0, 0.0
        for step in range(self.config.most_steps):
            started = time.monotonic()
            if started + longest_s > deadline:
                break
            self._set_rates(share)
            lessons = night.draw(self.config.batch, generator)
            self._descend(self._loss(lessons, self.config.batch // 2))
            lot = torch.rand((), generator=generator, device=generator.device)
            if lot < self.config.average_often:
                self._average()
            longest_s = max(longest_s, time.monotonic() - started)
            late = (time.monotonic() - began) / max(deadline - began, 1e-9)
            share = min(0.99, max(late, (step + 1) / self.config.most_steps))
            tell(share)

    def knows(self, lessons: Lessons) -> Tensor:
        """(N,) bool: which decisions both networks have learned."""
        fast, slow = (knows(network, lessons, self.config.enough) for network in self.networks)
        return fast & slow

    def _set_rates(self, share: float) -> None:
        """Full until half is done, then linearly towards 0."""
        rates = self.config.fast_rate, self.config.slow_rate
        for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * min(1.0, 2 * (1 - share))

    def _loss(self, lessons: Lessons, num_recent: int) -> Tensor:
        """The fast network's loss plus the slow one's; neither has a gradient in the other's.

        Args:
            lessons: a batch, the recent ones first.
            num_recent: how many these are.
        """
        fast, value = answer(self.fast, lessons)
        slow, worth = answer(self.slow, lessons)
        cloning = divergence(lessons.policy, fast)
        cloning = cloning + self.config.value * F.mse_loss(value, lessons.value)
        distilling = divergence(fast.detach().exp(), slow)
        distilling = distilling + self.config.value * F.mse_loss(worth, value.detach())
        if num_recent < len(lessons):
            held = divergence(slow[num_recent:].detach().exp(), fast[num_recent:])
            cloning = cloning + self.config.hold * held
        return cloning + distilling

    def _descend(self, loss: Tensor) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self._optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], self.config.max_gradient)
        self._optimizer.step()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the slow weights a little towards the fast ones."""
        for fast, slow in zip(*self._taught, strict=True):
            slow.lerp_(fast, 1 - self.config.average)

    def _judge(self, before: Marks, after: Marks) -> SleepReport:
        old = f"{-before.old:.3f} to {-after.old:.3f} nats"
        new = f"{-before.new:.3f} to {-after.new:.3f} nats"
        least = min(before.old, max(before.old - self.config.slack, -self.config.limit))
        if after.old < least:
            return SleepReport(False, f"old skill would fall (off by {old}), rolled back")
        if not after.new > before.new:
            return SleepReport(False, f"nothing was learned (off by {new}), rolled back")
        return SleepReport(True, f"recent decisions off by {new}, old ones by {old}")


def teachable(network: DualStreamNetwork) -> list[Parameter]:
    """All that neither keys nor carried states are made of."""
    thinking = [p for name, p in network.named_parameters() if not name.startswith("eyes.")]
    reading = torch.zeros(1, network.config.eyes.reading, device=thinking[0].device)
    with torch.enable_grad():
        _, state = network.circuits(reading, network.initial_state(1))
        moved = torch.autograd.grad(state.sum(), thinking, allow_unused=True)
    return [p for p, gradient in zip(thinking, moved, strict=True) if gradient is None]
