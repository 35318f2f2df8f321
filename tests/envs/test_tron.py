"""Light cycles, held against a slow plain arena, exact counts, and what fog must hide."""

import dataclasses
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
import envs.tron
import tests.oracles.tron
from envs.tron import MAX_TICKS, TAIL, Tron
from envs.tron_screen import Kind, bits, pack
from envs.tron_tables import NUM_ROCK_GROUPS, SCENE_TICKS
from tests.envs.recordings import to_device
from tests.oracles.tron import MOVES, SIZE, Arena, turned

WORDS = {
    "own": Kind.OWN,
    "other": Kind.OTHER,
    "fog": Kind.FOG,
    "rock": Kind.ROCK,
    "own tail": Kind.OWN_TAIL,
    "other tail": Kind.OTHER_TAIL,
    "own ghost": Kind.OWN_GHOST,
    "other ghost": Kind.OTHER_GHOST,
    "own head": Kind.OWN_HEAD,
    "other head": Kind.OTHER_HEAD,
    "crash": Kind.CRASH,
}
ACTIONS = list(MOVES)
UP, DOWN, LEFT, RIGHT = range(4)
SINGLE = [(), *((modifier,) for modifier in sorted(Tron.MODIFIERS))]
MIXED = [
    ("fog", "wrap"),
    ("tails", "wrap"),
    ("gates", "rocks"),
    ("fog", "rocks", "tails"),
    ("gates", "tails", "wrap"),
    ("clutter", "night", "rocks"),
    tuple(sorted(Tron.MODIFIERS)),
]


def cell_of(number):
    """The package's cell of 32x32 as the plain arena's (x, y)."""
    return number % 32 - 1, number // 32 - 1


def cells_of(rows):
    """The set of (x, y) within the fence of (32,) int32 rows."""
    return {(x - 1, y - 1) for y, x in bits(rows[None])[0].nonzero().tolist()} & EVERYWHERE


EVERYWHERE = {(x, y) for x in range(SIZE) for y in range(SIZE)}


def arenas_of(game, state):
    """Plain arenas that begin as the games of a fresh state do."""
    return [
        Arena(game.modifiers, cell_of(heads[0])[0], cells_of(walls))
        for heads, walls in zip(state.heads.tolist(), state.walls, strict=True)
    ]


def careful_move(arena, seat, rng):
    """Mostly straight on, hardly ever into anything or into a dead end: games grow long."""
    moves = arena.legal_moves(seat)
    good = [move for move in moves if leads_on(arena, arena.target(seat, move))]
    heading = arena.cycles[seat].heading
    if heading in good and rng.random() < 0.8:
        return heading
    return rng.choice(moves if rng.random() < 0.01 or not good else good)


def leads_on(arena, cell):
    """Whether the cell and one beside it are free."""
    x, y = cell
    beside = [((x + dx) % SIZE, (y + dy) % SIZE) for dx, dy in MOVES.values()]
    return not arena.is_blocked(cell) and not all(map(arena.is_blocked, beside))


def random_move(arena, seat, rng):
    return rng.choice(arena.legal_moves(seat))


def check_lockstep(game, num_games, choose, seed=0, look_every=1):
    """Play against plain arenas, every row after every tick; the arenas in the end."""
    generator, rng = torch.Generator().manual_seed(seed), random.Random(seed)
    state = game.init(num_games, generator)
    arenas = arenas_of(game, state)
    check_look(game, state, arenas)
    while not state.ended.all():
        moves = [[choose(arena, seat, rng) for seat in (0, 1)] for arena in arenas]
        for arena, pair in zip(arenas, moves, strict=True):
            arena.tick(pair)
        actions = torch.tensor([[ACTIONS.index(move) for move in pair] for pair in moves])
        state = game.step(state, actions, generator)
        check_step(state, arenas)
        if rng.random() * look_every < 1:
            check_look(game, state, arenas)
    check_look(game, state, arenas)
    return arenas


