"""How many threads of the processor learning takes."""

import contextlib
from collections.abc import Iterator

import torch

__all__ = ["one_thread"]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread within the block.

    The matrices of an embedding are small: more threads spend their time waiting for each other (on two cores that
    other programs used too, 30 times as long). One thread also gives the same last digits on any number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
