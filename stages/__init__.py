"""What stages are made of: paths and parameters in, files out. Importing it sets what holds for each, under any engine.

One thread a process: the bits of a sum follow the number of threads, so no engine and no machine may choose it.
MuJoCo draws nothing: it would look for a library that draws when it is imported, and fail where there is none.
A stage ends with the engine that started it: nothing goes on writing behind the next run's back.
"""

import ctypes
import os
import signal
import sys


def end_with_parent() -> None:
    """On Linux, be killed when the process that started this one ends, by kill -9 for one; elsewhere, do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG


for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["MUJOCO_GL"] = "disable"
if "DVC_STAGE" in os.environ:  # set by the engines
    end_with_parent()
