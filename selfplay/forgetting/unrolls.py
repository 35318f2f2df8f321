"""Unrolls: T decisions of a row, kept as they were met, and how a network runs through them again.

They are what methods that replay have in common. What is kept, and what is learned from it, is
each method's own business.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_agent.circuits import Episode
from lifelong_agent.experience import Rollout, picked
from lifelong_agent.policy import DualStreamNetwork, Stretch

Unrolls = dict[str, Tensor]
"""K unrolls by the names of their parts: (K, T, ...) each, and `states`, (K, 2, S), before them."""

MET = ("frames", "glances", "legal_actions", "seat", "ended")


def cut_out(rollout: Rollout, rows: Tensor, starts: Tensor, length: int) -> Unrolls:
    """Copy pieces of a rollout.

    Args:
        rollout: of T decisions in N rows.
        rows: (K,) int64, in which row each piece lies.
        starts: (K,) int64, at which of its decisions.
        length: of a piece.

    Returns:
        What was met, (K, length, ...) each; states are the caller's to add.
    """
    steps = starts[:, None] + torch.arange(length, device=starts.device)
    return {name: picked(getattr(rollout, name), steps, rows[:, None]) for name in MET}


def stretch_of(unrolls: Unrolls) -> Stretch:
    """K unrolls as a network runs through them, (T, K, ...) each."""
    steps = {name: unrolls[name].transpose(0, 1) for name in MET}
    episode = Episode(steps.pop("seat"), steps.pop("ended"))
    return Stretch(**steps, states=unrolls["states"], episode=episode)


def run_through(network: DualStreamNetwork, unrolls: Unrolls) -> tuple[Tensor, Tensor]:
    """What a network makes of K unrolls now.

    Returns:
        (T, K, A) log-probabilities and (T, K) values.
    """
    return network.unroll(*stretch_of(unrolls))


def cloning_loss(old_log_probs: Tensor, log_probs: Tensor) -> Tensor:
    """Mean over decisions of KL(mu || pi) = sum_a mu(a) (log mu(a) - log pi(a))."""
    return (old_log_probs.exp() * (old_log_probs - log_probs)).sum(-1).mean()


def take_out(unrolls: Unrolls, rows: Tensor) -> Unrolls:
    """Copies of (K,) int64 of them: frames are moved whole, not byte by byte as by indexing."""
    return {name: part.index_select(0, rows) for name, part in unrolls.items()}
