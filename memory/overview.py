"""What a memory holds, in numbers and, of one player, in the sentences that were noted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from memory.store import Store
from memory.strategies import StrategyBook


@dataclass(frozen=True)
class Acquaintance:
    """One player in one game, from the agent's side."""

    game: str
    name: str
    wins: int
    draws: int
    losses: int
    traces: int
    strategies: int


@dataclass(frozen=True)
class Overview:
    """A whole memory; `size_bytes` are those of its own files, copies included."""

    games: int
    traces: int
    answers: int
    strategies: int
    sleeps: int
    revisions: int
    size_bytes: int
    opponents: tuple[Acquaintance, ...]


def look_over(store: Store) -> Overview:
    """Count what is there; the player met last comes first."""
    tables = ("games", "traces", "answers", "strategies", "sleeps", "revisions")
    counts = {table: store.count(table) for table in tables}
    return Overview(
        **counts, size_bytes=_size(store.directory), opponents=tuple(_acquaintances(store))
    )


def _size(directory: Path | None) -> int:
    files = directory.glob("memory.*") if directory else ()
    return sum(file.stat().st_size for file in files)


def _acquaintances(store: Store) -> list[Acquaintance]:
    query = (
        "SELECT g.game, g.opponent, SUM(g.result > 0), SUM(g.result = 0), SUM(g.result < 0), "
        "SUM((SELECT COUNT(*) FROM traces t WHERE t.game_id = g.id)), "
        "(SELECT COUNT(*) FROM strategies s WHERE s.game = g.game AND s.opponent = g.opponent) "
        "FROM games g GROUP BY g.game, g.opponent ORDER BY MAX(g.id) DESC"
    )
    return [Acquaintance(*row) for row in store.connection.execute(query)]


def notes_on(store: Store, player: str) -> dict[str, dict[str, list[str]]]:
    """What was noted about one player: game to verdict to sentences, the strongest first.

    Raises:
        ValueError: if nobody of that name was met.
    """
    games = [game for game, name in store.opponents() if name == player]
    if not games:
        raise ValueError(f"the memory knows nobody called {player!r}")
    book, notes = StrategyBook(store), dict[str, dict[str, list[str]]]()
    for game in games:
        verdicts = notes[game] = {"good": [], "bad": [], "undetermined": []}
        for strategy in book.read(game, player):
            verdicts[strategy.verdict].append(strategy.sentence)
    return notes
