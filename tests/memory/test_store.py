import json
import random
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from memory import Answer, MemoryBusyError, MemoryDamagedError, Store
from memory.ledger import Ledger
from tests.memory.make import make_episode, read_traces

ROOT = Path(__file__).parents[2]


def write(store: Store, situations: list[int], result: float = 1.0) -> list[int]:
    episode = make_episode(situations, result)
    answers = {("ana", t.code, t.action): Answer(0.5, 1) for t in episode.traces}
    rows = [("ana", episode.traces[0].code, [0], 1, 0.5, [-1], 1.0)]
    return store.write_game(episode, answers, rows, "v")


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    folder = tmp_path / "memory"
    store = Store(folder)
    for start in range(0, 60, 3):
        write(store, [start, start + 1, start + 2], result=start % 2)
    store.close()
    return folder


def contents(store: Store) -> list[list[tuple]]:
    return [
        sorted(store.connection.execute(f"SELECT * FROM {table}"))
        for table in ("games", "traces", "answers", "strategies")
    ]


def test_a_game_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ids = write(store, [1, 2], result=-1)
    found = read_traces(store, [*ids, 99])
    assert store.read_opponents_by_game() == {1: ("ana", "connect")}
    store.close()
    assert list(found) == ids
    trace, original = found[ids[0]], make_episode([1, 2], -1).traces[0]
    assert trace.code == original.code
    assert np.array_equal(trace.frame, original.frame)
    assert np.array_equal(trace.legal_actions, original.legal_actions)
    assert np.array_equal(trace.fixations, original.fixations)
    assert np.allclose(trace.key, original.key, atol=1e-3)
    assert np.array_equal(trace.state, original.state)


def test_ids_are_never_used_twice(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = write(store, [1, 2])
    store.connection.execute("DELETE FROM traces")
    assert min(write(store, [3])) > max(first)
    store.close()


def test_the_memory_writes_ahead_and_syncs_fully(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()


def test_two_programs_cannot_open_one_memory(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(MemoryBusyError, match="in use"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_a_newer_memory_is_refused_and_left_alone(filled: Path) -> None:
    with sqlite3.connect(filled / "memory.sqlite") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    connection.close()
    before = (filled / "memory.sqlite").read_bytes()
    with pytest.raises(ValueError, match="newer version"):
        Store(filled)
    assert (filled / "memory.sqlite").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    with pytest.raises(ValueError, match=r"file.* cannot be written"):
        Store(blocker / "memory")


def test_a_full_disk_stores_nothing_of_the_game_and_keeps_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(store, [1, 2])
    before = contents(store)
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    episode = make_episode(list(range(100, 140)), 1)
    for trace in episode.traces:
        trace.frame = np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8)
    with pytest.raises(ValueError, match="could not be stored"):
        store.write_game(episode, {}, [], "v")
    assert contents(store) == before
    store.close()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_named_and_the_last_good_copy_kept(filled: Path, share: float) -> None:
    path = filled / "memory.sqlite"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    damaged = path.read_bytes()
    with pytest.raises(MemoryDamagedError, match=r"memory\.sqlite is damaged.*last good copy"):
        Store(filled)
    assert path.read_bytes() == damaged
    shutil.copy(filled / "memory.backup.sqlite", path)
    store = Store(filled)
    assert store.count("games") == 20
    store.close()


def test_a_flipped_bit_is_named_or_did_not_matter(filled: Path) -> None:
    path = filled / "memory.sqlite"
    sound = path.read_bytes()
    store = Store(filled)
    wanted = contents(store)
    store.close()
    dice = random.Random(0)
    named = 0
    for _ in range(150):
        spoiled = bytearray(sound)
        spoiled[dice.randrange(len(sound))] ^= 1 << dice.randrange(8)
        path.write_bytes(spoiled)
        complaint = ""
        try:
            store = Store(filled)
        except ValueError as error:
            complaint = str(error)
            named += 1
        else:
            assert contents(store) == wanted
            store.close()
        assert complaint == "" or "memory.sqlite" in complaint
        for leftover in filled.glob("memory.sqlite-*"):
            leftover.unlink()
    assert named > 20  # the other bits lie in space that holds nothing


def test_tables_whose_description_is_no_text_are_named(filled: Path) -> None:
    path = filled / "memory.sqlite"
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE games", b"CREATE TAB\xa0E games"))
    with pytest.raises(MemoryDamagedError, match=r"memory\.sqlite is damaged"):
        Store(filled)


def test_a_missing_database_or_a_lost_log_is_noticed_by_the_ledger(filled: Path) -> None:
    (filled / "memory.sqlite").rename(filled / "elsewhere")
    with pytest.raises(MemoryDamagedError, match="missing"):
        Store(filled)
    (filled / "elsewhere").rename(filled / "memory.sqlite")
    Ledger(filled / "memory.ledger").write(21)
    with pytest.raises(MemoryDamagedError, match="game 21 was stored but only 20"):
        Store(filled)


@pytest.mark.parametrize("content", ["", "{", '{"last_game": 7, "seal": 1}', "[]"])
def test_a_damaged_ledger_is_made_anew(filled: Path, content: str) -> None:
    (filled / "memory.ledger").write_text(content)
    Store(filled).close()
    assert json.loads((filled / "memory.ledger").read_text())["last_game"] == 20


def test_a_draw_told_as_minus_zero_leaves_a_memory_that_opens_again(tmp_path: Path) -> None:
    for _ in range(2):
        store = Store(tmp_path)
        write(store, [1, 2], result=-0.0)
        store.check()
        store.close()
    store = Store(tmp_path)
    assert store.results("ana") == [0, 0]
    store.close()
