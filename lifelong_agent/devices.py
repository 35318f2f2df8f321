"""Devices that are there."""

from __future__ import annotations

import torch


def checked_device(name: str) -> torch.device:
    """A device that is there.

    Raises:
        ValueError: naming what can be chosen.
    """
    known = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"unknown device {name!r}: this machine has {', '.join(known)}") from None
    if device.type == "cuda" and (device.index or 0) < torch.cuda.device_count():
        return device
    if device.type != "cpu":
        raise ValueError(f"there is no device {name!r} here: this machine has {', '.join(known)}")
    return device
