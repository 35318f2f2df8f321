"""Suites are well-formed data; Gymnasium environments of one suite are made alike."""

import dataclasses

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

import envs
from lifelong_agent.weights import read_json
from selfplay.__main__ import main
from selfplay.forgetting.constants import (
    BY_EVALUATE,
    PUBLISHED,
    command_of,
    constants_of,
    read_constants,
)
from selfplay.forgetting.evaluation import Evaluation
from selfplay.forgetting.gym_tasks import Alike, common_spaces, make_vec_env
from selfplay.forgetting.practice import (
    RandomActor,
    game_of,
    score,
    training_env,
    training_stream,
)
from selfplay.forgetting.runner import Record
from selfplay.forgetting.suites import (
    BENCHMARK,
    NEW,
    SHIPPED,
    SUITES,
    Suite,
    Task,
    check_suite,
    find_suite,
)
from tests.selfplay.forgetting_suite import TINY

OWN = [name for name, suite in SUITES.items() if not suite.needs]
HAVE_CONSTANTS = sorted(
    path.stem.removeprefix("forgetting-") for path in PUBLISHED.glob("forgetting-*.json")
)
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", OWN)
def test_a_suite_of_our_games_makes_sense(name):
    check_suite(SUITES[name])


@pytest.mark.parametrize("name", ["connect", "tron", "volley"])
def test_a_game_has_at_least_six_variants(name):
    tasks = SUITES[name].tasks
    assert len({task.game for task in tasks}) >= 6
    assert all(task.game.startswith(name) for task in tasks)


def test_mixed_holds_all_three_games():
    assert {task.game.partition(":")[0] for task in SUITES["mixed"].tasks} == set(envs.GAMES)


def test_zebra_trains_single_modifiers_and_holds_out_their_combinations():
    suite = SUITES["zebra"]
    trained = {task.game.partition(":")[2] for task in suite.tasks}
    for task in suite.held_out:
        parts = task.game.partition(":")[2].split("+")
        assert len(parts) == 2
        assert set(parts) <= trained


def test_opponents_changes_nothing_but_the_opponent():
    tasks = SUITES["opponents"].tasks
    assert len({task.game for task in tasks}) == 1
    assert len({task.opponent for task in tasks}) == len(tasks) >= 6


@pytest.mark.parametrize("name", HAVE_CONSTANTS)
def test_published_constants_are_those_of_the_suite_as_it_is(name, tmp_path):
    constants = read_constants(SUITES[name], tmp_path)
    assert constants is not None
    assert constants.source == f"forgetting-{name}.json"
    assert np.isfinite(constants.scratch_areas()).all()
    assert f"--suite {name} " in constants.command


def test_without_methods_constants_are_measured_anew_published_or_not(tmp_path):
    assert Evaluation("tron", ("finetune",), 1, tmp_path / "a").scratch_runs == []
    assert len(Evaluation("tron", (), 2, tmp_path / "b").scratch_runs) == 2


def test_constants_name_the_command_that_measured_them_with_other_terms_than_the_suites_own():
    suite = dataclasses.replace(SUITES["tron"], steps=100).starting_from(SHIPPED)
    nothing = Record(curves=[[1.0]])
    said = [constants_of(each, (0.0,), [nothing], (0,)).command for each in (suite, SUITES["tron"])]
    assert said[0] == f"{said[1]} --steps 100 --start shipped"


def test_constants_name_the_first_seed_and_the_steps_of_any_suite():
    suite = dataclasses.replace(find_suite("gym:CartPole-v1"), steps=100)
    nothing = Record(curves=[[1.0]])
    called = "python -m selfplay forgetting --suite gym:CartPole-v1 --methods none --seeds 2"
    said = constants_of(suite, (0.0,), [nothing, nothing], (3, 4)).command
    assert said == f"{called} --seed 3 --steps 100"


@pytest.mark.parametrize(
    ("suite", "seeds"),
    [
        (dataclasses.replace(SUITES["tron"], name="mine"), (0,)),
        (dataclasses.replace(SUITES["tron"], epochs=3), (0,)),
        (SUITES["tron"], (1, 0)),
        (SUITES["tron"], (2, 5)),
    ],
)
def test_where_no_command_measures_the_constants_none_is_named(suite, seeds):
    assert command_of(suite, seeds) == BY_EVALUATE


def test_quick_fits_into_ten_minutes_for_two_methods():
    """800 decisions a second; the two methods, and the constants as if they were a third."""
    suite = SUITES["quick"]
    decisions = 3 * len(suite.segments) * suite.parts * suite.part_steps
    assert decisions / 800 < 0.8 * 600  # the rest is for scores


def test_minatar_has_the_published_sequence():
    suite = SUITES["minatar"]
    letters = "".join(suite.tasks[task].game[8] for task in suite.segments)
    assert letters == "BSBSSFB"
    assert suite.steps == 500_000


