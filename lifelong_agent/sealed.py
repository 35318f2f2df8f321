"""Tensors and a few notes in one sealed safetensors file; no pickle, and nothing half-written."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lifelong_agent.weights import write_atomically


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
        write_atomically(path, save(ready, {**notes, "seal": _seal(notes, ready)}))
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
    try:
        with safe_open(path, framework="pt") as file:
            notes = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path} is damaged: {reason}") from None
    if notes.pop("seal", None) != _seal(notes, tensors):
        raise ValueError(f"{path} is damaged: its content does not match its seal")
    if notes.get("format") != form:
        raise ValueError(f"{path} has format {notes.get('format')!r}, this program reads {form}")
    return notes, tensors


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


def _seal(notes: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over notes, names, types, shapes and numbers."""
    digest = hashlib.sha256(repr(sorted(notes.items())).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
