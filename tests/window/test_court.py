"""The court of volley on the screen: sides, interpolation, fog, signs."""

from dataclasses import replace

import numpy as np
import pygame
import pytest
import torch

import envs
from envs.volley import swap_seats
from envs.volley_scene import clutter_ways
from tests.window.test_looks import near
from window.display import open_window
from window.referee import Referee
from window.theme import AGENT, PERSON, Canvas
from window.volley_board import VolleyBoard, blend, read_moment

STAGE = pygame.Rect(0, 0, 480, 480)


@pytest.fixture(autouse=True)
def _open():
    open_window()


def placed(name, ball=(5.0, 10.0, 3.0, 4.0), seat=0, **changes):
    """A referee whose ball is somewhere, and its board."""
    referee = Referee(envs.make(name, validate=True), seat, seed=1)
    bodies = referee.state.bodies.clone()
    bodies[0, 2] = torch.tensor(ball, dtype=bodies.dtype)
    referee._take_up(replace(referee.state, bodies=bodies, **changes))
    board = VolleyBoard(referee.game)
    board.follow(referee)
    return referee, board


def pixels(board):
    surface = pygame.Surface(STAGE.size)
    board.draw(Canvas(surface), STAGE, hovering=False)
    return pygame.surfarray.array3d(surface).astype(int)


def frame(referee, seat=0):
    return referee.game.frame(referee.state, torch.tensor([seat]))


def test_the_person_is_on_the_left_in_amber_from_either_seat():
    for seat in (0, 1):
        referee, board = placed("volley", seat=seat)
        shown = pixels(board)
        own, other = (round((x + 24) * 10) for x in (-12, 12))
        assert near(shown[own - 8, 458], PERSON, 90)
        assert near(shown[other + 8, 458], AGENT, 90)
        assert read_moment(referee.state, seat).bodies[0, 0] < 0


def test_both_seats_see_a_mirrored_match_alike():
    referee, board = placed("volley:wind", ball=(7.0, 15.0, -3.0, 4.0))
    other = Referee(referee.game, 1)
    other._take_up(swap_seats(referee.state))
    mirrored = VolleyBoard(other.game)
    mirrored.follow(other)
    assert np.array_equal(pixels(board), pixels(mirrored))


@pytest.mark.parametrize("height", [7.0, 8.3, 8.7, 11.0, 13.3, 13.7, 16.0])
@pytest.mark.parametrize("name", ["volley:fog", "volley"])
def test_the_ball_is_hidden_exactly_where_the_frame_hides_it(name, height):
    cases = [placed(name, ball=(x, height, vx, 2.0)) for x, vx in ((-6.0, 9.0), (9.0, -2.0))]
    frames_alike = torch.equal(*[frame(referee) for referee, _ in cases])
    assert frames_alike == np.array_equal(*[pixels(board) for _, board in cases])
    assert frames_alike == ("fog" in name and 8.5 <= height <= 13.5)


def test_on_its_way_a_ball_is_drawn_between_two_states_and_not_inside_the_fog():
    before, now = placed("volley", ball=(0.0, 16.0, 0.0, 0.0)), placed("volley", (2.0, 14.0, 0, 0))
    moments = [read_moment(referee.state, 0) for referee, _ in (before, now)]
    moments[1] = replace(moments[1], wait=0)
    half = blend(*moments, 0.5)
    assert half[2, :2].tolist() == [1.0, 15.0]
    launched = blend(moments[0], replace(moments[1], wait=30), 0.5)
    assert launched[2, :2].tolist() == [2.0, 14.0]  # it does not fly back to the net
    board = placed("volley:fog")[1]
    assert not board.hides(np.array([0, 13.6]))
    assert board.hides(np.array([0, 13.4]))


def test_a_ball_that_waits_shows_where_it_will_be_launched():
    right, left = (placed("volley", ball=(0.0, 12.0, vx, 12.0))[1] for vx in (15.0, -15.0))
    a, b = pixels(right), pixels(left)
    assert not np.array_equal(a, b)
    behind = np.s_[215:236, 365:390]
    assert np.abs(a[behind] - b[behind]).max() > 20


def test_lives_wind_and_clock_are_on_the_screen():
    lost = torch.tensor([[2, 0]], dtype=torch.int32)
    plain, one = pixels(placed("volley")[1]), pixels(placed("volley", lost=lost)[1])
    changed = np.argwhere(np.abs(plain - one).sum(2) > 60)
    assert len(changed)
    assert (changed[:, 0] < 240).all()  # on the person's side, who lost them
    assert (changed[:, 1] < 40).all()
    late = torch.tensor([1500], dtype=torch.int32)
    clock = np.abs(plain - pixels(placed("volley", ticks=late)[1])).sum(2)[:, -4]
    assert (clock[260:460] > 30).all()
    assert (clock[:230] == 0).all()
    east, west = (torch.tensor([w], dtype=torch.float64) for w in (6.0, -6.0))
    blown = [pixels(placed("volley:wind", wind=wind)[1]) for wind in (east, west)]
    assert not np.array_equal(*blown)


def test_distractors_are_where_the_frame_shows_them():
    referee, board = placed("volley:clutter", ball=(20.0, 30.0, 0.0, 0.0))
    shown = frame(referee)[0].numpy().astype(int)
    phase = int(referee.state.drift[0])
    colours = board._palette.clutter
    ways = torch.stack(clutter_ways(len(colours)))[..., phase]
    large = pixels(board)
    for colour, x, y in zip(colours, *ways.tolist(), strict=True):
        assert near(shown[:, int(y), int(x)], colour, 120)
        assert near(large[int(x * 7.5), int(y * 7.5)], colour, 60)


def test_a_lost_point_throws_up_sand_and_settles():
    referee, board = placed("volley", ball=(-20.0, 2.2, 0.0, -9.0), wait=torch.zeros(1).int())
    while not referee.state.lost.any():
        referee.play_both(0, 0)
        board.follow(referee)
    assert board.headline == "0 : 1"
    assert board.moving
    pixels(board)
    board.update(5.0)
    assert not board.moving


def test_a_thumbnail_is_the_rivals_frame_in_a_mirror_and_in_the_persons_colours():
    referee, board = placed("volley")
    picture = board.thumbnail(referee.rival_view()["observation"], 64)
    shown = pygame.surfarray.array3d(picture).transpose(2, 1, 0).astype(int)
    wanted = frame(referee)[0].numpy().astype(int)
    players = np.s_[:, 56:62]
    assert np.abs(shown[players] - wanted[players]).sum(0).max() < 90
