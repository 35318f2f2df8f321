"""The contract of `envs/core.py`, held against every game and its variants.

A new game joins by being in `envs.GAMES`. The fast tests look at `NUM_FAST` variants of each, the
slow ones at all the others. If exchanging its seats is more than exchanging what is stored per
seat, its module offers `swap_seats(state)`.
"""

import copy
import dataclasses
import functools
import itertools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import envs
from tests.envs.recordings import (
    assert_same,
    chance_free,
    fields,
    joined,
    play_out,
    played,
    random_actions,
    record,
    seeded,
    spread,
    swapped,
    to_device,
)

NUM_FAST = 22
FAST = {game: spread(game, min(NUM_FAST, len(envs.list_variants(game)))) for game in envs.GAMES}


def variants():
    for game in sorted(envs.GAMES):
        for name in envs.list_variants(game):
            marks = [] if name in FAST[game] else [pytest.mark.slow]
            yield pytest.param(name, marks=marks)


@functools.lru_cache(maxsize=len(envs.GAMES) * NUM_FAST)
def made(name):
    return envs.make(name, validate=True)


@pytest.fixture(scope="module", params=variants())
def game(request):
    return made(request.param)


@pytest.fixture(scope="module", params=sorted(envs.GAMES))
def classic(request):
    return made(request.param)


@pytest.fixture
def recording(game):
    return record(game)


@pytest.fixture
def unchecked(game):
    """The same game as training plays it."""
    trusting = copy.copy(game)
    trusting.validate = False
    return trusting


@pytest.mark.parametrize("name", [name for name, kind in envs.GAMES.items() if kind.simultaneous])
def test_a_repeated_action_is_several_ticks_in_one_step(name):
    one, four = envs.make(name), envs.make(name, action_repeat=4)
    state = four.init(64, seeded(0))
    paid_late = 0
    for turn in range(200):
        actions = random_actions(state, seeded(turn))
        chance, again = seeded(turn + 1), seeded(turn + 1)
        after, paid = state, torch.zeros_like(state.rewards)
        for _ in range(4):
            before, after = after, one.step(after, actions, chance)
            paid += after.rewards
        paid_late += int((paid != after.rewards).sum())
        state = four.step(state, actions, again)
        assert_same(state, dataclasses.replace(after, rewards=paid))
        assert bool((state.rewards.abs() <= 1).all())
    assert paid_late > 0
    assert bool(before.ended.any())


def test_at_least_twenty_variants_of_each_game_are_looked_at_in_every_run():
    for game, names in FAST.items():
        assert len(set(names)) >= 20, game
        assert {game, *(f"{game}:{modifier}" for modifier in envs.GAMES[game].MODIFIERS)} <= {
            *names
        }
        for pair in itertools.combinations(sorted(envs.GAMES[game].MODIFIERS), 2):
            if not any(clash <= set(pair) for clash in envs.GAMES[game].CLASHES):
                assert any(set(pair) <= set(name[len(game) + 1 :].split("+")) for name in names)


# States


def test_every_tensor_of_a_state_has_the_shape_and_dtype_of_the_contract(game, recording):
    for state in (game.init(6, seeded()), recording.after):
        size = state.num_games
        wanted = {
            "legal_actions": ((size, 2, 16), torch.bool),
            "to_move": ((size, 2), torch.bool),
            "rewards": ((size, 2), torch.float32),
            "terminated": ((size,), torch.bool),
            "truncated": ((size,), torch.bool),
            "ticks": ((size,), torch.int32),
        }
        found = {name: (tuple(x.shape), x.dtype) for name, x in fields(state).items()}
        assert {name: found[name] for name in wanted} == wanted
        assert all(shape[0] == size for shape, _ in found.values())


def test_a_fresh_game_has_just_begun(game):
    state = game.init(4, seeded())
    assert state.num_games == 4
    assert not state.ended.any()
    assert not state.rewards.any()
    assert not state.ticks.any()


def test_one_seat_moves_in_turn_based_games_and_both_in_simultaneous_ones(game, recording):
    state = recording.before
    going = ~state.ended
    num_moving = 2 if game.simultaneous else 1
    assert (state.to_move[going].sum(1) == num_moving).all()
    assert torch.equal(state.legal_actions[going].any(2), state.to_move[going])


