"""What all commands share: options, one-line errors, devices, JSON, progress."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lifelong_agent.devices import checked_device as checked_device

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of every command."""

    seed: int = 0
    """Of all chance."""
    device: str = "cpu"
    """cpu or cuda."""
    json: Path | None = None
    """Where to write the result as JSON."""


def parse(command: Any, args: list[str] | None, prog: str) -> Any:
    """Read the command line; a wrong one gives one line and exit code 2."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(command, args=args, prog=prog)
    except SystemExit as stop:
        if stop.code:
            words = re.sub(r"\x1b\[[0-9;]*m|[^\x20-\x7e\n]", "", complaint.getvalue())
            lines = [line.strip(" -") for line in words.splitlines()]
            fail("; ".join(line for line in lines if line and "Parsing error" not in line))
        raise


def fail(message: str) -> None:
    """Print one line to the error stream and leave with exit code 2."""
    sys.stdout.flush()
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def guarded(action: Callable[[], T]) -> T:
    """Run a command; what a user can cause ends in one line and exit code 2."""
    try:
        return action()
    except (ValueError, FloatingPointError, OSError) as error:
        fail(str(error))
        raise  # not reached
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def checked_output(path: Path | None) -> None:
    """Complain before the work, not after it, if a result could not be written."""
    if path is not None:
        if not path.parent.is_dir():
            raise ValueError(f"cannot write {path}: there is no folder {path.parent}")
        if not os.access(path.parent, os.W_OK) or path.is_dir():
            raise ValueError(f"cannot write {path}")


def write_json(path: Path | None, values: dict[str, Any]) -> None:
    """Write a result if a path was given."""
    if path is not None:
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def progress_bar(title: str, total: int, unit: str) -> Iterator[Callable[[int, str], None]]:
    """A bar with the time left, on the error stream.

    Yields:
        A function to call with how much is done in all, and a word about it.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[word]}"),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task(title, total=total, word="")
        yield lambda completed, word: bar.update(task, completed=completed, word=word)
