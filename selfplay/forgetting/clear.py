"""CLEAR: new experience and old in equal parts; on the old, V-trace and cloning of what one did.

The old is a reservoir of unrolls (T decisions of a row), each as likely to be there as any other,
so that it needs neither labels nor the tasks' boundaries.
"""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Generator, Tensor

from lifelong_agent.knobs import check_knobs
from lifelong_agent.policy import Stretch
from selfplay.forgetting.learners import FineTune, TaskPPO, Tree
from selfplay.forgetting.unrolls import (
    Unrolls,
    cloning_loss,
    cut_out,
    run_through,
    stretch_of,
    take_out,
)


def v_trace(
    log_ratio: Tensor,
    rewards: Tensor,
    values: Tensor,
    ended: Tensor,
    last_value: Tensor,
    discount: float,
) -> tuple[Tensor, Tensor]:
    """Corrected returns of decisions that an older policy took, and their advantages.

    rho_t = min(1, pi(a_t) / mu(a_t)), gamma_t = discount, 0 where the episode ended at t
    v_t   = V_t + rho_t (r_t + gamma_t V_{t+1} - V_t) + gamma_t rho_t (v_{t+1} - V_{t+1})
    A_t   = rho_t (r_t + gamma_t v_{t+1} - V_t)

    Args:
        log_ratio: (T, N) float, log pi - log mu of the actions taken.
        rewards: (T, N) float.
        values: (T, N) float, V of the present network.
        ended: (T, N) bool.
        last_value: (N,) float, V_T = v_T.
        discount: in [0, 1].

    Returns:
        (T, N) v and (T, N) A.

    Source: IMPALA, arXiv:1802.01561, equation 1 with both truncations at 1.
    """
    ratio = log_ratio.exp().clamp(max=1)
    following = discount * (~ended).to(values.dtype)
    targets, advantages = torch.empty_like(values), torch.empty_like(values)
    next_value = next_target = last_value
    for t in range(len(values) - 1, -1, -1):
        advantages[t] = ratio[t] * (rewards[t] + following[t] * next_target - values[t])
        delta = ratio[t] * (rewards[t] + following[t] * next_value - values[t])
        targets[t] = values[t] + delta + following[t] * ratio[t] * (next_target - next_value)
        next_value, next_target = values[t], targets[t]
    return targets, advantages


class Reservoir:
    """A fair sample of all unrolls that were ever offered.

    Args:
        capacity: unrolls.
        generator: chance.

    Source: Vitter (1985), algorithm R, doi:10.1145/3147.3165.
    """

    def __init__(self, capacity: int, generator: Generator) -> None:
        self.capacity, self.generator = capacity, generator
        self.unrolls: Unrolls = {}
        self.num_offered = 0

    def __len__(self) -> int:
        return min(self.num_offered, self.capacity)

    @property
    def num_bytes(self) -> int:
        """Of what is stored."""
        return sum(part[: len(self)].nbytes for part in self.unrolls.values())

    def places(self, num: int) -> list[tuple[int, int]]:
        """Offer `num` unrolls: pairs (which, where to) of those that are to be written."""
        chosen: dict[int, int] = {}
        for which in range(num):
            where = self.num_offered
            if where >= self.capacity:
                draw = torch.randint(
                    where + 1, (), generator=self.generator, device=self.generator.device
                )
                where = int(draw)
            if where < self.capacity:
                chosen[where] = which
            self.num_offered += 1
        return [(which, where) for where, which in chosen.items()]

    def write(self, where: Tensor, unrolls: Unrolls) -> None:
        """Put (K, ...) unrolls in (K,) places."""
        for name, part in unrolls.items():
            if name not in self.unrolls:
                self.unrolls[name] = part.new_zeros(self.capacity, *part.shape[1:])
            self.unrolls[name][where] = part

    def draw(self, num: int) -> Unrolls:
        """`num` unrolls, with replacement."""
        rows = torch.randint(
            len(self), (num,), generator=self.generator, device=self.generator.device
        )
        return take_out(self.unrolls, rows)

    def state_dict(self) -> Tree:
        """What is stored; chance belongs to the caller."""
        kept = {name: part[: len(self)] for name, part in self.unrolls.items()}
        return {"num_offered": torch.tensor(self.num_offered), "unrolls": kept}

    def load_state_dict(self, tree: Tree) -> None:
        """Take it up."""
        self.num_offered = int(tree["num_offered"])
        for name, part in tree.get("unrolls", {}).items():
            self.unrolls[name] = part.new_zeros(self.capacity, *part.shape[1:])
            self.unrolls[name][: len(part)] = part