def check_step(state, arenas):
    for name in ("rewards", "terminated", "truncated", "ticks"):
        assert getattr(state, name).tolist() == [getattr(arena, name) for arena in arenas], name
    assert state.legal_actions.tolist() == [legal_actions(arena) for arena in arenas]
    assert state.to_move.tolist() == [[not arena.ended] * 2 for arena in arenas]
    assert state.crashed.tolist() == [[c.crashed for c in arena.cycles] for arena in arenas]
    heads = [[arena.cycles[0].head, turned(arena.cycles[1].head)] for arena in arenas]
    assert [[cell_of(head) for head in pair] for pair in state.heads.tolist()] == heads
    covered = bits(state.trails.flatten(0, 1)).unflatten(0, (-1, 2)).nonzero().tolist()
    trails = [(row, seat, x - 1, y - 1) for row, seat, y, x in covered]
    assert sorted(trails) == sorted(
        (row, seat, *(turned(cell) if seat else cell))
        for row, arena in enumerate(arenas)
        for seat in (0, 1)
        for cell in arena.trail(seat)
    )


def legal_actions(arena):
    if arena.ended:
        return [[True] * 16] * 2
    return [[move in arena.legal_moves(seat) for move in ACTIONS] + [False] * 12 for seat in (0, 1)]


def check_look(game, state, arenas):
    """What each seat sees, cell by cell; distractors may be on floor and fog only."""
    for seat in (0, 1):
        shown = game.kinds(state, torch.full((len(arenas),), seat))
        wanted = torch.tensor([board_of(arena.view(seat)) for arena in arenas])
        clutter = (shown == Kind.CLUTTER) & ((wanted == Kind.FLOOR) | (wanted == Kind.FOG))
        assert torch.equal(torch.where(clutter, wanted, shown), wanted)
        assert clutter.any() == ("clutter" in game.modifiers)


def board_of(view):
    """Rows of kinds with the fence around them."""
    fence = [Kind.BORDER] * (SIZE + 2)
    rows = [[Kind.BORDER, *[Kind.FLOOR] * SIZE, Kind.BORDER] for _ in range(SIZE)]
    board = [fence[:], *rows, fence[:]]
    for (x, y), word in view.items():
        board[y + 1][x + 1] = WORDS[word]
    return board


def name_of(modifiers):
    return "+".join(modifiers) or "classic"


@pytest.mark.parametrize("modifiers", SINGLE + MIXED, ids=name_of)
def test_careful_games_follow_the_plain_arena_tick_by_tick(modifiers):
    arenas = check_lockstep(Tron(modifiers, validate=True), 3, careful_move, look_every=12)
    assert max(arena.ticks for arena in arenas) > 40


@pytest.mark.parametrize("modifiers", [("fog", "rocks", "tails"), ("tails", "wrap")], ids=name_of)
def test_short_tails_follow_the_plain_arena_around_many_times(modifiers, monkeypatch):
    for module in (envs.tron, tests.oracles.tron):
        monkeypatch.setattr(module, "TAIL", 15)
    arenas = check_lockstep(Tron(modifiers, validate=True), 3, careful_move, 2, look_every=12)
    assert max(arena.ticks for arena in arenas) > 60


@pytest.mark.parametrize("modifiers", SINGLE, ids=name_of)
def test_careless_games_follow_the_plain_arena_tick_by_tick(modifiers):
    arenas = check_lockstep(Tron(modifiers, validate=True), 16, random_move, look_every=6)
    wrecks = [tuple(cycle.crashed for cycle in arena.cycles) for arena in arenas]
    assert {(True, False), (False, True)} <= set(wrecks), "both seats have lost"


@pytest.mark.slow
@pytest.mark.parametrize("choose", [careful_move, random_move])
@pytest.mark.parametrize("modifiers", SINGLE + MIXED, ids=name_of)
def test_many_games_follow_the_plain_arena_tick_by_tick(modifiers, choose):
    check_lockstep(Tron(modifiers, validate=True), 60, choose, seed=1, look_every=6)


def start(game, distance=4, num_games=1):
    """Fresh games without rocks or gates, begun so many cells from the corner."""
    columns = torch.full((num_games,), distance + 1)
    return game.start(columns, game.fence.expand(num_games, -1), torch.zeros_like(columns))


