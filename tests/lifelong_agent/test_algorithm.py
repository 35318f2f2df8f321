"""LifelongPPO as a Stable-Baselines3 algorithm: callbacks, parameters, files, acting, bad input."""

import copy
import dataclasses

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.evaluation import evaluate_policy as evaluate_masked_policy
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
    StopTrainingOnMaxEpisodes,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.utils import LinearSchedule

from lifelong_agent.archive import read_archive, write_archive
from lifelong_agent.ppo import LifelongPPO
from tests.lifelong_agent.learners import (
    KNOBS,
    NUM_ENVS,
    ROLLOUT,
    learned,
    momenta,
    new_algorithm,
    parameters,
    values,
)
from tests.lifelong_agent.probes import (
    DARK,
    GREY,
    SHAPE,
    SMALL,
    AlwaysOne,
    Probe,
    RememberedAction,
    SeenAction,
    screen,
)

# Acting.


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


class Noise(Probe):
    """Six random screens; what is done is written down."""

    length = 6

    def show(self):
        return self.np_random.integers(0, 256, SHAPE, dtype=np.uint8)

    def reward(self, action):
        return action


def decided(algorithm=None):
    """An algorithm whose choices depend much on what it sees and remembers."""
    algorithm = algorithm or new_algorithm(Noise)
    torch.nn.init.normal_(algorithm.policy.network.policy_head.weight)
    for road in algorithm.policy.network.circuits.converging.roads[1:]:
        torch.nn.init.normal_(road.weight)
    return algorithm


def test_evaluation_carries_the_state_and_zeroes_it_at_the_start_of_an_episode():
    algorithm = decided()
    env = make_vec_env(Noise, 1, seed=3)
    shown, done = [], []
    act = algorithm.predict

    def predict(observation, **options):
        actions, state = act(observation, **options)
        shown.append(observation[0].copy())
        done.append(int(actions[0]))
        return actions, state

    algorithm.predict = predict
    evaluate_policy(algorithm, env, 8)
    by_hand = [a for i in range(0, 48, 6) for a in actions_along(algorithm, shown[i : i + 6])]
    forgetful = [a for frame in shown for a in actions_along(algorithm, [frame])]
    assert done == by_hand
    assert done != forgetful


@torch.no_grad()
def actions_along(algorithm, frames):
    """The likeliest actions of an episode with these frames."""
    network, actions = algorithm.policy.network, []
    state = network.initial_state(1)
    for frame in frames:
        thought = network(torch.from_numpy(frame)[None], torch.ones(1, 2).bool(), state)
        state = thought.state
        actions.append(int(thought.log_probs.argmax()))
    return actions


def draws(algorithm, screens):
    return algorithm.predict(screens)[0].tolist()


def test_drawn_actions_depend_on_the_seed_and_on_no_one_elses_chance():
    screens = np.stack([screen(GREY)] * 64)
    first = draws(new_algorithm(AlwaysOne, seed=3), screens)
    same, other = (new_algorithm(AlwaysOne, seed=seed) for seed in (3, 4))
    torch.manual_seed(12)
    torch.rand(5)
    before = torch.get_rng_state()
    assert draws(same, screens) == first
    assert torch.equal(torch.get_rng_state(), before), "nobody else's chance is used up"
    assert draws(same, screens) != first
    assert draws(other, screens) != first
    same.set_random_seed(3)
    assert draws(same, screens) == first


def test_predict_never_does_what_a_mask_forbids():
    algorithm = new_algorithm(Noise)
    screens, masks = np.stack([screen(GREY)] * 64), np.eye(2, dtype=bool)[np.arange(64) % 2]
    for deterministic in (False, True):
        actions, _ = algorithm.predict(screens, deterministic=deterministic, action_masks=masks)
        assert (actions == masks.argmax(1)).all()


def test_a_mask_that_forbids_everything_is_refused():
    screens = np.stack([screen(GREY)] * 2)
    with pytest.raises(ValueError, match="at least one action"):
        new_algorithm(Noise).predict(screens, action_masks=np.array([[1, 0], [0, 0]], bool))


class Barred(Noise):
    def action_masks(self):
        return np.array([True, False])


