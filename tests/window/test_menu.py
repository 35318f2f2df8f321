"""The menu: names, who starts, the record, and ways out."""

import pygame

from lifelong_agent import Record
from tests.window.stand_in import StandIn
from window.menu import GAME, GUEST, MODIFIERS, NAME, OPPONENT, QUIT, START, STARTER, Menu
from window.menu_form import describe
from window.widgets import LONGEST_NAME


def test_a_typed_name_is_the_one_the_agent_meets(sit_down):
    table = sit_down()
    table.tick()
    table.write("Żoé 2x")
    table.press(pygame.K_BACKSPACE)
    table.press(pygame.K_RETURN)
    table.until(lambda: table.agent.games)
    assert table.agent.games == [("connect", "Żoé 2")]


def test_without_a_name_a_guest_plays(sit_down):
    table = sit_down()
    table.tick()
    table.write("  ")
    assert table.screen.name == GUEST


def test_a_guest_who_comes_back_finds_the_field_empty_and_somebody_else_their_name(sit_down):
    for name, found in (("", ""), ("Ana", "Ana")):
        table = sit_down(name=name)
        table.start()
        table.press(pygame.K_ESCAPE)
        assert isinstance(table.screen, Menu)
        assert table.screen.field.text == found


def test_a_name_ends_at_its_longest_and_takes_no_control_characters(sit_down):
    table = sit_down()
    table.write("a\x07" * 40)
    assert table.screen.name == "a" * LONGEST_NAME
    table.press(pygame.K_BACKSPACE, mod=pygame.KMOD_CTRL)
    assert table.screen.field.text == ""


def test_tab_goes_round_and_enter_on_quit_leaves(sit_down):
    table = sit_down()
    seen = [table.screen.focus]
    stops = [OPPONENT, STARTER, START, QUIT, GAME, MODIFIERS]
    for _ in range(len(stops) + 1):
        table.press(pygame.K_TAB)
        seen.append(table.screen.focus)
    assert seen == [NAME, *stops, NAME]
    while table.screen.focus != QUIT:
        table.press(pygame.K_TAB, mod=pygame.KMOD_SHIFT)
    table.press(pygame.K_RETURN)
    assert not table.app.running


def test_arrows_and_clicks_choose_who_starts(sit_down):
    table = sit_down()
    table.press(pygame.K_DOWN)
    table.press(pygame.K_DOWN)
    table.press(pygame.K_RIGHT)
    assert table.screen.starter.chosen == 1
    table.press(pygame.K_LEFT)
    table.press(pygame.K_LEFT)
    assert table.screen.starter.chosen == 2
    table.click(table.screen.starter._rects[0].center)
    assert table.screen.starter.chosen == 0


def test_letters_go_to_the_name_wherever_the_focus_is(sit_down):
    table = sit_down()
    table.press(pygame.K_TAB)
    table.press(pygame.K_TAB)
    table.write("Bo")
    assert table.screen.name == "Bo"


def test_start_and_quit_can_be_clicked(sit_down):
    table = sit_down()
    table.tick()
    table.click(table.screen.start.rect.center)
    assert not isinstance(table.screen, Menu)
    other = sit_down()
    other.tick()
    other.click(other.screen.leave.rect.center)
    assert not other.app.running


def test_escape_leaves(sit_down):
    table = sit_down()
    table.press(pygame.K_ESCAPE)
    assert not table.app.running


def test_the_record_is_asked_for_when_the_name_is_still(sit_down):
    agent = StandIn()
    agent.results["Ana"] = [1.0, -1.0, -1.0, 0.0]
    table = sit_down(agent)
    table.write("Ana")
    table.until(lambda: table.screen.resting and table.screen._asked == "Ana")
    assert table.screen._record.result() == Record(4, 1, 1, 2)


def test_the_record_is_told_from_the_persons_side():
    assert describe("Ana", Record(0, 0, 0, 0)) == "The agent has not met Ana yet."
    assert describe("Ana", Record(6, 1, 2, 3)) == (
        "The agent remembers 6 games with Ana: 3 won by you, 2 drawn, 1 won by it."
    )
