"""A night's work: which remembered decisions are taught, and where the outcome is kept.

The networks that learn are in `lifelong_agent.neocortex`. What they learn belongs to one memory
and lies beside it in `ENCODER.neocortex.safetensors`, so that agents with other eyes leave each
other's lessons alone; the shipped network is never written.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from torch import Generator, Tensor

from lifelong_agent.lessons import Lessons, read_lessons, recollect, undisputed
from lifelong_agent.neocortex import Neocortex, NeocortexConfig
from lifelong_agent.policy import DualStreamNetwork
from lifelong_agent.sealed import read_sealed, set_aside, write_sealed
from lifelong_agent.weights import check_tensors
from memory import Hippocampus, SleepReport, Trace

FILE = "neocortex.safetensors"
FORMAT = "neocortex-1"
MOST_LESSONS = 2048
"""Decisions that a night looks at, the opponents met last first."""


class Consolidation:
    """A neocortex beside a hippocampus.

    What it could not learn without forgetting is tried again the next night, and then, as long as
    nothing new is to be learned besides, after 2, 6, 14, ... nights that cost nothing.

    Args:
        network: the shipped network; never changed.
        hippocampus: whose memories are taught.
        encoder: version of the eyes; what was learned with others is not taken up.
        directory: the memory's folder; None keeps everything in RAM.
        config: how sleep teaches.
        before: what the network is not to forget of the time before; see `Neocortex`.
    """

    def __init__(
        self,
        network: DualStreamNetwork,
        hippocampus: Hippocampus,
        encoder: str,
        directory: Path | None = None,
        config: NeocortexConfig | None = None,
        before: Lessons | None = None,
    ) -> None:
        self.cortex = Neocortex(network, config, before)
        self.hippocampus, self.encoder = hippocampus, encoder
        self.path = None if directory is None else directory / f"{encoder}.{FILE}"
        self._readings: dict[int, Tensor] = {}
        self._refused: set[bytes] = set()
        self._refusals = self._pause = 0
        if self.path is not None:
            _rename_older(self.path)
            if self.path.exists():
                self._take_up_or_set_aside(self.path)

    def sleep(
        self, budget_s: float, generator: Generator, tell: Callable[[float], None] = lambda _: None
    ) -> SleepReport:
        """Teach decisions that the networks do not know yet, and rehearse those they know.

        Args:
            budget_s: seconds that it may take.
            generator: chance.
            tell: told the share that is done; what it raises wakes the network up unchanged.

        Raises:
            ValueError: if the outcome cannot be written.
        """
        started = time.monotonic()
        lessons = self._gather(tell)
        known = self.cortex.knows(lessons)
        left_s = started + budget_s - time.monotonic()
        if left_s <= 0:
            return SleepReport(False, "no time was left to teach the network")
        recent = lessons.pick(~known)
        if self._would_be_in_vain(recent):
            return SleepReport(False, "nothing new to learn: what is left did not fit in before")
        report = self.cortex.consolidate(recent, lessons.pick(known), left_s, generator, tell)
        self._note_outcome(recent, report)
        return report

    def _would_be_in_vain(self, recent: Lessons) -> bool:
        """Whether the same was refused before, and not long enough ago for another attempt."""
        if not len(recent) or not set(_names(recent)) <= self._refused:
            self._refusals = self._pause = 0
            return False
        self._pause -= 1
        return self._pause >= 0

    def _note_outcome(self, recent: Lessons, report: SleepReport) -> None:
        if report.accepted:
            self._refused, self._refusals = set(), 0
            self._keep()
        elif len(recent):
            self._refused = set(_names(recent))
            self._refusals += 1
            self._pause = 2**self._refusals - 2

    def _gather(self, tell: Callable[[float], None]) -> Lessons:
        """What is worth learning, of everybody met."""
        taught: list[tuple[str, Trace]] = []
        for game, opponent in self.hippocampus.store.opponents():
            tell(0.0)
            found = recollect(self.hippocampus, game, opponent)
            taught += [(game, trace) for trace in found if self._fits(trace)]
            if len(taught) >= MOST_LESSONS:
                break
        taught = undisputed(taught)
        games = sorted({game for game, _ in taught})
        variants = [games.index(game) for game, _ in taught]
        traces = [trace for _, trace in taught]
        lessons = read_lessons(self.cortex.guide, traces, variants, self._readings)
        self._readings = {trace.code: self._readings[trace.code] for trace in traces}
        return lessons

    def _fits(self, trace: Trace) -> bool:
        """Whether it was taken by a network of these sizes; older ones may have had others."""
        config, sizes = self.cortex.guide.config, (len(trace.state), len(trace.policy))
        wanted = (self.cortex.guide.state_size, config.num_actions)
        return trace.frame.shape == config.obs_shape and sizes == wanted

    def _keep(self) -> None:
        """Write both networks, all but the eyes, which are the shipped network's."""
        if self.path is None:
            return
        tensors = {
            f"{name}.{key}": tensor
            for name, network in zip(("fast", "slow"), self.cortex.networks, strict=True)
            for key, tensor in network.state_dict().items()
            if not key.startswith("eyes.")
        }
        write_sealed(self.path, tensors, {"format": FORMAT, "encoder": self.encoder})

    def _take_up_or_set_aside(self, path: Path) -> None:
        try:
            self._take_up(path)
        except ValueError as error:
            self.cortex = Neocortex(self.cortex.guide, self.cortex.config, self.cortex.before)
            aside = f"it was set aside as {set_aside(path).name}, the shipped network is used"
            warnings.warn(f"{error}; {aside}", stacklevel=4)

    def _take_up(self, path: Path) -> None:
        """Read what an earlier sleep left.

        Raises:
            ValueError: if it is damaged, or was learned by another network.
        """
        notes, tensors = read_sealed(path, FORMAT)
        if notes.get("encoder") != self.encoder:
            raise ValueError(f"{path} was learned with other eyes")
        for name, network in zip(("fast", "slow"), self.cortex.networks, strict=True):
            head = f"{name}."
            part = {k.removeprefix(head): t for k, t in tensors.items() if k.startswith(head)}
            whole = {k: t for k, t in network.state_dict().items() if k.startswith("eyes.")} | part
            check_tensors(network, whole, path)
            network.load_state_dict(whole)


def _rename_older(path: Path) -> None:
    """What was learned with the same eyes before files had these in their name."""
    older = path.with_name(FILE)
    with contextlib.suppress(ValueError, OSError):
        if not path.exists() and path.name == f"{read_sealed(older, FORMAT)[0]['encoder']}.{FILE}":
            older.rename(path)


def _names(lessons: Lessons) -> list[bytes]:
    """What tells decisions apart: the situation as the eyes read it, and what is best there."""
    best = lessons.policy.argmax(1).tolist()
    readings = lessons.readings.cpu().numpy()
    return [
        reading.tobytes() + bytes([action]) for reading, action in zip(readings, best, strict=True)
    ]
