"""Names to methods: `finetune`, `ewc(weight=500)`, `stable_baselines3:PPO(gamma=0.9)`.

A new method is a `Learner`, registered in `METHODS`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from selfplay.forgetting.clear import ClearLearner
from selfplay.forgetting.ewc import EwcLearner
from selfplay.forgetting.learners import FineTune, FrozenCopies, Joint, Learner
from selfplay.forgetting.lesions import WithoutCircuits, WithoutLooks
from selfplay.forgetting.lifelong import LifelongLearner
from selfplay.forgetting.peers import Peer, find_algorithm
from selfplay.forgetting.suites import Suite

Maker = Callable[..., Learner]

METHODS: dict[str, Maker] = {
    "finetune": FineTune,
    "ewc": EwcLearner,
    "clear": ClearLearner,
    "frozen_copies": FrozenCopies,
    "joint": Joint,
    "lifelong": LifelongLearner,
    "lifelong-no-hippocampus": partial(LifelongLearner, capacity=0),
    "lifelong-no-neocortex": partial(LifelongLearner, average=0.0, control=0.0),
    "lifelong-no-looks": WithoutLooks,
    "lifelong-mlp": WithoutCircuits,
}


def split_methods(text: str) -> tuple[str, ...]:
    """Split at the commas that stand outside all brackets: `ewc(weight=(1,2),decay=1),joint`."""
    parts, depth = [""], 0
    for sign in text.replace(" ", ""):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return tuple(filter(None, parts))


def find_method(name: str) -> Maker:
    """What makes a method's learners from a suite, a seed and a device.

    Raises:
        ValueError: in one line, for an unknown method or arguments that are not literals.
    """
    bare, knobs = _parse(name)
    if ":" in bare:
        find_algorithm(bare)
        return partial(Peer, name=bare, **knobs)
    if bare not in METHODS:
        known = ", ".join(METHODS)
        raise ValueError(f"unknown method {bare!r}: known are {known}, module:Class")
    return partial(METHODS[bare], **knobs)


def make_learner(name: str, suite: Suite, seed: int, device: torch.device) -> Learner:
    """Build a learner.

    Raises:
        ValueError: in one line, as `find_method`, or for arguments that the method does not take.
    """
    try:
        return find_method(name)(suite, seed, device)
    except TypeError as error:
        raise ValueError(f"the method {name!r} cannot be made: {error}") from error


def _parse(name: str) -> tuple[str, dict[str, Any]]:
    match = re.fullmatch(r"([\w.:\-]+)(?:\((.*)\))?", name)
    if match is None:
        raise ValueError(f"a method is written name or name(knob=value,...), not {name!r}")
    try:
        call = ast.parse(f"f({match[2] or ''})", mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)) or call.args:
            raise ValueError
        knobs = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError):
        raise ValueError(f"the knobs of a method are written knob=value: {name!r}") from None
    return match[1], knobs
