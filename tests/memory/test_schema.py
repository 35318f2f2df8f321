import json
import sqlite3
import zlib
from pathlib import Path

import pytest

from memory import MemoryDamagedError, Store, schema
from memory.rows import marks, seal, sealed, trace_row
from memory.scenes import Scenes
from memory.schema import VERSION
from memory.strategies import StrategyBook
from tests.memory.make import make_trace

# The tables as version 1 made them, word for word.
FIRST_SCHEMA = """
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
INSERT INTO meta VALUES ('schema_version', '1');
"""


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A memory of version 1: two games of two decisions; a third game was once there."""
    connection = sqlite3.connect(tmp_path / "memory.sqlite", isolation_level=None)
    connection.executescript(FIRST_SCHEMA)
    for game in (1, 2):
        row = sealed((game, "connect", "ana", -1.0, 1000.0 + game))
        connection.execute("INSERT INTO games VALUES (?, ?, ?, ?, ?, ?)", row)
        for ply in (0, 1):
            *new, _ = trace_row(2 * game - 1 + ply, game, ply, make_trace(ply, action=ply), "v")
            old = sealed((*new[:14], new[-1]))  # without stability and refreshed
            connection.execute(f"INSERT INTO traces VALUES ({', '.join('?' * 16)})", old)
    row = sealed(("connect", "ana", make_trace(1).code, 1, -1.0, 2))
    connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    connection.execute("UPDATE sqlite_sequence SET seq = 3 WHERE name = 'games'")
    connection.execute("UPDATE sqlite_sequence SET seq = 9 WHERE name = 'traces'")
    connection.close()
    return tmp_path


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A memory of version 2 after one sleep, with a strategy and a scene under its old seal."""
    connection = sqlite3.connect(tmp_path / "memory.sqlite", isolation_level=None)
    columns = "count INTEGER NOT NULL, mean REAL NOT NULL, evidence TEXT NOT NULL"
    unique = "UNIQUE (game, opponent, code, actions)"
    connection.executescript(
        schema.BELIEFS + schema.GAMES + schema.TRACES + schema.SLEEPS +
        "CREATE TABLE strategies (id INTEGER PRIMARY KEY AUTOINCREMENT, game TEXT NOT NULL, "
        "opponent TEXT NOT NULL, code INTEGER NOT NULL, actions TEXT NOT NULL, "
        f"{columns}, seal INTEGER NOT NULL, {unique});"
        "CREATE TABLE scenes (code INTEGER PRIMARY KEY, bits BLOB NOT NULL, seal INTEGER NOT NULL);"
        "INSERT INTO meta VALUES ('schema_version', '2');"
    )  # fmt: skip
    row = sealed((4, "connect", "ana", 5, "[0, 1]", 3, -0.9, "[7]"))
    connection.execute(f"INSERT INTO strategies VALUES ({marks(row)})", row)
    connection.execute("INSERT INTO sleeps VALUES (?, ?, ?, ?)", sealed((1, 1000.0, 0)))
    scene = (5, bytes(range(16)))
    old_seal = zlib.crc32(b"%d " % scene[0] + scene[1])
    connection.execute("INSERT INTO scenes VALUES (?, ?, ?)", (*scene, old_seal))
    connection.close()
    return tmp_path


def tables(path: Path) -> dict[str, list[tuple]]:
    connection = sqlite3.connect(path)
    names = ("games", "traces", "answers", "strategies")
    found = {name: sorted(connection.execute(f"SELECT * FROM {name}")) for name in names}
    connection.close()
    return found


def test_an_older_memory_is_brought_up_to_date_after_a_copy_was_kept(first: Path) -> None:
    before = tables(first / "memory.sqlite")
    store = Store(first)
    assert store.connection.execute("SELECT value FROM meta").fetchone() == (str(VERSION),)
    assert tables(first / "memory.schema-1.sqlite") == before
    (one, two) = store.read_episodes("connect", "ana")
    assert [t.action for t in one.traces] == [t.action for t in two.traces] == [0, 1]
    assert (one.traces[0].stability, one.traces[0].refreshed) == (1.0, 0)
    uids = [row[0] for row in store.connection.execute("SELECT uid FROM games")]
    assert len(set(uids)) == 2
    assert store.last_game() == 3
    assert store.last_id("traces") == 9
    store.check()
    store.close()
    after = tables(first / "memory.sqlite")
    assert after["answers"] == before["answers"]
    Store(first).close()  # and opens again as it is


