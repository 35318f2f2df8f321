"""What a segment tells of itself: a surprise at its beginning, in a trial a gain at its end."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def surprise_of(advantages: Tensor, returns: Tensor, usual_variance: Tensor) -> Tensor:
    """By how many of their standard deviations returns fell short of what was expected.

    Where hardly anything is paid yet, as in a match of long rallies, returns hardly vary, and no
    trifle shall be a surprise: then it is the deviation that is usual.

    Args:
        advantages: any shape, what was paid beyond the value.
        returns: the same shape.
        usual_variance: () of returns in earlier segments.

    Source: of unexpected uncertainty as a call to learn anew, Yu and Dayan (2005),
    doi:10.1016/j.neuron.2005.04.026.
    """
    deviation = torch.maximum(returns.var(), usual_variance).sqrt()
    return -advantages.mean() / deviation.clamp(min=1e-6)


def gain_of(trial: Tensor, control: Tensor) -> float:
    """Whether more was paid on trial than to a control group: Student's t.

    It is 0 where nothing varies.

    Games begin anew in each part, and at first nothing is paid: so the trial of the last part is
    compared with what the group, which never changes, was paid at the same place of all parts.

    Args:
        trial: (P, K) what was paid in the K rollouts, at least 2, of each of P parts.
        control: (P, K) the same of the control group.
    """
    more = trial[-1] - control.mean(0)
    return float((more.mean() / (more.std() / len(more) ** 0.5)).nan_to_num(0, 0, 0))


def belief_in(gain: float) -> float:
    """By how much a gain is more probably one than a loss, P(gain) - P(loss); 0 for a loss.

    Args:
        gain: in standard errors, which are taken to be normal.
    """
    return max(0.0, math.erf(gain / math.sqrt(2)))


class Trial:
    """What learning has brought, by what is paid in rows in which others act than the learner.

    A control group goes on as before, in the last rows; in the rows beside them, from a segment's
    second part on, acts what has been learned so far.

    Args:
        control: share of the rows, rounded down, of the control group; without one there is no
            trial, and everything is believed.
        tried: share of the rows, at least one, of what is tried.
    """

    def __init__(self, control: float, tried: float) -> None:
        self.control, self.tried = control, tried
        self.num_rows = 0
        self.pay: list[list[Tensor]] = []  # (2,) of each rollout: tried, control; part by part

    def begin_part(self, num_rows: int) -> None:
        """Games begin anew."""
        self.num_rows = num_rows
        self.pay.append([])

    def begin_segment(self) -> None:
        """What was paid before is forgotten."""
        self.pay = []

    @property
    def has_control(self) -> bool:
        """Whether there is a control group."""
        return int(self.control * self.num_rows) > 0

    @property
    def is_tried(self) -> bool:
        """Whether what has been learned acts, too."""
        return self.has_control and len(self.pay) > 1

    @property
    def control_rows(self) -> slice:
        """The rows of the control group."""
        return slice(self.num_rows - int(self.control * self.num_rows), self.num_rows)

    @property
    def tried_rows(self) -> slice:
        """The rows of what is tried."""
        end = self.control_rows.start
        return slice(end - max(1, int(self.tried * self.num_rows)), end)

    def note(self, paid: Tensor) -> None:
        """Note what was paid in a rollout: (N,), the mean over its decisions."""
        if self.has_control:
            groups = (paid[self.tried_rows], paid[self.control_rows])
            self.pay[-1].append(torch.stack([group.mean() for group in groups]))

    def belief(self) -> float:
        """How far what was learned is believed in, from 0 to 1.

        All of it without a trial, and after a single rollout, of which no deviation can be known.
        """
        if not self.is_tried or len(self.pay[-1]) < 2:
            return 1.0
        return belief_in(gain_of(*self.by_parts().unbind(-1)))

    def by_parts(self) -> Tensor:
        """(P, K, 2) what was paid; it can be given back to `take_up`."""
        parts = [torch.stack(part) for part in self.pay if part]
        return torch.stack(parts) if parts else torch.zeros(0, 0, 2)

    def take_up(self, pay: Tensor) -> None:
        """Go on from what `by_parts` gave."""
        self.pay = [list(part) for part in pay]
