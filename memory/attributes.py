"""The attribute dictionary: new things are described by the parts they share with known ones.

A token is read in a few independent groups (a zebra: its shape, its colours, its pattern); each
group has a handful of keys and names the one that points its way. Keys freeze as they settle. A
token far from all keys of a group holds a part never seen and opens a new code; near keys in a
combination never seen open nothing. Which network made the tokens is not known here.
"""

from __future__ import annotations

import os
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from memory.database import MemoryDamagedError
from memory.factors import Axes, Doubles, Integers, find_axes
from memory.sealed import read_sealed, seal_of
from memory.traces import Floats

FORMAT = "attributes-1"
MOST_AT_FIRST = 2  # warm-ups of tokens: the search for the axes is slow, and more tell it little
Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class AttributeConfig:
    """How a dictionary learns.

    Attributes:
        groups: G.
        codes: codes per group, K.
        warm_up: tokens after which axes and first codes are found.
        reserve: share of the codes kept free then, for parts never seen.
        settle: tokens after which a key is frozen for good.
        alike: 1 - cosine up to which two parts count as one.
        margin: a part is new beyond this multiple of what the tokens of the warm-up showed.
        faint: a group whose part is shorter than this share of the usual says nothing.
        dead: a code used less often than this share of an even share may be given away.
    """

    groups: int = 8
    codes: int = 16
    warm_up: int = 2048
    reserve: float = 0.25
    settle: int = 1000
    alike: float = 0.15
    margin: float = 1.25
    faint: float = 0.3
    dead: float = 0.02


