"""C++ files of the library, compiled on the machine that runs them.

A file is compiled once, for the processor at hand, by the compiler that comes in the package ziglang: nobody needs one
of their own, and all have the same one. Where that package is missing, and with JSAE_KERNELS=plain, the modules next
to the files do without them.

    python -m jsae.nn.compiled        # compiles what has not been, and says what is used
"""

import ctypes
import hashlib
import importlib.util
import os
import platform
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from jsae.config.errors import JsaeError
from jsae.io.files import write_atomically

OPTIONS = ("-O3", "-mcpu=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-sanitize=all", "-fno-exceptions")


@cache
def library(source: Path) -> ctypes.CDLL | None:
    """What `source` defines; None where JSAE_KERNELS=plain is set, or ziglang missing.

    Raises JsaeError if JSAE_KERNELS is none of auto, plain and compiled (no ziglang is an error then), or if the file
    does not compile.
    """
    return ctypes.CDLL(str(_compiled(source))) if kind() == "compiled" else None


def kind() -> str:
    """What is used on a CPU: "compiled" or "plain"."""
    choice = os.environ.get("JSAE_KERNELS", "auto")
    if choice not in ("auto", "compiled", "plain"):
        raise JsaeError(f"JSAE_KERNELS={choice}: use auto, compiled or plain")
    if choice == "auto":
        return "plain" if importlib.util.find_spec("ziglang") is None else "compiled"
    return choice


def _compiled(source: Path) -> Path:
    """The compiled file of this text, these options and this kind of processor; made now where it is missing."""
    key = hashlib.sha256("\n".join([source.read_text(encoding="utf-8"), *OPTIONS, _processor()]).encode()).hexdigest()[
        :16
    ]
    path = source.with_name(f"{source.stem}-{key}.so")
    if not path.exists():
        with tempfile.TemporaryDirectory() as scratch, write_atomically(path) as temporary:
            command = [sys.executable, "-m", "ziglang", "cc", *OPTIONS, "-shared", "-fPIC", str(source)]
            variables = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
            compiler = subprocess.run(
                [*command, "-o", str(temporary)],
                env=variables,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
            if compiler.returncode:
                raise JsaeError(
                    f"{source.name} could not be compiled: set JSAE_KERNELS=plain to go on without it, more slowly, "
                    f"and report this:\n{compiler.stderr}"
                )
    return path


def _processor() -> str:
    """What compiled code depends on: the kind of processor, and its instructions where the system lists them."""
    try:
        found = re.search(
            r"^(?:flags|Features)\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
        )
    except OSError:
        found = None
    return f"{platform.system()} {platform.machine()} {found[1] if found else platform.processor()}"


if __name__ == "__main__":
    for file in sorted(Path(__file__).parents[1].rglob("*.cpp")):
        print(f"{file.name}: {'plain' if library(file) is None else 'compiled'}")
