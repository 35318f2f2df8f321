"""Seals of safetensors files beside a memory: whether what they hold is what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from memory.database import MemoryDamagedError

Arrays = dict[str, npt.NDArray[Any]]
LIBRARIES = ("", "torch.")  # how those who seal name the types of numbers


def seal_of(notes: Mapping[str, str], content: Mapping[str, npt.NDArray[Any]], of: str = "") -> str:
    """SHA-256 over notes, names, types, shapes and numbers; `of` stands before the types."""
    digest = hashlib.sha256(repr(sorted(notes.items())).encode())
    for name in sorted(content):
        array = content[name]
        digest.update(f"{name}{of}{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def read_sealed(path: Path) -> tuple[dict[str, str], Arrays]:
    """Notes and numbers of a sealed file.

    Raises:
        MemoryDamagedError: if it is missing or damaged.
    """
    try:
        with safe_open(path, framework="np") as file:
            notes = dict(file.metadata() or {})
            content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise MemoryDamagedError(f"{path} is damaged: {reason}") from None
    if notes.pop("seal", None) not in {seal_of(notes, content, of) for of in LIBRARIES}:
        raise MemoryDamagedError(f"{path} is damaged: its content does not match its seal")
    return notes, content
