"""Gymnasium: its own checkers, the learner's seat, and the batch against Gymnasium's own loop."""

import dataclasses
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics
from gymnasium.wrappers.vector import DictInfoToList
from gymnasium.wrappers.vector import RecordEpisodeStatistics as RecordMany
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

import envs.opponents
from envs.gymnasium_view import IDS, SeatEnv, SeatVectorEnv
from envs.opponents import RandomOpponent, make_opponent
from envs.sparring import Sparring
from envs.tron import MAX_TICKS as TRON_TICKS
from tests.envs.seats import Cheat, Stubborn, spread, unseen_window

__all__ = ["unseen_window"]

UP, DOWN, LEFT, RIGHT = range(4)
FEW = [name for game in IDS for name in spread(game, 3)]
MANY = [name for game in IDS for name in spread(game, 24) if name not in FEW]
CASES = [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in MANY)]


def make(variant, **kwargs):
    game, _, modifiers = variant.partition(":")
    return gymnasium.make(IDS[game], modifiers=modifiers, **kwargs)


def make_many(variant, num_envs, **kwargs):
    game, _, modifiers = variant.partition(":")
    return gymnasium.make_vec(IDS[game], num_envs=num_envs, modifiers=modifiers, **kwargs)


def any_legal(masks, generator):
    """One legal action for each row of masks."""
    return np.array([generator.choice(np.flatnonzero(mask)) for mask in masks])


@pytest.mark.parametrize("variant", CASES)
@pytest.mark.usefixtures("unseen_window")
def test_an_environment_passes_the_checkers_of_gymnasium_and_sb3(variant):
    env = make(variant)
    check_env(env.unwrapped)
    check_env_of_sb3(env, skip_render_check=True)
    env.close()


@pytest.mark.parametrize("game", sorted(IDS))
def test_the_ids_are_known_once_envs_is_imported(game):
    assert IDS[game] == f"lifelong/{game.capitalize()}-v0"
    assert isinstance(gymnasium.make(f"envs:{IDS[game]}").unwrapped, SeatEnv)
    many = gymnasium.make_vec(IDS[game], num_envs=3, vectorization_mode="vector_entry_point")
    assert isinstance(many, SeatVectorEnv)
    assert many.observation_space.shape == (3, 3, 64, 64)


@pytest.mark.slow
def test_importing_envs_imports_no_library_that_only_a_view_needs():
    check = (
        "import sys, envs;"
        "late = {'pygame', 'pettingzoo', 'stable_baselines3', 'sb3_contrib', 'selfplay'};"
        "print(*sorted(late & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_a_game_is_played_from_the_first_seat():
    env = make("connect", opponent=Stubborn(1), seat=0)
    frame, info = env.reset(seed=0)
    assert info["seat"] == 0
    assert frame.shape == (3, 64, 64)
    assert info["action_mask"].tolist() == [1] * 7 + [0] * 9
    for _ in range(3):
        _, reward, terminated, _, _ = env.step(0)
        assert (reward, terminated) == (0.0, False)
    assert int(env.unwrapped.sparring.state.ticks) == 6
    _, reward, terminated, truncated, info = env.step(0)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert not info["illegal_action"]
    assert int(env.unwrapped.sparring.state.ticks) == 7


def test_the_opponent_opens_from_the_first_seat_and_its_win_is_a_loss_in_the_same_step():
    env = make("connect", opponent=Stubborn(1), seat=1)
    _, info = env.reset(seed=0)
    assert (info["seat"], int(env.unwrapped.sparring.state.ticks)) == (1, 1)
    for column in (0, 2):
        assert env.step(column)[1] == 0.0
    _, reward, terminated, truncated, _ = env.step(0)
    assert (reward, terminated, truncated) == (-1.0, True, False)


def test_the_frame_is_the_learners_own():
    first, second = (make("connect", opponent=Stubborn(1), seat=seat) for seat in (0, 1))
    for env in (first, second):
        frame, _ = env.reset(seed=0)
        sparring = env.unwrapped.sparring
        drawn = sparring.game.frame(sparring.state, sparring.seat)[0].numpy()
        assert np.array_equal(frame, drawn)
    own, _, _, _, _ = first.step(3)
    table = first.unwrapped.sparring
    assert not np.array_equal(own, table.game.frame(table.state, 1 - table.seat)[0].numpy())


def test_an_illegal_action_ends_the_game_and_costs_one():
    env = make("connect", opponent=Stubborn(1), seat=0)
    env.reset(seed=0)
    env.step(0)
    before = env.unwrapped.sparring.state.boards.clone()
    _, reward, terminated, truncated, info = env.step(7)
    assert (reward, terminated, truncated) == (-1.0, True, False)
    assert info["illegal_action"]
    assert torch.equal(env.unwrapped.sparring.state.boards, before)
    _, info = env.reset()
    assert not info["illegal_action"]
    assert env.step(0)[1:3] == (0.0, False)


@pytest.mark.parametrize("action", [7, 16, -1])
def test_an_opponent_that_cheats_is_named(action):
    env = make("connect", opponent=Cheat(action), seat=0)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=rf"illegal action {action} of the opponent 'always"):
        env.step(0)


