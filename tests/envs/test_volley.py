"""Volley, held against slow plain floats, numbers worked by hand, mirrors, and its own pictures."""

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.core import NUM_ACTIONS, take
from envs.volley import BALL, Volley, swap_seats
from envs.volley_backdrop import FOG_FLOOR, FOG_TOP, WINDS, palette_of
from envs.volley_physics import HALF_WIDTH, MAX_TICKS, POINTS, WAIT_TICKS, length
from tests.oracles.volley import Match

TOLERANCE = 1e-4
SINGLES = [(), *((modifier,) for modifier in Volley.MODIFIERS)]
ALL = tuple(Volley.MODIFIERS)
NONE, FORWARD, FORWARD_JUMP, JUMP, BACKWARD_JUMP, BACKWARD = range(6)
REST = [[-12.0, 1.5, 0.0, 0.0], [12.0, 1.5, 0.0, 0.0]]


def name_of(value):
    """Of a tuple of modifiers; of anything else pytest finds one itself."""
    return "+".join(value) or "classic" if isinstance(value, tuple) else None


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_actions(num, generator):
    return torch.randint(0, 6, (num, 2), generator=generator)


def court(game, ball, players=REST, wait=0, lost=(0, 0), wind=0.0, drift=0):
    """One court as wanted."""
    return game.from_bodies(
        torch.tensor([[*players, list(ball)]], dtype=torch.float64),
        torch.tensor([wait]),
        torch.tensor([list(lost)]),
        torch.tensor([wind]),
        torch.tensor([drift]),
    )


def step(game, state, left=NONE, right=NONE):
    actions = torch.tensor([[left, right]]).expand(state.num_games, 2)
    return game.step(state, actions, seeded())


def bodies_of(match):
    return [body.as_list() for body in (*match.players, match.ball)]


def matches_of(game, state):
    """The oracle's matches of a fresh state."""
    launches = state.bodies[:, BALL, 2:].tolist()
    return [
        Match(game.modifiers, launch, wind)
        for launch, wind in zip(launches, state.wind.tolist(), strict=True)
    ]


def check_lockstep(game, num_games, num_ticks, seed=0):
    """Random play against the oracle, every number after every tick; the oracle's matches."""
    generator, chooser = seeded(seed), seeded(seed + 1)
    state = game.init(num_games, generator)
    matches = matches_of(game, state)
    for _ in range(num_ticks):
        actions = random_actions(num_games, chooser)
        state = game.step(state, actions, generator)
        launches = state.bodies[:, BALL, 2:].tolist()  # used by those that launch in this tick
        for match, pair, launch in zip(matches, actions.tolist(), launches, strict=True):
            match.step(pair, launch)
        expected = torch.tensor([bodies_of(match) for match in matches], dtype=torch.float64)
        assert (state.bodies - expected).abs().max() < TOLERANCE
        check_scores(state, matches)
    return matches


def check_scores(state, matches):
    assert state.rewards.tolist() == [match.rewards for match in matches]
    assert state.lost.tolist() == [match.lost for match in matches]
    assert state.wait.tolist() == [match.wait for match in matches]
    assert state.ticks.tolist() == [match.ticks for match in matches]
    assert state.terminated.tolist() == [match.terminated for match in matches]
    assert state.truncated.tolist() == [match.truncated for match in matches]


# Against the oracle


@pytest.mark.parametrize("modifiers", [*SINGLES, ALL], ids=name_of)
def test_random_play_follows_the_plain_floats_for_300_ticks(modifiers):
    matches = check_lockstep(Volley(modifiers), 12, 300)
    assert sum(sum(match.lost) for match in matches) > 12, "rallies have ended"


@pytest.mark.slow
@pytest.mark.parametrize(
    "modifiers",
    [
        c
        for n in (0, 1, 2, 4)
        for c in itertools.combinations(("moon", "wind", "tallnet", "bigball"), n)
    ],
    ids=name_of,
)
def test_whole_random_matches_follow_the_plain_floats(modifiers):
    matches = check_lockstep(Volley(modifiers), 100, 900, seed=7)
    assert any(match.terminated for match in matches)


