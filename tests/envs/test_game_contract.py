"""The contract of `envs/core.py`, held against every game and every single modifier.

A new game joins by being in `envs.GAMES`. If exchanging its seats is more than exchanging what is
stored per seat, its module offers `swap_seats(state)`.
"""

import dataclasses
import sys

import pytest
import torch

import envs

SPARE_STEPS = 5_000
LONG_GAMES = {"volley"}  # thousands of steps: their modifiers are looked at by the slow tests


def variants():
    for name, game in sorted(envs.GAMES.items()):
        yield name
        for modifier in sorted(game.MODIFIERS):
            marks = [pytest.mark.slow] if name in LONG_GAMES else []
            yield pytest.param(f"{name}:{modifier}", marks=marks)


@pytest.fixture(params=variants())
def game(request):
    return envs.make(request.param, validate=True)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_actions(state, generator):
    """A legal action for each seat to move, any number for the others."""
    weights = state.legal_actions.flatten(0, 1).float()
    nothing = weights.sum(1, keepdim=True) == 0
    drawn = torch.multinomial(weights + nothing, 1, generator=generator)
    return drawn.view(state.num_games, envs.NUM_SEATS)


def played(game, num_games, steps, seed=0):
    """The state after so many random steps."""
    generator = seeded(seed)
    state = game.init(num_games, generator)
    for _ in range(steps):
        state = game.step(state, random_actions(state, generator), generator)
    return state


def play_through(game, num_games, seed=0):
    """Every (before, actions, after) until the last of the games has ended."""
    generator = seeded(seed)
    state = game.init(num_games, generator)
    for _ in range(SPARE_STEPS):
        if state.ended.all():
            return
        actions = random_actions(state, generator)
        following = game.step(state, actions, generator)
        yield state, actions, following
        state = following
    pytest.fail(f"{game.variant} does not end within {SPARE_STEPS} steps")


def looked_at(game, num_games, seed=0):
    """`play_through`, of long games the beginning, every ending, and a step now and then."""
    for tick, (before, actions, after) in enumerate(play_through(game, num_games, seed)):
        if tick < 60 or tick % 25 == 0 or (after.ended & ~before.ended).any():
            yield before, actions, after


def fields(state):
    return {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}


def assert_same(first, second, rows=slice(None), because=""):
    for name, tensor in fields(first).items():
        assert torch.equal(tensor[rows], fields(second)[name][rows]), f"{name} {because}"


def swapped(state):
    """The same position with the seats exchanged."""
    swap = getattr(sys.modules[type(state).__module__], "swap_seats", swap_what_is_per_seat)
    return swap(state)


def swap_what_is_per_seat(state):
    values = {
        name: x.flip(1) if x.dim() > 1 and x.shape[1] == envs.NUM_SEATS else x
        for name, x in fields(state).items()
    }
    if "seat" in values:  # turn-based games say whose turn it is
        values["seat"] = 1 - values["seat"]
    return type(state)(**values)


def test_every_tensor_of_a_state_has_the_shape_and_dtype_of_the_contract(game):
    for state in (game.init(6, seeded()), played(game, 6, 9)):
        assert state.num_games == 6
        wanted = {
            "legal_actions": ((6, 2, 16), torch.bool),
            "to_move": ((6, 2), torch.bool),
            "rewards": ((6, 2), torch.float32),
            "terminated": ((6,), torch.bool),
            "truncated": ((6,), torch.bool),
            "ticks": ((6,), torch.int32),
        }
        found = {name: (tuple(x.shape), x.dtype) for name, x in fields(state).items()}
        assert {name: found[name] for name in wanted} == wanted
        assert all(shape[0] == 6 for shape, _ in found.values())


def test_a_game_names_its_sixteen_actions(game):
    assert game.num_actions == envs.NUM_ACTIONS == len(game.action_names)
    assert len(set(game.action_names)) == envs.NUM_ACTIONS


def test_a_fresh_game_has_just_begun(game):
    state = game.init(4, seeded())
    assert not state.ended.any()
    assert not state.rewards.any()
    assert not state.ticks.any()


def test_one_seat_moves_in_turn_based_games_and_both_in_simultaneous_ones(game):
    num_moving = 2 if game.simultaneous else 1
    for state, _, _ in play_through(game, 32):
        going = ~state.ended
        assert (state.to_move[going].sum(1) == num_moving).all()
        can_act = state.legal_actions[going].any(2)
        assert torch.equal(can_act, state.to_move[going])


