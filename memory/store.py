"""The truth of the memory: what is written after each finished game, and how it is read again.

One transaction per game, every row sealed, ids never used twice. Nothing here searches or learns;
the file itself is kept by `memory.database`.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import Any

import numpy as np
import numpy.typing as npt

from memory.credit import Answer
from memory.database import Database
from memory.pixels import HEAD, shape_of
from memory.reconsolidation import Reconsolidation
from memory.rows import READ, game_uid, marks, recalled_row, sealed, trace_of, trace_row
from memory.schema import TABLES
from memory.traces import Episode, Floats

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
        recalls: Reconsolidation | None = None,
    ) -> list[int]:
        """Store a finished game and all it taught, in one transaction.

        Args:
            episode: the game.
            answers: what is now believed.
            strategies: rows (opponent, code, actions, count, mean, evidence positions, weight);
                negative evidence counts from the first trace of this game: -1 is the first, -2
                the second.
            encoder: version of the network that made the keys.
            recalls: what the game did to traces that were recalled in it.

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
            self._reconsolidate(cursor, recalls or Reconsolidation())
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

    def drop_strategies(self, count: int, refreshed: float) -> None:
        """Delete strategies seen less than `count` times, and not since the sleep `refreshed`.

        Raises:
            ValueError: if they cannot be deleted; nothing has changed then.
        """
        with self.transaction("forgetting") as cursor:
            query = "DELETE FROM strategies WHERE count < ? AND refreshed < ?"
            cursor.execute(query, (count, refreshed))

    def read_fading(self, ids: Iterable[int] | None = None) -> npt.NDArray[np.float64]:
        """(N, 3): id, stability, sleep in which it was last fresh; of some traces, or all."""
        query, wanted = "SELECT id, stability, refreshed FROM traces", list(ids or ())
        if ids is not None:
            query += f" WHERE id IN ({marks(tuple(wanted))})"
        rows = self.connection.execute(query + " ORDER BY id", wanted).fetchall()
        return np.array(rows, np.float64).reshape(-1, 3)

    def write_recalls(self, recalls: Reconsolidation) -> None:
        """Recalls that were useful, or that surprised, in one transaction.

        Raises:
            ValueError: if they cannot be written; nothing has changed then.
        """
        with self.transaction("recalls") as cursor:
            self._reconsolidate(cursor, recalls)

    def _reconsolidate(self, cursor: sqlite3.Cursor, recalls: Reconsolidation) -> None:
        sleeps, values = self.sleep_count(), {r.trace_id: r.after for r in recalls.revisions}
        for trace_id in recalls.stabilities.keys() | values.keys():
            query = "SELECT * FROM traces WHERE id = ?"
            row = cursor.execute(query, (trace_id,)).fetchone()
            *_, returns, _, stability, refreshed, _, _ = row
            if trace_id in recalls.stabilities:
                stability, refreshed = float(recalls.stabilities[trace_id]), sleeps
            new = recalled_row(row, values.get(trace_id, returns), stability, refreshed)
            cursor.execute(
                "UPDATE traces SET returns = ?, recalls = ?, stability = ?, refreshed = ?, "
                "seal = ? WHERE id = ?",
                (*new[12:16], new[-1], trace_id),
            )
        for r in recalls.revisions:
            number = self.last_id("revisions") + 1
            noted = sealed((number, r.trace_id, sleeps, r.said, r.came, r.before, r.after))
            cursor.execute(f"INSERT INTO revisions VALUES ({marks(noted)})", noted)

    def read_moves(self) -> dict[int, float]:
        """How far each trace's value has moved in all since the last sleep."""
        query = (
            "SELECT trace_id, SUM(ABS(after - before)) FROM revisions WHERE sleep = ? GROUP BY 1"
        )
        return dict(self.connection.execute(query, (self.sleep_count(),)).fetchall())

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
        for opponent, code, actions, count, mean, evidence, weight in strategies:
            real = [e if e > 0 else trace_ids[-e - 1] for e in evidence][-MAX_EVIDENCE:]
            old = cursor.execute(
                "SELECT id FROM strategies WHERE game = ? AND opponent = ? AND code = ? "
                "AND actions = ?",
                (game, opponent, code, json.dumps(actions)),
            ).fetchone()
            row = sealed(
                (
                    old[0] if old else self.last_id("strategies") + 1, game, opponent, code,
                    json.dumps(actions), count, float(mean), json.dumps(real), float(weight),
                    self.sleep_count(),
                )
            )  # fmt: skip
            cursor.execute(f"INSERT OR REPLACE INTO strategies VALUES ({marks(row)})", row)

    def read_numbers_of_actions(self) -> set[int]:
        """How many actions there were to choose from; one number unless memories were mixed up."""
        found = self.connection.execute("SELECT DISTINCT LENGTH(policy) FROM traces").fetchall()
        return {length // 2 for (length,) in found}

    def read_frame_shapes(self) -> set[tuple[int, int, int]]:
        """(C, H, W) of the frames; one shape unless memories were mixed up."""
        return frame_shapes(self.connection)

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

    def ids_of_other_encoders(self, encoder: str) -> list[int]:
        """The traces whose keys another version made, oldest first."""
        query = "SELECT id FROM traces WHERE encoder != ? ORDER BY id"
        return [row[0] for row in self.connection.execute(query, (encoder,))]

    def read_rows(self, ids: Sequence[int]) -> list[tuple[Any, ...]]:
        """Whole rows of `traces`."""
        query = f"SELECT * FROM traces WHERE id IN ({marks(tuple(ids))})"
        return self.connection.execute(query, ids).fetchall()

    def write_keys(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Keys and encoder versions of rows that `rows.rekeyed_row` made, in one transaction.

        Raises:
            ValueError: if they cannot be written; nothing has changed then.
        """
        query = "UPDATE traces SET key = ?, encoder = ?, seal = ? WHERE id = ?"
        with self.transaction("keys") as cursor:
            cursor.executemany(query, [(row[4], row[16], row[17], row[0]) for row in rows])

    def read_outcomes(self) -> Iterator[tuple[int, int, int, int, float]]:
        """(id, game id, code, action, returns) of every trace, oldest first."""
        query = "SELECT id, game_id, code, action, returns FROM traces ORDER BY id"
        return self.connection.execute(query)

    def read_opponents_by_game(self) -> dict[int, tuple[str, str]]:
        """(opponent, game) by the game's id."""
        rows = self.connection.execute("SELECT id, opponent, game FROM games")
        return {game_id: (intern(opponent), intern(game)) for game_id, opponent, game in rows}

    def read_answers(self) -> Iterator[tuple[str, str, int, int, float, int]]:
        """(game, opponent, code, action, value, count) of everything that is believed."""
        query = "SELECT game, opponent, code, action, value, count FROM answers"
        return self.connection.execute(query)

    def whole_games(self, game: str, opponent: str) -> dict[int, float]:
        """Results by id of the games with somebody of which nothing was forgotten, oldest first."""
        query = (
            "SELECT id, result FROM games g WHERE game = ? AND opponent = ? AND plies = "
            "(SELECT COUNT(*) FROM traces WHERE game_id = g.id) ORDER BY id"
        )
        return dict(self.connection.execute(query, (game, opponent)).fetchall())

    def read_episodes(
        self, game: str, opponent: str, ids: Collection[int] | None = None, frames: bool = True
    ) -> Iterator[Episode]:
        """The games against one opponent of which nothing was forgotten, oldest first.

        Args:
            game: the variant.
            opponent: who.
            ids: only these of them.
            frames: without them, which take most of the time, the traces' are empty.
        """
        columns = READ if frames else READ.replace("frame", "NULL")
        query = f"SELECT {columns} FROM traces WHERE game_id = ? ORDER BY ply"
        for game_id, result in self.whole_games(game, opponent).items():
            if ids is None or game_id in ids:
                rows = self.connection.execute(query, (game_id,)).fetchall()
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


def frame_shapes(connection: sqlite3.Connection) -> set[tuple[int, int, int]]:
    """(C, H, W) of the frames of a memory that may be somebody else's.

    Raises:
        ValueError: if a frame is damaged.
    """
    query = f"SELECT DISTINCT SUBSTR(frame, 1, {HEAD}) FROM traces"
    return {shape_of(head) for (head,) in connection.execute(query)}


def _upsert_answers(cursor: sqlite3.Cursor, game: str, answers: Mapping[Belief, Answer]) -> None:
    cursor.executemany(
        "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            sealed((game, opponent, code, action, float(answer.value), answer.count))
            for (opponent, code, action), answer in answers.items()
        ],
    )
