"""Proofs of the attribute dictionary: what was learned of parts is known in new combinations.

Linear probes read from a situation's set of attributes which modifiers are in play. They are
trained on single modifiers and pairs, and asked about pairs that were kept back.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from fast_memory import Proofs
from torch import Generator

import envs
from envs.opponents import RandomOpponent
from lifelong_agent import LifelongAgent
from lifelong_agent.looks import tokens
from memory.attributes import AttributeConfig, AttributeDictionary
from selfplay.match import play_ticks

GAME = "connect"
PARTS = ("night", "clutter", "pillars", "popout")
SEEN = ("", *PARTS, "night+pillars", "clutter+popout", "night+popout")
HELD_OUT = ("night+clutter", "clutter+pillars", "pillars+popout")
FRAMES = 240  # of each variant
Flags = npt.NDArray[np.bool_]


def watch(variant: str, agent: LifelongAgent, seed: int) -> npt.NDArray[np.float32]:
    """(N, R, D) tokens of frames of random games."""
    game, generator = envs.make(f"{GAME}:{variant}" if variant else GAME), Generator()
    generator.manual_seed(seed)
    players, frames = (RandomOpponent(), RandomOpponent()), []
    for state, _ in play_ticks(game, game.init(48, generator), players, 0, generator, generator):
        seat = torch.zeros(48, dtype=torch.int64)
        frames.append(game.frame(state, seat)[~state.ended])
    every = torch.cat(frames)
    chosen = every[torch.randperm(len(every), generator=generator)[:FRAMES]]
    with torch.no_grad():
        percept = agent.network.eyes(chosen)
    crop = agent.network.config.eyes.crop
    return tokens(chosen, percept.fixations, percept.reading, agent.keys, crop)


def grow(looks: dict[str, npt.NDArray[np.float32]], groups: int, seed: int) -> AttributeDictionary:
    """A dictionary of 128 codes that has seen everything once."""
    config = AttributeConfig(warm_up=768)
    size = next(iter(looks.values())).shape[2]
    dictionary = AttributeDictionary(size, groups, 128 // groups, config, seed)
    every = np.concatenate([looks[name].reshape(-1, size) for name in SEEN])
    np.random.default_rng(seed).shuffle(every)
    for part in np.array_split(every, 8):
        dictionary.learn(part)
    return dictionary


def sets_of(dictionary: AttributeDictionary, looks: npt.NDArray[np.float32]) -> Flags:
    """(N, 128) the attributes of each frame."""
    rows = [np.unpackbits(dictionary.bits(dictionary.describe(frame))) for frame in looks]
    return np.stack(rows).astype(np.bool_)


def train_probe(sets: Flags, truth: Flags) -> npt.NDArray[np.float64]:
    """(129, P) ridge regression from attributes to modifiers."""
    inputs = np.hstack([sets, np.ones((len(sets), 1))]).astype(np.float64)
    square = inputs.T @ inputs + 3.0 * np.eye(inputs.shape[1])
    return np.linalg.solve(square, inputs.T @ (2.0 * truth - 1))


def accuracy(weights: npt.NDArray[np.float64], sets: Flags, truth: Flags) -> list[float]:
    """Balanced accuracy of each modifier."""
    said = np.hstack([sets, np.ones((len(sets), 1))]) @ weights > 0
    return [
        float((said[truth[:, p], p].mean() + (~said[~truth[:, p], p]).mean()) / 2)
        for p in range(truth.shape[1])
    ]


def truth_of(names: tuple[str, ...], num: dict[str, int]) -> Flags:
    """(N, P) which modifiers are in play."""
    rows = [[part in name.split("+") for part in PARTS] for name in names for _ in range(num[name])]
    return np.array(rows)


def combinations(seed: int) -> dict[str, float]:
    """Balanced accuracy about modifiers in combinations never seen; and a lesion."""
    agent = LifelongAgent.pretrained()
    looks = {n: watch(n, agent, 1000 * seed + i) for i, n in enumerate((*SEEN, *HELD_OUT))}
    num = {name: len(some) for name, some in looks.items()}
    known, asked = truth_of(SEEN, num), truth_of(HELD_OUT, num)
    found = {}
    for name, groups in {"8 groups of 16 codes": 8, "one group of 128 codes": 1}.items():
        dictionary = grow(looks, groups, seed)
        sets = {n: sets_of(dictionary, some) for n, some in looks.items()}
        weights = train_probe(np.concatenate([sets[n] for n in SEEN]), known)
        new = np.concatenate([sets[n] for n in HELD_OUT])
        found[name] = float(np.mean(accuracy(weights, new, asked)))
        if groups == 8:
            found["codes in use"] = float(dictionary.in_use.mean())
            own, others = lesion(weights, new, asked)
            found |= {"lost by its own modifier": own, "lost by the others": others}
    found["no attributes"] = 0.5
    return found


def lesion(weights: npt.NDArray[np.float64], sets: Flags, truth: Flags) -> tuple[float, float]:
    """Cut out the code that tells most about a modifier: accuracy lost, its own and the others'."""
    before = np.array(accuracy(weights, sets, truth))
    own, others = [], []
    for part in range(truth.shape[1]):
        cut = sets.copy()
        cut[:, np.abs(weights[:-1, part]).argmax()] = False
        lost = before - np.array(accuracy(weights, cut, truth))
        own.append(lost[part])
        others.append(np.delete(lost, part).mean())
    return float(np.mean(own)), float(np.mean(others))


def part_proofs() -> Proofs:
    """By name: what is asked, and how it is measured."""
    return {
        "modifiers told in new combinations (accuracy)": (
            "groups above one group; use at least 0.6", combinations,
        ),
    }  # fmt: skip
