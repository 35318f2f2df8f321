"""Fast drawing of volley courts on 64x64 frames: a copy of a backdrop, and small stamps on it.

Eight pixels of one channel are one int64. A figure stands ready in every quarter-pixel position,
cut to a window of 16 pixels, so that a stamp is a handful of words. Not a renderer for people:
the window draws its own.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.frames import Colour, Image

SIZE = 64
WORD = 8
ROW_WORDS = SIZE // WORD
FRAME_WORDS = 3 * SIZE * ROW_WORDS
STEPS = 4  # positions within a pixel
WINDOW_WORDS = 2
WINDOW_STEPS = STEPS * WORD * WINDOW_WORDS
FAINTEST = 0.12  # pixels that are covered less stay as they are
CHUNK_FRAMES = 256
HUGE_PAGE = 1 << 21

Cover = npt.NDArray[np.float64]


class Figure(NamedTuple):
    """A disc, or the upper half of one.

    Attributes:
        radius: in pixels.
        colour: of the inside.
        edge: what the rim is blended with, the usual ground behind it.
        is_half: only what lies above the centre.
    """

    radius: float
    colour: Colour
    edge: Colour
    is_half: bool = False

    @property
    def reach(self) -> int:
        """How far the antialiased rim is from the centre, in quarter pixels."""
        return int(np.ceil(STEPS * (self.radius + 0.5)))

    def cover(self, rows: int) -> Cover:
        """(reach + STEPS, WINDOW_STEPS + 1, rows, 16) cover, for every place of the centre."""
        across = np.arange(WORD * WINDOW_WORDS) + 0.5
        down = np.arange(rows) + 0.5
        x = across - np.arange(WINDOW_STEPS + 1)[:, None, None] / STEPS
        y = (down - np.arange(self.reach + STEPS)[:, None] / STEPS)[:, None, :, None]
        cover = np.clip(self.radius + 0.5 - np.hypot(x, y), 0, 1)
        return cover * np.clip(0.5 - y, 0, 1) if self.is_half else cover


def new_frames(num_frames: int, device: torch.device) -> Tensor:
    """(num_frames, FRAME_WORDS) int64, not yet written to.

    A large batch comes on huge pages where the system has them: the kernel hands out ordinary
    pages one by one, which costs more than all of the drawing.
    """
    num_bytes = num_frames * FRAME_WORDS * WORD
    if device.type != "cpu" or num_bytes < HUGE_PAGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(num_frames, FRAME_WORDS, dtype=torch.int64, device=device)
    memory = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.int64).view(num_frames, FRAME_WORDS)


def pack(images: Image) -> Tensor:
    """(..., W) uint8 pixels as (..., W / 8) int64 words."""
    return torch.from_numpy(np.ascontiguousarray(images).view(np.int64))


class Layer:
    """Figures of equal size that are stamped at once; they must never share a word.

    Args:
        figures: F of them, equal but for their colours.
        device: where frames are drawn.
        spans: for each figure the first and the last word of a row that it may touch.
    """

    def __init__(
        self,
        figures: Sequence[Figure],
        device: torch.device | str,
        spans: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        first = figures[0]
        self._reach = first.reach
        below = 0 if first.is_half else self._reach
        self.num_rows = (self._reach + below + STEPS - 1) // STEPS + 1
        banks = [self._bank_of(figure) for figure in figures]
        per_figure = len(banks[0])
        self._bank = torch.cat([*banks, _blank_like(banks[0][:1])]).to(device)
        self._nothing = len(self._bank) - 1
        self._first = (torch.arange(len(figures), device=device) * per_figure)[:, None]
        ends = torch.tensor(spans or [(0, ROW_WORDS - 1)] * len(figures), device=device)
        self._least, self._most = ends[:, :1], ends[:, 1:] - (WINDOW_WORDS - 1)
        channels = torch.arange(3)[:, None, None] * SIZE * ROW_WORDS
        rows = torch.arange(self.num_rows)[:, None] * ROW_WORDS
        words = channels + rows + torch.arange(WINDOW_WORDS)
        self._words = words.flatten().to(device)

    def _bank_of(self, figure: Figure) -> Tensor:
        """(places, 2, words): the mask of what is kept, and the colours of what is not."""
        cover = figure.cover(self.num_rows)[:, :, None]  # y, x, 1, rows, 16
        inside, rim = (np.array(c)[:, None, None] for c in (figure.colour, figure.edge))
        seen = cover >= FAINTEST
        colours = np.where(seen, (cover * inside + (1 - cover) * rim).round(), 0).astype(np.uint8)
        kept = np.broadcast_to(np.where(seen, 0, 255).astype(np.uint8), colours.shape)
        return pack(np.stack((kept, colours), 2)).flatten(0, 1).flatten(2)

    def locate(self, x: Tensor, y: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Where to stamp and what.

        Args:
            x: (F, B) int64 centres in quarter pixels, counted from the left edge.
            y: (F, B) int64 likewise, from the top.
            hidden: (B,) bool, rows in which nothing is drawn, wherever the figures are.

        Returns:
            (2, B, F) int64: the first word of the window, and the place in the bank.
        """
        word = ((x - self._reach) >> 5).clamp(self._least, self._most)
        row = ((y - self._reach) >> 2).clamp(0, SIZE - self.num_rows)
        places = (y - row * STEPS) * (WINDOW_STEPS + 1) + (x - word * STEPS * WORD)
        located = torch.stack((row * ROW_WORDS + word, places + self._first))
        if hidden is not None:
            located[0].masked_fill_(hidden, 0)
            located[1].masked_fill_(hidden, self._nothing)
        return located.transpose(1, 2)

    def stamp(self, frames: Tensor, located: Tensor) -> None:
        """Draw on (B, FRAME_WORDS) frames, in place."""
        words = located[0, :, :, None] + self._words  # B, F, words
        kept, colours = self._bank.index_select(0, located[1].flatten()).unbind(1)
        under = frames.gather(1, words.flatten(1)).view(kept.shape)
        under &= kept
        under |= colours
        frames.scatter_(1, words.flatten(1), under.view(len(frames), -1))


def _blank_like(bank: Tensor) -> Tensor:
    """A place that keeps all and adds nothing."""
    return torch.stack((torch.full_like(bank[:, 0], -1), torch.zeros_like(bank[:, 1])), 1)


class Panel:
    """A fixed rectangle of whole words that shows one of several pictures.

    Args:
        pictures: (N, 3, h, w) uint8, w a multiple of 8.
        row: of its upper edge.
        word: of its left edge.
        device: where frames are drawn.
    """

    def __init__(self, pictures: Image, row: int, word: int, device: torch.device | str) -> None:
        self._bank = pack(pictures).to(device)
        height, width = self._bank.shape[2:]
        self._where = (slice(row, row + height), slice(word, word + width))

    def show(self, frames: Tensor, which: Tensor) -> None:
        """Draw picture `which` ((B,) int64) on (B, FRAME_WORDS) frames, in place."""
        screen = frames.view(-1, 3, SIZE, ROW_WORDS)
        screen[:, :, self._where[0], self._where[1]] = self._bank.index_select(0, which)
