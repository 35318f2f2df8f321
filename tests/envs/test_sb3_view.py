"""Stable-Baselines3: the batch against SB3's own loop, and MaskablePPO under the masks."""

import dataclasses

import gymnasium
import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from envs.gymnasium_view import IDS, SeatEnv
from envs.sb3_view import GameVecEnv
from envs.tron import MAX_TICKS as TRON_TICKS
from tests.envs.seats import Stubborn

UP = 0


class Glance(BaseFeaturesExtractor):
    """A small look at the frame, pooled to 8x8: quick to learn with, and enough for discs."""

    def __init__(self, observation_space):
        super().__init__(observation_space, 128)
        self.body = torch.nn.Sequential(
            torch.nn.AvgPool2d(8),
            torch.nn.Flatten(),
            torch.nn.Linear(3 * 8 * 8, 128),
            torch.nn.ReLU(),
        )

    def forward(self, frames):
        return self.body(frames)


class Watch(BaseCallback):
    """Counts decisions and illegal actions, and keeps the results of games."""

    def __init__(self):
        super().__init__()
        self.decisions, self.illegal, self.results = 0, 0, []

    def _on_step(self):
        infos = self.locals["infos"]
        self.decisions += len(infos)
        self.illegal += sum(info["illegal_action"] for info in infos)
        ended = zip(self.locals["rewards"], self.locals["dones"], strict=True)
        self.results += [float(reward) for reward, done in ended if done]
        return True


def learner(env, **kwargs):
    return MaskablePPO(
        "CnnPolicy",
        env,
        policy_kwargs={"features_extractor_class": Glance},
        seed=0,
        device="cpu",
        **kwargs,
    )


@pytest.mark.parametrize("seat", [0, 1])
def test_a_batch_does_what_sb3_does_with_single_environments(seat):
    """Frames, rewards, ends, masks and infos; some actions illegal."""
    num_envs = 4
    loop = DummyVecEnv(
        [lambda: SeatEnv("connect", opponent=Stubborn(1), seat=seat) for _ in range(num_envs)]
    )
    batch = GameVecEnv("connect", num_envs, opponent=Stubborn(1), seat=seat)
    assert np.array_equal(batch.reset(), loop.reset())
    chance, ends = np.random.default_rng(0), 0
    for _ in range(24):
        actions = chance.choice([0, 0, 0, 2, 3, 8], num_envs)
        ours, theirs = batch.step(actions), loop.step(actions)
        for mine, yours in zip(ours[:3], theirs[:3], strict=True):
            assert mine.dtype == yours.dtype
            assert np.array_equal(mine, yours)
        assert np.array_equal(get_action_masks(batch), get_action_masks(loop))
        for mine, yours in zip(ours[3], theirs[3], strict=True):
            yours.pop("action_mask")  # of the batch they are asked for by name
            assert mine.keys() == yours.keys()
            assert all(np.array_equal(mine[key], yours[key]) for key in mine)
        ends += int(theirs[2].sum())
    assert ends >= 10


def test_the_clock_truncates_and_the_last_frame_is_kept():
    env = GameVecEnv("tron", 2, opponent=Stubborn(UP), seat=0)
    env.seed(0)
    env.reset()
    state = env.sparring.state
    env.sparring.state = dataclasses.replace(
        state, ticks=torch.tensor([TRON_TICKS - 1, 0], dtype=torch.int32)
    )
    frames, rewards, ended, infos = env.step(np.array([UP, UP]))
    assert ended.tolist() == [True, False]
    assert rewards.tolist() == [0.0, 0.0]
    assert [info["TimeLimit.truncated"] for info in infos] == [True, False]
    assert "terminal_observation" not in infos[1]
    assert not np.array_equal(infos[0]["terminal_observation"], frames[0])
    assert env.sparring.state.ticks.tolist() == [0, 1]


def test_sb3_contrib_finds_the_masks():
    env = GameVecEnv("connect", 3, opponent=Stubborn(1), seat=0)
    env.reset()
    for actions in ([0, 1, 2], [0, 1, 2], [2, 3, 3], [1, 1, 1]):
        env.step(np.array(actions))
    assert is_masking_supported(env)
    masks = get_action_masks(env)
    assert masks.dtype == np.bool_
    assert masks[0].tolist() == masks[2].tolist() == [True] * 7 + [False] * 9
    assert masks[1].tolist() == [True] + [False] + [True] * 5 + [False] * 9  # column 1 is full
    assert np.array_equal(env.env_method("action_masks", indices=[1])[0], masks[1])
    assert np.array_equal(env.env_method("action_masks", indices=1)[0], masks[1])


