"""LifelongPPO on worlds with known answers, and what it learns from."""

import dataclasses
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from lifelong_agent.experience import Observation, Outcome, VecEnvStream, of_rows
from lifelong_agent.ppo import GAZE_EVERY, LifelongPPO, PPOConfig
from tests.lifelong_agent.learners import (
    KNOBS,
    NUM_ENVS,
    ROLLOUT,
    learned,
    new_algorithm,
    parameters,
    thoughts,
    values,
)
from tests.lifelong_agent.probes import (
    BRIGHT,
    DARK,
    GREY,
    SHAPE,
    AlwaysOne,
    Endless,
    LateReward,
    LongRememberedAction,
    Mortal,
    NeverPaid,
    Probe,
    RememberedAction,
    RightAction,
    SeenAction,
    SeenReward,
    screen,
)

# Known answers.


def test_a_constant_reward_is_foreseen():
    assert values(learned(AlwaysOne, 6), GREY) == pytest.approx([1], abs=0.2)


@pytest.mark.slow
def test_a_reward_that_can_be_seen_is_foreseen():
    algorithm = learned(SeenReward, 10)
    assert values(algorithm, BRIGHT) == pytest.approx([1], abs=0.2)
    assert values(algorithm, DARK) == pytest.approx([-1], abs=0.2)


def test_a_late_reward_is_foreseen_at_its_discount():
    algorithm = learned(LateReward, 12)
    assert values(algorithm, DARK, BRIGHT) == pytest.approx([0.5, 1], abs=0.2)


def test_a_better_action_is_preferred():
    [(value, probability)] = thoughts(learned(RightAction, 8), GREY)
    assert probability > 0.95
    assert value == pytest.approx(1, abs=0.2)


@pytest.mark.slow
def test_the_better_action_may_depend_on_what_is_seen():
    algorithm = learned(SeenAction, 10)
    assert thoughts(algorithm, BRIGHT)[0][1] > 0.95
    assert thoughts(algorithm, DARK)[0][1] < 0.05


def test_the_better_action_may_depend_on_what_was_seen_before():
    algorithm = learned(RememberedAction, 20, discount=0.99)
    assert thoughts(algorithm, BRIGHT, GREY)[-1][1] > 0.95
    assert thoughts(algorithm, DARK, GREY)[-1][1] < 0.05
    env = make_vec_env(RememberedAction, NUM_ENVS, seed=9)
    assert evaluate_policy(algorithm, env, 200)[0] > 0.9
    assert abs(score_without_memory(algorithm, env)) < 0.4, "only the carried state knows"


@pytest.mark.slow
def test_what_was_seen_is_remembered_over_several_decisions():
    algorithm = learned(LongRememberedAction, 40, discount=0.99)
    assert thoughts(algorithm, BRIGHT, GREY, GREY)[-1][1] > 0.95
    assert thoughts(algorithm, DARK, GREY, GREY)[-1][1] < 0.05


def score_without_memory(algorithm, env, num_steps=40):
    obs, rewards = env.reset(), []
    for _ in range(num_steps):
        actions, _ = algorithm.predict(obs, deterministic=True)
        obs, reward, _, _ = env.step(actions)
        rewards.append(reward)
    return 2 * np.mean(rewards)


def test_the_clock_is_no_ending_but_an_ending_is():
    assert values(learned(Endless, 8), *[GREY] * 4) == pytest.approx([2] * 4, abs=0.2)
    mortal = values(learned(Mortal, 10), *[GREY] * 4)
    assert mortal[0] == pytest.approx(1.875, abs=0.2)
    assert mortal[-1] == pytest.approx(1, abs=0.25)


class LastWord:
    """A mirror game of two decisions: whoever decides second wins by action 1, else loses."""

    num_rows, obs_shape, num_actions = NUM_ENVS, SHAPE, 2
    groups = torch.zeros(NUM_ENVS, dtype=torch.int64)

    def __init__(self):
        self.seat = torch.arange(NUM_ENVS) % 2

    def observe(self):
        frames = torch.from_numpy(np.stack([screen(b) for b in (DARK, BRIGHT)]))[self.seat]
        return Observation(frames, torch.ones(NUM_ENVS, 2, dtype=torch.bool), self.seat)

    def advance(self, actions):
        ended = self.seat == 1
        reward = torch.where(ended, actions * 2.0 - 1, torch.zeros(NUM_ENVS))
        self.seat = 1 - self.seat
        return Outcome(reward, ended, -torch.ones(NUM_ENVS))


