"""Where a result came from: commit, lock, versions, machine, hours. Kept next to the results, never inside them.

A record is facts about one execution, so it differs from run to run and is no output of a stage: outputs stay
bit-for-bit reproducible.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jsae.config.errors import JsaeError
from jsae.io.files import write_atomically

logger = logging.getLogger(__name__)

PACKAGES = ("numpy", "torch", "gymnasium", "mujoco", "polars", "scipy", "matplotlib", "dvc", "snakemake")
"""Packages whose installed versions a record names."""

ROOT = Path(__file__).resolve().parents[2]


def collect(stage: str, device: str = "cpu") -> dict[str, Any]:
    """Facts about this process: code, lock, packages and machine."""
    head = commit(ROOT)
    if head is None and (ROOT / ".git").exists():
        logger.warning("the record of %s names no commit of the code: `git status` says why", stage)
    return {
        "stage": stage,
        "commit": head,
        "changed": changed(ROOT),
        "lock": lock_digest(sorted((ROOT / "requirements").glob("*.lock"))),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _installed(name))},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": {name: os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ},
        "device": device,
    }


@contextlib.contextmanager
def recorded(path: Path, stage: str, device: str = "cpu") -> Iterator[dict[str, Any]]:
    """Write a record to `path` when the block has ended without an error: the facts of `collect`, the start in UTC
    and the wall time in seconds. Further facts may be put into the dictionary that it yields."""
    record = collect(stage, device)
    record["started"] = datetime.now(UTC).isoformat(timespec="seconds")
    start = time.perf_counter()
    yield record
    record["wall_seconds"] = round(time.perf_counter() - start, 3)
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """All records under `folder`, by their place in it, as "train/slot-machine/vpg-jsae/0-4"; maybe none."""
    records = {}
    for path in sorted(folder.rglob("*.json")):
        try:
            records[str(path.relative_to(folder).with_suffix(""))] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise JsaeError(f"{path} is no provenance record: delete it, the next run of its stage writes it") from None
    return records


def commit(root: Path) -> str | None:
    """The commit that is checked out, or None where there is no git or no commit."""
    return _git(root, "rev-parse", "--verify", "--quiet", "HEAD")


def changed(root: Path) -> bool | None:
    """Whether tracked files differ from the commit, those apart that choosing and running stages rewrites.

    None where there is no git.
    """
    rewritten = (":(exclude)dvc.lock", ":(exclude)workflow/runs.yaml")
    status = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *rewritten)
    return None if status is None else bool(status)


def lock_digest(locks: Sequence[Path]) -> str:
    """One SHA-256 over the names and contents of the lock files."""
    digest = hashlib.sha256()
    for lock in sorted(locks, key=lambda path: path.name):
        content = lock.read_bytes()
        digest.update(f"{lock.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def locked_versions(locks: Sequence[Path]) -> dict[str, str]:
    """Package → version of every pin in the lock files, by name; a package pinned twice keeps the first."""
    versions: dict[str, str] = {}
    for lock in locks:
        for name, version in re.findall(
            r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock.read_text(encoding="utf-8"), re.MULTILINE
        ):
            versions.setdefault(name, version)
    return dict(sorted(versions.items()))


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command in `root`, or None where git or the repository is missing."""
    if not (root / ".git").exists():
        return None
    try:
        result = subprocess.run(
            ("git", "-C", str(root), *arguments), capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except FileNotFoundError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None
