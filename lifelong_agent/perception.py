"""Eyes: a coarse glance says what is there, salient spots are then looked at in full detail.

The ventral stream reads a pooled glance of the whole frame. Then, as often as there are looks: the
reading recalls what it is associated with, both ask the dorsal stream for a map of saliency, what
surrounds the most striking pixel of one place is cut out at native resolution by integer indexing,
and a gated update folds the look into the reading, which asks anew. A gradient flows only through
the places that were looked at, so that learning where to look costs next to nothing. Nothing here
knows any game or acts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_agent.eye_parts import Associations, Dorsal, Fovea, Residual
from lifelong_agent.retina import crop_around, focus, pool, searched

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
        reach: how many places beside it, each way, a look may settle in, on the pixel that is most
            unlike the whole frame; at 0 it settles on the one most unlike its own place.
        reading: width of the reading.
        keys: width of the dorsal map, in which the reading searches. It is finer than the ventral
            one: what is looked at has to lie in the middle of the look to be read well.
        associations: patterns that a reading can recall.
        patience: looking stops early where a look has changed all readings by less than this
            share of their length; 0 never stops. Not used while learning.
        precision: `bfloat16` or `float32` arithmetic in the ventral stream.
    """

    channels: int = 32
    blocks: int = 3
    grid: int = 8
    glance: int = 16
    crop: int = 16
    looks: int = 2
    reach: int = 0
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
        scores: (N, R, g, g) float32, how much each place answers to what is sought, without
            gradient; `SEEN` lower where it was looked at before.
        fixations: (N, R, 2) int64, row and column of the looks' centres in pixels, in order.
    """

    reading: Tensor
    scores: Tensor
    fixations: Tensor

    @property
    def saliency(self) -> Tensor:
        """(N, R, g, g) float32 log-probabilities of looking at each place."""
        return self.scores.flatten(2).log_softmax(2).view_as(self.scores)


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
        self.stem = nn.Linear(POOLS * channels * self._patch**2, config.channels)
        self.trunk = nn.Sequential(
            *[Residual(config.channels, 1 + k % 2) for k in range(config.blocks)]
        )
        tokens = config.channels * config.grid**2
        self.read = nn.Sequential(
            nn.LayerNorm(tokens), nn.Linear(tokens, config.reading), nn.ReLU()
        )
        self.dorsal = Dorsal(POOLS * channels, config.glance**2, config.keys)
        self.conspicuous = nn.Parameter(torch.randn(config.keys) * config.keys**-0.5)
        self.recall = Associations(config.reading, config.associations)
        self.search = nn.Linear(config.reading, config.keys)
        self.look = Fovea(channels, config.crop, config.reading)
        self.place = nn.Embedding(config.glance**2, config.reading)
        self.offset = nn.Embedding(self._searched[0] * self._searched[1], config.reading)
        nn.init.zeros_(self.offset.weight)
        self.gate = nn.Linear(2 * config.reading, config.reading)
        self.candidate = nn.Linear(config.reading, config.reading)

    @property
    def _patch(self) -> int:
        """Places of the dorsal map in a token of the ventral one, each way."""
        return self.config.glance // self.config.grid

    @property
    def _searched(self) -> tuple[int, int]:
        """Height and width in pixels of that in which a look settles."""
        places, reach = self.config.glance, self.config.reach
        return searched(self.height, places, reach), searched(self.width, places, reach)

    def set_precision(self, precision: str) -> None:
        """Choose the arithmetic, `float32` or `bfloat16`."""
        self._dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]

    def compile(self, **options: Any) -> None:
        """Compile what sees and what learns to look; `options` of `torch.compile`."""
        super().compile(**options)
        self.anticipation = torch.compile(self.anticipation, **options)  # type: ignore[method-assign]

    def __getstate__(self) -> dict[str, Any]:
        """Copies are not compiled."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[no-untyped-call]
        state.pop("anticipation", None)
        return state

    def _arithmetic(self) -> torch.autocast:
        device = self.conspicuous.device.type
        return torch.autocast(device, self._dtype, enabled=self._dtype == torch.bfloat16)

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
        with self._arithmetic():
            light = _light(glances, self._dtype)
            reading = torch.as_tensor(self.read(self.ventral(light).flatten(1))).float()
            return self._search(frames, light, reading)

    def _usual(self, light: Tensor) -> Tensor | None:
        """(N, C) the mean pixel of each frame, where that is what a look's pixel is compared with.

        Args:
            light: (N, 3 C, g, g), of which the first C are means.
        """
        if not self.config.reach:
            return None
        return 128 * (light[:, : light.shape[1] // POOLS].float().mean((2, 3)) + 1)

    def ventral(self, light: Tensor) -> Tensor:
        """What is there: (N, 3 C, g, g) light to (N, G, G, channels)."""
        grid, patch = self.config.grid, self._patch
        places = light.permute(0, 2, 3, 1)
        patches = places.view(len(light), grid, patch, grid, patch, -1)
        tokens = F.relu(self.stem(patches.transpose(2, 3).flatten(3)), inplace=True)
        return torch.as_tensor(self.trunk(tokens.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)

    @torch.no_grad()
    def streams(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Both maps before any look: ventral (N, G * G, channels), dorsal (N, g * g, keys)."""
        light = _light(self.glance(frames), self._dtype)
        with self._arithmetic():
            what, where = self.ventral(light).flatten(1, 2), self.dorsal(light)
        return what.float(), where.float() + self.dorsal.place

    def _search(self, frames: Tensor, light: Tensor, reading: Tensor) -> Percept:
        """The loop: recall, seek, look, and seek anew."""
        scores, fixations, usual = [], [], self._usual(light)
        if self.config.looks:
            with torch.no_grad():
                lit = self.dorsal(light)
                seen = torch.zeros(len(frames), self.config.glance**2, device=frames.device)
        for _ in range(self.config.looks):
            sought = self._seek(reading)
            with torch.no_grad():
                score = self.dorsal.scores(lit, sought) + seen
                spot = score.argmax(1)
                seen = seen + self._inhibition(spot)
            salience = (self.dorsal.key(light, spot) * sought).sum(1, keepdim=True)
            before = reading
            reading, centre = self._look(frames, reading, salience, spot, usual)
            scores.append(score)
            fixations.append(centre)
            if self._is_enough(before, reading):
                break
        return self._percept(reading, scores, fixations)

    def _seek(self, reading: Tensor) -> Tensor:
        """(N, keys): what is looked for, given the reading and what it recalls."""
        return torch.as_tensor(self.conspicuous + self.search(reading + self.recall(reading)))

    def anticipation(
        self, frames: Tensor, glances: Tensor, later: Tensor, goes_on: Tensor | None = None
    ) -> Tensor:
        """How badly the looks foresee where things will change.

        L = mean_{i, r} [ - sum_p share_ip log p_ir(p) ], where share_i is how the change of frame
        i is shared out over places that look r may still go to, and p_ir the saliency. It teaches
        the dorsal stream and what is sought, and leaves the readings alone.

        A look is only useful once the fovea can read what it shows, and a place is only looked at
        once it is known to be useful: without another teacher the eyes stay where they first fell.
        What moves is what matters in games, and it needs no labels.

        Args:
            frames: (N, C, H, W) uint8.
            glances: (N, 3 C, g, g) uint8, what `glance` made of them.
            later: the same of what was seen a moment after each.
            goes_on: (N,) bool, whether `later` is the continuation; all if left out. Others do not
                count.

        Returns:
            A scalar, 0 where there is nothing to look at.
        """
        if not self.config.looks:
            return torch.zeros((), device=frames.device)
        with self._arithmetic():
            change = (later.float() - glances.float()).abs().sum(1).flatten(1)
            counted = torch.ones_like(change[:, 0]) if goes_on is None else goes_on.float()
            total = self._foresee(frames, _light(glances, self._dtype), change * counted[:, None])
        return total / counted.sum().clamp(min=1)

    def _foresee(self, frames: Tensor, light: Tensor, change: Tensor) -> Tensor:
        lit, losses, usual = self.dorsal(light), [], self._usual(light)
        with torch.no_grad():
            reading = torch.as_tensor(self.read(self.ventral(light).flatten(1))).float()
            seen = torch.zeros_like(change)
        for _ in range(self.config.looks):
            score = self.dorsal.scores(lit, self._seek(reading)) + seen
            still = change * (seen > SEEN / 2)
            share = still / still.sum(1, keepdim=True).clamp(min=1e-6)
            losses.append(-(share * score.log_softmax(1)).sum())
            with torch.no_grad():
                spot = score.argmax(1)
                seen = seen + self._inhibition(spot)
                salience = score.gather(1, spot[:, None])
                reading, _ = self._look(frames, reading, salience, spot, usual)
        return torch.stack(losses).mean()

    def _inhibition(self, spot: Tensor) -> Tensor:
        """(N, g * g): no return to (N,) places, nor to those beside them."""
        place = torch.arange(self.config.glance, device=spot.device)
        far_down = (place - (spot // self.config.glance)[:, None]).abs() > 1
        far_across = (place - (spot % self.config.glance)[:, None]).abs() > 1
        return SEEN * (~(far_down[:, :, None] | far_across[:, None])).flatten(1).float()

    def _look(
        self, frames: Tensor, reading: Tensor, salience: Tensor, spot: Tensor, usual: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Fold one look into the reading: the (N, D) reading, and the (N, 2) pixels looked at.

        What is seen counts as much as its place was salient, so that places that help become more
        salient, and others less.
        """
        corner, centre = focus(frames, spot, self.config.glance, self.config.reach, usual)
        detail = self.look(crop_around(frames, centre, self.config.crop), self._dtype)
        down, across = (centre - corner).unbind(1)
        where = self.place(spot) + self.offset(down * self._searched[1] + across)
        seen = F.relu(detail + where) * (2 * torch.sigmoid(salience))
        opening = torch.sigmoid(self.gate(torch.cat([reading, seen], 1)) - 1)
        return (reading + opening * self.candidate(seen)).float(), centre

    def _is_enough(self, before: Tensor, after: Tensor) -> bool:
        """Whether the last look has changed little in every row."""
        if not self.config.patience or torch.is_grad_enabled():
            return False
        change = (after - before).norm(dim=1)
        return bool((change < self.config.patience * before.norm(dim=1)).all())

    def _percept(self, reading: Tensor, scores: list[Tensor], fixations: list[Tensor]) -> Percept:
        side, rows = self.config.glance, len(reading)
        if not scores:
            empty = torch.zeros(rows, 0, side, side, device=reading.device)
            return Percept(reading, empty, empty[..., 0, :2].long())
        maps = torch.stack(scores, 1).view(rows, -1, side, side)
        return Percept(reading, maps, torch.stack(fixations, 1))


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

    def anticipation(
        self, vectors: Tensor, glances: Tensor, later: Tensor, goes_on: Tensor | None = None
    ) -> Tensor:
        """There is nowhere to look: 0."""
        return torch.zeros((), device=vectors.device)

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
    if config.reach < 0:
        raise ValueError(f"looks cannot reach {config.reach} places far")
    if config.glance % config.grid:
        raise ValueError(f"a glance of {config.glance} is no multiple of the grid {config.grid}")