@pytest.mark.parametrize("answer", [torch.zeros(2, dtype=torch.int64), torch.zeros(1)])
def test_an_opponent_that_answers_in_another_form_is_named(answer, monkeypatch):
    opponent = Stubborn(1)
    monkeypatch.setattr(opponent, "act", lambda *_: answer)
    env = make("connect", opponent=opponent, seat=0)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"opponent 'always 1' must answer with int64 of shape"):
        env.step(0)


def test_a_crash_in_tron_is_paid_in_the_same_tick():
    env = make("tron", opponent=Stubborn(UP), seat=0)
    env.reset(seed=0)
    rewards, terminated = [], False
    while not terminated:
        _, reward, terminated, truncated, _ = env.step(RIGHT if len(rewards) % 2 else UP)
        rewards.append(reward)
    assert set(rewards[:-1]) <= {0.0}
    assert rewards[-1] == 1.0  # the opponent runs into the fence first
    assert not truncated


def test_points_in_volley_arrive_as_they_are_scored():
    duel = Sparring("volley", 8, Stubborn(0), None)
    duel.seed(3)
    duel.restart()
    own, other = (torch.arange(8), duel.seat), (torch.arange(8), 1 - duel.seat)
    points = torch.zeros(8)
    for _ in range(200):
        before = duel.state.lost
        outcome = duel.play(torch.zeros(8, dtype=torch.int64))
        lost = duel.state.lost - before
        assert torch.equal(outcome.rewards, (lost[other] - lost[own]).float())
        assert not bool(outcome.terminated.any())
        points += outcome.rewards.abs()
    assert points.min() >= 1
    assert set(duel.seat.tolist()) == {0, 1}


def test_the_fifth_point_in_volley_ends_the_match():
    duel = Sparring("volley", 8, Stubborn(0), None)
    duel.seed(3)
    duel.restart()
    duel.state = dataclasses.replace(duel.state, lost=torch.full_like(duel.state.lost, 4))
    total = torch.zeros(8)
    while not bool(duel.state.ended.all()):
        outcome = duel.play(torch.zeros(8, dtype=torch.int64))
        total += outcome.rewards
    assert bool(outcome.terminated.all())
    assert not bool(outcome.truncated.any())
    lost = duel.state.lost[torch.arange(8), duel.seat]
    assert total.tolist() == [-1.0 if points == 5 else 1.0 for points in lost.tolist()]


def late(state, ticks):
    return dataclasses.replace(state, ticks=torch.full_like(state.ticks, ticks))


def test_a_repeated_action_is_several_ticks_in_one_step():
    alone = gymnasium.make("lifelong/Volley-v0", action_repeat=4)
    alone.reset(seed=0)
    alone.step(0)
    assert alone.unwrapped.sparring.state.ticks.tolist() == [4]
    many = gymnasium.make_vec("lifelong/Volley-v0", num_envs=2, action_repeat=3)
    many.reset(seed=0)
    many.step(np.zeros(2, np.int64))
    assert many.unwrapped.sparring.state.ticks.tolist() == [3, 3]


def test_the_clock_truncates_and_does_not_terminate():
    env = make("tron", opponent=Stubborn(UP), seat=0)
    env.reset(seed=0)
    env.unwrapped.sparring.state = late(env.unwrapped.sparring.state, TRON_TICKS - 1)
    _, reward, terminated, truncated, _ = env.step(UP)
    assert (reward, terminated, truncated) == (0.0, False, True)


