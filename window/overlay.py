"""The mind overlay: where the agent looks, what it expects, what it likes, what it remembers.

Everything shown was computed for the move it belongs to; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pygame
from pygame import Rect, Surface

from window.theme import (
    AGENT,
    BACKGROUND,
    EDGE,
    FOCUS,
    MUTED,
    PANEL,
    PERSON,
    RAISED,
    TEXT,
    Canvas,
    mix,
)  # fmt: skip
from window.thinker import Mind

LOOK_PX = 16
FRAME_PX = 64
GLOW: tuple[int, int, int] = (120, 220, 255)
EVEN = 0.15
FAINT = 0.03
ANYBODY = "anybody"  # a memory without an opponent's name: what all of them taught


@dataclass(frozen=True)
class Look:
    """How a frame lies on the screen.

    Attributes:
        origin: where its top left pixel is.
        scale: screen pixels per frame pixel.
        inside: what may be drawn over.
    """

    origin: tuple[int, int]
    scale: float
    inside: Rect

    def rect(self, row: float, column: float, size: float) -> Rect:
        """A square of the frame, on the screen."""
        left = self.origin[0] + round(column * self.scale)
        top = self.origin[1] + round(row * self.scale)
        return Rect(left, top, round(size * self.scale), round(size * self.scale))


def turned(mind: Mind) -> Mind:
    """Looks and saliency after half a turn, for whoever sits at the opposite corner."""
    looks = tuple((FRAME_PX - row, FRAME_PX - column) for row, column in mind.fixations)
    return replace(mind, fixations=looks, saliency=mind.saliency[::-1, ::-1])


def mirrored(mind: Mind) -> Mind:
    """Looks and saliency with left and right exchanged, for whoever sits on the other side."""
    looks = tuple((row, FRAME_PX - column) for row, column in mind.fixations)
    return replace(mind, fixations=looks, saliency=mind.saliency[:, ::-1])


def draw_looks(canvas: Canvas, look: Look, mind: Mind) -> None:
    """A glow where something drew the eye, a numbered frame around each look."""
    _draw_glow(canvas, look, mind)
    for number, (row, column) in enumerate(mind.fixations):
        half = LOOK_PX / 2
        top = min(max(row - half, 0), FRAME_PX - LOOK_PX)
        left = min(max(column - half, 0), FRAME_PX - LOOK_PX)
        place = look.rect(top, left, LOOK_PX).clip(look.inside)
        line = max(2, round(0.45 * look.scale))
        pygame.draw.rect(canvas.surface, GLOW, place, line, border_radius=round(2 * look.scale))
        tag = Rect(place.topleft, (round(3.4 * look.scale), round(3.4 * look.scale)))
        canvas.panel(tag, GLOW, radius=6)
        size = 2.6 * look.scale / canvas.unit
        canvas.text(str(number + 1), size=size, bold=True, colour=BACKGROUND, center=tag.center)


def prominence(saliency: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How much each place stands out, in [0, 1]: p above an even spread u, (p - u) / (1 - u)."""
    even = 1 / saliency.size
    above: npt.NDArray[np.float32] = ((saliency - even) / (1 - even)).clip(0, 1)
    return above


def _draw_glow(canvas: Canvas, look: Look, mind: Mind) -> None:
    """The saliency map as a soft light; an even spread gives none."""
    if not mind.saliency.size:
        return
    bright = ((prominence(mind.saliency) - FAINT) / (1 - FAINT)).clip(0, 1)
    alpha = (150 * np.sqrt(bright)).round().astype(np.uint8)
    whole = look.rect(0, 0, FRAME_PX)
    light, lit = _light(alpha.tobytes(), alpha.shape[1], whole.size)
    part = lit.move(whole.topleft).clip(look.inside)
    shift = part.move(-whole.left, -whole.top)
    canvas.surface.blit(light, part, shift, pygame.BLEND_PREMULTIPLIED)


