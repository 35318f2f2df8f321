"""Are the numbers that somebody chose within their bounds?"""

from __future__ import annotations

import sys


def check_knobs(
    least: float,
    most: float | None = None,
    *,
    whole: bool = False,
    is_open: bool = False,
    **knobs: object,
) -> None:
    """Make sure that knobs are numbers within their bounds; without a greatest one, finite.

    Args:
        least: the smallest that is allowed.
        most: the greatest.
        whole: whether it has to be a whole number.
        is_open: whether it has to be below the greatest.
        **knobs: by name.

    Raises:
        ValueError: in one line that names the first that is not.
    """
    kind = "whole number" if whole else "number"
    bounds = f"from {least:g} on" if most is None else f"from {least:g} to {most:g}"
    if is_open:
        bounds = f"from {least:g} to below {most:g}"
    greatest = sys.float_info.max if most is None else most
    for name, value in knobs.items():
        is_of_kind = isinstance(value, int if whole else int | float)
        if not (is_of_kind and least <= value <= greatest and not (is_open and value == most)):  # type: ignore[operator]
            raise ValueError(f"{name} must be a {kind} {bounds}, not {value!r}")
