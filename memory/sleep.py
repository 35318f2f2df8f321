"""Sleep: between games, remembered games are replayed until what they teach has settled.

No network is trained here: this part of sleep changes what the hippocampus believes, and only if
its beliefs then explain the remembered results no worse.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from memory.hippocampus import Hippocampus

SETTLED = 0.01
"""Games are not replayed again once that moves no value farther than this."""


class Woken(Exception):
    """Raised by whoever is told how far a sleep is, to end it at once."""


@dataclass(frozen=True)
class SleepReport:
    """How a sleep went.

    Attributes:
        accepted: whether its result was kept.
        reason: why, in one line.
    """

    accepted: bool
    reason: str


def sleep(hippocampus: Hippocampus, budget_s: float) -> SleepReport:
    """Rehearse the games against those met last, for at most about `budget_s` seconds.

    Those whose games have nothing more to say are left alone until they are met again, so that a
    sleep costs what has happened lately, not what has happened in a life.

    The new beliefs about an opponent are kept only if memory would then take the decisions of
    the games that were not lost at least as often as before; otherwise they are rolled back.
    Then all traces fade a little, and the weakest leave if the memory is nearly full.

    Raises:
        ValueError: for a budget that is not positive.
    """
    if not budget_s > 0:
        raise ValueError(f"a sleep needs a positive budget of seconds, not {budget_s}")
    deadline = time.monotonic() + budget_s
    rehearsed = kept = 0
    for game, opponent in hippocampus.unsettled():
        if time.monotonic() > deadline:
            break
        rehearsal = hippocampus.rehearse(game, opponent)
        rehearsed += rehearsal.games
        sound = rehearsal.after >= rehearsal.before
        if sound:
            hippocampus.adopt(game, opponent, rehearsal.beliefs)
            kept += rehearsal.games
        if not sound or rehearsal.moved < SETTLED:
            hippocampus.settle(game, opponent)
    if not hippocampus.store.last_game():
        return SleepReport(False, "nothing to rehearse yet")
    hippocampus.fade()
    if not rehearsed:
        return SleepReport(True, "what was played has settled")
    games = "1 game" if rehearsed == 1 else f"{rehearsed} games"
    if not kept:
        return SleepReport(False, f"rehearsed {games}: competence fell, rolled back")
    return SleepReport(True, f"rehearsed {games}, kept what {kept} taught")
