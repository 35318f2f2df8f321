"""Arenas against games that are played one by one on the plain board."""

import pytest
import torch

import envs
from envs import legal_of
from selfplay.arena import Tally, TurnArena
from selfplay.players import make_scripted
from selfplay.rollout import Arenas, random_positions
from selfplay.seats import Random
from tests.oracles.boards import board_of
from tests.oracles.connect import WIDTH

NUM_GAMES = 24


@pytest.fixture(scope="module")
def game():
    return envs.make("connect", validate=True)


@pytest.fixture(scope="module")
def openings(game):
    return random_positions(game, 64, 20, 0.5, torch.Generator().manual_seed(1))


class Recorded(Random):
    """A random player that keeps what it was asked and what it answered."""

    def __init__(self):
        self.resets = []

    def act(self, game, state, seat, generator):
        self.state, self.seat = state, seat
        self.actions = super().act(game, state, seat, generator)
        return self.actions

    def reset(self, mask):
        self.resets.append(mask.clone())


def arena_against(opponent, game, openings, seed=0):
    return TurnArena(game, NUM_GAMES, opponent, openings, torch.Generator().manual_seed(seed))


def random_choice(observation, generator):
    return torch.multinomial(observation.legal_actions.float(), 1, generator=generator)[:, 0]


def shown(game, state, seats, flipped):
    """Frames and legal actions of positions, mirrored where `flipped`."""
    frames, legal = game.frame(state, seats), legal_of(state, seats)
    mirrored = torch.arange(envs.NUM_ACTIONS)
    mirrored[:WIDTH] = mirrored[:WIDTH].flip(0)
    for row in flipped.nonzero()[:, 0].tolist():
        frames[row] = game.mirror_frames(frames[row : row + 1])[0]
        legal[row] = legal[row, mirrored]
    return frames, legal


def boards_of(arena):
    return [board_of(arena.state, i) for i in range(NUM_GAMES)]


def keys_of(state):
    return {board_of(state, i).key() for i in range(state.num_games)}


def real_columns(arena, actions):
    """What the shown actions mean on the board."""
    pairs = zip(actions.tolist(), arena.flipped.tolist(), strict=True)
    return [WIDTH - 1 - action if flipped else action for action, flipped in pairs]


class Book:
    """The same games on plain boards, one by one."""

    def __init__(self, arena, openings):
        self.arena, self.starts = arena, keys_of(openings)
        self.boards, self.results = boards_of(arena), []
        self.seats = [board.to_move for board in self.boards]
        self.seats_seen = set()

    def check_observation(self, game, observation):
        seats = torch.tensor(self.seats)
        frames, legal = shown(game, self.arena.state, seats, self.arena.flipped)
        assert torch.equal(observation.seat, seats)
        assert torch.equal(observation.frames, frames)
        assert torch.equal(observation.legal_actions, legal)
        assert [board.to_move for board in self.boards] == self.seats, "the learner is to move"
        self.seats_seen |= set(self.seats)

    def check_after(self, outcome, rewards):
        ended = [board.ended for board in self.boards]
        assert outcome.reward.tolist() == rewards
        assert outcome.ended.tolist() == ended
        now = boards_of(self.arena)
        for row, board in enumerate(now):
            if ended[row]:
                self.results.append(rewards[row])
                assert board.key() in self.starts, "a new game begins from an opening"
                self.boards[row] = board
                self.seats[row] = board.to_move
            else:
                assert board.key() == self.boards[row].key()
        tally = self.arena.tally
        assert tally.counts.tolist() == [self.results.count(x) for x in (-1.0, 0.0, 1.0)]


def test_a_mirror_arena_pays_what_its_games_pay_one_by_one(game, openings, generator):
    arena = arena_against(None, game, openings)
    book = Book(arena, openings)
    for _ in range(120):
        observation = arena.observe()
        book.check_observation(game, observation)
        actions = random_choice(observation, generator)
        columns, rewards = real_columns(arena, actions), []
        for board, column, seat in zip(book.boards, columns, book.seats, strict=True):
            board.drop(column)
            rewards.append(board.rewards[seat])
        outcome = arena.advance(actions)
        assert (outcome.sign == -1).all(), "the next decision is the other seat's"
        assert outcome.truncated is None
        book.seats = [1 - seat for seat in book.seats]
        book.check_after(outcome, rewards)
    assert len(book.results) > 60
    assert set(book.results) <= {1.0, 0.0}, "who moved last did not lose"
    assert book.seats_seen == {0, 1}


