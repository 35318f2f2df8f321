"""Volley's scripted players: each rung beats the one below, and every habit is another."""

import dataclasses

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import envs
from envs.volley import BALL, Volley, swap_seats
from selfplay.match import play_match, play_out
from selfplay.seats import Random
from selfplay.volley_players import (
    HABITS,
    foresee,
    habit_of,
    look,
    predictor,
    stubborn,
    tracker,
)

NONE, FORWARD, FORWARD_JUMP, JUMP, BACKWARD_JUMP, BACKWARD = range(6)


@pytest.fixture(scope="module")
def some_states():
    """Courts in the middle of rallies, half of them with the players' help."""
    game, generator = Volley(), torch.Generator().manual_seed(0)
    state = game.init(256, generator)
    player, seats = tracker(), torch.arange(256) % 2
    for _ in range(110):
        actions = torch.randint(0, 6, (256, 2), generator=generator)
        actions[:, 0] = player.act(game, state, torch.zeros_like(seats), generator)
        state = game.step(state, actions, generator)
    return game, state, seats


def act(player, ball, own=(-12.0, 1.5, 0.0, 0.0)):
    """What it does at seat 0, on one court of its own."""
    game = Volley()
    bodies = torch.tensor([[own, (12.0, 1.5, 0.0, 0.0), ball]], dtype=torch.float64)
    zero = torch.zeros(1)
    state = game.from_bodies(bodies, zero, torch.zeros(1, 2), zero, zero)
    return player.act(game, state, torch.tensor([0]), torch.Generator()).item()


def test_the_tracker_runs_below_the_ball_and_jumps_when_it_is_near():
    assert act(tracker(), (-8, 10, -9, 0)) == FORWARD
    assert act(tracker(), (-18, 10, 9, 0)) == BACKWARD
    assert act(tracker(), (-11.7, 10, 0, 0)) == NONE
    assert act(tracker(), (-11.7, 4, 0, -5)) == JUMP


def test_the_predictor_runs_where_the_ball_comes_down():
    assert act(predictor(), (-8, 10, -15, 0)) == BACKWARD
    assert act(predictor(), (-18, 10, 15, 0)) == FORWARD
    assert act(predictor(), (5, 10, 10, 0), (-4.0, 1.5, 0.0, 0.0)) == BACKWARD, "goes home"


def test_a_ball_that_falls_straight_is_foreseen_exactly():
    court = Volley().court
    ball = torch.tensor([[-7.0], [9.0], [0.0], [0.0]]).double()
    assert foresee(court, ball, torch.zeros(1), 3.0).tolist() == [-7]


@pytest.mark.parametrize("modifiers", [(), ("moon", "wind"), ("tallnet", "bigball")])
def test_what_is_foreseen_comes_true_as_long_as_nobody_touches_the_ball(modifiers):
    game, num, generator = Volley(modifiers), 300, torch.Generator().manual_seed(1)
    state = game.init(num, generator)
    wait_out = torch.zeros(num, 2, dtype=torch.int64)
    height = 4.0 + game.court.ball_radius  # above the players
    expected = foresee(game.court, state.bodies[:, BALL].T, state.wind, height)
    landing, above = torch.zeros(num).double(), torch.ones(num, dtype=torch.bool)
    # a path folded back at a wall is exact only without wind, which is not mirrored there
    exact = torch.ones(num, dtype=torch.bool)
    wall = 24 - game.court.ball_radius - 0.1
    for _ in range(180):
        following = game.step(state, wait_out, generator)
        x, y, _, vy = following.bodies[:, BALL].T
        lands = above & (y <= height) & (vy < 0)
        landing = torch.where(lands, x, landing)
        exact &= ~above | (x.abs() < wall) | (state.wind == 0)
        above, state = above & ~lands, following
    assert (~above).float().mean() > 0.95
    errors = (landing - expected)[~above & exact].abs()
    assert len(errors) > 0.25 * num
    assert errors.median() < 0.01
    assert (errors < 0.5).float().mean() > 0.85, "the net's round top is not foreseen"


def test_both_seats_play_alike(some_states):
    game, state, seats = some_states
    for player in (tracker(), predictor(), stubborn(3)):
        acts = player.act(game, state, seats, torch.Generator())
        mirrored = player.act(game, swap_seats(state), 1 - seats, torch.Generator())
        assert torch.equal(acts, mirrored)


