"""What and where: what a linear probe reads out of each of the two streams.

    python benchmarks/streams.py --seeds 3 --json streams.json
    python benchmarks/streams.py --agent runs/mine

Probed are the ventral map (what the first stream sees in each of 8x8 places), the dorsal map (what
the second holds of each of 16x16 places, out of which it makes saliency), and the saliency itself,
of a trained network and of an untrained one. All are brought to the same width by principal
components. Probes are ridge regressions in closed form, learned from frames of some games between
scripted players and examined on others. Asked are

- identity: what kind of thing is at a place, from the vector there, all places alike;
- location, found: the same linear detector in every place; is the best one where the thing is?
- location, read: row and column, from the whole map;
- alone: a thing is cut out of a frame and put, by chance, somewhere on the empty scene. Which kind
  is it, and where is it? From the whole maps, from what is left of them when places are pooled,
  and from the reading, which is what the eyes make of it all in the end.

It trains no network.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from perception import EVERY, HELD_OUT_GAMES, SIDE, WORLDS, Frames, explained, show, split, watch
from rich.console import Console
from things import LABELS, alone, empty_scene
from torch import Generator, Tensor

import lifelong_agent
from lifelong_agent.perception import POOLS, Eyes
from lifelong_agent.weights import load_network
from selfplay.cli import Options, checked_output, guarded, parse, progress_bar, write_json

SHIPPED = Path(lifelong_agent.__file__).parent / "pretrained"
NUM_GAMES, TICKS = 96, 240
BATCH = 256
LOCAL_WIDTH, WHOLE_WIDTH = 16, 32  # of the vectors at a place, and of whole maps
WINDOW = 4  # saliency at a place is that of 4x4 places around it, 16 numbers
NEAR_PX = 4.0
RIDGE = 1.0
POINTS = 100
ASKED = 20  # points between the streams
SOUGHT = {"tron": slice(0, 2), "volley": slice(2, 3)}  # what has one place: both heads; the ball
SHOWN = {"tron": 4, "volley": 3}  # things; what comes after them is floor or air


@dataclass(frozen=True)
class Seen:
    """What the streams make of N frames.

    Attributes:
        places: by stream (N, P, D), P = places, row by row.
        whole: by stream (N, D): the maps, both of them pooled over their places (mean and most),
            the saliency of the first look, and the reading.
    """

    places: dict[str, Tensor]
    whole: dict[str, Tensor]


@torch.no_grad()
def see(eyes: Eyes, screens: Tensor) -> Seen:
    """Both streams of (N, 3, 64, 64) uint8."""
    parts = []
    for part in screens.split(BATCH):  # type: ignore[no-untyped-call]
        ventral, dorsal = eyes.streams(part)
        percept = eyes(part)
        parts.append((ventral, dorsal, percept.saliency[:, 0], percept.reading))
    ventral, dorsal, saliency, reading = (torch.cat(x) for x in zip(*parts, strict=True))
    whole = {
        "ventral": ventral,
        "dorsal": dorsal,
        "saliency": saliency,
        "ventral pooled": torch.stack([ventral.mean(1), ventral.amax(1)], 1),
        "dorsal pooled": torch.stack([dorsal.mean(1), dorsal.amax(1)], 1),
        "reading": reading,
    }
    return Seen(
        {"ventral": ventral, "dorsal": dorsal, "saliency": windows(saliency)},
        {name: x.flatten(1) for name, x in whole.items()},
    )


def windows(saliency: Tensor) -> Tensor:
    """(N, g, g) to (N, g * g, 16): the 4x4 places from two before to one after each place."""
    before, after = WINDOW // 2, WINDOW - WINDOW // 2 - 1
    wide = F.pad(saliency[:, None], (before, after, before, after), mode="replicate")[:, 0]
    return wide.unfold(1, WINDOW, 1).unfold(2, WINDOW, 1).flatten(3).flatten(1, 2)


def narrow(learned: Tensor, held_out: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The first principal components of (N, D) `learned`, standardised; narrower ones stay so."""
    middle = learned.mean(0)
    learned, held_out = learned - middle, held_out - middle
    if learned.shape[1] > width:
        directions = torch.pca_lowrank(learned, q=width, center=False)[2]
        learned, held_out = learned @ directions, held_out @ directions
    spread = learned.std(0).clamp(min=1e-6)
    return learned / spread, held_out / spread