def test_an_arena_with_an_opponent_pays_what_its_games_pay_one_by_one(game, openings, generator):
    opponent = Recorded()
    arena = arena_against(opponent, game, openings)
    assert opponent.resets[0].all()
    book = Book(arena, openings)
    for _ in range(120):
        observation = arena.observe()
        book.check_observation(game, observation)
        actions = random_choice(observation, generator)
        columns = real_columns(arena, actions)
        outcome = arena.advance(actions)
        assert opponent.seat.tolist() == [1 - seat for seat in book.seats]
        rewards = []
        replies = opponent.actions.tolist()
        for board, column, reply, seat in zip(
            book.boards, columns, replies, book.seats, strict=True
        ):
            board.drop(column)
            if not board.ended:
                board.drop(reply)
            rewards.append(board.rewards[seat])
        assert (outcome.sign == 1).all(), "the next decision is the learner's again"
        if outcome.ended.any():
            assert torch.equal(opponent.resets[-1], outcome.ended)
        book.check_after(outcome, rewards)
    assert set(book.results) == {1.0, -1.0} or set(book.results) == {1.0, 0.0, -1.0}
    assert book.seats_seen == {0, 1}


def test_the_opponent_sees_the_board_as_it_is_even_where_the_learner_sees_a_mirror(
    game, openings, generator
):
    opponent = Recorded()
    arena = arena_against(opponent, game, openings)
    for _ in range(5):
        boards, flipped = boards_of(arena), arena.flipped
        assert flipped.any()
        actions = random_choice(arena.observe(), generator)
        columns = real_columns(arena, actions)
        arena.advance(actions)
        for row, (board, column) in enumerate(zip(boards, columns, strict=True)):
            board.drop(column)
            if not board.ended:
                assert board_of(opponent.state, row).key() == board.key()


@pytest.mark.parametrize("name", [None, "connect/one_ply"])
def test_flips_are_invisible_to_the_rules(game, openings, name):
    plain, mirrored = (
        arena_against(name and make_scripted(name), game, openings, seed=4) for _ in range(2)
    )
    plain.flipped = torch.zeros(NUM_GAMES, dtype=torch.bool)
    mirrored.flipped = ~plain.flipped
    first, second = plain.observe(), mirrored.observe()
    table = game.mirror_actions
    assert torch.equal(game.mirror_frames(first.frames), second.frames)
    assert torch.equal(first.legal_actions[:, table], second.legal_actions)
    actions = random_choice(first, torch.Generator().manual_seed(1))
    outcomes = plain.advance(actions), mirrored.advance(table[actions])
    assert torch.equal(outcomes[0].reward, outcomes[1].reward)
    assert torch.equal(outcomes[0].ended, outcomes[1].ended)
    assert torch.equal(plain.state.boards, mirrored.state.boards)


def test_about_half_of_the_games_are_flipped_and_a_game_keeps_its_side(game, openings, generator):
    arena = arena_against(None, game, openings)
    shares = []
    for _ in range(150):
        before = arena.flipped.clone()
        outcome = arena.advance(random_choice(arena.observe(), generator))
        assert torch.equal(arena.flipped[~outcome.ended], before[~outcome.ended])
        shares.append(arena.flipped.float().mean().item())
    assert sum(shares) / len(shares) == pytest.approx(0.5, abs=0.1)


def test_to_observe_changes_nothing(game, openings):
    arena = arena_against(Random(), game, openings)
    first, second = arena.observe(), arena.observe()
    assert torch.equal(first.frames, second.frames)
    assert torch.equal(first.legal_actions, second.legal_actions)


def test_arenas_side_by_side_are_the_arenas_one_by_one(game, openings, generator):
    def build():
        return [
            arena_against(None, game, openings, seed=1),
            arena_against(Random(), game, openings, seed=2),
            arena_against(make_scripted("connect/one_ply"), game, openings, seed=3),
        ]

    alone, together = build(), Arenas(build())
    assert together.num_rows == 3 * NUM_GAMES
    for _ in range(30):
        seen = together.observe()
        apart = [arena.observe() for arena in alone]
        assert torch.equal(seen.frames, torch.cat([o.frames for o in apart]))
        assert torch.equal(seen.legal_actions, torch.cat([o.legal_actions for o in apart]))
        assert torch.equal(seen.seat, torch.cat([o.seat for o in apart]))
        actions = random_choice(seen, generator)
        outcome = together.advance(actions)
        parts = [arena.advance(a) for arena, a in zip(alone, actions.chunk(3), strict=True)]
        for name in ("reward", "ended", "sign"):
            whole = torch.cat([getattr(part, name) for part in parts])
            assert torch.equal(getattr(outcome, name), whole), name


