"""Random games of any variant against the plain board, every row after every action."""

import torch

from tests.oracles.boards import pillars_of, rows_of
from tests.oracles.connect import Board


def check_lockstep(game, num_games, generator):
    """Play to the last ending; the plain boards as they are then."""
    state = game.init(num_games, generator)
    boards = [Board(game.modifiers, pillars_of(game, state, i)) for i in range(num_games)]
    ended = [False] * num_games
    check_step(game, state, boards, ended, ended)
    while not state.ended.all():
        legal = state.legal_actions.flatten(0, 1).float()
        legal += legal.sum(1, keepdim=True) == 0
        actions = torch.multinomial(legal, 1, generator=generator).view(num_games, 2)
        finished = ended
        for board, pair, over in zip(boards, actions.tolist(), finished, strict=True):
            if not over:
                board.act(pair[board.to_move])
        ended = [over or board.ended for board, over in zip(boards, finished, strict=True)]
        state = game.step(state, actions, generator)
        check_step(game, state, boards, finished, ended)
    return boards


def check_step(game, state, boards, finished, ended):
    """`finished` rows had ended before the step, `ended` rows by its end."""
    assert rows_of(game, state) == [board.rows for board in boards]
    terminated = [over and board.terminated for board, over in zip(boards, ended, strict=True)]
    assert state.terminated.tolist() == terminated
    truncated = [over and not t for over, t in zip(ended, terminated, strict=True)]
    assert state.truncated.tolist() == truncated
    paid = [[0.0, 0.0] if f else b.rewards for b, f in zip(boards, finished, strict=True)]
    assert state.rewards.tolist() == paid
    assert state.ticks.tolist() == [board.ticks for board in boards]
    for row, (board, over) in enumerate(zip(boards, ended, strict=True)):
        mine = [over or action in board.legal_actions() for action in range(16)]
        legal = [mine if over or seat == board.to_move else [False] * 16 for seat in (0, 1)]
        assert state.legal_actions[row].tolist() == legal
        assert state.to_move[row].tolist() == [not over and board.to_move == s for s in (0, 1)]
