"""Keys for the hippocampus: half learned likeness, half pattern-separated fingerprint.

The learned half is the eyes' reading, centred, reduced and whitened; the other half is a sketch
of the exact pixels in which every patch moves a few numbers, so that two boards that differ by
one disc get different keys.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEARNED, SKETCH = 48, 16
KEY_SIZE = LEARNED + SKETCH
SKETCH_WEIGHT = 0.5
PATCH = 8


class KeyEncoder:
    """Readings (N, R) and frames (N, C, H, W) to keys (N, D) float32 of unit length.

    Args:
        mean: (R,) what the readings are centred on.
        projection: (R, 48) reduction and whitening.
    """

    def __init__(self, mean: Tensor, projection: Tensor) -> None:
        self.mean, self.projection = mean, projection

    @staticmethod
    def fit(readings: Tensor) -> KeyEncoder:
        """Centre and whiten on (N, R) readings, N at least 48."""
        mean = readings.mean(0)
        _, scale, axes = torch.linalg.svd(readings - mean, full_matrices=False)
        spread = scale[:LEARNED] / len(readings) ** 0.5
        return KeyEncoder(mean, (axes[:LEARNED] / spread.clamp_min(1e-3)[:, None]).T.contiguous())

    @staticmethod
    def unfitted(reading_size: int) -> KeyEncoder:
        """A random projection, for a network whose readings are not known yet."""
        generator = torch.Generator().manual_seed(0)
        projection = torch.randn(reading_size, LEARNED, generator=generator)
        return KeyEncoder(torch.zeros(reading_size), projection)

    def tensors(self) -> dict[str, Tensor]:
        """What it is made of, by name."""
        return {"mean": self.mean, "projection": self.projection}

    def gist(self, readings: Tensor) -> Tensor:
        """The learned half of the keys alone: (N, 48) of unit length."""
        return F.normalize((readings.cpu() - self.mean) @ self.projection, dim=1)

    def __call__(self, readings: Tensor, frames: Tensor) -> Tensor:
        """Make keys."""
        learned = self.gist(readings)
        separated = F.normalize(sketch(frames.cpu()), dim=1)
        both = torch.cat([learned, SKETCH_WEIGHT * separated], 1)
        return F.normalize(both, dim=1)


def sketch(frames: Tensor) -> Tensor:
    """Add up one fixed random vector per (place, content) of every 8x8 patch.

    Args:
        frames: (N, C, H, W) uint8.

    Returns:
        (N, 16) float32; equal for equal frames, and moved by any patch that differs.

    Source: count sketch, doi:10.1016/S0304-3975(03)00400-6.
    """
    patches = F.unfold(_padded(frames).float(), PATCH, stride=PATCH)  # (N, C * 64, patches)
    weights = _fixed((patches.shape[1],), 1).to(torch.float64)
    content = (patches.double() * weights[:, None]).sum(1)  # one number per patch
    place = torch.arange(patches.shape[2], dtype=torch.float64)
    phase = (content * 12.9898 + place * 78.233)[..., None] * _fixed((SKETCH,), 2).double()
    return torch.cos(phase).sum(1).float()


def _padded(frames: Tensor) -> Tensor:
    height, width = frames.shape[-2:]
    return F.pad(frames, (0, -width % PATCH, 0, -height % PATCH))


def _fixed(shape: tuple[int, ...], seed: int) -> Tensor:
    values = np.random.Generator(np.random.PCG64(seed)).standard_normal(shape)
    return torch.from_numpy(values)


def encoder_version(eyes: nn.Module, keys: KeyEncoder) -> str:
    """A short name of the weights that make the keys."""
    digest = hashlib.blake2b(digest_size=6)
    for tensor in (*eyes.state_dict().values(), *keys.tensors().values()):
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()
