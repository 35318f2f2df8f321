"""A life that is ended at random moments, again and again: `python -m tests.memory.mortal`.

Arguments: folder, how many times it is killed, seed. A child plays, sleeps, forgets, forgets a
person for good, and closes and opens its memory until a -9 ends it; then the parent looks whether
all is well, and the next child goes on. Children are forked, so that hundreds of lives take
seconds. Prints how many games were finished, or fails.
"""

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

from memory import Hippocampus, Recalled, sleep
from memory.erasure import erase
from memory.forgetting import ForgettingConfig
from memory.inspection import inspect
from tests.memory.make import KEY_SIZE, make_episode, make_trace

LEAVES = "eve"
FORGETTING = ForgettingConfig(capacity_traces=60, slack=0.1)


def live(folder: Path, seed: int, finished: int) -> None:
    """Play until the end; the number of each game that must stay goes into the pipe."""
    dice = random.Random(seed)
    memory = Hippocampus.open(folder, KEY_SIZE, FORGETTING)
    while True:
        what = dice.random()
        if what < 0.7:
            if play(memory, dice) != LEAVES:
                os.write(finished, b"%d\n" % memory.store.last_game())
        elif what < 0.8:
            sleep(memory, 1.0)
        elif what < 0.9:
            memory.book.note_scenes({make_trace(dice.randrange(200)).code: dice.randbytes(16)})
        else:
            if dice.random() < 0.3 and memory.store.results(LEAVES):
                erase(memory.store, LEAVES)
            memory.store.close()
            memory = Hippocampus.open(folder, KEY_SIZE, FORGETTING)


def play(memory: Hippocampus, dice: random.Random) -> str:
    situations = [dice.randrange(200) for _ in range(dice.randint(1, 5))]
    actions = [dice.randrange(2) for _ in situations]
    result, opponent = dice.choice((-1, 0, 1)), dice.choice(("ana", "ben", LEAVES))
    episode = make_episode(situations, result, opponent, actions)
    if len(memory):
        newest = memory.store.last_id("traces")
        episode.traces[0].recalled = (Recalled(newest, actions[0], 0.9, 1.0, "ana"),)
    memory.remember(episode, "v")
    return opponent


def end_at_random(folder: Path, seed: int, dice: random.Random) -> set[int]:
    """One life, ended at once or after a few games; the games that were over before its end."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            live(folder, seed, writer)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    os.close(writer)
    told, games = b"", dice.randrange(4)
    while told.count(b"\n") < games and (more := os.read(reader, 1 << 16)):
        told += more
    time.sleep(dice.uniform(0, 0.04))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it died of itself"
    with os.fdopen(reader, "rb") as pipe:
        told += pipe.read()
    return {int(number) for number in told.split(b"\n")[:-1]}


def look(folder: Path, finished: set[int]) -> None:
    """All is well: no game is missing, nothing is damaged, index and store agree."""
    if (folder / "memory.sqlite").exists():
        assert inspect(folder) == []
    memory = Hippocampus.open(folder, KEY_SIZE, FORGETTING)
    memory.check_valid()
    games = {number for (number,) in memory.store.connection.execute("SELECT id FROM games")}
    assert finished <= games
    assert len(memory) <= FORGETTING.capacity_traces
    memory.store.close()


def main(folder: Path, kills: int, seed: int) -> None:
    dice, finished = random.Random(seed), set[int]()
    for kill in range(kills):
        finished |= end_at_random(folder, 1000 * seed + kill, dice)
        if kill % 3 == 0:  # else the next life finds what the last one left
            look(folder, finished)
    look(folder, finished)
    print(len(finished))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