def test_a_damaged_older_memory_is_not_migrated(first: Path) -> None:
    connection = sqlite3.connect(first / "memory.sqlite")
    connection.execute("UPDATE games SET result = 1 WHERE id = 2")
    connection.commit()
    connection.close()
    before = tables(first / "memory.sqlite")
    with pytest.raises(MemoryDamagedError, match="a row of games does not match its seal"):
        Store(first)
    assert tables(first / "memory.sqlite") == before
    assert not (first / "memory.schema-1.sqlite").exists()


def test_a_migration_that_fails_half_way_leaves_the_memory_as_it_was(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(first / "memory.sqlite")
    monkeypatch.setattr("memory.schema.game_uid", lambda *_: "the same")  # a clash in game 2
    with pytest.raises(MemoryDamagedError, match="UNIQUE"):
        Store(first)
    assert tables(first / "memory.sqlite") == before
    monkeypatch.undo()
    Store(first).close()


def test_strategies_and_scenes_of_version_2_are_taken_over(second: Path) -> None:
    store = Store(second)
    store.check()
    (strategy,) = StrategyBook(store).read("connect", "ana")
    assert (strategy.count, strategy.weight, strategy.actions) == (3, 3.0, (0, 1))
    assert strategy.attributes == bytes(range(16))
    assert store.last_id("strategies") == 4
    assert store.connection.execute("SELECT refreshed FROM strategies").fetchone() == (1,)
    store.close()
    Store(second).close()


def test_a_damaged_scene_of_version_2_is_named_and_nothing_changes(second: Path) -> None:
    connection = sqlite3.connect(second / "memory.sqlite")
    connection.execute("UPDATE scenes SET code = 6")
    connection.commit()
    connection.close()
    before = tables(second / "memory.sqlite")
    with pytest.raises(MemoryDamagedError, match="a row of scenes does not match its seal"):
        Store(second)
    assert tables(second / "memory.sqlite") == before


def test_a_scene_is_part_of_the_check() -> None:
    store = Store()
    Scenes(store).note({5: bytes(16)})
    store.check()
    store.connection.execute("UPDATE scenes SET code = 6")
    with pytest.raises(MemoryDamagedError, match="a row of scenes does not match its seal"):
        store.check()


def test_a_memory_without_a_version_is_named(first: Path) -> None:
    for value in ("", "zero", "0"):
        connection = sqlite3.connect(first / "memory.sqlite")
        connection.execute("UPDATE meta SET value = ?", (value,))
        connection.commit()
        connection.close()
        with pytest.raises(MemoryDamagedError, match="no schema version"):
            Store(first)


def test_a_seal_depends_on_every_value_and_on_where_it_stands() -> None:
    row = (1, "ana", 0.5, b"\x00\x01", json.dumps([1]))
    seals = {seal(row), seal(row[::-1]), seal((1, "ana", 0.5, b"\x00\x00", "[1]"))}
    seals |= {seal((2, *row[1:])), seal((1, "an", "a", *row[2:]))}
    assert len(seals) == 5


def test_a_zero_that_was_sealed_with_a_sign_is_believed_and_no_other_value(tmp_path: Path) -> None:
    """SQLite has no -0.0, and older versions sealed what they had given it."""
    store = Store(tmp_path)
    told = zlib.crc32(b"\x1f".join([b"1", b"'uid'", b"'g'", b"'ana'", b"-0.0", b"0", b"0.0", b""]))
    store.connection.execute(
        "INSERT INTO games VALUES (1, 'uid', 'g', 'ana', ?, 0, 0.0, ?)", (-0.0, told)
    )
    store.check()
    for column, value in (("result", 1.0), ("plies", 1), ("opponent", "-0.0")):
        before = store.connection.execute(f"SELECT {column} FROM games").fetchone()
        store.connection.execute(f"UPDATE games SET {column} = ?", (value,))
        with pytest.raises(MemoryDamagedError, match="a row of games does not match its seal"):
            store.check()
        store.connection.execute(f"UPDATE games SET {column} = ?", before)
    store.close()
    Store(tmp_path).close()