def test_a_seat_looks_to_the_right(some_states):
    _, state, seats = some_states
    own, ball, _ = look(state, seats)
    assert (own[0] < 0).all()
    second = seats == 1
    assert torch.equal(ball[0][second], -state.bodies[second, BALL, 0])


def test_all_habits_are_different_habits(some_states):
    assert len(set(HABITS)) == len(HABITS)
    assert len({habit_of(seed) for seed in range(8 * len(HABITS))}) == 8 * len(HABITS)
    assert {habit_of(seed) for seed in range(len(HABITS))} == set(HABITS)
    game, state, seats = some_states
    seen = {}
    for seed in range(40):
        acts = stubborn(seed).act(game, state, seats, torch.Generator())
        twin = seen.setdefault(tuple(acts.tolist()), seed)
        assert twin == seed, f"{seed} plays like {twin}"


def test_a_habit_is_kept_whatever_chance_does(some_states):
    game, state, seats = some_states
    for player in (tracker(), predictor(), *map(stubborn, range(6))):
        generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
        first, second = (player.act(game, state, seats, g) for g in generators)
        assert torch.equal(first, second)


def test_another_game_is_declined(generator):
    game = envs.make("connect")
    state = game.init(2, generator)
    with pytest.raises(ValueError, match="knows volley, not connect"):
        tracker().act(game, state, torch.zeros(2).long(), generator)


@pytest.mark.slow
def test_the_tracker_beats_a_random_player(generator):
    game = Volley()
    results = play_out(game, game.init(16, generator), (tracker(), Random()), 0, generator)
    assert (results > 0).float().mean() >= 0.9


LADDER = [(tracker(), Random()), (predictor(), tracker())]


@pytest.mark.slow  # half a minute in all
@pytest.mark.parametrize(("better", "worse"), LADDER, ids=lambda p: p.name)
def test_the_ladder_is_a_ladder_over_400_games(better, worse, generator):
    result = play_match(Volley(), (better, worse), 400, generator)
    assert result.total.score >= 0.65  # measured 1.00 and 0.98


@pytest.mark.slow  # three to five minutes in all
@pytest.mark.parametrize("modifier", ["moon", "wind", "tallnet", "bigball"])  # that change the play
@pytest.mark.parametrize(("better", "worse"), LADDER, ids=lambda p: p.name)
def test_the_ladder_stands_in_every_variant(modifier, better, worse, generator):
    result = play_match(Volley([modifier]), (better, worse), 100, generator)
    assert result.total.score > 0.5  # measured 0.79 with wind, 0.85 and more elsewhere


@pytest.mark.slow  # half a minute
def test_stubborn_players_are_no_fools(generator):
    game, start = Volley(), Volley().init(8, generator)
    for seed in range(12):
        results = play_out(game, start, (stubborn(seed), Random()), seed % 2, generator)
        assert (results > 0).float().mean() > 0.5, seed


@pytest.mark.slow  # a minute
def test_the_predictor_beats_stubborn_players(generator):
    game, start = Volley(), Volley().init(8, generator)
    for seed in range(4):
        results = play_out(game, start, (predictor(), stubborn(seed)), seed % 2, generator)
        assert results.mean() > 0, seed


class Copies(TorchDispatchMode):
    """Counts what goes from the host to another device."""

    num = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [x for x in args if isinstance(x, torch.Tensor)]
        self.num += any(x.device.type == "cpu" and x.ndim for x in tensors)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("player", [tracker(), predictor(), stubborn(*range(256))])
def test_only_the_first_act_on_a_device_brings_the_habit_there(player, some_states):
    """A turn on CUDA is recorded: a copy from the host would break the record."""
    game, state, seats = some_states
    there = {f.name: getattr(state, f.name).to("meta") for f in dataclasses.fields(state)}
    played = game, type(state)(**there), seats.to("meta"), torch.Generator()
    player.act(*played)
    with Copies() as copies:
        player.act(*played)
    assert copies.num == 0


def test_a_character_for_each_game_acts_as_it_does_by_itself(some_states):
    game, state, seats = some_states
    seeds = [seed % 300 for seed in range(0, 7 * len(seats), 7)]
    together = stubborn(*seeds).act(game, state, seats, torch.Generator())
    for row, seed in enumerate(seeds):
        alone = stubborn(seed).act(game, state, seats, torch.Generator())
        assert together[row] == alone[row]
