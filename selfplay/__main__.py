"""`python -m selfplay train | practise | match | adapt | exploit | forgetting | bench | curve`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from rich.console import Console
from rich.table import Table

import envs
from lifelong_agent.exemplars import MOST_EXEMPLARS, write_exemplars
from lifelong_agent.keys import KeyEncoder, encoder_version
from lifelong_agent.weights import PRETRAINED, load_network, save_network, trained_games
from selfplay import bench
from selfplay.adapt_command import Adapt, Exploit
from selfplay.cli import (
    Options,
    check_batch,
    check_new,
    checked_device,
    checked_output,
    print_whole,
    progress_bar,
    run_command,
    write_json,
)
from selfplay.curve import draw, read_scores
from selfplay.drills import Drill, DrillConfig
from selfplay.forgetting.command import Forgetting
from selfplay.lessons import TEACHERS
from selfplay.machine import best_batch, best_precision
from selfplay.match import play_match
from selfplay.players import make_player
from selfplay.training import TrainConfig, Trainer

OUT = Console()
STEPS = 12_000_000


@dataclass(frozen=True, kw_only=True)
class Train(Options):
    """Train a network by self-play; checkpoints are agents that `match` can seat."""

    games: str = "connect"
    """Comma-separated games with their modifiers."""
    variants: float = 0.0
    """Share of the decisions that goes to each game's variants with one modifier more."""
    variants_scripted: float = 0.5
    """Share of a variant's decisions against the first scripted opponent that plays its game."""
    steps: int | None = None
    """Learner decisions in all; 12,000,000, or as many as the run that is resumed was to have."""
    out: Path = Path("runs/train")
    """Folder of the run, a new one: checkpoints and TensorBoard."""
    resume: Path | None = None
    """Continue the run in this folder where it stopped, on a CPU exactly; but for the steps all its
    options, its device too, are those that it began with."""
    start: Path | None = None
    """Start from the network in this folder."""
    opponents: str = ",".join(f"{name}={share}" for name, share in TrainConfig.opponents)
    """Scripted opponents and their shares of the games; an eighth meets former selves, the rest
    are mirror games."""
    batch: int | None = None
    """Decisions of the learner at a time, in all games together; 256 on a CPU, on CUDA up
    to 49,152, by its memory."""
    minibatches: int | None = None
    """Parts of a pass over each rollout of 32 batches; 4 on a CPU, 24 on CUDA."""
    epochs: int = TrainConfig.epochs
    """Passes over each rollout."""
    averaging: float = TrainConfig.averaging
    """Share of the average of weights, which is what is shipped, that each rollout keeps."""
    snapshot_steps: int = TrainConfig.snapshot_steps
    """Decisions between former selves."""
    learning_rate: float = 6e-4
    """At the start; falls linearly to a tenth."""
    entropy: float = 0.025
    """Weight of the entropy bonus."""
    least_deviation: float = TrainConfig.least_deviation
    """Advantages are divided by their deviation, or by this if it is more: noise is not learned."""
    lessons: int = 0
    """Ask teachers (search of 4 plies, of territory two moves on, tracker) in the first decisions;
    their weight falls linearly."""
    lesson_floor: float = 0.0
    """Weight of the teachers' word that is left in the end; above 0 they are asked for ever."""
    taught: str = ",".join(TEACHERS)
    """Comma-separated games that are taught."""
    compiled: bool | None = None
    """Compile the network (torch.compile), which takes a minute at the start: by itself on CUDA."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the ventral stream; auto: bfloat16 where the processor has it."""

    def run(self) -> None:
        """Train."""
        device = checked_device(self.device)
        usual = best_batch(device)
        batch = usual[0] if self.batch is None else self.batch
        check_batch(batch)
        minibatches = usual[1] if self.minibatches is None else self.minibatches
        if self.resume is not None:
            self._check_that_the_run_is_left_alone()
            changes = {} if self.steps is None else {"steps": self.steps}
            trainer = Trainer.resume(self.resume, **changes)
        else:
            check_new(self.out, f"go on with --resume {self.out}, or choose another folder")
            trainer = Trainer(self._new_run(device, batch, minibatches), self.out, self.start)
        try:
            with progress_bar("training", trainer.config.steps, "steps") as tell:
                trainer.run(lambda steps: tell(steps, ""))
        except KeyboardInterrupt:
            OUT.print(
                f"stopped: {trainer.last_checkpoint()}; --resume {trainer.out} goes on from it"
            )
            raise
        OUT.print(f"trained {trainer.algorithm.num_timesteps:,} steps: {trainer.out}")
        write_json(self.json, {"steps": trainer.algorithm.num_timesteps, "out": str(trainer.out)})

    def _check_that_the_run_is_left_alone(self) -> None:
        """A run that goes on has the options that it began with."""
        free = ("resume", "steps", "json")
        given = [
            f"--{field.name.replace('_', '-')}"
            for field in fields(self)
            if field.name not in free and getattr(self, field.name) != field.default
        ]
        if given:
            raise ValueError(f"the run began with options of its own: with --resume no {given[0]}")

    def _new_run(self, device: torch.device, batch: int, minibatches: int) -> TrainConfig:
        return TrainConfig(
            games=tuple(self.games.split(",")),
            variants=self.variants,
            variants_scripted=self.variants_scripted,
            opponents=_shares(self.opponents),
            learning_rate=self.learning_rate,
            entropy_weight=self.entropy,
            least_deviation=self.least_deviation,
            lessons=self.lessons,
            lesson_floor=self.lesson_floor,
            taught=_taught(self.taught),
            steps=STEPS if self.steps is None else self.steps,
            num_games=batch,
            epochs=self.epochs,
            minibatches=minibatches,
            averaging=self.averaging,
            snapshot_steps=self.snapshot_steps,
            seed=self.seed,
            device=str(device),
            compiled=device.type == "cuda" if self.compiled is None else self.compiled,
            precision=best_precision(device) if self.precision == "auto" else self.precision,
        )