def test_it_is_evaluated_under_masks():
    algorithm = decided(new_algorithm(Barred))
    env = make_vec_env(Barred, 4, seed=0)
    assert evaluate_policy(algorithm, env, 8)[0] > 0
    assert evaluate_masked_policy(algorithm, env, 8)[0] == 0


# Callbacks and schedules.


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


def test_it_is_evaluated_and_saved_as_it_learns(tmp_path):
    evaluation = EvalCallback(
        make_vec_env(Noise, 2, seed=1), n_eval_episodes=4, eval_freq=KNOBS.num_steps,
        best_model_save_path=str(tmp_path), log_path=str(tmp_path), verbose=0,
    )  # fmt: skip
    checkpoints = CheckpointCallback(KNOBS.num_steps, str(tmp_path), "at")
    algorithm = new_algorithm(Noise)
    algorithm.learn(3 * ROLLOUT, CallbackList([evaluation, checkpoints]))
    log = np.load(tmp_path / "evaluations.npz")
    assert log["timesteps"].tolist() == [ROLLOUT, 2 * ROLLOUT, 3 * ROLLOUT]
    assert (log["ep_lengths"] == Noise.length).all()
    best = LifelongPPO.load(tmp_path / "best_model")
    assert best.num_timesteps == ROLLOUT * (1 + int(log["results"].mean(1).argmax()))
    last = LifelongPPO.load(tmp_path / f"at_{3 * ROLLOUT}_steps")
    assert last.num_timesteps == 3 * ROLLOUT
    first = LifelongPPO.load(tmp_path / f"at_{ROLLOUT}_steps")
    assert not torch.equal(parameters(first), parameters(last))


def test_callbacks_find_the_endings():
    algorithm = new_algorithm(Noise)
    algorithm.learn(100 * ROLLOUT, StopTrainingOnMaxEpisodes(2))
    assert algorithm.num_timesteps == 2 * Noise.length * NUM_ENVS


def test_a_schedule_of_stable_baselines_is_followed():
    algorithm = new_algorithm(AlwaysOne)
    algorithm.learning_rate = LinearSchedule(1e-3, 0.0, 0.5)
    algorithm._setup_lr_schedule()
    algorithm.learn(4 * ROLLOUT)
    assert algorithm.policy.optimizer.param_groups[0]["lr"] == 0
    assert algorithm.lr_schedule(0.75) == pytest.approx(0.5e-3)


# Parameters.


def test_parameters_are_handed_on_and_then_live_apart():
    learned_one, fresh = learned(SeenAction, 1), new_algorithm(SeenAction, seed=1)
    fresh.set_parameters(learned_one.get_parameters())
    assert torch.equal(parameters(fresh), parameters(learned_one))
    assert torch.equal(momenta(fresh), momenta(learned_one))
    kept = parameters(learned_one).clone(), momenta(learned_one).clone()
    fresh.learn(ROLLOUT)
    assert not torch.equal(momenta(fresh), kept[1])
    assert torch.equal(parameters(learned_one), kept[0])
    assert torch.equal(momenta(learned_one), kept[1])


def test_parameters_are_read_from_a_file(tmp_path):
    algorithm = learned(SeenAction, 1)
    algorithm.save(tmp_path / "model")
    fresh = new_algorithm(SeenAction, seed=1)
    fresh.set_parameters(tmp_path / "model")
    assert torch.equal(parameters(fresh), parameters(algorithm))
    assert torch.equal(momenta(fresh), momenta(algorithm))


def test_some_parameters_may_be_set_alone():
    algorithm, bias = new_algorithm(SeenAction), torch.tensor([2.0, -2.0])
    before = copy.deepcopy(algorithm.get_parameters()["policy"])
    some = {"policy": {"network.policy_head.bias": bias}}
    with pytest.raises(ValueError, match="missing"):
        algorithm.set_parameters(some)
    algorithm.set_parameters(some, exact_match=False)
    after = algorithm.get_parameters()["policy"]
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved == ["network.policy_head.bias"]
    assert torch.equal(after[moved[0]], bias)


# Files.


def wider():
    circuits = dataclasses.replace(SMALL.circuits, fast=40)
    network = dataclasses.replace(SMALL, circuits=circuits)
    return LifelongPPO(
        "DualStreamPolicy", make_vec_env(SeenAction, 2), policy_kwargs={"network": network}
    )


