"""Discs as numbers: how they fall, where they lie, which make a line."""

import numpy as np
import pygame
import pytest
import torch

import envs
from window.cells import AGENTS, GRAVITY, PERSONS, fall, fall_time_s, find_lines, read_cells
from window.connect_plan import Plan
from window.referee import Referee


def test_a_disc_falls_freely_and_lands_when_physics_says():
    assert fall(0.0, 6.0) == 6.0
    assert fall(0.2, 6.0) == pytest.approx(6.0 - 62 * 0.04 / 2)
    landed_s = (2 * 6.0 / GRAVITY) ** 0.5
    assert fall(landed_s, 6.0) == pytest.approx(0.0, abs=1e-9)


def test_it_bounces_once_to_bounce_squared_of_its_height_and_lies_still():
    landed_s = (2 * 6.0 / GRAVITY) ** 0.5
    top = fall(landed_s * (1 + 0.22), 6.0)
    assert top == pytest.approx(6.0 * 0.22**2)
    assert fall_time_s(6.0) == pytest.approx(landed_s * 1.44)
    assert fall(fall_time_s(6.0), 6.0) == pytest.approx(0.0, abs=1e-9)
    assert fall(9.0, 6.0) == 0.0


@pytest.mark.parametrize("person_seat", [0, 1])
def test_cells_say_whose_each_disc_is(person_seat):
    referee = Referee(envs.make("connect", validate=True), person_seat)
    for action in (3, 3, 0):
        referee.play(action)
    owners = read_cells(referee.game, referee.state, person_seat)
    first, second = (PERSONS, AGENTS) if person_seat == 0 else (AGENTS, PERSONS)
    assert owners[3].tolist() == [first, second, 0, 0, 0, 0]
    assert owners[0].tolist() == [first, 0, 0, 0, 0, 0]
    assert np.count_nonzero(owners) == 3


def board(drawing):
    """Rows from the top, `o` the person's, `X` the agent's."""
    rows = [line.split() for line in drawing.strip().splitlines()]
    marks = {".": 0, "o": PERSONS, "X": AGENTS}
    return np.array([[marks[m] for m in row] for row in reversed(rows)], np.int8).T


def test_lines_are_found_in_all_directions_and_only_of_one_owner():
    rising = board("""
        . . . . . . .
        . . . . . . .
        . . . o . . .
        . . o X . . .
        . o X X . . .
        o X o X . . .
    """)
    assert find_lines(rising) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    falling = board("""
        . . . X . . .
        . . . o X . .
        . . . o o X .
        . . . X o o X
        . . . o X X X
        . . . o o X X
    """)
    assert find_lines(falling) == [(3, 5), (4, 4), (5, 3), (6, 2)]
    mixed = board("""
        . . . . . . .
        . . . . . . .
        o . . . . . .
        X . . . . . .
        X . . . . . .
        X o o o X o o
    """)
    assert find_lines(mixed) == []


def test_a_long_line_is_marked_whole_and_two_lines_at_once_are_too():
    long = np.zeros((7, 6), np.int8)
    long[1:6, 0] = PERSONS
    assert find_lines(long) == [(c, 0) for c in range(1, 6)]
    long[1, 0:4] = PERSONS
    assert len(find_lines(long)) == 8


def test_lines_agree_with_the_rules_on_random_games():
    game = envs.make("connect", validate=True)
    chance = torch.Generator().manual_seed(5)
    for _ in range(20):
        referee = Referee(game, 0)
        while not referee.ended:
            assert find_lines(read_cells(game, referee.state, 0)) == []
            legal = referee.state.legal_actions[0].any(0).float()
            referee.play(int(torch.multinomial(legal, 1, generator=chance)))
        lines = find_lines(read_cells(game, referee.state, 0))
        assert bool(lines) == (referee.person_result != 0)


def test_every_point_over_a_column_belongs_to_it():
    plan = Plan.fit(pygame.Rect(10, 20, 700, 640), 7, 6)
    for column in range(7):
        for height in range(6):
            assert plan.column_at(plan.square(column, height).center) == column
    assert plan.column_at((plan.grid.left - 2, plan.grid.centery)) is None
    assert plan.column_at((plan.grid.right, plan.grid.centery)) is None
