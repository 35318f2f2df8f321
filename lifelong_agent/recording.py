"""CUDA graphs: work of a fixed shape is recorded once, and repeated by a single call.

A small network on a large device waits for its host, which has to launch some thousand kernels for
every step of learning; a graph launches them all at once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UPS = 3  # libraries choose their kernels and take their memory before anything is recorded


class Recorded:
    """A function on CUDA that is recorded at the first call for every size of its argument.

    Args:
        work: (K,) tensor to a tensor. Whatever else it reads or writes has to stay where it is in
            memory; it may neither ask for a value nor make shapes that hang on one. It is run a
            few times before it is recorded, so that running it twice must do no harm.

    Source: torch.cuda.CUDAGraph, "whole-network capture".
    """

    def __init__(self, work: Callable[[Tensor], Tensor]) -> None:
        self.work = work
        self.records: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}

    def __call__(self, argument: Tensor) -> Tensor:
        """What `work` makes of the argument; overwritten by the next call."""
        if argument.shape not in self.records:
            self.records[argument.shape] = self._record(argument.clone())
        graph, place, result = self.records[argument.shape]
        place.copy_(argument)
        graph.replay()
        return result

    def _record(self, place: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        aside = torch.cuda.Stream(place.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(place.device))
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                self.work(place)
        torch.cuda.current_stream(place.device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = self.work(place)
        return graph, place, result
