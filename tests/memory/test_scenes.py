from pathlib import Path

import numpy as np
import pytest

from memory import MemoryDamagedError, Store
from memory.scenes import Scenes


def test_the_nearest_by_bits_are_those_of_a_plain_count() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(256, size=(200, 16), dtype=np.uint8)
    scenes = Scenes(Store())
    scenes.note({1000 + i: row.tobytes() for i, row in enumerate(rows)})
    query = rng.integers(256, size=16, dtype=np.uint8)
    differing = np.unpackbits(rows ^ query, axis=1).sum(1)
    found = scenes.nearest(query.tobytes(), 5)
    assert [distance for _, distance in found] == sorted(differing)[:5]
    assert all(differing[code - 1000] == distance for code, distance in found)


def test_a_scene_described_anew_is_found_by_its_new_attributes_only() -> None:
    scenes = Scenes(Store())
    scenes.note({7: bytes(16), 8: bytes([15] * 16)})
    scenes.note({7: bytes([255] * 16)})
    assert scenes.nearest(bytes([255] * 16), 2) == [(7, 0), (8, 64)]
    assert scenes.attributes(7) == bytes([255] * 16)
    assert scenes.attributes(9) is None


def test_they_are_there_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    Scenes(store).note({2**62: bytes(range(16))})
    store.close()
    store = Store(tmp_path)
    assert Scenes(store).nearest(bytes(range(16)), 3) == [(2**62, 0)]
    store.close()


def test_they_are_part_of_the_last_good_copy(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.close()
    store = Store(tmp_path)
    Scenes(store).note({7: bytes(16)})
    store.close()
    (tmp_path / "memory.backup.sqlite").replace(tmp_path / "memory.sqlite")
    store = Store(tmp_path)
    assert Scenes(store).attributes(7) == bytes(16)
    store.close()


def test_a_memory_without_scenes_has_none() -> None:
    scenes = Scenes(Store())
    assert scenes.nearest(bytes(16), 3) == []
    assert scenes.attributes(1) is None


def test_a_damaged_row_is_noticed() -> None:
    store = Store()
    Scenes(store).note({1: bytes(16)})
    store.connection.execute("UPDATE scenes SET bits = ?", (bytes([1] + [0] * 15),))
    with pytest.raises(MemoryDamagedError, match="a row of scenes"):
        Scenes(store).attributes(1)


def test_what_does_not_fit_is_refused_in_words() -> None:
    scenes = Scenes(Store())
    with pytest.raises(ValueError, match="16 bytes"):
        scenes.note({1: b"short"})
    with pytest.raises(ValueError, match="k >= 1"):
        scenes.nearest(bytes(16), 0)
