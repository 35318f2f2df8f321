"""The formulas of learning, as pure functions of tensors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def generalised_advantages(
    rewards: Tensor,
    values: Tensor,
    signs: Tensor,
    ended: Tensor,
    last_value: Tensor,
    discount: float,
    trace_decay: float,
) -> Tensor:
    """Generalised advantage estimation where the next decision may be the other seat's.

    delta_t = r_t + discount * s_t * V_{t+1} - V_t
    A_t     = delta_t + discount * trace_decay * s_t * A_{t+1}

    with V_{t+1} = A_{t+1} = 0 where the game ended at t, and s_t = -1 where the decision at t + 1
    belongs to the other seat of a zero-sum game, else 1. The loser's -1 so reaches the loser's
    last decision through the winner's +1.

    Args:
        rewards: (T, N) float, to the seat that decided at t, until the row's next decision.
        values: (T, N) float, of the seat that decides.
        signs: (T, N) float, 1 or -1.
        ended: (T, N) bool.
        last_value: (N,) float, V_T, seen by the seat that decides at T.
        discount: in [0, 1].
        trace_decay: lambda, in [0, 1].

    Returns:
        (T, N) float advantages.

    Source: arXiv:1506.02438, equation 16, with signs for alternate play.
    """
    advantages = torch.empty_like(rewards)
    following = discount * signs * (~ended).to(rewards.dtype)
    advantage = torch.zeros_like(last_value)
    next_value = last_value
    for t in range(len(rewards) - 1, -1, -1):
        delta = rewards[t] + following[t] * next_value - values[t]
        advantage = delta + trace_decay * following[t] * advantage
        advantages[t] = advantage
        next_value = values[t]
    return advantages


def mask_logits(logits: Tensor, legal_actions: Tensor) -> Tensor:
    """Log-probabilities (..., A) under the mask (..., A) bool; illegal actions get -1e9."""
    return logits.masked_fill(~legal_actions, -1e9).log_softmax(-1)


def policy_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """PPO's clipped surrogate, mean of -min(r A, clip(r, 1 - c, 1 + c) A), r = exp(new - old).

    Source: arXiv:1707.06347, equation 7.
    """
    ratio = (log_prob - old_log_prob).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage).mean()


def value_loss(value: Tensor, returns: Tensor) -> Tensor:
    """Mean of (V - R)^2 / 2."""
    return 0.5 * F.mse_loss(value, returns)


def entropy(log_probs: Tensor) -> Tensor:
    """Mean entropy in nats of (..., A) log-probabilities."""
    return -(log_probs.exp() * log_probs).sum(-1).mean()


def approximate_kl(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """KL(old || new) estimated as the mean of r - 1 - log r.

    Source: J. Schulman, "Approximating KL divergence", 2020.
    """
    log_ratio = log_prob - old_log_prob
    return (log_ratio.exp() - 1 - log_ratio).mean()


def explained_variance(value: Tensor, returns: Tensor) -> Tensor:
    """1 - Var(R - V) / Var(R); 0 where the returns do not vary."""
    spread = returns.var()
    return torch.where(spread > 0, 1 - (returns - value).var() / spread, torch.zeros_like(spread))


def normalise(advantages: Tensor, groups: Tensor, least_deviation: float = 0.0) -> Tensor:
    """Advantages with mean 0 and standard deviation 1 in each group of rows.

    x' = (x - mean_g) / (max(std_g, least) + 1e-8), mean and std over all decisions of group g.
    Together, a game that is decided in ten moves would drown one that is decided in a hundred.

    Args:
        advantages: (T, N) float.
        groups: (N,) int64, the group of each row.
        least_deviation: where nothing was paid, advantages are the critic's errors, and to blow
            them up would teach noise: below this deviation they stay small.

    Returns:
        (T, N), not of the argument's memory.

    Source: of scaling down and never up, arXiv:2301.04104, on the learning of the actor.
    """
    normal = torch.empty_like(advantages)
    for group in groups.unique():  # type: ignore[no-untyped-call]
        rows = groups == group
        part = advantages[:, rows]
        deviation = part.std(correction=0).clamp(min=least_deviation)
        normal[:, rows] = (part - part.mean()) / (deviation + 1e-8)
    return normal
