"""Kills, full disks, damage: nothing is lost, one message says what to do, and the next run ends with the same bits."""

import contextlib
import errno
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import psutil
import pytest
import torch
from ruamel.yaml import YAML

from jsae.io import checkpoint
from tests import killed_training
from tests.forking import Forking, Program
from tests.made_studies import ENVIRONMENT, EVERY, ROOT, SNAKEMAKE, Study, wait_for
from workflow import bridge, starter

DVC = ("dvc", "repro")


def kill_main(program: Program) -> bool:
    program.kill()
    return True


def kill_group(program: Program) -> bool:
    program.kill_group()
    return True


def kill_tree(program: Program) -> bool:
    """Kill it and all that come from it, in whatever session they are."""
    for process in (*psutil.Process(program.process).children(recursive=True), psutil.Process(program.process)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return True


def kill_worker(program: Program) -> bool:
    """Kill one of the processes that it started; whether there was one."""
    found = psutil.Process(program.process).children(recursive=True)
    if found:
        random.Random(len(found)).choice(found).kill()
    return bool(found)


@pytest.mark.parametrize(
    ("engine", "kill", "kills"),
    [
        (SNAKEMAKE, kill_main, 8),
        (SNAKEMAKE, kill_tree, 10),
        (SNAKEMAKE, kill_worker, 8),
        (DVC, kill_main, 7),
        (DVC, kill_group, 7),
    ],
)
def test_random_kills_of_an_engine_change_no_bit(
    engine: tuple[str, ...], kill: Callable[[Program], bool], kills: int,
    new_toy: Callable[[], Study], calm: dict[str, bytes],
) -> None:  # fmt: skip
    chance, longest = random.Random(0), 5.0
    while kills > 0:
        study = new_toy()
        study.write("seconds", "0.2")
        status, failures = None, 0
        while status != 0:
            start = time.monotonic()
            program = study.start(*engine)
            status = program.wait(chance.uniform(0.1, longest))
            if status is None and kills > 0:
                kills -= kill(program)
            status = program.wait() if status is None else status
            assert status is not None, "it hangs"
            if status not in (0, -signal.SIGKILL):
                failures += 1
                if engine == DVC:  # it does not write these whole or not at all; README says to remove them
                    (study.root / ".dvc/tmp/rwlock").unlink(missing_ok=True)
                    (study.root / "dvc.lock").unlink(missing_ok=True)
                    for path in (study.root / ".dvc/cache/runs").rglob("*.tmp"):
                        path.unlink()
            assert failures <= 20, program.text()
            if status == 0:
                longest = max(1.0, 0.8 * (time.monotonic() - start))
        assert study.results() == calm
    assert "up to date" in study.run("dvc", "status")


@pytest.mark.skipif(sys.platform != "linux", reason="there is a starter on Linux only")
@pytest.mark.parametrize("main_too", [False, True])
def test_a_killed_starter_costs_a_start_and_leaves_no_orphan(
    main_too: bool, toy: Study, calm: dict[str, bytes]
) -> None:
    """The stages that it has forked end with it, and are started again in the ordinary way."""
    toy.write("hold", "")
    program = toy.start(*SNAKEMAKE)
    wait_for(toy.root / starter.SOCKET)
    [process] = [child for child in psutil.Process(program.process).children() if "workflow.starter" in child.cmdline()]
    toy.write("seconds", "1")
    (toy.root / "hold").unlink()
    end = time.monotonic() + 60
    while not (forks := process.children()):
        assert time.monotonic() < end, "no stage has started"
        time.sleep(0.02)
    (psutil.Process(program.process) if main_too else process).kill()
    _, alive = psutil.wait_procs([process, *forks], 10)
    assert not alive
    (toy.root / "seconds").unlink()
    assert program.wait() == (-signal.SIGKILL if main_too else 0)
    toy.snakemake()
    assert toy.results() == calm


@pytest.fixture(scope="module")
def trainings() -> Iterator[Forking]:
    server = Forking("tests.killed_training")
    yield server
    server.close()


@pytest.mark.parametrize("kill", [kill_main, kill_group, kill_worker])
def test_random_kills_of_a_training_change_no_bit(
    kill: Callable[[Program], bool], trainings: Forking, tmp_path: Path
) -> None:
    epochs, kills, chance = 60, 5, random.Random(1)

    def start(name: str) -> Program:
        (tmp_path / name).mkdir(exist_ok=True)
        words = ("tests.killed_training", str(tmp_path / name), str(epochs))
        return trainings.start(*words, folder=tmp_path, environment={**ENVIRONMENT, "JSAE_WORKERS": "2"})

    assert start("calm").wait() == 0
    for _ in range(kills):
        program = start("killed")
        moved = mark = time.time()
        while program.wait(0.01) is None and moved <= mark:  # a checkpoint later, at the earliest
            files = [killed_training.saved(tmp_path / "killed", seed) for seed in killed_training.SEEDS]
            moved = max([path.stat().st_mtime for path in files if path.exists()], default=mark)
        if program.wait(chance.uniform(0, 0.1)) is None:
            kill(program)
            program.wait()
    assert start("killed").wait() == 0
    for seed in killed_training.SEEDS:
        one, other = (checkpoint.load(killed_training.saved(tmp_path / name, seed))[0] for name in ("calm", "killed"))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key].nan_to_num(nan=-7.5), other[key].nan_to_num(nan=-7.5)) for key in one)


