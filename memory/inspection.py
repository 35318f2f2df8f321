"""Is a memory sound? Everything is read once, and whatever is not in order is named.

Nothing is changed or mended here. The same eyes look at a stranger's file before it is imported.
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from memory import schema
from memory.database import LEARNED, MemoryDamagedError, hold, open_unchanged
from memory.index import KeyIndex
from memory.ledger import Ledger
from memory.rows import trace_of
from memory.sealed import read_sealed
from memory.store import frame_shapes
from memory.traces import Floats

BATCH = 1024
LONGEST_NAME = 1000
LARGEST = 1 << 48
"""No count, age, place or id of a memory comes near it."""
MANY = 20
"""So many faults are named; what follows is likely more of the same."""


def inspect(directory: Path) -> list[str]:
    """Name all that is wrong with the memory in a folder; empty if it is sound.

    Raises:
        MemoryBusyError: if another program has it open.
        ValueError: if there is no memory, or the folder cannot be written.
    """
    path, backup = directory / "memory.sqlite", directory / "memory.backup.sqlite"
    check_there_is_one(directory)
    lock = hold(directory)
    try:
        faults = [f"{path}: {fault}" for fault in faults_of_file(path)]
        if backup.exists():
            faults += [f"{backup}: {fault}" for fault in faults_of_file(backup, is_copy=True)]
        return faults + _faults_of_learned(directory)
    finally:
        lock.release()


def check_there_is_one(directory: Path) -> None:
    """Raise `ValueError` if there is no memory in a folder, not even a trace of one."""
    traces = (f"memory.{kind}" for kind in ("sqlite", "ledger", "backup.sqlite"))
    if not any((directory / name).exists() for name in traces):
        raise ValueError(f"there is no memory in {directory}")


def _faults_of_learned(directory: Path) -> list[str]:
    """What is wrong with what sleep has left beside the memory, but for what was set aside."""
    faults = []
    for path in sorted(path for pattern in LEARNED for path in directory.glob(pattern)):
        if path.suffix != ".safetensors" or ".damaged" in path.name:
            continue
        try:
            read_sealed(path)
        except MemoryDamagedError as error:
            faults.append(str(error))
    return faults


def faults_of_file(path: Path, is_copy: bool = False) -> list[str]:
    """Name all that is wrong with one file; of a copy, the ledger says nothing."""
    noted = 0 if is_copy else Ledger(path.with_name("memory.ledger")).read() or 0
    if not path.exists():
        return [f"it is missing; {noted} games were stored"]
    with contextlib.closing(open_unchanged(path)) as connection:
        try:
            is_new = schema.is_empty(connection) and not is_copy
            stored = 0 if is_new else _last_game(connection)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            return [f"cannot be read: {error}"]
        faults = [] if is_new else find_faults(connection)
    if stored < noted:
        faults.append(f"game {noted} was stored but only {stored} are there")
    elif is_new and path.with_name("memory.backup.sqlite").exists():
        faults.append("it is empty, although there is a copy of it")
    return faults


def _last_game(connection: sqlite3.Connection) -> int:
    query = "SELECT MAX(seq) FROM sqlite_sequence WHERE name = 'games'"
    return connection.execute(query).fetchone()[0] or 0


def find_faults(connection: sqlite3.Connection) -> list[str]:
    """Name what is wrong with a memory's tables, rows and keys, at most 20 faults.

    Args:
        connection: to a memory of this or an older version; nothing is written.
    """
    faults: list[str] = []
    try:
        version = schema.read_version(connection)
        if version is None or version > schema.VERSION:
            return [f"schema version {version} is not known"]
        for fault in schema.find_faults(connection, version):
            faults.append(fault)
            if len(faults) == MANY:
                return faults
        if not faults and version == schema.VERSION:
            faults += _faults_of_content(connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        faults.append(f"cannot be read: {error}")
    return faults


def _faults_of_content(connection: sqlite3.Connection) -> list[str]:
    """Rows that are sealed, but say what no memory can hold."""
    faults: list[str] = []
    for table, is_sound in SOUND.items():
        for row in connection.execute(f"SELECT * FROM {table}"):
            if not _holds(is_sound, row):
                faults.append(f"a row of {table} ({row[0]!r:.60}) says what cannot be")
            if len(faults) == MANY:
                return faults
    return faults or _faults_of_keys(connection)


def _holds(is_sound: Callable[[tuple[Any, ...]], bool], row: tuple[Any, ...]) -> bool:
    try:
        return is_sound(row)
    except (ValueError, TypeError, OverflowError, KeyError, RecursionError):
        return False


def _faults_of_keys(connection: sqlite3.Connection) -> list[str]:
    """Whether an index can be rebuilt, and finds each key again."""
    rows = connection.execute("SELECT id, key FROM traces ORDER BY id").fetchall()
    widths = {len(key) for _, key in rows}
    if len(widths) > 1:
        return ["keys have different widths"]
    if len(frame_shapes(connection)) > 1:
        return ["frames have different shapes"]
    if not rows:
        return []
    ids = np.array([row[0] for row in rows])
    keys = np.frombuffer(b"".join(key for _, key in rows), "<f2").astype(np.float32)
    return _lost_in_search(ids, keys.reshape(len(rows), -1))


def _lost_in_search(ids: np.ndarray[Any, Any], keys: Floats) -> list[str]:
    index = KeyIndex(keys.shape[1])
    index.add(ids.tolist(), keys)
    lost: list[int] = []
    for start in range(0, len(keys), BATCH):
        distances, _ = index.search(keys[start : start + BATCH], 1)
        lost += ids[start : start + BATCH][distances[:, 0] > 1e-5].tolist()
    return [f"the search does not find {len(lost)} keys, trace {lost[0]} first"] if lost else []


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and 0 < len(text) <= LONGEST_NAME


def _are_whole(*numbers: Any) -> bool:
    return all(type(number) is int and abs(number) < LARGEST for number in numbers)


def _is_code(code: Any) -> bool:
    return type(code) is int and code >= 0


def _is_game(row: tuple[Any, ...]) -> bool:
    _, uid, game, opponent, result, plies, played_at, _ = row
    return (
        len(bytes.fromhex(uid)) == 16
        and _is_name(game)
        and _is_name(opponent)
        and -1 <= result <= 1
        and _are_whole(plies)
        and plies >= 0
        and math.isfinite(played_at)
    )


def _is_trace(row: tuple[Any, ...]) -> bool:
    trace = trace_of(tuple(row[3:16]))
    numbers = np.array([trace.value, trace.returns, trace.stability], np.float64)
    arrays = (trace.key, trace.state, trace.policy, numbers)
    return (
        _are_whole(*row[:3], trace.action, trace.recalls, trace.refreshed)
        and _is_code(trace.code)
        and _is_code(row[9])
        and len(trace.key) > 0
        and all(np.isfinite(array).all() for array in arrays)
        and abs(float(np.linalg.norm(trace.key)) - 1) < 0.01
        and 0 <= trace.action < len(trace.policy)
        and trace.stability > 0
        and _is_name(row[16])
    )


def _is_answer(row: tuple[Any, ...]) -> bool:
    game, opponent, code, action, value, count, _ = row
    return (
        _is_name(game)
        and isinstance(opponent, str)
        and len(opponent) <= LONGEST_NAME
        and _is_code(code)
        and _are_whole(action, count)
        and math.isfinite(value)
        and count >= 1
    )


def _is_strategy(row: tuple[Any, ...]) -> bool:
    _, game, opponent, code, actions, count, mean, evidence, weight, refreshed, _ = row
    told = json.loads(actions), json.loads(evidence)
    return (
        _is_name(game)
        and _is_name(opponent)
        and all(isinstance(numbers, list) and _are_whole(*numbers) for numbers in told)
        and len(told[0]) > 0
        and _is_code(code)
        and _are_whole(count, refreshed)
        and 0 <= weight <= count
        and count >= 1
        and math.isfinite(mean)
    )


SOUND: dict[str, Callable[[tuple[Any, ...]], bool]] = {
    "games": _is_game,
    "traces": _is_trace,
    "answers": _is_answer,
    "strategies": _is_strategy,
    "sleeps": lambda row: _are_whole(row[0], row[2]) and math.isfinite(row[1]),
    "scenes": lambda row: _is_code(row[0]) and len(row[1]) == 16,
    "revisions": lambda row: _are_whole(*row[:3]) and all(map(math.isfinite, row[3:7])),
}
