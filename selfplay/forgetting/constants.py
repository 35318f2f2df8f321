"""What 0 and 1 mean for each task: the constants of the normalisation, and how they are measured.

Published ones lie in `selfplay/data/forgetting-SUITE.json`, with the command that made them. For
other terms (fewer steps, other environments) a run measures its own, and keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lifelong_agent.weights import read_json, write_atomically
from selfplay.forgetting.metrics import Array, area, normalise
from selfplay.forgetting.practice import RandomActor, score
from selfplay.forgetting.runner import Record
from selfplay.forgetting.suites import GYM, SUITES, Suite, find_suite

PUBLISHED = Path(__file__).parent.parent / "data"
BY_EVALUATE = "selfplay.forgetting.evaluate(...), from Python"
RANDOM_GAMES = 4  # times as many for a random player, which costs little


@dataclass(frozen=True)
class Constants:
    """Of one suite; T tasks are its columns.

    Attributes:
        tasks: T names.
        random: T raw scores of a random player.
        curves: T raw curves of training on the task alone, from the suite's start, the mean over
            seeds; the last point of each is the task's 1.
        seeds: of that training.
        command: that measured them.
        source: the file that they were read from.
    """

    tasks: tuple[str, ...]
    random: tuple[float, ...]
    curves: tuple[tuple[float, ...], ...]
    seeds: tuple[int, ...]
    command: str
    source: str = ""

    @property
    def single(self) -> tuple[float, ...]:
        """T raw scores after training on the task alone."""
        return tuple(curve[-1] for curve in self.curves)

    def normalise(self, scores: Array, task: int | None = None) -> Array:
        """(..., T) raw scores of all tasks, or (...) of one.

        Raises:
            ValueError: naming a task that was not learned alone.
        """
        random, single = np.array(self.random), np.array(self.single)
        self._check(random, single)
        if task is None:
            return normalise(scores, random, single)
        one = slice(task, task + 1)
        return normalise(scores[..., None], random[one], single[one])[..., 0]

    def _check(self, random: Array, single: Array) -> None:
        for name, low, high in zip(self.tasks, random, single, strict=True):
            if not high > low:
                raise ValueError(
                    f"the task {name} was not learned alone ({high:.3f}, a random player has "
                    f"{low:.3f}): give it more steps, in another folder"
                )

    def scratch_areas(self) -> Array:
        """(T,) areas under the normalised curves of training alone."""
        return np.array(
            [area(self.normalise(np.array(curve), j)) for j, curve in enumerate(self.curves)]
        )

    def to_json(self) -> dict[str, Any]:
        """The part `normalisation` of results.json."""
        columns = zip(self.tasks, self.random, self.single, self.curves, strict=True)
        return {
            "formula": "(x - random) / (single - random)",
            "source": self.source,
            "command": self.command,
            "seeds": list(self.seeds),
            "tasks": {
                name: {"random": low, "single": high, "scratch_curve": list(curve)}
                for name, low, high, curve in columns
            },
        }


def alone(suite: Suite) -> Suite:
    """The suite in which every task, held out or not, is trained by itself, once."""
    return replace(suite, tasks=suite.columns, held_out=(), order=())


def random_scores(suite: Suite, device: torch.device) -> tuple[float, ...]:
    """What a random player scores on every column."""
    many = replace(suite, games=RANDOM_GAMES * suite.games)
    return tuple(score(many, task, RandomActor(), device) for task in suite.columns)


def constants_of(
    suite: Suite, random: tuple[float, ...], scratch: Sequence[Record], seeds: tuple[int, ...]
) -> Constants:
    """Constants out of runs of `scratch`, one for each seed."""
    curves = np.mean([record.curves for record in scratch], axis=0)
    return Constants(
        tasks=tuple(task.name for task in suite.columns),
        random=random,
        curves=tuple(tuple(float(x) for x in curve) for curve in curves),
        seeds=seeds,
        command=command_of(suite, seeds),
    )


def command_of(suite: Suite, seeds: tuple[int, ...]) -> str:
    """The command that measures the constants of a suite, or says that there is none."""
    is_gym = suite.name.startswith(GYM)
    declared = find_suite(suite.name) if is_gym else SUITES.get(suite.name)
    in_a_row = seeds == tuple(range(seeds[0], seeds[0] + len(seeds)))
    if declared is None or not in_a_row:
        return BY_EVALUATE
    command = (
        f"python -m selfplay forgetting --suite {suite.name} --methods none --seeds {len(seeds)}"
    )
    if seeds[0]:
        command += f" --seed {seeds[0]}"
    changes: dict[str, Any] = {}
    for term in ("steps", "start"):
        if getattr(suite, term) != getattr(declared, term):
            changes[term] = getattr(suite, term)
            command += f" --{term} {changes[term]}"
    if "start" in changes:
        declared = declared.starting_from(changes.pop("start"))
    declared = replace(declared, order=(), **changes)
    return command if _terms(declared) == _terms(suite) else BY_EVALUATE


def read_constants(suite: Suite, folder: Path, *, published: bool = True) -> Constants | None:
    """Constants of these very terms that were measured in `folder`, else published ones.

    Raises:
        ValueError: in one line, for a damaged file.
    """
    places = [folder / "normalisation.json"]
    if published:
        places.append(PUBLISHED / f"forgetting-{suite.name}.json")
    for path in places:
        if path.is_file():
            values = read_json(path)
            if values.get("terms") == _terms(suite):
                return _constants_from(values, path, suite)
    return None


def write_constants(constants: Constants, suite: Suite, folder: Path) -> None:
    """Keep them in `folder/normalisation.json`, which can be published as it is."""
    values = {"constants": asdict(replace(constants, source="")), "terms": _terms(suite)}
    text = json.dumps(values, indent=2) + "\n"
    write_atomically(folder / "normalisation.json", text.encode())


def _constants_from(values: dict[str, Any], path: Path, suite: Suite) -> Constants:
    names = tuple(task.name for task in suite.columns)
    try:
        fields = dict(values["constants"], source=path.name)
        random, curves = (np.array(fields[each], dtype=float) for each in ("random", "curves"))
        if (tuple(fields["tasks"]), random.shape) != (names, (len(names),)):
            raise ValueError(f"they are not those of {', '.join(names)}")
        if curves.shape != (len(names), suite.parts):
            raise ValueError(f"a curve has {suite.parts} points")
        if not (np.isfinite(random).all() and np.isfinite(curves).all()):
            raise ValueError("a number is not finite")
        fields |= {"tasks": names, "random": tuple(random.tolist())}
        fields |= {"curves": tuple(map(tuple, curves.tolist())), "seeds": tuple(fields["seeds"])}
        return Constants(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no constants: {error}") from None


def _terms(suite: Suite) -> dict[str, Any]:
    """On what the constants depend: everything but the order."""
    terms: dict[str, Any] = json.loads(json.dumps(alone(suite).to_json()))
    return terms