def test_either_seat_is_drawn_by_chance_and_the_seed_decides():
    env = make("connect")

    def seats(seed):
        drawn = [env.reset(seed=seed)[1]["seat"]]
        return drawn + [env.reset()[1]["seat"] for _ in range(19)]

    assert 0 < sum(seats(1)) < 20
    assert seats(1) == seats(1)
    assert seats(1) != seats(2)


def test_a_new_game_draws_no_seat_for_the_others():
    many = make_many("connect", 32, autoreset_mode="SameStep")
    _, infos = many.reset(seed=0)
    before, illegal = infos["seat"], np.arange(32) % 2 == 0
    _, _, terminated, _, infos = many.step(np.where(illegal, 15, 0))
    assert np.array_equal(terminated, illegal)
    assert np.array_equal(infos["seat"][~illegal], before[~illegal])
    assert not np.array_equal(infos["seat"][illegal], before[illegal])
    assert np.array_equal(infos["final_info"]["seat"][illegal], before[illegal])


def test_a_seed_decides_all_that_is_drawn():
    def story(seed):
        env = make("tron:rocks")
        _, info = env.reset(seed=seed)
        chance = np.random.default_rng(0)
        frames = []
        for _ in range(30):
            frame, _, terminated, _, info = env.step(any_legal([info["action_mask"]], chance)[0])
            frames.append(frame.tobytes())
            if terminated:
                _, info = env.reset()
        return frames

    assert story(4) == story(4)
    assert story(4) != story(5)


def test_the_statistics_of_episodes_are_right():
    env = RecordEpisodeStatistics(make("connect", opponent=Stubborn(1), seat=0))
    env.reset(seed=0)
    for _ in range(4):
        _, _, terminated, _, info = env.step(0)
    assert terminated
    assert (info["episode"]["r"], info["episode"]["l"]) == (1.0, 4)


@pytest.mark.parametrize("seed", [1.5, "1", True, -1, 2**63])
def test_a_seed_that_is_no_integer_raises(seed):
    for env in (make("connect").unwrapped, make_many("connect", 2)):
        with pytest.raises(ValueError, match="seed must be None or an integer from 0"):
            env.reset(seed=seed)


