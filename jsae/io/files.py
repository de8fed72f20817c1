"""Whole files or none: atomic writing, reading what stages have written, digests."""

import contextlib
import errno
import glob
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from jsae.config.errors import JsaeError

MISSING = "{} is missing: run the stage that makes it (dvc repro does)"
DAMAGED = "{} is damaged ({}): delete it and run dvc repro again"

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "it is on a read-only disk; choose another folder",
    errno.EACCES: "it or its folder may not be written; change the permissions",
}


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; it takes the place of `path` when the block ends without an error.

    A process killed inside the block leaves `path` as it was (and the temporary file, which the next writer of the
    same path removes). The content is flushed to disk before the rename, so a power cut leaves no empty file.
    Raises JsaeError if the disk is full or `path` cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except JsaeError:
        raise
    except Exception as error:
        for number, advice in _ADVICE.items():
            # Libraries that write by themselves keep the system's words and lose its number.
            if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
                raise JsaeError(f"{path} was not written: {advice}, then run again") from error
        if isinstance(error, OSError) and Path(error.filename or path) in (path, temporary, *path.parents):
            raise JsaeError(f"{path} was not written: {error.strerror}") from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of `path` whose writers are gone."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        writer = leftover.name.split(".")[-2]
        if writer.isdigit() and not _is_alive(int(writer)):
            leftover.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_table(path: Path) -> pl.DataFrame:
    """A table (parquet) that a stage has written. Raises JsaeError if it is missing or damaged."""
    try:
        return pl.read_parquet(path, glob=False)
    except FileNotFoundError:
        raise JsaeError(MISSING.format(path)) from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise JsaeError(DAMAGED.format(path, str(error).splitlines()[0])) from None


def read_json(path: Path) -> Any:
    """What a stage has written as JSON. Raises JsaeError if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JsaeError(MISSING.format(path)) from None
    except (OSError, ValueError) as error:
        raise JsaeError(DAMAGED.format(path, error)) from None


def write_json(content: object, path: Path) -> None:
    """Write JSON that people can read. Raises ValueError for a number that is not finite."""
    with write_atomically(path) as temporary:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(f"{text}\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