def play(game, state, pairs):
    """The states after each pair of actions."""
    states = []
    for pair in pairs:
        actions = torch.tensor([pair]).expand(state.num_games, -1)
        state = game.step(state, actions, torch.Generator())
        states.append(state)
    return states


def both(*runs):
    """Pairs of equal actions of both seats, from (action, times)."""
    return [(action, action) for action, times in runs for _ in range(times)]


@pytest.fixture
def classic():
    return Tron(validate=True)


def test_the_fence_is_hit_after_as_many_ticks_as_there_are_cells_before_it(classic):
    *before, last = play(classic, start(classic, 4), [(DOWN, LEFT)] * 5)
    assert not any(state.ended.item() for state in before)
    assert last.terminated.item()
    assert last.rewards.tolist() == [[0.0, 0.0]], "both crash in the same tick: a draw"
    assert last.crashed.tolist() == [[True, True]]


def test_one_crash_is_a_loss_and_the_other_wins_in_the_same_step(classic):
    states = play(classic, start(classic, 4), [(UP, UP)] + [(LEFT, RIGHT)] * 5)
    assert states[-1].rewards.tolist() == [[-1.0, 1.0]]
    assert states[-1].crashed.tolist() == [[True, False]]
    assert states[-2].rewards.tolist() == [[0.0, 0.0]]


def test_two_heads_that_enter_one_cell_are_a_draw(classic):
    # to (4, 14) and (24, 14): the gap of 20 cells closes in ten ticks
    pairs = [(UP, RIGHT), *both((UP, 10), (RIGHT, 10))]
    states = play(classic, start(classic, 4), pairs)
    assert not states[-2].ended.item()
    assert states[-2].heads.tolist() == [[number_of(13, 14), 1023 - number_of(15, 14)]]
    assert states[-1].heads.sum().item() == 1023, "one cell, each in its own view"
    assert states[-1].crashed.all()
    assert states[-1].rewards.tolist() == [[0.0, 0.0]]


def number_of(x, y):
    """The package's cell of the plain arena's."""
    return 32 * (y + 1) + x + 1


def test_two_heads_that_change_places_are_a_draw(classic):
    # set up by hand: from equal diagonals two heads are never an odd number of cells apart
    heads = torch.tensor([[number_of(14, 14), 1023 - number_of(15, 14)]])
    cells = torch.nn.functional.one_hot(heads, 1024).bool().view(1, 2, 32, 32)
    state = dataclasses.replace(start(classic), heads=heads, trails=pack(cells))
    after = play(classic, state, [(RIGHT, RIGHT)])[-1]
    assert after.crashed.all()
    assert after.rewards.tolist() == [[0.0, 0.0]]


def test_nobody_turns_round_on_the_spot(classic):
    state = start(classic)
    assert state.legal_actions[0, :, :4].all(), "at the start all ways are open"
    for action, back in ((UP, DOWN), (DOWN, UP), (LEFT, RIGHT), (RIGHT, LEFT)):
        after = play(classic, state, [(action, action)])[-1]
        expected = [move != back for move in range(4)]
        assert after.legal_actions[0, :, :4].tolist() == [expected] * 2
        with pytest.raises(ValueError, match=f"illegal action {back} of seat 0"):
            play(classic, after, [(back, action)])


def test_on_a_wrapped_board_one_leaves_left_and_comes_in_right():
    game = Tron(("wrap",), validate=True)
    state = play(game, start(game, 2), both((LEFT, 3)))[-1]
    assert not state.ended.item()
    assert state.heads.tolist() == [[number_of(29, 27)] * 2]
    shown = game.kinds(state, torch.tensor([0]))[0]
    row = shown[28, 1:31].tolist()
    assert row[29] == Kind.OWN_HEAD
    assert row[0] == Kind.OWN_GHOST
    assert row[1:3] == [Kind.OWN, Kind.OWN]


