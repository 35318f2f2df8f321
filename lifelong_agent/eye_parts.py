"""What the eyes are made of: parts of the two streams, each a function of tensors that learns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH, FINE = 4, 32  # pixels of a patch of the fovea, each way, and features of it


class Residual(nn.Module):
    """x + relu(conv3x3(x)) on (N, C, G, G), whose nine taps are `reach` places apart."""

    def __init__(self, channels: int, reach: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=reach, dilation=reach)

    def forward(self, x: Tensor) -> Tensor:
        """Shape in, shape out: (N, C, G, G)."""
        return x + F.relu(self.conv(x), inplace=True)


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


class Dorsal(nn.Module):
    """Where to look: every place has a key, made of the light there and of where it is.

    The score of a place is key . sought. The keys themselves are never made for all places: what
    the light gives is scored apart from what the place gives, which is the same in every frame.

    Args:
        channels: of the light.
        places: P = g * g.
        width: of a key.
    """

    def __init__(self, channels: int, places: int, width: int) -> None:
        super().__init__()
        self.light = nn.Linear(channels, width)
        self.place = nn.Parameter(0.1 * torch.randn(places, width))

    def forward(self, light: Tensor) -> Tensor:
        """What (N, C, g, g) light gives to the keys: (N, P, width)."""
        return F.relu(self.light(light.permute(0, 2, 3, 1).flatten(1, 2)), inplace=True)

    def scores(self, lit: Tensor, sought: Tensor) -> Tensor:
        """(N, P) float32 of what `forward` gave and (N, width) that is sought."""
        by_light = torch.bmm(lit, sought.to(lit.dtype)[:, :, None])[:, :, 0]
        return by_light.float() + F.linear(sought, self.place)

    def key(self, light: Tensor, spot: Tensor) -> Tensor:
        """The whole key of one place in each frame, by (N,) int64 numbers: (N, width) float32."""
        side = light.shape[-1]
        rows = torch.arange(len(spot), device=spot.device)
        here = light[rows, :, spot // side, spot % side]
        return F.relu(self.light(here)).float() + self.place[spot]


class Fovea(nn.Module):
    """Reads a look in detail: (N, C, crop, crop) uint8 to (N, width), patch by patch."""

    def __init__(self, channels: int, crop: int, width: int) -> None:
        super().__init__()
        self.side = -(-crop // PATCH)  # patches each way
        self.missing = self.side * PATCH - crop
        self.detail = nn.Linear(channels * PATCH**2, FINE)
        self.read = nn.Linear(FINE * self.side**2, width)

    def forward(self, crops: Tensor, dtype: torch.dtype) -> Tensor:
        """Read, in `dtype` light."""
        whole = F.pad(crops, (0, self.missing) * 2) if self.missing else crops
        num, channels = whole.shape[:2]
        patches = whole.view(num, channels, self.side, PATCH, self.side, PATCH)
        pixels = patches.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        detail = F.relu(self.detail(pixels.to(dtype) / 128 - 1), inplace=True)
        return torch.as_tensor(self.read(detail.flatten(1)))
