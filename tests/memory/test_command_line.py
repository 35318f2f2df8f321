"""`python -m memory`: what its commands say, and that a wrong one is one line without effect."""

import json
import os
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from memory import Answer, Hippocampus, Recalled, Store
from memory.__main__ import main
from memory.command_line import guarded
from memory.inspection import inspect
from memory.ledger import Ledger
from memory.portable import MARK, export, merge, opened
from memory.rows import marks, sealed
from memory.scenes import Scenes
from memory.sealed import seal_of
from tests.memory.make import KEY_SIZE, make_episode, make_trace

PERSON = "Zoë Wintersteen"


def fill(folder: Path, opponents: tuple[str, ...], start: int = 0) -> None:
    """Three lost games against each, all from different situations but the first."""
    memory = Hippocampus.open(folder, KEY_SIZE)
    for number, name in enumerate(opponents):
        for _ in range(3):
            place = start + 10 * number
            memory.remember(make_episode([0, place + 1, place + 2], -1, name), "v")
        memory.fade()
        Scenes(memory.store).note({make_trace(place + 1).code: bytes([number] * 16)})
    episode = make_episode([0], 1, opponents[0])
    episode.traces[0].recalled = (Recalled(1, 0, -1.0, 1.0, opponents[0]),)
    memory.remember(episode, "v")  # a surprise
    memory.store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "memory", (PERSON, "ben"))
    return tmp_path / "memory"


def run(*args: object) -> None:
    main([str(arg) for arg in args])


def complaint(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    with pytest.raises(SystemExit) as stop:
        run(*args)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def contents(folder: Path) -> dict[str, list[tuple]]:
    connection = sqlite3.connect(folder / "memory.sqlite")
    tables = ("games", "traces", "answers", "strategies", "sleeps", "scenes", "revisions")
    found = {table: sorted(connection.execute(f"SELECT * FROM {table}")) for table in tables}
    connection.close()
    return found


def test_show_counts_all_and_tells_what_was_noted_of_a_player(folder: Path, capsys) -> None:
    result = folder.parent / "show.json"
    run("show", "--memory", folder, "--json", result)
    assert PERSON.split()[0] in capsys.readouterr().out
    told = json.loads(result.read_text())
    counts = {name: told[name] for name in ("games", "traces", "sleeps", "revisions")}
    assert counts == {"games": 7, "traces": 19, "sleeps": 2, "revisions": 1}
    assert told["size_bytes"] > 10_000
    (zoe, ben) = told["opponents"]
    assert (zoe["name"], zoe["wins"], zoe["losses"], zoe["traces"]) == (PERSON, 1, 3, 10)
    assert (ben["name"], ben["game"], ben["draws"]) == ("ben", "connect", 0)
    run("show", "--memory", folder, "--player", "ben", "--json", result)
    notes = json.loads(result.read_text())["player"]["notes"]["connect"]
    assert len(notes["bad"]) == ben["strategies"] - len(notes["undetermined"])
    assert "3 times" in notes["bad"][0]


def test_every_command_says_in_one_line_what_is_wrong(folder: Path, tmp_path: Path, capsys) -> None:
    nowhere = tmp_path / "nowhere"
    for command in (["show"], ["verify"], ["export", tmp_path / "f"], ["forget", "--player", "x"]):
        assert "there is no memory in" in complaint(capsys, *command, "--memory", nowhere)
    assert not nowhere.exists()
    assert "nobody called 'x'" in complaint(capsys, "show", "--memory", folder, "--player", "x")
    forget = ("forget", "--memory", folder, "--player")
    assert f"it knows '{PERSON}', 'ben'" in complaint(capsys, *forget, "zoe")
    assert "exists already" in complaint(
        capsys, "export", "--memory", folder, folder / "memory.lock"
    )
    assert "no folder" in complaint(capsys, "show", "--memory", folder, "--json", nowhere / "j")
    assert "forget: --player STR Exactly as" in complaint(capsys, "forget", "--memory", folder)
    store = Store(folder)
    for command in (
        ["show"],
        ["verify"],
        ["export", tmp_path / "f"],
        [*forget[:1], "--player", "b"],
    ):
        assert "in use by another program" in complaint(capsys, *command, "--memory", folder)
    store.close()


def test_a_sound_memory_is_called_sound_and_is_not_touched(folder: Path, capsys) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.stat().st_size}
    run("verify", "--memory", folder, "--json", folder.parent / "v.json")
    assert "is sound" in capsys.readouterr().out
    assert json.loads((folder.parent / "v.json").read_text())["ok"]
    after = {name: (folder / name).read_bytes() for name in before}
    assert after == before


