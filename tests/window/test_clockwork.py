"""Games that do not wait: ticks, keys, a late rival, pause, focus, whole games by events."""

import threading
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pygame
import pytest
import torch

import envs
from tests.window.stand_in import StandIn
from window.boards import make_board
from window.clockwork import COUNT_S, COUNTDOWN, Clockwork
from window.controls import UP
from window.match import Match
from window.menu import Menu
from window.referee import Referee
from window.rivals import AgentRival, find_opponent, make_rival
from window.setting import Setting, Tally
from window.thinker import Mind, Thinker

RANDOM_HAND = "stubborn:3"


class Promise:
    """A rival that answers when it is told to."""

    label, has_mind, state, untrained = "Promise", False, "", False

    def __init__(self, *answers):
        self.answers, self.asked, self.pending = list(answers), [], []

    def begin(self, referee, person):
        pass

    def decide(self, referee):
        future = Future()
        self.asked.append(referee.num_ticks)
        self.pending.append(future)
        if self.answers:
            self.answer(self.answers.pop(0))
        return future

    def answer(self, action):
        self.pending.pop().set_result(Mind(action, (), 0.0, (), np.zeros((0, 0), "f4"), ()))

    def finish(self, referee):
        pass

    def close(self):
        pass


def begun(name, rival, person_seat=0, seed=0):
    """A clockwork after its countdown."""
    game = envs.make(name, validate=True)
    referee = Referee(game, person_seat, seed)
    board = make_board(game)
    board.follow(referee)
    clock = Clockwork(Setting("Ana", referee, rival, Tally()), board)
    for _ in range(COUNTDOWN):
        clock.update(COUNT_S)
    assert not clock.countdown
    return clock


@pytest.mark.parametrize(("name", "rate"), [("tron", 10), ("volley", 30)])
@pytest.mark.parametrize("frames_per_s", [60, 144, 24, 7])
def test_n_ticks_take_exactly_n_parts_of_a_second_whatever_the_frames(name, rate, frames_per_s):
    clock = begun(name, Promise(0, *[0] * 200))
    for frame in range(1, frames_per_s + 1):
        clock.update(1 / frames_per_s)
        assert clock.referee.num_ticks == int(frame * rate / frames_per_s + 1e-6)
        assert 0 <= clock.board.progress <= 1
    assert clock.referee.num_ticks == rate


def test_after_a_long_stall_the_game_goes_on_where_it_was():
    clock = begun("volley", Promise(*[0] * 200))
    clock.update(20.0)
    assert clock.referee.num_ticks == 7  # a quarter of a second, not 600 ticks
    clock.update(1 / 60)
    clock.update(1 / 60)
    assert clock.referee.num_ticks == 8


def test_the_countdown_counts_three_two_one_and_nothing_moves_before():
    game = envs.make("tron", validate=True)
    clock = Clockwork(Setting("", Referee(game, 0), Promise(0), Tally()), make_board(game))
    seen = []
    for _ in range(60):
        clock.update(COUNT_S * COUNTDOWN / 60)
        seen.append(clock.countdown)
        assert clock.referee.num_ticks == 0
    assert sorted(set(seen), key=seen.index) == ["3", "2", "1", ""]


def test_the_game_starts_only_when_the_rival_has_spoken():
    rival = Promise()
    clock = begun("tron", rival)
    for _ in range(20):
        clock.update(0.1)
    assert clock.referee.num_ticks == 0
    assert clock.say()[0] == "Waiting"
    rival.answer(0)
    clock.update(0.1)
    assert clock.referee.num_ticks == 1


def test_a_rival_that_is_late_goes_straight_on_and_is_asked_once():
    rival = Promise(3)  # right, then silence
    clock = begun("tron", rival, person_seat=1)
    for _ in range(4):
        clock.update(0.1)
    headings = clock.referee.state.headings[0].tolist()
    assert headings == [3, UP]
    assert rival.asked == [0, 1]  # the second question is still open
    rival.answer(0)
    clock.update(0.1)
    assert clock.referee.state.headings[0].tolist() == [0, UP]
    assert rival.asked == [0, 1, 4]


def test_an_answer_that_is_not_legal_any_more_is_not_played():
    rival = Promise(3, 2)  # right, then round on the spot
    clock = begun("tron", rival)
    for _ in range(3):
        clock.update(0.1)
    assert clock.referee.state.headings[0, 1] == 3


@pytest.mark.parametrize("seat", [0, 1])
def test_keys_are_turned_from_the_persons_own_seat(seat):
    clock = begun("tron", Promise(*[0] * 50), person_seat=seat)
    for key in (pygame.K_RIGHT, pygame.K_DOWN):
        clock.handle(pygame.event.Event(pygame.KEYDOWN, key=key))
        clock.update(0.1)
    assert clock.referee.state.headings[0, seat] == 1
    assert clock.referee.state.headings[0, 1 - seat] == 0


def match_of(sit_down, game, opponent, **config):
    table = sit_down(config.pop("agent", None), game=game, opponent=opponent, **config)
    table.start()
    assert isinstance(table.screen, Match)
    return table


def until_ticks(table, num):
    table.until(lambda: table.match.referee.num_ticks >= num or table.match.over)


