"""The truth of the memory: one SQLite file, one transaction per finished game, every row sealed.

A folder holds `memory.sqlite` (WAL, synchronous=FULL), `memory.ledger` (how many games must be
there), `memory.backup.sqlite` (the last good copy, made at a clean close) and `memory.lock`.
Nothing here searches or learns.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from memory.credit import Answer
from memory.ledger import Ledger
from memory.traces import Episode, Trace, compress, decompress

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE games (
    id INTEGER PRIMARY KEY AUTOINCREMENT, game TEXT NOT NULL, opponent TEXT NOT NULL,
    result REAL NOT NULL, played_at REAL NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE traces (
    id INTEGER PRIMARY KEY AUTOINCREMENT, game_id INTEGER NOT NULL REFERENCES games (id),
    ply INTEGER NOT NULL, code INTEGER NOT NULL, key BLOB NOT NULL, frame BLOB NOT NULL,
    state BLOB NOT NULL, fixations BLOB NOT NULL, action INTEGER NOT NULL,
    legal_actions INTEGER NOT NULL, policy BLOB NOT NULL, value REAL NOT NULL,
    returns REAL NOT NULL, recalls INTEGER NOT NULL, encoder TEXT NOT NULL,
    seal INTEGER NOT NULL);
CREATE INDEX traces_by_game ON traces (game_id);
CREATE TABLE answers (
    game TEXT NOT NULL, opponent TEXT NOT NULL, code INTEGER NOT NULL, action INTEGER NOT NULL,
    value REAL NOT NULL, count INTEGER NOT NULL, seal INTEGER NOT NULL,
    PRIMARY KEY (game, opponent, code, action)) WITHOUT ROWID;
CREATE TABLE strategies (
    id INTEGER PRIMARY KEY AUTOINCREMENT, game TEXT NOT NULL, opponent TEXT NOT NULL,
    code INTEGER NOT NULL, actions TEXT NOT NULL, count INTEGER NOT NULL, mean REAL NOT NULL,
    evidence TEXT NOT NULL, seal INTEGER NOT NULL,
    UNIQUE (game, opponent, code, actions));
"""
TABLES = ("games", "traces", "answers", "strategies")
MAX_EVIDENCE = 32


class MemoryDamagedError(ValueError):
    """A memory's file cannot be trusted; the message names it."""


class MemoryBusyError(ValueError):
    """Another program holds the memory."""


def seal(values: Iterable[Any]) -> int:
    """CRC-32 over a row's values; a flipped bit in any of them changes it."""
    crc = 0
    for value in values:
        data = value if isinstance(value, bytes) else repr(value).encode()
        crc = zlib.crc32(b"\x1f", zlib.crc32(data, crc))
    return crc


