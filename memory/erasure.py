"""Forgetting a person for good: rows, vectors, strategies, beliefs, and every copy of them.

Not the gentle forgetting of `memory.forgetting`: nothing of the name is left in the folder, and
what others taught stays. Blocks that the file system or a drive keeps of deleted files are beyond
this program's reach.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from memory.beliefs import EVERYONE
from memory.credit import Answer, blend
from memory.hippocampus import SHARED_RATE
from memory.rows import marks, sealed
from memory.store import Store

Decision = tuple[str, int, int]  # game, code, action


@dataclass(frozen=True)
class Erased:
    """How many rows of each kind are gone; `answers` counts shared ones that are gone, too.

    `copies` and `learned` count files: older copies of the memory, and what sleep had taught.
    """

    games: int
    traces: int
    strategies: int
    answers: int
    copies: int
    learned: int


def erase(store: Store, player: str) -> Erased:
    """Remove all that came of the games against one player.

    What everybody taught in the games that the player played is worked out anew from the traces
    that are left. What sleep has taught an agent cannot be told apart by player: it goes whole, the
    scenes that it describes with it, and later sleeps teach it again from the memory that is left.
    What cannot be undone: where a game against the player showed that what was remembered of
    others was wrong, their traces were corrected, and stay so, without a word of who taught it.
    Files go first, so that a call that was interrupted can be made again; `store.close` makes a new
    copy.

    Raises:
        ValueError: if the player is unknown, or it cannot be written; an unknown player changes
            nothing.
    """
    if not store.results(player) and not _is_noted(store, player):
        raise ValueError(f"the memory knows nobody called {player!r}; it knows {_names(store)}")
    learned, copies = store.remove_learned(), store.remove_copies()
    with store.transaction("forgetting") as cursor:
        played = _games(cursor, player)
        counts = [_delete(cursor, table, player) for table in ("traces", "strategies", "answers")]
        games = _delete(cursor, "games", player)
        shared = _relearn(cursor, played)
        cursor.execute("DELETE FROM scenes")
    store.rewrite()
    return Erased(games, counts[0], counts[1], counts[2] + shared, copies, learned)


def _is_noted(store: Store, player: str) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM strategies WHERE opponent = ?)"
    return bool(store.connection.execute(query, (player,)).fetchone()[0])


def _names(store: Store) -> str:
    names = list(dict.fromkeys(name for _, name in store.opponents()))
    if not names:
        return "nobody yet"
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if names[5:] else "")


def _games(cursor: sqlite3.Cursor, player: str) -> set[str]:
    query = (
        "SELECT game FROM games WHERE opponent = ? UNION "
        "SELECT game FROM strategies WHERE opponent = ?"
    )
    return {game for (game,) in cursor.execute(query, (player, player))}


def _delete(cursor: sqlite3.Cursor, table: str, player: str) -> int:
    where = "opponent = ?"
    if table == "traces":
        where = "game_id IN (SELECT id FROM games WHERE opponent = ?)"
    return cursor.execute(f"DELETE FROM {table} WHERE {where}", (player,)).rowcount


def _relearn(cursor: sqlite3.Cursor, games: set[str]) -> int:
    """What everybody taught, without the player; returns of how many decisions nothing is left.

    The player's own traces may have left long ago: all decisions of these games are worked out
    anew, in the order in which they were learned, games forwards and their decisions backwards.
    """
    query = (
        "SELECT g.game, t.code, t.action, t.returns FROM traces t "
        "JOIN games g ON g.id = t.game_id ORDER BY t.game_id, t.ply DESC"
    )
    answers: dict[Decision, Answer] = {}
    for game, code, action, returns in cursor.execute(query):
        if game in games:
            place = (game, code, action)
            answers[place] = blend(answers.get(place), returns, SHARED_RATE)
    query = "SELECT game, code, action FROM answers WHERE opponent = ?"
    before = {place for place in cursor.execute(query, (EVERYONE,)) if place[0] in games}
    cursor.executemany(
        "DELETE FROM answers WHERE game = ? AND opponent = ?", [(g, EVERYONE) for g in games]
    )
    for (game, code, action), answer in answers.items():
        row = sealed((game, EVERYONE, code, action, answer.value, answer.count))
        cursor.execute(f"INSERT INTO answers VALUES ({marks(row)})", row)
    return len(before - answers.keys())