@pytest.mark.parametrize("modifiers", [(), ("bigball", "tallnet")], ids=name_of)
def test_hard_cases_near_the_net_and_the_walls_follow_the_plain_floats_for_one_tick(modifiers):
    game, num = Volley(modifiers), 4_000
    generator = seeded(3)
    spread = torch.rand(num, 3, 4, generator=generator, dtype=torch.float64)
    low = torch.tensor([[-9, 1.5, 0, -9], [2, 1.5, 0, -9], [-4, 2.1, -22, -22.0]])
    high = torch.tensor([[-2, 5, 0, 9], [9, 5, 0, 9], [4, 9, 22, 22.0]])
    bodies = low + spread * (high - low)
    bodies[::4, BALL, 0] = bodies[::4, BALL, 0].sign() * (HALF_WIDTH - 1 - spread[::4, BALL, 0])
    bodies[::5, BALL, 1] = 48 - 1 - spread[::5, BALL, 1]
    zeros = torch.zeros(num, dtype=torch.int64)
    state = game.from_bodies(bodies, zeros, zeros[:, None].repeat(1, 2), zeros, zeros)
    actions = random_actions(num, generator)
    after = game.step(state, actions, generator)
    num_bounces = 0
    for row, pair in enumerate(actions.tolist()):
        match = Match(modifiers)
        match.wait = 0
        for body, numbers in zip((*match.players, match.ball), bodies[row].tolist(), strict=True):
            body.x, body.y, body.vx, body.vy = numbers
        match.step(pair, after.bodies[row, BALL, 2:].tolist())
        expected = torch.tensor(bodies_of(match), dtype=torch.float64)
        assert torch.allclose(after.bodies[row], expected, rtol=0, atol=1e-9), bodies[row]
        assert after.rewards[row].tolist() == match.rewards
        num_bounces += match.ball.vy > bodies[row, BALL, 3] or match.ball.vx != bodies[row, BALL, 2]
    assert num_bounces > num / 4


# Numbers worked by hand


def test_a_ball_waits_thirty_ticks_and_then_falls():
    game = Volley()
    state = court(game, (0, 12, 3, 10), wait=WAIT_TICKS)
    for left in reversed(range(WAIT_TICKS)):
        state = step(game, state)
        assert state.wait.item() == left
        assert state.bodies[0, BALL].tolist() == [0, 12, 3, 10]
    state = step(game, state)
    # vy = 10 - 29.4 / 30 = 9.02; y = 12 + 9.02 / 30; x = 3 / 30
    expected = torch.tensor([0.1, 12.300667, 3, 9.02], dtype=torch.float64)
    assert torch.allclose(state.bodies[0, BALL], expected, atol=1e-6)


def test_on_the_moon_it_falls_half_as_fast_and_wind_pushes_it():
    game = Volley(("moon", "wind"))
    state = step(game, court(game, (0, 12, 3, 10), wind=-6.0))
    # vx = 3 - 6 / 30; vy = 10 - 14.7 / 30
    assert torch.allclose(state.bodies[0, BALL, 2:], torch.tensor([2.8, 9.51]).double())


def test_a_ball_is_never_faster_than_22_5():
    game = Volley()
    state = step(game, court(game, (0, 12, 20, 25)))
    speed = torch.tensor([20, 25 - 0.98]).double()
    expected = speed / speed.norm() * 22.5
    assert torch.allclose(state.bodies[0, BALL, 2:], expected)
    assert torch.allclose(state.bodies[0, BALL, :2], torch.tensor([0.0, 12]) + expected / 30)


@pytest.mark.parametrize(
    ("action", "dx", "vy"),
    [(NONE, 0, 0), (FORWARD, 1, 0), (FORWARD_JUMP, 1, 13.5), (JUMP, 0, 13.5),
     (BACKWARD_JUMP, -1, 13.5), (BACKWARD, -1, 0)],
)  # fmt: skip
def test_each_of_the_six_actions_moves_both_players_their_own_way(action, dx, vy):
    game = Volley()
    state = step(game, court(game, (0, 12, 0, 10), wait=9), action, action)
    left, right = state.bodies[0, :BALL].tolist()
    y = 1.5 + vy / 30
    assert left == pytest.approx([-12 + dx * 17.5 / 30, y, dx * 17.5, vy])
    assert right == pytest.approx([12 - dx * 17.5 / 30, y, -dx * 17.5, vy])


