"""The tables of a memory, their version, and the way from older versions to this one.

Knows nothing of files, locks or backups (`memory.database`), nor of what the rows mean.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator

from memory.rows import game_uid, is_sealed, marks, sealed

VERSION = 3
GAMES = """
CREATE TABLE games (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE, game TEXT NOT NULL,
    opponent TEXT NOT NULL, result REAL NOT NULL, plies INTEGER NOT NULL,
    played_at REAL NOT NULL, seal INTEGER NOT NULL);
"""
TRACES = """
CREATE TABLE traces (
    id INTEGER PRIMARY KEY AUTOINCREMENT, game_id INTEGER NOT NULL REFERENCES games (id),
    ply INTEGER NOT NULL, code INTEGER NOT NULL, key BLOB NOT NULL, frame BLOB NOT NULL,
    state BLOB NOT NULL, fixations BLOB NOT NULL, action INTEGER NOT NULL,
    legal_actions INTEGER NOT NULL, policy BLOB NOT NULL, value REAL NOT NULL,
    returns REAL NOT NULL, recalls INTEGER NOT NULL, stability REAL NOT NULL,
    refreshed INTEGER NOT NULL, encoder TEXT NOT NULL, seal INTEGER NOT NULL);
CREATE INDEX traces_by_game ON traces (game_id);
"""
SLEEPS = """
CREATE TABLE sleeps (
    id INTEGER PRIMARY KEY AUTOINCREMENT, slept_at REAL NOT NULL, forgotten INTEGER NOT NULL,
    seal INTEGER NOT NULL);
"""
BELIEFS = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE answers (
    game TEXT NOT NULL, opponent TEXT NOT NULL, code INTEGER NOT NULL, action INTEGER NOT NULL,
    value REAL NOT NULL, count INTEGER NOT NULL, seal INTEGER NOT NULL,
    PRIMARY KEY (game, opponent, code, action)) WITHOUT ROWID;
"""
STRATEGIES = """
CREATE TABLE strategies (
    id INTEGER PRIMARY KEY AUTOINCREMENT, game TEXT NOT NULL, opponent TEXT NOT NULL,
    code INTEGER NOT NULL, actions TEXT NOT NULL, count INTEGER NOT NULL, mean REAL NOT NULL,
    evidence TEXT NOT NULL, weight REAL NOT NULL, refreshed INTEGER NOT NULL,
    seal INTEGER NOT NULL, UNIQUE (game, opponent, code, actions));
"""
SCENES = """
CREATE TABLE scenes (code INTEGER PRIMARY KEY, bits BLOB NOT NULL, seal INTEGER NOT NULL);
"""
REVISIONS = """
CREATE TABLE revisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    trace_id INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE, sleep INTEGER NOT NULL,
    said REAL NOT NULL, came REAL NOT NULL, before REAL NOT NULL, after REAL NOT NULL,
    seal INTEGER NOT NULL);
CREATE INDEX revisions_by_trace ON revisions (trace_id);
"""
TABLES = ("games", "traces", "answers", "strategies", "sleeps", "scenes", "revisions")
TABLES_OF = {1: TABLES[:4], 2: TABLES[:5], 3: TABLES}


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of a new memory, all or none."""
    version = f"INSERT INTO meta VALUES ('schema_version', '{VERSION}');"
    tables = BELIEFS + GAMES + TRACES + SLEEPS + STRATEGIES + SCENES + REVISIONS
    connection.executescript(f"BEGIN; {tables} {version} COMMIT;")


def description(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    """All tables and indices (and triggers and views) of a database, and how they were made."""
    query = "SELECT type, name, tbl_name, COALESCE(sql, '') FROM sqlite_master ORDER BY name"
    return [tuple(" ".join(word.split()) for word in row) for row in connection.execute(query)]


def own_description() -> list[tuple[str, ...]]:
    """That of a memory as this version makes it."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create(connection)
        return description(connection)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether no tables were made yet."""
    return not connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]


def read_version(connection: sqlite3.Connection) -> int | None:
    """The version that the tables were made in; None if it is not told."""
    query = "SELECT value FROM meta WHERE name = 'schema_version'"
    row = connection.execute(query).fetchone()
    return int(row[0]) if row and row[0].isdigit() and int(row[0]) else None


def find_faults(connection: sqlite3.Connection, version: int) -> Iterator[str]:
    """Say what is wrong with the structure, a reference, or a seal."""
    for (word,) in connection.execute("PRAGMA integrity_check(1)"):
        if word != "ok":
            yield str(word)
    for table, *_ in connection.execute("PRAGMA foreign_key_check"):
        yield f"a row of {table} belongs to one that is not there"
    for table in TABLES_OF[version]:
        for row in connection.execute(f"SELECT * FROM {table}"):
            if not is_sealed(row):
                yield f"a row of {table} does not match its seal"


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables of an older version to this one, step by step, all or none."""
    connection.execute("PRAGMA foreign_keys=OFF")  # without effect inside a transaction
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, VERSION):
            STEPS[step](connection)
        connection.execute(
            "UPDATE meta SET value = ? WHERE name = 'schema_version'", (str(VERSION),)
        )
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.execute("PRAGMA foreign_keys=ON")


