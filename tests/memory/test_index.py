import numpy as np
import pytest

from memory.index import KeyIndex


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, size: int, random: np.random.Generator) -> np.ndarray:
    centres = random.standard_normal((200, size))
    return unit(centres[random.integers(200, size=count)] + random.normal(0, 0.3, (count, size)))


def test_what_cannot_be_a_key_is_refused_and_nothing_is_added() -> None:
    index = KeyIndex(4)
    index.add([1], np.eye(4, dtype=np.float32)[:1])
    for ids, keys, why in (
        ([2], np.full((1, 4), np.nan, np.float32), "finite"),
        ([2], np.zeros((1, 3), np.float32), "4 finite"),
        ([1], np.eye(4, dtype=np.float32)[:1], "already"),
        ([2, 2], np.eye(4, dtype=np.float32)[:2], "already"),
    ):
        with pytest.raises(ValueError, match=why):
            index.add(ids, keys)
    assert index.ids_in_search() == {1} == set(index.contents())


def test_beyond_the_limit_cells_hold_the_same_ids_and_forget_in_batches() -> None:
    random = np.random.default_rng(0)
    keys = clustered(900, 8, random)
    index = KeyIndex(8, flat_keys=500)
    for start in range(0, 900, 100):
        index.add(list(range(start, start + 100)), keys[start : start + 100])
    assert index.ids_in_search() == set(range(900))
    index.remove(np.arange(0, 900, 2))
    assert index.ids_in_search() == set(range(1, 900, 2)) == set(index.contents())
    assert (index.search(keys[1::2], 1)[1][:, 0] == np.arange(1, 900, 2)).all()


@pytest.mark.slow
def test_sixty_thousand_keys_are_found_by_cells_as_exactly() -> None:
    random = np.random.default_rng(0)
    keys = clustered(60_000, 64, random)
    cells, exact = KeyIndex(64), KeyIndex(64, flat_keys=60_000)
    for index in (cells, exact):
        index.add(list(range(60_000)), keys)
    queries = unit(keys[:500] + random.normal(0, 0.02, (500, 64)))
    same = cells.search(queries, 1)[1] == exact.search(queries, 1)[1]
    assert same.mean() >= 0.99