def comb(depth):
    """Moves around a comb and back to the start: 2 depth + 72 of them.

    o o   o o        The first and the last tooth are 27 cells long, the middle ones `depth`;
    o o o o o        the way back leads along the bottom.
    S o o o o
    """
    teeth = [(UP, 27), (RIGHT, 3), (DOWN, depth), (RIGHT, 3), (UP, depth), (RIGHT, 3), (DOWN, 27)]
    return both(*teeth, (LEFT, 9))


def test_a_ring_of_122_cells_closes_only_where_trails_have_an_end():
    ring = comb(25)
    assert len(ring) == TAIL + 2
    endless, finite = Tron(), Tron(("tails",))
    assert play(endless, start(endless, 2), ring)[-1].crashed.all()
    state = play(finite, start(finite, 2), ring)[-1]
    assert not state.ended.item()
    assert state.heads.tolist() == start(finite, 2).heads.tolist()
    assert bits(state.trails[0]).sum((1, 2)).tolist() == [TAIL, TAIL]


def test_a_ring_of_120_cells_is_blocked_by_the_last_cell_of_a_tail():
    ring, game = comb(24), Tron(("tails",))
    assert len(ring) == TAIL
    *before, last = play(game, start(game, 2), ring)
    assert not before[-1].ended.item()
    assert last.crashed.all()
    shown = game.kinds(before[-1], torch.tensor([1]))[0]
    assert shown[28, 3] == Kind.OWN_TAIL, "where it will be free next, one tick too late"


def test_the_clock_ends_a_game_without_a_winner(classic):
    state = dataclasses.replace(start(classic), ticks=torch.tensor([MAX_TICKS - 2]).int())
    first, second, third = play(classic, state, [(UP, UP)] * 3)
    assert not first.ended.item()
    assert second.truncated.item()
    assert not second.terminated.item()
    assert second.legal_actions.all()
    assert not second.to_move.any()
    assert third.ticks.item() == MAX_TICKS
    assert third.heads.tolist() == second.heads.tolist()


def test_a_crash_at_the_last_tick_is_a_loss_not_a_truncation(classic):
    state = play(classic, start(classic, 0), [(UP, RIGHT)])[-1]
    state = dataclasses.replace(state, ticks=torch.tensor([MAX_TICKS - 1]).int())
    last = play(classic, state, [(LEFT, UP)])[-1]
    assert last.terminated.item()
    assert not last.truncated.item()
    assert last.rewards.tolist() == [[-1.0, 1.0]]


def test_the_paths_that_survive_are_the_self_avoiding_walks():
    """Their number is known: 4, 12, 36, 100, 284, 780 (OEIS A001411)."""
    game, counts = Tron(), []
    state = start(game, 10)
    for _ in range(6):
        rows = torch.arange(state.num_games).repeat_interleave(4)
        moves = torch.arange(4).repeat(state.num_games)
        legal = state.legal_actions[rows, 0, moves]
        actions = torch.stack([moves, torch.full_like(moves, UP)], 1)[legal]
        state = game.step(envs.take(state, rows[legal]), actions, torch.Generator())
        state = envs.take(state, ~state.ended)
        counts.append(state.num_games)
    assert counts == [4, 12, 36, 100, 284, 780]


def played(game, seed, num_games=8, steps=None):
    """Games after some random ticks, careful in that nobody hits what is there already."""
    generator = torch.Generator().manual_seed(seed)
    state = game.init(num_games, generator)
    for _ in range(seed % 25 if steps is None else steps):
        state = game.step(state, wary_actions(game, state, generator), generator)
    return state


def wary_actions(game, state, generator):
    weights = state.legal_actions.double()
    weights[..., 4:] = 1e-9
    for action in range(4):
        target = torch.full_like(state.heads, action)
        after = game.step(state, torch.where(state.to_move, target, 0), generator)
        weights[..., action] *= 1 - 0.999 * after.crashed.double()
    return torch.multinomial(weights.flatten(0, 1), 1, generator=generator).view(-1, 2)


def assert_same(first, second):
    for field in dataclasses.fields(first):
        assert torch.equal(getattr(first, field.name), getattr(second, field.name)), field.name