def test_who_publishes_figures_says_how_their_protocol_differs():
    for suite in SUITES.values():
        assert bool(suite.published) == bool(suite.differs)
    minatar = SUITES["minatar"]
    assert f"{minatar.games} environments" in minatar.differs
    assert {task.longest for task in minatar.tasks} == {300}
    assert 300 * minatar.games == 6_000


def test_a_part_is_rounded_up_to_whole_rollouts():
    suite = dataclasses.replace(TINY, steps=129)
    assert suite.part_steps == 128
    assert TINY.part_steps == 64


def test_the_order_can_be_reversed():
    suite = dataclasses.replace(TINY, order=(0, 1, 1))
    assert suite.reversed().segments == (1, 1, 0)
    assert TINY.reversed().segments == (1, 0)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tasks": (Task("tron", "random"),) * 2}, "different names"),
        ({"order": (0, 0)}, "must hold every task"),
        ({"order": (0, 1, 2)}, "must hold every task"),
        ({"games": 3}, "must be even"),
        ({"parts": 0}, "parts must be a whole number from 1 on, not 0"),
        ({"steps": 2048.5}, "steps must be a whole number from 1 on, not 2048.5"),
        ({"epochs": 0}, "epochs must be a whole number from 1 on, not 0"),
        ({"entropy_weight": -1.0}, "entropy_weight must be a number from 0 on, not -1.0"),
        ({"tasks": ()}, "a tuple of at least one Task"),
        ({"tasks": ("tron",)}, "a tuple of at least one Task"),
        ({"tasks": (Task("tron", "random", "wins"),)}, "a measure is one of .* not 'wins'"),
        ({"tasks": (Task("tron", "random", options={}),)}, "must be a tuple of pairs"),
        ({"tasks": (Task("tron:wrap+ice", "random"),)}, "unknown modifier 'ice'"),
        ({"tasks": (Task("tron", "nobody"),)}, "unknown player 'nobody'"),
        ({"held_out": (Task("CartPole-v1", "", "return"),)}, "mixes the project's games"),
    ],
)
def test_terms_that_make_no_sense_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_suite(dataclasses.replace(TINY, **changes))


def test_any_gymnasium_ids_make_a_suite():
    suite = find_suite("gym:CartPole-v1,Acrobot-v1")
    assert [task.name for task in suite.tasks] == ["CartPole-v1", "Acrobot-v1"]
    assert common_spaces(suite.tasks) == ((6,), 3)
    with pytest.raises(ValueError, match="each once"):
        find_suite("gym:CartPole-v1,CartPole-v1")


def test_vectors_are_padded_and_foreign_actions_forbidden():
    suite = find_suite("gym:CartPole-v1,Acrobot-v1")
    vec_env = make_vec_env(suite, suite.tasks, 4, seed=0)
    obs = vec_env.reset()
    assert obs.shape == (4, 6)
    assert obs.dtype == np.float32
    assert (obs[::2, 4:] == 0).all()  # the poles'
    assert (obs[1::2, 4:] != 0).any()
    masks = np.stack(vec_env.env_method("action_masks"))
    assert masks.sum(1).tolist() == [2, 3, 2, 3]
    vec_env.step(np.array([2, 2, 2, 2]))  # modulo the poles' two actions


class Picture(gymnasium.Env):
    """An image, channels last, whose only bright cell is row 1, column 2, channel 1."""

    def __init__(self, dtype, value, shape=(5, 6, 2), high=255):
        self.observation_space = spaces.Box(0, high, shape, dtype)
        self.action_space = spaces.Discrete(2, start=3)
        self.image = np.zeros(shape, dtype)
        self.image[1, 2, 1] = value

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return self.image, {}

    def step(self, action):
        return self.image, float(action), False, False, {}


@pytest.mark.parametrize(
    ("dtype", "value", "high", "gain", "shown"),
    [
        *((np.bool_, True, 1, 1, 255), (np.uint8, 7, 255, 20, 140), (np.uint8, 200, 255, 2, 255)),
        *((np.float32, 0.5, 1, 1, 128), (np.float64, 0.1, 2, 2, 26), (np.int64, 3, 6, 1, 128)),
    ],
)
def test_images_get_channels_first_and_are_made_bright(dtype, value, high, gain, shown):
    env = Alike(Picture(dtype, value, high=high), (4, 8, 8), 5, gain)
    obs, _ = env.reset()
    assert obs.shape == (4, 8, 8)
    assert obs.dtype == np.uint8
    assert np.argwhere(obs).tolist() == [[1, 1, 2]]
    assert obs[1, 1, 2] == shown


def test_of_a_cube_the_last_axis_are_the_channels():
    obs, _ = Alike(Picture(np.bool_, True, (10, 10, 10), 1), (10, 10, 10), 2).reset()
    assert np.argwhere(obs).tolist() == [[1, 1, 2]]