def test_in_a_mirror_game_the_loser_learns_that_it_loses():
    algorithm = learned(LastWord(), 12)
    second = values(algorithm, BRIGHT)[0]
    first = values(algorithm, DARK)[0]
    assert second == pytest.approx(1, abs=0.2)
    assert first == pytest.approx(-0.5, abs=0.2), "minus the discounted value of the other"


@pytest.mark.slow
def test_half_precision_learns_the_same_answers():
    algorithm = learned(SeenAction, 10, precision="bfloat16")
    assert thoughts(algorithm, BRIGHT)[0][1] > 0.95
    assert thoughts(algorithm, DARK)[0][1] < 0.05


def test_half_precision_runs_and_stays_finite():
    algorithm = learned(SeenAction, 2, precision="bfloat16")
    assert torch.isfinite(parameters(algorithm)).all()
    assert not torch.equal(parameters(algorithm), parameters(new_algorithm(SeenAction)))


# The rollout and what is learned from it.


class Silent(BaseCallback):
    def _on_step(self):
        return True


def collected(env, num_rollouts=2):
    """An algorithm whose rollout is full, and which has not yet learned from it."""
    algorithm = new_algorithm(env)
    callback = algorithm._begin(ROLLOUT, Silent(), True, "run", False)[1]
    for _ in range(num_rollouts):
        assert algorithm.collect(callback)
    return algorithm


def fill_once_more(algorithm):
    callback = Silent()
    callback.init_callback(algorithm)
    algorithm.collect(callback)


@pytest.mark.parametrize("world", [LongRememberedAction, LastWord])
def test_learning_thinks_exactly_what_acting_thought(world):
    algorithm = collected(world if world is LongRememberedAction else world())
    rollout, rows = algorithm.rollout, torch.arange(NUM_ENVS)
    zeros = torch.zeros_like(rollout.value)
    with torch.no_grad():
        same = algorithm._losses(rollout, rows, zeros, rollout.value)
        assert same["approx_kl"].item() == pytest.approx(0, abs=1e-7)
        assert same["value_loss"].item() == pytest.approx(0, abs=1e-9)
        algorithm.start_states.normal_()
        other = algorithm._losses(rollout, rows, zeros, rollout.value)
    assert other["value_loss"].item() > 1e-6, "the states at the start must matter"


def test_the_state_is_carried_from_one_rollout_to_the_next():
    algorithm = collected(LongRememberedAction, num_rollouts=1)
    states = algorithm.states.clone()
    assert states.abs().sum() > 0
    fill_once_more(algorithm)
    assert torch.equal(algorithm.start_states, states)


def test_the_state_is_zero_at_the_start_of_every_episode():
    algorithm = collected(LongRememberedAction, num_rollouts=2)
    assert algorithm.states.any(), "16 steps in, episodes of three are under way"
    fill_once_more(algorithm)
    assert algorithm.rollout.ended[-1].all()
    assert not algorithm.states.any()


def test_every_row_is_learned_from_once_in_each_pass():
    algorithm = collected(AlwaysOne)
    parts = list(algorithm._minibatches())
    assert len(parts) == KNOBS.epochs * KNOBS.minibatches
    for epoch in range(KNOBS.epochs):
        rows = torch.cat(parts[epoch * KNOBS.minibatches : (epoch + 1) * KNOBS.minibatches])
        assert sorted(rows.tolist()) == list(range(NUM_ENVS))


def test_where_nothing_is_paid_the_critics_errors_stay_as_small_as_they_are():
    spreads = [
        learned(NeverPaid, 8, **knobs).rollout.advantage.std().item()
        for knobs in ({}, {"least_deviation": 0.0})
    ]
    assert spreads == [pytest.approx(0, abs=0.5), pytest.approx(1, abs=0.01)]