def ridge(inputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Weights of the linear probe, the last row its bias: (X'SX + I)^-1 X'SY.

    Args:
        inputs: (N, D).
        targets: (N, K).
        weights: (N,), how much each row counts; 1 if not given.

    Returns:
        (D + 1, K) float64.
    """
    design = _with_one(inputs)
    weighted = design if weights is None else design * weights[:, None].double()
    covariance = weighted.T @ design + RIDGE * torch.eye(design.shape[1], dtype=torch.float64)
    return torch.as_tensor(torch.linalg.solve(covariance, weighted.T @ targets.double()))


def _with_one(inputs: Tensor) -> Tensor:
    return F.pad(inputs.double(), (0, 1), value=1.0)


def place_of(spots: Tensor, side: int) -> Tensor:
    """(...) int64, which of side x side places the (..., 2) pixels lie in."""
    cell = (spots.nan_to_num() * side / SIDE).long().clamp(0, side - 1)
    return cell[..., 0] * side + cell[..., 1]


FOUND, READ = "location, found", "location, read"
ALONE_WHAT, ALONE_WHERE = "alone, identity", "alone, location"
DUELS = (  # a question, the stream that should be ahead, and the one that should not
    ("identity", "ventral", "dorsal"), ("identity", "ventral", "saliency"),
    (FOUND, "dorsal", "ventral"), (FOUND, "saliency", "ventral"),
    (READ, "dorsal", "ventral"), (READ, "saliency", "reading"),
    (ALONE_WHAT, "ventral pooled", "dorsal pooled"), (ALONE_WHAT, "ventral pooled", "dorsal"),
    (ALONE_WHERE, "dorsal", "ventral pooled"), (ALONE_WHERE, "saliency", "ventral pooled"),
    (ALONE_WHAT, "reading", "dorsal"), (ALONE_WHAT, "reading", "saliency"),
    (ALONE_WHERE, "dorsal", "reading"), (ALONE_WHERE, "saliency", "reading"),
)  # fmt: skip

Both = tuple[Tensor, Tensor]  # of learned frames, and of those that are held out


def identity(places: Both, spots: Both) -> float:
    """Share of things named rightly, every kind counting alike, from the vectors at their places.

    Args:
        places: (N, P, D).
        spots: (N, K, 2), one thing of each of K kinds; NaN where there is none.
    """
    side = int(places[0].shape[1] ** 0.5)
    vectors, truths = [], []
    for part, spot in zip(places, spots, strict=True):
        at = part[torch.arange(len(part))[:, None], place_of(spot, side)]
        is_there = ~spot.isnan().any(2)
        vectors.append(at[is_there])
        truths.append(torch.arange(spot.shape[1]).expand(len(spot), -1)[is_there])
    return named((vectors[0], vectors[1]), (truths[0], truths[1]), LOCAL_WIDTH)


def named(vectors: Both, truths: Both, width: int) -> float:
    """Share of (N, D) vectors whose (N,) kind is named rightly, every kind counting alike."""
    learned, held_out = narrow(*vectors, width)
    known = F.one_hot(truths[0])
    alike = len(known) / known.sum(0).clamp(min=1)[truths[0]]
    said = (_with_one(held_out) @ ridge(learned, known, alike)).argmax(1)
    kinds_there = torch.bincount(truths[1]).nonzero()[:, 0]
    hits = [(said[truths[1] == kind] == kind).float().mean() for kind in kinds_there]
    return float(torch.stack(hits).mean())


def found(places: Both, spots: Both) -> float:
    """Share of frames in which the place that answers most is within 4 pixels of the thing.

    The place of the thing counts as much in learning as all the others together.

    Args:
        places: (N, P, D).
        spots: (N, 2), all there.
    """
    num_places = places[0].shape[1]
    side = int(num_places**0.5)
    flat = narrow(places[0].flatten(0, 1), places[1].flatten(0, 1), LOCAL_WIDTH)
    is_place = F.one_hot(place_of(spots[0], side), num_places).flatten()
    weights = 1 + (num_places - 2) * is_place
    probe = ridge(flat[0], is_place[:, None], weights)
    best = (_with_one(flat[1]) @ probe).view(-1, num_places).argmax(1)
    centre = (torch.stack([best // side, best % side], 1) + 0.5) * SIDE / side
    return float(((centre - spots[1]).abs().amax(1) <= NEAR_PX).float().mean())


def read(whole: Both, spots: Both) -> float:
    """Mean R^2 of rows and columns, (N, M), from (N, D)."""
    learned, held_out = narrow(*whole, WHOLE_WIDTH)
    said = _with_one(held_out) @ ridge(learned, spots[0])
    return float(np.mean(explained(said, spots[1].double())))


def probe(
    game: str, eyes: Eyes, frames: tuple[Frames, Frames], seed: int
) -> dict[str, dict[str, float]]:
    """All figures of one network and one game, by stream, as shares."""
    learned, held_out = (see(eyes, part.screens) for part in frames)
    spots = frames[0].spot, frames[1].spot
    sought = spots[0][:, SOUGHT[game]], spots[1][:, SOUGHT[game]]
    scene, generator = empty_scene(frames[0].screens), Generator().manual_seed(seed)
    single = [alone(part, scene, SHOWN[game], generator) for part in frames]
    shown = [see(eyes, screens).whole for screens, _, _ in single]
    figures: dict[str, dict[str, float]] = {name: {} for name in learned.whole}
    for name in learned.places:
        places = learned.places[name], held_out.places[name]
        hits = [found(places, (a, b)) for a, b in zip(*(x.unbind(1) for x in sought), strict=True)]
        figures[name] |= {"identity": identity(places, spots), FOUND: float(np.mean(hits))}
    for name, mine in figures.items():
        whole, lone = (learned.whole[name], held_out.whole[name]), (shown[0][name], shown[1][name])
        mine[READ] = read(whole, (sought[0].flatten(1), sought[1].flatten(1)))
        mine[ALONE_WHAT] = named(lone, (single[0][1], single[1][1]), WHOLE_WIDTH)
        mine[ALONE_WHERE] = read(lone, (single[0][2], single[1][2]))
    return figures


def untrained(eyes: Eyes, seed: int) -> Eyes:
    """The same eyes as they were before they learned anything."""
    torch.manual_seed(seed)
    shape = eyes.dorsal.light.in_features // POOLS, eyes.height, eyes.width
    return Eyes(shape, replace(eyes.config, precision="float32")).eval()


def eyes_of(directory: Path) -> Eyes:
    """The eyes of a saved network.

    Raises:
        ValueError: if there is none, or if it has no dorsal stream.
    """
    eyes = load_network(directory).eyes
    if not isinstance(eyes, Eyes) or not eyes.config.looks:
        raise ValueError(f"the network of {directory} looks at nothing: it has no dorsal stream")
    return eyes


Runs = dict[str, list[dict[str, float]]]  # by network and stream, a run for each seed


def gaps(runs: Runs, who: str) -> dict[str, list[float]]:
    """Points by which each stream is ahead where it should be, for each seed."""
    return {
        f"{question}: {ahead} less {behind}": [
            one[question] - other[question]
            for one, other in zip(runs[f"{who} {ahead}"], runs[f"{who} {behind}"], strict=True)
        ]
        for question, ahead, behind in DUELS
    }


@dataclass(frozen=True, kw_only=True)
class Streams(Options):
    """What and where."""

    agent: Path = SHIPPED
    """A folder with a saved network."""
    seeds: int = 3
    """Sets of games, and untrained networks."""
    num_games: int = NUM_GAMES
    """Games of each kind in a set; 24 of them are held out."""
    ticks: int = TICKS
    """Length of what is watched."""

    def run(self) -> None:
        """Watch, probe, show."""
        checked_output(self.json)
        learned = (self.num_games - HELD_OUT_GAMES) * (self.ticks // EVERY)
        if self.seeds < 1 or self.num_games <= HELD_OUT_GAMES or learned < WHOLE_WIDTH:
            raise ValueError(
                f"too little to learn from: {self.seeds} seeds, {self.num_games} games of which "
                f"{HELD_OUT_GAMES} are held out, {self.ticks} ticks"
            )
        trained = eyes_of(self.agent)
        runs: Runs = {}
        sets = list(product(range(self.seed, self.seed + self.seeds), LABELS))
        with progress_bar("probing", len(sets), "sets of games") as tell:
            for done, (seed, game) in enumerate(sets, 1):
                frames = self._watch(game, seed)
                for who, eyes in (("agent", trained), ("control", untrained(trained, seed))):
                    for stream, figures in probe(game, eyes, frames, seed).items():
                        column = runs.setdefault(f"{who} {stream}", [{} for _ in range(self.seeds)])
                        column[seed - self.seed] |= {
                            f"{game}: {name}": POINTS * x for name, x in figures.items()
                        }
                tell(done, game)
        for run in itertools.chain(*runs.values()):
            run |= over_games(run)
        report(runs)
        ahead = {who: gaps(runs, who) for who in ("agent", "control")}
        write_json(self.json, {"agent": str(self.agent), "points": runs, "gaps": ahead})

    def _watch(self, game: str, seed: int) -> tuple[Frames, Frames]:
        """Frames to learn from, and those of other games."""
        generator = Generator().manual_seed(seed)
        players = next(pair for name, pair, _ in WORLDS if name == game)
        world = game, players, lambda game, state: LABELS[game.name](game, state, generator)
        return split(watch(world, seed, self.num_games, self.ticks), self.num_games)


def over_games(run: Mapping[str, float]) -> dict[str, float]:
    """Mean of each question over the games."""
    questions = dict.fromkeys(name.partition(": ")[2] for name in run)
    return {
        question: float(np.mean([x for name, x in run.items() if name.endswith(f": {question}")]))
        for question in questions
    }


def report(runs: Runs) -> None:
    """Two tables, and how far the streams are apart."""
    for who in ("agent", "control"):
        mine = {name: column for name, column in runs.items() if name.startswith(who)}
        show(f"{who}, points", {name.removeprefix(f"{who} "): x for name, x in mine.items()})
    for who in ("agent", "control"):
        for name, points in gaps(runs, who).items():
            verdict = "as asked" if min(points) >= ASKED else f"not the {ASKED} asked"
            span = f"{min(points):+.1f} to {max(points):+.1f}"
            line = f"{who}, {name}: {np.mean(points):+.1f} ({span}), {verdict}"
            Console(width=120).print(line, highlight=False)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    guarded(lambda: parse(Streams, arguments, "benchmarks/streams.py").run())


if __name__ == "__main__":
    main()