def test_rewards_are_zero_sum_and_the_loser_is_told_in_the_same_step(recording):
    before, after = recording.before, recording.after
    assert (after.rewards.sum(1) == 0).all()
    assert (after.rewards.abs() <= 1).all()
    paid = after.rewards.any(1)
    assert not (paid & before.ended).any()
    just_ended = after.ended & ~before.ended
    assert just_ended.sum() == recording.num_games
    assert (just_ended & paid).sum() >= 2, "some are won"


def test_a_game_is_terminated_or_truncated_but_never_both(recording):
    assert not (recording.after.terminated & recording.after.truncated).any()


def test_a_finished_row_is_frozen_pays_nothing_and_allows_everything(game, recording):
    rows = recording.after.ended
    ended = envs.take(recording.after, rows)
    anything = torch.randint(-9, 99, (ended.num_games, 2), generator=seeded())
    later = game.step(ended, anything, seeded(3))
    for name in fields(ended).keys() - {"rewards"}:
        assert torch.equal(fields(ended)[name], fields(later)[name]), f"{name} moved"
    assert not later.rewards.any()
    assert ended.legal_actions.all()
    assert not ended.to_move.any()
    seats = recording.seats[rows]
    assert torch.equal(game.frame(ended, seats), game.frame(later, seats))


def test_ticks_count_the_steps_of_unfinished_games(recording):
    before, after = recording.before, recording.after
    assert torch.equal(after.ticks, before.ticks + (~before.ended).int())


def test_nothing_changes_the_state_it_was_given(game, recording):
    state = recording.before
    copy = type(state)(**{name: x.clone() for name, x in fields(state).items()})
    game.step(state, recording.actions, seeded(9))
    game.frame(state, recording.seats)
    game.reset(state, torch.ones(recording.num_rows).bool(), seeded(9))
    assert_same(state, copy, because="was written to")


def test_reset_begins_anew_in_the_masked_rows_only(game, recording):
    state = envs.take(recording.after, torch.arange(28, 40))
    mask = torch.arange(12) % 3 == 0
    after = game.reset(state, mask, seeded(1))
    assert_same(after, state, ~mask, because="of an unmasked row changed")
    assert_same(after, game.init(12, seeded(1)), mask, because="of a masked row is not fresh")


def test_equal_seeds_give_equal_games(game):
    first, second = played(game, 4, 5, seed=5), played(game, 4, 5, seed=5)
    assert_same(first, second)
    other, seats = played(game, 4, 5, seed=6), torch.zeros(4).long()
    assert not torch.equal(game.frame(first, seats), game.frame(other, seats))


