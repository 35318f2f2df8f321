"""`python -m selfplay adapt` and `exploit`: does the same trick work twice, even a trained one?"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import envs
from lifelong_agent import LifelongAgent
from selfplay.adapt import AdaptConfig, adapt
from selfplay.cli import (
    Options,
    check_batch,
    check_new,
    checked_device,
    progress_bar,
    write_json,
)
from selfplay.exploiters import (
    EXAM_LEAST,
    ExploitConfig,
    check_exploiters,
    exploit,
    face,
)
from selfplay.habits import face_habits
from selfplay.strength import LADDERS

OUT = Console()
SIGNS = {1: "#", 0: "=", -1: "-"}


@dataclass(frozen=True, kw_only=True)
class Adapt(Options):
    """Does the same trick work twice? Opponents that beat the frozen agent, one after another.

    Stubborn characters, with `--clumsy` such that slip now and then, or with `--against` networks
    that `exploit` has trained.
    """

    game: str = "connect"
    """The game with its modifiers."""
    opponents: int = 20
    """How many that beat the frozen agent first."""
    games: int = 30
    """Games against each."""
    agent: Path | None = None
    """The agent's folder; the shipped one if left out."""
    memory: Path | None = None
    """Folder of the memory; in RAM if left out."""
    resume: bool = False
    """Go on with a run that was stopped, on the same terms, where its --memory ends."""
    sleep_s: float = AdaptConfig.sleep_s
    """Seconds of sleep after each game, at most; 0 for none."""
    strangers: int = AdaptConfig.num_strangers
    """Opponents met once, after all others; not with --clumsy or --against."""
    against: tuple[Path, ...] = ()
    """Folders of exploiters, met instead of stubborn opponents, one after another."""
    clumsy: int = 0
    """Percent of the opponents' actions that are any legal ones: few games are alike."""
    ladder_games: int = 100
    """With `--against`: games against each scripted player, before and afterwards."""

    def run(self) -> None:
        """Adapt."""
        device = checked_device(self.device)
        if min(self.opponents, self.games) < 1:
            raise ValueError("there must be at least 1 opponent and 1 game")
        if self.strangers < 2 or self.sleep_s < 0:
            raise ValueError("there must be at least 2 strangers, and no negative sleep")
        if self.ladder_games < 1:
            raise ValueError("there must be at least 1 game against each player of the ladder")
        if not 0 <= self.clumsy < 100:
            raise ValueError(f"--clumsy is 0 to 99 percent, not {self.clumsy}")
        if self.clumsy and (self.against or self.games < 2):
            raise ValueError("--clumsy needs at least 2 games, and stubborn opponents")
        check_exploiters(self.against)
        if self.resume and (self.memory is None or self.against or self.clumsy):
            raise ValueError("--resume goes on with stubborn opponents, where a --memory ends")
        if self.resume and not (self.memory and (self.memory / "memory.sqlite").exists()):
            raise ValueError(f"there is no memory in {self.memory} to go on with")
        game = envs.make(self.game, device, validate=True)
        torch.set_num_threads(1)  # single decisions: a second thread only costs
        agent = (
            LifelongAgent.pretrained(self.memory, device)
            if self.agent is None
            else LifelongAgent.load(self.agent, self.memory, device)
        )
        meet = self._face if self.against else self._face_habits if self.clumsy else self._adapt
        result = meet(game, agent)
        agent.close()
        write_json(self.json, result)

    @property
    def _config(self) -> AdaptConfig:
        return AdaptConfig(
            self.opponents, self.games, self.strangers, self.sleep_s, self.seed, self.resume
        )

    def _adapt(self, game: envs.Game[Any], agent: LifelongAgent) -> dict[str, Any]:
        with counting_bar("adapting", self.opponents * (self.games + 1)) as count:
            result = adapt(game, agent, self._config, count, partial(write_json, self.json))
        _show_adaptation(result)
        return result

    def _face_habits(self, game: envs.Game[Any], agent: LifelongAgent) -> dict[str, Any]:
        keep = partial(write_json, self.json)
        with counting_bar("adapting", self.opponents * self.games) as count:
            result = face_habits(game, agent, self._config, self.clumsy, count, keep)
        _show_habits(result)
        return result

    def _face(self, game: envs.Game[Any], agent: LifelongAgent) -> dict[str, Any]:
        with counting_bar("adapting", len(self.against) * self.games) as count:
            result = face(
                game, agent, self.against, self.games, self.ladder_games, self.sleep_s, count
            )
        _show_encounters(result)
        return result


