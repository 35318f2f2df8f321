"""Games as batched tensor programs, and their frames. They know nothing of who plays them."""

from envs.core import FRAME_SHAPE, NUM_ACTIONS, NUM_SEATS, Game, State, merge, put, take
from envs.registry import GAMES, list_variants, make

__all__ = [
    "FRAME_SHAPE",
    "GAMES",
    "NUM_ACTIONS",
    "NUM_SEATS",
    "Game",
    "State",
    "list_variants",
    "make",
    "merge",
    "put",
    "take",
]
