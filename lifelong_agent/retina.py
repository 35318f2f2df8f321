"""What is done to pixels before anything is learned: pooling, focusing, cutting out.

Pure functions of frames, without parameters and without gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def pool(frames: Tensor, side: int) -> Tensor:
    """Mean (rounded down), maximum and minimum over a grid of `side` x `side` windows.

    Args:
        frames: (N, C, H, W) uint8. Where a side is no multiple of `side`, windows differ by a
            pixel, as in adaptive pooling; a frame smaller than the grid repeats pixels.
        side: windows per side.

    Returns:
        (N, 3 C, side, side) uint8.
    """
    height, width = frames.shape[-2:]
    if height % side or width % side:
        wide = frames.float()
        mean = F.adaptive_avg_pool2d(wide, side)
        most, least = F.adaptive_max_pool2d(wide, side), -F.adaptive_max_pool2d(-wide, side)
        return torch.cat([mean, most, least], 1).to(torch.uint8)
    rows, columns = height // side, width // side
    most, least = (
        _along(_across(frames, join, rows), join, columns)
        for join in (torch.maximum, torch.minimum)
    )
    return torch.cat([_mean(frames, rows, columns), most, least], 1)


def _mean(frames: Tensor, tall: int, wide: int) -> Tensor:
    """(N, C, H / tall, W / wide) uint8 means, rounded down."""
    pixels = tall * wide
    if wide % 2 or pixels > 128 or frames.dtype != torch.uint8:  # 129 may not fit into 15 bits
        total = _along(_across(frames.int(), torch.add, tall), torch.add, wide)
    else:  # two pixels at a time
        both = frames.contiguous().view(torch.int16)
        pairs = (both & 255).add_((both >> 8).bitwise_and_(255))
        total = _along(_across(pairs, torch.add, tall), torch.add, wide // 2)
    shift = pixels.bit_length() - 1
    return (total >> shift if pixels == 1 << shift else total // pixels).to(torch.uint8)


Join = Callable[[Tensor, Tensor], Tensor]


def _across(frames: Tensor, join: Join, step: int) -> Tensor:
    """Join every `step` lines of (N, C, H, W): (N, C, H / step, W)."""
    num, channels, height, width = frames.shape
    lines = frames.view(num, channels, height // step, step, width).unbind(3)
    return functools.reduce(join, lines)


def _along(lines: Tensor, join: Join, step: int) -> Tensor:
    """Join every `step` neighbours of (..., W): (..., W / step).

    All runs of the whole memory are joined, of which every `step`-th is taken: several times as
    fast as a reduction over a short last axis.
    """
    flat = lines.flatten()
    num = len(flat) - step + 1
    joined = flat[:num]
    for k in range(1, step):
        joined = join(joined, flat[k : num + k])
    return joined[::step].view(*lines.shape[:-1], -1)


def cell_of(length: int, grid: int) -> int:
    """Pixels along one side of a place."""
    return -(-length // grid)


def focus(
    frames: Tensor, spots: Tensor, grid: int, reach: int = 0, usual: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The most striking pixel of one place in each frame: the farthest from what is usual.

    A thing is then always in the middle of the look, wherever it lies in its place, so that what
    is beside it is always at the same pixels of the look.

    Args:
        frames: (N, C, H, W) uint8.
        spots: (N,) int64 numbers of places in [0, grid * grid), row by row.
        grid: places per side.
        reach: places around it, each way, that are searched as well.
        usual: (N, C) float, from what the pixel differs; the mean of what is searched if left out.

    Returns:
        (N, 2) int64 rows and columns of the first pixel that is searched, and of the striking one,
        the first of equals.
    """
    height, width = frames.shape[-2:]
    tall, wide = searched(height, grid, reach), searched(width, grid, reach)
    up, back = reach * cell_of(height, grid), reach * cell_of(width, grid)
    top = (spots // grid * height // grid - up).clamp(0, height - tall)
    left = (spots % grid * width // grid - back).clamp(0, width - wide)
    corner = torch.stack([top, left], 1)
    light = _windows(frames, corner, tall, wide).flatten(2).float()
    middle = light.mean(2) if usual is None else usual
    striking = (light - middle[:, :, None]).abs().sum(1).argmax(1)
    return corner, corner + torch.stack([striking // wide, striking % wide], 1)


def searched(length: int, grid: int, reach: int) -> int:
    """Pixels along one side of a place and of those in its reach."""
    return min(length, (2 * reach + 1) * cell_of(length, grid))


def crop_around(frames: Tensor, centres: Tensor, crop: int) -> Tensor:
    """Cut one window out of each frame, centred on a pixel, shifted inside the frame.

    Args:
        frames: (N, C, H, W).
        centres: (N, 2) int64 rows and columns; the pixel just below and right of the middle.
        crop: side of the window in pixels.

    Returns:
        (N, C, crop, crop) of the frames' dtype, copied exactly.
    """
    first = (centres - crop // 2).clamp(min=0)
    sides = zip(first.unbind(1), frames.shape[-2:], strict=True)
    corners = torch.stack([start.clamp(max=side - crop) for start, side in sides], 1)
    return _windows(frames, corners, crop, crop)


def _windows(frames: Tensor, corners: Tensor, tall: int, wide: int) -> Tensor:
    """(N, C, tall, wide) of each frame, from (N, 2) first pixels on.

    All runs of `wide` pixels are rows of one overlapping view, of which whole ones are taken: ten
    times as fast as indexing pixels.
    """
    num, channels, height, width = frames.shape
    runs = frames.flatten().unfold(0, wide, 1)
    places = torch.arange(num, device=frames.device) * (channels * height * width)
    places = places + corners[:, 0] * width + corners[:, 1]
    planes = torch.arange(channels, device=frames.device) * (height * width)
    lines = torch.arange(tall, device=frames.device) * width
    within = (planes[:, None] + lines).flatten()
    found = runs.index_select(0, (places[:, None] + within).flatten())
    return found.view(num, channels, tall, wide)
