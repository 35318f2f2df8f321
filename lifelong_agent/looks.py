"""What the agent's looks show, in the words of its attribute dictionary.

A token is one look: the light of its crop in a few patches, and what the eyes made of the whole
frame. The dictionary learns from the tokens in sleep and is kept beside the memory; it names what
a situation shows (`B3`: code 3 of group B), in any game.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from string import ascii_uppercase

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from lifelong_agent.keys import KeyEncoder
from lifelong_agent.retina import crop_around
from lifelong_agent.sealed import set_aside
from memory import MemoryDamagedError
from memory.attributes import AttributeConfig, AttributeDictionary
from memory.traces import Floats

FILE = "attributes.safetensors"
PATCHES = 4  # of a crop, each way
GIST = 16  # numbers of a reading, those in which readings differ most
GIST_WEIGHT = 2.0  # the gist has unit length, the patches' light is between -1 and 1
NO_CODE = -1
MOST_UNLEARNED = 16_384  # frames that are kept for the next sleep, the latest


def tokens(
    frames: Tensor, fixations: Tensor, readings: Tensor, keys: KeyEncoder, crop: int
) -> Floats:
    """Describe looks by numbers.

    Args:
        frames: (N, C, H, W) uint8.
        fixations: (N, R, 2) int64, rows and columns of the looks' centres in pixels.
        readings: (N, D) float32, what the eyes made of the frames.
        keys: how readings are whitened.
        crop: side of a look in pixels.

    Returns:
        (N, R, 16 C + 16) float32: mean light of 4x4 patches of the crop in [-1, 1), and the gist.
    """
    num, looks = fixations.shape[:2]
    windows = crop_around(frames.repeat_interleave(looks, 0), fixations.flatten(0, 1), crop)
    crops = windows.float() / 128 - 1
    light = F.adaptive_avg_pool2d(crops, PATCHES).view(num, looks, -1)
    gist = GIST_WEIGHT * F.normalize(keys.gist(readings)[:, :GIST], dim=1).to(light.device)
    both = F.pad(light, (0, gist.shape[1]))
    both[..., light.shape[2] :] = gist[:, None]
    described: Floats = both.cpu().numpy()
    return described


class Describer:
    """An attribute dictionary that grows with what the agent looks at.

    Args:
        channels: C of the frames.
        encoder: version of the eyes that make the tokens.
        directory: the memory's folder; None keeps the dictionary in RAM.
        config: how the dictionary learns.
    """

    def __init__(
        self,
        channels: int,
        encoder: str,
        directory: Path | None = None,
        config: AttributeConfig | None = None,
    ) -> None:
        self.size = channels * PATCHES**2 + GIST
        self.config, self.encoder = config or AttributeConfig(warm_up=768), encoder
        self.path = None if directory is None else directory / f"{encoder}.{FILE}"
        self.dictionary = self._blank()
        self._unlearned: list[Floats] = []
        if self.path is not None and self.path.exists():
            self._take_up(self.path)

    def _blank(self) -> AttributeDictionary:
        return AttributeDictionary(self.size, config=self.config)

    def _take_up(self, path: Path) -> None:
        """Read what an earlier sleep left; a damaged file is named and set aside."""
        try:
            self.dictionary.load(path)
        except MemoryDamagedError as error:
            self.dictionary = self._blank()
            warnings.warn(f"{error}; it was set aside as {set_aside(path).name}", stacklevel=4)

    def see(self, looks: Floats) -> tuple[tuple[str, ...], bytes | None]:
        """Name what (R, size) looks of one frame show, and keep them to be learned in sleep.

        Returns:
            Names, and the set of attributes as 16 bytes; None while nothing is known.
        """
        self._unlearned.append(looks)
        del self._unlearned[:-MOST_UNLEARNED]
        codes = self.dictionary.describe(looks)
        if (codes == NO_CODE).all():
            return (), None
        named = {(g, int(c)) for row in codes for g, c in enumerate(row) if c != NO_CODE}
        names = tuple(f"{ascii_uppercase[g]}{c + 1}" for g, c in sorted(named))
        return names, self.dictionary.bits(codes).tobytes()

    @property
    def has_words(self) -> bool:
        """Whether anything can be named yet."""
        return self.dictionary.axes is not None

    def forget(self, num: int) -> None:
        """Do not learn from the last so many frames after all, as far as no sleep has yet."""
        del self._unlearned[max(0, len(self._unlearned) - num) :]

    def sleep(self) -> int:
        """Learn from the looks since the last sleep, and keep the outcome.

        Returns:
            How many codes were opened for parts never seen.

        Raises:
            ValueError: if the file cannot be written.
        """
        if not self._unlearned:
            return 0
        opened = self.dictionary.learn(np.concatenate(self._unlearned))
        self._unlearned.clear()
        if self.path is not None:
            try:
                self.dictionary.save(self.path)
            except OSError as error:
                reason = error.strerror or error
                raise ValueError(f"{self.path} cannot be written: {reason}") from None
        return opened
