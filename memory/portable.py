"""A memory in one file, to carry to another machine, and the way from it into a memory.

The file is a compact SQLite database of the memory's own tables. Whose file it is nobody knows:
before a row is believed its tables must be word for word ours, and all that `memory.inspection`
asks of a memory must hold. Then it is merged, whole or not at all: a game that is known already
(by its name, `uid`) is left as it is, all others get numbers of their own.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory import schema
from memory.beliefs import both
from memory.database import open_unchanged
from memory.inspection import find_faults
from memory.rows import marks, sealed
from memory.store import Store, frame_shapes

MARK = 0x4C4C4D45
"""`application_id` of an exported memory."""
MAGIC = b"SQLite format 3\0"
LARGEST_ROW = 1 << 25
LARGEST_FILE = 1 << 36


def export(store: Store, path: Path) -> None:
    """Write the whole memory to one new file.

    Raises:
        ValueError: if the file exists or cannot be written; then there is none.
    """
    if path.exists():
        raise ValueError(f"{path} exists already: choose another name")
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        store.connection.execute("VACUUM INTO ?", (str(partial),))
        with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as copy:
            copy.execute(f"PRAGMA application_id = {MARK}")
        partial.replace(path)
    except (sqlite3.Error, OSError) as error:
        raise ValueError(f"cannot write {path}: {error}") from None
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A file that `export` wrote, after it was found to be sound.

    Raises:
        ValueError: in one line, if it is missing, foreign, newer, damaged, or made to harm.
    """
    _check_outside(path)
    with contextlib.closing(open_unchanged(path)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_ROW)
        try:
            connection.execute("PRAGMA trusted_schema=OFF")
            _check_inside(path, connection)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is damaged: {error}") from None
        yield connection


def _check_outside(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path} is too large to be a memory")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{path} is not an exported memory")


