"""Lessons: what teachers say, how it is weighed, and that it is learned."""

import functools

import pytest
import torch

import envs
from lifelong_agent.policy import NetworkConfig
from lifelong_agent.ppo import PPOConfig
from selfplay import training
from selfplay.arena import as_shown, make_arena
from selfplay.lessons import TEACHERS, judge_connect, judge_tron, lesson_loss
from selfplay.rollout import Arenas
from selfplay.seats import Random
from selfplay.training import TrainConfig, Trainer
from tests.lifelong_agent.probes import SMALL
from tests.oracles.boards import state_of
from tests.oracles.connect import Board


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_lesson_costs_as_much_as_the_approved_actions_are_unlikely():
    log_probs = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]).log()
    approved = torch.tensor([[True, True, False], [False, False, True]])
    wanted = -(torch.tensor(0.75).log() + torch.tensor(0.1).log()) / 2
    assert lesson_loss(log_probs, approved).item() == pytest.approx(wanted.item())
    assert lesson_loss(log_probs, torch.ones_like(approved)).item() == pytest.approx(0, abs=1e-6)


def test_the_judge_of_connect_approves_of_the_win_and_of_all_where_it_sees_none():
    game = envs.make("connect")
    state = state_of(game, [Board.after([0, 6, 0, 6, 0, 6]), Board.after([])])
    approved = judge_connect(4)(game, state, state.seat)
    assert approved[0].nonzero()[:, 0].tolist() == [0]
    assert approved[1, :7].all()
    assert not approved[:, 7:].any()


@pytest.mark.parametrize(
    ("columns", "plies", "approved"),
    [
        ([0, 6, 0, 6, 0, 5], 1, [0]),  # a win at hand
        ([0, 6, 0, 6, 0], 2, [0]),  # a threat to block
        ([3], 3, list(range(7))),  # a quiet position
    ],
)
def test_the_judge_of_connect_sees_wins_and_threats(columns, plies, approved):
    game = envs.make("connect")
    state = state_of(game, [Board.after(columns)])
    said = judge_connect(plies)(game, state, state.seat)
    assert said[0].nonzero()[:, 0].tolist() == approved


def test_the_judge_of_tron_approves_of_no_crash_while_there_is_a_way():
    game = envs.make("tron")
    state = game.start(torch.tensor([3]), game.fence[None], torch.tensor([0]))
    for _ in range(2):  # both go left, to the column beside the fence
        state = game.step(state, torch.tensor([[2, 2]]), seeded())
    approved = judge_tron(game, state, torch.tensor([0]))
    assert approved.shape == (1, 16)
    assert set(approved[0].nonzero()[:, 0].tolist()) <= {0, 1}
    assert approved[0, 0], "up, into the open"


@pytest.mark.parametrize("name", sorted(TEACHERS))
def test_teachers_are_asked_in_the_names_that_the_learner_is_shown(name):
    game = envs.make(name)
    arenas = Arenas(
        [
            make_arena(game, 6, player, game.init(9, seeded()), seeded())
            for player in (None, Random())
        ]
    )
    for _ in range(8):
        legal = arenas.observe().legal_actions
        said = arenas.ask(TEACHERS)
        assert said.shape == (arenas.num_rows, 16)
        assert said.any(1).all()
        assert (legal | ~said).all(), "no teacher approves of what is illegal"
        arenas.advance(torch.multinomial(legal.float(), 1, generator=seeded())[:, 0])


def test_a_teacher_is_asked_once_about_all_arenas_of_its_game_row_by_row():
    tron, connect = envs.make("tron"), envs.make("connect")
    rooms = [(tron, 2, None), (connect, 3, Random()), (tron, 3, Random())]
    arenas = Arenas(
        [make_arena(g, num, p, g.init(4, seeded()), seeded(num)) for g, num, p in rooms]
    )
    asked = []

    def note(game, state, seat):
        asked.append((game.name, seat.tolist()))
        return torch.nn.functional.one_hot(state.ticks.long() + seat, 16).bool()

    for arena in arenas.arenas:
        arena.flipped.zero_()
    said = arenas.ask({"tron": note, "connect": note})
    seats = [arena.observe().seat for arena in arenas.arenas]
    assert asked == [
        ("tron", torch.cat(seats[:2]).tolist()),
        ("connect", seats[2].tolist()),
    ]
    assert said.int().argmax(1).tolist() == torch.cat(seats).tolist()


def test_what_is_said_of_a_flipped_row_is_flipped():
    game = envs.make("connect")
    arena = make_arena(game, 2, Random(), game.init(2, seeded()), seeded())
    arena.flipped = torch.tensor([False, True])
    first_column = torch.arange(16).expand(2, -1) == 0
    assert as_shown([arena], first_column).int().argmax(1).tolist() == [0, 6]


@pytest.fixture
def taught(tmp_path, monkeypatch):
    """Runs a small network on tron with lessons; returns the trainer and the lesson losses."""
    small = NetworkConfig(eyes=SMALL.eyes, circuits=SMALL.circuits)
    monkeypatch.setattr(training, "USUAL", small)
    monkeypatch.setattr(training, "PPOConfig", functools.partial(PPOConfig, num_steps=8))

    def run(steps, lessons, **more):
        config = TrainConfig(
            games=("tron",), steps=steps, num_games=32, lessons=lessons, learning_rate=2e-3,
            opponents=(), max_opening_plies=4, **more,
        )  # fmt: skip
        trainer = Trainer(config, tmp_path)
        losses = []
        more = trainer.algorithm._more_losses

        def note(log_probs, rows):
            parts = more(log_probs, rows)
            losses.append(float(parts["lesson_loss"].detach()) if parts else 0.0)
            return parts

        trainer.algorithm._more_losses = note
        trainer.run()
        return trainer, losses

    return run


@pytest.mark.slow
def test_lessons_are_learned(taught):
    _, losses = taught(32 * 8 * 12, 10**9)
    assert sum(losses[-8:]) / 8 < 0.9 * sum(losses[:8]) / 8


def test_the_teachers_word_falls_to_nothing(taught):
    trainer, losses = taught(32 * 8 * 4, 32 * 8 * 2)
    assert trainer.algorithm.lesson_weight == 0
    assert losses[0] > 0
    assert losses[-8:] == [0.0] * 8, "in the last rollout nobody was asked"


def test_the_teachers_word_falls_to_a_floor_and_games_may_be_left_untaught(taught):
    trainer, losses = taught(32 * 8 * 3, 32 * 8, lesson_floor=0.25)
    assert trainer.algorithm.lesson_weight == 0.25
    assert min(losses) > 0
    _, silent = taught(32 * 8, 32 * 8, lesson_floor=0.25, taught=("connect",))
    assert max(silent) < 1e-5, "whatever is done is approved of"


def test_rows_of_one_game_are_one_group_whoever_plays_it():
    tron, connect = envs.make("tron"), envs.make("connect")
    rooms = [(tron, 2, None), (connect, 3, Random()), (tron, 3, Random())]
    arenas = Arenas([make_arena(g, num, p, g.init(4, seeded()), seeded()) for g, num, p in rooms])
    assert arenas.groups.tolist() == [0] * 7 + [1] * 3
