"""The hippocampus of `lifelong`: unrolls of every segment, competent ones first.

Finished segments and the present one share the room in equal parts. Inside a segment it is a
reservoir with preference: an unroll draws a lot when it comes, those with a return above the
segment's mean go before the others, and among equals the higher lot stays. Since the mean rises as
the agent learns, what it did early is displaced by what it did later.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from selfplay.forgetting.learners import Tree
from selfplay.forgetting.unrolls import Unrolls, take_out

FREE = -1


class Memories:
    """Unrolls in numbered places.

    Args:
        capacity: places.
        generator: chance; it belongs to the caller.

    Attributes:
        unrolls: by name, (capacity, ...) each; empty until something is written.
        present: number of the present segment; 0 is the first.

    Source: of reservoirs by lots, Vitter (1985), doi:10.1145/3147.3165.
    """

    def __init__(self, capacity: int, generator: Generator) -> None:
        device = generator.device
        self.capacity, self.generator = capacity, generator
        self.unrolls: Unrolls = {}
        self.present = 0
        self._segment = torch.full((capacity,), FREE, device=device)
        self._lots = torch.zeros(capacity, device=device)
        self._returns = torch.zeros(capacity, device=device)
        self._sum, self._num = torch.zeros((), dtype=torch.float64, device=device), 0

    @property
    def quota(self) -> int:
        """Places of each segment."""
        return self.capacity // (self.present + 1)

    @property
    def num_bytes(self) -> int:
        """Of what is stored."""
        num = int((self._segment != FREE).sum())
        return sum(num * part[0].nbytes for part in self.unrolls.values())

    def places(self, segment: int) -> Tensor:
        """(K,) int64, where a segment's unrolls lie."""
        return (self._segment == segment).nonzero()[:, 0]

    def offer(self, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Offer unrolls of the present segment.

        Args:
            returns: (K,) float32, how well each went.

        Returns:
            (M,) int64 which of them are kept, and (M,) where they are to be written.
        """
        self._sum, self._num = self._sum + returns.double().sum(), self._num + len(returns)
        held = self.places(self.present)
        new_lots = torch.rand(len(returns), generator=self.generator, device=returns.device)
        lots = torch.cat([self._lots[held], new_lots])
        best = self._best(lots, torch.cat([self._returns[held], returns]))
        self._segment[held[~best[: len(held)]]] = FREE
        which = best[len(held) :].nonzero()[:, 0]
        where = self.places(FREE)[: len(which)]
        self._segment[where] = self.present
        self._lots[where], self._returns[where] = new_lots[which], returns[which]
        return which, where

    def _best(self, lots: Tensor, returns: Tensor) -> Tensor:
        """(K,) bool: those that stay if all of a segment's K are weighed against each other."""
        is_competent = returns > (self._sum / max(self._num, 1)).float()
        kept = (lots + is_competent).topk(min(self.quota, len(lots))).indices
        mask = torch.zeros(len(lots), dtype=torch.bool, device=lots.device)
        mask[kept] = True
        return mask

    def write(self, where: Tensor, unrolls: Unrolls) -> None:
        """Put parts of K unrolls in (K,) places."""
        for name, part in unrolls.items():
            if name not in self.unrolls:
                self.unrolls[name] = part.new_zeros(self.capacity, *part.shape[1:])
            self.unrolls[name][where] = part

    def begin_segment(self) -> None:
        """The present segment is over; all make room for the next, the lowest lots first."""
        self.present += 1
        self._sum, self._num = torch.zeros_like(self._sum), 0
        for segment in range(self.present):
            held = self.places(segment)
            order = self._lots[held].argsort(descending=True)
            self._segment[held[order[self.quota :]]] = FREE

    def draw(self, num: int) -> Unrolls:
        """`num` unrolls of earlier segments, with replacement; nothing if there are none."""
        past = ((self._segment != FREE) & (self._segment < self.present)).nonzero()[:, 0]
        if not len(past):
            return {}
        chosen = torch.randint(len(past), (num,), generator=self.generator, device=past.device)
        return take_out(self.unrolls, past[chosen])

    def state_dict(self) -> Tree:
        """What is stored, up to the last place that was ever taken."""
        taken = (self._segment != FREE).nonzero()
        used = int(taken.max()) + 1 if len(taken) else 0
        return {
            "present": torch.tensor(self.present),
            "sum": self._sum,
            "num": torch.tensor(self._num),
            "segment": self._segment,
            "lots": self._lots,
            "returns": self._returns,
            "unrolls": {name: part[:used] for name, part in self.unrolls.items()},
        }

    def load_state_dict(self, tree: Tree) -> None:
        """Take it up."""
        self.present, self._num = int(tree["present"]), int(tree["num"])
        self._sum, self._segment = tree["sum"].clone(), tree["segment"].clone()
        self._lots, self._returns = tree["lots"].clone(), tree["returns"].clone()
        for name, part in tree.get("unrolls", {}).items():
            self.write(torch.arange(len(part), device=part.device), {name: part})
