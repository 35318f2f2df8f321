"""Self-play training: arenas, a league of snapshots, checkpoints, and exact resumption."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Generator, Tensor

import envs
from envs import NUM_SEATS
from lifelong_agent.experience import Rollout
from lifelong_agent.keys import KeyEncoder
from lifelong_agent.perception import EyesConfig
from lifelong_agent.policy import DualStreamNetwork, NetworkConfig
from lifelong_agent.ppo import LifelongPPO, PPOConfig
from lifelong_agent.weights import (
    flatten,
    load_network,
    load_optimizer,
    optimizer_tensors,
    read_pair,
    save_network,
    unflatten,
    write_pair,
)
from selfplay.arena import Arena, make_arena
from selfplay.league import League, Snapshot, freeze
from selfplay.lessons import TEACHERS, TaughtPPO
from selfplay.machine import keep_freed_memory
from selfplay.players import NetworkPlayer, make_scripted
from selfplay.rollout import Arenas, random_positions
from selfplay.seats import Player, Random

KEY_SAMPLES = 2048
MOST_OPENINGS = 1 << 16
LOG_STEPS = 80_000  # between two points of the curves
MEETING_STEPS = 160_000  # that a former self stays, on average
MOST_SCRIPTED = 0.8  # share of the decisions in a game


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        games: their names with modifiers; the batch is shared out evenly.
        variants: share of each game's decisions that goes to its variants with one modifier more,
            in mirror games; 0 for no variants.
        steps: learner decisions in all.
        num_games: decisions of the learner at a time; a simultaneous mirror game takes two.
        epochs: passes over each rollout.
        minibatches: parts of a pass.
        opponents: scripted players and their shares of the decisions in the games that they
            play; the rest is mirror games.
        snapshot_share: share of the games against former selves.
        midgame_share: share of new games that start from a random mid-game position.
        max_opening_plies: depth of those positions.
        learning_rate: at the start; falls linearly to a tenth.
        entropy_weight: of the entropy bonus; at 0.01 the policy settled too early.
        lessons: decisions in which teachers are asked, too (see `lessons`); 0 for none.
        lesson_floor: weight to which their word falls in these.
        taught: names of the games that are taught.
        averaging: share of the average of weights that is kept from rollout to rollout; the
            average is what is shipped, the network itself goes on learning.
        snapshot_steps: learner decisions between snapshots.
        checkpoint_s: seconds between checkpoints.
        precision: arithmetic of the ventral stream.
        compiled: whether the eyes are compiled, which takes a minute; on two cores without AVX-512
            it was 20% slower.
        seed: of all chance.
    """

    games: tuple[str, ...] = ("connect",)
    variants: float = 0.0
    steps: int = 12_000_000
    num_games: int = 256
    epochs: int = 2
    minibatches: int = 4
    opponents: tuple[tuple[str, float], ...] = (
        ("connect/one_ply", 0.125),
        ("connect/negamax-2", 0.125),
        ("connect/negamax-4", 0.125),
        ("tron/wall_hugger", 0.125),
        ("tron/voronoi", 0.125),
        ("volley/tracker", 0.125),
        ("volley/predictor", 0.125),
    )
    snapshot_share: float = 0.125
    midgame_share: float = 0.5
    max_opening_plies: int = 24
    learning_rate: float = 6e-4
    entropy_weight: float = 0.025
    lessons: int = 0
    lesson_floor: float = 0.0
    taught: tuple[str, ...] = tuple(TEACHERS)
    averaging: float = 0.98
    snapshot_steps: int = 400_000
    checkpoint_s: float = 180.0
    precision: str = "float32"
    compiled: bool = False
    seed: int = 0
    device: str = "cpu"


