"""The truth of the memory: what is written after each finished game, and how it is read again.

One transaction per game, every row sealed, ids never used twice. Nothing here searches or learns;
the file itself is kept by `memory.database`.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from memory.credit import Answer
from memory.database import Database
from memory.rows import READ, game_uid, marks, sealed, trace_of, trace_row
from memory.schema import TABLES
from memory.traces import Episode, Floats, Trace

MAX_EVIDENCE = 32
Belief = tuple[str, int, int]  # opponent, code, action


class Store(Database):
    """A memory on disk, or in RAM; arguments and errors are those of `Database`."""

    def last_game(self) -> int:
        """The number of the newest game ever stored; 0 before the first."""
        return self.last_id("games")

    def write_game(
        self,
        episode: Episode,
        answers: Mapping[Belief, Answer],
        strategies: list[tuple[Any, ...]],
        encoder: str,
    ) -> list[int]:
        """Store a finished game and all it taught, in one transaction.

        Args:
            episode: the game.
            answers: what is now believed.
            strategies: rows (opponent, code, actions, count, mean, evidence positions); negative
                evidence counts from the first trace of this game: -1 is the first, -2 the second.
            encoder: version of the network that made the keys.

        Returns:
            The ids of the game's traces; ids are never used twice.

        Raises:
            ValueError: if the disk is full or the file cannot be written; nothing is stored.
        """
        with self.transaction("the game") as cursor:
            game_id = self._insert_game(cursor, episode)
            first = self.last_id("traces") + 1
            ids = list(range(first, first + len(episode.traces)))
            for ply, (trace_id, trace) in enumerate(zip(ids, episode.traces, strict=True)):
                row = trace_row(trace_id, game_id, ply, trace, encoder)
                cursor.execute(f"INSERT INTO traces VALUES ({marks(row)})", row)
            _upsert_answers(cursor, episode.game, answers)
            self._upsert_strategies(cursor, episode.game, strategies, ids)
        return ids

    def sleep_count(self) -> int:
        """How many sleeps have passed; they are the clock by which traces fade."""
        return self.last_id("sleeps")

    def forget(self, ids: Sequence[int], game_beliefs: Iterable[tuple[str, Belief]]) -> None:
        """Delete traces and beliefs that nothing supports any longer, in one transaction.

        Games stay, with their results.

        Raises:
            ValueError: if they cannot be deleted; nothing has changed then.
        """
        with self.transaction("forgetting") as cursor:
            cursor.executemany("DELETE FROM traces WHERE id = ?", [(i,) for i in ids])
            cursor.executemany(
                "DELETE FROM answers WHERE game = ? AND opponent = ? AND code = ? AND action = ?",
                [(game, *belief) for game, belief in game_beliefs],
            )

    def note_sleep(self, forgotten: int) -> None:
        """A sleep has passed, and so many traces left in it."""
        with self.transaction("the sleep") as cursor:
            row = sealed((self.sleep_count() + 1, time.time(), forgotten))
            cursor.execute("INSERT INTO sleeps VALUES (?, ?, ?, ?)", row)

    def read_fading(self) -> npt.NDArray[np.float64]:
        """(N, 3): id, stability, and the sleep in which it was last fresh, of every trace."""
        query = "SELECT id, stability, refreshed FROM traces ORDER BY id"
        rows = self.connection.execute(query).fetchall()
        return np.array(rows, np.float64).reshape(-1, 3)

    def write_stability(self, stabilities: Mapping[int, float]) -> None:
        """Useful recalls: new stabilities by id; the traces are fresh again.

        Raises:
            ValueError: if they cannot be written; nothing has changed then.
        """
        with self.transaction("recalls") as cursor:
            for trace_id, stability in stabilities.items():
                query = "SELECT * FROM traces WHERE id = ?"
                *row, recalls, _, _, encoder, _ = cursor.execute(query, (trace_id,)).fetchone()
                new = sealed((*row, recalls + 1, float(stability), self.sleep_count(), encoder))
                cursor.execute(f"REPLACE INTO traces VALUES ({marks(new)})", new)

    def write_answers(self, game: str, answers: Mapping[Belief, Answer]) -> None:
        """Replace beliefs, in one transaction.

        Raises:
            ValueError: if they cannot be written; nothing has changed then.
        """
        with self.transaction("beliefs") as cursor:
            _upsert_answers(cursor, game, answers)

    def _insert_game(self, cursor: sqlite3.Cursor, episode: Episode) -> int:
        game_id = self.last_game() + 1
        told = (episode.game, episode.opponent, float(episode.result))
        now = time.time()
        uid = game_uid(game_id, *told, now)
        row = sealed((game_id, uid, *told, len(episode.traces), now))
        cursor.execute(f"INSERT INTO games VALUES ({marks(row)})", row)
        return game_id

    def _upsert_strategies(
        self,
        cursor: sqlite3.Cursor,
        game: str,
        strategies: list[tuple[Any, ...]],
        trace_ids: list[int],
    ) -> None:
        for opponent, code, actions, count, mean, evidence in strategies:
            real = [e if e > 0 else trace_ids[-e - 1] for e in evidence][-MAX_EVIDENCE:]
            old = cursor.execute(
                "SELECT id FROM strategies WHERE game = ? AND opponent = ? AND code = ? "
                "AND actions = ?",
                (game, opponent, code, json.dumps(actions)),
            ).fetchone()
            row = sealed(
                (
                    old[0] if old else self.last_id("strategies") + 1, game, opponent, code,
                    json.dumps(actions), count, float(mean), json.dumps(real),
                )
            )  # fmt: skip
            cursor.execute(f"INSERT OR REPLACE INTO strategies VALUES ({marks(row)})", row)

    def read_keys(self) -> tuple[list[int], Floats]:
        """All trace ids and their (N, D) float32 keys, oldest first.

        Raises:
            ValueError: if keys have different widths.
        """
        rows = self.connection.execute("SELECT id, key FROM traces ORDER BY id").fetchall()
        if not rows:
            return [], np.zeros((0, 0), np.float32)
        if len({len(key) for _, key in rows}) > 1:
            raise ValueError(f"the memory {self.directory} holds keys of different widths")
        keys = np.frombuffer(b"".join(key for _, key in rows), "<f2")
        return [row[0] for row in rows], keys.reshape(len(rows), -1).astype(np.float32)

    def read_answers(self) -> Iterator[tuple[str, str, int, int, Answer]]:
        """(game, opponent, code, action, answer) of everything that is believed."""
        query = "SELECT game, opponent, code, action, value, count FROM answers"
        for game, opponent, code, action, value, count in self.connection.execute(query):
            yield game, opponent, code, action, Answer(value, count)

    def read_strategies(self, game: str, opponent: str) -> list[tuple[Any, ...]]:
        """Rows (code, actions, count, mean, evidence) of one opponent."""
        query = (
            "SELECT code, actions, count, mean, evidence FROM strategies "
            "WHERE game = ? AND opponent = ?"
        )
        return [
            (code, tuple(json.loads(actions)), count, mean, json.loads(evidence))
            for code, actions, count, mean, evidence in self.connection.execute(
                query, (game, opponent)
            )
        ]

    def read_traces(self, ids: Iterable[int]) -> dict[int, tuple[str, Trace]]:
        """Traces by id, each with its opponent; unknown ids are left out."""
        wanted = list(ids)
        columns = ", ".join(f"t.{name}" for name in READ.split(", "))
        query = (
            f"SELECT t.id, g.opponent, {columns} FROM traces t "
            f"JOIN games g ON g.id = t.game_id WHERE t.id IN ({', '.join('?' * len(wanted))})"
        )
        rows = self.connection.execute(query, wanted)
        return {row[0]: (row[1], trace_of(row[2:])) for row in rows}

    def read_episodes(self, game: str, opponent: str) -> Iterator[Episode]:
        """The games against one opponent of which nothing was forgotten, oldest first."""
        games = self.connection.execute(
            "SELECT id, result, plies FROM games WHERE game = ? AND opponent = ? ORDER BY id",
            (game, opponent),
        ).fetchall()
        query = f"SELECT {READ} FROM traces WHERE game_id = ? ORDER BY ply"
        for game_id, result, plies in games:
            rows = self.connection.execute(query, (game_id,)).fetchall()
            if len(rows) == plies:
                yield Episode(game, opponent, result, [trace_of(row) for row in rows])

    def results(self, opponent: str, game: str | None = None) -> list[float]:
        """The results of all games against one opponent, oldest first."""
        query = (
            "SELECT result FROM games WHERE opponent = ? AND (? IS NULL OR game = ?) ORDER BY id"
        )
        return [row[0] for row in self.connection.execute(query, (opponent, game, game))]

    def opponents(self) -> list[tuple[str, str]]:
        """(game, opponent) of everybody ever met, the latest first."""
        query = "SELECT game, opponent FROM games GROUP BY game, opponent ORDER BY MAX(id) DESC"
        return list(self.connection.execute(query))

    def count(self, table: str) -> int:
        """Rows of one of `TABLES`."""
        assert table in TABLES
        return int(self.connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


def _upsert_answers(cursor: sqlite3.Cursor, game: str, answers: Mapping[Belief, Answer]) -> None:
    cursor.executemany(
        "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            sealed((game, opponent, code, action, float(answer.value), answer.count))
            for (opponent, code, action), answer in answers.items()
        ],
    )