class Clear(TaskPPO):
    """PPO on the new, V-trace actor-critic and cloning on the old, half and half.

    The paper's weights of cloning are 0.01 and 0.005, of sums over a batch whose rewards are not
    normalised; beside PPO's normalised advantages, and with means, more is needed.

    Args:
        capacity: decisions in the reservoir, at least 1.
        policy_cloning: weight of KL(then || now).
        value_cloning: weight of (V now - V then)^2; both are at least 0.

    Raises:
        ValueError: in one line, for other knobs.

    Source: Rolnick et al., arXiv:1811.11682, section 3.
    """

    reservoir: Reservoir
    recalled: Unrolls  # what was drawn from it for the present minibatch

    def __init__(
        self,
        *args: Any,
        capacity: int = 16_384,
        policy_cloning: float = 1.0,
        value_cloning: float = 0.25,
        **kwargs: Any,
    ) -> None:
        check_knobs(1, whole=True, capacity=capacity)
        check_knobs(0, policy_cloning=policy_cloning, value_cloning=value_cloning)
        super().__init__(*args, **kwargs)
        unrolls = max(1, capacity // self.config.num_steps)
        self.reservoir = Reservoir(unrolls, self.generator)
        self.policy_cloning, self.value_cloning = policy_cloning, value_cloning

    def collect(self, callback: BaseCallback) -> bool:
        """Play a rollout, and offer its rows to the reservoir."""
        goes_on = super().collect(callback)
        places = self.reservoir.places(self.n_envs)
        if places:
            rows, where = torch.tensor(places, device=self.device).unbind(1)
            self.reservoir.write(where, self._unrolls(rows))
        return goes_on

    @torch.no_grad()
    def _unrolls(self, rows: Tensor) -> Unrolls:
        """The chosen rows of the rollout, rows first, and what the policy thought of them."""
        rollout = self.rollout
        assert rollout is not None
        chosen = cut_out(rollout, rows, torch.zeros_like(rows), self.config.num_steps)
        chosen["states"] = self.start_states[rows]
        log_probs, _ = run_through(self.policy.network, chosen)
        done = {"actions": rollout.actions, "reward": rollout.reward, "value": rollout.value}
        chosen |= {name: part[:, rows].transpose(0, 1) for name, part in done.items()}
        return chosen | {"log_probs": log_probs.transpose(0, 1)}

    def _beside(self, rows: Tensor) -> list[Stretch]:
        self.recalled = self.reservoir.draw(len(rows))
        return [stretch_of(self.recalled)]

    def _more_losses(
        self, log_probs: Tensor, rows: Tensor, *beside: tuple[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        (now, values), old = beside[0], self.recalled
        then = old["log_probs"].transpose(0, 1)
        actions = old["actions"].transpose(0, 1)[..., None]
        log_prob = now.gather(-1, actions)[..., 0]
        log_ratio = (log_prob - then.gather(-1, actions)[..., 0]).detach()
        targets, advantages = v_trace(
            log_ratio[:-1], old["reward"].T[:-1], values.detach()[:-1], old["ended"].T[:-1],
            values.detach()[-1], self.config.discount,
        )  # fmt: skip
        strayed = (values - old["value"].T).square().mean()
        return {
            "replay_policy_loss": -(advantages * log_prob[:-1]).mean(),
            "replay_value_loss": 0.5
            * self.config.value_weight
            * (targets - values[:-1]).square().mean(),
            "policy_cloning_loss": self.policy_cloning * cloning_loss(then, now),
            "value_cloning_loss": self.value_cloning * strayed,
        }

    @property
    def replay_bytes(self) -> int:
        """Of the reservoir."""
        return self.reservoir.num_bytes

    def extra_state(self) -> Tree:
        """The reservoir."""
        return {"reservoir": self.reservoir.state_dict()}

    def load_extra_state(self, tree: Tree) -> None:
        """The reservoir."""
        self.reservoir.load_state_dict(tree["reservoir"])


class ClearLearner(FineTune):
    """`clear`: knobs are those of `Clear`."""

    kind = Clear
