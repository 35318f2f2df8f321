"""What four in a row shows: every cell of every variant, and that variants can be told apart."""

from itertools import pairwise

import pytest
import torch

import envs
from envs.connect import OTHER, OWN
from envs.connect_screen import Kind, choose_palette
from tests.oracles.boards import board_of
from tests.oracles.connect import PILLAR

VARIANTS = envs.list_variants("connect")
FULL_HOUSE = VARIANTS[-1]
LOOKED_AT = ("connect", "connect:popout", "connect:five", "connect:night+pillars+wrap", FULL_HOUSE)


def first_frames(name, num_games=6):
    game = envs.make(name)
    state = game.init(num_games, torch.Generator().manual_seed(5))
    return game.frame(state, torch.zeros(num_games, dtype=torch.int64))


def random_walk(game, num_games, generator):
    """Every (before, actions, after) of random games."""
    state = game.init(num_games, generator)
    while not state.ended.all():
        legal = state.legal_actions.flatten(0, 1).float()
        legal += legal.sum(1, keepdim=True) == 0
        actions = torch.multinomial(legal, 1, generator=generator).view(num_games, 2)
        after = game.step(state, actions, generator)
        yield state, actions, after
        state = after


def place(game, column, row):
    """The number of a cell's tile."""
    return 8 * (6 - row) + column


def test_every_variant_looks_different_from_every_other_before_the_first_move():
    seen = {}
    for name in VARIANTS:
        for frame in first_frames(name):
            owner = seen.setdefault(frame.numpy().tobytes(), name)
            assert owner == name, f"{owner} looks like {name}"


@pytest.mark.parametrize("modifier", sorted(envs.GAMES["connect"].MODIFIERS))
def test_a_modifier_changes_enough_of_the_frame_to_be_noticed(modifier):
    classic = first_frames("connect").int()
    changed = (first_frames(f"connect:{modifier}").int() - classic).abs().amax(1) >= 24
    assert changed.flatten(1).sum(1).min() >= 20  # pixels


@pytest.mark.parametrize("name", LOOKED_AT)
def test_every_tile_shows_what_lies_in_its_cell(name, generator):
    game = envs.make(name)
    for before, actions, after in random_walk(game, 6, generator):
        seats = torch.arange(6) % 2
        kinds = game.kinds(after, seats)
        for i in (~before.ended).nonzero().flatten().tolist():
            board, seat = board_of(after, i, game), int(seats[i])
            last = changed_place(game, before, actions, i) if name != "connect" else None
            for row in range(game.rows):
                for column in range(game.columns):
                    cell, shown = board.rows[row][column], int(kinds[i, place(game, column, row)])
                    what = {None: Kind.HOLE, seat: Kind.OWN, 1 - seat: Kind.OTHER, PILLAR: 3}[cell]
                    if last == (column, row):
                        assert shown == what + Kind.HOLE_CHANGED
                    elif cell is None:
                        assert shown in (Kind.HOLE, Kind.FIREFLY, Kind.FIREFLY_WIDE)
                    else:
                        assert shown == what


def changed_place(game, before, actions, index):
    """The cell that the last disc fell into, or that a pop has emptied, by the plain board."""
    board = board_of(before, index, game)
    action = int(actions[index, int(before.seat[index])])
    was = [list(row) for row in board.rows]
    board.ticks = 0
    board.act(action)
    column = action % 8
    (row,) = (
        row
        for row in range(game.rows)
        if (was[row][column] is None) != (board.rows[row][column] is None)
    )
    return column, row


@pytest.mark.parametrize("name", LOOKED_AT)
def test_discs_have_their_colours_in_the_middle_of_their_tiles(name, generator):
    game = envs.make(name)
    palette = choose_palette(game.modifiers)
    colours = {Kind.OWN: palette.own, Kind.OTHER: palette.other}
    *_, (_, _, state) = random_walk(game, 8, generator)
    seats = torch.arange(8) % 2
    kinds, frames = game.kinds(state, seats), game.frame(state, seats)
    seen = set()
    for i in range(8):
        for tile, kind in enumerate(kinds[i].tolist()):
            y, x = 8 * (tile // 8) + 4, 8 * (tile % 8) + 4
            shown = tuple(frames[i, :, y, x].tolist())
            owner = kind % 4 if kind < Kind.FIREFLY and tile < 56 else 0
            assert (shown == palette.own) == (owner == Kind.OWN)
            assert (shown == palette.other) == (owner == Kind.OTHER)
            if owner in colours:
                seen.add(owner)
    assert seen == {Kind.OWN, Kind.OTHER}


def test_the_classic_frame_marks_nothing_and_keeps_its_colours(generator):
    game = envs.make("connect")
    kinds = torch.cat([game.kinds(s, s.seat) for _, _, s in random_walk(game, 8, generator)])
    assert set(kinds.unique().tolist()) == {Kind.HOLE, Kind.OWN, Kind.OTHER}
    colours = {tuple(c) for c in game.frame(game.init(1, generator), torch.zeros(1).long())
               .flatten(2).unique(dim=2)[0].T.tolist()}  # fmt: skip
    assert {(28, 66, 158), (9, 18, 48), (14, 14, 22)} <= colours
    assert (OWN, OTHER) == ((255, 196, 0), (222, 52, 66))


@pytest.mark.parametrize("others", ["", "+five", "+pillars+popout"])
def test_fireflies_move_and_hide_nothing(others, generator):
    game = envs.make("connect:clutter" + others)
    still = envs.make("connect" + others.replace("+", ":", 1)) if others else None
    state = game.init(16, generator)
    seats = torch.zeros(16).long()
    flying = []
    for _, _, after in random_walk(game, 16, generator):
        kinds = game.kinds(after, seats)
        flies = kinds >= Kind.FIREFLY
        plain = kinds.masked_fill(flies, 0)
        if still is not None:
            assert torch.equal(plain, still.kinds(after, seats))
        flying.append(flies)
    assert state.scene.unique().numel() > 1
    moves = [(a != b).any(1).float().mean() for a, b in pairwise(flying[:9])]
    assert min(moves) > 0.5


def test_night_is_darker_by_half(generator):
    for name in ("connect", "connect:misere", "connect:pillars+popout"):
        dark = name + ("+night" if ":" in name else ":night")
        assert first_frames(dark).float().mean() < 0.5 * first_frames(name).float().mean()


def test_frames_are_the_same_whatever_is_hidden(generator):
    game = envs.make(FULL_HOUSE)
    *_, (_, _, state) = random_walk(game, 8, generator)
    values = dict(state.__dict__)
    values["rewards"] = values["rewards"] + 1
    values["terminated"] = ~values["terminated"]
    values["legal_actions"] = ~values["legal_actions"]
    values["seat"] = 1 - values["seat"]
    seats = torch.zeros(8).long()
    assert torch.equal(game.frame(type(state)(**values), seats), game.frame(state, seats))
