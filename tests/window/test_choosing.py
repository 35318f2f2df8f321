"""Choosing a game, its modifiers and an opponent: by keys, mouse, pad, and names."""

import pygame
import pytest

import envs
from tests.window.stand_in import StandIn
from window.chips import Chips
from window.match import Match
from window.menu import GAME, MODIFIERS, OPPONENT, STARTER
from window.rivals import LADDERS, find_opponent, opponents_of
from window.theme import Canvas


def focus(table, stop):
    while table.screen.focus != stop:
        table.press(pygame.K_TAB)


def test_with_the_keyboard_alone_a_variant_and_a_ladder_player_are_chosen(sit_down):
    table = sit_down()
    focus(table, GAME)
    table.press(pygame.K_RIGHT)
    assert table.screen.variant == "tron"
    focus(table, MODIFIERS)
    table.press(pygame.K_SPACE)
    table.press(pygame.K_RIGHT)
    table.press(pygame.K_RIGHT)
    table.press(pygame.K_SPACE)
    assert table.screen.variant == "tron:fog+wrap"
    focus(table, OPPONENT)
    table.press(pygame.K_RIGHT)
    assert table.screen.chosen_opponent.name == "tron/wall_hugger"
    table.press(pygame.K_RETURN)
    assert isinstance(table.screen, Match)
    assert table.match.referee.game.variant == "tron:fog+wrap"
    assert table.match.setting.rival.label == "Wall hugger"


def test_with_the_mouse_too_and_the_menu_remembers(sit_down):
    table = sit_down()
    table.tick()
    table.click(table.screen.game._rects[2].center)
    table.tick()
    table.click(table.screen.modifiers._rects[0].center)
    table.tick()
    table.click(table.screen.opponent._rects[1].center)
    assert (table.screen.variant, table.screen.chosen_opponent.label) == ("volley:moon", "Tracker")
    table.press(pygame.K_RETURN)
    table.press(pygame.K_ESCAPE)
    assert (table.screen.variant, table.screen.chosen_opponent.label) == ("volley:moon", "Tracker")


def test_a_pad_moves_through_the_menu_and_starts(sit_down):
    table = sit_down()
    for value in ((0, -1), (0, 0), (1, 0), (0, 0)):
        hat = pygame.event.Event(pygame.JOYHATMOTION, instance_id=0, hat=0, value=value)
        pygame.event.post(hat)
        table.tick()
    assert table.screen.chosen_opponent.name == "connect/one_ply"
    pygame.event.post(pygame.event.Event(pygame.JOYBUTTONDOWN, instance_id=0, button=0))
    table.tick()
    assert table.match.setting.rival.label == "One ply"


def test_nobody_starts_a_game_in_which_both_move_at_once(sit_down):
    table = sit_down(game="tron")
    assert STARTER not in table.screen._stops
    assert STARTER in sit_down(game="connect").screen._stops


def test_every_game_and_modifier_has_a_line_of_its_own(sit_down):
    for number, (game, kind) in enumerate(envs.GAMES.items()):
        table = sit_down()
        focus(table, GAME)
        for _ in range(number):
            table.press(pygame.K_RIGHT)
        focus(table, MODIFIERS)
        seen = []
        for _ in kind.MODIFIERS:
            seen.append(table.screen.modifier_words)
            table.press(pygame.K_RIGHT)
        assert seen == [f"{name}: {words}" for name, words in kind.MODIFIERS.items()]
        assert table.screen.base == game


def test_modifiers_that_exclude_each_other_cannot_both_be_on():
    chips = Chips(("wind", "calm", "moon"), [frozenset({"wind", "calm"})], ["wind"])
    assert chips.obstacle("calm") == "wind"
    assert not chips.switch(1)
    assert chips.switch(2)
    assert chips.chosen == {"wind", "moon"}
    assert chips.switch(0)
    assert chips.switch(1)
    assert chips.obstacle("wind") == "calm"
    assert chips.chosen == {"calm", "moon"}


def test_chips_break_into_rows_within_their_room():
    surface = pygame.Surface((640, 480))
    chips = Chips([f"modifier{n}" for n in range(12)])
    pygame.font.init()
    canvas, room = Canvas(surface), pygame.Rect(10, 10, 300, 10)
    height = chips.place(canvas, room)
    assert len({rect.top for rect in chips._rects}) > 2
    assert all(rect.left >= 10 and rect.right <= 310 for rect in chips._rects)
    assert max(rect.bottom for rect in chips._rects) == 10 + height


@pytest.mark.parametrize("game", sorted(envs.GAMES))
def test_every_opponent_that_is_offered_can_be_met(game):
    for opponent in opponents_of(game):
        assert find_opponent(game, opponent.name) is opponent
        assert opponent.words
    assert {one.name.partition("/")[0] for one in LADDERS[game]} == {game}
    assert find_opponent(game, "stubborn:5").name == "stubborn:5"
    for opponent in LADDERS[game]:
        assert (
            find_opponent(game, f"clumsy-20:{opponent.name}").name == f"clumsy-20:{opponent.name}"
        )


@pytest.mark.parametrize(
    "name",
    ["tron/voronoi", "clumsy-9:tron/voronoi", "agent:dir", "nobody", "", "connect/negamax-x"],
)
def test_other_opponents_are_refused_by_name(name):
    with pytest.raises(ValueError, match=r"no opponent '.*' for connect: known are agent, connect"):
        find_opponent("connect", name)


def test_an_untrained_game_says_so_in_menu_and_match(sit_down, monkeypatch):
    said = []
    from window import match_view, menu_form

    for module in (match_view, menu_form):
        monkeypatch.setattr(module.Canvas, "paragraph", paragraph_that_tells(said))
    for game, is_told in (("connect", False), ("connect:wrap", True), ("volley", True)):
        for opponent in ("agent", "random"):
            said.clear()
            table = sit_down(StandIn(), game=game, opponent=opponent)
            table.until(lambda table=table: table.screen.resting)
            table.tick(0.2)
            table.press(pygame.K_RETURN)
            table.tick()
            words = [line for line in said if "has not been trained on this game" in line]
            assert len(words) >= 2 * (is_told and opponent == "agent")
            assert bool(words) == (is_told and opponent == "agent")


def paragraph_that_tells(said):
    whole = Canvas.paragraph

    def paragraph(self, words, *args, **named):
        said.append(words)
        return whole(self, words, *args, **named)

    return paragraph