def test_a_stage_whose_engine_has_just_died_does_not_start(tmp_path: Path) -> None:
    """Killed between its fork and its start, an engine left a training that wrote over what the next run made."""
    script = "import os, subprocess, sys, functools; from workflow.bridge import end_with\n" + (
        "parent = os.getpid()\n"
        "if os.fork(): os._exit(0)\n"  # the engine dies
        "while os.getppid() == parent: pass\n"
        "try: end_with(parent)\n"
        "finally: open(sys.argv[1], 'w').close()"
    )
    # returns when nobody can write to its pipes any more: the orphan has ended, too
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "ran on")], cwd=ROOT, check=True, capture_output=True)
    assert not (tmp_path / "ran on").exists()


def test_a_worker_writes_nothing_after_its_main_process_has_died(trainings: Forking, tmp_path: Path) -> None:
    """It would put an older checkpoint in place of what the next run has saved."""
    words = ("tests.killed_training", str(tmp_path), "1000000")
    program = trainings.start(*words, folder=tmp_path, environment={**ENVIRONMENT, "JSAE_WORKERS": "2"})
    files = [killed_training.saved(tmp_path, seed) for seed in killed_training.SEEDS]
    for path in files:
        wait_for(path)
    program.kill()
    program.wait()
    time.sleep(0.05)  # a file that was being renamed
    before = [path.stat().st_mtime_ns for path in files]
    time.sleep(0.7)
    assert [path.stat().st_mtime_ns for path in files] == before


def test_ctrl_c_stops_within_seconds_and_the_next_run_goes_on(toy: Study, calm: dict[str, bytes]) -> None:
    toy.write("hold", "")
    program = toy.start(*SNAKEMAKE)
    wait_for(toy.root / "collected")
    start = time.monotonic()
    program.kill_group(signal.SIGINT)
    assert program.wait() not in (0, None)
    assert time.monotonic() - start < 20  # a second, where nothing else runs
    (toy.root / "hold").unlink()
    toy.snakemake()
    assert toy.results() == calm


def test_a_full_cache_disk_is_named_and_nothing_runs_twice(
    toy: Study, calm: dict[str, bytes], small_disk: Callable[..., Path]
) -> None:
    cache = toy.root / ".dvc/cache"
    cache.mkdir()
    small_disk(16, cache)
    assert "No space left on device" in toy.snakemake(status=1)
    assert toy.ran() == EVERY
    small_disk(4000, cache)
    toy.snakemake()
    assert toy.ran() == []
    assert toy.results() == calm


def test_results_that_may_not_be_written_are_named(
    toy: Study, calm: dict[str, bytes], read_only: Callable[[Path], None]
) -> None:
    toy.snakemake()
    toy.ran()
    toy.edit("params.yaml", "b: 2.50", "b: 2.75")
    read_only(toy.root / "trained")
    assert "Read-only file system: 'trained/b'; its log is logs/train@b.log" in toy.snakemake(status=1)
    toy.edit("params.yaml", "b: 2.75", "b: 2.50")
    assert toy.results() == calm