def test_rows_have_attributes():
    env = GameVecEnv("tron:fog", 3, opponent="random", seat=1)
    env.reset()
    assert env.get_attr("seat") == [1, 1, 1]
    assert env.get_attr("variant", 0) == ["tron:fog"]
    assert env.get_attr("opponent", [0, 2]) == ["random", "random"]
    assert not env.has_attr("colour")
    env.set_attr("colour", "blue", [2])
    assert not env.has_attr("colour")
    assert env.get_attr("colour", 2) == ["blue"]
    with pytest.raises(AttributeError):
        env.set_attr("seat", 0)
    assert env.env_is_wrapped(gymnasium.Wrapper) == [False] * 3


def test_a_seed_decides_all_that_is_drawn():
    def story(seed):
        env = GameVecEnv("tron:rocks", 4)
        seeds = env.seed(seed)
        assert list(seeds) == [seed, seed + 1, seed + 2, seed + 3]
        told = [env.reset().tobytes()]
        for _ in range(10):
            actions = get_action_masks(env).argmax(1)
            told.append(env.step(actions)[0].tobytes())
        return told

    assert story(3) == story(3)
    assert story(3) != story(4)


def test_without_a_seed_batches_differ_and_global_chance_is_left_alone():
    np.random.seed(0)  # noqa: NPY002 - what SB3 itself would draw from
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (GameVecEnv("tron:rocks", 8) for _ in range(2))
    first.seed()
    assert not np.array_equal(first.reset(), second.reset())
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_episodes_are_counted_by_the_monitor_of_sb3():
    env = VecMonitor(GameVecEnv("connect", 2, opponent=Stubborn(1), seat=0))
    env.reset()
    for _ in range(4):
        _, _, ended, infos = env.step(np.array([0, 3]))
    assert ended.tolist() == [True, True]
    assert [(info["episode"]["r"], info["episode"]["l"]) for info in infos] == [(1.0, 4)] * 2


def test_pictures_are_put_side_by_side():
    env = GameVecEnv("connect", 2, render_mode="rgb_array")
    frames = env.reset()
    assert env.render().shape == (2 * 512, 512, 3)
    for picture, frame in zip(env.get_images(), frames, strict=True):
        assert np.array_equal(picture[4::8, 4::8], frame.transpose(1, 2, 0))
    assert GameVecEnv("connect", 2).get_images() == [None, None]


@pytest.mark.parametrize("actions", [[0], [0, 16], [0, -1], [0.0, 1.0], [[0, 1]], None])
def test_actions_outside_the_space_raise(actions):
    env = GameVecEnv("connect", 2)
    env.reset()
    with pytest.raises(ValueError, match="actions must be 2 integers from 0 to 15"):
        env.step(actions if actions is None else np.array(actions))


@pytest.mark.parametrize("seed", [1.5, "1", True, -1, 2**63])
def test_a_seed_that_is_no_integer_raises(seed):
    with pytest.raises(ValueError, match="seed must be None or an integer from 0"):
        GameVecEnv("connect", 2).seed(seed)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (("connect", -1), {}, "number of games must be a whole number of at least 1"),
        (("chess", 1), {}, "unknown game 'chess'"),
        (("connect", 1), {"render_mode": "human"}, "render_mode must be None, 'rgb_array'"),
        (("connect", 1), {"opponent": "nobody"}, "unknown opponent 'nobody'"),
    ],
)
def test_what_cannot_be_made_raises(args, kwargs, message):
    with pytest.raises(ValueError, match=message):
        GameVecEnv(*args, **kwargs)


def test_stepping_before_the_first_reset_raises():
    with pytest.raises(gymnasium.error.ResetNeeded):
        GameVecEnv("connect", 1).step(np.array([0]))


@pytest.mark.parametrize("game", sorted(IDS))
@pytest.mark.parametrize("form", ["batch", "single"])
def test_maskable_ppo_trains_and_never_acts_illegally(game, form):
    env = GameVecEnv(game, 16) if form == "batch" else gymnasium.make(IDS[game])
    steps, num_envs = (16, 16) if form == "batch" else (32, 1)
    watch = Watch()
    learner(env, n_steps=steps, batch_size=32, n_epochs=1).learn(
        2 * steps * num_envs, callback=watch
    )
    assert watch.decisions == 2 * steps * num_envs
    assert watch.illegal == 0


@pytest.mark.slow
def test_maskable_ppo_learns_to_beat_random_at_connect():
    env = GameVecEnv("connect", 64)
    watch = Watch()
    learner(env, n_steps=64, batch_size=512, n_epochs=4, learning_rate=1e-3).learn(
        163_840, callback=watch
    )
    score = (1 + np.array(watch.results)) / 2
    assert watch.illegal == 0
    assert abs(score[:500].mean() - 0.5) < 0.1
    assert score[-500:].mean() > 0.75


def test_integers_of_numpy_are_integers_and_a_step_is_a_picture():
    many = GameVecEnv("volley", num_envs=np.int64(4), action_repeat=np.int64(2))
    many.reset()
    many.step(np.zeros(4, np.int64))
    assert many.sparring.state.ticks.tolist() == [2] * 4
    assert type(many.num_envs) is int
    assert many.metadata["render_fps"] == 15
