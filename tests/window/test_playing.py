"""Real games through the event queue, against a stand-in for the agent."""

import threading
import time

import pygame
import pytest

from tests.window.stand_in import StandIn
from window.menu import Menu
from window.screen import STARTERS
from window.theme import Canvas

YOU, AGENT, TURNS = range(len(STARTERS))


def test_four_keys_win_a_game_and_the_agent_is_told_that_it_lost(sit_down):
    table = sit_down(StandIn(habit=(6, 5, 4)), name="Ana")
    table.start()
    table.play(1, 1, 1, 1)
    assert table.match.referee.ended
    table.until(lambda: table.match.aftermath.settled)
    assert table.match.referee.moves == [0, 6, 0, 6, 0, 6, 0]
    assert table.agent.games == [("connect", "Ana")]
    assert table.agent.results == {"Ana": [-1.0]}
    assert table.match.board._line == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_clicks_play_too_and_the_agent_can_win(sit_down):
    table = sit_down(StandIn(habit=(0,)))
    table.start()
    for column in (3, 4, 3, 6):
        table.until_my_turn()
        table.click_column(column)
    table.until(lambda: table.match.referee.ended)
    table.until(lambda: table.match.aftermath.settled)
    assert table.match.referee.moves == [3, 0, 4, 0, 3, 0, 6, 0]
    assert table.agent.results == {"guest": [1.0]}


def test_the_arrows_move_the_hand_and_enter_drops(sit_down):
    table = sit_down()
    table.start()
    for _ in range(3):
        table.press(pygame.K_RIGHT)
    table.press(pygame.K_SPACE)
    assert table.match.referee.moves == [5]


def test_keys_of_the_number_pad_and_of_other_keyboards_count(sit_down):
    table = sit_down()
    table.start()
    table.press(pygame.K_KP7)
    assert table.match.referee.moves == [6]
    table.until_my_turn()
    french_four = pygame.event.Event(
        pygame.KEYDOWN, key=pygame.K_QUOTE, unicode="'", mod=0, scancode=pygame.KSCAN_4
    )
    pygame.event.post(french_four)
    table.tick()
    assert table.match.referee.moves[2] == 3


def test_nothing_happens_out_of_turn_in_a_full_column_or_by_another_button(sit_down):
    gate = threading.Event()
    table = sit_down(StandIn(habit=(0, 1), gate=gate))
    table.start()
    table.click_column(0, button=3)
    table.press(pygame.K_8)
    table.press(pygame.K_9)
    assert table.match.referee.moves == []
    table.press(pygame.K_1)
    table.press(pygame.K_2)  # the agent is to move
    assert table.match.referee.moves == [0]
    gate.set()
    table.play(1, 1)
    table.until_my_turn()
    assert table.match.referee.moves == [0, 0, 0, 0, 0, 0]
    table.press(pygame.K_1)
    assert len(table.match.referee.moves) == 6


def test_the_agent_sees_its_own_seat_and_only_its_own_thread_touches_it(sit_down):
    table = sit_down(StandIn(habit=(2,)))
    table.start()
    table.play(7)
    table.until_my_turn()
    person_disc = table.agent.last_frame[:, 6 * 8 + 4, 6 * 8 + 4]
    assert tuple(int(c) for c in person_disc) == (222, 52, 66)  # the other's colour, to the agent
    assert len(table.agent.threads) == 1
    assert threading.get_ident() not in table.agent.threads


def test_the_window_does_not_wait_for_a_slow_agent(sit_down):
    gate = threading.Event()
    table = sit_down(StandIn(gate=gate))
    table.start()
    table.press(pygame.K_4)
    for _ in range(60):  # if a frame waited for the agent, this would never end
        table.tick(0.1)
    assert table.match.referee.moves == [3]
    table.press(pygame.K_m)
    assert table.match.show_mind
    gate.set()
    table.until_my_turn()
    assert len(table.match.referee.moves) == 2


@pytest.mark.parametrize(
    ("starter", "first_seats"), [(YOU, [0, 0]), (AGENT, [1, 1]), (TURNS, [0, 1])]
)
def test_who_starts_is_as_chosen_in_every_game(sit_down, starter, first_seats):
    table = sit_down(StandIn(habit=(6, 5)))
    table.tick()
    for _ in range(starter):
        table.screen.starter.move(1)
    table.start()
    seats = []
    for _ in range(2):
        seats.append(table.match.referee.person_seat)
        while not table.match.referee.ended:
            table.play(1)
            table.until_my_turn()
        table.press(pygame.K_RETURN)
    assert seats == first_seats


def test_escape_in_a_game_asks_and_a_second_one_leaves_to_the_menu(sit_down):
    table = sit_down()
    table.start()
    table.play(1)
    table.until_my_turn()
    table.press(pygame.K_ESCAPE)
    assert table.match.paused
    table.press(pygame.K_4)
    assert len(table.match.referee.moves) == 2
    table.press(pygame.K_ESCAPE)
    assert isinstance(table.screen, Menu)
    assert table.agent.results == {}