def test_a_game_feels_neither_its_neighbours_nor_its_place_in_the_batch(game, recording):
    steady = chance_free(game, recording)
    assert steady.float().mean() > 0.5
    rows = torch.randperm(recording.num_rows, generator=seeded())[: recording.num_rows // 3]
    apart = game.step(envs.take(recording.before, rows), recording.actions[rows], seeded(5))
    assert_same(apart, envs.take(recording.after, rows), steady[rows])


def test_exchanging_the_seats_exchanges_what_they_are_paid(game, recording):
    after = game.step(swapped(recording.before), recording.actions.flip(1), seeded())
    for name in ("rewards", "to_move", "legal_actions"):
        assert torch.equal(fields(after)[name], fields(recording.after)[name].flip(1)), name
    for name in ("terminated", "truncated", "ticks"):
        assert torch.equal(fields(after)[name], fields(recording.after)[name]), name


def test_the_entry_of_a_seat_that_is_not_to_move_is_ignored(game, recording):
    state, actions = recording.before, recording.actions
    nonsense = torch.where(state.to_move, actions, torch.full_like(actions, 99))
    assert_same(game.step(state, actions, seeded(1)), game.step(state, nonsense, seeded(1)))


def test_checking_the_actions_changes_nothing_else(game, unchecked, recording):
    after = unchecked.step(recording.before, recording.actions, seeded(1))
    assert_same(after, game.step(recording.before, recording.actions, seeded(1)))


# Frames


def test_a_frame_is_three_by_64_by_64_bytes_and_every_move_can_be_seen(game, recording):
    frames = recording.frames_after
    assert frames.shape == (recording.num_rows, *envs.FRAME_SHAPE)
    assert frames.dtype == torch.uint8
    assert (frames[:12].float().flatten(1).std(1) > 1).all()
    changed = (frames != recording.frames_before).flatten(1).any(1)
    assert torch.equal(changed, ~recording.before.ended)


def test_each_seat_sees_itself_in_its_own_colours(game, recording):
    state, seats = recording.after, recording.seats
    seen = recording.frames_after
    assert torch.equal(seen, game.frame(swapped(state), 1 - seats))
    assert not torch.equal(seen[:8], game.frame(envs.take(state, torch.arange(8)), 1 - seats[:8]))


def test_a_frame_shows_its_own_game_only(game, recording):
    rows = torch.randperm(recording.num_rows, generator=seeded())[: recording.num_rows // 4]
    apart = game.frame(envs.take(recording.after, rows), recording.seats[rows])
    assert torch.equal(apart, recording.frames_after[rows])


def test_the_mirrored_game_looks_and_plays_like_the_game_in_a_mirror(game, recording):
    table = game.mirror_actions
    if table is None:
        with pytest.raises(NotImplementedError, match="symmetry"):
            game.mirror_frames(torch.zeros(1, *envs.FRAME_SHAPE, dtype=torch.uint8))
        return
    assert torch.equal(table[table], torch.arange(envs.NUM_ACTIONS))
    generator = seeded()
    states = [game.init(recording.num_games, generator)]
    for actions in table[recording.actions].split(recording.num_games)[:-1]:
        states.append(game.step(states[-1], actions, generator))
    reflected = joined(states)
    for name in ("rewards", "terminated", "to_move"):
        assert torch.equal(fields(reflected)[name], fields(recording.before)[name]), name
    assert torch.equal(reflected.legal_actions, recording.before.legal_actions[..., table])
    shown = game.mirror_frames(recording.frames_before)
    assert torch.equal(shown, game.frame(reflected, recording.seats))
    assert torch.equal(game.mirror_frames(shown), recording.frames_before)


@functools.cache
def first_frames(name):
    """Pictures with which games of a variant begin, both seats'."""
    game = envs.make(name)
    return {
        bytes(frame.numpy()) for frame in game.frame(game.init(8, seeded()), torch.arange(8) % 2)
    }


@pytest.mark.parametrize("name", sorted(envs.GAMES))
def test_the_first_frame_tells_the_variant(name):
    for one, another in itertools.combinations(FAST[name], 2):
        assert not first_frames(one) & first_frames(another), (one, another)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(envs.GAMES))
def test_the_first_frame_tells_every_variant(name):
    owners = {}
    for variant in envs.list_variants(name):
        for frame in first_frames(variant):
            assert owners.setdefault(frame, variant) == variant


# The host, and other devices


class NoQuestions(TorchDispatchMode):
    """Fails where the program asks for a value, and so would wait for a device."""

    ASKING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "item")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.partition(".")[0]
        assert name not in self.ASKING, f"{name} asks the host"
        if name in ("index", "index_put", "index_put_"):
            kinds = [index.dtype for index in args[1] if index is not None]
            assert torch.bool not in kinds, f"{name} counts a mask"
        return func(*args, **(kwargs or {}))


def test_no_step_reset_or_frame_asks_the_host(unchecked, recording):
    rows = torch.arange(0, recording.num_rows, 9)
    state, actions = envs.take(recording.before, rows), recording.actions[rows]
    ended, seats = state.ended, recording.seats[rows]
    with NoQuestions():
        unchecked.step(state, actions, seeded())
        unchecked.reset(state, ended, seeded())
        unchecked.frame(state, seats)


def test_a_question_to_the_host_would_be_noticed():
    numbers = torch.arange(4)
    questions = [
        lambda: bool(numbers.any()),
        lambda: numbers.sum().item(),
        lambda: numbers[numbers > 2],
        lambda: numbers.nonzero(),
        lambda: numbers.masked_select(numbers > 2),
    ]
    for ask in questions:
        with pytest.raises(AssertionError, match=r"asks the host|counts a mask"), NoQuestions():
            ask()


@pytest.mark.slow
def test_steps_and_frames_need_no_values_at_all(game, recording):
    """On the `meta` device there are none."""
    try:
        there = envs.make(game.variant, "meta")
    except NotImplementedError:
        pytest.skip("this game computes its tables on the device")
    state = to_device(recording.before, "meta")
    actions = recording.actions.to("meta")
    after = there.step(state, actions, seeded())
    assert {n: x.shape for n, x in fields(after).items()} == {
        n: x.shape for n, x in fields(recording.after).items()
    }
    frames = there.frame(after, recording.seats.to("meta"))
    assert frames.shape == (recording.num_rows, *envs.FRAME_SHAPE)


