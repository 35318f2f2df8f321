from pathlib import Path

import pytest

from memory import Hippocampus, Store
from memory.__main__ import main
from memory.inspection import inspect
from memory.restoration import restore
from tests.memory.make import KEY_SIZE, make_episode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A memory of two games with a good copy of both."""
    memory = Hippocampus.open(tmp_path / "memory", KEY_SIZE)
    for number in (1, 2):
        memory.remember(make_episode([number], -1), "v")
    memory.store.close()
    return tmp_path / "memory"


def damage(path: Path) -> bytes:
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2 :] = bytes(len(contents) - len(contents) // 2)
    path.write_bytes(contents)
    return bytes(contents)


def test_the_last_good_copy_takes_the_place_of_a_damaged_memory_which_is_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = damage(folder / "memory.sqlite")
    with pytest.raises(ValueError, match="memory restore"):
        Store(folder)
    main(["restore", "--memory", str(folder)])
    assert "restored a memory of 2 games" in capsys.readouterr().out
    assert (folder / "memory.damaged-1.sqlite").read_bytes() == left
    assert inspect(folder) == []
    Store(folder).close()


def test_a_missing_memory_is_restored_too_as_after_a_kill_in_the_middle(folder: Path) -> None:
    (folder / "memory.sqlite").unlink()
    restore(folder)
    assert inspect(folder) == []


def test_what_was_set_aside_before_is_never_written_over(folder: Path) -> None:
    older = folder / "memory.damaged-2.sqlite"
    older.write_bytes(b"somebody has removed the first")
    (folder / "memory.damaged-1.sqlite-wal").write_bytes(b"the log of one that was missing")
    damage(folder / "memory.sqlite")
    assert restore(folder).kept[0] == "memory.damaged-3.sqlite"
    assert older.read_bytes() == b"somebody has removed the first"


def test_killed_before_the_copy_is_in_place_no_memory_is_begun_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(path: Path, target: Path) -> None:
        if path.name == "memory.restored.partial":
            raise KeyboardInterrupt
        path.rename(target)

    damage(folder / "memory.sqlite")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            restore(folder)
    with pytest.raises(ValueError, match="although games were stored"):
        Store(folder)
    restore(folder)
    assert inspect(folder) == []


@pytest.mark.parametrize(
    ("broken", "reason"),
    [((), "is sound"), (("sqlite", "backup.sqlite"), "copy is damaged, too")],
)
def test_nothing_is_touched_where_nothing_can_or_need_be_restored(
    folder: Path, broken: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for ending in broken:
        damage(folder / f"memory.{ending}")
    before = {path: path.read_bytes() for path in folder.glob("memory.*")}
    with pytest.raises(SystemExit) as stop:
        main(["restore", "--memory", str(folder)])
    assert stop.value.code == 2
    assert reason in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    assert not list(folder.glob("memory.damaged-*"))


def test_without_a_copy_there_is_nothing_to_restore_from(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no copy"):
        restore(tmp_path)


def test_forgetting_somebody_removes_what_was_set_aside(folder: Path) -> None:
    damage(folder / "memory.sqlite")
    restore(folder)
    main(["forget", "--player", "ana", "--memory", str(folder)])
    assert not list(folder.glob("memory.damaged-*"))


@pytest.mark.parametrize("emptied", [("memory.sqlite",), ("memory.sqlite", "memory.ledger")])
def test_an_emptied_memory_is_not_begun_anew_beside_its_copy(
    folder: Path, emptied: tuple[str, ...]
) -> None:
    for name in emptied:
        (folder / name).write_bytes(b"")
    copy = (folder / "memory.backup.sqlite").read_bytes()
    with pytest.raises(ValueError, match=r"although games were stored.* memory restore"):
        Store(folder)
    assert inspect(folder) != []
    assert (folder / "memory.backup.sqlite").read_bytes() == copy
    main(["restore", "--memory", str(folder)])
    assert inspect(folder) == []
    store = Store(folder)
    assert store.count("games") == 2
    store.close()


def test_without_its_ledger_a_deleted_memory_is_missed_too(folder: Path) -> None:
    for name in ("memory.sqlite", "memory.ledger"):
        (folder / name).unlink()
    with pytest.raises(ValueError, match="missing or empty, although games were stored"):
        Store(folder)
    restore(folder)
    assert inspect(folder) == []
