"""PettingZoo: its own checkers, and whose screen, move, reward and fault it is."""

from dataclasses import replace
from functools import partial

import numpy as np
import pettingzoo
import pytest
from pettingzoo.test import (
    api_test,
    parallel_api_test,
    parallel_seed_test,
    render_test,
    seed_test,
)

import envs
from envs.gymnasium_view import IDS
from envs.pettingzoo_view import AGENTS, env, parallel_env, raw_env
from envs.tron import MAX_TICKS as TRON_TICKS
from tests.envs.seats import spread, unseen_window

__all__ = ["unseen_window"]

pytestmark = [  # what PettingZoo says of every environment with an action mask beside the frame
    pytest.mark.filterwarnings("ignore:Observation is not a NumPy array"),
    pytest.mark.filterwarnings("ignore:Observation space for each agent probably should be"),
]
GAMES = ("connect", "tron", "volley")
UP, DOWN, LEFT, RIGHT = range(4)
FEW = [name for game in GAMES for name in spread(game, 3)]
MANY = [name for game in GAMES for name in spread(game, 24) if name not in FEW]
BOTH = [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in MANY)]
BOTH_AT_ONCE = [
    case
    for case in BOTH
    if not (case if isinstance(case, str) else case.values[0]).startswith("connect")
]


@pytest.mark.parametrize("variant", BOTH)
def test_turns_pass_the_checkers_of_pettingzoo(variant):
    api_test(env(variant), num_cycles=24)
    seed_test(partial(env, variant), num_cycles=12)


@pytest.mark.parametrize("variant", BOTH_AT_ONCE)
def test_both_at_once_passes_the_checkers_of_pettingzoo(variant):
    parallel_api_test(parallel_env(variant), num_cycles=12)
    parallel_seed_test(partial(parallel_env, variant), num_cycles=12)


@pytest.mark.parametrize("variant", GAMES)
@pytest.mark.usefixtures("unseen_window")
def test_every_render_mode_passes_the_checker_of_pettingzoo(variant):
    render_test(partial(env, variant))


@pytest.mark.parametrize("variant", GAMES)
def test_the_metadata_is_complete(variant):
    metadata = env(variant).metadata
    assert metadata["name"] == f"{variant}_v0"
    assert metadata["render_modes"] == ["human", "rgb_array"]
    assert metadata["render_fps"] == {"connect": 4, "tron": 10, "volley": 30}[variant]
    assert metadata["is_parallelizable"] is (variant != "connect")


@pytest.mark.parametrize("game", GAMES)
def test_pettingzoo_makes_the_games_by_the_ids_of_gymnasium(game):
    assert str(pettingzoo.make("aec", IDS[game])) == f"{game}_v0"
    variant = spread(game, 2)[-1]
    for form in ["aec"] if game == "connect" else ["aec", "parallel"]:
        made = pettingzoo.make(form, IDS[game], variant=variant)
        assert str(made) == f"{variant}_v0"


def test_each_sees_the_board_from_its_own_seat_and_only_the_mover_may_move():
    game = env("connect")
    game.reset()
    game.step(3)
    assert game.agent_selection == "player_1"
    table = game.unwrapped.table
    for seat, agent in enumerate(AGENTS):
        seen = game.observe(agent)
        assert np.array_equal(seen["observation"], table.frame(seat))
        assert game.observation_space(agent).contains(seen)
    assert not np.array_equal(table.frame(0), table.frame(1))
    assert game.observe("player_1")["action_mask"].tolist() == [1] * 7 + [0] * 9
    assert game.observe("player_0")["action_mask"].tolist() == [0] * 16


def test_four_in_a_row_pay_the_winner_and_the_loser_hears_of_it():
    game = env("connect")
    game.reset()
    for column in (0, 1, 0, 1, 0, 1, 0):
        assert not any(game.terminations.values())
        game.step(column)
    assert game.rewards == {"player_0": 1.0, "player_1": -1.0}
    told = {}
    for agent in game.agent_iter():
        _, told[agent], terminated, truncated, _ = game.last()
        assert (terminated, truncated) == (True, False)
        game.step(None)
    assert told == {"player_0": 1.0, "player_1": -1.0}
    assert game.agents == []


def test_an_illegal_move_costs_the_mover_one_and_ends_the_game():
    game = env("connect")
    game.reset()
    game.step(0)
    game.step(7)
    assert game.rewards == {"player_0": 0, "player_1": -1.0}
    assert all(game.terminations.values())


@pytest.mark.parametrize(
    ("actions", "rewards"),
    [((UP, 9), (0, -1)), ((9, RIGHT), (-1, 0)), ((9, 15), (-1, -1))],
)
def test_an_illegal_action_of_both_at_once_costs_whoever_did_it_and_ends_the_game(actions, rewards):
    game = parallel_env("tron")
    game.reset(seed=0)
    _, paid, terminated, truncated, infos = game.step(dict(zip(AGENTS, actions, strict=True)))
    assert tuple(paid.values()) == rewards
    assert all(terminated.values())
    assert not any(truncated.values())
    assert [infos[agent]["illegal_action"] for agent in AGENTS] == [pay == -1 for pay in rewards]
    assert game.agents == []


