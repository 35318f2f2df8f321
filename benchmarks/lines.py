"""What lines are worth: games lost to each stubborn opponent until one is not, without sleep.

    python benchmarks/lines.py --game connect --opponents 40 --skip 40

Every opponent beats the frozen agent, and is met by an agent with an empty memory. Whoever is held
comes once more under another name, to be known by their play. The knobs of
`memory.lines` can be tried on some opponents and examined on others, with `--skip`.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from itertools import islice

from rich.console import Console

import envs
from lifelong_agent import LifelongAgent
from memory.lines import Lines, LinesConfig
from selfplay.adapt import play_game, play_live, winning_opponents
from selfplay.cli import (
    Options,
    checked_device,
    checked_output,
    guarded,
    parse,
    progress_bar,
    write_json,
)
from selfplay.seats import Player

OUT = Console(highlight=False)


@dataclass(frozen=True)
class Meetings(Options):
    """Who is met, for how long, and with which knobs of `LinesConfig`."""

    game: str = "connect"
    """The game with its modifiers."""
    opponents: int = 20
    """How many are met."""
    skip: int = 0
    """Opponents that are passed over before."""
    games: int = 20
    """At most against each."""
    liking: float = LinesConfig.liking
    """As in `LinesConfig`."""
    doubt: float = LinesConfig.doubt
    """As in `LinesConfig`."""


@dataclass(frozen=True)
class Meeting:
    """How one opponent fared.

    Attributes:
        lost: games until one was not lost; all of them if there was none.
        held_again: whether the next game, under another name, was not lost; None without such.
    """

    lost: int
    held_again: bool | None


def meet(options: Meetings, seat: int, opponent: Player) -> Meeting:
    """Play until a game is not lost, and once more."""
    device = checked_device(options.device)
    agent = LifelongAgent.pretrained(device=device)
    knobs = LinesConfig(liking=options.liking, doubt=options.doubt)
    agent.lines = Lines(agent.hippocampus.store, knobs)
    game = envs.make(options.game, device)
    for lost in range(options.games):
        if play_live(game, agent, seat, opponent) >= 0:
            opponent.name = "somebody"
            return Meeting(lost, play_game(game, agent, seat, opponent) >= 0)
    return Meeting(options.games, None)


def main() -> None:
    """The benchmark."""

    def run() -> None:
        options = parse(Meetings, None, "benchmarks/lines.py")
        checked_output(options.json)
        if min(options.opponents, options.games) < 1 or options.skip < 0:
            raise ValueError("at least one opponent is met in at least one game")
        device = checked_device(options.device)
        network = LifelongAgent.pretrained(device=device).network
        last = options.skip + options.opponents
        found: dict[str, Meeting] = {}
        with progress_bar("meeting", options.opponents, "opponents") as tell:
            game = envs.make(options.game, device)
            everybody = winning_opponents(game, network, options.seed)
            for seat, opponent in islice(everybody, options.skip, last):
                name = opponent.name
                found[name] = meet(options, seat, opponent)
                tell(len(found), f"{name} {found[name].lost}")
        until = [meeting.lost for meeting in found.values()]
        report = {
            "mean": statistics.mean(until),
            "median": statistics.median(until),
            "most": max(until),
            "never": sum(lost == options.games for lost in until),
            "held under another name": sum(bool(met.held_again) for met in found.values()),
        }
        OUT.print(", ".join(f"{name} {value:g}" for name, value in report.items()))
        write_json(options.json, report | {"opponents": {n: asdict(m) for n, m in found.items()}})

    guarded(run)


if __name__ == "__main__":
    main()
