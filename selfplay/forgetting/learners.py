"""What the runner asks of a method, and the methods that are plain PPO in different schools.

`finetune` carries one network from task to task. `frozen_copies` does, too, and keeps a copy after
each task, which is chosen by the task's label. `joint` trains on all tasks at once. `scratch`
starts anew in every segment: it makes the constants of the normalisation.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.logger import Logger
from torch import Generator, Tensor

from lifelong_agent.circuits import Episode
from lifelong_agent.experience import Observation, Stream
from lifelong_agent.policy import DualStreamNetwork, DualStreamPolicy
from lifelong_agent.ppo import LifelongPPO, PPOConfig
from lifelong_agent.weights import (
    flatten,
    load_network,
    load_optimizer,
    optimizer_tensors,
    take_weights,
    unflatten,
)
from selfplay.forgetting.dormant import dormant_ratio, hidden_activity
from selfplay.forgetting.practice import Actor, spaces_of, training_stream
from selfplay.forgetting.suites import Suite

Tree = dict[str, Any]


def no_logger() -> Logger:
    """A logger that writes nowhere; SB3's own leaves a folder behind for each learner."""
    return Logger(folder=None, output_formats=[])


class NetworkActor:
    """A network that takes the most probable action.

    Args:
        network: is not changed.
    """

    def __init__(self, network: DualStreamNetwork) -> None:
        self.network = network
        self._states: Tensor | None = None

    def decide(self, obs: Observation, moving: Tensor, generator: Generator) -> Tensor:
        """Think; the state of rows that do not move is left alone."""
        if self._states is None or len(self._states) != len(moving):
            self._states = self.network.initial_state(len(moving))
        thought = self.network(obs.frames, obs.legal_actions, self._states)
        self._states = torch.where(moving[:, None], thought.state, self._states)
        actions: Tensor = thought.log_probs.argmax(1)
        return actions

    def restart(self, rows: Tensor) -> None:
        """Zero the recurrent state."""
        if self._states is not None:
            self._states = self._states * (~rows).float()[:, None]


class Learner(ABC):
    """One method on one seed, taken through a suite by the runner.

    Args:
        suite: the terms.
        seed: of all chance.
        device: where it computes.
    """

    in_sequence = True
    """Whether it meets one task after another, so that forgetting means something."""

    def __init__(self, suite: Suite, seed: int, device: torch.device) -> None:
        self.suite, self.seed, self.device = suite, seed, device

    @abstractmethod
    def learn(self, task: int, seed: int) -> None:
        """Learn one part of a segment, `suite.part_steps` decisions, on new games from `seed`."""

    @abstractmethod
    def actor(self, task: int) -> Actor:
        """Who is scored on a task; only oracles look at which one it is."""

    def finish(self, task: int) -> None:  # noqa: B027 - most have nothing to do
        """A segment is over."""

    def dormant_ratio(self) -> float:
        """Share of hidden units that were dormant in what was learned from last; NaN if unknown."""
        return float("nan")

    @property
    def replay_bytes(self) -> int:
        """What is kept of old experience, in bytes."""
        return 0

    @abstractmethod
    def state_dict(self) -> Tree:
        """A tree of tensors from which it goes on exactly, between two parts."""

    @abstractmethod
    def load_state_dict(self, tree: Tree) -> None:
        """Take them up, in a new learner with the same arguments."""


class TaskPPO(LifelongPPO):
    """PPO that can be given another stream; the base of methods that add to its loss.

    Args:
        start: folder of the agent whose weights it begins with; None for new ones.
    """

    recordable = False

    def __init__(self, *args: Any, start: Path | None = None, **kwargs: Any) -> None:
        self.start = start
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        """Raises `ValueError`, in one line, if the start has another architecture."""
        super()._setup_model()
        if self.start is not None:
            take_weights(self.policy.network, load_network(self.start), self.start)

    def move_to(self, stream: Stream) -> None:
        """Go on with new games, in new rows."""
        self._attach(stream)
        self.rollout = None

    def _needs_stream(self) -> bool:
        return False

    def finish_task(self) -> None:
        """A segment is over; its last rollout is still there."""

    @property
    def replay_bytes(self) -> int:
        """What is kept of old experience, in bytes."""
        return 0

    def extra_state(self) -> Tree:
        """What a subclass keeps besides network, optimiser and generator."""
        return {}

    def load_extra_state(self, tree: Tree) -> None:
        """Take it up; its tensors are on this algorithm's device."""