def test_an_illegal_action_of_both_at_once_ends_the_game_also_one_seat_at_a_time():
    game = env("tron")
    game.reset(seed=0)
    game.step(UP)
    game.step(9)
    assert game.rewards == {"player_0": 0.0, "player_1": -1.0}
    assert all(game.terminations.values())


def test_a_crash_is_paid_in_the_same_tick():
    game = parallel_env("tron")
    game.reset(seed=0)
    paid = {}
    while game.agents:
        crashes = {"player_0": LEFT, "player_1": UP}  # player_1 sees the board turned
        _, paid, terminated, _, _ = game.step(crashes)
    assert sum(paid.values()) == 0
    assert all(terminated.values())
    assert game.step({}) == ({}, {}, {}, {}, {})


def test_a_point_in_volley_is_paid_when_it_is_scored_and_play_goes_on():
    game = parallel_env("volley")
    game.reset(seed=1)
    points = 0
    while points < 2:
        _, paid, terminated, *_ = game.step(dict.fromkeys(AGENTS, 0))
        assert set(paid.values()) in ({0.0}, {1.0, -1.0})
        points += any(paid.values())
        assert not any(terminated.values())
    assert int(game.table.state.lost.sum()) == 2


def test_the_clock_truncates_and_does_not_terminate():
    game = parallel_env("tron")
    game.reset(seed=0)
    game.table.state = replace(game.table.state, ticks=game.table.state.ticks + TRON_TICKS - 1)
    _, paid, terminated, truncated, _ = game.step(dict.fromkeys(AGENTS, UP))
    assert all(truncated.values())
    assert not any(terminated.values())
    assert set(paid.values()) == {0.0}


def test_a_seed_makes_the_game_and_without_one_chance_goes_on():
    game, again = parallel_env("tron:gates"), parallel_env("tron:gates")

    def screens(table, seeds):
        return [table.reset(seed=seed)[0]["player_0"]["observation"] for seed in seeds]

    first = screens(game, [5, None, None, None])
    assert np.array_equal(first, screens(again, [5, None, None, None]))
    assert len({frame.tobytes() for frame in first}) > 1
    assert len({screens(game, [seed])[0].tobytes() for seed in range(8)}) > 1


@pytest.mark.parametrize("seed", [1.5, "1", True, -1, 2**63])
def test_a_seed_that_is_no_integer_raises(seed):
    for game in (env("connect"), parallel_env("tron")):
        with pytest.raises(ValueError, match="seed must be None or an integer from 0"):
            game.reset(seed=seed)


@pytest.mark.parametrize("action", [16, -1, 1.5, None, "3"])
def test_an_action_outside_the_space_raises(action):
    turns, both, raw = env("connect"), parallel_env("tron"), raw_env("connect")
    for game in (turns, both, raw):
        game.reset(seed=0)
    with pytest.raises(AssertionError, match="not in action space"):
        turns.step(action)
    with pytest.raises(ValueError, match="player_1 must be an integer from 0 to 15"):
        both.step({"player_0": 0, "player_1": action})
    with pytest.raises(ValueError, match="player_0 must be an integer from 0 to 15"):
        raw.step(action)


def test_an_agent_without_an_action_raises():
    game = parallel_env("tron")
    game.reset(seed=0)
    with pytest.raises(ValueError, match="the action of player_1 must be"):
        game.step({"player_0": UP})


def test_what_cannot_be_made_raises():
    with pytest.raises(ValueError, match="connect takes turns: use env"):
        parallel_env("connect")
    with pytest.raises(ValueError, match="unknown game"):
        env("chess")
    with pytest.raises(ValueError, match="render_mode must be None, 'human', 'rgb_array'"):
        env("connect", render_mode="ansi")


def test_a_picture_is_the_screen_of_the_first_seat_in_larger_pixels():
    game = env("connect", render_mode="rgb_array")
    game.reset()
    game.step(2)
    picture = game.render()
    assert picture.shape == (512, 512, 3)
    frame = game.observe("player_0")["observation"].transpose(1, 2, 0)
    for corner in (0, 7):
        assert np.array_equal(picture[corner::8, corner::8], frame)


@pytest.mark.usefixtures("unseen_window")
def test_windows_of_two_games_do_not_disturb_each_other():
    first, second = parallel_env("tron", render_mode="human"), env("connect", render_mode="human")
    first.reset(seed=0)
    second.reset()
    first.close()
    first.close()
    second.step(0)
    assert second.render() is None
    second.close()


def test_every_variant_has_its_view():
    assert {name.partition(":")[0] for name in FEW} == set(envs.GAMES)
