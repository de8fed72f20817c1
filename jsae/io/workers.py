"""Batches of runs in worker processes, each with one thread; or one batch after the other where a GPU has them all.

How many runs a batch has is a parameter. How many workers there are is the machine's affair, and changes no bit of any
result.
"""

import contextlib
import ctypes
import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

from tqdm import tqdm

from jsae.config.errors import JsaeError

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Run = TypeVar("Run")

_GO_ON = "run again to go on from its last checkpoint, with JSAE_WORKERS=1 if memory is short"


class Job(Protocol[Result_co]):
    """Work for a process: a value that can be pickled (see jsae.training.jobs)."""

    def run(self, progress: Callable[[int], None]) -> Result_co:
        """Do it, and call `progress(n)` as n more units are done."""


def batches(runs: Sequence[Run], size: int) -> list[list[Run]]:
    """Cut runs (their seeds, say) into batches of at most `size`, in order."""
    return [list(runs[start : start + size]) for start in range(0, len(runs), size)]


def workers() -> int:
    """Processes to use: JSAE_WORKERS, or one for each core that this process may run on."""
    wanted = os.environ.get("JSAE_WORKERS")
    if wanted is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not wanted.isdigit() or int(wanted) < 1:
        raise JsaeError(f"JSAE_WORKERS is {wanted!r}: give a number of processes, 1 or more")
    return int(wanted)


def run_batches(jobs: Sequence[Job[Result]], *, total: int, label: str) -> list[Result]:
    """Run the jobs side by side in worker processes; their results in order.

    The first error stops the other jobs. A worker ends if the main process dies.

    Args:
        total: units of all jobs together; a bar shows how many are done where stderr is a terminal.
        label: what the bar and messages call the work.

    Raises JsaeError if a worker is killed or lacks memory, and whatever a job raises.
    """
    if not jobs:
        return []
    # A fork has the main process's imports already; elsewhere than on Linux, it is not safe.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    counts = context.RawArray("q", len(jobs))  # one for each job, without a lock that a killed worker could hold
    count = min(workers(), len(jobs))
    with ProcessPoolExecutor(count, context, initializer=_start, initargs=(os.getpid(), counts)) as pool:
        futures = [pool.submit(_run, i, job) for i, job in enumerate(jobs)]  # forks before any thread of ours starts
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
    """What runs jobs on this type of device, cpu or cuda."""
    return run_batches if device == "cpu" else run_batches_in_turn


def run_batches_in_turn(jobs: Sequence[Job[Result]], *, total: int, label: str) -> list[Result]:
    """What `run_batches` gives, one job after the other in this process. Raises JsaeError if memory is short.

    For a GPU, which does not survive a fork and gains nothing by more processes: a larger batch of runs costs it hardly
    more than a small one.
    """
    with _progress_bar(total, label) as bar:
        try:
            return [job.run(bar.update) for job in jobs]
        except Exception as error:
            if _is_lack_of_memory(error):
                raise JsaeError(f"{label}: out of memory: lower runs_per_batch (training or search)") from error
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
    """In a worker: one thread, and an end with the main process (its kill -9 leaves orphans otherwise)."""
    import torch

    global _counts
    _counts = counts
    torch.set_num_threads(1)
    _keep_freed_memory()
    if sys.platform == "linux":  # at once: an orphan would write over what the next run has saved
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
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
"""In a worker: units of each job that are done, shared with the main process."""


def _run(number: int, job: Job[Result]) -> Result:
    def progress(units: int) -> None:
        _counts[number] += units

    return job.run(progress)


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