class FineTune(Learner):
    """One network, plain PPO, carried from task to task.

    Args:
        suite: the terms.
        seed: of all chance.
        device: where it computes.
        kind: the algorithm.
        **knobs: of the algorithm.
    """

    kind: type[TaskPPO] = TaskPPO
    policy: str | type[DualStreamPolicy] = "DualStreamPolicy"

    def __init__(self, suite: Suite, seed: int, device: torch.device, **knobs: Any) -> None:
        super().__init__(suite, seed, device)
        self.knobs = knobs
        self.algorithm = self._new_algorithm()

    def _new_algorithm(self) -> TaskPPO:
        suite = self.suite
        algorithm = self.kind(
            self.policy,
            None,
            learning_rate=suite.learning_rate,
            config=PPOConfig(
                num_steps=suite.rollout_steps,
                epochs=suite.epochs,
                minibatches=suite.minibatches,
                entropy_weight=suite.entropy_weight,
                least_deviation=suite.least_deviation,
            ),
            seed=self.seed,
            device=self.device,
            start=suite.start_folder,
            policy_kwargs={"network": suite.network},
            **self.knobs,
        )
        algorithm._set_spaces(*spaces_of(suite))
        algorithm._setup_model()
        algorithm.set_logger(no_logger())
        return algorithm

    @property
    def network(self) -> DualStreamNetwork:
        """The network that learns."""
        return self.algorithm.policy.network

    def _tasks(self, task: int) -> list[int]:
        """The tasks that are practised when `task` is due."""
        return [task]

    def learn(self, task: int, seed: int) -> None:
        """Plain PPO on the task's games."""
        tasks = [self.suite.tasks[i] for i in self._tasks(task)]
        self.algorithm.move_to(training_stream(self.suite, tasks, seed, self.device))
        self.algorithm.learn(self.suite.part_steps, log_interval=0, reset_num_timesteps=False)

    def finish(self, task: int) -> None:
        """Let the algorithm draw its conclusions."""
        self.algorithm.finish_task()

    def dormant_ratio(self) -> float:
        """Of the network that learns, in its last rollout."""
        algorithm, rollout = self.algorithm, self.algorithm.rollout
        assert rollout is not None
        episode = Episode(rollout.seat, rollout.ended)
        met = (rollout.frames, rollout.glances, rollout.legal_actions, algorithm.start_states)
        return dormant_ratio(
            hidden_activity(self.network, lambda: self.network.unroll(*met, episode))
        )

    def actor(self, task: int) -> Actor:
        """The network as it is."""
        self.algorithm.policy.set_training_mode(False)
        return NetworkActor(self.network)

    @property
    def replay_bytes(self) -> int:
        """Of the algorithm."""
        return self.algorithm.replay_bytes

    def state_dict(self) -> Tree:
        """Network, optimiser, generator, steps, and what the algorithm keeps."""
        algorithm = self.algorithm
        return {
            "network": self.network.state_dict(),
            "optimizer": optimizer_tensors(algorithm.policy.optimizer),
            "generator": algorithm.generator.get_state(),
            "steps": torch.tensor(algorithm.num_timesteps),
            "extra": algorithm.extra_state(),
        }

    def load_state_dict(self, tree: Tree) -> None:
        """Go on from there."""
        self.network.load_state_dict(tree["network"])
        load_optimizer(self.algorithm.policy.optimizer, tree.get("optimizer", {}))
        self.algorithm.generator.set_state(tree["generator"])
        self.algorithm.num_timesteps = int(tree["steps"])
        extra = flatten(tree.get("extra", {}))  # the others are taken over from the host
        extra = {name: tensor.to(self.device) for name, tensor in extra.items()}
        self.algorithm.load_extra_state(unflatten(extra))


class FrozenCopies(FineTune):
    """`finetune`, with a copy kept after each task that plays this task ever after: an oracle."""

    def __init__(self, suite: Suite, seed: int, device: torch.device) -> None:
        super().__init__(suite, seed, device)
        self.copies: dict[int, DualStreamNetwork] = {}

    def finish(self, task: int) -> None:
        """Keep a copy."""
        self.copies[task] = copy.deepcopy(self.network).eval().requires_grad_(False)

    def learn(self, task: int, seed: int) -> None:
        """Go on learning; a copy of the same task has had its day."""
        self.copies.pop(task, None)
        super().learn(task, seed)

    def actor(self, task: int) -> Actor:
        """The task's copy; the network itself where there is none yet."""
        return NetworkActor(self.copies[task]) if task in self.copies else super().actor(task)

    def state_dict(self) -> Tree:
        """With the copies."""
        copies = {str(task): network.state_dict() for task, network in self.copies.items()}
        return super().state_dict() | {"copies": copies}

    def load_state_dict(self, tree: Tree) -> None:
        """With the copies."""
        super().load_state_dict(tree)
        for task, tensors in tree.get("copies", {}).items():
            self.finish(int(task))
            self.copies[int(task)].load_state_dict(tensors)


class Joint(FineTune):
    """All tasks in every rollout; in all as many steps as the others have."""

    in_sequence = False

    def _tasks(self, task: int) -> list[int]:
        return list(range(len(self.suite.tasks)))


class Scratch(FineTune):
    """A new network and optimiser for every segment."""

    in_sequence = False

    def __init__(self, suite: Suite, seed: int, device: torch.device) -> None:
        super().__init__(suite, seed, device)
        self.is_over = False

    def learn(self, task: int, seed: int) -> None:
        """Begin anew if the segment before is over."""
        if self.is_over:
            self.algorithm = self._new_algorithm()
            self.is_over = False
        super().learn(task, seed)

    def finish(self, task: int) -> None:
        """The next one begins anew."""
        self.is_over = True

    def state_dict(self) -> Tree:
        """With whether the segment is over."""
        return super().state_dict() | {"is_over": torch.tensor(self.is_over)}

    def load_state_dict(self, tree: Tree) -> None:
        """With whether the segment is over."""
        super().load_state_dict(tree)
        self.is_over = bool(tree["is_over"])