def _add_forgetting(connection: sqlite3.Connection) -> None:
    """1 to 2: games get a name of their own and their length, traces a stability, sleeps a log."""
    newest = dict(connection.execute("SELECT name, seq FROM sqlite_sequence"))
    connection.execute("DROP INDEX traces_by_game")
    for table in ("traces", "games"):
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    _make(connection, GAMES + TRACES + SLEEPS)
    plies = dict(connection.execute("SELECT game_id, COUNT(*) FROM old_traces GROUP BY game_id"))
    for *row, _ in connection.execute("SELECT * FROM old_games"):
        game_id, game, opponent, result, played_at = row
        uid = game_uid(game_id, game, opponent, result, played_at)
        new = sealed((game_id, uid, game, opponent, result, plies.get(game_id, 0), played_at))
        connection.execute(f"INSERT INTO games VALUES ({marks(new)})", new)
    for *row, encoder, _ in connection.execute("SELECT * FROM old_traces"):
        new = sealed((*row, 1.0, 0, encoder))
        connection.execute(f"INSERT INTO traces VALUES ({marks(new)})", new)
    for table in ("traces", "games"):
        connection.execute(f"DROP TABLE old_{table}")
    for name in newest.keys() & {"games", "traces"}:  # ids are never used twice
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, newest[name]))


def _add_ageing(connection: sqlite3.Connection) -> None:
    """2 to 3: strategies get a weight and an age, traces a log of revisions, scenes a true seal."""
    sleeps = connection.execute("SELECT COALESCE(MAX(id), 0) FROM sleeps").fetchone()[0]
    newest = connection.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = 'strategies'"
    ).fetchone()
    scenes = _old_scenes(connection)
    connection.execute("DROP TABLE IF EXISTS scenes")
    connection.execute("ALTER TABLE strategies RENAME TO old_strategies")
    _make(connection, STRATEGIES + SCENES + REVISIONS)
    for *row, _ in connection.execute("SELECT * FROM old_strategies"):
        new = sealed((*row, float(row[5]), sleeps))
        connection.execute(f"INSERT INTO strategies VALUES ({marks(new)})", new)
    connection.execute("DROP TABLE old_strategies")
    if newest:
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'strategies'")
        connection.execute("INSERT INTO sqlite_sequence VALUES ('strategies', ?)", newest)
    connection.executemany("INSERT INTO scenes VALUES (?, ?, ?)", map(sealed, scenes))


def _old_scenes(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
    """What version 2 held beside its schema, under a seal of its own kind."""
    query = "SELECT name FROM sqlite_master WHERE name = 'scenes'"
    if connection.execute(query).fetchone() is None:
        return []
    rows = connection.execute("SELECT code, bits, seal FROM scenes").fetchall()
    if any(zlib.crc32(b"%d " % code + bits) != told for code, bits, told in rows):
        raise sqlite3.IntegrityError("a row of scenes does not match its seal")
    return [(code, bits) for code, bits, _ in rows]


def _make(connection: sqlite3.Connection, tables: str) -> None:
    """Run several statements inside the transaction that is open."""
    for statement in filter(str.strip, tables.split(";")):
        connection.execute(statement)


STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _add_forgetting, 2: _add_ageing}
