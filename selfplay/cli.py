"""What all commands share: options, one-line errors, devices, JSON, progress."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

from lifelong_agent.devices import checked_device as checked_device
from memory.command_line import checked_output as checked_output
from memory.command_line import fail as fail
from memory.command_line import guarded as guarded
from memory.command_line import parse as parse
from memory.command_line import run_command as run_command
from memory.command_line import write_json as write_json

LEAST_BATCH = 32
WIDEST = 10_000  # letters; more than any table
KEPT = ("network.json", "network.safetensors", "run.json", "run.safetensors")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of every command."""

    seed: int = 0
    """Of all chance."""
    device: str = "cpu"
    """cpu or cuda."""
    json: Path | None = None
    """Where to write the result as JSON."""


def check_new(folder: Path, advice: str) -> None:
    """Complain before the work if a folder holds a network or a run, which would be lost.

    Args:
        folder: where a command is to leave its own.
        advice: what to do instead.

    Raises:
        ValueError: in one line, with the advice.
    """
    if any((folder / name).exists() for name in KEPT):
        raise ValueError(f"{folder} holds a network already: {advice}")


def check_batch(batch: int, num_games: int = 1) -> None:
    """Raise `ValueError` for fewer decisions at a time than `num_games` games need."""
    least = LEAST_BATCH * num_games
    if batch < least:
        raise ValueError(f"a batch is at least {least} decisions, not {batch}")


def print_whole(table: Table) -> None:
    """Print a table whose cells are neither cut nor folded, however narrow the terminal."""
    console = Console()
    boundless = console.options.update(max_width=WIDEST)
    console.width = max(console.width, console.measure(table, options=boundless).maximum)
    console.print(table)


@contextlib.contextmanager
def progress_bar(title: str, total: int, unit: str) -> Iterator[Callable[[int, str], None]]:
    """A bar with the time left, on the error stream.

    Yields:
        A function to call with how much is done in all, and a word about it.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[word]}", table_column=Column(ratio=2, no_wrap=True)),
        console=Console(stderr=True),
        expand=True,  # the bar and the word share what the figures leave
    )
    with bar:
        task = bar.add_task(title, total=total, word="")
        try:
            yield lambda completed, word: bar.update(task, completed=completed, word=word)
        except Exception:
            if not bar.tasks[task].completed:  # refused at once: the one line of why is enough
                bar.live.transient, bar.console.quiet = True, not bar.console.is_interactive
            raise
