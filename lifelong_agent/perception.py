"""Eyes: a coarse glance says what is there, salient spots are then looked at in full detail.

The ventral stream reads a pooled glance of the whole frame. Then, as often as there are looks: the
reading recalls what it is associated with, both ask the dorsal stream for a map of saliency, one
place is cut out at native resolution by integer indexing, and a gated update folds the look into
the reading, which asks anew. Nothing here knows any game or acts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

POOLS = 3  # mean, brightest, darkest: small things are lost in a mean
SEEN = -1e4  # added to the saliency of places that were looked at
MOST_LOOKS = 1 / 9  # of all places: each look closes nine


@dataclass(frozen=True)
class EyesConfig:
    """Sizes of the eyes.

    Attributes:
        channels: width of the ventral map.
        blocks: 3x3 residual convolutions in the ventral stream.
        grid: tokens per side of the ventral map.
        glance: side of the pooled frame in pixels, and places per side of the dorsal map; a
            multiple of `grid`.
        crop: side of a look in native pixels.
        looks: R, how many places are looked at.
        reading: width of the reading.
        keys: width of the dorsal map, in which the reading searches. It is finer than the ventral
            one: what is looked at has to lie in the middle of the look to be read well.
        associations: patterns that a reading can recall.
        patience: looking stops early where a look has changed all readings by less than this
            share of their length; 0 never stops. Not used while learning.
        precision: `bfloat16` or `float32` arithmetic in the ventral stream.
    """

    channels: int = 32
    blocks: int = 4
    grid: int = 8
    glance: int = 16
    crop: int = 16
    looks: int = 2
    reading: int = 128
    keys: int = 16
    associations: int = 64
    patience: float = 0.0
    precision: str = "float32"


@dataclass(frozen=True)
class Percept:
    """What the eyes saw of N frames.

    Attributes:
        reading: (N, D) float32, what the ventral stream makes of it in the end.
        saliency: (N, R, g, g) float32 log-probabilities of looking at each place.
        fixations: (N, R, 2) int64, row and column of the looks' centres in pixels, in order.
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


class Associations(nn.Module):
    """A content-addressable memory: (N, D) cues to (N, D) recalled patterns.

    One step of a modern Hopfield network: softmax(c K^T / sqrt(D)) V over the stored patterns.

    Source: arXiv:2008.02217, equation 3.
    """

    def __init__(self, width: int, patterns: int) -> None:
        super().__init__()
        self.keys = nn.Linear(width, patterns, bias=False)
        self.values = nn.Linear(patterns, width, bias=False)
        self.scale = width**-0.5

    def forward(self, cues: Tensor) -> Tensor:
        """Recall."""
        return torch.as_tensor(self.values((self.keys(cues) * self.scale).softmax(-1)))


class Fovea(nn.Module):
    """Reads a look in detail: (N, C, crop, crop) light to (N, width), two strided convolutions."""

    def __init__(self, channels: int, crop: int, width: int) -> None:
        super().__init__()
        side = (crop + 3) // 4
        self.detail = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.read = nn.Linear(32 * side**2, width)

    def forward(self, light: Tensor, dtype: torch.dtype) -> Tensor:
        """Read, with the convolutions in `dtype`."""
        with torch.autocast(light.device.type, dtype, enabled=dtype == torch.bfloat16):
            detail = self.detail(light)
        return torch.as_tensor(self.read(detail.flatten(1).float()))


