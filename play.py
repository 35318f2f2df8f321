"""Play against the Lifelong Agent: `python play.py`, or `make play`.

The door only: it reads the command line, opens the window or, without a screen, shows a
demonstration, and turns whatever a user can get wrong into one line and exit code 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import envs
from lifelong_agent import LifelongAgent
from memory.command_line import check_seed, default_memory
from selfplay.cli import Options, checked_device, checked_output, guarded, parse, write_json
from window.app import App, AppConfig
from window.boards import make_board
from window.display import blank_picture, has_display, save_picture
from window.headless import ScriptedHand, demonstrate, draw_ending
from window.rivals import AGENT, find_opponent
from window.theme import Canvas
from window.thinker import Thinker
from window.widgets import LONGEST_NAME

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tga")


@dataclass(frozen=True, kw_only=True)
class PlayOptions(Options):
    """Play against an agent that learns and remembers you."""

    game: str = "connect"
    """Which game, with its modifiers: connect, tron:fog+wrap, volley:moon, ..."""
    opponent: str = AGENT
    """Against whom: agent, random, connect/one_ply, tron/voronoi, volley/predictor, ...; in a
    demonstration in letters, whom the agent plays against."""
    name: str = ""
    """Your name; the agent remembers you by it."""
    memory: Path | None = None
    """Folder of the agent's memory; by default in your user data."""
    agent: Path | None = None
    """Folder of another agent's weights; by default the one that is shipped."""
    screenshot: Path | None = None
    """Save what is shown to this picture: as soon as it is there, with F12, and at the end. On a
    screenless video driver, or after a demonstration, the program then leaves."""
    demo: int = 0
    """Skip the menu and let a script make your first moves, as many as this."""
    mind: bool = False
    """Open the mind overlay (M) from the start."""


def check(options: PlayOptions) -> None:
    """Raise `ValueError` for what can be seen to be wrong before anything is opened."""
    game = envs.make(options.game)
    make_board(game)
    find_opponent(game.name, options.opponent)
    if len(options.name) > LONGEST_NAME:
        raise ValueError(f"a name has at most {LONGEST_NAME} letters: {options.name!r}")
    if not options.name.isprintable():
        raise ValueError(f"a name has no line breaks or other signs for control: {options.name!r}")
    check_seed(options.seed)
    if options.demo < 0:
        raise ValueError(f"a demonstration has at least 1 move, not {options.demo}")
    if options.screenshot and options.screenshot.suffix.lower() not in PICTURES:
        raise ValueError(f"a screenshot ends in {', '.join(PICTURES)}: {options.screenshot}")
    for path in (options.screenshot, options.json):
        checked_output(path)
    checked_device(options.device)


def play_in_window(options: PlayOptions) -> dict[str, Any]:
    """Open the window; returns the report of the sitting."""
    memory = options.memory or default_memory()
    thinker = Thinker(lambda: build_agent(options, memory))
    config = AppConfig(
        game=options.game, opponent=options.opponent, name=options.name.strip(), seed=options.seed,
        screenshot=options.screenshot, show_mind=options.mind,
        stand_in=ScriptedHand(options.game, options.seed, options.demo) if options.demo else None,
    )  # fmt: skip
    app = App(config, thinker)
    app.run()
    return app.report()


def play_headless(options: PlayOptions) -> dict[str, Any]:
    """Print a demonstration; only a memory that was asked for is written."""
    print("There is no display here, so this is a demonstration in letters.", flush=True)
    agent = build_agent(options, options.memory)
    try:
        shown = demonstrate(agent, options.game, options.seed, options.opponent)
    finally:
        agent.close()
    if options.screenshot is not None:
        picture = blank_picture()
        draw_ending(Canvas(picture), shown)
        save_picture(picture, options.screenshot)
    return shown.report()


def build_agent(options: PlayOptions, memory: Path | None) -> LifelongAgent:
    """The agent that was asked for."""
    if options.agent is None:
        return LifelongAgent.pretrained(memory, options.device)
    return LifelongAgent.load(options.agent, memory, options.device)


def main(arguments: list[str] | None = None) -> None:
    """The program; what a user can get wrong is one line and exit code 2."""

    def run() -> None:
        options = parse(PlayOptions, arguments, "play.py")
        check(options)
        torch.set_num_threads(1)  # the other cores belong to the window
        report = play_in_window(options) if has_display() else play_headless(options)
        write_json(options.json, report)

    guarded(run)


if __name__ == "__main__":
    main()
