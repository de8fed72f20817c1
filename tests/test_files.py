"""A file is written whole or not at all: errors, kills and full disks leave the old one."""

import errno
import hashlib
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch

from jsae.config.errors import JsaeError
from jsae.io import checkpoint
from jsae.io.files import read_table, sha256, write_atomically


def test_the_file_appears_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with write_atomically(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
    assert path.read_text() == "content"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with write_atomically(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_kill_9_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    script = (
        "import sys, time; from pathlib import Path; from jsae.io.files import write_atomically\n"
        "with write_atomically(Path(sys.argv[1])) as t:\n"
        "    t.write_text('half'); print('in', flush=True); time.sleep(60)"
    )
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=root, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_text() == "old"
    with write_atomically(path) as temporary:
        temporary.write_text("new")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("file", "new")]


@pytest.mark.parametrize("kind", ["bytes", "parquet", "safetensors"])
def test_a_full_disk_is_one_clear_error_and_loses_nothing(small_disk: Callable[..., Path], kind: str) -> None:
    disk = small_disk(64)
    path = disk / "file"
    path.write_text("old")

    def write() -> None:
        if kind == "safetensors":
            checkpoint.save(path, {"numbers": torch.rand(100_000)})
            return
        with write_atomically(path) as temporary:
            if kind == "bytes":
                temporary.write_bytes(b"x" * 200_000)
            else:
                frame = pl.DataFrame({"numbers": torch.rand(100_000).numpy()})
                frame.write_parquet(temporary, compression="uncompressed")

    with pytest.raises(JsaeError, match="file was not written: the disk is full; free some space, then run again"):
        write()
    assert path.read_text() == "old"
    assert [entry.name for entry in disk.iterdir()] == ["file"]


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    """Root may write everywhere, so the refusal is made."""

    def write() -> None:
        with write_atomically(tmp_path / "file"):
            raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(JsaeError, match="change the permissions"):
        write()


@pytest.mark.parametrize(
    ("place", "problem"), [("folder", "Is a directory"), ("file/other", "(Not a directory|File exists)")]
)
def test_a_path_that_cannot_be_a_file_is_named(tmp_path: Path, place: str, problem: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(JsaeError, match=f"{place} was not written: {problem}"), write_atomically(tmp_path / place) as t:
        t.write_text("content")


def test_an_error_of_the_disk_is_named_and_one_of_another_file_is_left_as_it_is(tmp_path: Path) -> None:
    def fail(error: OSError) -> None:
        with write_atomically(tmp_path / "file"):
            raise error

    with pytest.raises(JsaeError, match="file was not written: Input/output error"):
        fail(OSError(errno.EIO, "Input/output error"))
    with pytest.raises(FileNotFoundError):
        fail(FileNotFoundError(errno.ENOENT, "No such file or directory", "elsewhere"))


def test_a_table_is_read_by_its_very_name(tmp_path: Path) -> None:
    for name in ("curve[1].parquet", "curve1.parquet"):
        pl.DataFrame({"name": [name]}).write_parquet(tmp_path / name)
    assert read_table(tmp_path / "curve[1].parquet")["name"].to_list() == ["curve[1].parquet"]


def test_a_damaged_or_missing_file_of_tensors_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    with pytest.raises(JsaeError, match="is missing: run the stage that makes it"):
        checkpoint.load(path)
    checkpoint.save(path, {"numbers": torch.arange(5)}, {"key": "value"})
    tensors, metadata = checkpoint.load(path)
    assert torch.equal(tensors["numbers"], torch.arange(5))
    assert metadata == {"key": "value"}
    content = path.read_bytes()
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    for damaged in (content[:-4], flipped, content[:5], b""):
        path.write_bytes(damaged)
        with pytest.raises(JsaeError, match="is damaged"):
            checkpoint.load(path)


def test_the_same_tensors_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        checkpoint.save(tmp_path / name, {"b": torch.ones(2), "a": torch.zeros(3)})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_fingerprint_follows_values_and_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    first = checkpoint.fingerprint({"rate": 0.1}, [path])
    assert checkpoint.fingerprint({"rate": 0.1}, [path]) == first
    assert checkpoint.fingerprint({"rate": 0.2}, [path]) != first
    path.write_text("two")
    assert checkpoint.fingerprint({"rate": 0.1}, [path]) != first


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
