"""How many games must be there: a small sealed file beside the database.

A damaged write-ahead log makes SQLite fall back to an older state without a word; the ledger
notices. It is written after each transaction, so that it may lag behind the database, but never
run ahead of a sound one.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path


class Ledger:
    """Notes the newest game.

    Args:
        path: its file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, last_game: int) -> None:
        """Note that `last_game` is stored; the file is replaced whole or not at all."""
        partial = self.path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump({"last_game": last_game, "seal": _seal(last_game)}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def read(self) -> int | None:
        """The newest game noted; None if the file is missing or damaged."""
        try:
            noted = json.loads(self.path.read_text(encoding="utf-8"))
            last_game, seal = int(noted["last_game"]), int(noted["seal"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return last_game if seal == _seal(last_game) else None


def _seal(last_game: int) -> int:
    return zlib.crc32(str(last_game).encode())