class Eyes(nn.Module):
    """The two streams and the loop between them.

    Args:
        obs_shape: channels, height, width of the frames.
        config: sizes.

    Raises:
        ValueError: if the frame is smaller than a crop, if glance and grid do not fit, if there
            are more looks than places, or for an unknown precision.
    """

    def __init__(self, obs_shape: tuple[int, int, int], config: EyesConfig) -> None:
        super().__init__()
        _check_sizes(obs_shape, config)
        channels, self.height, self.width = obs_shape
        self.config = config
        self.set_precision(config.precision)
        patch = config.glance // config.grid
        self.stem = nn.Conv2d(POOLS * channels, config.channels, patch, stride=patch)
        self.trunk = nn.Sequential(*[Residual(config.channels) for _ in range(config.blocks)])
        tokens = config.channels * config.grid**2
        self.read = nn.Sequential(
            nn.LayerNorm(tokens), nn.Linear(tokens, config.reading), nn.ReLU()
        )
        self.dorsal = nn.Conv2d(POOLS * channels, config.keys, 3, padding=1)
        self.context = nn.Conv2d(config.channels, config.keys, 1)
        self.conspicuous = nn.Parameter(torch.randn(config.keys) * config.keys**-0.5)
        self.recall = Associations(config.reading, config.associations)
        self.search = nn.Linear(config.reading, config.keys)
        self.look = Fovea(channels, config.crop, config.reading)
        self.place = nn.Embedding(config.glance**2, config.reading)
        self.gate = nn.Linear(2 * config.reading, config.reading)
        self.candidate = nn.Linear(config.reading, config.reading)

    def set_precision(self, precision: str) -> None:
        """Choose the arithmetic of both maps, `float32` or `bfloat16`."""
        self._dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]

    def glance(self, frames: Tensor) -> Tensor:
        """Pool (N, C, H, W) uint8 to the coarse (N, 3 C, g, g) uint8; has no parameters.

        The mean (rounded down), the brightest and the darkest value of every square.
        """
        return pool(frames, self.config.glance)

    def forward(self, frames: Tensor, glances: Tensor | None = None) -> Percept:
        """See N frames.

        Args:
            frames: (N, C, H, W) uint8.
            glances: what `glance` made of them, if it is at hand.

        Returns:
            Percept of N rows.
        """
        glances = self.glance(frames) if glances is None else glances
        features, landmarks = self._streams(glances)
        reading = self.read(features.flatten(1))
        nowhere = torch.zeros(len(frames), self.config.glance**2, device=frames.device)
        seen, maps, spots = nowhere, [], []
        for _ in range(self.config.looks):
            sought = self.conspicuous + self.search(reading + self.recall(reading)) / 4
            saliency = torch.bmm(landmarks, sought[:, :, None])[:, :, 0]
            spot = (saliency.detach() + seen).argmax(1)
            before, reading = reading, self._look(frames, reading, saliency, spot)
            maps.append((saliency + seen).log_softmax(1))
            spots.append(spot)
            seen = seen + self._inhibition(spot)
            if self._is_enough(before, reading):
                break
        return self._percept(reading, maps, spots)

    def _streams(self, glances: Tensor) -> tuple[Tensor, Tensor]:
        """The ventral map (N, channels, G, G) and the dorsal one (N, g * g, keys)."""
        dtype, patch = self._dtype, self.config.glance // self.config.grid
        with torch.autocast(glances.device.type, dtype, enabled=dtype == torch.bfloat16):
            light = _light(glances, dtype)
            ventral = self.trunk(F.relu(self.stem(light)))
            if not self.config.looks:
                return torch.as_tensor(ventral).float(), torch.empty(0)
            context = F.interpolate(self.context(ventral), scale_factor=float(patch))
            where = F.relu(self.dorsal(light) + context)
        landmarks = torch.as_tensor(where).float().permute(0, 2, 3, 1)
        return torch.as_tensor(ventral).float(), landmarks.flatten(1, 2)

    def _inhibition(self, spot: Tensor) -> Tensor:
        """(N, g * g): no return to (N,) places, nor to those beside them."""
        place = torch.arange(self.config.glance, device=spot.device)
        far_down = (place - (spot // self.config.glance)[:, None]).abs() > 1
        far_across = (place - (spot % self.config.glance)[:, None]).abs() > 1
        return SEEN * (~(far_down[:, :, None] | far_across[:, None])).flatten(1).float()

    def _look(self, frames: Tensor, reading: Tensor, saliency: Tensor, spot: Tensor) -> Tensor:
        """Fold one look into the reading.

        What is seen counts as much as its place was salient, so that places that help become more
        salient, and others less.
        """
        crops = crop_windows(frames, spot, self.config.glance, self.config.crop)
        weight = 2 * torch.sigmoid(saliency.gather(1, spot[:, None]))
        detail = self.look(_light(crops, self._dtype), self._dtype)
        seen = F.relu(detail + self.place(spot)) * weight
        opening = torch.sigmoid(self.gate(torch.cat([reading, seen], 1)) - 1)
        return torch.as_tensor(reading + opening * self.candidate(seen))

    def _is_enough(self, before: Tensor, after: Tensor) -> bool:
        """Whether the last look has changed little in every row."""
        if not self.config.patience or torch.is_grad_enabled():
            return False
        change = (after - before).norm(dim=1)
        return bool((change < self.config.patience * before.norm(dim=1)).all())

    def _percept(self, reading: Tensor, maps: list[Tensor], spots: list[Tensor]) -> Percept:
        side, rows = self.config.glance, len(reading)
        if not maps:
            empty = torch.zeros(rows, 0, side, side, device=reading.device)
            return Percept(reading, empty, empty[..., 0, :2].long())
        spot = torch.stack(spots, 1)
        rows_and_columns = torch.stack([spot // side, spot % side], -1)
        sides = torch.tensor([self.height, self.width], device=spot.device)
        centre = (2 * rows_and_columns + 1) * sides // (2 * side)
        return Percept(reading, torch.stack(maps, 1).view(rows, -1, side, side), centre)


class VectorEye(nn.Module):
    """What stands in for the eyes where observations are vectors: two dense layers, no looks.

    Args:
        size: of an observation.
        config: of which only the width of the reading matters.
    """

    def __init__(self, size: int, config: EyesConfig) -> None:
        super().__init__()
        self.read = nn.Sequential(
            nn.Linear(size, config.reading), nn.Tanh(),
            nn.Linear(config.reading, config.reading), nn.Tanh(),
        )  # fmt: skip

    def set_precision(self, precision: str) -> None:
        """Vectors are small: always float32."""

    def glance(self, vectors: Tensor) -> Tensor:
        """Nothing is pooled: (N, 0)."""
        return vectors[:, :0]

    def forward(self, vectors: Tensor, glances: Tensor | None = None) -> Percept:
        """Read (N, size) float32."""
        no_maps = torch.zeros(len(vectors), 0, 0, 0, device=vectors.device)
        no_places = torch.zeros(len(vectors), 0, 2, dtype=torch.int64, device=vectors.device)
        return Percept(self.read(vectors), no_maps, no_places)


def make_eyes(obs_shape: tuple[int, ...], config: EyesConfig) -> Eyes | VectorEye:
    """Eyes for images (C, H, W), a `VectorEye` for vectors (size,)."""
    if len(obs_shape) == 1:
        return VectorEye(obs_shape[0], config)
    channels, height, width = obs_shape
    return Eyes((channels, height, width), config)


def _light(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, C, H, W) uint8 to [-1, 1), stored channels last: convolutions are up to 3x as fast."""
    return pixels.to(dtype, memory_format=torch.channels_last) / 128 - 1


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
    num, channels = frames.shape[:2]
    lines = frames.view(num, channels, side, height // side, width).unbind(3)
    most = least = lines[0]
    total = lines[0].to(torch.int16 if height * width < 128 * side**2 else torch.int32)
    for line in lines[1:]:
        most, least, total = torch.maximum(most, line), torch.minimum(least, line), total + line
    squares = (num, channels, side, side, width // side)
    mean = total.view(squares).sum(-1, dtype=total.dtype) // (height * width // side**2)
    pools = [mean.to(torch.uint8), most.view(squares).amax(-1), least.view(squares).amin(-1)]
    return torch.cat(pools, 1)


def crop_windows(frames: Tensor, spots: Tensor, grid: int, crop: int) -> Tensor:
    """Cut one window out of each frame, centred on a token, shifted inside the frame.

    Args:
        frames: (N, C, H, W).
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
    centre = (2 * token + 1) * side // (2 * grid)
    return (centre - crop // 2).clamp(0, side - crop)


PRECISIONS = ("float32", "bfloat16")


def _check_sizes(obs_shape: tuple[int, int, int], config: EyesConfig) -> None:
    _, height, width = obs_shape
    if config.precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ValueError(f"unknown precision {config.precision!r}: known are {known}")
    if not 0 <= config.looks <= MOST_LOOKS * config.glance**2:
        raise ValueError(f"{config.looks} looks at {config.glance}x{config.glance} places")
    if min(height, width) < config.crop:
        raise ValueError(f"a frame of {height}x{width} is smaller than the crop of {config.crop}")
    if config.glance % config.grid:
        raise ValueError(f"a glance of {config.glance} is no multiple of the grid {config.grid}")
