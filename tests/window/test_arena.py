"""The arena of tron on the screen: what is seen, what is hidden, how trails run."""

import itertools

import numpy as np
import pygame
import pytest
import torch

import envs
from envs.tron_screen import SIDE, Kind
from tests.window.test_looks import near
from window import tron_paint
from window.display import open_window
from window.headless import ScriptedHand
from window.referee import Referee
from window.theme import AGENT, PERSON, Canvas
from window.trails import Rider, lines_between, neighbours, step_between
from window.tron_board import TronBoard

STAGE = pygame.Rect(0, 0, 12 * SIDE, 12 * SIDE)
UP, DOWN, LEFT, RIGHT = range(4)


@pytest.fixture(autouse=True)
def _open():
    open_window()


def played(name, moves, seat=0, seed=0):
    """A referee and a board after some moves of the person and the rival."""
    referee = Referee(envs.make(name, validate=True), seat, seed)
    board = TronBoard(referee.game)
    board.follow(referee)
    for persons, rivals in moves:
        referee.play_both(persons, rivals)
        board.follow(referee)
    return referee, board


def picture(board):
    surface = pygame.Surface(STAGE.size)
    board.draw(Canvas(surface), STAGE, hovering=False)
    return surface


def pixels(board):
    return pygame.surfarray.array3d(picture(board)).astype(int)


def centre(x, y):
    return x * 12 + 6, y * 12 + 6


@pytest.mark.parametrize("seat", [0, 1])
def test_the_person_starts_at_the_bottom_left_in_amber_from_either_seat(seat):
    referee, board = played("tron", [(UP, UP)] * 3, seat)
    column = int(referee.state.heads[0, seat]) % SIDE
    start = (column, SIDE - 1 - column)
    shown = picture(board)
    assert board.kinds[start[1], start[0]] == Kind.OWN
    beside = (centre(*start)[0] + 2, centre(*start)[1] - 5)
    assert near(shown.get_at(beside), PERSON)
    other = (SIDE - 1 - column, column)
    beside = (centre(*other)[0] + 2, centre(*other)[1] + 5)
    assert near(shown.get_at(beside), AGENT)


def test_what_happens_in_fog_changes_no_pixel_and_without_fog_it_does():
    one, other = [(UP, UP)] * 6, [(UP, UP)] * 2 + [(UP, RIGHT)] * 4
    boards = [played("tron:fog", moves, seed=3)[1] for moves in (one, other)]
    assert not np.any(boards[0].kinds == Kind.OTHER)
    assert np.array_equal(pixels(boards[0]), pixels(boards[1]))
    boards = [played("tron", moves, seed=3)[1] for moves in (one, other)]
    assert not np.array_equal(pixels(boards[0]), pixels(boards[1]))


@pytest.mark.parametrize(
    "name", ["tron:fog+rocks", "tron:clutter+fog+gates+wrap", "tron:fog+night"]
)
def test_every_cell_is_hidden_where_the_frame_hides_it_and_nowhere_else(name):
    referee, board = played(name, [(UP, UP)] * 5)
    seat = torch.tensor([0])
    frame = referee.game.frame(referee.state, seat)[0].numpy().astype(int)
    patterns = referee.game.screen.patterns[0].astype(int)
    fogged = np.array(
        [
            [np.array_equal(frame[:, 2 * y, 2 * x], patterns[Kind.FOG, 0, 0]) for x in range(SIDE)]
            for y in range(SIDE)
        ]
    )
    assert np.array_equal(fogged, board.kinds == Kind.FOG)
    assert fogged.sum() > 300
    shown = pixels(board)
    fog = pygame.surfarray.array3d(tron_paint.fog(12, board._paint.fog)).astype(int)
    away = ~fogged & (board.kinds != Kind.BORDER)
    for y, x in np.argwhere(fogged).tolist():
        cut = np.s_[12 * x : 12 * x + 12, 12 * y : 12 * y + 12]
        assert np.array_equal(shown[cut], fog[cut])
    for y, x in np.argwhere(away).tolist():
        cut = np.s_[12 * x : 12 * x + 12, 12 * y : 12 * y + 12]
        assert not np.array_equal(shown[cut], fog[cut])