def test_a_leap_takes_27_ticks_and_in_the_air_there_is_no_second_one():
    game = Volley()
    state, heights = court(game, (0, 12, 0, 10), wait=30), []
    for _ in range(29):
        state = step(game, state, JUMP)
        heights.append(state.bodies[0, 0, 1].item())
    # after k ticks: 1.5 + (13.5 k - 0.98 k (k - 1) / 2) / 30, on the ground again at k = 29
    expected = [1.5 + (13.5 * k - 0.49 * k * (k - 1)) / 30 for k in range(1, 29)]
    assert heights[:28] == pytest.approx(expected)
    assert heights[28] == 1.5


def test_players_stay_in_their_halves():
    game = Volley()
    state = court(game, (0, 12, 0, 10), [[-2.3, 1.5, 0, 0], [22.4, 1.5, 0, 0]], wait=9)
    state = step(game, state, FORWARD, BACKWARD)
    assert state.bodies[0, :BALL].tolist() == [[-2, 1.5, 0, 0], [22.5, 1.5, 0, 0]]


def test_a_ball_is_pushed_out_in_nudges_and_mirrored():
    game = Volley()
    # it falls to 1.5 + 1.75 over a player whose reach is 2: three nudges up, and back with 8
    state = step(game, court(game, (-12, 3.25 + 8 / 30, 0, -8 + 0.98)))
    expected = torch.tensor([-12, 3.55, 0, 8]).double()
    assert torch.allclose(state.bodies[0, BALL], expected)


def test_a_leaping_player_adds_twice_its_speed():
    game = Volley()
    # the player is at 1.95 with 13.5, the ball 1.75 above it: normal speed -8 - 13.5
    state = step(game, court(game, (-12, 3.7 + 8 / 30, 0, -8 + 0.98)), JUMP)
    expected = torch.tensor([-12, 4.0, 0, -8 + 2 * 21.5]).double()
    assert torch.allclose(state.bodies[0, BALL], expected)


@pytest.mark.parametrize(("modifiers", "top"), [((), 3.5), (("tallnet",), 7.0)], ids=name_of)
def test_the_net_throws_back_what_comes_below_its_top(modifiers, top):
    game = Volley(modifiers)
    for height, passes in ((top - 1.2, False), (top + 1.2, True)):
        state = step(game, court(game, (-1.3, height, 15, 0.98)))
        x, _, vx, _ = state.bodies[0, BALL].tolist()
        assert (x, vx) == pytest.approx((-0.8, 15) if passes else (-1 - 1 / 300, -15))


def test_equal_centres_make_no_nan():
    game = Volley()
    state = step(game, court(game, (0, 3.5, 0, 0.98)))
    assert state.bodies.isfinite().all()
    state = step(game, court(game, (-12, 1.5 + 0.45, 0, 0.98)), JUMP)
    assert state.bodies.isfinite().all()


# Points and matches


@pytest.mark.parametrize(("x", "loser"), [(-8, 0), (8, 1), (0, 0), (-0.2, 0)], ids=lambda x: str(x))
def test_the_side_on_which_the_ball_falls_loses_the_point(x, loser):
    game = Volley()
    state = step(game, court(game, (x, 2.01, 0, -5), [[-20, 1.5, 0, 0], [20, 1.5, 0, 0]]))
    assert state.rewards[0, loser].item() == -1
    assert state.rewards[0, 1 - loser].item() == 1
    assert state.lost[0, loser].item() == 1
    assert state.wait.item() == WAIT_TICKS
    assert state.bodies[0, BALL, :2].tolist() == [0, 12]
    assert not state.ended.item(), "a point ends a rally, not the match"


def test_the_fifth_lost_point_ends_the_match():
    game = Volley()
    state = court(game, (8, 2.01, 0, -5), lost=(4, POINTS - 1))
    after = step(game, state)
    assert after.terminated.item()
    assert not after.truncated.item()
    assert after.rewards.tolist() == [[1, -1]]
    again = step(game, after, JUMP, JUMP)
    assert not again.rewards.any()
    assert torch.equal(again.bodies, after.bodies)