def test_an_arena_goes_on_where_it_was_saved(game, openings, generator):
    first = arena_against(Random(), game, openings, seed=1)
    for _ in range(20):
        first.advance(random_choice(first.observe(), generator))
    second = arena_against(Random(), game, openings, seed=9)
    second.load_state_dict(first.state_dict())
    second.generator.set_state(first.generator.get_state())
    assert torch.equal(second.tally.counts, first.tally.counts)
    assert first.tally.games > 0
    for _ in range(20):
        seen = first.observe()
        assert torch.equal(seen.frames, second.observe().frames)
        actions = random_choice(seen, generator)
        outcomes = first.advance(actions), second.advance(actions)
        assert torch.equal(outcomes[0].reward, outcomes[1].reward)
        assert torch.equal(first.state.boards, second.state.boards)
        assert torch.equal(first.flipped, second.flipped)
        assert torch.equal(first.tally.counts, second.tally.counts)


def test_a_saved_arena_does_not_change_when_play_goes_on(game, openings, generator):
    arena = arena_against(None, game, openings)
    saved = arena.state_dict()
    copies = {name: x.clone() for name, x in saved["games"].items()}
    for _ in range(10):
        arena.advance(random_choice(arena.observe(), generator))
    assert all(torch.equal(copies[name], saved["games"][name]) for name in copies)


# Openings.


def test_openings_are_unfinished_positions_of_legal_play(game, generator):
    state = random_positions(game, 400, 24, 0.7, generator)
    assert state.num_games == 400
    assert not state.ended.any()
    assert not state.rewards.any()
    for index in range(400):
        board = board_of(state, index)
        counts = [sum(cell == seat for row in board.rows for cell in row) for seat in (0, 1)]
        assert counts[0] - counts[1] in (0, 1)
        assert state.ticks[index] == board.num_discs <= 24
        assert state.to_move[index, board.to_move]
        for lower, upper in zip(board.rows[:-1], board.rows[1:], strict=True):
            assert all(up is None or low is not None for low, up in zip(lower, upper, strict=True))
        for seat in (0, 1):
            assert not has_line(board, seat)
    fresh = game.from_boards(state.boards, state.seat)
    assert torch.equal(fresh.legal_actions, state.legal_actions)


def has_line(board, seat):
    cells = {
        (r, c) for r, row in enumerate(board.rows) for c, cell in enumerate(row) if cell == seat
    }
    steps = ((1, 0), (0, 1), (1, 1), (1, -1))
    return any(
        all((r + i * up, c + i * right) in cells for i in range(4))
        for r, c in cells
        for up, right in steps
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_openings_have_the_share_of_midgames_that_was_asked_for(game, generator, share):
    plies = random_positions(game, 4_000, 24, share, generator).ticks
    deep = (plies >= 2).float().mean().item()
    assert deep == pytest.approx(share, abs=0.03)
    early = plies[plies < 2]
    if share < 1:
        assert early.float().mean().item() == pytest.approx(0.5, abs=0.05)
    if share > 0:
        assert plies.max() > 20
        assert plies.max() <= 24
        counts = plies[plies >= 2].bincount(minlength=25)[2:10].float()
        assert counts.min() > 0.6 * counts.max(), "all depths are as frequent"


def test_equal_seeds_give_equal_openings(game):
    states = [
        random_positions(game, 50, 10, 0.5, torch.Generator().manual_seed(s)) for s in (3, 3, 4)
    ]
    assert torch.equal(states[0].boards, states[1].boards)
    assert not torch.equal(states[0].boards, states[2].boards)


def test_a_tally_counts_a_draw_as_half():
    tally = Tally(torch.device("cpu"))
    assert tally.score == 0.5
    ended = torch.tensor([True, True, False, True, True])
    tally.add(torch.tensor([1.0, 2.0, -1.0, 0.0, -1.0]), ended)
    tally.add(torch.tensor([0.0]), ended[:1])
    assert tally.counts.tolist() == [1, 2, 2]
    assert tally.games == 5
    assert tally.score == pytest.approx(0.6)
    tally.clear()
    assert tally.games == 0