def test_a_gradient_that_is_not_finite_stops_the_training():
    algorithm = collected(AlwaysOne)
    algorithm.rollout.reward[0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="not finite"):
        algorithm.train()
    assert torch.isfinite(parameters(algorithm)).all(), "no weight is spoilt"


def test_only_legal_actions_are_taken():
    class OneAllowed(LastWord):
        def observe(self):
            obs = super().observe()
            return dataclasses.replace(obs, legal_actions=torch.tensor([[False, True]] * NUM_ENVS))

        def advance(self, actions):
            assert (actions == 1).all()
            return super().advance(actions)

    algorithm = learned(OneAllowed(), 2)
    assert torch.isfinite(parameters(algorithm)).all()


def test_what_changes_is_compared_within_a_game_and_a_seat_only():
    steps, heard = GAZE_EVERY + 2, []
    moments = torch.arange(10 * steps).view(steps, 10)[:, :4]  # step s of row r is 10 s + r
    rollout = SimpleNamespace(
        frames=moments, glances=moments,
        sign=torch.ones(steps, 4), ended=torch.zeros(steps, 4, dtype=torch.bool),
    )  # fmt: skip
    rollout.sign[0, 2] = -1  # the next decision is the opponent's
    rollout.ended[GAZE_EVERY, 3] = True
    eyes = SimpleNamespace(anticipation=lambda *heard_now: heard.append(heard_now))
    algorithm = SimpleNamespace(
        config=PPOConfig(num_steps=steps),
        policy=SimpleNamespace(network=SimpleNamespace(eyes=eyes)),
    )
    LifelongPPO._gaze_loss(algorithm, rollout, torch.tensor([1, 2, 3]))
    frames, glances, later, goes_on = heard[0]
    assert frames.tolist() == glances.tolist() == [1, 2, 3, 81, 82, 83]
    assert later.tolist() == [11, 12, 13, 91, 92, 93]
    assert goes_on.tolist() == [True, False, True, True, True, False]


def test_a_truncated_step_gets_the_value_of_its_last_screen():
    algorithm = new_algorithm(Endless)
    stream = VecEnvStream(algorithm.env, algorithm.device)
    outcomes = [stream.advance(torch.zeros(NUM_ENVS, dtype=torch.int64)) for _ in range(4)]
    assert all(outcome.truncated is None for outcome in outcomes[:3])
    rows, last = outcomes[3].truncated
    assert rows.tolist() == list(range(NUM_ENVS))
    assert last.frames.shape == (NUM_ENVS, *SHAPE)
    assert outcomes[3].ended.all()


# Chance.


def test_equal_seeds_give_equal_networks_and_others_do_not():
    first, second, other = (learned(RememberedAction, 2, seed=s) for s in (4, 4, 5))
    assert torch.equal(parameters(first), parameters(second))
    assert not torch.equal(parameters(first), parameters(other))