VARIANTS = st.sets(st.sampled_from(sorted(Tron.MODIFIERS))).map(sorted)
SEEDS = st.integers(0, 10_000)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(VARIANTS, SEEDS)
def test_what_lies_in_fog_does_not_change_the_frame(modifiers, seed):
    game = Tron({*modifiers, "fog"})
    state, seat = played(game, seed), torch.zeros(8, dtype=torch.int64)
    generator = torch.Generator().manual_seed(seed)
    altered = scrambled(game, state, generator)
    assert torch.equal(game.frame(state, seat), game.frame(altered, seat))
    assert torch.equal(game.kinds(state, seat), game.kinds(altered, seat))


def scrambled(game, state, generator):
    """Everything changed at random that seat 0 cannot see."""
    shown = game.kinds(state, torch.zeros(8, dtype=torch.int64))
    hidden = pack(shown == Kind.FOG)
    hidden_turned = pack((shown == Kind.FOG).flip(1, 2))
    masks = torch.stack([hidden, hidden_turned], 1)
    noise = torch.randint(-(2**31), 2**31, (8, 3, 32), generator=generator).to(torch.int32)
    heads, tails, headings = state.heads.clone(), state.tails.clone(), state.headings.clone()
    hide_out = (shown == Kind.FOG).flatten(1).float()
    where = 1023 - torch.multinomial(hide_out, 1, generator=generator)[:, 0]
    away = ~(shown == Kind.OTHER_HEAD).flatten(1).any(1) & ~state.crashed[:, 1]
    away &= ~((shown == Kind.OTHER_GHOST).flatten(1).any(1))
    heads[:, 1] = torch.where(away, where, heads[:, 1])
    headings[:, 1] = torch.where(away, 4, headings[:, 1])
    return dataclasses.replace(
        state,
        trails=state.trails ^ noise[:, :2] & masks,
        walls=state.walls ^ noise[:, 2] & hidden,
        heads=heads,
        headings=headings,
        tails=tails,
    )


def test_fog_would_show_a_change_in_the_open():
    game = Tron(("fog",))
    state = played(game, 3, steps=5)
    nearby = torch.zeros(8, 32, dtype=torch.int32)
    own_row = state.heads[:, 0] // 32
    nearby[torch.arange(8), own_row - 3] = 1 << 5
    altered = dataclasses.replace(state, walls=state.walls | nearby)
    seat = torch.zeros(8, dtype=torch.int64)
    changed = (game.frame(state, seat) != game.frame(altered, seat)).flatten(1).any(1)
    assert changed.any()


def test_rocks_are_alike_for_both_seats_and_leave_the_starts_free():
    game = Tron(("rocks",))
    walls = bits(game.init(300, torch.Generator().manual_seed(0)).walls)
    assert torch.equal(walls, walls.flip(1, 2)), "half a turn"
    assert torch.equal(walls, walls.transpose(1, 2)), "reflected"
    assert (walls[:, 1:31, 1:31].sum((1, 2)) == 4 * NUM_ROCK_GROUPS).all()
    assert not walls.diagonal(dim1=1, dim2=2)[:, 1:31].any()
    assert not walls.flip(1).diagonal(dim1=1, dim2=2)[:, 1:31].any()
    assert len(walls.flatten(1).unique(dim=0)) > 100


def test_the_dividing_wall_has_four_holes_in_places_of_chance():
    game = Tron(("gates",))
    walls = bits(game.init(2_000, torch.Generator().manual_seed(0)).walls)
    assert torch.equal(walls, walls.flip(1, 2))
    wall = walls.diagonal(dim1=1, dim2=2)[:, 1:31]
    assert (wall.sum(1) == 26).all()
    assert (walls[:, 1:31, 1:31].sum((1, 2)) == 26).all()
    assert len(wall.unique(dim=0)) == 105, "two pairs of fifteen"
    assert (~wall).any(0).all()


def test_starts_are_drawn_along_the_diagonal():
    heads = Tron().init(500, torch.Generator().manual_seed(0)).heads
    assert torch.equal(heads[:, 0], heads[:, 1])
    assert {cell_of(head) for head in heads[:, 0].tolist()} == {(d, 29 - d) for d in range(2, 10)}


