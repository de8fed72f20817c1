"""What the tests of the engines share."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.forking import Forking
from tests.made_studies import Study

LONGEST = (
    "smoke",
    "report",
    "graph",
    "faults",
    "engines",
    "mutations",
    "writes",
    "extending",
    "install",
    "own",
    "schema",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first: at the end, no core waits long for another one."""
    order = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws from torch does not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def engines() -> Iterator[Forking]:
    """Snakemake and DVC, imported once."""
    server = Forking("snakemake.cli", "dvc.cli", "dvc.repo", "dvc.commands.repro", "dvc.stage.cache", "rich.table")
    yield server
    server.close()


@pytest.fixture(scope="session")
def calm(engines: Forking, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed dvc repro of the toy study makes."""
    study = Study(tmp_path_factory.mktemp("calm") / "study", engines)
    study.run("dvc", "repro")
    return study.results()


@pytest.fixture
def new_toy(engines: Forking, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Study]:
    """Makes toy studies, each in a folder of its own."""
    return lambda: Study(tmp_path_factory.mktemp("toy") / "a study", engines)


@pytest.fixture
def toy(new_toy: Callable[[], Study]) -> Study:
    return new_toy()


@pytest.fixture
def two_threads() -> Iterator[None]:
    """torch has two threads during the test."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a disk of so many KiB on a folder (tmp_path, unless another is given), or makes it larger."""
    mounted: list[Path] = []

    def mount(size: int, folder: Path = tmp_path) -> Path:
        options = f"{'remount,' if folder in mounted else ''}size={size}k"
        if sys.platform != "linux" or system("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)):
            pytest.skip("mounting a small disk needs Linux and root")
        if folder not in mounted:
            mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        unmount(folder)


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only, for root too, until the end of the test."""
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        if sys.platform != "linux" or system("mount", "--bind", str(folder), str(folder)):
            pytest.skip("mounting a folder read-only needs Linux and root")
        mounted.append(folder)
        assert system("mount", "-o", "remount,ro,bind", str(folder)) == 0

    yield mount
    for folder in mounted:
        unmount(folder)


def system(*words: str) -> int:
    return subprocess.run(words, capture_output=True, check=False).returncode


def unmount(folder: Path) -> None:
    for _ in range(50):
        if system("umount", str(folder)) == 0:
            return
        time.sleep(0.1)