class Trainer:
    """One run: who meets whom, when to freeze a copy, when to save.

    Args:
        config: the run.
        out: folder for checkpoints and TensorBoard.
        start: a trained network's folder to continue from, or None.
    """

    def __init__(self, config: TrainConfig, out: Path, start: Path | None = None) -> None:
        keep_freed_memory()
        torch.set_float32_matmul_precision("high")  # on CUDA, TF32
        self.config, self.out = config, out
        self.games = [envs.make(name, config.device) for name in config.games]
        self.variants = [_variants(game) if config.variants else [] for game in self.games]
        self.generator = Generator(config.device).manual_seed(config.seed)
        self.league = League()
        self.scripted_arenas: list[Arena] = []
        self.snapshot_arenas: list[Arena] = []
        arenas = [self._arenas(game) for game in self.games]
        arenas += [self._mirrors(variants) for variants in self.variants]
        self.arenas = Arenas([arena for some in arenas for arena in some])
        kind = self._taught_kind() if config.lessons else LifelongPPO
        self.algorithm = kind(
            "DualStreamPolicy",
            self.arenas,
            learning_rate=self._learning_rate,
            config=PPOConfig(
                entropy_weight=config.entropy_weight,
                epochs=config.epochs,
                minibatches=config.minibatches,
            ),
            seed=config.seed,
            device=config.device,
            policy_kwargs={"network": NetworkConfig(eyes=EyesConfig(precision=config.precision))},
            tensorboard_log=str(out / "tensorboard"),
        )
        if start is not None:
            self.network.load_state_dict(load_network(start, config.device).state_dict())
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        if config.compiled:
            self.network.eyes.compile()
        self.met: list[Snapshot | None] = [None] * len(self.snapshot_arenas)
        self.saved_steps: int | None = None  # of the checkpoint on disk

    def _taught_kind(self) -> Callable[..., LifelongPPO]:
        c = self.config
        return partial(TaughtPPO, lessons=c.lessons, floor=c.lesson_floor, taught=c.taught)

    @property
    def network(self) -> DualStreamNetwork:
        """The network that learns."""
        return self.algorithm.policy.network

    @property
    def _rollout_steps(self) -> int:
        return self.arenas.num_rows * self.algorithm.config.num_steps

    def _learning_rate(self, progress_remaining: float) -> float:
        return self.config.learning_rate * max(0.1, progress_remaining)

    def _openings(self, game: envs.Game[Any], num_games: int) -> envs.State:
        c = self.config
        num = min(16 * num_games, MOST_OPENINGS)
        return random_positions(game, num, c.max_opening_plies, c.midgame_share, self.generator)

    def _mirrors(self, variants: list[envs.Game[Any]]) -> list[Arena]:
        """Mirror games of all variants of a game."""
        c = self.config
        num_variants = max(1, len(variants))
        rows = max(NUM_SEATS, round(c.variants * c.num_games / len(self.games) / num_variants))
        return [self._mirror(game, rows, self._openings(game, rows)) for game in variants]

    def _mirror(self, game: envs.Game[Any], rows: int, openings: envs.State) -> Arena:
        num_games = rows // (NUM_SEATS if game.simultaneous else 1)
        return make_arena(game, num_games, None, openings, self.generator)

    def _arenas(self, game: envs.Game[Any]) -> list[Arena]:
        """Mirror games, scripted opponents, and former selves, for one of the games."""
        c = self.config
        openings = self._openings(game, c.num_games)
        num_games = round((1 - c.variants) * c.num_games) // len(self.games)

        def arena(share: float, player: Player) -> Arena:
            games = max(1, round(share * num_games))
            return make_arena(game, games, player, openings, self.generator)

        met = [(name, share) for name, share in c.opponents if _plays(name, game)]
        if sum(share for _, share in met) > MOST_SCRIPTED:
            raise ValueError(f"opponents may take at most {MOST_SCRIPTED} of {game.name}")
        scripted = [arena(share, make_scripted(name)) for name, share in met]
        former = arena(c.snapshot_share, Random())  # one: each costs a forward pass of its own
        rows_left = num_games - sum(a.num_rows for a in [*scripted, former])
        mirror = self._mirror(game, rows_left, openings)
        self.scripted_arenas += scripted
        self.snapshot_arenas.append(former)
        return [mirror, *scripted, former]

    def run(self, tell: Callable[[int], None] = lambda _: None) -> None:
        """Train until `steps`; checkpoints as it goes and at the end.

        Args:
            tell: called with the steps done so far, after each rollout.

        Raises:
            FloatingPointError: naming the last good checkpoint, if a loss is not finite.
        """
        remaining = self.config.steps - self.algorithm.num_timesteps
        try:
            self.algorithm.learn(
                max(0, remaining),
                callback=_Watch(self, tell),
                log_interval=max(1, LOG_STEPS // self._rollout_steps),
                reset_num_timesteps=False,
            )
        except FloatingPointError as error:
            raise FloatingPointError(f"{error}; {self._last_good()}") from None
        self.save()

    def _last_good(self) -> str:
        if self.saved_steps is None:
            return "no checkpoint was written before"
        return f"the last good checkpoint ({self.saved_steps:,} steps) is in {self.out}"

    def before_rollout(self) -> None:
        """Average the weights, freeze a copy when it is time, choose whom to meet."""
        with torch.no_grad():
            means, now = (tuple(net.parameters()) for net in (self.average, self.network))
            torch._foreach_lerp_(means, now, 1 - self.config.averaging)
        steps, every = self.algorithm.num_timesteps, self.config.snapshot_steps
        if len(self.league.snapshots) <= steps // every and (
            not self.league.snapshots or steps - self._newest_snapshot() >= every
        ):
            self.league.add(self.network, steps)
        parting = self._rollout_steps / MEETING_STEPS
        for i, arena in enumerate(self.snapshot_arenas):
            self._book_snapshot_games(i, arena)
            if self.met[i] is None or torch.rand(1, generator=self._host()) < parting:
                self._meet(i, arena, self.league.pick(self._host()))

    def _newest_snapshot(self) -> int:
        return int(self.league.snapshots[-1].name.split("-")[1])

    def _host(self) -> Generator:
        """A generator on the CPU that follows from the run's own."""
        if self.generator.device.type == "cpu":
            return self.generator
        seed = torch.randint(2**31, (1,), generator=self.generator, device=self.generator.device)
        return Generator().manual_seed(int(seed))

    def _book_snapshot_games(self, i: int, arena: Arena) -> None:
        met = self.met[i]
        if met is not None and arena.tally.games:
            self.league.record(met, arena.tally.score, arena.tally.games)
        arena.tally.clear()

    def _meet(self, i: int, arena: Arena, snapshot: Snapshot) -> None:
        self.met[i] = snapshot
        if not isinstance(arena.opponent, NetworkPlayer):
            double = freeze(snapshot.network, snapshot.name)
            arena.opponent = NetworkPlayer(double.network, snapshot.name)
            arena.opponent.begin(arena.num_games)
        arena.opponent.turn_into(snapshot.network, snapshot.name)

    def record(self) -> None:
        """Scores against the scripted players, for TensorBoard."""
        for arena in self.scripted_arenas:
            assert arena.opponent is not None
            if arena.tally.games >= 200:
                self.algorithm.logger.record(f"score/{arena.opponent.name}", arena.tally.score)
                arena.tally.clear()

    # Checkpoints: `network.*` is the average, an agent that `match` can play; `run.*` is the rest.

    def save(self) -> None:
        """Write a checkpoint."""
        steps = self.algorithm.num_timesteps
        notes = {
            "config": dataclasses.asdict(self.config),
            "steps": steps,
            "snapshots": [[s.name, s.score] for s in self.league.snapshots],
            "met": [None if s is None else s.name for s in self.met],
            "num_updates": self.algorithm._n_updates,
        }
        write_pair(self.out, "run", flatten(self.state_dict()), notes)
        rollout = self.algorithm.rollout
        games = list(dict.fromkeys(arena.game.variant for arena in self.arenas.arenas))
        keys = None if rollout is None else self._fit_keys(rollout).tensors()
        save_network(self.out, self.average, keys, steps=steps, games=games)
        self.saved_steps = steps

    @torch.no_grad()
    def _fit_keys(self, rollout: Rollout) -> KeyEncoder:
        """Keys centred and whitened on what the last rollout saw."""
        frames, glances = rollout.frames.flatten(0, 1), rollout.glances.flatten(0, 1)
        chosen = torch.arange(0, len(frames), max(1, len(frames) // KEY_SAMPLES))
        readings = self.average.eyes(frames[chosen], glances[chosen]).reading
        return KeyEncoder.fit(readings.cpu())

    def state_dict(self) -> dict[str, Any]:
        """Every tensor that the run's future depends on."""
        algorithm = self.algorithm
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": optimizer_tensors(algorithm.policy.optimizer),
            "generators": {
                "run": self.generator.get_state(),
                "algorithm": algorithm.generator.get_state(),
            },
            "states": {"now": algorithm.states} if algorithm.rollout is not None else {},
            "openings": {name: _fields(state) for name, state in self._openings_in_play().items()},
            "arenas": self.arenas.state_dict(),
            "league": {s.name: s.network.state_dict() for s in self._snapshots_in_play()},
        }

    def _snapshots_in_play(self) -> list[Snapshot]:
        """The league, and those who have left it but still hold a seat."""
        return [*self.league.snapshots, *(s for s in self.met if s is not None)]

    def _openings_in_play(self) -> dict[str, envs.State]:
        """By variant."""
        return {arena.game.variant: arena.openings for arena in self.arenas.arenas}

    @staticmethod
    def resume(directory: Path, **changes: Any) -> Trainer:
        """Continue the run in `directory`; `changes` replace fields of its configuration.

        Raises:
            ValueError: if the checkpoint is missing, damaged, or not of one piece.
        """
        notes, flat = read_pair(directory, "run")
        try:
            values = notes["config"] | changes
            values["games"] = tuple(values["games"])
            values["taught"] = tuple(values["taught"])
            values["opponents"] = tuple((name, share) for name, share in values["opponents"])
            config = TrainConfig(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{directory / 'run.json'} describes no run: {error}") from None
        trainer = Trainer(config, directory)
        host = ("generators/", "optimizer/")  # these are taken over from the host
        tensors = unflatten(
            {k: v if k.startswith(host) else v.to(config.device) for k, v in flat.items()}
        )
        try:
            trainer._load(notes, tensors)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{directory} holds no whole checkpoint: {reason}") from None
        return trainer

    def _load(self, notes: dict[str, Any], tensors: dict[str, Any]) -> None:
        algorithm = self.algorithm
        self.network.load_state_dict(tensors["network"])
        self.average.load_state_dict(tensors["average"])
        load_optimizer(algorithm.policy.optimizer, tensors["optimizer"])
        for name, score in notes["snapshots"]:
            self.league.add(self.network, int(name.split("-")[1]))
            self.league.snapshots[-1].network.load_state_dict(tensors["league"][name])
            self.league.snapshots[-1].score = score
        in_play = {s.name: s for s in self.league.snapshots}
        for i, name in enumerate(notes["met"]):
            if name is not None:
                if name not in in_play:
                    in_play[name] = freeze(self.network, name)
                    in_play[name].network.load_state_dict(tensors["league"][name])
                self._meet(i, self.snapshot_arenas[i], in_play[name])
        self.arenas.load_state_dict(tensors["arenas"])
        for arena in self.arenas.arenas:
            arena.openings = type(arena.openings)(**tensors["openings"][arena.game.variant])
        algorithm._allocate(self.arenas)
        if "states" in tensors:
            algorithm.states.copy_(tensors["states"]["now"])
        self.generator.set_state(tensors["generators"]["run"])
        algorithm.generator.set_state(tensors["generators"]["algorithm"])
        algorithm.num_timesteps = self.saved_steps = notes["steps"]
        algorithm._n_updates = notes["num_updates"]


class _Watch(BaseCallback):
    """Progress, snapshots, and checkpoints between rollouts."""

    def __init__(self, trainer: Trainer, tell: Callable[[int], None]) -> None:
        super().__init__()
        self.trainer, self.tell = trainer, tell
        self.saved_at = time.monotonic()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if time.monotonic() - self.saved_at > self.trainer.config.checkpoint_s:
            self.trainer.save()
            self.saved_at = time.monotonic()
        self.trainer.before_rollout()

    def _on_rollout_end(self) -> None:
        self.trainer.record()
        self.tell(self.num_timesteps)


def _plays(player: str, game: envs.Game[Any]) -> bool:
    """`connect/one_ply` plays connect; names without a game play all of them."""
    kind, slash, _ = player.partition("/")
    return not slash or kind == game.name


def _variants(game: envs.Game[Any]) -> list[envs.Game[Any]]:
    """All with one modifier more that goes with those it has."""
    found = []
    for modifier in sorted(game.MODIFIERS.keys() - game.modifiers):
        with contextlib.suppress(ValueError):  # two that clash
            found.append(type(game)([*game.modifiers, modifier], game.device))
    return found


def _fields(state: envs.State) -> dict[str, Tensor]:
    return {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