@pytest.mark.gpu
def test_a_cuda_device_plays_the_same_games(game, recording):
    there = envs.make(game.variant, "cuda")
    steady = chance_free(game, recording)
    before = to_device(recording.before, "cuda")
    after = there.step(before, recording.actions.cuda(), torch.Generator("cuda"))
    for name, here in fields(recording.after).items():
        torch.testing.assert_close(fields(after)[name].cpu()[steady], here[steady])
    seats = recording.seats
    screens = there.frame(before, seats.cuda()).cpu()
    assert torch.equal(screens, game.frame(recording.before, seats))


# Bad input


def test_a_game_names_its_sixteen_actions(classic):
    assert classic.num_actions == envs.NUM_ACTIONS == len(classic.action_names)
    assert len(set(classic.action_names)) == envs.NUM_ACTIONS


def test_an_illegal_action_raises_and_names_the_row_the_seat_and_what_is_allowed(game, recording):
    state, actions = recording.before, recording.actions.clone()
    illegal = state.to_move[..., None] & ~state.legal_actions
    row, seat, action = illegal.nonzero()[-1].tolist()
    actions[row, seat] = action
    allowed = state.legal_actions[row, seat].nonzero()[:, 0].tolist()
    words = f"illegal action {action} of seat {seat} in game {row}: allowed are {allowed}"
    with pytest.raises(ValueError) as complaint:  # noqa: PT011 (the whole line is compared)
        game.step(state, actions, seeded())
    assert str(complaint.value) == words


@pytest.mark.parametrize("wrong", [-1, 16, 99])
def test_an_action_out_of_range_raises(classic, wrong):
    state = classic.init(2, seeded())
    with pytest.raises(ValueError, match=f"illegal action {wrong}"):
        classic.step(state, torch.full((2, 2), wrong), seeded())


@pytest.mark.parametrize("dtype", [torch.int32, torch.float32, torch.bool])
def test_actions_of_another_dtype_raise(classic, dtype):
    with pytest.raises(ValueError, match="int64"):
        classic.step(classic.init(2, seeded()), torch.zeros(2, 2).to(dtype), seeded())


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 3), (3, 2), (2, 2, 1)])
def test_actions_of_another_shape_raise(classic, shape):
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        classic.step(classic.init(2, seeded()), torch.zeros(shape).long(), seeded())


def test_actions_on_another_device_raise(classic):
    actions = torch.zeros(2, 2, dtype=torch.int64, device="meta")
    with pytest.raises(ValueError, match="actions are on meta, the games on cpu"):
        classic.step(classic.init(2, seeded()), actions, seeded())


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "3", None])
def test_init_wants_a_positive_whole_number_of_games(classic, size):
    with pytest.raises(ValueError, match="number of games"):
        classic.init(size, seeded())


def test_take_put_and_merge_move_whole_games(classic):
    first, second = played(classic, 6, 4, seed=1), played(classic, 6, 4, seed=2)
    rows = torch.tensor([4, 1])
    mixed = envs.put(first, rows, envs.take(second, rows))
    assert_same(mixed, second, rows)
    assert_same(mixed, first, torch.tensor([0, 2, 3, 5]))
    mask = torch.zeros(6, dtype=torch.bool)
    mask[rows] = True
    assert_same(envs.merge(mask, second, first), mixed)


@pytest.mark.slow
def test_whole_games_end_from_the_start_on(classic):
    *_, (_, _, last) = play_out(classic, classic.init(24, seeded()), seeded(1))
    assert last.ended.all()
    assert random_actions(last, seeded()).shape == (24, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [names[i] for names in map(envs.list_variants, sorted(envs.GAMES)) for i in (0, -1)]
)
def test_step_and_reset_compile_to_one_graph_but_for_the_draws(name, monkeypatch):
    """Generators cannot enter a compiled graph: what chance brings is given beforehand."""
    game = made(name)
    trusting = copy.copy(game)
    trusting.validate = False
    state, fresh = played(game, 8, 20), game.init(8, seeded(1))
    monkeypatch.setattr(trusting, "init", lambda num_games, generator: fresh, raising=False)
    if hasattr(game, "_new_balls"):
        balls = game._new_balls(8, seeded(2))
        monkeypatch.setattr(trusting, "_new_balls", lambda num_games, generator: balls)

    def turn(state, actions):
        after = trusting.step(state, actions, None)
        return trusting.reset(after, after.ended, None)

    actions = random_actions(state, seeded())
    compiled = torch.compile(turn, fullgraph=True, backend="eager")
    assert_same(compiled(state, actions), turn(state, actions))