@contextlib.contextmanager
def counting_bar(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """A bar that goes on by one game whenever it is told a word."""
    with progress_bar(title, total, "games") as tell:
        games = itertools.count(1)
        yield lambda word: tell(next(games), word)


def _show_adaptation(result: dict[str, Any]) -> None:
    table = Table("opponent", "games (won #, drawn =, lost -)", "losses until broken", "retest")
    for record in result["opponents"]:
        until = record["losses_until_broken"]
        games = "".join(SIGNS[r] for r in record["results"])
        table.add_row(
            record["name"], games, "never" if until is None else str(until),
            SIGNS[record["retest"]],
        )  # fmt: skip
    OUT.print(table)
    OUT.print(
        f"losses until broken, median {result['median_losses_until_broken']}; "
        f"unbroken {result['unbroken']}; relapses {result['relapse_rate']:.1%}; "
        f"frozen agent: {result['frozen_losses_per_game']:.2f} losses per game"
    )
    survives, others = result["survives_without_hippocampus"], result["strangers"]
    share = "no gain to keep" if survives is None else f"{survives:.0%} of the gain survives"
    OUT.print(
        f"without the hippocampus: {share}; {others['games']} strangers: score "
        f"{others['score']:.3f}, frozen {others['frozen_score']:.3f}; longest sleep "
        f"{result['longest_sleep_s']:.1f} s"
    )


def _show_habits(result: dict[str, Any]) -> None:
    table = Table("opponent", "games (won #, drawn =, lost -)", "the frozen agent's")
    for met in result["opponents"]:
        games = ("".join(SIGNS[r] for r in met[whose]) for whose in ("results", "frozen"))
        table.add_row(met["name"], *games)
    OUT.print(table)
    for half in ("first", "second"):
        scores = result[f"{half}_half"]
        OUT.print(
            f"{half} half of the games: score {scores['score']:.3f}, frozen "
            f"{scores['frozen_score']:.3f}"
            + ("" if scores["difference_ci95"] is None else _difference(scores))
        )


def _difference(scores: dict[str, Any]) -> str:
    low, high = scores["difference_ci95"]
    return f", the difference in [{low:+.3f}, {high:+.3f}]"


def _show_encounters(result: dict[str, Any]) -> None:
    table = Table("exploiter", "frozen", "games (won #, drawn =, lost -)", "last", "retest")
    for met in result["exploiters"]:
        games = "".join(SIGNS[r] for r in met["results"])
        scores = (f"{met[name]:.2f}" for name in ("score_of_last", "retest_score"))
        table.add_row(met["name"], f"{met['frozen_score']:.2f}", games, *scores)
    OUT.print(table)
    ladder = result["ladder"]
    OUT.print(
        f"scripted players, {ladder['games']} games before and after: score "
        f"{ladder['before']:.3f}, then {ladder['score']:.3f}{_difference(ladder)}"
    )


@dataclass(frozen=True, kw_only=True)
class Exploit(Options):
    """Train a network that beats the frozen agent; `adapt --against` shows what helps."""

    games: str = ExploitConfig.game
    """The game with its modifiers."""
    out: Path = Path("runs/exploiter")
    """Folder of the exploiter, a new one."""
    resume: Path | None = None
    """The folder of a run that was stopped, to go on with on the same terms instead of --out."""
    agent: Path | None = None
    """The folder of the agent that is exploited; the shipped one if left out."""
    target: float = ExploitConfig.target
    """Score against it, both playing greedily from varied openings, that is enough."""
    steps: int = ExploitConfig.most_steps
    """Decisions after which the training is given up."""
    every: int = ExploitConfig.every
    """Decisions between two examinations, rounded up to whole rollouts."""
    exam_games: int = ExploitConfig.exam_games
    """Games of each examination."""
    batch: int = ExploitConfig.batch
    """Decisions at a time."""
    learning_rate: float = ExploitConfig.learning_rate
    """Constant."""

    def run(self) -> None:
        """Train."""
        device = checked_device(self.device)
        if not 0 < self.target <= 1 or min(self.steps, self.every) < 1:
            raise ValueError("the target is a score in (0, 1], and there must be at least 1 step")
        if self.exam_games < EXAM_LEAST or self.exam_games % 2:
            raise ValueError(f"an examination has at least {EXAM_LEAST} games, an even number")
        if envs.make(self.games).name not in LADDERS:
            raise ValueError(f"known games are {', '.join(LADDERS)}")
        check_batch(self.batch)
        if self.resume is None:
            check_new(self.out, f"go on with --resume {self.out}, or choose another folder")
        out = self.resume or self.out
        config = ExploitConfig(
            game=self.games, agent=self.agent, target=self.target, most_steps=self.steps,
            every=self.every, exam_games=self.exam_games, batch=self.batch,
            learning_rate=self.learning_rate, seed=self.seed, device=str(device),
        )  # fmt: skip
        with progress_bar("training", self.steps, "steps") as tell:
            score, steps = exploit(
                config, out, lambda now, s: tell(s, f"score {now:.2f}"),
                resumed=self.resume is not None,
            )  # fmt: skip
        reached = score.score >= self.target
        OUT.print(
            f"after {steps:,} steps {out} scores {score.score:.3f} against the frozen agent"
            + ("" if reached else f", not the {self.target:g} asked")
        )
        low, high = score.ci95
        write_json(
            self.json,
            {
                "out": str(out), "steps": steps, "score": score.score, "ci95": [low, high],
                "reached": reached,
            },
        )  # fmt: skip
