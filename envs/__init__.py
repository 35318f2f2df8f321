"""Games as batched tensor programs, and their frames. They know nothing of who plays them.

Importing this makes the games known to Gymnasium (`lifelong/Connect-v0`, ...). The views for
PettingZoo and Stable-Baselines3 are modules of their own, `envs.pettingzoo_view` and
`envs.sb3_view`, so that nobody waits for what they do not use.
"""

from envs.core import (
    FRAME_SHAPE,
    NUM_ACTIONS,
    NUM_SEATS,
    Game,
    State,
    concatenate,
    legal_of,
    merge,
    put,
    runs_ahead,
    take,
)
from envs.gymnasium_view import register_ids
from envs.registry import GAMES, list_variants, make

register_ids()

__all__ = [
    "FRAME_SHAPE",
    "GAMES",
    "NUM_ACTIONS",
    "NUM_SEATS",
    "Game",
    "State",
    "concatenate",
    "legal_of",
    "list_variants",
    "make",
    "merge",
    "put",
    "runs_ahead",
    "take",
]