class Store:
    """A memory on disk, or in RAM.

    Args:
        directory: the memory's folder, made if it is missing; None for RAM.

    Raises:
        MemoryDamagedError: if a file is truncated, altered, or behind the ledger.
        MemoryBusyError: if another program has it open.
        ValueError: for a newer schema, or a folder that cannot be written.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self._lock: FileLock | None = None
        self._changed = False
        if directory is None:
            self.connection = sqlite3.connect(":memory:", isolation_level=None)
            self._create()
            return
        self.path = directory / "memory.sqlite"
        self.ledger = Ledger(directory / "memory.ledger")
        self.backup = directory / "memory.backup.sqlite"
        self._take_lock(directory)
        try:
            self._open()
        except BaseException:
            self._release()
            raise

    def _take_lock(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            probe = directory / "memory.probe"
            probe.write_bytes(b"")
            probe.unlink()
            self._lock = FileLock(directory / "memory.lock", timeout=0)
            self._lock.acquire()
        except Timeout:
            raise MemoryBusyError(
                f"the memory {directory} is in use by another program: close it, or choose "
                "another folder"
            ) from None
        except OSError as error:
            raise ValueError(
                f"the memory {directory} cannot be written: {error.strerror or error}"
            ) from None

    def _open(self) -> None:
        is_new = not self.path.exists() or not self.path.stat().st_size
        if is_new and self.ledger.read():
            raise self._damaged("it is missing or empty, although games were stored")
        self.connection = sqlite3.connect(self.path, isolation_level=None, timeout=1)
        try:
            self.connection.execute("PRAGMA journal_mode=WAL")
            self.connection.execute("PRAGMA synchronous=FULL")
            self.connection.execute("PRAGMA foreign_keys=ON")
            if is_new or not self._has_tables():
                self._create()
            self._check_version()
            self.check()
        except sqlite3.Error as error:
            self.connection.close()
            raise self._damaged(str(error)) from None
        except ValueError:
            self.connection.close()
            raise

    def _has_tables(self) -> bool:
        query = "SELECT COUNT(*) FROM sqlite_master"
        return bool(self.connection.execute(query).fetchone()[0])

    def _create(self) -> None:
        version = f"INSERT INTO meta VALUES ('schema_version', '{SCHEMA_VERSION}');"
        self.connection.executescript(f"BEGIN; {SCHEMA} {version} COMMIT;")

    def _check_version(self) -> None:
        row = self.connection.execute(
            "SELECT value FROM meta WHERE name = 'schema_version'"
        ).fetchone()
        if row is None or not row[0].isdigit():
            raise self._damaged("it has no schema version")
        if int(row[0]) > SCHEMA_VERSION:
            raise ValueError(
                f"{self.path} was written by a newer version of this program (schema {row[0]}, "
                f"this one knows {SCHEMA_VERSION}): update the program"
            )

    def check(self) -> None:
        """Verify structure, seals and ledger.

        Raises:
            MemoryDamagedError: saying what is wrong.
        """
        for (word,) in self.connection.execute("PRAGMA integrity_check(1)"):
            if word != "ok":
                raise self._damaged(word)
        for table in TABLES:
            for row in self.connection.execute(f"SELECT * FROM {table}"):
                if seal(row[:-1]) != row[-1]:
                    raise self._damaged(f"a row of {table} does not match its seal")
        self._check_ledger()

    def _check_ledger(self) -> None:
        if self.directory is None:
            return
        noted = self.ledger.read()
        if noted is None:
            self.ledger.write(self.last_game())  # the database itself has just been verified
        elif self.last_game() < noted:
            raise self._damaged(
                f"game {noted} was stored but only {self.last_game()} are there (a damaged or "
                "missing memory.sqlite-wal)"
            )

    def _damaged(self, why: str) -> MemoryDamagedError:
        keep = f"; the last good copy is {self.backup}" if self.backup.exists() else ""
        return MemoryDamagedError(f"{self.path} is damaged: {why}; it was left as it is{keep}")

    def last_game(self) -> int:
        """The number of the newest game ever stored; 0 before the first."""
        row = self.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'games'")
        return int((row.fetchone() or (0,))[0])

    def write_game(
        self,
        episode: Episode,
        answers: dict[tuple[str, int, int], Answer],
        strategies: list[tuple[Any, ...]],
        encoder: str,
    ) -> list[int]:
        """Store a finished game and all it taught, in one transaction.

        Args:
            episode: the game.
            answers: (opponent, code, action) to what is now believed.
            strategies: rows (opponent, code, actions, count, mean, evidence positions); negative
                evidence counts from the first trace of this game: -1 is the first, -2 the second.
            encoder: version of the network that made the keys.

        Returns:
            The ids of the game's traces; ids are never used twice.

        Raises:
            ValueError: if the disk is full or the file cannot be written; nothing is stored.
        """
        cursor = self.connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
            game_id = self._insert_game(cursor, episode)
            ids = [
                self._insert_trace(cursor, game_id, ply, trace, encoder)
                for ply, trace in enumerate(episode.traces)
            ]
            self._upsert_answers(cursor, episode.game, answers)
            self._upsert_strategies(cursor, episode.game, strategies, ids)
            cursor.execute("COMMIT")
        except sqlite3.Error as error:
            if self.connection.in_transaction:
                self.connection.rollback()
            raise ValueError(f"the game could not be stored in {self.directory}: {error}") from None
        self._changed = True
        if self.directory is not None:
            self.ledger.write(self.last_game())
        return ids

    def write_answers(self, game: str, answers: dict[tuple[str, int, int], Answer]) -> None:
        """Replace answers, (opponent, code, action) to what is now believed, in one transaction.

        Raises:
            ValueError: if they cannot be written; nothing has changed then.
        """
        try:
            with self.connection:
                self.connection.execute("BEGIN IMMEDIATE")
                self._upsert_answers(self.connection.cursor(), game, answers)
        except sqlite3.Error as error:
            raise ValueError(f"beliefs could not be stored in {self.directory}: {error}") from None
        self._changed = True

    def _insert_game(self, cursor: sqlite3.Cursor, episode: Episode) -> int:
        game_id = self.last_game() + 1
        row = (game_id, episode.game, episode.opponent, float(episode.result), time.time())
        cursor.execute("INSERT INTO games VALUES (?, ?, ?, ?, ?, ?)", (*row, seal(row)))
        return game_id

    def _insert_trace(
        self, cursor: sqlite3.Cursor, game_id: int, ply: int, trace: Trace, encoder: str
    ) -> int:
        newest = cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'traces'").fetchone()
        trace_id = (newest[0] if newest else 0) + 1
        row = (
            trace_id, game_id, ply, trace.code, trace.key.astype("<f2").tobytes(),
            compress(trace.frame), trace.state.astype("<f2").tobytes(),
            trace.fixations.astype("<i2").tobytes(), trace.action, _pack(trace.legal_actions),
            trace.policy.astype("<f2").tobytes(), float(trace.value), float(trace.returns),
            trace.recalls, encoder,
        )  # fmt: skip
        marks = ", ".join("?" * (len(row) + 1))
        cursor.execute(f"INSERT INTO traces VALUES ({marks})", (*row, seal(row)))
        return trace_id

    def _upsert_answers(
        self, cursor: sqlite3.Cursor, game: str, answers: dict[tuple[str, int, int], Answer]
    ) -> None:
        rows = [
            (game, opponent, code, action, answer.value, answer.count)
            for (opponent, code, action), answer in answers.items()
        ]
        cursor.executemany(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(*row, seal(row)) for row in rows],
        )

    def _upsert_strategies(
        self,
        cursor: sqlite3.Cursor,
        game: str,
        strategies: list[tuple[Any, ...]],
        trace_ids: list[int],
    ) -> None:
        for opponent, code, actions, count, mean, evidence in strategies:
            real = [e if e > 0 else trace_ids[-e - 1] for e in evidence][-MAX_EVIDENCE:]
            old = cursor.execute(
                "SELECT id FROM strategies WHERE game = ? AND opponent = ? AND code = ? "
                "AND actions = ?",
                (game, opponent, code, json.dumps(actions)),
            ).fetchone()
            newest = cursor.execute("SELECT MAX(id) FROM strategies").fetchone()[0] or 0
            row = (
                old[0] if old else newest + 1, game, opponent, code, json.dumps(actions),
                count, mean, json.dumps(real),
            )  # fmt: skip
            marks = ", ".join("?" * (len(row) + 1))
            cursor.execute(f"INSERT OR REPLACE INTO strategies VALUES ({marks})", (*row, seal(row)))

    def read_keys(self) -> tuple[list[int], np.ndarray[Any, np.dtype[np.float32]]]:
        """All trace ids and their (N, D) float32 keys, oldest first."""
        rows = self.connection.execute("SELECT id, key FROM traces ORDER BY id").fetchall()
        keys = [np.frombuffer(key, "<f2").astype(np.float32) for _, key in rows]
        return [row[0] for row in rows], np.stack(keys) if keys else np.zeros((0, 0), np.float32)

    def read_answers(self) -> Iterator[tuple[str, str, int, int, Answer]]:
        """(game, opponent, code, action, answer) of everything that is believed."""
        query = "SELECT game, opponent, code, action, value, count FROM answers"
        for game, opponent, code, action, value, count in self.connection.execute(query):
            yield game, opponent, code, action, Answer(value, count)

    def read_strategies(self, game: str, opponent: str) -> list[tuple[Any, ...]]:
        """Rows (code, actions, count, mean, evidence) of one opponent."""
        query = (
            "SELECT code, actions, count, mean, evidence FROM strategies "
            "WHERE game = ? AND opponent = ?"
        )
        return [
            (code, tuple(json.loads(actions)), count, mean, json.loads(evidence))
            for code, actions, count, mean, evidence in self.connection.execute(
                query, (game, opponent)
            )
        ]

    def read_traces(self, ids: Iterable[int]) -> dict[int, tuple[str, Trace]]:
        """Traces by id, each with its opponent; unknown ids are left out."""
        wanted = list(ids)
        marks = ", ".join("?" * len(wanted))
        query = (
            "SELECT t.id, g.opponent, t.code, t.key, t.frame, t.state, t.fixations, t.action, "
            "t.legal_actions, t.policy, t.value, t.returns, t.recalls FROM traces t "
            f"JOIN games g ON g.id = t.game_id WHERE t.id IN ({marks})"
        )
        rows = self.connection.execute(query, wanted)
        return {row[0]: (row[1], _trace(row[2:])) for row in rows}

    def read_episodes(self, game: str, opponent: str) -> Iterator[Episode]:
        """The stored games against one opponent, oldest first."""
        games = self.connection.execute(
            "SELECT id, result FROM games WHERE game = ? AND opponent = ? ORDER BY id",
            (game, opponent),
        ).fetchall()
        for game_id, result in games:
            rows = self.connection.execute(
                "SELECT id FROM traces WHERE game_id = ? ORDER BY ply", (game_id,)
            )
            found = self.read_traces(row[0] for row in rows)
            traces = [found[i][1] for i in sorted(found)]
            yield Episode(game, opponent, result, traces)

    def results(self, opponent: str, game: str | None = None) -> list[float]:
        """The results of all games against one opponent, oldest first."""
        query = (
            "SELECT result FROM games WHERE opponent = ? AND (? IS NULL OR game = ?) ORDER BY id"
        )
        return [row[0] for row in self.connection.execute(query, (opponent, game, game))]

    def opponents(self) -> list[tuple[str, str]]:
        """(game, opponent) of everybody ever met, the latest first."""
        query = "SELECT game, opponent FROM games GROUP BY game, opponent ORDER BY MAX(id) DESC"
        return list(self.connection.execute(query))

    def count(self, table: str) -> int:
        """Rows of one of `TABLES`."""
        assert table in TABLES
        return int(self.connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])

    def close(self) -> None:
        """Fold the log into the file, keep a good copy, let others in."""
        if self.directory is not None and self._changed:
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._write_backup()
        self.connection.close()
        self._release()

    def _write_backup(self) -> None:
        partial = self.backup.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with sqlite3.connect(partial) as copy:
            self.connection.backup(copy)
        copy.close()
        partial.replace(self.backup)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()


def _pack(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    return sum(1 << i for i, legal in enumerate(mask) if legal)


def _trace(row: tuple[Any, ...]) -> Trace:
    code, key, frame, state, fixations, action, legal, policy, value, returns, recalls = row
    probabilities = np.frombuffer(policy, "<f2").astype(np.float32)
    return Trace(
        code=code,
        key=np.frombuffer(key, "<f2").astype(np.float32),
        frame=decompress(frame),
        state=np.frombuffer(state, "<f2").astype(np.float32),
        fixations=np.frombuffer(fixations, "<i2").astype(np.int64).reshape(-1, 2),
        action=action,
        legal_actions=np.array([bool(legal >> i & 1) for i in range(len(probabilities))]),
        policy=probabilities,
        value=value,
        returns=returns,
        recalls=recalls,
    )
