"""The board of connect with its modifiers: what is drawn, what keys and mouse do."""

import numpy as np
import pygame
import pytest

import envs
from tests.window.stand_in import StandIn
from window.cells import PERSONS, PILLAR, find_lines, is_popped, read_cells
from window.connect_board import ConnectBoard
from window.display import open_window
from window.referee import Referee
from window.theme import Canvas

STAGE = pygame.Rect(0, 0, 700, 660)


def board_of(name, moves=(), seed=0):
    open_window()
    referee = Referee(envs.make(name, validate=True), 0, seed)
    board = ConnectBoard(referee.game)
    board.follow(referee)
    for action in moves:
        referee.play(action)
        board.follow(referee)
    board.update(60.0)
    return referee, board


def pixels(board):
    surface = pygame.Surface(STAGE.size)
    board.draw(Canvas(surface), STAGE, hovering=False)
    return pygame.surfarray.array3d(surface).astype(int)


@pytest.mark.parametrize("name", ["wrap", "popout", "misere", "pillars", "five", "night"])
def test_every_modifier_can_be_seen_on_an_empty_board(name):
    plain, changed = (pixels(board_of(game)[1]) for game in ("connect", f"connect:{name}"))
    assert (np.abs(plain - changed).sum(2) > 60).sum() > 300


def test_clutter_is_drawn_where_the_frame_has_it_and_never_over_a_disc():
    referee, board = board_of("connect:clutter", (3, 3, 2), seed=4)
    assert board._fireflies
    taken = read_cells(referee.game, referee.state, 0)
    for column, row, _ in board._fireflies:
        assert not (column < 7 and row < 6) or taken[column, row] == 0
    before = pixels(board)
    board._fireflies = []
    assert not np.array_equal(before, pixels(board))


def test_shift_and_a_number_pop_and_all_above_comes_down(sit_down):
    table = sit_down(StandIn(habit=(0,)), game="connect:popout")
    table.start()
    table.play(1)
    table.until_my_turn()
    assert table.match.board._owners[0].tolist() == [1, 2, 0, 0, 0, 0]
    table.press(pygame.K_1, mod=pygame.KMOD_SHIFT)
    assert table.match.referee.moves == [0, 0, 8]
    assert table.match.board._owners[0].tolist() == [2, 0, 0, 0, 0, 0]
    assert [(f.cell, f.drop) for f in table.match.board._falling] == [((0, 0), 1.0)]


def test_a_click_below_the_board_pops_and_on_it_drops(sit_down):
    table = sit_down(StandIn(habit=(6, 5)), game="connect:popout")
    table.start()
    table.play(3)
    table.until_my_turn()
    plan = table.match.board._plan
    table.click(plan.pop_button(4).center)  # nothing of one's own there
    assert len(table.match.referee.moves) == 2
    table.click(plan.pop_button(2).center)
    assert table.match.referee.moves[2] == 10
    table.until_my_turn()
    table.click(plan.square(2, 3).center)
    assert table.match.referee.moves[4] == 2
    table.until_my_turn()
    table.press(pygame.K_DELETE)
    assert table.match.referee.moves[6] == 10


def test_without_popout_shift_drops_as_ever(sit_down):
    table = sit_down()
    table.start()
    table.press(pygame.K_4, mod=pygame.KMOD_SHIFT)
    assert table.match.referee.moves == [3]


def test_five_has_eight_columns_and_the_key_eight(sit_down):
    table = sit_down(game="connect:five")
    table.start()
    table.press(pygame.K_8)
    assert table.match.referee.moves == [7]
    assert "1-8" in table.match.board.hint


def test_misere_warns_and_the_line_loses(sit_down):
    table = sit_down(StandIn(habit=(6, 5)), game="connect:misere")
    table.start()
    assert table.match.board.hint.startswith("A line loses!")
    table.play(1, 1, 1, 1)
    assert table.match.referee.person_result == -1
    assert table.match.board._line == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_lines_go_over_the_edge_where_it_joins_and_pillars_make_none():
    owners = np.zeros((7, 6), np.int8)
    owners[[5, 6, 0, 1], 0] = PERSONS
    assert find_lines(owners) == []
    assert find_lines(owners, wraps=True) == [(0, 0), (1, 0), (5, 0), (6, 0)]
    assert find_lines(owners, 5, wraps=True) == []
    owners[:] = PILLAR
    assert find_lines(owners) == []


def test_pillars_stand_in_the_cells_that_the_rules_block():
    referee, board = board_of("connect:pillars", seed=3)
    bits = int(referee.state.walls[0])
    wanted = [[bits >> (7 * c + r) & 1 for r in range(6)] for c in range(7)]
    assert np.array_equal(board._owners == PILLAR, np.array(wanted, bool))
    assert bits
    assert not board.moving


def test_a_pop_is_told_from_a_drop():
    column = np.array
    assert is_popped(column([1, 2, 0]), column([2, 0, 0]))
    assert is_popped(column([1, 1, 0]), column([1, 0, 0]))
    assert is_popped(column([1, 0, 0]), column([0, 0, 0]))
    assert not is_popped(column([1, 0, 0]), column([1, 1, 0]))
    assert not is_popped(column([0, 0, 0]), column([1, 0, 0]))
    assert not is_popped(column([1, 2, 0]), column([1, 2, 0]))


def test_thumbnails_know_pillars_and_eight_columns():
    for name, size in (("connect:pillars", (70, 60)), ("connect:five", (64, 56))):
        referee, board = board_of(name, (2,), seed=3)
        picture = board.thumbnail(referee.rival_view()["observation"], 70)
        assert picture.get_size() == size
    picture = board_of("connect:pillars", (2,), seed=3)
    stone = board_of("connect:pillars")[1]._paint.stone
    referee, board = picture
    column, row = np.argwhere(board._owners == PILLAR)[0].tolist()
    shown = board.thumbnail(referee.rival_view()["observation"], 70)
    assert tuple(shown.get_at((10 * column + 5, 55 - 10 * row)))[:3] == stone
