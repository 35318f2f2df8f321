"""The one door for observations of any environment: a `Box` of images or of vectors.

Images of any dtype and layout become uint8 with their channels first, vectors become float32.
Nothing here learns; what comes out is what the eyes read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor

SMALLEST_SIDE = 4  # pixels


class Converter:
    """Observations of one space as tensors for the eyes.

    uint8 images stay as they are; all others (bool, integers, floats) are stretched from the
    bounds of their channel to 0..255, rounded, and cut off there.

    Args:
        space: a `Box` of images, channels first or last, or of vectors. The channels are the
            shorter one of the first and the last axis; the last one if they are equal, as in
            Gymnasium.

    Raises:
        ValueError: for any other space, an image below 4 pixels, or one without finite bounds.
    """

    obs_shape: tuple[int, ...]
    """(C, H, W) of what comes out, or (size,)."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        if not isinstance(space, spaces.Box):
            kind = type(space).__name__
            raise ValueError(f"observations must be a Box of images or vectors, not {kind}")
        if len(space.shape) not in (1, 3):
            raise ValueError(f"observations must be images or vectors, not of shape {space.shape}")
        self.obs_shape = space.shape
        self.is_image = len(space.shape) == 3
        self.is_channels_last = False
        self._stretch: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None
        if self.is_image:
            self._see(space)

    def _see(self, space: spaces.Box) -> None:
        first, middle, last = space.shape
        self.is_channels_last = first >= last
        channels, height, width = (last, first, middle) if self.is_channels_last else space.shape
        if min(height, width) < SMALLEST_SIDE:
            least = f"{SMALLEST_SIDE}x{SMALLEST_SIDE}"
            raise ValueError(f"images must be at least {least} pixels, not {height}x{width}")
        self.obs_shape = (channels, height, width)
        if space.dtype != np.uint8:
            self._stretch = _stretch(space, (0, 1) if self.is_channels_last else (1, 2))

    def __call__(self, observations: npt.ArrayLike, device: torch.device | str = "cpu") -> Tensor:
        """Convert (N, *space.shape) to (N, C, H, W) uint8 or (N, size) float32.

        Raises:
            ValueError: for NaN or infinity.
        """
        seen = np.asarray(observations)
        if seen.dtype.kind == "f" and not np.isfinite(seen).all():
            raise ValueError("an observation holds NaN or infinity")
        if not self.is_image:
            return torch.as_tensor(seen, dtype=torch.float32, device=device)
        if self._stretch is not None:
            low, scale = self._stretch
            seen = np.clip((seen - low) * scale + 0.5, 0, 255)  # cut to whole numbers below
        pixels = torch.as_tensor(seen.astype(np.uint8, copy=False), device=device)
        return pixels.permute(0, 3, 1, 2).contiguous() if self.is_channels_last else pixels


def _stretch(
    space: spaces.Box, pixel_axes: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Low, and the factor to 255, of each channel; a channel without any range becomes 0."""
    low = space.low.astype(np.float32).min(pixel_axes, keepdims=True)
    span = space.high.astype(np.float32).max(pixel_axes, keepdims=True) - low
    if not np.isfinite(span).all():
        raise ValueError(f"images of {space.dtype} need finite bounds, not {space}")
    return low, np.divide(255, span, out=np.zeros_like(span), where=span > 0)