def test_an_image_without_bounds_is_refused_in_one_line(tmp_path, capsys):
    gymnasium.register("test/Dazzling-v0", lambda: Picture(np.float32, 1, high=np.inf))
    with pytest.raises(SystemExit) as stop:
        main(["forgetting", "--suite", "gym:test/Dazzling-v0", "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    said = capsys.readouterr().err.strip()
    assert "cannot show what test/Dazzling-v0 gives: images of float32 need finite bounds" in said
    assert "\n" not in said


def test_actions_are_counted_from_the_first_of_the_environment():
    env = Alike(Picture(np.uint8, 1), (2, 5, 6), 4)
    env.reset()
    assert [env.step(action)[1] for action in range(4)] == [3, 4, 3, 4]
    assert env.action_masks().tolist() == [True, True, False, False]


def test_a_random_player_balances_a_pole_for_some_twenty_steps():
    suite = dataclasses.replace(find_suite("gym:CartPole-v1,Acrobot-v1"), games=50)
    assert score(suite, suite.tasks[0], RandomActor(), CPU) == pytest.approx(22, abs=5)


def test_an_episode_can_be_cut_when_it_is_scored():
    suite = dataclasses.replace(find_suite("gym:CartPole-v1"), games=4)
    task = dataclasses.replace(suite.tasks[0], longest=5)
    assert score(suite, task, RandomActor(), CPU) == 5


def test_training_on_environments_is_dealt_out_in_turn():
    suite = dataclasses.replace(find_suite("gym:CartPole-v1,Acrobot-v1"), num_rows=3)
    stream = training_stream(suite, suite.tasks, 0, CPU)
    assert stream.num_rows == 3
    assert stream.observe().legal_actions.sum(1).tolist() == [2, 3, 2]
    assert stream.groups.tolist() == [0, 1, 0], "advantages are normalised task by task"


def test_images_and_vectors_do_not_mix():
    gymnasium.register("test/Picture-v0", lambda: Picture(np.uint8, 1))
    tasks = (Task("CartPole-v1", "", "return"), Task("test/Picture-v0", "", "return"))
    with pytest.raises(ValueError, match="either images or vectors"):
        common_spaces(tasks)


def test_more_tasks_than_rows_are_too_many():
    suite = dataclasses.replace(TINY, num_rows=1)
    with pytest.raises(ValueError, match="2 tasks need as many rows, not 1"):
        training_stream(suite, suite.tasks, 0, CPU)


def test_a_suite_can_be_a_researchers_own():
    suite = Suite(
        "mine", (Task("connect", "random"), Task("connect", "stubborn:1", label="second"))
    )
    check_suite(suite)
    assert [task.name for task in suite.columns] == ["connect", "second"]


def test_suites_that_start_from_the_benchmarks_network_are_built_like_it():
    trained = [suite for suite in SUITES.values() if suite.start != NEW]
    assert trained
    for suite in trained:
        assert suite == suite.starting_from(BENCHMARK)


def test_the_suites_network_stays_what_figures_were_published_for():
    """Another one is shipped again and again; with it, their constants would be worth nothing."""
    network = "72e3f90df459"
    assert SUITES["mixed"].to_json()["start"] == f"{BENCHMARK} {network}"
    assert read_json(PUBLISHED / "forgetting-mixed.json")["terms"]["start"].endswith(network)


def test_the_options_of_a_task_are_those_of_its_game():
    task = Task("tron", "random", options=(("action_repeat", 3),))
    suite = dataclasses.replace(TINY, tasks=(task,))
    check_suite(suite)
    stream = training_stream(suite, suite.tasks, 0, CPU)
    (arena,) = stream.arenas
    before = arena.state.ticks
    outcome = stream.advance(torch.zeros(suite.num_rows, dtype=torch.int64))
    on = ~outcome.ended
    assert (arena.state.ticks - before)[on].tolist() == [3] * int(on.sum())
    assert int(on.sum()) > 0
    vec_env = training_env(suite, task, 0)
    assert vec_env.sparring.game.action_repeat == 3
    assert game_of(task, CPU).action_repeat == 3
    with pytest.raises(ValueError, match="no action is repeated in connect"):
        check_suite(dataclasses.replace(suite, tasks=(dataclasses.replace(task, game="connect"),)))


def test_a_task_can_take_a_share_of_the_games():
    suite = dataclasses.replace(SUITES["mixed"], games=200)
    assert {suite.num_games(task) for task in suite.tasks if task.game == "volley"} == {20}
    assert {suite.num_games(task) for task in suite.tasks if task.game == "connect"} == {200}
    few = dataclasses.replace(suite, games=8)
    with pytest.raises(ValueError, match="the games for a score"):
        check_suite(few)