@pytest.mark.parametrize("action", [16, -1, 1.5, None, "3", [1, 2]])
def test_an_action_outside_the_space_raises(action):
    env = SeatEnv("connect")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="the action must be an integer from 0 to 15"):
        env.step(action)
    many = SeatVectorEnv(2, "connect")
    many.reset(seed=0)
    with pytest.raises(ValueError, match="actions must be 2 integers from 0 to 15"):
        many.step([0, action])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"modifiers": "hot"}, "unknown modifier 'hot' of connect: known are"),
        ({"seat": 2}, "seat must be 0, 1, or None"),
        ({"seat": True}, "seat must be 0, 1, or None"),
        ({"render_mode": "ansi"}, "render_mode must be None, 'human', 'rgb_array'"),
        ({"opponent": "tron/voronoi"}, "opponent 'tron/voronoi' plays tron, not connect"),
        ({"opponent": "clumsy-9:tron/voronoi"}, "plays tron, not connect"),
        ({"opponent": 3}, "must be a name or an object with name, act and reset"),
    ],
)
def test_what_cannot_be_made_raises(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SeatEnv("connect", **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_envs": 0}, "number of games must be a whole number of at least 1"),
        ({"num_envs": -3}, "number of games must be a whole number of at least 1"),
        ({"num_envs": 2, "render_mode": "human"}, "render_mode must be None, 'rgb_array'"),
        ({"num_envs": 2, "autoreset_mode": "never"}, "one of NextStep, SameStep, Disabled"),
    ],
)
def test_a_batch_that_cannot_be_made_raises(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SeatVectorEnv(game="connect", **kwargs)


def test_stepping_before_the_first_reset_raises():
    for env, action in ((SeatEnv("connect"), 0), (SeatVectorEnv(2, "connect"), [0, 0])):
        with pytest.raises(gymnasium.error.ResetNeeded):
            env.step(action)


def test_an_unknown_opponent_raises_and_says_what_is_known():
    with pytest.raises(ValueError, match=r"unknown opponent 'nobody': give 'random', an object"):
        make_opponent("nobody", "connect")


def test_players_of_an_installed_package_are_opponents():
    assert make_opponent("connect/one_ply", "connect").name == "connect/one_ply"
    env = make("connect", opponent="connect/one_ply", seat=0)
    env.reset(seed=0)
    for _ in range(3):
        _, _, terminated, _, _ = env.step(0)
    assert not terminated
    assert not env.step(0)[2]  # three in a column are blocked
    assert int(env.unwrapped.sparring.state.boards[0, 1]) & 0b1000


class Package:
    """An entry point as an installed package has them."""

    def __init__(self, name, known):
        self.name, self.known = name, known

    def load(self):
        def factory(name, device):
            if name != self.known:
                raise ValueError(f"only {self.known} lives here")
            return Stubborn(0)

        return factory


@pytest.fixture
def packages(monkeypatch):
    offered = []
    monkeypatch.setattr(envs.opponents, "entry_points", lambda group: offered)
    envs.opponents._factories.cache_clear()
    yield offered
    envs.opponents._factories.cache_clear()


def test_every_package_is_asked_for_a_player(packages):
    packages += [Package("first", "ann"), Package("second", "bob")]
    assert make_opponent("bob", "connect").name == "always 0"
    with pytest.raises(ValueError, match=r"first: only ann lives here; second: only bob lives"):
        make_opponent("eve", "connect")


def test_without_packages_only_random_and_objects_play(packages):
    assert packages == []
    assert isinstance(make_opponent("random", "connect"), RandomOpponent)
    with pytest.raises(ValueError, match=r"no installed package offers players"):
        make_opponent("connect/one_ply", "connect")


def test_the_random_opponent_plays_every_legal_action_equally_often(generator):
    game = envs.make("tron")
    state = game.init(6000, generator)
    seat = torch.zeros(6000, dtype=torch.int64)
    played = RandomOpponent().act(game, state, seat, generator).bincount(minlength=16)
    assert played[4:].sum() == 0
    assert (played[:4] - 1500).abs().max() < 150  # four standard deviations


def test_the_opponent_is_told_which_games_begin():
    opponent = Stubborn(1)
    many = make_many("connect", 3, opponent=opponent, seat=0, autoreset_mode="SameStep")
    many.reset(seed=0)
    many.step(np.array([0, 7, 0]))
    assert [mask.tolist() for mask in opponent.begun] == [[True] * 3, [False, True, False]]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("seat", [0, 1])
def test_a_batch_does_what_gymnasium_does_with_single_environments(mode, seat):
    """Rewards, ends, masks, final observations and infos, key by key; some actions illegal."""
    num_envs = 4
    loop = SyncVectorEnv(
        [lambda: SeatEnv("connect", opponent=Stubborn(1), seat=seat) for _ in range(num_envs)],
        autoreset_mode=mode,
    )
    batch = SeatVectorEnv(num_envs, "connect", opponent=Stubborn(1), seat=seat, autoreset_mode=mode)
    chance = np.random.default_rng(0)
    assert_alike(batch.reset(seed=0), loop.reset(seed=0))
    ends = 0
    for _ in range(24):
        actions = chance.choice([0, 0, 0, 2, 3, 8], num_envs)
        ours, theirs = batch.step(actions), loop.step(actions)
        assert_alike(ours, theirs)
        ends += int(theirs[2].sum())
    assert ends >= 10
    assert batch.metadata["autoreset_mode"] is mode


def assert_alike(ours, theirs):
    assert len(ours) == len(theirs)
    for mine, yours in zip(ours[:-1], theirs[:-1], strict=True):
        assert mine.dtype == yours.dtype
        assert np.array_equal(mine, yours)
    assert ours[-1].keys() == theirs[-1].keys()
    assert data_equivalence(ours[-1], theirs[-1], exact=True)


def test_without_autoreset_finished_games_wait_for_their_reset():
    many = make_many("connect", 2, opponent=Stubborn(1), seat=0, autoreset_mode="Disabled")
    first, _ = many.reset(seed=0)
    for _ in range(2):
        _, rewards, terminated, _, infos = many.step(np.array([0, 7]))
        assert terminated.tolist() == [False, True]
    assert rewards.tolist() == [0.0, 0.0]
    assert infos["action_mask"][1].all()
    fresh, _ = many.reset(options={"reset_mask": np.array([False, True])})
    assert np.array_equal(fresh[1], first[1])
    assert not np.array_equal(fresh[0], first[0])
    assert many.step(np.array([0, 0]))[2].tolist() == [False, False]


@pytest.mark.parametrize("mask", [[True], [False, False], [1, 0]])
def test_a_reset_mask_of_another_form_raises(mask):
    many = make_many("connect", 2)
    many.reset(seed=0)
    with pytest.raises(ValueError, match="reset_mask must be 2 booleans"):
        many.reset(options={"reset_mask": np.array(mask)})


@pytest.mark.parametrize("variant", ["connect", "tron:wrap", "volley:wind"])
def test_the_seed_of_a_batch_decides_all_that_is_drawn(variant):
    def story(seed):
        many = make_many(variant, 8)
        frames, infos = many.reset(seed=seed)
        chance, told = np.random.default_rng(0), [frames.tobytes()]
        for _ in range(12):
            frames, rewards, _, _, infos = many.step(any_legal(infos["action_mask"], chance))
            told += [frames.tobytes(), rewards.tobytes()]
        return told

    assert story(4) == story(4)
    assert story(4) != story(5)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_the_statistics_of_a_batch_are_right(mode):
    many = RecordMany(make_many("connect", 2, opponent=Stubborn(1), seat=0, autoreset_mode=mode))
    many.reset(seed=0)
    for _ in range(4):
        _, _, terminated, _, infos = many.step(np.array([0, 3]))
    # the first wins with its fourth disc; the second is beaten by the fourth of the opponent
    assert terminated.tolist() == [True, True]
    assert infos["episode"]["r"].tolist() == [1.0, 1.0]
    assert infos["episode"]["l"].tolist() == [4, 4]


def test_the_infos_of_a_batch_can_be_taken_apart():
    many = DictInfoToList(make_many("connect", 2, seat=1, autoreset_mode="SameStep"))
    _, infos = many.reset(seed=0)
    assert [info["seat"] for info in infos] == [1, 1]
    infos = many.step(np.array([0, 15]))[-1]
    assert "final_info" not in infos[0]
    assert infos[1]["final_info"]["illegal_action"]
    assert not infos[1]["illegal_action"]


@pytest.mark.parametrize("game", sorted(IDS))
def test_pictures_are_screens_in_larger_pixels(game):
    env, many = make(game, render_mode="rgb_array"), make_many(game, 2, render_mode="rgb_array")
    frame, _ = env.reset(seed=0)
    frames, _ = many.reset(seed=0)
    pictures = [env.render(), *many.render()]
    for picture, seen in zip(pictures, [frame, *frames], strict=True):
        assert picture.shape == (512, 512, 3)
        assert np.array_equal(picture[3::8, 5::8], seen.transpose(1, 2, 0))


@pytest.mark.usefixtures("unseen_window")
def test_a_window_opens_with_the_game_and_can_be_closed_twice():
    env = make("volley", render_mode="human")
    env.reset(seed=0)
    env.step(0)
    assert env.render() is None
    env.close()
    env.close()


@pytest.mark.parametrize(
    ("game", "repeat", "pace"), [("Tron", 4, 2.5), ("Volley", 4, 7.5), ("Volley", 60, 0.5)]
)
def test_a_picture_for_each_step_is_shown_at_the_pace_of_the_game(game, repeat, pace):
    alone = gymnasium.make(f"lifelong/{game}-v0", action_repeat=repeat)
    assert alone.metadata["render_fps"] == pace
    assert alone.unwrapped._display.frames_per_s == pace
    many = gymnasium.make_vec(f"lifelong/{game}-v0", num_envs=2, action_repeat=repeat)
    assert many.metadata["render_fps"] == pace


def test_integers_of_numpy_are_integers():
    many = SeatVectorEnv(np.int64(2), "volley", action_repeat=np.int32(3))
    many.reset(seed=0)
    many.step(np.zeros(2, np.int64))
    assert many.sparring.state.ticks.tolist() == [3, 3]
    assert type(many.num_envs) is int
    for wrong in (np.float64(2), np.True_, np.int64(0)):
        with pytest.raises(ValueError, match="number of games must be a whole number"):
            SeatVectorEnv(wrong, "tron")
        with pytest.raises(ValueError, match="action_repeat must be a whole number"):
            SeatEnv("tron", action_repeat=wrong)