@lru_cache(maxsize=2)
def _light(alpha: bytes, columns: int, size: tuple[int, int]) -> tuple[Surface, Rect]:
    """Rows of alpha values, `columns` wide, blurred up to `size`; and which part is not dark."""
    alphas = np.frombuffer(alpha, np.uint8).reshape(-1, columns)
    pixels = np.dstack([np.full((*alphas.shape, 3), GLOW, np.uint8), alphas])
    pixels = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), "edge")
    small = pygame.image.frombuffer(pixels.tobytes(), pixels.shape[1::-1], "RGBA")
    # the outermost pixels' centres come to lie on the edges: half a tile of them is cut off
    tile = size[0] // columns, size[1] // len(alphas)
    wide = pygame.transform.smoothscale(small, (size[0] + tile[0], size[1] + tile[1]))
    light = wide.subsurface(Rect((tile[0] // 2, tile[1] // 2), size))
    if pygame.display.get_surface():
        light = light.convert_alpha()  # the window's own format is drawn twice as fast
    return light.premul_alpha(), light.get_bounding_rect(min_alpha=2)


def draw_shares(canvas: Canvas, strips: Sequence[Rect], shares: Sequence[float]) -> None:
    """A percentage in place of each strip, on a bar that fills it from below."""
    best = max(shares)
    for strip, share in zip(strips, shares, strict=False):
        place = strip.inflate(-round(0.12 * strip.width), 0)
        canvas.panel(place, RAISED, radius=6)
        filled = Rect(place.left, 0, place.width, round(place.height * share))
        filled.bottom = place.bottom
        if filled.height > 2:
            canvas.panel(filled, mix(AGENT, BACKGROUND, 0.35), radius=6)
        colour = TEXT if share == best else MUTED
        size = 0.24 * strip.width / canvas.unit
        canvas.text(
            f"{100 * share:.0f}%", size=size, bold=share == best, colour=colour,
            center=place.center,
        )  # fmt: skip


def expectation(value: float) -> str:
    """The agent's expected result in words."""
    if abs(value) < EVEN:
        return "an even game"
    sure = "is sure" if abs(value) > 0.85 else "expects" if abs(value) > 0.45 else "hopes"
    if value > 0:
        return f"it {sure} to win"
    return f"it {sure.replace('hopes', 'fears')} to lose"


class Namer(Protocol):
    """Knows what actions are called."""

    listed_actions: tuple[str, ...]
    """Names of the actions whose shares are listed beside the board; none if they lie on it."""

    def name_action(self, action: int) -> str:
        """What an action is called in a sentence."""


def draw_mind_panel(canvas: Canvas, place: Rect, mind: Mind | None, namer: Namer) -> None:
    """The overlay's words and gauges, from the top of `place` down as far as there is room."""
    y = canvas.text(
        "What the agent thinks", size=17, bold=True, width=place.width, topleft=place.topleft
    ).bottom + canvas.px(8)
    rest = Rect(place.left, y, place.width, place.bottom - y)
    if mind is None:
        canvas.paragraph("Nothing yet: it has not moved in this game.", rest, 14, MUTED)
        return
    y = _draw_expectation(canvas, rest, mind.value) + canvas.px(14)
    if namer.listed_actions:
        room = Rect(rest.left, y, rest.width, rest.bottom - y)
        y = _draw_list(canvas, room, namer.listed_actions, mind) + canvas.px(14)
    room = Rect(rest.left, y, rest.width, place.bottom - y)
    y = _draw_recalled(canvas, room, mind, namer.name_action)
    words = "On the board: the glow drew its eye, the frames it looked at closely."
    if not namer.listed_actions:
        words += " Below the board: how likely each move was."
    rest = Rect(place.left, y + canvas.px(12), place.width, place.bottom - y)
    if rest.top + canvas.px(60) < place.bottom:
        canvas.paragraph(words, rest, 13, MUTED)


def _draw_expectation(canvas: Canvas, place: Rect, value: float) -> int:
    words = f"Expected result {value:+.2f}: {expectation(value)}"
    y = canvas.paragraph(words, place, 14) + canvas.px(8)
    gauge = Rect(place.left, y, place.width, canvas.px(12))
    canvas.surface.blit(_gauge(*gauge.size), gauge)
    reach = max(-1.0, min(1.0, value))
    x = gauge.centerx + round(reach * (gauge.width / 2 - canvas.px(6)))
    canvas.disc((x, gauge.centery), 9, BACKGROUND)
    canvas.disc((x, gauge.centery), 7, TEXT)
    y = gauge.bottom + canvas.px(4)
    canvas.text("you win", size=12, colour=MUTED, topleft=(place.left, y))
    return canvas.text("it wins", size=12, colour=MUTED, topright=(place.right, y)).bottom


def _draw_list(canvas: Canvas, place: Rect, names: Sequence[str], mind: Mind) -> int:
    """A line for each action that has room: name, bar, share; returns where they end."""
    height = max(canvas.px(21), canvas.letters(13).get_linesize())
    if canvas.letters(14, True).get_linesize() + canvas.px(4) + height > place.height:
        return place.top
    y = canvas.text(
        "How likely each action was", size=14, bold=True, width=place.width, topleft=place.topleft
    ).bottom + canvas.px(4)
    best = max(mind.probabilities)
    before = max(canvas.px(110), _room(canvas, names))
    after = _room(canvas, ("100%",))
    for name, share in zip(names, mind.probabilities, strict=False):
        line = Rect(place.left, y, place.width, height)
        if line.bottom > place.bottom:
            break
        colour = TEXT if share == best else MUTED
        canvas.text(name, size=13, colour=colour, midleft=(line.left, line.centery))
        words = f"{100 * share:.0f}%"
        canvas.text(words, size=13, colour=colour, midright=(line.right, line.centery))
        bar = Rect(line.left + before, 0, line.width - before - after, canvas.px(9))
        bar.centery = line.centery
        canvas.panel(bar, RAISED, radius=4)
        filled = Rect(bar.left, bar.top, round(bar.width * share), bar.height)
        if filled.width > 3:
            canvas.panel(filled, AGENT if share == best else mix(AGENT, PANEL, 0.5), radius=4)
        y = line.bottom
    return y


def _room(canvas: Canvas, words: Sequence[str]) -> int:
    """How wide the widest is, with a gap beside it; letters do not shrink for ever."""
    return max(canvas.letters(13).size(one)[0] for one in words) + canvas.px(10)


@lru_cache(maxsize=2)
def _gauge(width: int, height: int) -> Surface:
    """From the person's colour through grey to the agent's."""
    picture = Surface((width, height))
    for x in range(width):
        share = 2 * x / max(1, width - 1) - 1
        colour = mix(EDGE, PERSON if share < 0 else AGENT, 0.75 * abs(share))
        picture.fill(colour, (x, 0, 1, height))
    return picture


def _draw_recalled(
    canvas: Canvas, place: Rect, mind: Mind, name_action: Callable[[int], str]
) -> int:
    count = len(mind.recalled)
    words = {0: "No memory spoke up", 1: "One memory spoke up"}.get(
        count, f"{count} memories spoke up"
    )
    if canvas.letters(14, True).get_linesize() > place.height:
        return place.top
    y = canvas.text(words, size=14, bold=True, width=place.width, topleft=place.topleft).bottom
    for memory in mind.recalled:
        top = y + canvas.px(6)
        if top + canvas.px(30) > place.bottom:
            break
        chip = Rect(place.left, top, place.width, canvas.px(30))
        canvas.panel(chip, RAISED, radius=7)
        canvas.disc((chip.left + canvas.px(14), chip.centery), 5, _worth(memory.value))
        line = (
            f"{name_action(memory.action)}: {memory.value:+.1f}, "
            f"{100 * memory.similarity:.0f}% alike, with {memory.opponent or ANYBODY}"
        )
        start = (chip.left + canvas.px(28), chip.centery)
        canvas.text(line, size=13, width=chip.width - canvas.px(38), midleft=start)
        y = chip.bottom
    return y


def _worth(value: float) -> tuple[int, int, int]:
    return mix(FOCUS, AGENT if value > 0 else PERSON, min(1.0, abs(value)))
