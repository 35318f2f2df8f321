"""What every command of the house shares: options read, one-line errors, results as JSON.

It knows no command; `memory.__main__` and `selfplay.cli` build theirs on it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
import tyro

T = TypeVar("T")


def default_memory() -> Path:
    """Where the agent's memory of the person who plays is kept, unless told otherwise."""
    return Path(platformdirs.user_data_dir("lifelong-agent", False))


def parse(command: Any, args: list[str] | None, prog: str) -> Any:
    """Read the command line; a wrong one gives one line and exit code 2."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(command, args=args, prog=prog)
    except SystemExit as stop:
        if stop.code:
            fail(_unframed(complaint.getvalue()))
        raise


def _unframed(complaint: str) -> str:
    """The title and the parts of a complaint in a frame, with semicolons in the place of rules."""
    words = re.sub(r"\x1b\[[0-9;]*m", "", complaint).replace("│", " ")
    parts = [" ".join(part.split()) for part in re.split(r"[╭╰]?─+[╮╯]?", words)]
    return "; ".join(part for part in parts if part and part != "Parsing error")


def fail(message: str) -> None:
    """Print one line to the error stream and leave with exit code 2."""
    sys.stdout.flush()
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def guarded(action: Callable[[], T]) -> T:
    """Run a command; what a user can cause ends in one line and exit code 2."""
    try:
        with plain_warnings():
            return action()
    except BrokenPipeError:  # who read along has gone: nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (ValueError, FloatingPointError, OSError) as error:
        fail(str(error))
        raise  # not reached
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Our own warnings are one line for the user, without the line of code that gave them."""
    usual = warnings.formatwarning

    def plain(message: Any, category: type[Warning], *where: Any, **more: Any) -> str:
        if category is UserWarning:
            return f"warning: {message}\n"
        return usual(message, category, *where, **more)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


def run_command(commands: Any, args: list[str] | None, prog: str) -> None:
    """Read which of the commands is meant, and with what options; run it, guarded."""

    def run() -> None:
        command = parse(commands, args, prog)
        checked_output(command.json)
        check_seed(getattr(command, "seed", 0))
        command.run()

    guarded(run)


def check_seed(seed: int) -> None:
    """Complain of a seed that not every generator takes."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"the seed is a whole number from 0 to 2**32 - 1, not {seed}")


def checked_output(path: Path | None) -> None:
    """Complain before the work, not after it, if a result could not be written."""
    if path is not None:
        if not path.parent.is_dir():
            raise ValueError(f"cannot write {path}: there is no folder {path.parent}")
        if not os.access(path.parent, os.W_OK) or path.is_dir():
            raise ValueError(f"cannot write {path}")


def write_json(path: Path | None, values: dict[str, Any]) -> None:
    """Write a result if a path was given."""
    if path is not None:
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
