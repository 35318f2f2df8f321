"""Images of every layout and dtype come through one door, and nothing that cannot be seen."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

from lifelong_agent.experience import VecEnvStream
from lifelong_agent.observations import Converter
from lifelong_agent.ppo import LifelongPPO
from tests.lifelong_agent.learners import KNOBS, learned, new_algorithm
from tests.lifelong_agent.probes import BRIGHT, DARK, SMALL, Probe


def image(shape, dtype=np.uint8, low=0, high=255):
    return spaces.Box(low, high, shape, dtype)


# Numbers by hand.


@pytest.mark.parametrize(
    ("shape", "converted"),
    [
        ((10, 10, 7), (7, 10, 10)),  # MinAtar
        ((10, 10, 10), (10, 10, 10)),  # its Seaquest
        ((7, 7, 3), (3, 7, 7)),  # MiniGrid
        ((64, 48, 3), (3, 64, 48)),
        ((84, 84, 4), (4, 84, 84)),  # Atari
        ((4, 84, 84), (4, 84, 84)),
        ((3, 64, 48), (3, 64, 48)),
        ((5,), (5,)),
    ],
)
def test_channels_come_first_whatever_the_layout(shape, converted):
    assert Converter(image(shape)).obs_shape == converted


def test_channels_that_come_last_are_moved_to_the_front():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)
    converted = Converter(image((5, 6, 3)))(pixels)
    assert converted.shape == (2, 3, 5, 6)
    assert converted.is_contiguous()
    assert all(
        converted[n, c, y, x] == pixels[n, y, x, c]
        for n, c, y, x in np.ndindex(tuple(converted.shape))
    )
    square = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 4), dtype=np.uint8)
    assert Converter(image((4, 4, 4)))(square)[0, 3, 1, 2] == square[0, 1, 2, 3]


@pytest.mark.parametrize(
    ("dtype", "low", "high", "values", "pixels"),
    [
        (bool, 0, 1, [False, True], [0, 255]),
        (np.float32, 0, 1, [0, 0.25, 0.5, 1], [0, 64, 128, 255]),
        (np.float32, 0, 255, [0, 64, 127.6, 255], [0, 64, 128, 255]),
        (np.float64, -1, 1, [-1, 0, 1, 7, -7], [0, 128, 255, 255, 0]),
        (np.int64, 0, 10, [0, 1, 10], [0, 26, 255]),
        (np.uint8, 0, 10, [0, 1, 10], [0, 1, 10]),
    ],
)
def test_values_are_stretched_from_their_bounds_to_a_byte(dtype, low, high, values, pixels):
    converter = Converter(image((4, 4, 1), dtype, low, high))
    frames = np.array(values, dtype)[:, None, None, None] * np.ones((1, 4, 4, 1), dtype)
    found = converter(frames.astype(dtype))
    assert found.dtype == torch.uint8
    assert found[:, 0, 0, 0].tolist() == pixels
    assert (found == found[:, :1, :1, :1]).all()


def test_each_channel_has_bounds_of_its_own():
    low, high = np.zeros((2, 4, 5), np.float32), np.ones((2, 4, 5), np.float32)
    high[1], low[1, 2, 2] = 100, -100
    converted = Converter(spaces.Box(low, high))(np.full((1, 2, 4, 5), 1.0, np.float32))
    assert converted[0, 0].eq(255).all()
    assert converted[0, 1].eq(129).all()  # 101 of 200, times 255
    still = spaces.Box(np.zeros((4, 4, 1), np.float32), np.zeros((4, 4, 1), np.float32))
    assert not Converter(still)(np.zeros((1, 4, 4, 1), np.float32)).any()


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint8, bool])
def test_vectors_become_floats(dtype):
    space = spaces.Box(0, 1, (3,), dtype)
    converted = Converter(space)(np.array([[0, 1, 1]], dtype))
    assert converted.dtype == torch.float32
    assert converted.tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(3,), (4, 4, 1)])
def test_what_is_not_finite_is_refused(shape, bad):
    values = np.zeros((2, *shape), np.float32)
    values[1, 0] = bad
    with pytest.raises(ValueError, match="NaN or infinity"):
        Converter(image(shape, np.float32, 0, 1))(values)


# Worlds.


class World(Probe):
    """The screen tells which action is right, in the colours of any space."""

    def __init__(self, space, render_mode=None):
        super().__init__(render_mode)
        self.observation_space = space

    def show(self):
        space = self.observation_space
        return (space.high if self.bright else space.low).astype(space.dtype)


WORLDS = {
    "minatar": image((10, 10, 7), bool, 0, 1),
    "minigrid": image((7, 7, 3)),
    "minigrid pixels": image((64, 64, 3)),
    "atari": image((84, 84, 4)),
    "floats": image((16, 16, 3), np.float32, 0, 1),
    "floats first": image((3, 16, 16), np.float32, 0, 255),
    "narrow bytes": image((12, 12, 3), np.uint8, 0, 200),
}


@pytest.mark.parametrize("space", WORLDS.values(), ids=WORLDS.keys())
def test_any_image_is_learned_from_saved_and_acted_on(space, tmp_path):
    env = make_vec_env(World, 4, seed=0, env_kwargs={"space": space})
    algorithm = LifelongPPO("DualStreamPolicy", env, config=KNOBS, policy_kwargs={"network": SMALL})
    algorithm.learn(4 * KNOBS.num_steps)
    one = World(space)
    obs, _ = one.reset(seed=0)
    action, state = algorithm.predict(obs, deterministic=True)
    assert action.shape == ()
    many, _ = algorithm.predict(np.stack([obs] * 3), deterministic=True)
    assert many.tolist() == [action] * 3
    seen = algorithm.policy.obs_to_tensor(obs)[0]
    assert seen.dtype == torch.uint8
    assert seen.shape[1:] == algorithm.policy.network.config.obs_shape
    assert torch.equal(seen, algorithm.policy.obs_to_tensor(obs[None])[0])
    algorithm.save(tmp_path / "model")
    again = LifelongPPO.load(tmp_path / "model")
    assert np.allclose(again.predict(obs)[1][0], state[0], atol=1e-6)
    again.set_env(make_vec_env(World, 2, seed=0, env_kwargs={"space": space}))
    again.learn(2 * KNOBS.num_steps)


def test_acting_sees_what_learning_saw():
    space = WORLDS["minatar"]
    env = make_vec_env(World, 8, seed=0, env_kwargs={"space": space})
    stream = VecEnvStream(env, torch.device("cpu"))
    shown = np.stack(env.env_method("show"))
    assert stream.observe().frames.unique().tolist() == [0, 255], "screens of both kinds"
    acting = new_algorithm(env).policy.obs_to_tensor(shown)[0]
    assert torch.equal(stream.observe().frames, acting)


def test_bytes_with_channels_last_need_no_wrapper():
    env = DummyVecEnv([lambda: World(image((16, 20, 3)))])
    stream = VecEnvStream(env, torch.device("cpu"))
    assert stream.observe().frames.shape == (1, *stream.obs_shape) == (1, 3, 16, 20)


def test_stacked_frames_are_more_channels():
    env = make_vec_env(World, 2, env_kwargs={"space": image((16, 16, 1))})
    algorithm = new_algorithm(VecFrameStack(env, 4)).learn(2 * KNOBS.num_steps)
    assert algorithm.policy.network.config.obs_shape == (4, 16, 16)


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


# Bad input.


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Dict({"image": image((8, 8, 3))}), "not Dict"),
        (spaces.Tuple([image((8, 8, 3))]), "not Tuple"),
        (spaces.MultiDiscrete([2, 3]), "not MultiDiscrete"),
        (spaces.Discrete(3), "not Discrete"),
        (spaces.Box(0, 1, (2, 2)), r"not of shape \(2, 2\)"),
        (spaces.Box(0, 1, (2, 2, 8, 8)), r"not of shape \(2, 2, 8, 8\)"),
        (spaces.Box(0, 1, ()), r"not of shape \(\)"),
        (image((3, 3, 1)), "at least 4x4 pixels, not 3x3"),
        (image((3, 8, 3)), "at least 4x4 pixels, not 3x8"),
        (spaces.Box(-np.inf, np.inf, (8, 8, 3)), "images of float32 need finite bounds"),
    ],
)
def test_what_cannot_be_seen_is_refused(space, message):
    class Odd(gym.Env):
        observation_space = space
        action_space = spaces.Discrete(2)

    with pytest.raises(ValueError, match=message) as caught:
        LifelongPPO("DualStreamPolicy", Odd())
    assert "\n" not in str(caught.value)


def test_an_unbounded_vector_is_no_image():
    assert Converter(spaces.Box(-np.inf, np.inf, (3,))).obs_shape == (3,)
