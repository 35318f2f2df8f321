"""Keys by likeness: a FAISS index, exact for few keys and by cells (IVF) for many.

A cache; it lives in RAM only.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from memory.traces import Floats

FLAT_KEYS = 50_000
Ids = npt.NDArray[np.int64]


class KeyIndex:
    """Ids and unit-length keys.

    Args:
        key_size: D.
        flat_keys: up to so many keys the search is exact.
    """

    def __init__(self, key_size: int, flat_keys: int = FLAT_KEYS) -> None:
        self.key_size, self.flat_keys = key_size, flat_keys
        self._keys: dict[int, Floats] = {}
        self._index: Any = faiss.IndexIDMap2(faiss.IndexFlatL2(key_size))
        self._rebuild_at = flat_keys

    def __len__(self) -> int:
        return len(self._keys)

    def contents(self) -> dict[int, Floats]:
        """Key by id."""
        return dict(self._keys)

    def ids_in_search(self) -> set[int]:
        """The ids that FAISS itself holds."""
        if isinstance(self._index, faiss.IndexIDMap2):
            return set(faiss.vector_to_array(self._index.id_map).tolist())
        lists = self._index.invlists
        found = [
            faiss.rev_swig_ptr(lists.get_ids(i), lists.list_size(i)).tolist()
            for i in range(lists.nlist)
            if lists.list_size(i)
        ]
        return {trace_id for ids in found for trace_id in ids}

    def add(self, ids: list[int], keys: Floats) -> None:
        """Add (N, D) keys.

        Raises:
            ValueError: for keys of another width, NaN or infinity, or an id that is there.
        """
        if keys.shape != (len(ids), self.key_size) or not np.isfinite(keys).all():
            raise ValueError(f"a key must be {self.key_size} finite numbers")
        if len(set(ids)) < len(ids) or not self._keys.keys().isdisjoint(ids):
            raise ValueError("an id is in the index already")
        self._keys.update(zip(ids, keys, strict=True))
        if len(self) > self._rebuild_at:
            all_keys = keys if len(self) == len(ids) else np.stack(list(self._keys.values()))
            self._rebuild_by_cells(all_keys.astype(np.float32))
        else:
            self._index.add_with_ids(
                np.ascontiguousarray(keys, np.float32), np.array(ids, np.int64)
            )

    def remove(self, ids: Ids) -> None:
        """Remove ids in one batch; unknown ones are ignored."""
        for trace_id in ids.tolist():
            self._keys.pop(trace_id, None)
        self._index.remove_ids(np.ascontiguousarray(ids, np.int64))

    @property
    def bare(self) -> Any:
        """The FAISS index itself, to be searched only."""
        return self._index

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """(B, k) squared distances, ascending, and ids, -1 where nothing is."""
        faiss.omp_set_num_threads(1)
        distances, ids = self._index.search(np.ascontiguousarray(queries, np.float32), k)
        return distances, ids

    def _rebuild_by_cells(self, keys: Floats) -> None:
        """Cells about twice the square root of the keys; a twenty-sixth, at least 24, is read."""
        cells = max(1, min(int(2 * len(keys) ** 0.5), len(keys) // 39))
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(self.key_size), self.key_size, cells)
        index.cp.max_points_per_centroid = 39
        index.cp.niter = 5
        index.nprobe = max(24, cells // 26)
        index.train(keys)
        index.add_with_ids(keys, np.array(list(self._keys), np.int64))
        self._index, self._rebuild_at = index, 2 * len(keys)