def test_a_whole_game_of_tron_by_posted_keys(sit_down):
    table = match_of(sit_down, "tron", RANDOM_HAND)
    until_ticks(table, 2)
    table.press(pygame.K_RIGHT)
    table.press(pygame.K_DOWN)
    table.until(lambda: table.match.over)  # it ends at the fence below
    heads = table.match.referee.state.heads[0]
    assert table.match.referee.ended
    assert 0 <= int(heads[0]) < 1024
    assert table.match.aftermath is None
    table.until(lambda: table.match.resting)
    assert table.agent.games == []  # the agent was never asked
    table.press(pygame.K_RETURN)
    assert isinstance(table.screen, Match)
    assert table.match.referee.num_ticks == 0
    assert table.match.referee.person_seat == 1  # seats alternate
    table.press(pygame.K_ESCAPE)
    assert isinstance(table.screen, Menu)
    assert table.app.report()["played"][0]["opponent"] == RANDOM_HAND
    assert table.app.report()["played"][0]["ticks"] > 2


def test_a_point_of_volley_moves_the_score_and_the_tally_counts_matches(sit_down):
    table = match_of(sit_down, "volley", "volley/tracker")
    referee = table.match.referee
    referee._take_up(replace(referee.state, lost=torch.tensor([[3, 4]], dtype=torch.int32)))
    table.until(lambda: bool(referee.state.lost.sum() > 7))
    if not table.match.over:
        assert table.match.board.headline == "4 : 4"
        assert table.match.setting.tally.person == 0
        table.until(lambda: table.match.over)
    tally = table.match.setting.tally
    assert tally.person + tally.rival == 1
    assert table.match.board.headline.count("5") == 1


@pytest.mark.parametrize("how", ["key", "focus", "pad"])
def test_pause_holds_everything_and_going_on_counts_down_again(sit_down, how):
    table = match_of(sit_down, "volley", "volley/tracker")
    until_ticks(table, 3)
    if how == "key":
        table.press(pygame.K_p)
    elif how == "pad":
        press = pygame.event.Event(pygame.JOYBUTTONDOWN, instance_id=0, button=7)
        pygame.event.post(press)
    else:
        pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    table.tick()
    assert table.match.paused
    before = table.match.referee.num_ticks
    for _ in range(20):
        table.tick(0.1)
    assert table.match.referee.num_ticks == before
    table.press(pygame.K_p)
    assert table.match.pace.countdown == "3"
    until_ticks(table, before + 1)


def test_connect_does_not_pause_when_the_window_is_not_looked_at(sit_down):
    table = match_of(sit_down, "connect", "agent")
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    table.tick()
    assert not table.match.paused


def test_a_gamepad_plays_and_leaves(sit_down):
    table = match_of(sit_down, "volley", "volley/tracker")
    until_ticks(table, 1)
    x = float(table.match.referee.state.bodies[0, 0, 0])
    axis = pygame.event.Event(pygame.JOYAXISMOTION, instance_id=0, axis=0, value=1.0)
    pygame.event.post(axis)
    until_ticks(table, table.match.referee.num_ticks + 6)
    assert float(table.match.referee.state.bodies[0, 0, 0]) > x + 1
    for _ in range(2):
        back = pygame.event.Event(pygame.JOYBUTTONDOWN, instance_id=0, button=1)
        pygame.event.post(back)
        table.tick()
    assert isinstance(table.screen, Menu)


def test_the_agent_plays_in_its_thread_learns_and_shows_its_mind(sit_down):
    agent = StandIn(habit=(0,))
    table = match_of(sit_down, "tron", "agent", agent=agent, show_mind=True, name="Ana")
    table.until(lambda: table.match.mind is not None)
    table.until(lambda: table.match.over and table.match.aftermath.settled)
    assert agent.games == [("tron", "Ana")]
    assert agent.results["Ana"][0] in (-1, 0, 1)
    assert threading.get_ident() not in agent.threads
    table.tick()


def test_the_window_draws_on_while_the_agent_thinks(sit_down):
    gate = threading.Event()
    table = match_of(sit_down, "volley", "agent", agent=StandIn(gate=gate, habit=(0,)))
    for _ in range(60):
        table.tick(0.1)
    assert table.match.referee.num_ticks == 0
    gate.set()
    until_ticks(table, 3)


def test_an_untrained_variant_is_named_as_such(sit_down):
    thinker = Thinker(StandIn)
    while not thinker.awake:
        pass
    assert not AgentRival(thinker, "connect").untrained
    assert AgentRival(thinker, "connect:wrap").untrained
    assert AgentRival(thinker, "tron").untrained
    thinker.close()
    opponent = find_opponent("tron", "tron/voronoi")
    rival = make_rival(opponent, "tron", thinker, 0)
    assert not rival.untrained
    rival.close()


def test_a_scripted_rival_decides_as_the_player_does():
    game = envs.make("tron", validate=True)
    referee = Referee(game, 0)
    rival = make_rival(find_opponent("tron", "tron/wall_hugger"), "tron", None, 5)
    rival.begin(referee, "Ana")
    action = rival.decide(referee).result().action
    assert referee.may(1, action)
    rival.close()


def test_moves_of_both_seats_reach_the_rules_in_the_right_places():
    for seat in (0, 1):
        referee = Referee(envs.make("tron", validate=True), seat)
        referee.play_both(0, 3)
        headings = referee.state.headings[0]
        assert (int(headings[seat]), int(headings[1 - seat])) == (0, 3)
        assert torch.equal(referee.state.to_move, torch.ones(1, 2, dtype=torch.bool))


def test_a_demonstration_gives_the_hand_back_and_goes_straight_on():
    clock = begun("tron", Promise(*[0] * 50))
    clock.setting.stand_in = ScriptedTurns([3, 3, None])
    for _ in range(4):
        clock.update(0.1)
    assert clock.referee.state.headings[0, 0] == 3
    assert clock.resting
    assert clock.setting.stand_in is None


class ScriptedTurns:
    def __init__(self, actions):
        self.actions = list(actions)

    def __call__(self, referee):
        return self.actions.pop(0)
