"""Putting the last good copy in the place of a damaged memory; nothing is thrown away."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from memory.database import hold
from memory.inspection import faults_of_file

DATABASE = ("memory.sqlite", "memory.sqlite-wal", "memory.sqlite-shm")
LEDGER = ("memory.ledger",)


@dataclass(frozen=True)
class Restored:
    """What was done.

    Attributes:
        kept: names of the damaged files, as they were set aside.
    """

    kept: tuple[str, ...]


def restore(directory: Path) -> Restored:
    """Set a damaged memory aside and copy `memory.backup.sqlite` to its place.

    Killed at any instant, it can be called again.

    Raises:
        MemoryBusyError: if another program has it open.
        ValueError: if there is no copy, the copy is damaged, or the memory is sound.
    """
    backup, path = directory / "memory.backup.sqlite", directory / "memory.sqlite"
    if not backup.exists():
        raise ValueError(f"there is no copy in {directory} to restore from")
    lock = hold(directory)
    try:
        if path.exists() and not faults_of_file(path):
            raise ValueError(f"the memory in {directory} is sound: there is nothing to restore")
        if faults := faults_of_file(backup, is_copy=True):
            raise ValueError(f"the copy is damaged, too: {backup}: {faults[0]}")
        partial = directory / "memory.restored.partial"
        shutil.copyfile(backup, partial)
        _make_durable(partial)
        number = _free_number(directory)
        kept = _set_aside(directory, number, DATABASE)
        partial.replace(path)
        kept += _set_aside(directory, number, LEDGER)  # until now it forbids to begin anew
        _make_durable(directory)
        return Restored(kept)
    finally:
        lock.release()


def _free_number(directory: Path) -> int:
    """The first that no file was set aside under."""
    return next(n for n in count(1) if not any(directory.glob(f"memory.damaged-{n}.*")))


def _set_aside(directory: Path, number: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """Rename files to `memory.damaged-N...`."""
    moved = []
    for name in names:
        path = directory / name
        if path.exists():
            moved.append(name.replace("memory", f"memory.damaged-{number}", 1))
            path.replace(directory / moved[-1])
    return tuple(moved)


def _make_durable(path: Path) -> None:
    """What was written or renamed is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