@pytest.mark.parametrize(("ball_y", "lost", "paid"), [(20, 4, 0), (2.01, 0, 1), (2.01, 4, 1)])
def test_after_3000_ticks_a_match_is_truncated_unless_it_ends_by_its_rules(ball_y, lost, paid):
    game = Volley()
    state = court(game, (8, ball_y, 0, -5), lost=(0, lost))
    state = dataclasses.replace(state, ticks=state.ticks + MAX_TICKS - 1)
    after = step(game, state)
    by_rules = lost + paid == POINTS
    assert (after.terminated.item(), after.truncated.item()) == (by_rules, not by_rules)
    assert after.rewards.tolist() == [[paid, -paid]]
    assert step(game, after).ticks.item() == MAX_TICKS


def test_launches_are_uniform_in_their_published_ranges():
    state = Volley().init(20_000, seeded())
    vx, vy = state.bodies[:, BALL, 2], state.bodies[:, BALL, 3]
    assert -20 <= vx.min() < -19.9
    assert 19.9 < vx.max() <= 20
    assert 10 <= vy.min() < 10.1
    assert 24.9 < vy.max() <= 25
    assert vx.mean().abs() < 0.4
    assert (vy.mean() - 17.5).abs() < 0.2


def test_every_match_has_one_wind_and_all_winds_blow():
    game = Volley(("wind",))
    state = game.init(400, seeded())
    assert set(state.wind.tolist()) == {wind for wind in WINDS if wind}
    after = state
    for _ in range(90):
        after = game.step(after, random_actions(400, seeded()), seeded())
    assert torch.equal(after.wind, state.wind)
    assert not Volley(ALL[:1]).init(9, seeded()).wind.any()


# Properties


any_modifiers = st.sets(st.sampled_from(ALL)).map(frozenset)
any_seed = st.integers(0, 2**31)
any_actions = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)
NUM_COURTS = 64
GAMES = {}


def game_of(modifiers):
    """Games that look at every body before every step, made once."""
    if modifiers not in GAMES:
        GAMES[modifiers] = Volley(modifiers, validate=True)
    return GAMES[modifiers]


def any_courts(game, seed, num=NUM_COURTS):
    """Courts from all over the world, also such as play does not reach, and its very edges."""
    generator, radius = seeded(seed), game.court.ball_radius
    wall, floor, top = HALF_WIDTH - radius, 1.5 + radius, 48 - radius
    least = [[-22.5, 1.5, -25, -25], [2, 1.5, -25, -25], [-wall, floor, -25, -25]]
    most = [[-2, 12, 25, 25], [22.5, 12, 25, 25], [wall, top, 25, 25]]
    least, most = torch.tensor([least, most], dtype=torch.float64)
    share = torch.rand(num, 3, 4, generator=generator, dtype=torch.float64)
    share = (share * 1.1 - 0.05).clamp(0, 1)
    share[::2, BALL, 1] *= 0.2  # half of the balls are low, where things happen

    def count(most):
        return torch.randint(0, most + 1, (num, 2), generator=generator)

    return game.from_bodies(
        least + share * (most - least),
        count(WAIT_TICKS)[:, 0] * count(1)[:, 0],
        count(POINTS - 1),
        torch.tensor(WINDS)[count(len(WINDS) - 1)[:, 0]],
        count(359)[:, 0],
    )


@settings(max_examples=25, deadline=None)
@given(modifiers=any_modifiers, seed=any_seed, actions=any_actions)
def test_from_any_court_play_stays_finite_in_the_world_and_zero_sum(modifiers, seed, actions):
    game = game_of(modifiers)
    state = any_courts(game, seed)
    for pair in actions:
        state = step(game, state, *pair)
        assert not state.rewards.sum(1).any()
        assert set(state.rewards.unique().tolist()) <= {-1, 0, 1}
        assert state.bodies.isfinite().all()
        x = state.bodies[:, :BALL, 0] * torch.tensor([-1, 1])
        assert ((x >= 2) & (x <= 22.5)).all()
        assert (state.bodies[:, :BALL, 1] >= 1.5).all()
        assert (state.bodies[:, BALL, 0].abs() < HALF_WIDTH - game.court.ball_radius).all()
    seats = torch.arange(NUM_COURTS) % 2
    assert game.frame(state, seats).shape == (NUM_COURTS, 3, 64, 64)


