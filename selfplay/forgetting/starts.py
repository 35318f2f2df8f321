"""From which network a new segment starts: the one that collects most in a short trial."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Generator, Tensor

from lifelong_agent.experience import Stream
from lifelong_agent.policy import DualStreamNetwork, sample

SIGMAS = 2.0  # standard errors by which a network has to be better than those before it


@torch.no_grad()
def trial(network: DualStreamNetwork, stream: Stream, steps: int, generator: Generator) -> Tensor:
    """(N,) float32: the rewards that a network collects in each row of a stream in `steps`."""
    rows = torch.arange(stream.num_rows, device=generator.device)
    state = network.initial_state(stream.num_rows)
    states = torch.stack([state, state], 1)
    total = torch.zeros(stream.num_rows, device=generator.device)
    for _ in range(steps):
        obs = stream.observe()
        thought = network(obs.frames, obs.legal_actions, states[rows, obs.seat])
        states[rows, obs.seat] = thought.state
        outcome = stream.advance(sample(thought.log_probs, generator))
        states *= (~outcome.ended).float()[:, None, None]
        total += outcome.reward
    return total


def best_start(
    networks: Iterable[DualStreamNetwork], collect: Callable[[DualStreamNetwork], Tensor]
) -> DualStreamNetwork:
    """The first of the networks, unless a later one is clearly better.

    Args:
        networks: at least one, the most trusted first.
        collect: (N,) float32 returns of a network, in the same N games for all.

    Returns:
        The network; b replaces a where mean(b - a) > 2 std(b - a) / sqrt(N).
    """
    best, *others = networks
    most = collect(best)
    for other in others:
        returns = collect(other)
        gain = returns - most
        if gain.mean() > SIGMAS * gain.std() / len(gain) ** 0.5:
            best, most = other, returns
    return best
