"""How learning takes the processor."""

import contextlib
from collections.abc import Iterator

import torch

__all__ = ["flushes", "one_thread"]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread within the block, and take numbers below 1.2e-38 for 0.

    The matrices of an embedding are small: more threads spend their time waiting for each other (on two cores that
    other programs used too, 30 times as long). One thread also gives the same last digits on any number of cores.

    Adam's moments of a state that is no longer visited shrink to such numbers (denormal ones), and there are processors
    that take a hundred times as long to compute with them. They change no weight.
    """
    threads, flushed = torch.get_num_threads(), flushes()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushed)


def flushes() -> bool:
    """Whether this thread takes numbers below 1.2e-38 for 0."""
    return (torch.tensor(1e-39) * 1.0).item() == 0