def test_everything_that_the_frame_shows_is_on_the_screen_too():
    _, board = played("tron:clutter+rocks", [(UP, UP)] * 4)
    _, empty = played("tron", [])
    shown, ground = pixels(board), pixels(empty)
    for y, x in np.argwhere(board.kinds != Kind.FLOOR).tolist():
        if board.kinds[y, x] == Kind.BORDER:
            continue
        cut = np.s_[12 * x : 12 * x + 12, 12 * y : 12 * y + 12]
        assert np.abs(shown[cut] - ground[cut]).max() > 40, Kind(int(board.kinds[y, x]))


def test_a_head_slides_from_its_last_cell_to_its_next():
    _, board = played("tron", [(UP, UP)] * 3)
    x, y = board._riders[0].cells[-1] % SIDE, board._riders[0].cells[-1] // SIDE
    for progress, row in ((0.0, y + 1), (0.5, y + 0.5), (1.0, y)):
        board.progress = progress
        spot = (round(12 * x + 6), round(12 * row + 6))
        assert sum(tuple(picture(board).get_at(spot))[:3]) > 700  # the white heart


def test_ways_over_an_edge_come_in_on_the_other_side():
    edge, other = 5 * SIDE + 30, 5 * SIDE + 1
    assert step_between(edge, other) == (1, 0)
    assert step_between(other, edge) == (-1, 0)
    assert step_between(1 * SIDE + 4, 30 * SIDE + 4) == (0, -1)
    assert lines_between(edge, other) == [((30, 5), (30.5, 5)), ((0.5, 5), (1, 5))]
    assert lines_between(edge, other, 0.25) == [((30, 5), (30.25, 5))]
    assert lines_between(edge, edge + 1, 0.25) == [((30, 5), (30.25, 5))]


def test_trails_join_the_cells_of_the_way_and_not_those_beside_it():
    lit = np.zeros((SIDE, SIDE), bool)
    way = [3 * SIDE + 3, 2 * SIDE + 3, 2 * SIDE + 4, 3 * SIDE + 4, 4 * SIDE + 4]
    lit.ravel()[way[:-1]] = True
    rider = Rider(way)
    assert [pair[:2] for pair in rider.joined(lit)] == [*itertools.pairwise(way[:-1])]
    assert len(list(neighbours(lit))) == 4  # one picture cannot tell: all that touch


def test_a_crash_flashes_and_then_rests():
    referee, board = played("tron", [])
    while not referee.ended:
        referee.play_both(UP, LEFT)
        board.follow(referee)
    assert board.moving
    assert (board.kinds == Kind.CRASH).any()
    first = pixels(board)
    board.update(0.3)
    assert not np.array_equal(first, pixels(board))
    board.update(5.0)
    assert not board.moving
    assert board.epilogue == f"after {referee.num_ticks} moves"


@pytest.mark.parametrize("name", ["tron", "tron:night+tails+wrap"])
def test_a_thumbnail_is_the_rivals_frame_turned_in_the_persons_colours(name):
    referee, board = played(name, [(UP, RIGHT)] * 6)
    frame = referee.rival_view()["observation"]
    shown = pygame.surfarray.array3d(board.thumbnail(frame, 64)).astype(int)
    wanted = referee.game.frame(referee.state, torch.tensor([0]))[0].numpy().astype(int)
    away = np.abs(shown.transpose(2, 1, 0) - wanted).sum(0)
    assert (away > 90).mean() < 0.01  # the corner pixel of a cell is elsewhere


def test_a_demonstrations_last_picture_can_be_drawn_from_its_end_alone():
    referee = Referee(envs.make("tron", validate=True), 0)
    hand = ScriptedHand("tron", 0)
    while not referee.ended:
        referee.play_both(hand(referee), UP if referee.may(1, UP) else LEFT)
    board = TronBoard(referee.game)
    board.follow(referee)
    board.update(60)
    picture(board)
    assert not board.moving
