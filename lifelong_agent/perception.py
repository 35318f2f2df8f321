"""Eyes: a coarse glance says what is there, a salient spot is then looked at in full detail.

The ventral stream reads a pooled glance of the whole frame; the dorsal stream turns that reading
into a map of saliency, picks one place, and cuts it out at native resolution by integer indexing;
a gated update folds the look into the reading. Nothing here knows any game or acts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class EyesConfig:
    """Sizes of the eyes.

    Attributes:
        channels: width of the ventral map.
        blocks: 3x3 residual convolutions in the ventral stream.
        grid: tokens per side of the ventral map and of the saliency map.
        glance: side of the pooled frame in pixels; a multiple of `grid`.
        crop: side of a look in native pixels.
        looks: R, how many places are looked at.
        reading: width of the reading.
        precision: `bfloat16` or `float32` arithmetic in the ventral stream.
    """

    channels: int = 32
    blocks: int = 4
    grid: int = 8
    glance: int = 16
    crop: int = 16
    looks: int = 1
    reading: int = 128
    precision: str = "float32"


@dataclass(frozen=True)
class Percept:
    """What the eyes saw of N frames.

    Attributes:
        reading: (N, D) float32.
        saliency: (N, R, G, G) float32 log-probabilities of looking at each token.
        fixations: (N, R, 2) int64, row and column of the looks' centres in pixels.
    """

    reading: Tensor
    saliency: Tensor
    fixations: Tensor


class Residual(nn.Module):
    """x + relu(conv3x3(x)) on (N, C, G, G)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape in, shape out: (N, C, G, G)."""
        return x + F.relu(self.conv(x))


class Eyes(nn.Module):
    """The two streams.

    Args:
        obs_shape: channels, height, width of the frames; each side a multiple of the glance's.
        config: sizes.

    Raises:
        ValueError: if the frame is smaller than a crop or does not fit the glance, if there are
            more looks than places, or for an unknown precision.
    """

    def __init__(self, obs_shape: tuple[int, int, int], config: EyesConfig) -> None:
        super().__init__()
        _check_sizes(obs_shape, config)
        channels, self.height, self.width = obs_shape
        self.config = config
        self.set_precision(config.precision)
        patch = config.glance // config.grid
        self.stem = nn.Conv2d(channels, config.channels, patch, stride=patch)
        self.trunk = nn.Sequential(*[Residual(config.channels) for _ in range(config.blocks)])
        tokens = config.channels * config.grid**2
        self.read = nn.Sequential(
            nn.LayerNorm(tokens), nn.Linear(tokens, config.reading), nn.ReLU()
        )
        self.salience = nn.Conv2d(config.channels, 1, 1)
        self.look = nn.Linear(channels * config.crop**2, config.reading)
        self.place = nn.Embedding(config.grid**2, config.reading)
        self.gate = nn.Linear(2 * config.reading, config.reading)
        self.candidate = nn.Linear(config.reading, config.reading)

    def set_precision(self, precision: str) -> None:
        """Choose the arithmetic of the ventral stream, `float32` or `bfloat16`."""
        self._dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]

    def glance(self, frames: Tensor) -> Tensor:
        """Pool (N, C, H, W) uint8 to the coarse (N, C, g, g) uint8; has no parameters."""
        kernel = (self.height // self.config.glance, self.width // self.config.glance)
        return F.avg_pool2d(frames.float(), kernel).round_().to(torch.uint8)

    def forward(self, frames: Tensor, glances: Tensor | None = None) -> Percept:
        """See N frames.

        Args:
            frames: (N, C, H, W) uint8.
            glances: what `glance` made of them, if it is at hand.

        Returns:
            Percept of N rows.
        """
        features = self._ventral(self.glance(frames) if glances is None else glances)
        reading = self.read(features.flatten(1))
        saliency = self.salience(features).flatten(1)
        maps, spots = [], []
        for _ in range(self.config.looks):
            log_probs = saliency.log_softmax(1)
            spot = log_probs.argmax(1)
            reading = self._look(frames, reading, log_probs, spot)
            maps.append(log_probs)
            spots.append(spot)
            saliency = saliency.scatter(1, spot[:, None], -1e4)  # inhibition of return
        return self._percept(reading, maps, spots)

    def _ventral(self, glances: Tensor) -> Tensor:
        dtype = self._dtype
        with torch.autocast(glances.device.type, dtype, enabled=dtype == torch.bfloat16):
            features = self.trunk(F.relu(self.stem(glances.to(dtype) / 128 - 1)))
        return torch.as_tensor(features).float()

    def _look(self, frames: Tensor, reading: Tensor, log_probs: Tensor, spot: Tensor) -> Tensor:
        crops = crop_windows(frames, spot, self.config.grid, self.config.crop)
        chosen = log_probs.gather(1, spot[:, None])
        gate = (chosen - chosen.detach()).exp()  # 1 forward, d log p backward
        pixels = crops.flatten(1).float() / 128 - 1
        seen = F.relu(self.look(pixels) + self.place(spot)) * gate
        opening = torch.sigmoid(self.gate(torch.cat([reading, seen], 1)) - 1)
        return torch.as_tensor(reading + opening * self.candidate(seen))

    def _percept(self, reading: Tensor, maps: list[Tensor], spots: list[Tensor]) -> Percept:
        grid, rows = self.config.grid, len(reading)
        if not maps:
            empty = torch.zeros(rows, 0, grid, grid, device=reading.device)
            return Percept(reading, empty, empty[..., 0, :2].long())
        spot = torch.stack(spots, 1)
        cell = torch.tensor([self.height // grid, self.width // grid], device=spot.device)
        centre = torch.stack([spot // grid, spot % grid], -1) * cell + cell // 2
        return Percept(reading, torch.stack(maps, 1).view(rows, -1, grid, grid), centre)


def crop_windows(frames: Tensor, spots: Tensor, grid: int, crop: int) -> Tensor:
    """Cut one window out of each frame, centred on a token, shifted inside the frame.

    Args:
        frames: (N, C, H, W), sides multiples of `grid`.
        spots: (N,) int64 token numbers in [0, grid * grid), row by row.
        grid: tokens per side.
        crop: side of the window in pixels.

    Returns:
        (N, C, crop, crop) of the frames' dtype, copied exactly.
    """
    height, width = frames.shape[-2:]
    windows = frames.unfold(2, crop, 1).unfold(3, crop, 1)  # a view of all places, no copy
    rows = _window_start(spots // grid, height, grid, crop)
    columns = _window_start(spots % grid, width, grid, crop)
    return windows[torch.arange(len(spots), device=spots.device), :, rows, columns]


def _window_start(token: Tensor, side: int, grid: int, crop: int) -> Tensor:
    cell = side // grid
    return (token * cell + cell // 2 - crop // 2).clamp(0, side - crop)


PRECISIONS = ("float32", "bfloat16")


def _check_sizes(obs_shape: tuple[int, int, int], config: EyesConfig) -> None:
    _, height, width = obs_shape
    if config.precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ValueError(f"unknown precision {config.precision!r}: known are {known}")
    if not 0 <= config.looks <= config.grid**2:
        raise ValueError(f"{config.looks} looks at {config.grid**2} places: none is seen twice")
    if min(height, width) < config.crop:
        raise ValueError(f"a frame of {height}x{width} is smaller than the crop of {config.crop}")
    if height % config.glance or width % config.glance or config.glance % config.grid:
        raise ValueError(
            f"frame sides {height}x{width} must be multiples of the glance's {config.glance}, "
            f"and that of the grid's {config.grid}"
        )