def test_pause_holds_the_agent_back_until_one_goes_on(sit_down):
    table = sit_down()
    table.start()
    table.press(pygame.K_4)
    table.press(pygame.K_p)
    for _ in range(30):
        table.tick(0.1)
        time.sleep(0.001)
    assert table.match.referee.moves == [3]
    table.press(pygame.K_p)
    table.until_my_turn()
    assert len(table.match.referee.moves) == 2


def test_buttons_pause_open_the_mind_and_leave(sit_down):
    table = sit_down()
    table.start()
    table.click(table.match._mind.rect.center)
    assert table.match.show_mind
    table.click(table.match._pause.rect.center)
    assert table.match.paused
    table.click(table.match._resume.rect.center)
    assert not table.match.paused
    table.click(table.match._leave.rect.center)
    assert isinstance(table.screen, Menu)


def test_after_a_game_the_points_stand_and_the_menu_knows_the_record(sit_down):
    table = sit_down(StandIn(habit=(6, 5)), name="Ana")
    table.start()
    table.play(1, 1, 1, 1)
    assert (table.match.setting.tally.person, table.match.setting.tally.rival) == (1, 0)
    table.until(lambda: table.match.aftermath.settled)
    table.press(pygame.K_ESCAPE)
    table.until(lambda: table.screen.resting)
    record = table.screen._record.result()
    assert (record.games, record.wins, record.losses) == (1, 0, 1)
    assert table.app.report() == {
        "game": "connect",
        "headless": False,
        "games": 1,
        "wins": 1,
        "draws": 0,
        "losses": 0,
        "played": [
            {
                "game": "connect",
                "opponent": "agent",
                "player": "Ana",
                "player_starts": True,
                "result": 1,
                "moves": [1, 7, 1, 7, 1, 7, 1],
            }
        ],
    }


def test_a_new_game_may_begin_while_the_agent_sleeps_and_says_so(sit_down):
    pillow = threading.Event()
    table = sit_down(StandIn(habit=(6, 5), pillow=pillow))
    table.start()
    table.play(1, 1, 1, 1)
    table.press(pygame.K_RETURN)
    table.press(pygame.K_3)
    table.tick(1.0)
    assert table.match.referee.moves == [2]
    assert table.match._say_how_it_stands()[1] == "It is still asleep…"
    pillow.set()
    table.until_my_turn()
    assert len(table.match.referee.moves) == 2


def test_a_new_game_wakes_the_agent_up_and_leaving_makes_up_for_the_sleep(sit_down):
    agent = StandIn(habit=(6, 5), pillow=threading.Event(), light_sleeper=True)
    table = sit_down(agent)
    table.start()
    table.play(1, 1, 1, 1)
    table.until(lambda: agent.sleeps == 1)
    table.press(pygame.K_RETURN)
    table.press(pygame.K_3)
    table.until_my_turn()  # although nobody took the pillow away
    assert len(table.match.referee.moves) == 2
    assert not table.app._thinker.asleep
    agent.pillow.set()
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    table.app.run()
    assert agent.sleeps == 2
    assert agent.closed


def test_what_it_noted_about_the_person_stands_above_the_cards(sit_down, monkeypatch):
    table = sit_down(StandIn(habit=(6, 5)))
    written = []
    monkeypatch.setattr(
        Canvas, "paragraph", lambda self, words, place, *_: written.append(words) or place.top
    )
    table.start()
    table.play(1, 1, 1, 1)
    table.until(lambda: table.match.aftermath.settled)
    table.tick(1.0)
    assert written.index("I have met Ana 3 times.") < written.index("Plays like Ben.")


def test_the_bar_shows_how_much_of_the_sleep_is_over(sit_down):
    pillow = threading.Event()
    table = sit_down(StandIn(habit=(6, 5), pillow=pillow, light_sleeper=True))
    table.start()
    table.play(1, 1, 1, 1)
    table.until(lambda: table.app._thinker.slept == 0.4)
    assert table.match.aftermath._slept() == 0.4
    assert not table.match.aftermath.settled
    pillow.set()
    table.until(lambda: table.match.aftermath.settled)
    assert table.match.aftermath._slept() == 1.0


def test_leaving_waits_until_the_agent_has_slept_and_closed(sit_down):
    table = sit_down(StandIn(habit=(6, 5)))
    table.start()
    table.play(1, 1, 1, 1)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    table.app.run()
    assert table.agent.closed
    assert table.agent.results == {"guest": [-1.0]}
    assert table.app.report()["wins"] == 1


def test_trouble_in_the_agents_thread_ends_the_program_with_its_message(sit_down):
    table = sit_down(StandIn(fails_with=ValueError("the memory is full")))
    table.start()
    key = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_1, unicode="", mod=0, scancode=0)
    pygame.event.post(key)
    with pytest.raises(ValueError, match="the memory is full"):
        table.app.run()
    assert table.agent.closed
