"""LifelongPPO on worlds with known answers, and as a Stable-Baselines3 algorithm."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from lifelong_agent.archive import read_archive, write_archive
from lifelong_agent.experience import Observation, Outcome, VecEnvStream
from lifelong_agent.ppo import LifelongPPO, PPOConfig
from tests.lifelong_agent.probes import (
    BRIGHT,
    DARK,
    GREY,
    SHAPE,
    SMALL,
    AlwaysOne,
    Endless,
    LateReward,
    LongRememberedAction,
    Mortal,
    Probe,
    RememberedAction,
    RightAction,
    SeenAction,
    SeenReward,
    screen,
)

NUM_ENVS = 32
KNOBS = PPOConfig(num_steps=8, epochs=4, minibatches=2, discount=0.5, entropy_weight=0.0)
ROLLOUT = NUM_ENVS * KNOBS.num_steps


def new_algorithm(env, seed=0, precision="float32", **knobs):
    if isinstance(env, type) and issubclass(env, gym.Env):
        env = make_vec_env(env, NUM_ENVS, seed=seed)
    network = dataclasses.replace(SMALL, eyes=dataclasses.replace(SMALL.eyes, precision=precision))
    return LifelongPPO(
        "DualStreamPolicy",
        env,
        learning_rate=lambda remaining: 3e-3 * remaining,
        config=dataclasses.replace(KNOBS, **knobs),
        seed=seed,
        policy_kwargs={"network": network},
    )


def learned(env, num_rollouts, **changes):
    return new_algorithm(env, **changes).learn(num_rollouts * ROLLOUT)


@torch.no_grad()
def thoughts(algorithm, *brightness):
    """(value, probability of action 1) along an episode that shows these screens."""
    network, found = algorithm.policy.network, []
    state = network.initial_state(1)
    for b in brightness:
        legal = torch.ones(1, network.config.num_actions, dtype=torch.bool)
        thought = network(torch.from_numpy(screen(b))[None], legal, state)
        state = thought.state
        found.append((thought.value.item(), thought.log_probs.exp()[0, 1].item()))
    return found


def values(algorithm, *brightness):
    return [value for value, _ in thoughts(algorithm, *brightness)]


def parameters(algorithm):
    return torch.cat([p.detach().flatten() for p in algorithm.policy.parameters()])


def momenta(algorithm):
    optimizer = algorithm.policy.optimizer
    return torch.cat(
        [optimizer.state[p]["exp_avg"].flatten() for p in algorithm.policy.parameters()]
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


# Stable-Baselines3.


class Bright(Probe):
    """A camera with its channels last, as Gymnasium's own."""

    observation_space = spaces.Box(0, 255, (16, 16, 3), np.uint8)
    action_space = spaces.Discrete(3)

    def show(self):
        return np.full((16, 16, 3), BRIGHT, np.uint8)


def test_channels_may_come_last():
    algorithm = learned(Bright, 1)
    assert algorithm.policy.network.config.obs_shape == (3, 16, 16)
    assert algorithm.policy.network.config.num_actions == 3


def test_a_single_environment_and_its_id_are_enough():
    gym.register("tests/SeenAction-v0", SeenAction)
    for env in (SeenAction(), "tests/SeenAction-v0"):
        algorithm = LifelongPPO(
            "DualStreamPolicy", env, config=KNOBS, policy_kwargs={"network": SMALL}
        )
        assert algorithm.learn(32).num_timesteps == 32
    gym.registry.pop("tests/SeenAction-v0")


def test_predict_takes_one_screen_or_many_and_hands_the_state_on():
    algorithm = learned(RememberedAction, 1)
    one, state = algorithm.predict(screen(DARK), deterministic=True)
    assert np.shape(one) == ()
    many, states = algorithm.predict(np.stack([screen(DARK)] * 5), deterministic=True)
    assert many.tolist() == [one] * 5
    assert np.allclose(states[0], state[0], atol=1e-6)
    _, kept = algorithm.predict(screen(GREY), state, np.array([False]), deterministic=True)
    _, fresh = algorithm.predict(screen(GREY), state, np.array([True]), deterministic=True)
    _, first = algorithm.predict(screen(GREY), None, None, deterministic=True)
    assert np.array_equal(fresh[0], first[0])
    assert not np.array_equal(kept[0], first[0])


class StopAfter(BaseCallback):
    def __init__(self, steps):
        super().__init__()
        self.steps, self.calls = steps, 0

    def _on_step(self):
        self.calls += 1
        return self.num_timesteps < self.steps


def test_a_callback_may_stop_the_learning():
    callback = StopAfter(5 * NUM_ENVS)
    algorithm = new_algorithm(AlwaysOne)
    algorithm.learn(100 * ROLLOUT, callback)
    assert callback.calls == 5
    assert algorithm.num_timesteps == 5 * NUM_ENVS


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


def test_another_environment_can_be_set():
    algorithm = learned(AlwaysOne, 1)

    class Costly(AlwaysOne):
        def reward(self, action):
            return -1

    algorithm.set_env(make_vec_env(Costly, NUM_ENVS, seed=1))
    algorithm.learn(6 * ROLLOUT)
    assert values(algorithm, GREY) == pytest.approx([-1], abs=0.2)


