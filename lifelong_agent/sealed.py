"""Tensors and a few notes in one sealed safetensors file; no pickle, and nothing half-written."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

import memory.sealed
from lifelong_agent.weights import write_atomically
from memory.sealed import seal_of


def write_sealed(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> None:
    """Replace `path` whole or not at all.

    Args:
        path: the file; a crash leaves the old one or the new.
        tensors: by name, on any device.
        notes: stand in the file's head; `seal` is added.

    Raises:
        ValueError: if it cannot be written.
    """
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        seal = seal_of(notes, {name: part.numpy() for name, part in ready.items()}, "torch.")
        write_atomically(path, save(ready, {**notes, "seal": seal}))
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror or error}") from None


def read_sealed(path: Path, form: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read what `write_sealed` wrote.

    Args:
        path: the file.
        form: what its note `format` has to say.

    Raises:
        ValueError: in one line that names the file, if it is missing, damaged, or of another
            format.
    """
    notes, content = memory.sealed.read_sealed(path)
    if notes.get("format") != form:
        raise ValueError(f"{path} has format {notes.get('format')!r}, this program reads {form}")
    return notes, {name: torch.tensor(array) for name, array in content.items()}


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be used, over no other: `NAME.damaged.safetensors`, `-2`, ...

    Returns:
        Its new name; where it cannot be renamed it stays.
    """
    stem = path.name.removesuffix(path.suffix)
    names = (f"{stem}.damaged{f'-{i}' if i > 1 else ''}{path.suffix}" for i in count(1))
    free = next(place for place in map(path.with_name, names) if not place.exists())
    with contextlib.suppress(OSError):
        path.rename(free)
    return free
