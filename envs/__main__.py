"""`python -m envs list | sheet`: the names of all variants, and pictures of them.

With `argparse`: two commands of two options, and complaints of one line, need no more.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import torch

from envs.registry import GAMES, list_variants
from envs.sheet import write_sheet


class Parser(argparse.ArgumentParser):
    """Complains in one line and leaves with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong."""
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
        raise SystemExit(2)


def main(args: list[str] | None = None) -> None:
    """Run a command."""
    parser = Parser(prog="python -m envs", description="The games and their variants.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{list,sheet}")
    for name, what in (("list", "print every variant"), ("sheet", "draw every modifier")):
        command = commands.add_parser(name, help=what)
        command.add_argument("--game", choices=sorted(GAMES), help="only this one")
        if name == "sheet":
            command.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    chosen = parser.parse_args(args)
    games = [chosen.game] if chosen.game else sorted(GAMES)
    if chosen.command == "list":
        print("\n".join(variant for game in games for variant in list_variants(game)))
    elif not chosen.out.is_dir():
        parser.error(f"there is no folder {chosen.out}")
    else:
        draw(games, chosen.out)


def draw(games: list[str], folder: Path) -> None:
    """Write a picture sheet of each game."""
    torch.set_num_threads(1)  # small batches: a second thread costs more than it gives
    for game in games:
        path = folder / f"games-{game}.png"
        write_sheet(game, path)
        print(path)


if __name__ == "__main__":
    main()