def test_a_saved_algorithm_acts_and_learns_as_before(tmp_path):
    algorithm = learned(SeenAction, 2)
    algorithm.save(tmp_path / "model")
    again = LifelongPPO.load(tmp_path / "model.zip", env=make_vec_env(SeenAction, NUM_ENVS))
    assert torch.equal(parameters(again), parameters(algorithm))
    assert again.config == algorithm.config
    assert again.num_timesteps == algorithm.num_timesteps
    obs = np.stack([screen(b) for b in range(0, 250, 10)])
    first, second = (a.predict(obs, deterministic=True)[0] for a in (algorithm, again))
    assert np.array_equal(first, second)
    assert momenta(algorithm).abs().sum() > 0
    assert torch.equal(momenta(again), momenta(algorithm))


def test_a_loaded_algorithm_learns_in_the_environment_it_is_given(tmp_path):
    learned(AlwaysOne, 1).save(tmp_path / "model.zip")

    class Costly(AlwaysOne):
        def reward(self, action):
            return -1

    env = make_vec_env(Costly, 16, seed=1)
    again = LifelongPPO.load(tmp_path / "model.zip", env=env).learn(4 * ROLLOUT)
    assert again.rollout.actions.shape == (KNOBS.num_steps, 16)
    assert values(again, GREY) == pytest.approx([-1], abs=0.5)


def test_a_loaded_algorithm_can_predict_without_an_environment(tmp_path):
    algorithm = new_algorithm(SeenAction)
    algorithm.save(tmp_path / "model.zip")
    again = LifelongPPO.load(tmp_path / "model.zip")
    assert values(again, DARK, GREY) == values(algorithm, DARK, GREY)


def test_a_damaged_archive_is_named(tmp_path):
    path = tmp_path / "model.zip"
    new_algorithm(SeenAction).save(path)
    content = path.read_bytes()
    damaged = [b"", content[:100], content[: len(content) // 2], content[:-30], b"no zip" * 50]
    for position in [*range(0, 120, 3), *range(len(content) - 500, len(content), 7)]:
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        damaged.append(bytes(flipped))
    named = 0
    for found in damaged:
        path.write_bytes(found)
        message = message_of_loading(path)
        assert message is None or (str(path) in message and "\n" not in message)
        named += message is not None
    assert named > 0.5 * len(damaged), "the others hit what a zip does not need"


def message_of_loading(path):
    try:
        LifelongPPO.load(path)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "change",
    [
        lambda notes: notes.pop("network"),
        lambda notes: notes.update(network=[]),
        lambda notes: notes["network"]["eyes"].update(channels=9),
        lambda notes: notes["network"]["eyes"].update(channels=None),
        lambda notes: notes["config"].update(patience=3),
        lambda notes: notes.update(config=None),
        lambda notes: notes.pop("learning_rate"),
        lambda notes: notes.update(num_timesteps="many"),
    ],
)
def test_an_archive_that_describes_no_algorithm_is_named(tmp_path, change):
    path = tmp_path / "model.zip"
    new_algorithm(SeenAction).save(path)
    notes, parts = read_archive(path)
    change(notes)
    write_archive(path, notes, parts)
    assert str(path) in (message_of_loading(path) or "")


def test_a_missing_archive_is_named(tmp_path):
    assert str(tmp_path / "nowhere.zip") in message_of_loading(tmp_path / "nowhere.zip")


def test_without_an_environment_there_is_nothing_to_learn_from():
    with pytest.raises((ValueError, AssertionError), match="environment"):
        LifelongPPO("DualStreamPolicy", None, config=KNOBS).learn(10)


class Vector(Probe):
    observation_space = spaces.Box(0, 1, (4,), np.float32)

    def show(self):
        return np.zeros(4, np.float32)


class Steering(Probe):
    action_space = spaces.Box(-1, 1, (2,), np.float32)


def test_actions_that_are_not_discrete_raise():
    with pytest.raises((ValueError, AssertionError), match="Discrete"):
        new_algorithm(Steering)


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


def test_vectors_are_read_by_a_plain_eye(tmp_path):
    algorithm = new_algorithm(TellsTheAction)
    algorithm.learn(60 * ROLLOUT)
    vectors = np.random.default_rng(0).standard_normal((200, 3))
    actions, _ = algorithm.predict(vectors, deterministic=True)
    assert (actions == (vectors[:, 1] > 0)).mean() > 0.95
    algorithm.save(tmp_path / "vectors")
    again = LifelongPPO.load(tmp_path / "vectors")
    assert (again.predict(vectors, deterministic=True)[0] == actions).all()


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


class Tiny(Probe):
    """Ten by ten pixels in seven channels, as in MinAtar."""

    observation_space = spaces.Box(0, 255, (7, 10, 10), np.uint8)

    def show(self):
        return np.full((7, 10, 10), BRIGHT if self.bright else DARK, np.uint8)


def test_small_images_are_looked_at_through_a_small_window():
    algorithm = new_algorithm(Tiny)
    assert algorithm.policy.network.config.eyes.crop == 8
    default = LifelongPPO("DualStreamPolicy", make_vec_env(Tiny, 2))
    assert default.policy.network.config.eyes.crop == 10
    default.learn(64)


@pytest.mark.parametrize(
    "space", [spaces.Discrete(3), spaces.Box(0, 1, (2, 2)), spaces.Box(0.0, 1.0, (3, 32, 32))]
)
def test_what_cannot_be_seen_is_refused(space):
    class Odd(Probe):
        observation_space = space

    with pytest.raises(ValueError, match=r"uint8 images .* or vectors"):
        LifelongPPO("DualStreamPolicy", make_vec_env(Odd, 1))
