"""Self-play training: a league of snapshots, checkpoints, and exact resumption."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Generator, Tensor

import envs
from lifelong_agent.devices import checked_device
from lifelong_agent.exemplars import MOST_EXEMPLARS, write_exemplars
from lifelong_agent.experience import Rollout
from lifelong_agent.keys import KeyEncoder, encoder_version
from lifelong_agent.policy import DualStreamNetwork, NetworkConfig
from lifelong_agent.ppo import LifelongPPO, PPOConfig
from lifelong_agent.weights import (
    flatten,
    load_network,
    load_optimizer,
    optimizer_tensors,
    read_pair,
    save_network,
    take_weights,
    unflatten,
    write_pair,
)
from selfplay.arena import Arena
from selfplay.league import League, Snapshot, freeze
from selfplay.lessons import TaughtPPO
from selfplay.lineup import LineUp
from selfplay.lineup import TrainConfig as TrainConfig
from selfplay.machine import keep_freed_memory
from selfplay.players import NetworkPlayer
from selfplay.rollout import Arenas

USUAL = NetworkConfig()  # what is trained from nothing
KEY_SAMPLES = 2048
LOG_STEPS = 80_000  # between two points of the curves
MEETING_STEPS = 160_000  # that a former self stays, on average


class Trainer:
    """One run: when to freeze a copy, whom of them to meet, when to save.

    Args:
        config: the run.
        out: folder for checkpoints and TensorBoard.
        start: a trained network's folder to continue from, or None.
        network: what is trained without a start; one of the usual architecture if left out.

    Raises:
        ValueError: in one line, if the start cannot be read or is for another world.
    """

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        start: Path | None = None,
        network: NetworkConfig | None = None,
    ) -> None:
        keep_freed_memory()
        if torch.device(config.device).type == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32
            torch.backends.cudnn.benchmark = True  # all shapes are fixed: the best kernel is sought
        trained = None if start is None else load_network(start, config.device)
        built = (network or USUAL) if trained is None else trained.config
        eyes = dataclasses.replace(built.eyes, precision=config.precision)
        self.config, self.out = config, out
        self.generator = Generator(config.device).manual_seed(config.seed)
        self.league = League()
        line_up = LineUp(config, self.generator)
        self.scripted_arenas, self.snapshot_arenas = line_up.scripted, line_up.former
        self.arenas = Arenas(line_up.arenas)
        kind = self._taught_kind() if config.lessons else LifelongPPO
        self.algorithm = kind(
            "DualStreamPolicy",
            self.arenas,
            learning_rate=self._learning_rate,
            config=PPOConfig(
                entropy_weight=config.entropy_weight,
                least_deviation=config.least_deviation,
                epochs=config.epochs,
                minibatches=config.minibatches,
            ),
            seed=config.seed,
            device=config.device,
            policy_kwargs={"network": dataclasses.replace(built, eyes=eyes)},
            tensorboard_log=str(out / "tensorboard"),
        )
        if start is not None and trained is not None:
            take_weights(self.network, trained, start)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        if config.compiled:
            for part in (self.network.eyes, self.network.circuits):
                part.compile(dynamic=False)
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

    def run(self, tell: Callable[[int], None] = lambda _: None) -> None:
        """Train until `steps`; checkpoints as it goes and at the end.

        Args:
            tell: called with the steps done so far, after each rollout.

        Raises:
            FloatingPointError: naming the last good checkpoint, if a loss is not finite.
            KeyboardInterrupt: when it was asked to stop (SIGINT, SIGTERM), after a checkpoint; if
                it is asked again before that is written, without.
        """
        remaining = self.config.steps - self.algorithm.num_timesteps
        with requests_to_stop() as asked:
            try:
                self.algorithm.learn(
                    max(0, remaining),
                    callback=_Watch(self, tell, asked),
                    log_interval=max(1, LOG_STEPS // self._rollout_steps),
                    reset_num_timesteps=False,
                )
            except FloatingPointError as error:
                raise FloatingPointError(f"{error}; {self.last_checkpoint()}") from None
            self.save()

    def last_checkpoint(self) -> str:
        """Which one is the last good one, in words."""
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
        """Write a checkpoint, unless that on disk has these steps: its rollout is gone by then."""
        steps = self.algorithm.num_timesteps
        if steps == self.saved_steps:
            return
        notes = {
            "config": dataclasses.asdict(self.config),
            "network": self.network.config.to_json(),
            "steps": steps,
            "snapshots": [[s.name, s.score] for s in self.league.snapshots],
            "met": [None if s is None else s.name for s in self.met],
            "num_updates": self.algorithm._n_updates,
        }
        rollout = self.algorithm.rollout
        games = list(dict.fromkeys(arena.game.variant for arena in self.arenas.arenas))
        if rollout is None:
            save_network(self.out, self.average, steps=steps, games=games)
        else:
            keys = self._fit_keys(rollout)
            save_network(self.out, self.average, keys.tensors(), steps=steps, games=games)
            self._write_exemplars(rollout, encoder_version(self.average.eyes, keys))
        write_pair(self.out, "run", flatten(self.state_dict()), notes)  # last: a resume trusts it
        self.saved_steps = steps

    @torch.no_grad()
    def _fit_keys(self, rollout: Rollout) -> KeyEncoder:
        """Keys centred and whitened on what the last rollout saw."""
        frames, glances = rollout.frames.flatten(0, 1), rollout.glances.flatten(0, 1)
        chosen = torch.arange(0, len(frames), max(1, len(frames) // KEY_SAMPLES))
        readings = self.average.eyes(frames[chosen], glances[chosen]).reading
        return KeyEncoder.fit(readings.cpu())

    @torch.no_grad()
    def _write_exemplars(self, rollout: Rollout, encoder: str) -> None:
        """Situations with which the last rollout began, from all games, for sleep to rehearse."""
        every = max(1, -(-self.arenas.num_rows // MOST_EXEMPLARS))
        rows = torch.arange(0, self.arenas.num_rows, every, device=rollout.seat.device)
        readings = self.average.eyes(rollout.frames[0, rows], rollout.glances[0, rows]).reading
        states = self.algorithm.start_states[rows, rollout.seat[0, rows]]
        write_exemplars(self.out, readings, states, rollout.legal_actions[0, rows], encoder)

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

    @classmethod
    def resume(cls, directory: Path, **changes: Any) -> Self:
        """Continue the run in `directory`; `changes` replace fields of its configuration.

        Raises:
            ValueError: if the checkpoint is missing, damaged, or not of one piece, or its device is
                not there.
        """
        notes, flat = read_pair(directory, "run")
        try:
            values = {"least_deviation": 0.0} | notes["config"] | changes  # older runs had none
            values["games"] = tuple(values["games"])
            values["taught"] = tuple(values["taught"])
            values["opponents"] = tuple((name, share) for name, share in values["opponents"])
            config = TrainConfig(**values)
            network = NetworkConfig.from_json(notes.get("network", USUAL.to_json()))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{directory / 'run.json'} describes no run: {error}") from None
        checked_device(config.device)
        trainer = cls(config, directory, network=network)
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


@contextlib.contextmanager
def requests_to_stop() -> Iterator[threading.Event]:
    """SIGINT and SIGTERM only set the event that this yields; a second one interrupts at once."""
    asked = threading.Event()

    def note(*_: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():  # nobody else may
        before = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Watch(BaseCallback):
    """Progress, snapshots, and checkpoints between rollouts."""

    def __init__(
        self, trainer: Trainer, tell: Callable[[int], None], asked_to_stop: threading.Event
    ) -> None:
        super().__init__()
        self.trainer, self.tell, self.asked_to_stop = trainer, tell, asked_to_stop
        self.saved_at = time.monotonic()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.asked_to_stop.is_set():
            if self.num_timesteps:  # else there is nothing to go on from
                self.trainer.save()
            raise KeyboardInterrupt
        if time.monotonic() - self.saved_at > self.trainer.config.checkpoint_s:
            self.trainer.save()
            self.saved_at = time.monotonic()
        self.trainer.before_rollout()

    def _on_rollout_end(self) -> None:
        self.trainer.record()
        self.tell(self.num_timesteps)


def _fields(state: envs.State) -> dict[str, Tensor]:
    return {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