def _taught(text: str) -> tuple[str, ...]:
    """Read names of games."""
    names = tuple(filter(None, text.split(",")))
    unknown = sorted(set(names) - set(TEACHERS))
    if unknown:
        raise ValueError(f"nobody teaches {', '.join(unknown)}: taught are {', '.join(TEACHERS)}")
    return names


def _shares(text: str) -> tuple[tuple[str, float], ...]:
    """Read `player=share,player=share`."""
    shares = []
    for part in filter(None, text.split(",")):
        name, _, share = part.partition("=")
        try:
            shares.append((name, float(share)))
        except ValueError:
            raise ValueError(f"opponents are written player=share, not {part!r}") from None
    return tuple(shares)


@dataclass(frozen=True, kw_only=True)
class Match(Options):
    """Let two players meet, both seats equally, from varied openings."""

    game: str = "connect"
    """The game with its modifiers."""
    seats: tuple[str, str] = ("agent", "random")
    """The two players."""
    games: int = 1000
    """An even number."""

    def run(self) -> None:
        """Play."""
        device = checked_device(self.device)
        game = envs.make(self.game, device)
        players = (make_player(self.seats[0], device), make_player(self.seats[1], device))
        generator = torch.Generator(device).manual_seed(self.seed)
        with progress_bar("playing", self.games, "games") as tell:
            result = play_match(game, players, self.games, generator, lambda done: tell(done, ""))
        total = result.total
        low, high = total.ci95
        OUT.print(
            f"{self.seats[0]} against {self.seats[1]}: {total.wins} wins, {total.draws} draws, "
            f"{total.losses} losses, score {total.score:.3f} [{low:.3f}, {high:.3f}], "
            f"{result.points.mean:+.2f} points per game"
        )
        write_json(
            self.json,
            {
                "game": game.variant,
                "seats": list(self.seats),
                "games": total.games,
                "wins": total.wins,
                "draws": total.draws,
                "losses": total.losses,
                "score": total.score,
                "ci95": [low, high],
                "score_at_first_seat": result.first_seat.score,
                "points_per_game": {
                    "mean": result.points.mean,
                    "std": result.points.std,
                    "ci95": list(result.points.ci95),
                },
            },
        )


