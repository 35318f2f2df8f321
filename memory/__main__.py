"""`python -m memory show | verify | export | import | restore | forget`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from memory.command_line import (
    checked_output,
    default_memory,
    fail,
    run_command,
    write_json,
)
from memory.erasure import erase
from memory.inspection import check_there_is_one, inspect
from memory.overview import Acquaintance, look_over, notes_on
from memory.portable import export, merge, opened
from memory.restoration import restore
from memory.store import Store

OUT = Console(soft_wrap=True)
NOTES_SHOWN = 10
File = Annotated[Path, tyro.conf.Positional]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of every command."""

    memory: Path = field(default_factory=default_memory)
    """Folder of the memory; by default where the game keeps it."""
    json: Path | None = None
    """Where to write the result as JSON."""

    @contextlib.contextmanager
    def opened(self) -> Iterator[Store]:
        """The memory, which must be there."""
        check_there_is_one(self.memory)
        with contextlib.closing(Store(self.memory)) as store:
            yield store


@dataclass(frozen=True, kw_only=True)
class Show(Options):
    """Tell what the memory holds, and what it noted about a player."""

    player: str | None = None
    """Whose notes to show."""

    def run(self) -> None:
        """Show."""
        with self.opened() as store:
            seen = look_over(store)
            notes = {} if self.player is None else notes_on(store, self.player)
        OUT.print(
            f"{seen.games:,} games, {seen.traces:,} traces, {seen.answers:,} beliefs, "
            f"{seen.strategies:,} strategies, {seen.sleeps:,} sleeps; "
            f"{seen.size_bytes / 1e6:.1f} MB in {escape(str(self.memory))}"
        )
        if self.player is None:
            _show_opponents(seen.opponents)
        else:
            _show_notes(notes)
        player = {} if self.player is None else {"player": {"name": self.player, "notes": notes}}
        write_json(self.json, {"memory": str(self.memory), **asdict(seen), **player})


def _show_opponents(opponents: tuple[Acquaintance, ...]) -> None:
    table = Table("player", "game", "won", "drawn", "lost", "traces", "strategies")
    for met in opponents:
        numbers = (met.wins, met.draws, met.losses, met.traces, met.strategies)
        table.add_row(_plain(met.name), _plain(met.game), *map(str, numbers))
    OUT.print(table)


def _show_notes(notes: dict[str, dict[str, list[str]]]) -> None:
    for game, verdicts in notes.items():
        OUT.print(f"{_plain(game)}:")
        for sentence in (verdicts["good"] + verdicts["bad"])[:NOTES_SHOWN]:
            OUT.print(f"  {escape(sentence)}")
        OUT.print(f"  {len(verdicts['undetermined'])} more are not proven either way.")


def _plain(name: str) -> str:
    """A name without what a terminal would take for a command."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in name))


@dataclass(frozen=True, kw_only=True)
class Verify(Options):
    """Check structure, seals, references, ledger, search, last good copy, what sleep taught."""

    def run(self) -> None:
        """Check."""
        faults = inspect(self.memory)
        write_json(self.json, {"memory": str(self.memory), "ok": not faults, "faults": faults})
        if faults:
            fail("; ".join(faults))
        OUT.print(f"the memory in {escape(str(self.memory))} is sound")


@dataclass(frozen=True, kw_only=True)
class Export(Options):
    """Write all games and what was noted of them to one file, to carry it elsewhere.

    What sleep has taught the network stays behind: at the other place sleep teaches it again.
    """

    file: File
    """A new file."""

    def run(self) -> None:
        """Export."""
        checked_output(self.file)
        with self.opened() as store:
            export(store, self.file)
            games, traces = store.count("games"), store.count("traces")
        size = self.file.stat().st_size
        OUT.print(f"{games:,} games, {traces:,} traces: {escape(str(self.file))}")
        _write(self, {"file": str(self.file), "games": games, "traces": traces, "bytes": size})


@dataclass(frozen=True, kw_only=True)
class Import(Options):
    """Take up a file that `export` wrote; games that are known already are not doubled."""

    file: File
    """The file."""

    def run(self) -> None:
        """Import."""
        with opened(self.file) as source, contextlib.closing(Store(self.memory)) as store:
            merged = merge(store, source)
        OUT.print(
            f"{merged.games:,} games new, {merged.games_known:,} known already; "
            f"{merged.traces:,} traces, {merged.strategies:,} strategies taken up"
        )
        _write(self, asdict(merged))


@dataclass(frozen=True, kw_only=True)
class Restore(Options):
    """Put the last good copy in the place of a damaged memory, which is set aside."""

    def run(self) -> None:
        """Restore."""
        restored = restore(self.memory)
        with self.opened() as store:
            games = store.count("games")
        aside = ", ".join(restored.kept) or "nothing"
        OUT.print(f"restored a memory of {games:,} games; set aside: {escape(aside)}")
        _write(self, {"games": games, "set_aside": list(restored.kept)})


@dataclass(frozen=True, kw_only=True)
class Forget(Options):
    """Remove a player for good: games, traces, strategies, beliefs, and all copies."""

    player: str
    """Exactly as the memory knows them."""

    def run(self) -> None:
        """Forget."""
        with self.opened() as store:
            erased = erase(store, self.player)
        OUT.print(
            f"removed {erased.games:,} games, {erased.traces:,} traces, {erased.strategies:,} "
            f"strategies, {erased.answers:,} beliefs, {erased.copies} files of older copies, and "
            f"{erased.learned} files of what sleep had taught"
        )
        _write(self, asdict(erased))


def _write(options: Options, values: dict[str, Any]) -> None:
    write_json(options.json, {"memory": str(options.memory), **values})


def main(args: list[str] | None = None) -> None:
    """The command line."""
    commands = Show | Verify | Export | Import | Restore | Forget
    run_command(commands, args, "python -m memory")


if __name__ == "__main__":
    main()