class AttributeDictionary:
    """Groups of codes for tokens of one width.

    Args:
        size: D, the width of a token, a multiple of `groups`.
        groups: G.
        codes: K per group; G * K a multiple of 8.
        config: the other knobs; its groups and codes are replaced by the above.
        seed: for the search of the axes.

    Raises:
        ValueError: for sizes that do not fit.
    """

    def __init__(
        self,
        size: int,
        groups: int = 8,
        codes: int = 16,
        config: AttributeConfig | None = None,
        seed: int = 0,
    ) -> None:
        if min(size, groups, codes) < 1 or size % groups or groups * codes % 8:
            raise ValueError(f"{groups} groups of {codes} codes do not fit tokens of {size}")
        given = config or AttributeConfig()
        self.config = AttributeConfig(groups, codes, *astuple(given)[2:])
        self.size, self.seed = size, seed
        self._waiting = np.zeros((0, size), np.float32)
        self.axes: Axes | None = None
        self.keys = np.zeros((groups, codes, size // groups))  # unit length where in use
        self.counts = np.zeros((groups, codes), np.int64)  # tokens that a key was made of
        self.ages = np.zeros((groups, codes), np.int64)  # tokens learned since the code opened
        self.limits = np.zeros(groups)  # 1 - cosine beyond which a part is new

    @property
    def in_use(self) -> npt.NDArray[np.bool_]:
        """(G, K) codes that stand for something."""
        return self.counts > 0

    @property
    def frozen(self) -> npt.NDArray[np.bool_]:
        """(G, K) codes whose keys never move again."""
        return self.counts >= self.config.settle

    def learn(self, tokens: Floats) -> int:
        """Take tokens in.

        Args:
            tokens: (N, D) finite.

        Returns:
            How many codes were opened for parts never seen; 0 during the warm-up. What comes with
            its end, beyond twice its length, is learned like what comes later.

        Raises:
            ValueError: for tokens of another shape, or not finite.
        """
        self._check(tokens)
        if self.axes is None:
            self._waiting = np.vstack([self._waiting, tokens.astype(np.float32)])
            if len(self._waiting) < self.config.warm_up:
                return 0
            tokens = self._begin()
            if not len(tokens):
                return 0
        parts, heard = self._parts(tokens)
        opened = sum(self._learn_group(g, parts[heard[:, g], g]) for g in range(self.config.groups))
        return opened

    def describe(self, tokens: Floats) -> Integers:
        """Name the code of each group: (N, D) to (N, G), -1 where a group says nothing.

        Raises:
            ValueError: for tokens of another shape, or not finite.
        """
        self._check(tokens)
        if self.axes is None:
            return np.full((len(tokens), self.config.groups), -1, np.int64)
        parts, heard = self._parts(tokens)
        return np.where(heard, self._residuals(parts)[0], -1)

    def bits(self, codes: Integers) -> Bits:
        """The set of all codes in (..., G) as G * K bits: (G * K / 8,) uint8."""
        flags = np.zeros((self.config.groups, self.config.codes), np.uint8)
        rows = codes.reshape(-1, self.config.groups)
        group = np.broadcast_to(np.arange(self.config.groups), rows.shape)
        flags[group[rows >= 0], rows[rows >= 0]] = 1
        return np.packbits(flags.reshape(-1))

    def _check(self, tokens: Floats) -> None:
        if tokens.ndim != 2 or tokens.shape[1] != self.size or not np.isfinite(tokens).all():
            raise ValueError(f"wanted finite tokens of {self.size} numbers, not {tokens.shape}")

    def _parts(self, tokens: npt.NDArray[Any]) -> tuple[Doubles, npt.NDArray[np.bool_]]:
        """(N, G, D / G) directions of unit length, and (N, G) whether they are loud enough."""
        assert self.axes is not None
        loud = (tokens - self.axes.centre) @ self.axes.projection
        parts = loud.reshape(len(tokens), self.config.groups, -1)
        length = np.linalg.norm(parts, axis=2)
        usual = np.sqrt(parts.shape[2])  # the axes are white
        return parts / np.maximum(length, 1e-9)[..., None], length > self.config.faint * usual

    def _residuals(self, parts: Doubles) -> tuple[Integers, Doubles]:
        """Nearest code and 1 - cosine of (N, G, W) parts: (N, G) each."""
        cosine = np.einsum("ngw,gkw->ngk", parts, self.keys)
        cosine = np.where(self.in_use, cosine, -1)
        return cosine.argmax(2), 1 - cosine.max(2)

    def _begin(self) -> Floats:
        """The warm-up is over: find axes, first codes, and what is usual.

        Returns:
            (M, D) tokens that took no part in it; those that did are spread evenly.
        """
        config, generator = self.config, np.random.default_rng(self.seed)
        most = min(len(self._waiting), MOST_AT_FIRST * config.warm_up)
        early = np.linspace(0, len(self._waiting) - 1, most).astype(np.int64)
        tokens, later = self._waiting[early].astype(float), np.delete(self._waiting, early, axis=0)

        def quantise(part: Doubles) -> Doubles:
            directions = _unit(part)
            chosen = (directions @ seeds(directions, config, generator).T).argmax(1)
            sums = np.eye(config.codes)[chosen].T
            means = sums @ part / np.maximum(sums.sum(1), 1)[:, None]
            nearest: Doubles = means[chosen]
            return nearest

        self.axes = find_axes(tokens, config.groups, generator, quantise)
        parts, heard = self._parts(tokens)
        for g in range(config.groups):
            loud = parts[heard[:, g], g]
            if len(loud):
                found = seeds(loud, config, generator)
                self.keys[g, : len(found)] = found
                chosen = (loud @ found.T).argmax(1)
                self.counts[g, : len(found)] = np.bincount(chosen, minlength=len(found))
                far = float(np.quantile(1 - (loud @ found.T).max(1), 0.995))
                self.limits[g] = max(config.alike, config.margin * far)
            else:
                self.limits[g] = config.alike
        self.ages[:] = len(tokens)
        self._waiting = self._waiting[:0]
        return later

    def _learn_group(self, g: int, parts: Doubles) -> int:
        """Open codes for the (N, W) parts of group g that are new, move the keys that may."""
        opened = 0
        for part in parts[self._strangeness(g, parts) > 1]:
            if self._strangeness(g, part[None])[0] > 1 and self._open(g, part):
                opened += 1
        self.ages[g, self.in_use[g]] += len(parts)
        known = parts[self._strangeness(g, parts) <= 1]
        if len(known):
            self._move(g, known)
        return opened

    def _strangeness(self, g: int, parts: Doubles) -> Doubles:
        cosine = np.where(self.in_use[g], parts @ self.keys[g].T, -1)
        strange: Doubles = (1 - cosine.max(1)) / self.limits[g]
        return strange

    def _move(self, g: int, parts: Doubles) -> None:
        """Each key that is not frozen becomes the mean direction of all its tokens."""
        cosine = np.where(self.in_use[g], parts @ self.keys[g].T, -1)
        members = np.eye(self.config.codes)[cosine.argmax(1)]
        sums = self.counts[g, :, None] * self.keys[g] + members.T @ parts
        moving = ~self.frozen[g] & (members.sum(0) > 0)
        self.keys[g, moving] = _unit(sums[moving])
        self.counts[g] += members.sum(0).astype(np.int64)

    def _open(self, g: int, part: Doubles) -> bool:
        """A new code: a free one, else a dead one revived; False where there is neither."""
        even = self.ages[g] / self.config.codes
        dead = ~self.frozen[g] & (self.counts[g] < self.config.dead * even)
        spare = np.flatnonzero(~self.in_use[g] | dead)
        if not len(spare):
            return False
        code = spare[self.counts[g, spare].argmin()]
        self.keys[g, code], self.counts[g, code], self.ages[g, code] = part, 1, 0
        return True

    def save(self, path: Path) -> None:
        """Write one sealed safetensors file, whole or not at all."""
        content = self._tensors()
        notes = {"format": FORMAT, "seed": str(self.seed), "config": repr(astuple(self.config))}
        notes["seal"] = seal_of(notes, content)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            file.write(save(content, notes))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def _tensors(self) -> dict[str, npt.NDArray[Any]]:
        axes = self.axes or Axes(np.zeros(0), np.zeros((0, 0)))
        return {
            "waiting": self._waiting, "centre": axes.centre, "projection": axes.projection,
            "keys": self.keys, "counts": self.counts, "ages": self.ages, "limits": self.limits,
        }  # fmt: skip

    def load(self, path: Path) -> None:
        """Take up what a dictionary of the same sizes saved.

        Raises:
            MemoryDamagedError: if the file is missing, damaged, or of another dictionary.
        """
        notes, content = read_sealed(path)
        self._take(path, notes, content)

    def _take(
        self, path: Path, notes: dict[str, str], content: dict[str, npt.NDArray[Any]]
    ) -> None:
        fits = content.keys() == self._tensors().keys() and all(
            content[name].shape == getattr(self, name).shape
            for name in ("keys", "counts", "ages", "limits")
        )
        if notes.get("format") != FORMAT or not fits or notes["config"] != self._config_text():
            raise MemoryDamagedError(f"{path} holds the attributes of another agent")
        centre, projection = content["centre"], content["projection"]
        self.axes = Axes(centre, projection) if len(centre) else None
        self._waiting, self.keys = content["waiting"], content["keys"]
        self.counts, self.ages = content["counts"], content["ages"]
        self.limits, self.seed = content["limits"], int(notes["seed"])

    def _config_text(self) -> str:
        return repr(astuple(self.config))


def seeds(directions: Doubles, config: AttributeConfig, generator: np.random.Generator) -> Doubles:
    """First keys of a group: spherical k-means, begun where the residual is largest.

    Args:
        directions: (N, W) of unit length.
        config: how many at most, and how far apart at least.
        generator: draws the candidates.

    Returns:
        (n, W) unit length, n at most (1 - reserve) K.

    Source: k-means++, doi:10.5555/1283383.1283494, with the best of eight candidates.
    """
    most = max(1, round(config.codes * (1 - config.reserve)))
    keys = directions[:1]
    while len(keys) < most:
        residual = np.maximum(1 - (directions @ keys.T).max(1), 0)
        if np.quantile(residual, 0.995) < config.alike:
            break
        drawn = generator.choice(len(directions), 8, p=residual / residual.sum())
        left = np.minimum(residual, 1 - directions[drawn] @ directions.T).sum(1)
        keys = np.vstack([keys, directions[drawn[left.argmin()]]])
    for _ in range(10):
        members = np.eye(len(keys))[(directions @ keys.T).argmax(1)]
        members, keys = members[:, members.any(0)], keys[members.any(0)]
        keys = _unit(members.T @ directions)
    return keys


def _unit(rows: Doubles) -> Doubles:
    unit: Doubles = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
    return unit
