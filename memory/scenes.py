"""Which attributes a situation shows, kept beside the memory, and the situations most like it.

A scene is a situation's fingerprint and a set of attributes as 128 bits; it names no game and no
person. FAISS is a cache of the table, rebuilt when it is first asked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import faiss
import numpy as np

from memory.database import Database, MemoryDamagedError
from memory.rows import seal, sealed

BYTES = 16


class Scenes:
    """Fingerprints and their attributes.

    Args:
        database: the memory.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._index: faiss.IndexBinaryIDMap2 | None = None
        self._bits: dict[int, bytes] = {}

    def note(self, scenes: Mapping[int, bytes]) -> None:
        """Keep what situations show, fingerprint to 16 bytes; a known one is described anew.

        Raises:
            ValueError: for another number of bytes, or if it cannot be written.
        """
        if not scenes:
            return
        if any(len(bits) != BYTES for bits in scenes.values()):
            raise ValueError(f"a scene's attributes are {BYTES} bytes")
        index = self._loaded()
        with self._database.transaction("scenes") as cursor:
            cursor.executemany(
                "INSERT OR REPLACE INTO scenes VALUES (?, ?, ?)", map(sealed, scenes.items())
            )
        known = [code for code in scenes if code in self._bits]
        if known:
            index.remove_ids(faiss.IDSelectorBatch(np.array(known, np.int64)))
        self._bits.update(scenes)
        _add(index, scenes)

    def attributes(self, code: int) -> bytes | None:
        """What a situation shows; None if it was never described."""
        self._loaded()
        return self._bits.get(code)

    def nearest(self, bits: bytes, k: int) -> list[tuple[int, int]]:
        """The k most similar scenes as (fingerprint, bits that differ), nearest first.

        Raises:
            ValueError: for another number of bytes, or k < 1.
        """
        if len(bits) != BYTES or k < 1:
            raise ValueError(f"wanted {BYTES} bytes and k >= 1")
        query = np.frombuffer(bits, np.uint8)[None]
        distances, codes = self._loaded().search(query, k)
        found = zip(codes[0].tolist(), distances[0].tolist(), strict=True)
        return sorted(((c, d) for c, d in found if c >= 0), key=lambda pair: (pair[1], pair[0]))

    def drop_unused(self) -> None:
        """Forget scenes of situations that no trace and no strategy is about any longer.

        Raises:
            ValueError: if it cannot be written; nothing has changed then.
        """
        with self._database.transaction("forgetting") as cursor:
            drop_unused(cursor)
        self._index, self._bits = None, {}

    def clear(self) -> None:
        """Forget all: the dictionary that described them is gone.

        Raises:
            ValueError: if it cannot be written; nothing has changed then.
        """
        if self._database.connection.execute("SELECT EXISTS (SELECT 1 FROM scenes)").fetchone()[0]:
            with self._database.transaction("forgetting") as cursor:
                cursor.execute("DELETE FROM scenes")
        self._index, self._bits = None, {}

    def _loaded(self) -> faiss.IndexBinaryIDMap2:
        if self._index is None:
            self._bits = self._read()
            self._index = faiss.IndexBinaryIDMap2(faiss.IndexBinaryFlat(8 * BYTES))
            _add(self._index, self._bits)
        return self._index

    def _read(self) -> dict[int, bytes]:
        scenes = {}
        query = "SELECT code, bits, seal FROM scenes"
        for code, bits, told in self._database.connection.execute(query):
            if len(bits) != BYTES or told != seal((code, bits)):
                raise MemoryDamagedError("the memory is damaged: a row of scenes is not sealed")
            scenes[code] = bits
        return scenes


def drop_unused(cursor: sqlite3.Cursor) -> None:
    """Delete the rows of situations that no trace and no strategy is about."""
    used = "SELECT code FROM traces UNION SELECT code FROM strategies"
    cursor.execute(f"DELETE FROM scenes WHERE code NOT IN ({used})")


def _add(index: faiss.IndexBinaryIDMap2, scenes: Mapping[int, bytes]) -> None:
    if scenes:
        rows = np.frombuffer(b"".join(scenes.values()), np.uint8).reshape(-1, BYTES)
        index.add_with_ids(rows, np.array(list(scenes), np.int64))
