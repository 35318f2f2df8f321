"""The window itself: whether there can be one, how large it is, what is shown, pictures of it.

Nothing here knows what is drawn.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pygame

from window import theme
from window.discs import disc

TITLE = "Lifelong Agent"
DISPLAYS = ("SDL_VIDEODRIVER", "WAYLAND_DISPLAY", "DISPLAY")
PLAIN_HEIGHT = 720
LEAST_SIZE = (480, 320)  # below it words no longer fit
SCREENLESS_DRIVERS = ("dummy", "offscreen")


def has_display() -> bool:
    """Whether a window can be opened that a person can see, or that was asked for by name.

    Without a screen, SDL quietly opens one in memory.
    """
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in DISPLAYS):
        return False
    try:
        pygame.display.init()
    except pygame.error:
        return False
    if is_screenless() and not os.environ.get("SDL_VIDEODRIVER"):
        pygame.display.quit()
        return False
    return True


def open_window() -> None:
    """Open the window at two thirds of the desktop.

    Raises:
        ValueError: if that is refused.
    """
    try:
        _open_window()
    except pygame.error as error:
        raise ValueError(f"no window can be opened: {error}") from None


def _open_window() -> None:
    pygame.display.init()
    height = PLAIN_HEIGHT
    if pygame.display.get_driver() not in SCREENLESS_DRIVERS:
        width, height = pygame.display.get_desktop_sizes()[0]
        height = max(480, min(round(0.7 * height), round(0.6 * width)))
    pygame.display.set_caption(TITLE)
    pygame.display.set_icon(disc(64, theme.PERSON))
    pygame.display.set_mode((3 * height // 2, height), pygame.RESIZABLE)
    theme.start()


def window_surface() -> pygame.Surface:
    """What is shown; another one after every change of size. Too small a window grows again."""
    surface = pygame.display.get_surface()
    if surface is None:
        raise RuntimeError("the window is closed")
    size = surface.get_size()
    roomy = max(size[0], LEAST_SIZE[0]), max(size[1], LEAST_SIZE[1])
    return surface if size == roomy else pygame.display.set_mode(roomy, pygame.RESIZABLE)


def is_screenless() -> bool:
    """Whether the window exists in memory only, so that nobody can act in it."""
    return pygame.display.get_driver() in SCREENLESS_DRIVERS


def blank_picture() -> pygame.Surface:
    """Something to draw on where there is no display."""
    theme.start()
    return pygame.Surface((3 * PLAIN_HEIGHT // 2, PLAIN_HEIGHT), depth=32)


def save_picture(picture: pygame.Surface, path: Path) -> None:
    """Save what is shown.

    Raises:
        ValueError: if the file cannot be written.
    """
    try:
        pygame.image.save(picture, str(path))
    except (pygame.error, OSError) as error:
        raise ValueError(f"cannot save the screenshot {path}: {error}") from None