def test_rewards_are_zero_sum_and_the_loser_is_told_in_the_same_step(game):
    num_decided = 0
    for before, _, after in play_through(game, 64):
        assert (after.rewards.sum(1) == 0).all()
        assert (after.rewards.abs() <= 1).all()
        paid = after.rewards.abs().sum(1) > 0
        assert not (paid & before.ended).any()
        just_ended = after.ended & ~before.ended
        decided = just_ended & paid
        assert torch.equal(after.rewards[decided].amin(1), -after.rewards[decided].amax(1))
        num_decided += int(decided.sum())
    assert num_decided > 0, "no random game was ever decided"


def test_a_finished_row_is_frozen_pays_nothing_and_allows_everything(game):
    for before, _, after in looked_at(game, 32):
        rows = before.ended
        for name in fields(before).keys() - {"rewards"}:
            was, now = fields(before)[name][rows], fields(after)[name][rows]
            assert torch.equal(was, now), f"{name} of a finished row moved"
        assert not after.rewards[rows].any()
        assert after.legal_actions[after.ended].all()
        assert not after.to_move[after.ended].any()
        screens = [game.frame(s, torch.zeros(s.num_games).long())[rows] for s in (before, after)]
        assert torch.equal(*screens)


def test_ticks_count_the_steps_of_unfinished_games(game):
    for before, _, after in play_through(game, 16):
        assert torch.equal(after.ticks, before.ticks + (~before.ended).int())


def test_a_step_does_not_change_the_state_it_was_given(game):
    for before, actions, _ in looked_at(game, 8):
        copy = type(before)(**{name: x.clone() for name, x in fields(before).items()})
        game.step(before, actions, seeded(9))
        game.frame(before, torch.ones(8).long())
        game.reset(before, torch.ones(8).bool(), seeded(9))
        assert_same(before, copy, because="was written to")


def test_reset_begins_anew_in_the_masked_rows_only(game):
    state = played(game, 8, 30)
    mask = torch.tensor([True, False] * 4)
    after = game.reset(state, mask, seeded(1))
    assert_same(after, state, ~mask, because="of an unmasked row changed")
    assert_same(after, game.init(8, seeded(1)), mask, because="of a masked row is not fresh")


def test_equal_seeds_give_equal_games(game):
    assert_same(played(game, 16, 12, seed=5), played(game, 16, 12, seed=5))
    different = [played(game, 16, 12, seed=s) for s in (5, 6)]
    screens = [game.frame(s, torch.zeros(16).long()) for s in different]
    assert not torch.equal(*screens)


def test_a_game_does_not_feel_what_its_neighbours_do(game):
    mine, alike, unlike = seeded(3), seeded(3), seeded(4)
    first = second = game.init(8, seeded())
    for step in range(40):
        actions = random_actions(first, unlike)
        first = game.step(first, actions, mine)
        other = random_actions(second, unlike)
        other[0] = actions[0]
        second = game.step(second, other, alike)
        assert_same(first, second, slice(0, 1), because=f"of row 0 differs after step {step}")


def test_a_game_plays_the_same_alone_as_in_a_batch(game):
    generator = seeded()
    batch = game.init(8, generator)
    alone = envs.take(batch, torch.tensor([5]))
    chooser = seeded(1)
    for _ in range(40):
        actions = random_actions(batch, chooser)
        dice = generator.get_state()
        batch = game.step(batch, actions, generator)
        if not torch.equal(dice, generator.get_state()):
            pytest.skip("the steps of this game draw from chance, which differs with the batch")
        alone = game.step(alone, actions[5:6], generator)
        assert_same(alone, envs.take(batch, torch.tensor([5])))


def test_the_entry_of_a_seat_that_is_not_to_move_is_ignored(game):
    state = played(game, 8, 3)
    actions = random_actions(state, seeded())
    nonsense = torch.where(state.to_move, actions, torch.full_like(actions, 99))
    assert_same(game.step(state, actions, seeded(1)), game.step(state, nonsense, seeded(1)))


@pytest.mark.parametrize("wrong", [-1, 16, 99])
def test_an_action_out_of_range_raises(game, wrong):
    state = game.init(2, seeded())
    with pytest.raises(ValueError, match=f"illegal action {wrong}"):
        game.step(state, torch.full((2, 2), wrong), seeded())