@settings(max_examples=25, deadline=None)
@given(modifiers=any_modifiers, seed=any_seed, pair=st.tuples(*[st.integers(0, 5)] * 2))
def test_swapping_the_seats_swaps_the_world_and_the_rewards(modifiers, seed, pair):
    game = game_of(modifiers)
    state = any_courts(game, seed)
    state = take(state, ~is_torn(state, game.court.ball_radius))
    after = step(game, state, *pair)
    mirrored = step(game, swap_seats(state), *pair[::-1])
    assert torch.equal(mirrored.rewards, after.rewards.flip(1))
    assert torch.equal(mirrored.lost, after.lost.flip(1))
    going_on = ~after.rewards.any(1)  # chance launches the other balls
    assert torch.equal(mirrored.bodies[going_on], swap_seats(after).bodies[going_on])
    assert going_on.sum() > 10


def is_torn(state, ball_radius):
    """Whether both players are near the ball: the left one is asked first, which is not fair."""
    apart = (state.bodies[:, :BALL, :2] - state.bodies[:, BALL:, :2]).norm(dim=2)
    return (apart < ball_radius + 1.5 + 1.8).all(1)  # in a tick they come 1.7 closer at most


def test_a_length_is_the_same_to_the_last_bit_at_every_place_of_a_batch():
    vectors = torch.randn(2, 20_000, generator=seeded(), dtype=torch.float64)
    parts = vectors.split(5, 1)  # too few for the processor's wide registers
    assert torch.equal(length(vectors), torch.cat([length(part) for part in parts]))


def test_the_left_player_is_asked_first_where_both_touch_the_ball():
    game = Volley(("bigball",))
    players = [[-2, 4.1, 0, 0], [2, 4.1, 0, 0]]
    state = step(game, court(game, (0.0, 5.2, 0, 0.98), players))
    # 2.3 from both, within reach of 2.5: the left one pushes it to the right and the right one
    # then farther back to the left
    assert -0.2 < state.bodies[0, BALL, 0].item() < -0.01


def test_a_match_that_ran_out_of_time_pays_nothing_for_a_ball_that_still_falls():
    game = Volley()
    state = court(game, (8, 2.35, 0, -5), lost=(2, 1))
    state = dataclasses.replace(state, ticks=state.ticks + MAX_TICKS - 1)
    after = step(game, state)
    assert after.truncated.item()
    assert not after.rewards.any()
    for _ in range(5):
        after = step(game, after)
        assert not after.rewards.any()
        assert after.lost.tolist() == [[2, 1]]


@settings(max_examples=15, deadline=None)
@given(modifiers=any_modifiers, seed=any_seed)
def test_both_seats_see_the_same_picture_of_mirrored_worlds(modifiers, seed):
    game = game_of(modifiers)
    state = any_courts(game, seed)
    seats = torch.arange(NUM_COURTS) % 2
    assert torch.equal(game.frame(state, seats), game.frame(swap_seats(state), 1 - seats))


@settings(max_examples=15, deadline=None)
@given(modifiers=any_modifiers, seed=any_seed)
def test_in_the_fog_the_picture_does_not_depend_on_the_ball(modifiers, seed):
    game, clear = game_of(modifiers | {"fog"}), game_of(modifiers - {"fog"})
    first, second = (any_courts(game, s).bodies[:, BALL].clone() for s in (seed, seed + 1))
    for ball in (first, second):
        ball[:, 1] = ball[:, 1].clamp(FOG_FLOOR, FOG_TOP)
    states = [with_balls(any_courts(game, seed), ball) for ball in (first, second)]
    assert torch.equal(*(picture(game, state) for state in states))
    shown = [picture(clear, state) for state in states]
    assert (shown[0] != shown[1]).flatten(1).any(1).float().mean() > 0.9


