"""What holds in every game whatever is played: properties, with hypothesis looking for exceptions.

What is hidden by fog is changed in `test_tron.py` and `test_volley.py`, which know where it is.
"""

import dataclasses
import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from tests.envs.recordings import assert_same, fields, played, same_rows, seeded, swapped

VARIANTS = st.sampled_from([name for game in envs.GAMES for name in envs.list_variants(game)])
SEEDS, STEPS = st.integers(0, 2**20), st.integers(0, 80)
CHOICES = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=10)
NUM_GAMES = 4
GOES_UNSEEN = {"scene", "drift"}  # which distractors are shown
MOST_STEPS = {"connect": 30, "tron": 12, "volley": 80}  # by then random games are over
LATE = {"connect": 135, "tron": 490, "volley": 2920}  # limits: 150 (popout), 500, 3000


@functools.lru_cache(maxsize=64)
def made(name):
    return envs.make(name, validate=True)


quickly = settings(max_examples=30, deadline=None, derandomize=True)


def chosen_actions(state, pair):
    """(B, 2): of the legal actions of each seat that with the chosen number, going around."""
    order = state.legal_actions.long().cumsum(2) * state.legal_actions
    count = state.legal_actions.sum(2).clamp(min=1)
    row = torch.arange(state.num_games)[:, None]
    wanted = (torch.tensor(pair) + row) % count + 1
    return (order == wanted[..., None]).int().argmax(2)


def in_the_middle(game, seed, steps):
    """Games after some random steps, one of them near the end of its time."""
    state = played(game, NUM_GAMES, steps % MOST_STEPS.get(game.name, 30), seed)
    late = (torch.arange(NUM_GAMES) == 0) & ~state.ended
    ticks = state.ticks + LATE.get(game.name, 0) * late
    return dataclasses.replace(state, ticks=ticks.int())


def line_of_play(game, state, choices):
    for pair in choices:
        actions = chosen_actions(state, pair)
        after = game.step(state, actions, seeded())
        yield state, actions, after
        state = after


@quickly
@given(VARIANTS, SEEDS, STEPS, CHOICES)
def test_what_one_seat_wins_the_other_loses_and_nothing_is_paid_twice(name, seed, steps, choices):
    game = made(name)
    for before, _, after in line_of_play(game, in_the_middle(game, seed, steps), choices):
        assert not after.rewards.sum(1).any()
        assert set(after.rewards.unique().tolist()) <= {-1, 0, 1}
        assert not after.rewards[before.ended].any()
        assert not (after.terminated & after.truncated).any()
        assert (after.ended | ~before.ended).all(), "what has ended has ended for good"
        moving = after.to_move.sum(1)
        assert torch.equal(moving, torch.where(after.ended, 0, 1 + game.simultaneous))


@quickly
@given(VARIANTS, SEEDS, STEPS, CHOICES)
def test_finished_rows_are_frozen_whatever_is_played(name, seed, steps, choices):
    game = made(name)
    state = in_the_middle(game, seed, steps)
    stopped = dataclasses.replace(
        state,
        terminated=torch.ones(NUM_GAMES, dtype=torch.bool),
        truncated=torch.zeros(NUM_GAMES, dtype=torch.bool),
        to_move=torch.zeros_like(state.to_move),
        legal_actions=torch.ones_like(state.legal_actions),
        rewards=torch.zeros_like(state.rewards),
    )
    for _, _, after in line_of_play(game, stopped, choices):
        assert_same(after, stopped, because="of a finished row moved")


@quickly
@given(VARIANTS, SEEDS, STEPS, CHOICES)
def test_swapping_the_seats_swaps_the_rewards_and_all_else(name, seed, steps, choices):
    game = made(name)
    for before, actions, after in line_of_play(game, in_the_middle(game, seed, steps), choices):
        other = game.step(swapped(before), actions.flip(1), seeded())
        assert torch.equal(other.rewards, after.rewards.flip(1))
        launched = after.rewards.any(1) & ~after.ended  # by chance, which knows no mirrors
        assert (same_rows(other, swapped(after)) | launched).all()
        seats = torch.arange(NUM_GAMES) % 2
        assert torch.equal(game.frame(after, seats), game.frame(swapped(after), 1 - seats))


@quickly
@given(VARIANTS, SEEDS, STEPS, CHOICES)
def test_distractors_have_no_effect_on_the_play(name, seed, steps, choices):
    game = made(name)
    state = in_the_middle(game, seed, steps)
    unseen = {n: x for n, x in fields(state).items() if n in GOES_UNSEEN}
    other = dataclasses.replace(state, **{n: (x + 7) % 30 for n, x in unseen.items()})
    for _, actions, after in line_of_play(game, state, choices):
        other = game.step(other, actions, seeded())
        again = dataclasses.replace(other, **{n: fields(after)[n] for n in unseen})
        assert_same(again, after)
    seats = torch.arange(NUM_GAMES) % 2
    if "clutter" not in name:
        assert torch.equal(game.frame(after, seats), game.frame(other, seats))


@quickly
@given(VARIANTS, SEEDS, STEPS)
def test_a_frame_shows_the_board_and_nothing_of_the_bookkeeping(name, seed, steps):
    game = made(name)
    state, seats = in_the_middle(game, seed, steps), torch.arange(NUM_GAMES) % 2
    other = dataclasses.replace(
        state,
        rewards=state.rewards + 0.5,
        legal_actions=~state.legal_actions,
        to_move=~state.to_move,
    )
    assert torch.equal(game.frame(state, seats), game.frame(other, seats))


@quickly
@given(VARIANTS, SEEDS, STEPS, st.permutations(range(NUM_GAMES)), st.integers(0, NUM_GAMES))
def test_take_put_and_merge_are_round_trips(name, seed, steps, order, count):
    game = made(name)
    state = played(game, NUM_GAMES, steps, seed)
    rows = torch.tensor(order)
    assert_same(envs.take(envs.take(state, rows), rows.argsort()), state)
    some = rows[:count]
    fresh = game.init(NUM_GAMES, seeded(seed))
    mask = torch.zeros(NUM_GAMES, dtype=torch.bool)
    mask[some] = True
    mixed = envs.put(state, some, envs.take(fresh, some))
    assert_same(mixed, envs.merge(mask, fresh, state))
    assert_same(envs.put(mixed, some, envs.take(state, some)), state)
    assert_same(game.reset(state, mask, seeded(seed)), mixed)


def test_the_actions_that_are_chosen_are_legal():
    for name in ("connect:popout", "tron", "volley"):
        game = made(name)
        state = in_the_middle(game, 3, 6)
        for pair in ((0, 0), (3, 11), (15, 2)):
            actions = chosen_actions(state, pair)
            legal = state.legal_actions.gather(2, actions[..., None])[..., 0]
            assert legal[state.to_move].all()


@pytest.mark.parametrize("name", ["connect:clutter", "tron:clutter", "volley:clutter"])
def test_distractors_are_what_their_field_says(name):
    game = made(name)
    state, seats = game.init(NUM_GAMES, seeded()), torch.zeros(NUM_GAMES).long()
    shown = {n: (x + 7) % 30 for n, x in fields(state).items() if n in GOES_UNSEEN}
    assert shown
    moved = dataclasses.replace(state, **shown)
    assert not torch.equal(game.frame(state, seats), game.frame(moved, seats))
