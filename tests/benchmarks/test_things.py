"""Things lie where the screen shows them."""

import pytest
import things
import torch
from perception import Frames
from things import alone, empty_scene, label_tron, label_volley

import envs


def test_what_moves_is_not_in_the_empty_scene():
    screens = torch.full((9, 3, 64, 64), 50, dtype=torch.uint8)
    screens[torch.arange(9), :, torch.arange(9)] = 200
    assert empty_scene(screens).eq(50).all()


def test_a_thing_alone_stands_on_the_scene(generator, monkeypatch):
    monkeypatch.setattr(things, "NUM_ALONE", 5)
    screens = torch.full((9, 3, 64, 64), 50, dtype=torch.uint8)
    spots = torch.full((9, 2, 2), torch.nan)
    spots[:3, 0], spots[3:6, 1] = 8.0, 40.0
    screens[:3, :, 4:12, 4:12], screens[3:6, :, 36:44, 36:44] = 200, 90
    none = torch.zeros(9, 0)
    frames = Frames(screens, none, none, spots, none)
    shown, kinds, where = alone(frames, screens[8], 2, generator)
    assert kinds.tolist() == [0] * 5 + [1] * 5
    for screen, kind, (row, column) in zip(shown, kinds, where.long().tolist(), strict=True):
        value = (200, 90)[kind]
        assert (screen == value).sum() == 3 * 64
        assert (screen[:, row - 4 : row + 4, column - 4 : column + 4] == value).all()
        assert (screen == 50).sum() == 3 * (64 * 64 - 64)


def test_things_of_tron_lie_where_the_screen_shows_them(generator):
    game = envs.make("tron")
    state = game.start(torch.tensor([3]), game.fence[None], torch.tensor([0]))
    *_, first = label_tron(game, state, generator)
    assert first[0, 0].isfinite().all()
    for _ in range(2):
        state = game.step(state, torch.tensor([[2, 2]]), generator)
    *_, spots = label_tron(game, state, generator)
    assert spots[0, 0].tolist() == [57, 3], "the own head"
    assert spots[0, 1].tolist() == [7, 61], "the other one, turned by half a turn"
    assert spots[0, 2].isfinite().all(), "a piece of the own trail"
    screen = game.frame(state, torch.zeros(1, dtype=torch.int64))[0]
    row, column = spots[0, 4].long().tolist()
    assert screen[:, row, column].max() < 100, "the floor is dark"


def test_things_of_volley_are_the_players_the_ball_and_empty_air(generator):
    game = envs.make("volley")
    state = game.init(50, generator)
    *_, spots = label_volley(game, state, generator)
    assert spots.shape == (50, 4, 2)
    assert spots[0, 0].tolist() == [pytest.approx(46.5 * 64 / 48), pytest.approx(16)]
    assert spots[0, 2].tolist() == [pytest.approx(36 * 64 / 48), pytest.approx(32)]
    air = spots[:, 3]
    away = (air[:, None] - spots[:, :3]).abs().amax(2).amin(1)
    assert (away.isnan() | (away >= 8)).all()
    assert away.isfinite().any()