def test_a_memory_of_which_only_the_file_was_made_is_sound_unless_games_are_missing(
    tmp_path: Path,
) -> None:
    sqlite3.connect(tmp_path / "memory.sqlite").close()
    assert inspect(tmp_path) == []
    Ledger(tmp_path / "memory.ledger").write(3)
    assert "game 3 was stored but only 0 are there" in inspect(tmp_path)[0]


def spoil(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "memory.sqlite", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def reseal(folder: Path, table: str, column: int, value: object) -> None:
    """Change a value of the first row, and seal the row again."""
    connection = sqlite3.connect(folder / "memory.sqlite", isolation_level=None)
    row = list(connection.execute(f"SELECT * FROM {table}").fetchone()[:-1])
    row[column] = value
    new = sealed(tuple(row))
    connection.execute(f"REPLACE INTO {table} VALUES ({marks(new)})", new)
    connection.close()


def test_verify_names_each_damaged_table(folder: Path, capsys) -> None:
    spoil(folder, "UPDATE games SET result = 1 WHERE id = 2", "UPDATE scenes SET code = code + 1")
    error = complaint(capsys, "verify", "--memory", folder)
    assert "a row of games does not match its seal" in error
    assert "a row of scenes does not match its seal" in error


NAN = np.full(KEY_SIZE, np.nan, "<f2").tobytes()
LIES = [
    ("traces", 4, NAN),
    ("traces", 4, b""),
    ("traces", 4, np.zeros(KEY_SIZE, "<f2").tobytes()),
    ("traces", 4, np.eye(1, KEY_SIZE + 1, dtype="<f2").tobytes()),
    ("traces", 5, b"\xff\xff\xff\xff\xff\xff" + b"x"),
    ("traces", 5, b"x"),
    ("traces", 7, b"abc"),
    ("traces", 8, 99),
    ("traces", 11, float("inf")),
    ("traces", 14, 0.0),
    ("traces", 15, 2**63 - 1),
    ("traces", 3, -1),
    ("sleeps", 2, 2**60),
    ("games", 1, "../../etc/passwd"),
    ("games", 3, ""),
    ("games", 3, "x" * 5000),
    ("games", 4, 7.0),
    ("games", 5, -1),
    ("answers", 4, float("-inf")),
    ("strategies", 4, "[" * 5000),
    ("strategies", 4, '["rm"]'),
    ("strategies", 7, "{}"),
    ("scenes", 1, b"short"),
]


@pytest.mark.parametrize(("table", "column", "value"), LIES)
def test_a_sealed_lie_is_found_by_verify_and_refused_by_import(
    folder: Path, tmp_path: Path, capsys, table: str, column: int, value: object
) -> None:
    reseal(folder, table, column, value)
    (fault,) = inspect(folder)
    file, target = tmp_path / "file", tmp_path / "target"
    connection = sqlite3.connect(folder / "memory.sqlite")
    connection.execute(f"PRAGMA application_id = {MARK}")
    connection.close()
    (folder / "memory.sqlite").rename(file)
    error = complaint(capsys, "import", file, "--memory", target)
    assert fault.partition(": ")[2] in error
    assert not (target / "memory.sqlite").exists()


def test_what_was_exported_is_imported_whole_and_only_once(folder: Path, tmp_path: Path) -> None:
    file, target, told = tmp_path / "carried", tmp_path / "target", tmp_path / "told.json"
    run("export", file, "--memory", folder, "--json", told)
    assert json.loads(told.read_text())["games"] == 7
    assert b"WAL" not in file.read_bytes()[:100]
    fill(target, ("carl",), start=100)
    own = contents(target)
    run("import", file, "--memory", target, "--json", told)
    counts = {"games": 7, "traces": 19, "games_known": 0}
    assert counts.items() <= json.loads(told.read_text()).items()
    assert inspect(target) == []
    merged = contents(target)
    assert [row for row in merged["games"] if row[0] <= 4] == own["games"]
    assert {row[1] for row in contents(folder)["games"]} < {row[1] for row in merged["games"]}
    run("import", file, "--memory", target, "--json", told)
    again = json.loads(told.read_text())
    assert (again["games"], again["traces"], again["strategies"]) == (0, 0, 0)
    assert again["games_known"] == 7
    assert contents(target) == merged


def test_a_known_game_twice_as_long_is_merged_in_about_twice_the_work(tmp_path: Path) -> None:
    work = []
    for plies in (400, 800):
        memory = Hippocampus.open(tmp_path / str(plies), KEY_SIZE)
        memory.remember(make_episode(list(range(plies)), 1), "v")
        export(memory.store, tmp_path / "file")
        ticks: list[None] = []
        memory.store.connection.set_progress_handler(lambda seen=ticks: seen.append(None), 100)
        with opened(tmp_path / "file") as source:
            assert merge(memory.store, source).games_known == 1
        work.append(len(ticks))
        (tmp_path / "file").unlink()
        memory.store.close()
    assert work[1] < 2.5 * work[0]


def test_an_imported_memory_gives_the_advice_of_the_old_one(folder: Path, tmp_path: Path) -> None:
    run("export", tmp_path / "file", "--memory", folder)
    run("import", tmp_path / "file", "--memory", tmp_path / "new")
    old, new = (Hippocampus.open(f, KEY_SIZE) for f in (folder, tmp_path / "new"))
    assert new._beliefs._answers == old._beliefs._answers
    assert len(new) == len(old)
    strategies = [memory.book.read("connect", PERSON) for memory in (old, new)]
    assert strategies[0] == strategies[1]
    for memory in (old, new):
        memory.store.close()


def test_evidence_ages_and_revisions_follow_their_traces(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    fill(target, ("carl", "dora", "emil"), start=100)
    run("export", tmp_path / "file", "--memory", folder)
    run("import", tmp_path / "file", "--memory", target)
    old, new = contents(folder), contents(target)
    code = make_trace(1).code
    query = "SELECT id, ply, refreshed FROM traces WHERE code = ? ORDER BY id"
    places = []
    for place in (folder, target):
        connection = sqlite3.connect(place / "memory.sqlite")
        places.append(connection.execute(query, (code,)).fetchall())
        connection.close()
    assert [row[2] + 1 for row in places[0]] == [row[2] for row in places[1]]  # 2 and 3 sleeps
    ids = {a[0]: b[0] for a, b in zip(*places, strict=True)}
    evidence = {(row[2], row[3]): json.loads(row[7]) for row in new["strategies"]}
    for row in old["strategies"]:
        if row[3] == code:
            assert evidence[row[2], code] == [ids[i] for i in json.loads(row[7])]
    assert len(new["revisions"]) == 2


def test_of_two_beliefs_the_one_that_rests_on_more_stays(folder: Path, tmp_path: Path) -> None:
    run("export", tmp_path / "file", "--memory", folder)
    code = make_trace(0).code
    for count, kept in ((1, "file"), (100, "memory")):
        target = tmp_path / f"target-{kept}"
        memory = Hippocampus.open(target, KEY_SIZE)
        memory.remember(make_episode([0], 1, "ben"), "v")
        memory.store.write_answers("connect", {("ben", code, 0): Answer(0.25, count)})
        memory.store.close()
        run("import", tmp_path / "file", "--memory", target)
        memory = Hippocampus.open(target, KEY_SIZE)
        assert (memory.answers("connect", "ben", code)[0].value == 0.25) is (kept == "memory")
        memory.store.close()


def exported(folder: Path, file: Path) -> Path:
    run("export", file, "--memory", folder)
    return file


def test_files_that_are_none_of_ours_change_nothing(folder: Path, tmp_path: Path, capsys) -> None:
    file = exported(folder, tmp_path / "file")
    target = tmp_path / "target"
    fill(target, ("carl",))
    before = contents(target)

    def refused(path: Path, why: str) -> None:
        assert why in complaint(capsys, "import", path, "--memory", target)
        assert contents(target) == before
        assert inspect(target) == []

    sound = file.read_bytes()
    refused(tmp_path / "missing", "there is no file")
    refused(tmp_path, "there is no file")
    for name, content in (("empty", b""), ("pickle", b"\x80\x04K\x01."), ("zip", b"PK\x03\x04")):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "not an exported memory")
    refused(target / "memory.backup.sqlite", "not an exported memory")
    for share in (0.3, 0.9):
        (tmp_path / "half").write_bytes(sound[: int(share * len(sound))])
        refused(tmp_path / "half", "damaged")

    def changed(name: str, *statements: str) -> Path:
        path = tmp_path / name
        path.write_bytes(sound)
        connection = sqlite3.connect(path, isolation_level=None)
        for statement in statements:
            connection.execute(statement)
        connection.close()
        return path

    newer = "UPDATE meta SET value = '99' WHERE name = 'schema_version'"
    refused(changed("newer", newer), "newer version")
    trigger = "CREATE TRIGGER evil AFTER INSERT ON games BEGIN DELETE FROM traces; END"
    refused(changed("trigger", trigger), "tables of a memory")
    refused(changed("view", "CREATE VIEW evil AS SELECT 1"), "tables of a memory")
    endless = (
        "ALTER TABLE meta RENAME TO old",
        "CREATE VIEW meta AS WITH RECURSIVE r(name, value) AS "
        "(SELECT 'a', '1' UNION ALL SELECT name, value || '' FROM r) SELECT * FROM r",
    )
    refused(changed("endless", *endless), "tables of a memory")
    refused(changed("column", "ALTER TABLE games ADD COLUMN evil"), "tables of a memory")
    refused(
        changed("orphans", "DELETE FROM games WHERE id = 1"), "belongs to one that is not there"
    )
    refused(changed("row", "UPDATE traces SET value = 1 WHERE id = 2"), "does not match its seal")
    huge = "UPDATE traces SET frame = zeroblob(40000000) WHERE id = 2"
    refused(changed("huge", huge), "damaged")


@pytest.mark.parametrize(
    ("size", "actions", "said"),
    [(KEY_SIZE + 1, 4, "keys have 8 numbers, this memory's 9"),
     (KEY_SIZE, 5, "policies have 4 numbers, this memory's 5")],
)  # fmt: skip
def test_what_another_agent_remembers_is_refused(
    size: int, actions: int, said: str, folder: Path, tmp_path: Path, capsys
) -> None:
    file = exported(folder, tmp_path / "file")
    target = tmp_path / "target"
    memory = Hippocampus.open(target, size)
    episode = make_episode([1], 1)
    episode.traces[0].key = np.eye(1, size, dtype=np.float32)[0]
    episode.traces[0].policy = np.full(actions, 1 / actions, np.float32)
    memory.remember(episode, "v")
    memory.store.close()
    before = contents(target)
    assert said in complaint(capsys, "import", file, "--memory", target)
    assert contents(target) == before


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_nothing_of_a_forgotten_player_is_left_on_disk(folder: Path, capsys) -> None:
    old = folder / "memory.schema-1.sqlite"  # as a migration leaves it
    old.write_bytes((folder / "memory.backup.sqlite").read_bytes())
    (folder / "memory.backup.sqlite.partial").write_text(PERSON)
    (folder / "neocortex.safetensors").write_bytes(b"learned from her games, too")
    assert PERSON.encode() in bytes_on_disk(folder)
    told = folder.parent / "told.json"
    run("forget", "--memory", folder, "--player", PERSON, "--json", told)
    counts = {"games": 4, "traces": 10, "copies": 3, "learned": 1}
    assert counts.items() <= json.loads(told.read_text()).items()
    assert "removed 4 games, 10 traces" in capsys.readouterr().out
    assert PERSON.encode() not in bytes_on_disk(folder)
    assert not list(folder.glob("*.safetensors*"))
    assert inspect(folder) == []
    left = contents(folder)
    assert {row[3] for row in left["games"]} == {"ben"}
    gone = {make_trace(i).code for i in (1, 2)}
    for table, column in (("traces", 3), ("answers", 2), ("strategies", 3), ("scenes", 0)):
        assert not gone & {row[column] for row in left[table]}
    assert left["revisions"] == []
    assert "knows nobody called" in complaint(
        capsys, "forget", "--memory", folder, "--player", PERSON
    )


def test_what_everybody_taught_is_left_as_the_others_taught_it(tmp_path: Path) -> None:
    fill(tmp_path / "both", ("ana", "ben"))
    run("forget", "--memory", tmp_path / "both", "--player", "ana")
    fill(tmp_path / "alone", ("ben",), start=10)
    spoil(tmp_path / "alone", "DELETE FROM games WHERE id = 4")  # her last game
    both, alone = (
        {row[:4]: row[4:6] for row in contents(tmp_path / name)["answers"]}
        for name in ("both", "alone")
    )
    shared = [belief for belief in both if belief[1] == ""]
    assert len(shared) == 3
    for belief in shared:
        if belief[2] != make_trace(0).code:
            assert both[belief] == pytest.approx(alone[belief])


def test_a_player_can_be_forgotten_who_left_only_notes(folder: Path) -> None:
    spoil(
        folder,
        "DELETE FROM traces WHERE game_id IN (SELECT id FROM games WHERE opponent = 'ben')",
    )
    run("forget", "--memory", folder, "--player", "ben")
    assert inspect(folder) == []


def test_numbers_are_not_used_again_after_somebody_was_forgotten(folder: Path) -> None:
    run("forget", "--memory", folder, "--player", PERSON)
    store = Store(folder)
    assert store.last_game() == 7
    store.close()


def test_names_cannot_command_the_terminal(tmp_path: Path, capsys) -> None:
    fill(tmp_path, ("[red]\x1b[2Jeve", "ben"))
    run("show", "--memory", tmp_path)
    out = capsys.readouterr().out
    assert "[red]?[2Jeve" in out
    assert "\x1b[2J" not in out


def test_a_deleted_memory_is_damage_as_long_as_anything_tells_of_it(folder: Path, capsys) -> None:
    (folder / "memory.sqlite").unlink()
    assert "it is missing; 7 games were stored" in complaint(capsys, "verify", "--memory", folder)
    for command in (["show"], ["export", folder.parent / "f"]):
        said = complaint(capsys, *command, "--memory", folder)
        assert f"python -m memory restore --memory {folder}" in said
    run("restore", "--memory", folder)
    run("verify", "--memory", folder)


@pytest.mark.parametrize("library", ["", "torch."])
def test_what_sleep_taught_is_verified_too(folder: Path, library: str, capsys) -> None:
    numbers = {"slow.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.array(3)}
    notes = {"format": "neocortex-1"}
    content = bytearray(save(numbers, {**notes, "seal": seal_of(notes, numbers, library)}))
    path = folder / "eyes.neocortex.safetensors"
    path.write_bytes(content)
    run("verify", "--memory", folder)
    content[-1] ^= 1
    path.write_bytes(content)
    assert f"{path} is damaged: its content does not match" in complaint(
        capsys, "verify", "--memory", folder
    )
    path.rename(folder / "eyes.neocortex.damaged-2.safetensors")
    run("verify", "--memory", folder)


def test_a_reader_who_has_gone_is_no_mistake(folder: Path) -> None:
    """As in `python -m memory show | head -0`."""
    command = [sys.executable, "-m", "memory", "show", "--memory", str(folder)]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr == b""


def told(category: type[Warning]) -> str:
    return warnings.formatwarning("a file was set aside", category, "looks.py", 93, "code")


def test_our_warnings_are_one_line_without_code_while_a_command_runs() -> None:
    before = told(UserWarning)
    assert "looks.py:93" in before
    assert guarded(lambda: told(UserWarning)) == "warning: a file was set aside\n"
    assert guarded(lambda: told(DeprecationWarning)) == told(DeprecationWarning)
    assert told(UserWarning) == before


def test_forgetting_and_verify_leave_the_networks_own_files_alone(folder: Path, capsys) -> None:
    own = {"network.safetensors": b"weights", "exemplars.safetensors": b"situations"}
    taught = (
        "neocortex.safetensors", "a.neocortex.safetensors", "a.attributes.damaged-2.safetensors",
        "a.attributes.safetensors", "a.neocortex.safetensors.partial",
    )  # fmt: skip
    for name, content in own.items():
        (folder / name).write_bytes(content)
    run("verify", "--memory", folder)
    for name in taught:
        (folder / name).write_bytes(b"learned from her games, too")
    told = folder.parent / "told.json"
    run("forget", "--memory", folder, "--player", PERSON, "--json", told)
    assert json.loads(told.read_text())["learned"] == len(taught)
    assert {path.name: path.read_bytes() for path in folder.glob("*.safetensors*")} == own


def test_frames_of_another_size_are_refused_by_import_and_named_by_verify(
    folder: Path, tmp_path: Path, capsys
) -> None:
    file, target = exported(folder, tmp_path / "file"), tmp_path / "target"
    memory = Hippocampus.open(target, KEY_SIZE)
    episode = make_episode([1], 1)
    episode.traces[0].frame = np.zeros((3, 8, 8), np.uint8)
    memory.remember(episode, "v")
    memory.store.close()
    before = contents(target)
    said = "its frames are (3, 16, 16), this memory's (3, 8, 8): it belongs to another agent"
    assert said in complaint(capsys, "import", file, "--memory", target)
    assert contents(target) == before
    memory = Hippocampus.open(target, KEY_SIZE)
    memory.remember(make_episode([1], 1), "v")  # as an older version took it in
    memory.store.close()
    assert "frames have different shapes" in complaint(capsys, "verify", "--memory", target)


def shared_answers(folder: Path) -> dict[tuple, tuple]:
    return {row[:4]: row[4:6] for row in contents(folder)["answers"] if row[1] == ""}


def test_what_a_forgotten_player_taught_is_gone_though_their_traces_have_faded(
    tmp_path: Path,
) -> None:
    for name, opponents in (("both", ("ana", "ben")), ("alone", ("ben",))):
        memory = Hippocampus.open(tmp_path / name, KEY_SIZE)
        for opponent in opponents:
            result = 1 if opponent == "ben" else -1
            memory.remember(make_episode([1, 2, 1], result, opponent), "v")
        if name == "both":
            memory._forget(np.array([1, 2, 3]))  # ana's
        memory.store.close()
    assert shared_answers(tmp_path / "both") != shared_answers(tmp_path / "alone")
    run("forget", "--memory", tmp_path / "both", "--player", "ana")
    assert shared_answers(tmp_path / "both") == shared_answers(tmp_path / "alone")
    assert inspect(tmp_path / "both") == []


def test_forgetting_somebody_leaves_alone_what_was_taught_in_games_they_never_played(
    folder: Path,
) -> None:
    memory = Hippocampus.open(folder, KEY_SIZE)
    code = make_trace(1).code
    memory.store.write_answers("tron", {("", code, 0): Answer(0.25, 7)})
    memory.store.close()
    run("forget", "--memory", folder, "--player", PERSON)
    assert shared_answers(folder)["tron", "", code, 0] == (0.25, 7)


def test_scenes_are_not_imported_without_the_dictionary_that_described_them(
    folder: Path, tmp_path: Path
) -> None:
    run("export", tmp_path / "file", "--memory", folder)
    run("import", tmp_path / "file", "--memory", tmp_path / "new")
    fill(tmp_path / "other", ("carl",), start=100)
    before = contents(tmp_path / "other")["scenes"]
    run("import", tmp_path / "file", "--memory", tmp_path / "other")
    assert contents(folder)["scenes"] != []
    assert contents(tmp_path / "new")["scenes"] == []
    assert contents(tmp_path / "other")["scenes"] == before
