"""Dormant units: the part of a network that has fallen silent, and so can no longer learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_agent.circuits import Converging, Diverging, Series

HIDDEN = (nn.ReLU, nn.Tanh, Series, Diverging, Converging)
SILENT = 0.025


def dormant_ratio(activity: Sequence[Tensor]) -> float:
    """The share of hidden units that are dormant.

    Of unit k in a layer of K units, with a_k its mean absolute activation,

        s_k = a_k / (1/K sum_j a_j),

    and it is dormant if s_k <= 0.025; in a layer that is silent throughout all units are.

    Args:
        activity: (K,) float32 of each layer, the a_k.

    Source: arXiv:2302.12902, definition 3.1, with the threshold 0.025.
    """
    silent = [layer <= SILENT * layer.mean() for layer in activity]
    return float(torch.cat(silent).float().mean())


@torch.no_grad()
def hidden_activity(network: nn.Module, think: Callable[[], Any]) -> list[Tensor]:
    """(K,) mean absolute activation of the units of each hidden layer, while `think` runs.

    Layers are the last rectified stage of each circuit, and what else is rectified or squashed by
    a module of its own, as the reading is; those that are not used are left out.
    """
    heard: list[Tensor] = []

    def listen(_module: nn.Module, _args: Any, given: Tensor | list[Tensor]) -> None:
        layers = given if isinstance(given, list) else [given]
        heard.extend(layer.abs().flatten(0, -2).mean(0) for layer in layers)

    hooks = [m.register_forward_hook(listen) for m in network.modules() if isinstance(m, HIDDEN)]
    try:
        think()
    finally:
        for hook in hooks:
            hook.remove()
    return heard