def _check_inside(path: Path, connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA application_id").fetchone() != (MARK,):
        raise ValueError(f"{path} is not an exported memory")
    theirs, ours = schema.description(connection), schema.own_description()
    meta = next(entry for entry in ours if entry[1] == "meta")
    version = schema.read_version(connection) if meta in theirs else None  # no view is asked
    if version is not None and version > schema.VERSION:
        raise ValueError(f"{path} was written by a newer version of this program: update it")
    if version != schema.VERSION or theirs != ours:
        raise ValueError(f"{path} does not hold the tables of a memory")
    faults = find_faults(connection)
    if faults:
        raise ValueError(f"{path} is damaged: {faults[0]}")


@dataclass(frozen=True)
class Merged:
    """What an import brought, and how many of its games were known."""

    games: int
    traces: int
    strategies: int
    games_known: int


def merge(store: Store, source: sqlite3.Connection) -> Merged:
    """Take up what `opened` opened, in one transaction.

    Traces keep their age, counted in sleeps. Where both memories hold a belief or a strategy, the
    one that rests on more observations stays. Scenes stay behind, as does the dictionary without
    which they say nothing.

    Raises:
        ValueError: if keys or policies have another width, frames another shape, or the disk is
            full; then nothing has changed.
    """
    _check_width(store, source)
    with store.transaction("the import") as cursor:
        return _Merger(store, cursor, source).run()


def _check_width(store: Store, source: sqlite3.Connection) -> None:
    for column, name in (("key", "keys"), ("policy", "policies")):
        query = f"SELECT LENGTH({column}) FROM traces LIMIT 1"
        ours, theirs = (c.execute(query).fetchone() for c in (store.connection, source))
        if ours and theirs and ours != theirs:
            raise ValueError(
                f"its {name} have {theirs[0] // 2} numbers, this memory's {ours[0] // 2}: it "
                "belongs to another agent"
            )
    ours, theirs = frame_shapes(store.connection), frame_shapes(source)
    if ours and not theirs <= ours:
        raise ValueError(
            f"its frames are {min(theirs - ours)}, this memory's {min(ours)}: it belongs to "
            "another agent"
        )


class _Merger:
    """The numbers that games and traces of the source have here."""

    def __init__(self, store: Store, cursor: sqlite3.Cursor, source: sqlite3.Connection) -> None:
        self.store, self.cursor, self.source = store, cursor, source
        self.games: dict[int, int] = {}
        self.known: dict[int, int] = {}
        self.traces: dict[int, int] = {}
        self._read_game, self._by_ply = 0, dict[int, int]()  # of a known game, its traces here
        query = "SELECT COALESCE(MAX(id), 0) FROM sleeps"
        self.shift = store.sleep_count() - source.execute(query).fetchone()[0]

    def run(self) -> Merged:
        self._take_games()
        new = self._take_traces()
        self._take_answers()
        strategies = self._take_strategies()
        self._take_revisions(new)
        return Merged(len(self.games), len(new), strategies, len(self.known))

    def _insert(self, table: str, values: tuple[Any, ...], or_what: str = "") -> None:
        row = sealed(values)
        self.cursor.execute(f"INSERT {or_what} INTO {table} VALUES ({marks(row)})", row)

    def _take_games(self) -> None:
        for game_id, uid, *rest, _ in self.source.execute("SELECT * FROM games ORDER BY id"):
            here = self.cursor.execute("SELECT id FROM games WHERE uid = ?", (uid,)).fetchone()
            if here:
                self.known[game_id] = here[0]
            else:
                self.games[game_id] = self.store.last_id("games") + 1
                self._insert("games", (self.games[game_id], uid, *rest))

    def _take_traces(self) -> set[int]:
        """Returns the ids that new traces have in the source."""
        new = set[int]()
        number = self.store.last_id("traces")
        for row in self.source.execute("SELECT * FROM traces ORDER BY id"):
            trace_id, game_id, ply = row[:3]
            if game_id in self.games:
                number += 1
                self.traces[trace_id] = number
                new.add(trace_id)
                told = (number, self.games[game_id], *row[2:15], row[15] + self.shift, row[16])
                self._insert("traces", told)
            else:
                self._find_known(trace_id, self.known[game_id], ply)
        return new

    def _find_known(self, trace_id: int, game_id: int, ply: int) -> None:
        if game_id != self._read_game:
            query = "SELECT ply, id FROM traces WHERE game_id = ?"
            self._read_game = game_id
            self._by_ply = dict(self.cursor.execute(query, (game_id,)).fetchall())
        if ply in self._by_ply:
            self.traces[trace_id] = self._by_ply[ply]

    def _take_answers(self) -> None:
        """Beliefs that some trace bears out that is here now."""
        query = (
            "SELECT DISTINCT g.game, g.opponent, t.code, t.action FROM traces t "
            "JOIN games g ON g.id = t.game_id"
        )
        borne_out = {twin for belief in self.cursor.execute(query) for twin in both(belief)}
        query = (
            "SELECT count FROM answers WHERE game = ? AND opponent = ? AND code = ? AND action = ?"
        )
        for row in self.source.execute("SELECT * FROM answers"):
            if row[:4] in borne_out:
                here = self.cursor.execute(query, row[:4]).fetchone()
                if here is None or here[0] < row[5]:
                    self._insert("answers", row[:-1], "OR REPLACE")

    def _take_strategies(self) -> int:
        """Returns how many are new here or rest on more than they did."""
        taken = 0
        query = (
            "SELECT id, count FROM strategies WHERE game = ? AND opponent = ? AND code = ? "
            "AND actions = ?"
        )
        for _, *told, evidence, weight, refreshed, _ in self.source.execute(
            "SELECT * FROM strategies ORDER BY id"
        ):
            here = self.cursor.execute(query, told[:4]).fetchone()
            if here is None or here[1] < told[4]:
                number = here[0] if here else self.store.last_id("strategies") + 1
                ids = [self.traces[i] for i in json.loads(evidence) if i in self.traces]
                row = (number, *told, json.dumps(ids), weight, refreshed + self.shift)
                self._insert("strategies", row, "OR REPLACE")
                taken += 1
        return taken

    def _take_revisions(self, new: set[int]) -> None:
        for _, trace_id, sleep, *told, _ in self.source.execute("SELECT * FROM revisions"):
            if trace_id in new:
                number = self.store.last_id("revisions") + 1
                row = (number, self.traces[trace_id], sleep + self.shift, *told)
                self._insert("revisions", row)