def test_an_illegal_action_raises_and_names_the_row_the_seat_and_what_is_allowed(game):
    for state, actions, _ in play_through(game, 4):
        illegal = state.to_move[..., None] & ~state.legal_actions
        if illegal.any():
            row, seat, action = illegal.nonzero()[0].tolist()
            actions[row, seat] = action
            words = rf"illegal action {action} of seat {seat} in game {row}: allowed are \["
            with pytest.raises(ValueError, match=words):
                game.step(state, actions, seeded())
            return
    pytest.skip("every action is always legal in this game")


@pytest.mark.parametrize("dtype", [torch.int32, torch.float32, torch.bool])
def test_actions_of_another_dtype_raise(game, dtype):
    with pytest.raises(ValueError, match="int64"):
        game.step(game.init(2, seeded()), torch.zeros(2, 2).to(dtype), seeded())


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 3), (3, 2), (2, 2, 1)])
def test_actions_of_another_shape_raise(game, shape):
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        game.step(game.init(2, seeded()), torch.zeros(shape).long(), seeded())


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "3", None])
def test_init_wants_a_positive_whole_number_of_games(game, size):
    with pytest.raises(ValueError, match="number of games"):
        game.init(size, seeded())


def test_a_frame_is_three_by_64_by_64_bytes_and_shows_something(game):
    for before, _, after in looked_at(game, 4):
        frame = game.frame(after, torch.tensor([0, 1, 0, 1]))
        assert frame.shape == (4, *envs.FRAME_SHAPE)
        assert frame.dtype == torch.uint8
        assert frame.float().std() > 1
        earlier = game.frame(before, torch.tensor([0, 1, 0, 1]))
        moved = ~before.ended
        assert ((frame != earlier).flatten(1).any(1) | ~moved).all(), "a move cannot be seen"


def test_each_seat_sees_itself_in_its_own_colours(game):
    zeros = torch.zeros(16).long()
    for state, _, _ in looked_at(game, 16):
        seen_by_first = game.frame(state, zeros)
        seen_by_second = game.frame(swapped(state), zeros + 1)
        assert torch.equal(seen_by_first, seen_by_second)
    assert not torch.equal(seen_by_first, game.frame(state, zeros + 1))


def test_the_mirrored_game_looks_and_plays_like_the_game_in_a_mirror(game):
    table = game.mirror_actions
    if table is None:
        with pytest.raises(NotImplementedError, match="symmetry"):
            game.mirror_frames(torch.zeros(1, *envs.FRAME_SHAPE, dtype=torch.uint8))
        return
    assert torch.equal(table[table], torch.arange(envs.NUM_ACTIONS))
    seats = torch.arange(16) % 2
    reflected = game.init(16, seeded())
    for state, actions, _ in play_through(game, 16):
        shown = game.mirror_frames(game.frame(state, seats))
        assert torch.equal(shown, game.frame(reflected, seats))
        assert torch.equal(game.mirror_frames(shown), game.frame(state, seats))
        assert torch.equal(state.legal_actions[..., table], reflected.legal_actions)
        assert torch.equal(state.rewards, reflected.rewards)
        reflected = game.step(reflected, table[actions], seeded())


def test_take_put_and_merge_move_whole_games(game):
    first, second = played(game, 6, 4, seed=1), played(game, 6, 4, seed=2)
    rows = torch.tensor([4, 1])
    mixed = envs.put(first, rows, envs.take(second, rows))
    assert_same(mixed, second, rows)
    assert_same(mixed, first, torch.tensor([0, 2, 3, 5]))
    mask = torch.zeros(6, dtype=torch.bool)
    mask[rows] = True
    assert_same(envs.merge(mask, second, first), mixed)


@pytest.mark.gpu
def test_a_cuda_device_plays_the_same_games(game):
    there = envs.make(game.variant, "cuda")
    state, chance = there.init(64, torch.Generator("cuda")), torch.Generator("cuda")
    seats = torch.arange(64) % 2
    for before, actions, _ in play_through(game, 64):
        assert_same(before, envs.core.to_device(state, "cpu"))
        screens = there.frame(state, seats.cuda()).cpu()
        assert torch.equal(screens, game.frame(before, seats))
        state = there.step(state, actions.cuda(), chance)
