"""The script that repeats the figures of adaptation, with a stand-in for what takes hours."""

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "adaptation.sh"
STAND_IN = """#!/usr/bin/env bash
echo "$*" >> "$FOLDER/calls"
while test $# -gt 1; do
    case $1 in
        --out) mkdir "$2"; echo "$CALL" > "$2/run.json";;
        --resume) test -d "$2" && echo "$CALL" >> "$2/run.json";;
        --json) touch "$2";;
        --memory)
            echo "$(basename "$2") $3" >> "$FOLDER/lives"
            mkdir -p "$2"; touch "$2/memory.sqlite"
            if test "$CALL" = early; then exit 2; fi;;
    esac
    if test "$2" = "$FOLDER/connect-1" && test "$CALL" != third; then exit 2; fi
    shift
done
"""


def call(folder: Path, name: str) -> int:
    python = folder / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    given = {"PYTHON": str(python), "FOLDER": str(folder), "CALL": name}
    return subprocess.run(["bash", SCRIPT, folder], env=os.environ | given, check=False).returncode


def test_a_life_that_was_stopped_goes_on_where_its_memory_ends(tmp_path: Path) -> None:
    """A memory that is not there yet cannot be gone on with."""
    assert [call(tmp_path, name) for name in ("early", "third")] == [2, 0]
    lives = (tmp_path / "lives").read_text().splitlines()
    assert lives == [
        "memory-connect --json", "memory-connect --resume", "memory-tron --json",
        "memory-volley --json",
    ]  # fmt: skip


def test_an_exploiter_that_was_stopped_goes_on_and_what_is_done_is_not_repeated(
    tmp_path: Path,
) -> None:
    assert [call(tmp_path, name) for name in ("first", "second", "third")] == [2, 2, 0]
    learned = {path.parent.name: path.read_text().split() for path in tmp_path.glob("*/run.json")}
    assert learned == {
        "connect-0": ["first"], "connect-1": ["first", "second", "third"],
        "tron-0": ["third"], "tron-1": ["third"],
    }  # fmt: skip
    called = (tmp_path / "calls").read_text().splitlines()
    assert sum("exploit --games connect" in line for line in called) == 4
    assert sum("adapt --game connect --opponents" in line for line in called) == 1
