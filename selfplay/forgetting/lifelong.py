"""`lifelong`: two memories against forgetting, and no label that tells the tasks apart.

The fast network learns the new by PPO and, in the same minibatches, clones what was done in
earlier segments, out of the hippocampus (`memories`). The slow network, the neocortex, is a moving
average of the fast one: at a segment's end it says what is to be remembered of the segment, and it
is the one that plays.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lifelong_agent.experience import Observation, Outcome, Rollout, Stream
from lifelong_agent.knobs import check_knobs
from lifelong_agent.policy import DualStreamNetwork, Stretch, Thought
from selfplay.forgetting.appraisal import Trial, surprise_of
from selfplay.forgetting.learners import FineTune, NetworkActor, TaskPPO, Tree
from selfplay.forgetting.memories import Memories
from selfplay.forgetting.practice import Actor
from selfplay.forgetting.unrolls import (
    Unrolls,
    cloning_loss,
    cut_out,
    run_through,
    stretch_of,
    take_out,
)

LABELLED_AT_A_TIME = 64  # unrolls
LEAST_MINIBATCH = 128  # decisions
SHORTEST_SPAN = 1e-6  # a share of the updates: over none of them there is no average


def average_decay(updates: int, slowest: float, span: float) -> float:
    """min(slowest, (1 + n) / (1 / span + n)) after n updates: about that share of them counts.

    A fixed decay would lag behind in short segments; this one spans each segment alike.

    Source: TensorFlow's `ExponentialMovingAverage` with `num_updates`, where the span is 1/10.
    """
    return min(slowest, (1 + updates) / (1 / span + updates))


def reconsolidated(old_log_probs: Tensor, new_log_probs: Tensor, share: float) -> Tensor:
    """log((1 - share) mu + share pi): what is remembered moves toward what would be done now.

    Finite where both are: illegal actions stay at -1e9. The share lies between 0 and 1.
    """
    return torch.logaddexp(old_log_probs + math.log(1 - share), new_log_probs + math.log(share))


class Lifelong(TaskPPO):
    """PPO on the new beside cloning of stored behaviour, and a slow network.

    Args:
        capacity: decisions in the hippocampus, of all segments together; 0 for no hippocampus.
        unroll: decisions in an unroll, at most those of a rollout.
        replay: old decisions for each new one in a minibatch; 0 for none.
        policy_cloning: weight of KL(stored || now).
        value_cloning: weight of (V now - V stored)^2.
        average: slowest decay of the slow network; 0 makes it a copy of the fast one.
        span: share of a segment's updates that the slow network averages over.
        surprise: `surprise_of` a segment's first rollout from which on the habits of before are in
            the way, and the policy is softened; infinite for never.
        soften: what its logits are then multiplied by, so that it tries again what it was taught
            never to do. What was known comes back out of the hippocampus.
        alert: how many times as many steps it then takes, until the segment is over: each minibatch
            is divided, which takes little time, or, where its parts would hold less than 128
            decisions, each rollout is learned from so many times.
        control: share of the rows, rounded down, in which the slow network of before goes on
            acting, as a control group. By itself 1/8 for a network that began trained, and none for
            one that began with new weights. At a segment's end the slow network has gone as far
            from what it was before as it is believed to be better (`belief_in`); where it is not,
            it is rolled back. Without a control group, in a segment's only part, and where a part
            is a single rollout, everything is accepted.
        trial: where there is a control group, the share of the rows, at least one, in which, from
            a segment's second part on, the slow network of now acts to be compared with it.
        reconsolidation: how far the memories of earlier segments move, at the end of each later
            one, toward what the slow network would do there now; 0 keeps them as they were made.

    Raises:
        ValueError: in one line, for a knob that is no number, or out of its bounds.

    Source: of cloning in on-policy learning, arXiv:1811.11682, section 3; of a slow network that
    averages a fast one, arXiv:2201.12604; of going a part of the way between weights before and
    after learning, arXiv:2109.01903.
    """

    slow: DualStreamNetwork
    recalled: Unrolls  # what was drawn from the hippocampus for the present minibatch

    def __init__(
        self,
        *args: Any,
        capacity: int = 16_384,
        unroll: int = 8,
        replay: float = 1 / 3,
        policy_cloning: float = 1.0,
        value_cloning: float = 0.25,
        average: float = 0.999,
        span: float = 0.1,
        reconsolidation: float = 0.5,
        surprise: float = 0.15,
        soften: float = 0.3,
        alert: int = 2,
        control: float | None = None,
        trial: float = 1 / 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if control is None:
            control = 0 if self.start is None else 1 / 8
        check_knobs(0, whole=True, capacity=capacity)
        check_knobs(1, whole=True, unroll=unroll, alert=alert)
        check_knobs(0, replay=replay, soften=soften)
        check_knobs(0, policy_cloning=policy_cloning, value_cloning=value_cloning)
        check_knobs(0, 1, average=average, reconsolidation=reconsolidation)
        check_knobs(0, 0.5, control=control, trial=trial)
        check_knobs(SHORTEST_SPAN, 1, span=span)
        check_knobs(-math.inf, math.inf, surprise=surprise)
        self.unroll = min(unroll, self.config.num_steps)
        self.memories = Memories(capacity // self.unroll, self.generator)
        self.replay, self.average = replay, average
        self.policy_cloning, self.value_cloning = policy_cloning, value_cloning
        self.span, self.reconsolidation = span, reconsolidation
        self.surprise, self.soften, self.alert = surprise, soften, alert
        self.trial = Trial(control, trial)
        self.updates, self.is_new, self.is_alert = 0, False, False
        self.variances: list[Tensor] = []  # () each: of the returns of every rollout
        self._marks: list[Tensor] = []  # states before each unroll of the rollout
        self._promised = torch.zeros(0, device=self.device)  # (N,) in its rewards, but not paid

    def _setup_model(self) -> None:
        super()._setup_model()
        self.slow = copy.deepcopy(self.policy.network).eval().requires_grad_(False)
        self.before = copy.deepcopy(self.slow)

    @property
    def player(self) -> DualStreamNetwork:
        """The slow network, as far from what it was before as it is believed to be better."""
        belief = self.trial.belief()
        if belief == 1:
            return self.slow
        between = copy.deepcopy(self.before)
        weights, learned = (tuple(network.parameters()) for network in (between, self.slow))
        torch._foreach_lerp_(weights, learned, belief)
        return between

    # The present segment is written down, and played into the slow network.

    def _decide(self, t: int, stream: Stream, rollout: Rollout) -> Outcome:
        if t == 0:
            self._marks = []
            self._promised = torch.zeros(stream.num_rows, device=self.device)
        if t % self.unroll == 0:
            self._marks.append(self.states.clone())
        return super()._decide(t, stream, rollout)

    def _foregone(self, outcome: Outcome, value: Tensor) -> Tensor:
        foregone = super()._foregone(outcome, value)
        self._promised += self.config.discount * foregone
        return foregone

    @property
    def _cast(self) -> list[tuple[DualStreamNetwork, int, int]]:
        """Who acts, from which row on and up to which: all rows, in their order."""
        trial, end = self.trial, self.n_envs
        others: list[tuple[DualStreamNetwork, int, int]] = []
        if trial.has_control:
            start = trial.control_rows.start
            others, end = [(self.before, start, end)], start
        if trial.is_tried:
            start = trial.tried_rows.start
            others, end = [(self.slow, start, end), *others], start
        return [(self.policy.network, 0, end), *others]

    def _think(
        self, obs: Observation, states: Tensor, glances: Tensor, rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        thoughts: list[Thought] = []
        for network, start, end in self._cast:
            if rows is not None:
                start, end = (int((rows < bound).sum()) for bound in (start, end))
            theirs = slice(start, end)
            if start < end:
                seen = (obs.frames[theirs], obs.legal_actions[theirs])
                thoughts.append(network(*seen, states[theirs], glances[theirs]))
        parts = [(each.log_probs, each.value, each.state) for each in thoughts]
        log_probs, value, state = (torch.cat(part) for part in zip(*parts, strict=True))
        return log_probs, value, state

    def _policy_loss(
        self, log_prob: Tensor, old_log_prob: Tensor, advantages: Tensor, rows: Tensor
    ) -> Tensor:
        """PPO's; where another network acted, -min(1, pi / mu) A log pi.

        PPO's clip holds the policy near the one that acted, which there is not what it was before.

        Source: V-trace's policy gradient, arXiv:1802.01561, section 4.2.
        """
        _, _, end = self._cast[0]
        is_other, now = rows >= end, log_prob.detach()
        weight = (now - old_log_prob).exp().clamp(max=1)
        advantages = torch.where(is_other, weight * advantages, advantages)
        old_log_prob = torch.where(is_other, now, old_log_prob)
        return super()._policy_loss(log_prob, old_log_prob, advantages, rows)

    def train(self) -> None:
        """Remember the rollout, learn from it, and wake up if a new segment is not as expected."""
        rollout = self.rollout
        assert rollout is not None
        advantages = self._advantages(rollout)
        returns = advantages + rollout.value
        self.trial.note(rollout.reward.mean(0) - self._promised / len(rollout.reward))
        if self.memories.capacity:
            self._remember(returns)
        super().train()
        if self.is_new and self._surprise(advantages, returns) > self.surprise:
            self._soften()
            self.is_alert = True
        self.is_new = False
        self.variances.append(returns.var())

    def _surprise(self, advantages: Tensor, returns: Tensor) -> Tensor:
        return surprise_of(advantages, returns, torch.stack(self.variances).mean())

    def _minibatches(self) -> Iterator[Tensor]:
        times = self.alert if self.is_alert else 1
        decisions = self.config.num_steps * (self.n_envs // self.config.minibatches)
        divides = decisions >= times * LEAST_MINIBATCH
        for _ in range(1 if divides else times):
            for rows in super()._minibatches():
                yield from rows.tensor_split(times) if divides else [rows]

    @torch.no_grad()
    def _soften(self) -> None:
        for part in self.policy.network.policy_head.parameters():
            part.mul_(self.soften)

    def _remember(self, returns: Tensor) -> None:
        """Offer every unroll of the rollout to the hippocampus, row by row; (T, N) returns."""
        assert self.rollout is not None
        pieces = returns.unfold(0, self.unroll, self.unroll).mean(-1)  # (pieces, N)
        which, where = self.memories.offer(pieces.flatten())
        piece, row = which // self.n_envs, which % self.n_envs
        kept = cut_out(self.rollout, row, piece * self.unroll, self.unroll)
        self.memories.write(where, kept | {"states": torch.stack(self._marks)[piece, row]})

    def _descend(self, norm: Tensor) -> None:
        super()._descend(norm)
        decay = average_decay(self.updates, self.average, self.span)
        slow, fast = (tuple(net.parameters()) for net in (self.slow, self.policy.network))
        with torch.no_grad():
            torch._foreach_lerp_(slow, fast, 1 - decay)
        self.updates += 1

    # Earlier segments are held.

    def _beside(self, rows: Tensor) -> list[Stretch]:
        num = round(self.replay * self.config.num_steps * len(rows) / self.unroll)
        self.recalled = self.memories.draw(max(1, num)) if self.replay else {}
        return [stretch_of(self.recalled)] if self.recalled else []

    def _more_losses(
        self, log_probs: Tensor, rows: Tensor, *beside: tuple[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        if not beside:
            return {}
        (now, values), old = beside[0], self.recalled
        strayed = (values - old["value"].T).square().mean()
        then = old["log_probs"].transpose(0, 1)
        return {
            "policy_cloning_loss": self.policy_cloning * cloning_loss(then, now),
            "value_cloning_loss": self.value_cloning * strayed,
        }

    # Parts and segments begin and end.

    def move_to(self, stream: Stream) -> None:
        """A part begins, in new games."""
        super().move_to(stream)
        self.trial.begin_part(stream.num_rows)

    @torch.no_grad()
    def finish_task(self) -> None:
        """Accept the segment as far as it is believed in, and label its unrolls.

        What is to be done in them is what the slow network then does; what is remembered of older
        ones moves toward it.
        """
        self.slow.load_state_dict(self.player.state_dict())
        self.trial.begin_segment()
        for segment in range(self.memories.present if self.reconsolidation else 0):
            self._label(self.memories.places(segment), self.reconsolidation)
        self._label(self.memories.places(self.memories.present), 1)

    def _label(self, held: Tensor, share: float) -> None:
        """Move what (K,) places remember toward what the slow network would do; 1 replaces it."""
        for where in torch.split(held, LABELLED_AT_A_TIME) if len(held) else ():
            known = take_out(self.memories.unrolls, where)
            log_probs, values = run_through(self.slow, known)
            labels = {"log_probs": log_probs.transpose(0, 1), "value": values.T}
            if share < 1:
                labels = {
                    "log_probs": reconsolidated(known["log_probs"], labels["log_probs"], share),
                    "value": torch.lerp(known["value"], labels["value"], share),
                }
            self.memories.write(where, labels)

    def begin_segment(self) -> None:
        """Go on from the slow network, with a new average."""
        self.memories.begin_segment()
        for network in (self.policy.network, self.before):
            network.load_state_dict(self.slow.state_dict())
        self.updates, self.is_new, self.is_alert = 0, True, False

    @property
    def replay_bytes(self) -> int:
        """Of the hippocampus."""
        return self.memories.num_bytes

    def extra_state(self) -> Tree:
        """Hippocampus and slow network."""
        return {
            "memories": self.memories.state_dict(),
            "slow": self.slow.state_dict(),
            "before": self.before.state_dict(),
            "pay": self.trial.by_parts(),
            "variances": torch.stack(self.variances) if self.variances else self._promised[:0],
            "updates": torch.tensor(self.updates),
            "is_alert": torch.tensor(self.is_alert),
        }

    def load_extra_state(self, tree: Tree) -> None:
        """Hippocampus and slow network."""
        self.memories.load_state_dict(tree["memories"])
        self.slow.load_state_dict(tree["slow"])
        self.before.load_state_dict(tree["before"])
        self.trial.take_up(tree["pay"])
        self.variances = list(tree["variances"])
        self.updates = int(tree["updates"])
        self.is_alert = bool(tree["is_alert"])


class LifelongLearner(FineTune):
    """`lifelong`: knobs are those of `Lifelong`."""

    kind = Lifelong
    algorithm: Lifelong

    def __init__(self, *args: Any, **knobs: Any) -> None:
        super().__init__(*args, **knobs)
        self.is_over = False

    def learn(self, task: int, seed: int) -> None:
        """Begin a new segment if the one before is over, and learn."""
        if self.is_over:
            self.algorithm.begin_segment()
            self.is_over = False
        super().learn(task, seed)

    def finish(self, task: int) -> None:
        """Label what is remembered."""
        super().finish(task)
        self.is_over = True

    def actor(self, task: int) -> Actor:
        """The slow network, or what it was before the segment."""
        return NetworkActor(self.algorithm.player)

    def state_dict(self) -> Tree:
        """With whether the segment is over."""
        return super().state_dict() | {"is_over": torch.tensor(self.is_over)}

    def load_state_dict(self, tree: Tree) -> None:
        """With whether the segment is over."""
        super().load_state_dict(tree)
        self.is_over = bool(tree["is_over"])
