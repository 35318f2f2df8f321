"""The file of a memory and its keeping: lock, opening, checks, transactions, copies.

A folder holds `memory.sqlite` (WAL, synchronous=FULL), `memory.ledger` (how many games must be
there), `memory.backup.sqlite` (the last good copy, made at a clean close), `memory.lock`, after a
migration `memory.schema-N.sqlite` (as it was before), and `memory.damaged-N.sqlite` (set aside by
`memory.restoration`). What the rows say is
`memory.store`'s affair.
"""

from __future__ import annotations

import contextlib
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from memory import schema
from memory.ledger import Ledger

HINDRANCES = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR,
}  # fmt: skip


COPIES = (
    "memory.backup.sqlite", "memory.schema-*.sqlite", "memory.*partial*", "memory.damaged-*",
)  # fmt: skip
LEARNED = ("*neocortex*.safetensors*", "*attributes*.safetensors*")
PRAGMAS = (
    "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
)  # fmt: skip


class MemoryDamagedError(ValueError):
    """A memory's file cannot be trusted; the message names it."""


class MemoryBusyError(ValueError):
    """Another program holds the memory."""


class Database:
    """A verified SQLite file that nobody else writes, or one in RAM.

    Args:
        directory: the memory's folder, made if it is missing; None for RAM.

    Raises:
        MemoryDamagedError: if a file is truncated, altered, behind the ledger, or empty beside a
            copy.
        MemoryBusyError: if another program has it open.
        ValueError: for a newer schema, or a folder that cannot be written.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self._changed = False
        if directory is None:
            self.connection = sqlite3.connect(":memory:", isolation_level=None)
            self.connection.execute("PRAGMA foreign_keys=ON")
            schema.create(self.connection)
            return
        self.path = directory / "memory.sqlite"
        self.ledger = Ledger(directory / "memory.ledger")
        self.backup = directory / "memory.backup.sqlite"
        self._lock = hold(directory)
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> None:
        is_new = not self.path.exists() or not self.path.stat().st_size
        try:
            version = 0 if is_new else self._examine()
            if not version and (self.ledger.read() or self.backup.exists()):
                raise self._damaged("it is missing or empty, although games were stored")
            self.connection = sqlite3.connect(self.path, isolation_level=None, timeout=1)
            self._make_usable(version)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._close_connection()
            raise self._unusable(error) from None
        except ValueError:
            self._close_connection()
            raise

    def _examine(self) -> int:
        """Read everything once and change nothing, not even the log; returns the version."""
        with contextlib.closing(open_unchanged(self.path)) as self.connection:
            if schema.is_empty(self.connection):
                return 0
            version = schema.read_version(self.connection)
            if version is None:
                raise self._damaged("it has no schema version")
            if version > schema.VERSION:
                raise ValueError(
                    f"{self.path} was written by a newer version of this program (schema "
                    f"{version}, this one knows {schema.VERSION}): update the program"
                )
            self._check_rows(version)
            self._check_ledger()
            return version

    def _make_usable(self, version: int) -> None:
        for pragma in PRAGMAS:
            self.connection.execute(pragma)
        if not version:
            schema.create(self.connection)
        elif version < schema.VERSION:
            self.write_copy(self.path.with_name(f"memory.schema-{version}.sqlite"))
            schema.migrate(self.connection, version)
            self._check_rows(schema.VERSION)
            self._changed = True
        if self.ledger.read() is None:
            self._note_games()  # the database has just been verified

    def _close_connection(self) -> None:
        if hasattr(self, "connection"):
            self.connection.close()

    def _unusable(self, error: sqlite3.Error | UnicodeDecodeError) -> ValueError:
        """Tell a file that cannot be written from one that cannot be trusted."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in HINDRANCES:
            return ValueError(f"the memory {self.path} cannot be opened: {error}")
        if isinstance(error, UnicodeDecodeError):
            return self._damaged("what it says is not text")
        return self._damaged(str(error))

    def check(self) -> None:
        """Verify structure, seals and ledger.

        Raises:
            MemoryDamagedError: saying what is wrong.
        """
        self._check_rows(schema.VERSION)
        self._check_ledger()

    def _check_rows(self, version: int) -> None:
        fault = next(schema.find_faults(self.connection, version), "")
        if fault:
            raise self._damaged(fault)

    def _check_ledger(self) -> None:
        if self.directory is None:
            return
        noted, stored = self.ledger.read() or 0, self.last_id("games")
        if stored < noted:
            raise self._damaged(
                f"game {noted} was stored but only {stored} are there (a damaged or missing "
                "memory.sqlite-wal)"
            )

    def _damaged(self, why: str) -> MemoryDamagedError:
        if self.directory is None:
            return MemoryDamagedError(f"the memory is damaged: {why}")
        keep = ""
        if self.backup.exists():
            command = f"python -m memory restore --memory {shlex.quote(str(self.directory))}"
            keep = f"; the last good copy is {self.backup}: `{command}` puts it in its place"
        return MemoryDamagedError(f"{self.path} is damaged: {why}; it was left as it is{keep}")

    def last_id(self, table: str) -> int:
        """The highest number that a row of `table` ever had; 0 before the first."""
        query = "SELECT seq FROM sqlite_sequence WHERE name = ?"
        row = self.connection.execute(query, (table,))
        return int((row.fetchone() or (0,))[0])

    @contextlib.contextmanager
    def transaction(self, what: str) -> Iterator[sqlite3.Cursor]:
        """All that is written inside is stored durably, or nothing of it.

        Args:
            what: is stored, for the message.

        Raises:
            ValueError: if the disk is full or the file cannot be written.
        """
        games = self.last_id("games")
        cursor = self.connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
            yield cursor
            cursor.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise ValueError(f"{what} could not be stored in {self.directory}: {error}") from None
        except BaseException:
            self._roll_back()
            raise
        self._changed = True
        if self.directory is not None and self.last_id("games") > games:
            self._note_games()

    def _note_games(self) -> None:
        with contextlib.suppress(OSError):  # a full disk: the ledger may lag behind
            self.ledger.write(self.last_id("games"))

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            self.connection.rollback()

    def remove_copies(self) -> int:
        """Delete all copies of the past; `close` makes a new one. Returns how many there were."""
        self._changed = True
        return self._remove(COPIES)

    def remove_learned(self) -> int:
        """Delete what agents keep beside the memory of what it taught them; returns how many."""
        return self._remove(LEARNED)

    def _remove(self, patterns: tuple[str, ...]) -> int:
        if self.directory is None:
            return 0
        paths = [path for pattern in patterns for path in self.directory.glob(pattern)]
        for path in paths:
            path.unlink()
        return len(paths)

    def rewrite(self) -> None:
        """Write the file anew without what was deleted, and empty the log.

        Raises:
            ValueError: if the disk is full; what was deleted is gone from the tables then, too.
        """
        try:
            self.connection.execute("PRAGMA temp_store=MEMORY")
            self.connection.execute("VACUUM")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise ValueError(f"{self.directory} could not be written anew: {error}") from None

    def close(self) -> None:
        """Fold the log into the file, keep a good copy, let others in; once more does nothing.

        Raises:
            ValueError: if the copy could not be renewed; all that was stored is safe then too.
        """
        if self.directory is None or not self._lock.is_locked:
            self.connection.close()
            return
        try:
            if self._changed:
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self.write_copy(self.backup)
        except (sqlite3.Error, OSError) as error:
            raise ValueError(
                f"the memory {self.directory} is stored, but its copy could not be renewed: {error}"
            ) from None
        finally:
            self.connection.close()
            self._lock.release()

    def write_copy(self, path: Path) -> None:
        """Copy the whole database to `path`, which is replaced whole or not at all."""
        partial = path.with_name(path.name + ".partial")
        partial.unlink(missing_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(partial)) as copy:
                self.connection.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def hold(directory: Path) -> FileLock:
    """Take a memory's folder for this program alone; it is made if it is missing.

    Raises:
        MemoryBusyError: if another program has it.
        ValueError: if nothing can be written there.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / "memory.probe"
        probe.write_bytes(b"")
        probe.unlink()
        lock = FileLock(directory / "memory.lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise MemoryBusyError(
            f"the memory {directory} is in use by another program: close it, or choose "
            "another folder"
        ) from None
    except OSError as error:
        raise ValueError(
            f"the memory {directory} cannot be written: {error.strerror or error}"
        ) from None
    return lock


def open_unchanged(path: Path) -> sqlite3.Connection:
    """A connection that changes neither the file nor its log."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
