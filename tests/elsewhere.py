"""A device that is not the default one, made of the CPU: what torch refuses on a GPU is refused here too.

In `with Elsewhere() as elsewhere:`, tensors can be moved to `Elsewhere.device` and made there. They compute on the CPU
and give its bits, but are told apart from tensors of the CPU: one that was born on the default device by accident ends
in an error as soon as it meets one that is elsewhere, and whatever makes the CPU wait for a GPU is counted.
The device goes by the name of torch's `meta`, which computes nothing, so that its name is free.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
CPU = torch.device("cpu")
BORROWED = torch.device("meta")
MOVES = {aten.copy_.default, aten._to_copy.default}
WAITS = {
    aten._local_scalar_dense.default,
    aten._unique2.default,
    aten.equal.default,
    aten.masked_select.default,
    aten.nonzero.default,
    aten.repeat_interleave.Tensor,
    aten.unique_dim.default,
}
"""What gives Python a number, or a tensor whose size depends on numbers."""


class Far(Tensor):
    """A tensor that is elsewhere; `near` has its numbers."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> "Far":
        far = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, near.size(), near.stride(), near.storage_offset(), dtype=near.dtype, device=BORROWED
        )
        far.near = near
        return far

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, *_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{func} on a tensor of Elsewhere, outside of it")


class Elsewhere(TorchDispatchMode):
    """See the top of the file. `waits` counts, by operation, how often the CPU waited for what is elsewhere."""

    device: ClassVar = BORROWED

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # it would import torch's compiler, seconds, which nothing here uses

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = list(_leaves((*args, *kwargs.values())))
        far = any(type(value) is Far for value in given)
        device = kwargs.get("device")
        if not far and device != BORROWED:
            return func(*args, **kwargs)
        if far and func not in MOVES and any(map(_is_near, given)):
            raise RuntimeError(f"{func}: tensors of two devices")
        back = device == CPU or (func is aten.copy_.default and type(args[0]) is not Far)
        if far and (back or func in WAITS or _masks(func, args)):
            self.waits[func._schema.name] += 1
        near = {name: _each(_near, value) for name, value in kwargs.items()}
        found = func(*_each(_near, args), **near)
        if written := _written(func):
            values = [args[place] if place < len(args) else kwargs[name] for place, name in written]
            return values[0] if len(values) == 1 else tuple(values)
        return found if device == CPU else _each(_far, found)


def reaching(device: torch.device) -> AbstractContextManager[object]:
    """In it, tensors can be on the device."""
    return Elsewhere() if device == Elsewhere.device else nullcontext()


def _leaves(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield value


def _each(function: Callable[[Any], Any], value: Any) -> Any:
    return type(value)(_each(function, v) for v in value) if isinstance(value, list | tuple) else function(value)


def _near(value: Any) -> Any:
    if type(value) is Far:
        return value.near
    return CPU if isinstance(value, torch.device) else value


def _far(value: Any) -> Any:
    return Far(value) if isinstance(value, Tensor) else value


def _is_near(value: Any) -> bool:
    """Whether a GPU would not take it together with its own: a tensor of the CPU that is more than a number."""
    return isinstance(value, Tensor) and type(value) is not Far and value.dim() > 0


def _masks(func: Any, args: Sequence[Any]) -> bool:
    """Whether it looks up by a mask: how much it finds depends on numbers."""
    indexes = func in (aten.index.Tensor, aten.index_put_.default)
    return indexes and any(index is not None and index.dtype == torch.bool for index in args[1])


@functools.cache
def _written(func: Any) -> list[tuple[int, str]]:
    """Place and name of the arguments that an operation changes and returns."""
    if not any(value.alias_info and value.alias_info.is_write for value in func._schema.returns):
        return []
    arguments = enumerate(func._schema.arguments)
    return [(place, a.name) for place, a in arguments if a.alias_info and a.alias_info.is_write]