def test_the_schedule_of_the_learning_rate_reaches_the_optimizer():
    rates = []

    class Note(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_start(self):
            rates.append(self.model.policy.optimizer.param_groups[0]["lr"])

    algorithm = new_algorithm(AlwaysOne)
    algorithm.learning_rate = lambda remaining: 1e-3 * remaining
    algorithm._setup_lr_schedule()
    algorithm.learn(4 * ROLLOUT, Note())
    rates.append(algorithm.policy.optimizer.param_groups[0]["lr"])
    assert rates[1:] == pytest.approx([0.75e-3, 0.5e-3, 0.25e-3, 0], abs=1e-9)


def test_learning_goes_on_where_it_stopped():
    algorithm = learned(AlwaysOne, 2)
    algorithm.learn(ROLLOUT, reset_num_timesteps=False)
    assert algorithm.num_timesteps == 3 * ROLLOUT
    algorithm.learn(ROLLOUT)
    assert algorithm.num_timesteps == ROLLOUT


def test_learning_anew_is_another_run_of_tensorboard_in_new_episodes(tmp_path):
    """As with SB3's own algorithms: x_1 goes on as long as it is not told to begin anew."""
    algorithm = new_algorithm(AlwaysOne)
    algorithm.tensorboard_log = str(tmp_path)
    for name, fresh in (("x", True), ("x", False), ("x", True), ("y", True)):
        algorithm.learn(ROLLOUT, tb_log_name=name, reset_num_timesteps=fresh)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x_1", "x_2", "y_1"]
    assert len(algorithm.ep_info_buffer) <= NUM_ENVS * KNOBS.num_steps


@pytest.mark.parametrize(
    ("knobs", "complaint"),
    [
        ({"epochs": 0}, "epochs must be a whole number from 1 on, not 0"),
        ({"minibatches": 0}, "minibatches must be a whole number from 1 on, not 0"),
        ({"num_steps": 0}, "num_steps must be a whole number from 1 on, not 0"),
        ({"clip": -1.0}, "clip must be a number from 0 on, not -1.0"),
        ({"discount": 1.5}, "discount must be a number from 0 to 1, not 1.5"),
        ({"entropy_weight": float("nan")}, "entropy_weight must be a number from 0 on, not nan"),
    ],
)
def test_a_knob_out_of_its_bounds_is_refused(knobs, complaint):
    with pytest.raises(ValueError, match=complaint):
        PPOConfig(**knobs)


def test_knobs_that_are_no_config_are_refused():
    with pytest.raises(ValueError, match="config must be a PPOConfig, not"):
        LifelongPPO("DualStreamPolicy", config={"epochs": 1})


def test_another_environment_can_be_set():
    algorithm = learned(AlwaysOne, 1)

    class Costly(AlwaysOne):
        def reward(self, action):
            return -1

    algorithm.set_env(make_vec_env(Costly, NUM_ENVS, seed=1))
    algorithm.learn(6 * ROLLOUT)
    assert values(algorithm, GREY) == pytest.approx([-1], abs=0.2)


class Forbidden(Probe):
    """Only the action of the parity of the hour may be taken; the other one is an error."""

    length = 4

    def action_masks(self):
        return np.arange(2) == self.time % 2

    def step(self, action):
        assert self.action_masks()[action], "it was forbidden"
        self.time += 1
        return self.show(), 0.0, self.time >= self.length, False, {}

    def show(self):
        return screen(GREY)


def test_what_an_environment_forbids_is_never_done():
    algorithm = new_algorithm(Forbidden)
    algorithm.learn(ROLLOUT)
    legal = algorithm.rollout.legal_actions
    assert (legal.sum(2) == 1).all()
    assert torch.equal(algorithm.rollout.actions, legal.int().argmax(2))


class TellsTheAction(gym.Env):
    """A vector says which of two actions pays."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.vector = self.np_random.standard_normal(3)
        return self.vector, {}

    def step(self, action):
        return self.vector, float(action == (self.vector[1] > 0)), True, False, {}


def test_vectors_are_read_by_a_plain_eye():
    algorithm = new_algorithm(TellsTheAction)
    algorithm.learn(60 * ROLLOUT)
    vectors = np.random.default_rng(0).standard_normal((200, 3))
    actions, _ = algorithm.predict(vectors, deterministic=True)
    assert (actions == (vectors[:, 1] > 0)).mean() > 0.95


@pytest.mark.slow
def test_a_pole_is_balanced():
    env = make_vec_env("CartPole-v1", 16, seed=0)
    knobs = PPOConfig(
        num_steps=32, epochs=10, minibatches=2, discount=0.98, trace_decay=0.8, entropy_weight=0.0
    )
    algorithm = LifelongPPO("DualStreamPolicy", env, lambda left: 1e-3 * left, knobs, seed=0)
    algorithm.learn(100_000)
    mean, _ = evaluate_policy(algorithm, make_vec_env("CartPole-v1", 8, seed=1), 16)
    assert mean > 400


def test_what_rows_saw_is_picked_out_of_a_rollout():
    kept = torch.randint(0, 256, (7, 5, 2, 3), dtype=torch.uint8)
    rows = torch.tensor([4, 0, 4])
    assert torch.equal(of_rows(kept, rows), kept[:, rows])
    assert torch.equal(of_rows(kept, rows, slice(1, 7, 3)), kept[1:7:3, rows])
