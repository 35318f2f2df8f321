"""Kills, damage to every file, full disks, folders that cannot be written."""

import errno
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from memory import Hippocampus, MemoryDamagedError, Store
from memory.inspection import inspect
from memory.portable import export
from tests.memory.make import KEY_SIZE, make_episode

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kills", "least"), [(10, 3), pytest.param(200, 100, marks=pytest.mark.slow)]
)
def test_killed_while_it_plays_sleeps_or_forgets_it_loses_nothing(
    tmp_path: Path, kills: int, least: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.memory.mortal", str(tmp_path / "m"), str(kills), "7"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= least


def fill(folder: Path, games: int) -> Hippocampus:
    memory = Hippocampus.open(folder, KEY_SIZE)
    for game in range(games):
        memory.remember(make_episode([3 * game, 3 * game + 1, 3 * game + 2], -1), "v")
    memory.book.note_scenes({7: bytes(16)})
    memory.fade()
    return memory


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory as a crash leaves it: a good copy of 4 games, 4 more in the log, nothing closed."""
    folder, copy = tmp_path_factory.mktemp("memory"), tmp_path_factory.mktemp("crashed")
    fill(folder, 4).store.close()
    memory = fill(folder, 4)
    for file in folder.iterdir():
        if file.name != "memory.lock":
            shutil.copy(file, copy / file.name)
    memory.store.close()
    return copy


FILES = [
    "memory.sqlite", "memory.sqlite-wal", "memory.sqlite-shm", "memory.ledger",
    "memory.backup.sqlite", "memory.lock",
]  # fmt: skip


def spoiled(content: bytes, share: float, dice: random.Random) -> bytes:
    """Truncated to a share, or with one bit flipped."""
    if share < 1:
        return content[: int(share * len(content))]
    place = dice.randrange(max(1, len(content)))
    return (
        content[:place]
        + bytes([(content + b"x")[place] ^ 1 << dice.randrange(8)])
        + content[place + 1 :]
    )


def games_or_complaint(folder: Path) -> tuple[int, str]:
    try:
        store = Store(folder)
    except MemoryDamagedError as error:
        return 0, str(error)
    store.check()
    games = store.count("games")
    store.close()
    return games, ""


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 1.0])
def test_whatever_file_is_damaged_no_game_is_lost_unnoticed(
    crashed: Path, tmp_path: Path, name: str, share: float
) -> None:
    dice = random.Random(f"{name} {share}")
    for turn in range(6 if share == 1 else 1):
        folder = tmp_path / str(turn)
        shutil.copytree(crashed, folder)
        file = folder / name
        content = spoiled(file.read_bytes() if file.exists() else b"", share, dice)
        file.write_bytes(content)
        backup = (folder / "memory.backup.sqlite").read_bytes()
        games, complaint = games_or_complaint(folder)
        if complaint:
            assert "memory.sqlite is damaged" in complaint
            assert "the last good copy is" in complaint
            assert file.read_bytes() == content  # left as it is
            assert (folder / "memory.backup.sqlite").read_bytes() == backup
            assert inspect(folder) != []
        else:
            assert games == 8
            assert all("memory.backup.sqlite: " in fault for fault in inspect(folder))


def test_a_log_that_was_cut_is_named_and_neither_it_nor_the_file_is_touched(
    crashed: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(crashed, tmp_path / "m")
    log = folder / "memory.sqlite-wal"
    log.write_bytes(log.read_bytes()[:-20_000])
    (folder / "memory.sqlite-shm").unlink()
    before = {name: (folder / name).read_bytes() for name in FILES[:2]}
    with pytest.raises(MemoryDamagedError, match=r"game 8 was stored but only \d are there"):
        Store(folder)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert "game 8 was stored" in inspect(folder)[0]


def test_a_damaged_copy_is_named_by_verify_and_made_anew_by_the_next_game(
    crashed: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(crashed, tmp_path / "m")
    backup = folder / "memory.backup.sqlite"
    backup.write_bytes(backup.read_bytes()[:5000])
    assert "memory.backup.sqlite" in inspect(folder)[0]
    fill(folder, 1).store.close()
    assert inspect(folder) == []


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As on a full disk: what would make a file larger fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_a_game_is_refused_in_one_line_and_can_be_stored_later(
    tmp_path: Path,
) -> None:
    memory = fill(tmp_path, 2)
    log = (tmp_path / "memory.sqlite-wal").stat().st_size
    with (
        no_file_larger_than(log + 1000),
        pytest.raises(ValueError, match="the game could not be stored in") as caught,
    ):
        memory.remember(make_episode([50, 51], 1), "v")
    assert "\n" not in str(caught.value)
    memory.check_valid()
    memory.remember(make_episode([50, 51], 1), "v")
    memory.check_valid()
    memory.store.close()
    assert inspect(tmp_path) == []
    store = Store(tmp_path)
    assert store.count("games") == 3
    store.close()


def test_a_disk_too_full_for_the_copy_loses_nothing_and_lets_others_in(tmp_path: Path) -> None:
    fill(tmp_path, 2).store.close()
    old = (tmp_path / "memory.backup.sqlite").read_bytes()
    memory = fill(tmp_path, 1)
    with no_file_larger_than(20_000), pytest.raises(ValueError, match="copy could not be renewed"):
        memory.store.close()
    assert (tmp_path / "memory.backup.sqlite").read_bytes() == old
    assert not list(tmp_path.glob("*partial*"))
    assert inspect(tmp_path) == []
    store = Store(tmp_path)
    assert store.count("games") == 3
    store.close()


def test_a_ledger_that_cannot_be_written_does_not_lose_the_game(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = fill(tmp_path, 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("memory.ledger.Ledger.write", full)
    memory.remember(make_episode([60, 61], 1), "v")
    memory.check_valid()
    monkeypatch.undo()
    memory.store.close()
    memory = fill(tmp_path, 1)
    assert memory.store.count("games") == 3
    memory.store.close()


def test_a_new_memory_on_a_full_disk_is_not_called_damaged(tmp_path: Path) -> None:
    with no_file_larger_than(3000), pytest.raises(ValueError, match="cannot be opened") as caught:
        Store(tmp_path / "m")
    assert not isinstance(caught.value, MemoryDamagedError)
    store = Store(tmp_path / "m")
    assert store.count("games") == 0
    store.close()


def test_an_export_to_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    memory = fill(tmp_path / "m", 3)
    with no_file_larger_than(20_000), pytest.raises(ValueError, match="cannot write"):
        export(memory.store, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    memory.store.close()


def test_a_folder_that_became_read_only_is_named_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 2).store.close()

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", read_only)
    with pytest.raises(ValueError, match="cannot be written: Read-only file system"):
        Store(tmp_path)
    with pytest.raises(ValueError, match="cannot be written: Read-only file system"):
        inspect(tmp_path)
    monkeypatch.undo()
    assert inspect(tmp_path) == []