@dataclass(frozen=True, kw_only=True)
class Practise(Options):
    """Drill a network in what teachers see, in positions that it plays into.

    They see a few plies ahead, territory, and where the ball falls; where they have no say the
    network is held to what it was.
    """

    start: Path | None = None
    """The network's folder; the shipped one if left out."""
    out: Path = Path("runs/drilled")
    """Where the drilled network goes, a new folder."""
    minutes: float = 10.0
    """For how long."""
    games: str = "connect"
    """Comma-separated games to practise; others that the network knows are only kept. Variants
    among them may change altogether."""
    plies: int = 4
    """How deep the judge of connect looks."""
    batch: int = DrillConfig.num_games
    """Decisions at a time."""
    learning_rate: float = DrillConfig.learning_rate
    """At the start; falls linearly to a twentieth."""

    def run(self) -> None:
        """Practise."""
        device = checked_device(self.device)
        if not self.minutes > 0 or not 1 <= self.plies <= 6:
            raise ValueError("the minutes must be positive, and the plies from 1 to 6")
        check_new(self.out, "choose another folder")
        start = self.start or PRETRAINED
        network = load_network(start, device)
        games = tuple(self.games.split(","))
        known = tuple(n for n in trained_games(start) if ":" not in n or n not in games)
        check_batch(self.batch, len(games))
        config = DrillConfig(
            plies=self.plies, num_games=self.batch, games=games, known=known,
            learning_rate=self.learning_rate, precision=best_precision(device),
        )  # fmt: skip
        drill = Drill(network, config, self.seed)
        practised = list(dict.fromkeys(known + games))

        def save(positions: int) -> None:
            readings, states, legal_actions = drill.situations(MOST_EXEMPLARS)
            keys, average = KeyEncoder.fit(readings.cpu()), drill.average
            save_network(
                self.out, average, keys.tensors(), games=practised, drilled_positions=positions
            )
            encoder = encoder_version(average.eyes, keys)
            write_exemplars(self.out, readings, states, legal_actions, encoder)

        with progress_bar("practising", int(self.minutes * 60), "s") as tell:
            positions = drill.run(self.minutes * 60, lambda done: tell(done, ""), save)
        OUT.print(f"practised on {positions:,} positions: {self.out}")
        write_json(self.json, {"positions": positions, "out": str(self.out)})


@dataclass(frozen=True, kw_only=True)
class Bench(Options):
    """Measure: envs, train, decide, recall, strength."""

    what: Annotated[Literal["envs", "train", "decide", "recall", "strength"], tyro.conf.Positional]
    """What to measure."""
    agent: Path | None = None
    """The agent's folder; the shipped one if left out."""
    games: int = 1000
    """Games per opponent (strength)."""
    variants: str = "connect,tron,volley"
    """Comma-separated games with their modifiers (envs, strength)."""
    traces: tuple[int, ...] = (20_000, 100_000)
    """Sizes of memory, rising (recall); one of 1000000 takes a few minutes more."""

    def run(self) -> None:
        """Measure."""
        device = checked_device(self.device)
        config = bench.BenchConfig(
            self.agent, self.games, self.variants.split(","), list(self.traces)
        )
        rows = bench.run(self.what, device, self.seed, config)
        table = Table("what", "value", "unit", "peer", "its value", "ratio")
        for row in rows:
            table.add_row(*row.to_text())
        print_whole(table)
        write_json(self.json, {"rows": [row.to_json() for row in rows]})


@dataclass(frozen=True, kw_only=True)
class Curve(Options):
    """Draw a training run: its scores against scripted players while it learned."""

    run_dir: Annotated[Path, tyro.conf.Positional]
    """Folder of the run."""
    out: Path = Path("learning-curve.png")
    """The picture: .png, .svg or .pdf."""

    def run(self) -> None:
        """Draw."""
        checked_output(self.out)
        curves = read_scores(self.run_dir)
        draw(curves, self.run_dir.name).savefig(self.out, dpi=120)
        OUT.print(f"drew {self.out}")
        write_json(self.json, {name: list(curve) for name, curve in curves.items()})


def main(args: list[str] | None = None) -> None:
    """The command line."""
    commands = Train | Practise | Match | Adapt | Exploit | Forgetting | Bench | Curve
    run_command(commands, args, "python -m selfplay")


if __name__ == "__main__":
    main()