def test_clutter_moves_over_the_floor_and_means_nothing():
    plain, cluttered = Tron(), Tron(("clutter",))
    seat = torch.arange(8) % 2
    state = cluttered.init(8, torch.Generator().manual_seed(0))
    before = cluttered.kinds(state, seat) == Kind.CLUTTER
    chance = torch.Generator().manual_seed(1)
    twin = state
    for _ in range(20):
        actions = wary_actions(plain, state, chance)
        state, twin = cluttered.step(state, actions, chance), plain.step(twin, actions, chance)
    assert_same(state, twin)
    shown, bare = cluttered.kinds(state, seat), plain.kinds(twin, seat)
    is_clutter = shown == Kind.CLUTTER
    assert torch.equal(shown[~is_clutter], bare[~is_clutter])
    assert (bare[is_clutter] == Kind.FLOOR).all()
    assert (is_clutter != before).flatten(1).any(1).all(), "they have moved"
    assert (is_clutter.sum((1, 2)) <= 24).all()
    later = dataclasses.replace(state, ticks=state.ticks + SCENE_TICKS)
    assert torch.equal(cluttered.frame(later, seat), cluttered.frame(state, seat)), "a round trip"


@pytest.mark.parametrize("modifiers", SINGLE + MIXED, ids=name_of)
def test_a_frame_shows_two_by_two_pixels_of_every_cells_kind(modifiers):
    game = Tron(modifiers)
    state = played(game, 5, num_games=70, steps=64)  # more than one chunk of the drawing
    seats = torch.arange(70) % 2
    frames, shown = game.frame(state, seats), game.kinds(state, seats)
    colours = torch.from_numpy(game.screen.patterns)[0]  # kind, line, pixel, channel
    painted = colours[shown].permute(0, 5, 1, 3, 2, 4).reshape(70, 3, 64, 64)
    inside = slice(2, 62)
    if "wrap" in modifiers:  # dashes: every second pair of border cells has another colour
        painted, frames = painted[..., inside, inside], frames[..., inside, inside]
    assert torch.equal(frames, painted)


def test_the_border_of_a_wrapped_board_is_dashed():
    frame = Tron(("wrap",)).frame(Tron(("wrap",)).init(1, torch.Generator()), torch.tensor([0]))[0]
    dash, gap = frame[:, 0, 0], frame[:, 0, 4]
    assert (dash != gap).any()
    for place in range(64):
        for line in (frame[:, 0, place], frame[:, 1, place], frame[:, place, 0]):
            assert torch.equal(line, gap if place // 4 % 2 else dash)


def test_heads_trails_and_ghosts_are_told_apart_by_colour():
    kinds = [Kind.FLOOR, Kind.OWN, Kind.OTHER, Kind.ROCK, Kind.CLUTTER, Kind.FOG, Kind.BORDER]
    kinds += [Kind.OWN_GHOST, Kind.OTHER_GHOST, Kind.OWN_HEAD, Kind.OTHER_HEAD, Kind.CRASH]
    for modifiers in ((), ("night",), ("tails",), ("night", "tails")):
        colours = Tron(modifiers).screen.patterns[0].astype(int)
        for kind in kinds:
            for other in kinds:
                if kind != other:
                    assert abs(colours[kind] - colours[other]).max() >= 24, (kind, other)


@pytest.mark.gpu
@pytest.mark.parametrize("modifiers", SINGLE + MIXED, ids=name_of)
def test_a_cuda_device_plays_and_shows_the_same(modifiers):
    here, there = Tron(modifiers), Tron(modifiers, "cuda")
    chance, state = torch.Generator().manual_seed(0), played(here, 0)
    seats = torch.arange(8) % 2
    for _ in range(60):
        actions = wary_actions(here, state, chance)
        remote = there.step(to_device(state, "cuda"), actions.cuda(), torch.Generator("cuda"))
        state = here.step(state, actions, chance)
        assert_same(state, to_device(remote, "cpu"))
        assert torch.equal(here.frame(state, seats), there.frame(remote, seats.cuda()).cpu())
