"""Shards of a population over worker processes, each with one thread; or one after the other where a GPU has them all.

How a population is cut is a parameter; how many workers take the shards is the machine's affair, and changes no bit of
any result.
"""

import contextlib
import ctypes
import multiprocessing
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from tqdm import tqdm

from jsae.config.errors import JsaeError

Result = TypeVar("Result")
Member = TypeVar("Member")

_GO_ON = "run again to go on from its last checkpoint, with JSAE_WORKERS=1 if memory is short"


def shards(population: Sequence[Member], members: int) -> list[list[Member]]:
    """Cut a population (its seeds) into blocks of at most `members`."""
    return [list(population[start : start + members]) for start in range(0, len(population), members)]


def workers() -> int:
    """Processes to use: JSAE_WORKERS, or one for each core that this process may run on."""
    wanted = os.environ.get("JSAE_WORKERS")
    if wanted is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not wanted.isdigit() or int(wanted) < 1:
        raise JsaeError(f"JSAE_WORKERS is {wanted!r}: give a number of processes, 1 or more")
    return int(wanted)


def run_shards(
    function: Callable[..., Result], calls: Sequence[dict[str, Any]], *, total: int, label: str
) -> list[Result]:
    """`[function(progress=..., **call) for call in calls]`, side by side in worker processes; results in order.

    `function` must be importable; it calls `progress(n)` as n more of `total` units are behind it, which moves a bar
    where stderr is a terminal. A worker ends if the main process dies. The first error stops the others.
    Raises JsaeError if a worker is killed, or lacks memory.
    """
    if not calls:
        return []
    # A fork has the main process's imports already; elsewhere than on Linux, it is not safe.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    counts = context.RawArray("q", len(calls))  # one for each call, without a lock that a killed worker could hold
    count = min(workers(), len(calls))
    with ProcessPoolExecutor(count, context, initializer=_start, initargs=(os.getpid(), counts)) as pool:
        futures = [
            pool.submit(_call, function, i, call) for i, call in enumerate(calls)
        ]  # forks before any thread of ours starts
        try:
            with _bar(total, label, counts):
                return _results(futures)
        except BrokenProcessPool:
            raise JsaeError(f"{label}: a worker process was killed (out of memory?); {_GO_ON}") from None
        except BaseException as error:
            _stop(pool)
            if _is_lack_of_memory(error):
                raise JsaeError(f"{label}: a worker process ran out of memory; {_GO_ON}") from error
            raise


def runner(device: str) -> Callable[..., list[Any]]:
    """What runs shards on this type of device."""
    return run_shards if device == "cpu" else run_shards_in_turn


def run_shards_in_turn(
    function: Callable[..., Result], calls: Sequence[dict[str, Any]], *, total: int, label: str
) -> list[Result]:
    """What `run_shards` gives, one call after the other in this process. Raises JsaeError if memory is short.

    For a GPU, which does not survive a fork and gains nothing by more processes: a larger shard costs it hardly more
    than a small one.
    """
    with _progress_bar(total, label) as bar:
        try:
            return [function(progress=bar.update, **call) for call in calls]
        except Exception as error:
            if _is_lack_of_memory(error):
                raise JsaeError(f"{label}: out of memory: lower members_per_shard (training or search)") from error
            raise


def _is_lack_of_memory(error: BaseException) -> bool:
    """Python and NumPy have a class for it, PyTorch and the system only say so."""
    said = re.search("allocate memory|out of memory", str(error)) is not None
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError | OSError) and said)


def _results(futures: list[Future[Result]]) -> list[Result]:
    pending: set[Future[Result]] = set(futures)
    while pending:
        ready, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in ready:
            future.result()
    return [future.result() for future in futures]


def _stop(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):
        process.terminate()


def _start(main_process: int, counts: Any) -> None:
    """In a worker: one thread, and an end if the main process dies (its kill -9 leaves orphans otherwise)."""
    import torch

    global _counts
    _counts = counts
    torch.set_num_threads(1)
    _keep_freed_memory()
    threading.Thread(target=_watch, args=(main_process,), daemon=True).start()


def _keep_freed_memory() -> None:
    """Freed tensors of up to 32 MB stay the process's own, where the C library is glibc.

    It gives them back to the system otherwise, and has every page of the next one filled with zeros: thousands of page
    faults an update step where there are thousands of actions.
    """
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(trim_threshold, 2**30)
        mallopt(mmap_threshold, 2**25)


def _watch(main_process: int) -> None:
    while True:
        with contextlib.suppress(PermissionError):
            try:
                os.kill(main_process, 0)
            except ProcessLookupError:
                os._exit(1)
        threading.Event().wait(1.0)


_counts: Any = None
"""In a worker: units behind each call, shared with the main process."""


def _call(function: Callable[..., Result], number: int, call: dict[str, Any]) -> Result:
    def progress(units: int) -> None:
        _counts[number] += units

    return function(progress=progress, **call)


def _progress_bar(total: int, label: str) -> Any:
    return tqdm(total=total, desc=label, disable=not sys.stderr.isatty(), unit="epoch")


@contextlib.contextmanager
def _bar(total: int, label: str, counts: Any) -> Iterator[None]:
    """A bar that follows the sum of `counts`."""
    with _progress_bar(total, label) as bar:
        ended = threading.Event()

        def follow() -> None:
            while not ended.wait(0.2):
                bar.update(sum(counts) - bar.n)

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        try:
            yield
        finally:
            ended.set()
            follower.join()
            bar.update(sum(counts) - bar.n)
