"""Frames for eyes: the 64x64 screen enlarged by whole pixels, as an array or in a window.

Only the window of the ecosystem's `render_mode="human"`; the program for playing draws its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SCALE = 8
RENDER_MODES = ("human", "rgb_array")
MOVES_PER_S = 4  # what a game without a clock is shown at

Picture = npt.NDArray[np.uint8]


def enlarge(frame: Picture) -> Picture:
    """(3, 64, 64) uint8 to an image of (512, 512, 3)."""
    return np.ascontiguousarray(frame.transpose(1, 2, 0).repeat(SCALE, 0).repeat(SCALE, 1))


def frames_per_s(ticks_per_s: float, action_repeat: int = 1) -> float:
    """How fast a game is shown: a picture for each step, of `action_repeat` ticks."""
    return ticks_per_s / action_repeat or MOVES_PER_S


def check_render_mode(mode: str | None, allowed: tuple[str, ...] = RENDER_MODES) -> None:
    """Raise `ValueError` for a mode that is neither None nor allowed."""
    if mode is not None and mode not in allowed:
        names = ", ".join(repr(name) for name in allowed)
        raise ValueError(f"render_mode must be None, {names}, not {mode!r}")


class Display:
    """A pygame window, opened with the first picture, that keeps the pace of the game."""

    def __init__(self, title: str, frames_per_s: float) -> None:
        self.title, self.frames_per_s = title, frames_per_s
        self._window: Any = None
        self._clock: Any = None

    def show(self, picture: Picture) -> None:
        """Show an (H, W, 3) uint8 image and wait until the next is due."""
        import pygame

        if self._window is None:
            pygame.display.init()
            height, width = picture.shape[:2]
            self._window = pygame.Window(self.title, (width, height))
            self._clock = pygame.time.Clock()
        pygame.surfarray.blit_array(self._window.get_surface(), picture.swapaxes(0, 1))
        pygame.event.pump()
        self._window.flip()
        self._clock.tick(self.frames_per_s)

    def close(self) -> None:
        """Close the window; others stay open."""
        if self._window is not None:
            self._window.destroy()
            self._window = None
