"""Arenas of simultaneous games, against the games stepped by hand."""

from dataclasses import replace

import pytest
import torch

import envs
from envs import legal_of
from envs.volley_physics import MAX_TICKS
from selfplay.arena import TickArena, TurnArena, join, make_arena
from selfplay.rollout import Arenas, random_positions
from selfplay.seats import Random

NUM_GAMES = 6


class Steady(Random):
    """Always the same legal action, the lowest; remembers whose seat it was asked for."""

    def act(self, game, state, seat, generator):
        self.seat = seat
        return legal_of(state, seat).int().argmax(1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def tron():
    return envs.make("tron", validate=True)


@pytest.fixture(scope="module")
def volley():
    return envs.make("volley", validate=True)


@pytest.fixture(scope="module")
def openings(tron):
    return tron.init(32, seeded(3))


def unflipped(arena, actions):
    table = arena.game.mirror_actions
    return torch.where(arena.flipped, table[actions], actions)


def legal_actions(observation):
    return torch.multinomial(observation.legal_actions.float(), 1, generator=seeded(1))[:, 0]


def test_the_kind_of_game_decides_the_kind_of_arena(tron, openings):
    assert isinstance(make_arena(tron, 2, None, openings, seeded()), TickArena)
    connect = envs.make("connect")
    assert isinstance(make_arena(connect, 2, None, connect.init(2, seeded()), seeded()), TurnArena)


def test_a_mirror_arena_has_a_row_for_each_seat_of_each_game(tron, openings):
    arena = make_arena(tron, NUM_GAMES, None, openings, seeded())
    observation = arena.observe()
    assert arena.num_rows == 2 * NUM_GAMES
    assert observation.seat.tolist() == [0] * NUM_GAMES + [1] * NUM_GAMES
    for row in range(2 * NUM_GAMES):
        seat = torch.tensor([row // NUM_GAMES])
        frame = tron.frame(envs.take(arena.state, torch.tensor([row % NUM_GAMES])), seat)
        shown = tron.mirror_frames(frame) if arena.flipped[row] else frame
        assert torch.equal(observation.frames[row], shown[0])


def test_both_seats_of_a_mirror_arena_act_at_once_and_are_paid_against_each_other(tron, openings):
    arena = make_arena(tron, NUM_GAMES, None, openings, seeded())
    num_ended = 0
    for _ in range(120):
        actions = legal_actions(arena.observe())
        both = torch.stack(unflipped(arena, actions).chunk(2), 1)
        following = tron.step(arena.state, both, seeded())
        outcome = arena.advance(actions)
        assert torch.equal(outcome.reward, following.rewards.T.flatten())
        assert torch.equal(outcome.ended, following.ended.repeat(2))
        assert (outcome.sign == 1).all(), "the next decision is the same seat's"
        going = ~following.ended
        assert torch.equal(arena.state.heads[going], following.heads[going])
        assert not arena.state.ended.any()
        num_ended += int(following.ended.sum())
    assert num_ended > 0
    assert arena.tally.games == num_ended


def test_in_a_versus_arena_the_opponent_holds_the_other_seat(tron, openings):
    opponent = Steady()
    arena = make_arena(tron, 32, opponent, openings, seeded())
    seats_seen = set()
    for _ in range(30):
        seat = arena.seat.clone()
        seats_seen |= set(seat.tolist())
        actions = legal_actions(arena.observe())
        before = arena.state
        both = torch.zeros(32, 2, dtype=torch.int64)
        both[torch.arange(32), seat] = unflipped(arena, actions)
        both[torch.arange(32), 1 - seat] = legal_of(before, 1 - seat).int().argmax(1)
        following = tron.step(before, both, seeded())
        outcome = arena.advance(actions)
        assert torch.equal(opponent.seat, 1 - seat)
        assert torch.equal(outcome.reward, following.rewards[torch.arange(32), seat])
        assert torch.equal(outcome.ended, following.ended)
    assert seats_seen == {0, 1}


def test_points_are_paid_as_they_fall_and_a_match_is_counted_by_their_sum(volley):
    opponent = Random()
    arena = make_arena(volley, 8, opponent, volley.init(8, seeded(2)), seeded())
    paid, won = torch.zeros(8), []
    num_points = 0
    while arena.tally.games < 8:
        outcome = arena.advance(legal_actions(arena.observe()))
        paid += outcome.reward
        num_points += int((outcome.reward != 0).sum())
        won += (paid[outcome.ended] > 0).tolist()
        paid[outcome.ended] = 0
        assert torch.equal(arena.paid, paid)
    assert arena.tally.counts[2] == sum(won)
    assert num_points >= 5 * arena.tally.games, "a match is five points lost by one side"


def test_what_the_clock_ends_comes_with_what_was_seen_last(volley):
    openings = replace(volley.init(4, seeded()), ticks=torch.tensor([0, MAX_TICKS - 1, 0, 0]).int())
    arena = make_arena(volley, 4, None, openings, seeded())
    arena.state = openings
    last = volley.step(openings, torch.zeros(4, 2).long(), seeded())
    outcome = arena.advance(torch.zeros(8).long())
    rows, seen = outcome.truncated
    assert rows.tolist() == [1, 5]
    assert seen.seat.tolist() == [0, 1]
    for k, seat in enumerate((0, 1)):
        frames = volley.frame(last, torch.full((4,), seat))
        assert torch.equal(seen.frames[k], frames[1])
    assert outcome.ended.nonzero()[:, 0].tolist() == [1, 5]
    assert arena.state.ticks[1] <= 1 or arena.state.ticks[1] == MAX_TICKS - 1, "it began anew"


def test_truncated_rows_are_numbered_through_all_arenas(volley, tron, openings):
    late = replace(volley.init(2, seeded()), ticks=torch.full((2,), MAX_TICKS - 1).int())
    first = make_arena(tron, 3, None, openings, seeded())
    second = make_arena(volley, 2, Random(), late, seeded())
    arenas = Arenas([first, second])
    outcome = arenas.advance(legal_actions(arenas.observe()))
    rows, seen = outcome.truncated
    assert rows.tolist() == [6, 7]
    assert len(seen.frames) == 2
    assert outcome.ended[rows].all()


def test_an_arena_is_taken_up_where_it_was(tron, openings):
    first = make_arena(tron, NUM_GAMES, None, openings, seeded())
    for _ in range(7):
        first.advance(legal_actions(first.observe()))
    second = make_arena(tron, NUM_GAMES, None, openings, seeded(9))
    second.load_state_dict(first.state_dict())
    second.generator.set_state(first.generator.get_state())
    for _ in range(40):
        one, two = first.observe(), second.observe()
        assert torch.equal(one.frames, two.frames)
        actions = legal_actions(one)
        assert torch.equal(first.advance(actions).reward, second.advance(actions).reward)
    assert torch.equal(first.tally.counts, second.tally.counts)


def test_openings_of_simultaneous_games_are_unfinished_and_of_many_depths(tron):
    state = random_positions(tron, 200, 30, 0.8, seeded())
    assert not state.ended.any()
    assert len(state.ticks.unique()) > 10


def test_openings_have_to_be_two_plies_deep(tron):
    with pytest.raises(ValueError, match="2 plies deep or more, not 1"):
        random_positions(tron, 4, 1, 0.5, seeded())


def test_observations_are_joined_in_order(tron, openings):
    arena = make_arena(tron, 2, Random(), openings, seeded())
    one = arena.observe()
    both = join([one, one])
    assert torch.equal(both.frames[2:], one.frames)
    assert both.seat.tolist() == one.seat.tolist() * 2