def test_parameters_of_another_architecture_are_refused_and_change_nothing(tmp_path):
    algorithm, other = new_algorithm(SeenAction), wider()
    other.save(tmp_path / "wider")
    before = parameters(algorithm).clone()
    for source in (other.get_parameters(), tmp_path / "wider.zip"):
        with pytest.raises(ValueError, match=r"tensor circuits\.\S+ has shape") as caught:
            algorithm.set_parameters(source)
        assert "\n" not in str(caught.value)
        assert torch.equal(parameters(algorithm), before)


def test_a_file_from_another_world_is_refused(tmp_path):
    new_algorithm(SeenAction).save(tmp_path / "model")

    class Wide(Probe):
        observation_space = spaces.Box(0, 255, (3, 16, 20), np.uint8)
        action_space = spaces.Discrete(5)

    with pytest.raises(ValueError, match=r"\(3, 16, 16\) and 2 actions, not of .* 5 actions"):
        LifelongPPO.load(tmp_path / "model", make_vec_env(Wide, 1))


def test_callbacks_find_actions_and_rewards():
    seen = []

    class Note(BaseCallback):
        def _on_step(self):
            seen.append((self.locals["actions"], self.locals["rewards"]))
            return True

    algorithm = new_algorithm(SeenAction)
    algorithm.learn(ROLLOUT, Note())
    actions, rewards = (np.stack(each) for each in zip(*seen, strict=True))
    assert np.array_equal(actions, algorithm.rollout.actions.numpy())
    assert rewards.shape == actions.shape
    assert set(np.unique(rewards)) <= {-1.0, 0.0, 1.0}


def test_it_is_loaded_with_the_keywords_of_stable_baselines(tmp_path, capsys):
    new_algorithm(Noise).save(tmp_path / "model")
    again = LifelongPPO.load(
        tmp_path / "model", custom_objects={"learning_rate": 0.5, "clip_range": 0.1},
        print_system_info=True, force_reset=False,
    )  # fmt: skip
    assert again.lr_schedule(1) == 0.5
    assert "Stable-Baselines3" in capsys.readouterr().out


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


def test_what_was_saved_on_another_kind_of_device_is_loaded_and_begins_with_the_seed(tmp_path):
    path = tmp_path / "saved.zip"
    new_algorithm(SeenAction).save(path)
    notes, parts = read_archive(path)
    parts["generator"] = {"state": torch.zeros(16, dtype=torch.uint8)}  # as CUDA gives it
    write_archive(path, notes | {"seed": 7}, parts)
    loaded = LifelongPPO.load(path)
    assert torch.equal(loaded.generator.get_state(), torch.Generator().manual_seed(7).get_state())
    write_archive(path, notes, parts | {"generator": {}})
    with pytest.raises(ValueError, match="no state of chance"):
        LifelongPPO.load(path)


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


# Bad input.


@pytest.mark.parametrize(
    "actions",
    [spaces.Box(-1, 1, (2,)), spaces.MultiDiscrete([2, 2]), spaces.MultiBinary(3)],
)
def test_actions_that_are_not_discrete_are_refused(actions):
    class Steering(Probe):
        action_space = actions

    with pytest.raises(ValueError, match="actions must be Discrete, not ") as caught:
        new_algorithm(Steering)
    assert "\n" not in str(caught.value)


def test_actions_that_do_not_start_at_0_are_refused():
    class Counting(Probe):
        action_space = spaces.Discrete(2, start=1)

    with pytest.raises(ValueError, match="Discrete actions must start at 0, not at 1"):
        new_algorithm(Counting)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tpu", "meta"])
def test_a_device_that_is_not_there_is_named(device, tmp_path):
    algorithm = new_algorithm(AlwaysOne)
    algorithm.save(tmp_path / "model")
    for make in (
        lambda: LifelongPPO("DualStreamPolicy", AlwaysOne(), device=device),
        lambda: LifelongPPO.load(tmp_path / "model", device=device),
    ):
        with pytest.raises(ValueError, match=f"device '{device}'.* this machine has cpu") as caught:
            make()
        assert "\n" not in str(caught.value)
    assert LifelongPPO("DualStreamPolicy", AlwaysOne(), device="auto").device.type == "cpu"
