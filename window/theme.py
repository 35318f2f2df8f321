"""Colours, letters, and the few shapes that everything on the screen is made of.

A `Canvas` is a surface that knows how large things are in it. No screen is described here.
"""

from __future__ import annotations

import importlib.util
import warnings
from functools import lru_cache
from pathlib import Path

import pygame
from pygame import Rect, Surface

from envs.frames import Colour as Colour  # the window's screens find them here
from envs.frames import mix as mix

BACKGROUND: Colour = (13, 16, 24)
PANEL: Colour = (21, 26, 38)
RAISED: Colour = (33, 40, 57)
EDGE: Colour = (54, 64, 90)
TEXT: Colour = (234, 238, 246)
MUTED: Colour = (152, 162, 186)
PERSON: Colour = (255, 196, 0)
AGENT: Colour = (222, 52, 66)
GOOD: Colour = (94, 196, 144)
BAD: Colour = (238, 120, 98)
FOCUS: Colour = (124, 166, 255)
INK: Colour = (26, 22, 8)

SMALLEST_LETTERS_PX = 11
FAMILIES = "inter,segoeui,helveticaneue,ubuntu,cantarell,opensans,notosans,roboto,lato,arial"


def start() -> None:
    """Make letters ready; to be called once the display is open."""
    pygame.font.init()
    font.cache_clear()


@lru_cache(maxsize=1)
def _font_files() -> tuple[str | None, str | None]:
    """Regular and bold: a family of this machine, else matplotlib's, else pygame's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine without a list of its fonts is no trouble
        regular = pygame.font.match_font(FAMILIES)
        bold = pygame.font.match_font(FAMILIES, bold=True)
    if regular:
        return regular, bold or regular
    plotting = importlib.util.find_spec("matplotlib")
    folder = Path(plotting.origin or "").parent / "mpl-data/fonts/ttf" if plotting else Path()
    if (folder / "DejaVuSans.ttf").is_file():
        return str(folder / "DejaVuSans.ttf"), str(folder / "DejaVuSans-Bold.ttf")
    return None, None


@lru_cache(maxsize=64)
def font(size_px: int, bold: bool = False) -> pygame.font.Font:
    """Letters of a height in pixels."""
    return pygame.font.Font(_font_files()[bold], size_px)


def shorten(words: str, letters: pygame.font.Font, width: int) -> str:
    """`words`, cut with an ellipsis where they are wider than `width` pixels."""
    if letters.size(words)[0] <= width:
        return words
    while words and letters.size(words + "…")[0] > width:
        words = words[:-1]
    return words.rstrip() + "…" if words else ""


class Canvas:
    """A surface and its unit of length.

    Lengths are given in units of a 960x640 window and grow with the real one.

    Args:
        surface: what is drawn on.
    """

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self.width, self.height = surface.get_size()
        long, short = max(self.width, self.height), min(self.width, self.height)
        self.unit = max(0.4, min(long / 960, short / 640))

    def px(self, length: float) -> int:
        """Units to whole pixels, at least one."""
        return max(1, round(length * self.unit))

    def letters(self, size: float, bold: bool = False) -> pygame.font.Font:
        """The font of a size in units, never too small to read."""
        return font(max(SMALLEST_LETTERS_PX, self.px(size)), bold)

    def text(
        self,
        words: str,
        *,
        size: float = 16,
        colour: Colour = TEXT,
        bold: bool = False,
        width: int | None = None,
        **anchor: tuple[int, int],
    ) -> Rect:
        """Write one line.

        Args:
            words: what to write.
            size: height of the letters in units.
            colour: of the letters.
            bold: heavier.
            width: pixels after which the line is cut, if any.
            anchor: one pygame anchor and its point, such as `topleft=(x, y)`.

        Returns:
            Where it stands.
        """
        letters = self.letters(size, bold)
        shown = words if width is None else shorten(words, letters, width)
        image = letters.render(shown, True, colour)
        return self.surface.blit(image, image.get_rect(**anchor))

    def paragraph(self, words: str, place: Rect, size: float = 16, colour: Colour = TEXT) -> int:
        """Write wrapped lines from the top of `place`; returns the y where they end."""
        image = self.letters(size).render(words, True, colour, None, max(1, place.width))
        self.surface.blit(image, place.topleft)
        return place.top + image.get_height()

    def panel(
        self, place: Rect, colour: Colour = PANEL, edge: Colour | None = None, radius: float = 14
    ) -> None:
        """Fill a rectangle with round, smooth corners; `edge` adds a thin outline."""
        corner = self.px(radius)
        if edge is not None:
            rounded(self.surface, place, edge, corner)
            line = self.px(1.4)
            place, corner = place.inflate(-2 * line, -2 * line), corner - line
        rounded(self.surface, place, colour, corner)

    def dim(self, place: Rect, colour: Colour, alpha: int) -> None:
        """Lay a transparent colour over a rectangle."""
        veil = Surface(place.size, pygame.SRCALPHA)
        veil.fill((*colour, alpha))
        self.surface.blit(veil, place)

    def disc(self, centre: tuple[int, int], radius: float, colour: Colour) -> None:
        """A small smooth disc; the radius in units."""
        pygame.draw.aacircle(self.surface, colour, centre, self.px(radius))


def rounded(surface: Surface, place: Rect, colour: Colour, corner: int) -> None:
    """Fill a rectangle whose corners are smooth quarter circles of `corner` pixels."""
    corner = max(0, min(corner, (place.width - 1) // 2, (place.height - 1) // 2))
    pygame.draw.rect(surface, colour, place.inflate(-2 * corner, 0))
    pygame.draw.rect(surface, colour, place.inflate(0, -2 * corner))
    if not corner:
        return
    for x in (place.left + corner, place.right - 1 - corner):
        for y in (place.top + corner, place.bottom - 1 - corner):
            pygame.draw.aacircle(surface, colour, (x, y), corner)


def split(canvas: Canvas) -> tuple[Rect, Rect]:
    """Divide the window into the stage (the board) and the side (everything else).

    Returns:
        The stage left of the side, or above it in an upright window; neither leaves the window.
    """
    margin = canvas.px(22)
    inner = Rect(0, 0, canvas.width, canvas.height).inflate(-2 * margin, -2 * margin)
    if canvas.width >= 1.05 * canvas.height:
        side = min(round(0.37 * canvas.width), canvas.px(400))
        stage = min(inner.width - margin - side, inner.height)
        group = Rect(0, 0, stage + margin + side, inner.height)
        group.center = inner.center
        return (
            Rect(group.left, group.top, stage, group.height),
            Rect(group.right - side, group.top, side, group.height),
        )
    side = min(canvas.px(440), inner.height // 2)
    stage = inner.height - margin - side
    return (
        Rect(inner.left, inner.top, inner.width, stage),
        Rect(inner.left, inner.bottom - side, inner.width, side),
    )
