"""Axes along which tokens fall into independent parts: whitening, then a rotation into groups.

Plain linear algebra on arrays. It finds directions in which a mixture of independent factors
(shape, colour, texture, ...) comes apart; it knows neither codes nor memories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
FLOOR = 0.02
"""Least variance of an axis, as a share of the mean: silence is not blown up to noise."""
BINS = 6
ROUNDS = 200
SWAPS = 200


@dataclass(frozen=True)
class Axes:
    """Centre (D,) and projection (D, D): (x - centre) @ projection is what the groups see."""

    centre: Doubles
    projection: Doubles


def find_axes(
    tokens: Doubles,
    groups: int,
    generator: np.random.Generator,
    quantise: Callable[[Doubles], Doubles],
    polish: int = 20,
) -> Axes:
    """Whiten, unmix, put what depends on each other into one group, and sharpen the rotation.

    Args:
        tokens: (N, D), N several times D.
        groups: G, a divisor of D; group g reads columns g D / G to (g + 1) D / G.
        generator: for the start of the rotation.
        quantise: (N, D / G) to the nearest of a few prototypes, of the same shape.
        polish: rounds in which the rotation follows the prototypes.

    Source: FastICA, doi:10.1109/72.761722, equation 20; optimised product quantisation,
    doi:10.1109/TPAMI.2013.240, section 3.1.
    """
    centre, whitening = whiten(tokens)
    white = (tokens - centre) @ whitening
    rotation = unmix(white, generator)
    rotation = rotation[:, gather(dependence(white @ rotation), groups)]
    for _ in range(polish):
        parts = np.split(white @ rotation, groups, axis=1)
        rotation = nearest_rotation(white.T @ np.hstack([quantise(part) for part in parts]))
    return Axes(centre, whitening @ rotation)


def whiten(tokens: Doubles) -> tuple[Doubles, Doubles]:
    """Centre (D,) and a (D, D) map after which the tokens' axes are uncorrelated."""
    centre = tokens.mean(0)
    variance, axes = np.linalg.eigh(np.cov((tokens - centre).T).reshape(len(centre), -1))
    floor = FLOOR * max(float(variance.mean()), 1e-12)
    return centre, axes / np.sqrt(np.maximum(variance, 0) + floor)


def nearest_rotation(matrix: Doubles) -> Doubles:
    """The orthogonal matrix nearest to `matrix` (Procrustes)."""
    left, _, right = np.linalg.svd(matrix)
    rotation: Doubles = left @ right
    return rotation


def unmix(white: Doubles, generator: np.random.Generator) -> Doubles:
    """Rotate (N, D) whitened tokens to axes that are as independent as can be: FastICA, tanh."""
    width = white.shape[1]
    rotation = nearest_rotation(generator.standard_normal((width, width)))
    for _ in range(ROUNDS):
        bent = np.tanh(white @ rotation)
        step = white.T @ bent / len(white) - rotation * (1 - bent**2).mean(0)
        before, rotation = rotation, nearest_rotation(step)
        if np.abs((before * rotation).sum(0)).min() > 1 - 1e-6:
            break
    return rotation


def dependence(columns: Doubles) -> Doubles:
    """(D, D) mutual information in nats between the columns of (N, D), by equal bins; 0 within.

    I(a, b) = sum over bins p(i, j) log(p(i, j) / (p(i) p(j))), p(i) = p(j) = 1 / 6.
    """
    num, width = columns.shape
    bins = columns.argsort(0).argsort(0) * BINS // num
    hits = np.zeros((num, width * BINS), np.float32)
    hits[np.arange(num)[:, None], np.arange(width) * BINS + bins] = 1
    joint = (hits.T @ hits / num).reshape(width, BINS, width, BINS).astype(np.float64)
    terms = joint * np.log(np.where(joint > 0, joint * BINS**2, 1))
    shared: Doubles = terms.sum((1, 3))
    np.fill_diagonal(shared, 0)
    return shared


def gather(shared: Doubles, groups: int) -> Integers:
    """Order (D,) columns so that each of G equal runs of them shares as much as can be.

    Greedy: a run begins with the closest pair and takes in what shares most with it; then pairs
    of columns change places while that gains something.
    """
    width = len(shared) // groups
    free, order = list(range(len(shared))), []
    for _ in range(groups):
        run = [_most_shared(shared, free)]
        while len(run) < width:
            rest = [c for c in free if c not in run]
            run.append(max(rest, key=lambda c: shared[c, run].sum()))
        free = [c for c in free if c not in run]
        order += run
    return _exchange(shared, np.array(order, np.int64), np.repeat(np.arange(groups), width))


def _most_shared(shared: Doubles, free: list[int]) -> int:
    return free[int(shared[np.ix_(free, free)].max(1).argmax())]


def _exchange(shared: Doubles, order: Integers, group: Integers) -> Integers:
    for _ in range(SWAPS):
        near = shared[np.ix_(order, order)]
        ties = near @ np.eye(group.max() + 1)[group]  # (D, G): what each shares with each group
        own = ties[np.arange(len(order)), group]
        gain = ties[:, group] + ties[:, group].T - own[:, None] - own - 2 * near
        gain[group[:, None] == group] = 0
        one, other = np.unravel_index(gain.argmax(), gain.shape)
        if gain[one, other] <= 1e-9:
            break
        order[[one, other]] = order[[other, one]]
    return order
