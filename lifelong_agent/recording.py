"""CUDA graphs: work of a fixed shape is recorded once, and repeated by a single call.

A small network on a large device waits for its host, which has to launch some thousand kernels for
every step of learning; a graph launches them all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Generator, Tensor

WARM_UPS = 3  # libraries choose their kernels and take their memory before anything is recorded

R = TypeVar("R")


class Recorded(Generic[R]):
    """A function on CUDA that is recorded at the first call for every shape of its arguments.

    Args:
        work: tensors to anything made of tensors. Whatever else it reads or writes has to stay
            where it is in memory; it may neither ask for a value nor make shapes that hang on one.
            It is run a few times before it is recorded: running it more often must do no harm.
        generators: the chance that it uses, besides the device's own.

    Source: torch.cuda.CUDAGraph, "whole-network capture".
    """

    def __init__(self, work: Callable[..., R], generators: list[Generator] | None = None) -> None:
        self.work, self.generators = work, list({id(g): g for g in generators or []}.values())
        self.records: dict[
            tuple[torch.Size, ...], tuple[torch.cuda.CUDAGraph, list[Tensor], R]
        ] = {}

    def __call__(self, *arguments: Tensor) -> R:
        """What `work` makes of the arguments; overwritten by the next call."""
        shapes = tuple(argument.shape for argument in arguments)
        if shapes not in self.records:
            self.records[shapes] = self._record([argument.clone() for argument in arguments])
        graph, places, result = self.records[shapes]
        for place, argument in zip(places, arguments, strict=True):
            place.copy_(argument)
        graph.replay()
        return result

    def _record(self, places: list[Tensor]) -> tuple[torch.cuda.CUDAGraph, list[Tensor], R]:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                self.work(*places)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        for generator in self.generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph):
            result = self.work(*places)
        return graph, places, result


def overwrite(places: dict[str, Any], tensors: dict[str, Any]) -> None:
    """Copy a tree of tensors into the memory of another of the same shape."""
    for name, place in places.items():
        if isinstance(place, Tensor):
            if place is not tensors[name]:
                place.copy_(tensors[name])
        else:
            overwrite(place, tensors[name])
