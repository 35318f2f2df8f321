"""Elastic weight consolidation, online: weights that mattered before are held by springs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lifelong_agent.experience import Rollout
from lifelong_agent.knobs import check_knobs
from lifelong_agent.policy import sample
from selfplay.forgetting.learners import FineTune, TaskPPO, Tree

Named = Mapping[str, Tensor]


def spring_loss(now: Named, anchor: Named, stiffness: Named) -> Tensor:
    """1/2 sum_k F_k (theta_k - theta*_k)^2, over all numbers of all tensors.

    Source: Kirkpatrick et al., arXiv:1612.00796, equation 3, without lambda.
    """
    parts = [(stiffness[name] * (now[name] - anchor[name]).square()).sum() for name in stiffness]
    return 0.5 * torch.stack(parts).sum()


class EWC(TaskPPO):
    """PPO with springs to the weights at the end of the last task.

    At the end of a task the diagonal of the Fisher matrix is taken from its last rollout,

        F_k = mean_{t, n} E[(d log pi(a | s) / d theta_k)^2 + w (d V(s) / d theta_k)^2],

    and added to the old one, F <- gamma F + F_new (online EWC). The springs, lambda times
    `spring_loss`, pull toward the weights at that moment.

    Args:
        weight: lambda, at least 0.
        decay: gamma, in [0, 1].

    Raises:
        ValueError: in one line, for other knobs.

    Source: Progress & Compress, arXiv:1805.06370, section 3.2.
    """

    def __init__(
        self, *args: Any, weight: float = 1000.0, decay: float = 0.95, **kwargs: Any
    ) -> None:
        check_knobs(0, weight=weight)
        check_knobs(0, 1, decay=decay)
        self.weight, self.decay = weight, decay
        self.anchor: Named = {}
        self.stiffness: Named = {}
        super().__init__(*args, **kwargs)

    def _more_losses(
        self, log_probs: Tensor, rows: Tensor, *beside: tuple[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        if not self.stiffness:
            return {}
        now = dict(self.policy.network.named_parameters())
        return {"spring_loss": self.weight * spring_loss(now, self.anchor, self.stiffness)}

    def finish_task(self) -> None:
        """Stiffen the springs and tie them to the weights as they are."""
        assert self.rollout is not None
        new = self._fisher(self.rollout)
        old = self.stiffness
        self.stiffness = {n: f + self.decay * old[n] if n in old else f for n, f in new.items()}
        named = self.policy.network.named_parameters()
        self.anchor = {name: weights.detach().clone() for name, weights in named}

    def _fisher(self, rollout: Rollout) -> Named:
        """The mean of squared gradients, one backward pass for each row.

        In a row the actions are drawn anew, and each value gets a sign of its own by chance, so
        that the products of different decisions' gradients vanish in the mean: the square of the
        sum is an unbiased estimate of the sum of the squares.
        """
        named = dict(self.policy.network.named_parameters())
        total = {name: torch.zeros_like(weights) for name, weights in named.items()}
        for row in range(self.n_envs):
            loss = self._likelihood(rollout, torch.tensor([row], device=self.device))
            grads = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
            for name, grad in zip(named, grads, strict=True):
                if grad is not None:
                    total[name] += grad.square()
        return {name: part / rollout.actions.numel() for name, part in total.items()}

    def _likelihood(self, rollout: Rollout, rows: Tensor) -> Tensor:
        log_probs, values = self.policy.network.unroll(*self._stretch(rollout, rows))
        actions = sample(log_probs.detach().flatten(0, 1), self.generator)
        likely = log_probs.flatten(0, 1).gather(1, actions[:, None])
        coin = torch.rand(values.shape, generator=self.generator, device=values.device) < 0.5
        signs = coin.float() * 2 - 1
        root = math.sqrt(self.config.value_weight)
        return likely.sum() + root * (signs * values).sum()

    def extra_state(self) -> Tree:
        """Springs."""
        return {"anchor": dict(self.anchor), "stiffness": dict(self.stiffness)}

    def load_extra_state(self, tree: Tree) -> None:
        """Springs."""
        self.anchor, self.stiffness = tree.get("anchor", {}), tree.get("stiffness", {})


class EwcLearner(FineTune):
    """`ewc`: knobs are those of `EWC`."""

    kind = EWC