def with_balls(state, ball):
    bodies = state.bodies.clone()
    bodies[:, BALL] = ball
    return dataclasses.replace(state, bodies=bodies)


# Bad input


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 49.0])
@pytest.mark.parametrize("body", [0, 1, BALL])
def test_numbers_that_are_not_finite_or_outside_the_world_cannot_enter(bad, body):
    game = Volley(validate=True)
    state = game.init(2, seeded())
    bodies = state.bodies.clone()
    bodies[1, body, 1] = bad
    with pytest.raises(ValueError, match="must be finite, with x between -24 and 24"):
        game.from_bodies(bodies, state.wait, state.lost, state.wind, state.drift)
    broken = dataclasses.replace(state, bodies=bodies)
    with pytest.raises(ValueError, match="must be finite"):
        game.step(broken, torch.zeros(2, 2).long(), seeded())


@pytest.mark.parametrize(
    ("values", "words"),
    [({"wait": 31}, "wait must be between 0 and 30"), ({"lost": (5, 0)}, "lost must be between"),
     ({"lost": (0, -1)}, "lost must be between 0 and 4"), ({"wind": float("nan")}, "finite")],
)  # fmt: skip
def test_impossible_counts_cannot_enter(values, words):
    with pytest.raises(ValueError, match=words):
        court(Volley(), (0, 12, 0, 10), **values)


@pytest.mark.parametrize("action", [6, 15, 16, -1])
def test_only_six_actions_are_legal(action):
    game = Volley(validate=True)
    state = game.init(1, seeded())
    with pytest.raises(ValueError, match=rf"illegal action {action} of seat 1.*\[0, 1, 2, 3, 4, 5"):
        step(game, state, NONE, action)
    assert state.legal_actions.sum(2).tolist() == [[6, 6]]
    assert len(set(game.action_names)) == NUM_ACTIONS


def test_unknown_modifiers_raise_and_all_known_ones_go_together():
    with pytest.raises(ValueError, match="unknown modifier 'wrap' of volley: known are bigball"):
        Volley(("wrap",))
    assert Volley(ALL).variant == "volley:bigball+clutter+fog+moon+night+tallnet+wind"


# Pictures


def picture(game, state, seat=0):
    return game.frame(state, torch.full((state.num_games,), seat))


@pytest.mark.parametrize("modifier", ALL)
def test_every_modifier_shows_in_every_picture(modifier):
    plain, changed = Volley(), Volley((modifier,))
    for tick in (0, 20, 200):
        state = court(plain, (3.0, 6.0, 1.0, 2.0), wind=2.0 if modifier == "wind" else 0.0)
        state = dataclasses.replace(state, ticks=state.ticks + tick)
        differs = (picture(plain, state) != picture(changed, state)).any(1).sum()
        assert differs >= 8, "of 4096 pixels"


def test_what_a_seat_sees_of_itself_is_yellow_and_on_the_left():
    game = Volley()
    state = court(game, (0, 12, 0, 10), [[-5, 1.5, 0, 0], [14, 1.5, 0, 0]], wait=9)
    own = torch.tensor(palette_of(()).own, dtype=torch.uint8)
    for seat, x in ((0, -5.0), (1, -14.0)):
        is_own = (picture(game, state, seat)[0] == own[:, None, None]).all(0)
        is_own[:5] = False  # the lives, of the same colour
        columns = is_own.any(0).nonzero()[:, 0].double()
        assert abs(columns.mean().item() + 0.5 - (x + 24) * 64 / 48) < 0.6


@pytest.mark.parametrize("modifiers", [(), ("bigball",)], ids=name_of)
def test_the_ball_is_drawn_where_it_is_to_a_third_of_a_pixel(modifiers):
    game = Volley(modifiers)
    for x, y in ((-23, 20), (-8.3, 9.9), (0.4, 15), (7.77, 30.1), (23, 40)):
        empty = court(game, (20.0 if x < 0 else -20.0, 6, 0, 0))
        shown = court(game, (x, y, 0, 0))
        gain = picture(game, shown).double() - picture(game, empty).double()
        light = gain.clamp(min=0).sum((0, 1))
        down, across = (torch.arange(64) + 0.5 for _ in range(2))
        centre_x = (light.sum(0) * across).sum() / light.sum()
        centre_y = (light.sum(1) * down).sum() / light.sum()
        assert abs(centre_x - (x + 24) * 64 / 48) < 0.34
        assert abs(centre_y - (48 - y) * 64 / 48) < 0.34


