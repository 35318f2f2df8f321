"""Players of connect at the boards of the plain reference."""

import torch

from tests.oracles.boards import state_of
from tests.oracles.connect import Board


def seats_of(state):
    return state.to_move[:, 1].long()


def act(player, game, state, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return player.act(game, state, seats_of(state), generator).tolist()


def repeated(game, columns, times):
    return state_of(game, [Board.after(columns)] * times)
