"""What a parameter means and where its value comes from, written where it is used: in the signature of a constructor.

    class SlotMachine:
        def __init__(self, *, moves: Annotated[int, Ge(1), Doc("fractions of a turn to choose from", "A.4.1")]): ...

The schema of params.yaml is made of such signatures (jsae.config.schema): an argument with a `Doc` is a parameter.
Limits are those of the package annotated_types.
"""

import math
import typing
from typing import Annotated, Any, NamedTuple

from annotated_types import Predicate

Finite = Annotated[float, Predicate(math.isfinite)]
"""A number that is neither infinite nor NaN."""


class Doc(NamedTuple):
    """The meaning of a parameter, and the section of the paper (or the reason) that its value comes from."""

    meaning: str
    source: str


def parameters_of(cls: type) -> dict[str, Any]:
    """The annotated type of each argument of a class's constructor that has a Doc; those of a subclass go first."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if "__init__" in vars(base):
            for name, hint in typing.get_type_hints(vars(base)["__init__"], include_extras=True).items():
                if any(isinstance(note, Doc) for note in getattr(hint, "__metadata__", ())):
                    found.setdefault(name, hint)
    return found