def test_every_tick_of_the_clock_and_of_the_wait_looks_different():
    for modifiers in ((), ("moon", "night")):
        game = Volley(modifiers)
        state = take(court(game, (0, 12, 0, 10)), torch.zeros(MAX_TICKS + 1).long())
        state = dataclasses.replace(state, ticks=torch.arange(MAX_TICKS + 1).int())
        rows = picture(game, state)[:, :, -1].flatten(1)
        assert len(rows.unique(dim=0)) == MAX_TICKS + 1
        state = take(state, torch.zeros(WAIT_TICKS + 1).long())
        state = dataclasses.replace(state, wait=torch.arange(WAIT_TICKS + 1).int())
        assert len(picture(game, state).flatten(1).unique(dim=0)) == WAIT_TICKS + 1


def test_lives_and_wind_can_be_read():
    game = Volley(("wind",))
    for values in (
        [{"lost": pair} for pair in itertools.product(range(5), repeat=2)],
        [{"wind": wind} for wind in WINDS],
    ):
        shown = {picture(game, court(game, (0, 12, 0, 10), **v)).numpy().tobytes() for v in values}
        assert len(shown) == len(values)


@pytest.mark.parametrize("body", [0, 1, BALL])
@pytest.mark.parametrize("speed", [(17.5, 0), (-17.5, 0), (0, 10), (0, -10)])
def test_a_ghost_shows_the_velocity(body, speed):
    game = Volley()
    bodies = torch.tensor([[*REST, [5.0, 20.0, 0, 0]]]).double()
    bodies[0, :2, 1] = 3
    moving = bodies.clone()
    moving[0, body, 2:] = torch.tensor(speed)
    rest = court(game, bodies[0, BALL], bodies[0, :BALL].tolist())
    seen = picture(game, rest) != picture(game, dataclasses.replace(rest, bodies=moving))
    rows, columns = seen[0].any(0).nonzero().double().T
    x, y = moving[0, body, :2].tolist()
    if speed[0]:  # it came from the other side
        assert (columns.mean() - (x + 24) * 64 / 48) * speed[0] < 0
    else:
        assert (rows.mean() - (48 - y) * 64 / 48) * speed[1] > 0


def test_clutter_moves_without_any_effect_on_the_play(generator):
    game, plain = Volley(("clutter",)), Volley()
    state = court(game, (0, 12, 0, 10), wait=9, drift=77)
    after = step(game, state)
    assert torch.equal(after.bodies, step(plain, state).bodies)
    moved = dataclasses.replace(state, drift=state.drift + 1)
    assert not torch.equal(picture(game, state), picture(game, moved))
    assert torch.equal(picture(plain, state), picture(plain, moved))


def test_frames_of_a_large_batch_are_those_of_its_games_alone(generator):
    game = Volley(ALL)
    state = game.init(600, generator)  # more than one chunk of the drawing
    for _ in range(70):
        state = game.step(state, random_actions(600, generator), generator)
    seats = torch.arange(600) % 2
    frames = game.frame(state, seats)
    for row in (0, 255, 256, 599):
        alone = game.frame(take(state, torch.tensor([row])), seats[row : row + 1])
        assert torch.equal(frames[row], alone[0])


@pytest.mark.parametrize("x", [-5.0, 5.0])
def test_a_tick_without_a_point_pays_zero_without_a_sign(x):
    game = Volley()
    for lost in ((0, 0), (POINTS - 1, POINTS - 1)):
        state = step(game, court(game, (x, 1.6, 0.0, -5.0), lost=lost))
        assert state.rewards.abs().sum() == 2
        for _ in range(2):  # the match goes on, or has ended
            state = step(game, state)
            assert state.rewards.tolist() == [[0, 0]]
            assert not state.rewards.signbit().any()