@pytest.mark.parametrize("engine", [SNAKEMAKE, DVC])
def test_a_clock_that_jumps_changes_nothing(engine: tuple[str, ...], toy: Study, calm: dict[str, bytes]) -> None:
    toy.write("jumps", "")  # what a run has written is dated 1970, 2033 or 2096
    toy.run(*engine)
    assert toy.ran() == EVERY
    for other in (engine, SNAKEMAKE, DVC):
        toy.run(*other)
    assert toy.ran() == []
    assert toy.results() == calm
    assert "8 of 8 stages are fresh" in toy.run("workflow.status")


@pytest.mark.parametrize("engine", [SNAKEMAKE, DVC])
def test_a_damaged_output_is_restored_before_anything_reads_it(
    engine: tuple[str, ...], toy: Study, calm: dict[str, bytes]
) -> None:
    toy.run(*engine)
    toy.ran()
    path = toy.root / "trained/a"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    toy.run(*engine)
    assert toy.ran() == []
    assert toy.results() == calm


def test_damage_in_the_cache_is_found_and_repaired(toy: Study, calm: dict[str, bytes]) -> None:
    toy.snakemake()
    toy.ran()
    damaged = [path for path in (toy.root / ".dvc/cache/files").rglob("*") if path.is_file()]
    for path in damaged:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    for path in (toy.root / ".dvc/cache/runs").rglob("*"):
        if path.is_file():
            path.write_text("damaged: [")
    toy.write(".dvc/tmp/rwlock", "")
    (toy.root / "trained/a").unlink()
    (toy.root / "tables/all").unlink()
    assert "cut short by a kill" in toy.snakemake()
    assert damaged
    assert {"tables/all", "trained/a"} <= set(toy.ran())
    assert toy.results() == calm
    assert "up to date" in toy.run("dvc", "status")


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # pygtrie's, called by DVC
def test_the_lock_is_written_whole_or_not_at_all(toy: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC's own way is to cut the file and to write it again, so that a kill in between leaves half of it."""
    toy.snakemake()
    before = (toy.root / "dvc.lock").read_bytes()

    def cut(_: YAML, data: object, stream: TextIO) -> None:
        stream.write("schema: '2.0'\nstages:\n  prep")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(YAML, "dump", cut)
    with (
        contextlib.chdir(toy.root),
        pytest.raises(bridge.BridgeError, match="No space left"),
        bridge.opened() as repo,
    ):
        bridge._lock(repo, {stage.name: stage for stage in repo.index.stages})
    assert (toy.root / "dvc.lock").read_bytes() == before


def test_an_entry_of_the_run_cache_that_a_kill_has_cut_short_is_dropped(toy: Study, calm: dict[str, bytes]) -> None:
    """DVC writes an entry next to the others under another name, and takes the newest file there, whatever its name."""
    toy.snakemake()
    toy.ran()
    files = [path for path in (toy.root / ".dvc/cache/runs").rglob("*") if path.is_file()]
    [entry] = [path for path in files if "metrics.json" in path.read_text()]
    text = entry.read_text()
    entry.with_name(".cut.tmp").write_text(text[: text.rindex("- path:")])  # the first of two outputs
    for name in ("dvc.lock", "trained/a", "tables/all"):
        (toy.root / name).unlink()
    assert "failed to reproduce 'aggregate'" in toy.run("dvc", "repro", status=255)
    assert f"{entry.parent.name}/.cut.tmp was cut short by a kill: removed" in toy.snakemake()
    assert toy.ran() == []
    assert toy.results() == calm


def test_a_clone_pulls_everything_and_has_nothing_to_do(
    toy: Study, new_toy: Callable[[], Study], calm: dict[str, bytes], tmp_path: Path
) -> None:
    toy.snakemake()
    remote = f"[core]\n    remote = folder\n['remote \"folder\"']\n    url = {tmp_path / 'remote'}\n"
    clone = new_toy()
    clone.write("dvc.lock", (toy.root / "dvc.lock").read_text())  # as git has it
    for study in (toy, clone):
        study.write(".dvc/config.local", remote)
    toy.run("dvc", "push")
    clone.run("dvc", "pull")
    clone.run("dvc", "repro")
    assert "every stage is up to date" in clone.snakemake()
    assert clone.ran() == []
    assert clone.results() == calm
