"""Limits of the numbers that the library takes: one table, in which an argument has the same limits everywhere."""

import math
from typing import Any

import numpy as np

from jsae.config.errors import JsaeError

__all__ = ["check_numbers", "checked_list"]

_FRACTIONS: dict[str, tuple[float, float]] = {
    "learning_rate": (1e-12, 1),
    "minimum_improvement": (0, 0.5),
    "reward_scale": (1e-12, 1e12),
    "validation_share": (0.01, 0.9),
    "weight_decay": (0, 1),
}
"""Least and most of arguments that need not be whole."""
_WHOLE: dict[str, tuple[float, float]] = {
    "action_size": (1, 4096),
    "hidden_sizes": (1, 65_536),
    "seed": (0, 2**63 - 1),
    "seeds": (0, 2**63 - 1),
    "state_size": (1, 4096),
}
"""Of whole numbers; every other one counts something, and is at least 1."""


def check_numbers(**values: Any) -> None:
    """Raise JsaeError for the first argument that is no number, or outside its limits."""
    for name, value in values.items():
        whole = name not in _FRACTIONS
        least, most = _WHOLE.get(name, (1, math.inf)) if whole else _FRACTIONS[name]
        kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
            span = f"at least {least:g}" if most == math.inf else f"of {least:g} to {most:g}"
            raise JsaeError(f"{name} = {value!r}: give a {'whole ' if whole else ''}number {span}")


def checked_list(name: str, values: Any, example: str) -> tuple[int, ...]:
    """Several whole numbers. Raises JsaeError as `check_numbers` does, and if they are no list; it shows `example`."""
    try:
        found = tuple(values)
    except TypeError:
        raise JsaeError(f"{name} = {values!r}: give several whole numbers, as {example}") from None
    for value in found:
        check_numbers(**{name: value})
    return tuple(map(int, found))
