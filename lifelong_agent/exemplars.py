"""Situations out of a network's training, which stand for what it knew before it had a memory.

A memory holds nothing of the millions of games that made the network; what sleep rehearses of them
lies beside its weights: what the eyes read and what the circuits held in some thousand situations.
What is right there the network says itself.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor

from lifelong_agent.lessons import Lessons, answer
from lifelong_agent.policy import DualStreamNetwork
from lifelong_agent.sealed import read_sealed, write_sealed

FILE = "exemplars.safetensors"
FORMAT = "exemplars-1"
LEAST, MOST_EXEMPLARS = 2, 2048  # half of them are taught, half asked


def write_exemplars(
    directory: Path,
    readings: Tensor,
    states: Tensor,
    legal_actions: Tensor,
    encoder: str,
) -> None:
    """Keep N situations beside a network, the numbers in half precision.

    Args:
        directory: of the network.
        readings: (N, D), what its eyes made of the frames.
        states: (N, S), its recurrent states before the decisions.
        legal_actions: (N, A) bool.
        encoder: version of its eyes (`encoder_version`), so that others do not believe them.

    Raises:
        ValueError: if they cannot be written.
    """
    tensors = {
        "readings": readings.half(), "states": states.half(), "legal_actions": legal_actions,
    }  # fmt: skip
    write_sealed(directory / FILE, {k: t.cpu().contiguous() for k, t in tensors.items()},
                 {"format": FORMAT, "encoder": encoder})  # fmt: skip


@torch.no_grad()
def read_exemplars(
    directory: Path, network: DualStreamNetwork, encoder: str | None = None
) -> Lessons | None:
    """What lies beside a network, with its answers; None if there is nothing.

    Args:
        directory: of the network.
        network: whose they are to be.
        encoder: version of its eyes; what is noted to be of others is left alone, with a warning.

    Raises:
        ValueError: in one line, if the file is damaged or of a network of other sizes.
    """
    path = directory / FILE
    if not path.exists():
        return None
    notes, tensors = read_sealed(path, FORMAT)
    if encoder is not None and notes.get("encoder", encoder) != encoder:
        warnings.warn(f"{path} belongs to other eyes: it is not rehearsed", stacklevel=3)
        return None
    config = network.config
    widths = {
        "readings": config.eyes.reading,
        "states": network.state_size,
        "legal_actions": config.num_actions,
    }
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    rows = found.get("readings", (0,))[0]
    if found != {name: (rows, width) for name, width in widths.items()}:
        raise ValueError(f"{path} belongs to another network")
    if rows < LEAST or not all(bool(part.isfinite().all()) for part in tensors.values()):
        raise ValueError(f"{path} must hold at least {LEAST} situations, of finite numbers")
    device = network.policy_head.weight.device
    readings, states = (tensors[name].float().to(device) for name in ("readings", "states"))
    legal_actions = tensors["legal_actions"].bool().to(device)
    nothing = torch.zeros(rows, device=device)
    asked = Lessons(readings, states, legal_actions, nothing, nothing, nothing.long())
    log_probs, value = answer(network, asked)
    return Lessons(readings, states, legal_actions, log_probs.exp(), value, asked.variant)
