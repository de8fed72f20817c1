"""What holds for each program of .venv. requirements/install.sh puts this file there, and Python runs it at the start.

Programs that this one starts are of the same .venv, activated or not: "python" of dvc.yaml is the Python that DVC runs
in. They read and write UTF-8 whatever the locale. A terminal that cannot show a character shows "?" instead.
PYTHONPATH adds nothing but folders of the project: its packages would hide the locked ones.
Where the home folder cannot be written, caches go to the folder .cache of the project.
"""

import os
import sys

CACHES = {"MPLCONFIGDIR": "matplotlib", "IPYTHONDIR": "ipython", "JUPYTER_RUNTIME_DIR": "jupyter"}
"""What is no cache by name, is written all the same, and has no place in a home folder that cannot be written."""


def _start() -> None:
    project = os.path.dirname(sys.prefix)
    added = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
    own = [folder for folder in map(os.path.abspath, filter(None, added)) if _is_in(folder, project)]
    foreign = {os.path.abspath(folder) for folder in added if folder} - {*own}
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) not in foreign]
    if own:
        os.environ["PYTHONPATH"] = os.pathsep.join(own)
    os.environ.pop("PYTHONSAFEPATH", None)  # it hides the project itself
    os.environ.pop("MUJOCO_GL", None)  # nothing here draws with MuJoCo, whose import fails where its driver is missing
    programs = os.path.join(sys.prefix, "bin")
    others = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder != programs]
    os.environ["PATH"] = os.pathsep.join([programs, *others])
    os.environ["PYTHONNOUSERSITE"] = "1"
    os.environ["PYTHONUTF8"] = "1"
    shown = getattr(sys.stdout, "encoding", None) or "utf-8"
    if shown.lower().replace("_", "-") not in ("utf-8", "utf8"):
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        os.environ.setdefault("PYTHONIOENCODING", f"{shown}:replace")
    home = os.environ.get("HOME") or os.devnull
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    if not _is_writable(cache):
        cache = os.path.join(project, ".cache")
        os.environ["XDG_CACHE_HOME"] = cache
        for name, folder in CACHES.items():
            os.environ.setdefault(name, os.path.join(cache, folder))


def _is_in(folder: str, project: str) -> bool:
    return os.path.join(os.path.realpath(folder), "").startswith(os.path.join(os.path.realpath(project), ""))


def _is_writable(folder: str) -> bool:
    """Whether files can be put there; it is made if it is missing, as its users do."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


_start()
