"""Where tasks are trained and scored: streams for our methods, a `VecEnv` for those of SB3.

Everything starts anew from a seed, so that a run can stop wherever a stream ends and go on as if
it had not.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv
from torch import Generator, Tensor

import envs
from envs import FRAME_SHAPE, NUM_ACTIONS, State, legal_of
from envs.opponents import choose
from envs.sb3_view import GameVecEnv
from lifelong_agent.experience import Observation, Stream, VecEnvStream
from selfplay.arena import Arena, make_arena
from selfplay.forgetting.gym_tasks import Shape, common_spaces, make_vec_env
from selfplay.forgetting.suites import Suite, Task
from selfplay.match import play_match
from selfplay.players import make_scripted
from selfplay.rollout import Arenas, random_positions
from selfplay.seats import AnyGame

OPENING_PLIES, MIDGAME_SHARE = 24, 0.5
GYM_EPISODE = 100_000  # decisions: an episode that is longer is cut when it is scored


class Actor(Protocol):
    """A trained policy that is to be scored; it does not learn meanwhile."""

    def decide(self, obs: Observation, moving: Tensor, generator: Generator) -> Tensor:
        """Choose (N,) int64 actions; what is chosen where `moving` ((N,) bool) is False is void."""

    def restart(self, rows: Tensor) -> None:
        """New episodes begin in `rows` ((N,) bool)."""


class Seated:
    """An actor in a seat of the project's games."""

    name = "learner"

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Let it see what `seat` sees."""
        obs = Observation(game.frame(state, seat), legal_of(state, seat), seat)
        moving = state.to_move.gather(1, seat[:, None])[:, 0]
        return self.actor.decide(obs, moving, generator)

    def reset(self, mask: Tensor) -> None:
        """New games."""
        self.actor.restart(mask)


class RandomActor:
    """Any legal action, all equally likely: the 0 of every normalised score."""

    def decide(self, obs: Observation, moving: Tensor, generator: Generator) -> Tensor:
        """Draw."""
        return choose(obs.legal_actions.float(), generator)

    def restart(self, rows: Tensor) -> None:
        """Nothing to forget."""


def seed_from(*numbers: int) -> int:
    """A seed in [0, 2^31) that is another one for other numbers (at least 0)."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] >> 1)


@functools.cache
def spaces_of(suite: Suite) -> tuple[Shape, int]:
    """Shape of the observations and number of actions, the same in all tasks."""
    if suite.columns[0].is_game:
        return FRAME_SHAPE, NUM_ACTIONS
    return common_spaces(suite.columns)


def training_stream(suite: Suite, tasks: Sequence[Task], seed: int, device: torch.device) -> Stream:
    """`suite.num_rows` decisions at a time, dealt out evenly to the tasks, the first ones first.

    Raises:
        ValueError: if there are more tasks than rows.
    """
    if len(tasks) > suite.num_rows:
        raise ValueError(f"{len(tasks)} tasks need as many rows, not {suite.num_rows}")
    if not tasks[0].is_game:
        stream = VecEnvStream(make_vec_env(suite, tasks, suite.num_rows, seed), device)
        stream.groups = torch.arange(suite.num_rows, device=device) % len(tasks)
        return stream
    generator = Generator(device).manual_seed(seed)
    rows = [len(range(i, suite.num_rows, len(tasks))) for i in range(len(tasks))]
    return Arenas([_arena(task, n, generator) for task, n in zip(tasks, rows, strict=True)])


def game_of(task: Task, device: torch.device) -> AnyGame:
    """The rules of a task that is one of the project's games."""
    return envs.make(task.game, device, **dict(task.options))


def _arena(task: Task, num_games: int, generator: Generator) -> Arena:
    game = game_of(task, generator.device)
    openings = random_positions(game, 16 * num_games, OPENING_PLIES, MIDGAME_SHARE, generator)
    return make_arena(game, num_games, make_scripted(task.opponent), openings, generator)


def training_env(suite: Suite, task: Task, seed: int) -> VecEnv:
    """The task as an SB3 `VecEnv` of `suite.num_rows` environments.

    In the project's games an illegal action loses the game, as `envs.sb3_view` has it.
    """
    if not task.is_game:
        return make_vec_env(suite, [task], suite.num_rows, seed)
    opponent = make_scripted(task.opponent)
    vec_env = GameVecEnv(task.game, suite.num_rows, opponent=opponent, **dict(task.options))
    vec_env.seed(seed)
    return vec_env


@torch.no_grad()
def score(suite: Suite, task: Task, actor: Actor, device: torch.device) -> float:
    """The raw score of an actor in games or episodes that are the same ones for everybody."""
    generator = Generator(device).manual_seed(0)
    if not task.is_game:
        return _mean_return(suite, task, actor, generator)
    opponent = make_scripted(task.opponent)
    players = (Seated(actor), opponent)
    result = play_match(game_of(task, device), players, suite.num_games(task), generator)
    return result.points.mean if task.measure == "points" else result.total.score


def _mean_return(suite: Suite, task: Task, actor: Actor, generator: Generator) -> float:
    """The mean return of one episode in each of so many environments as it gets games."""
    device, num = generator.device, suite.num_games(task)
    stream = VecEnvStream(make_vec_env(suite, [task], num, 0), device)
    over = torch.zeros(num, dtype=torch.bool, device=device)
    total = torch.zeros(num, device=device)
    actor.restart(~over)
    for _ in range(task.longest or GYM_EPISODE):
        outcome = stream.advance(actor.decide(stream.observe(), ~over, generator))
        total += outcome.reward * ~over
        over |= outcome.ended
        actor.restart(outcome.ended)
        if bool(over.all()):
            break
    stream.env.close()
    return float(total.mean())
