"""dvc repro and Snakemake on one graph: the same bits, the same dvc.lock, and nothing left to do for the other."""

import contextlib
import errno
import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dvc.output import Output
from dvc.repo import Repo
from ruamel.yaml import YAML

from jsae.config import layout
from jsae.io import provenance
from tests.forking import Forking
from tests.made_studies import EVERY, JOBS, ROOT, SNAKEMAKE, Study, wait_for
from workflow import bridge, status


@pytest.fixture(scope="module")
def shared(engines: Forking, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study that Snakemake has run; tests leave it as it was."""
    study = Study(tmp_path_factory.mktemp("shared") / "a study", engines)
    study.snakemake()
    assert study.ran() == EVERY
    return study


def test_both_engines_make_the_same_and_leave_nothing_to_do(shared: Study, calm: dict[str, bytes]) -> None:
    assert shared.results() == calm
    assert "up to date" in shared.run("dvc", "status")
    shared.run("dvc", "repro")
    assert "every stage is up to date" in shared.snakemake()
    assert shared.ran() == []
    assert shared.results() == calm
    assert "8 of 8 stages are fresh" in shared.run("workflow.status")
    assert [path.name for path in sorted((shared.root / "logs").iterdir())][:2] == ["aggregate.log", "collect@a.log"]


def test_the_run_cache_is_shared_both_ways(shared: Study, calm: dict[str, bytes]) -> None:
    shared.edit("params.yaml", "length: 2", "length: 3")
    shared.run("dvc", "repro")
    other = shared.results()
    assert shared.ran() == JOBS
    shared.edit("params.yaml", "length: 3", "length: 2")
    shared.run("dvc", "repro")
    assert shared.results() == calm  # what Snakemake ran, restored by DVC
    shared.edit("params.yaml", "length: 2", "length: 3")
    assert "restored from the run-cache: aggregate" in shared.snakemake()
    assert shared.results() == other  # what DVC ran, restored by Snakemake
    shared.edit("params.yaml", "length: 3", "length: 2")
    shared.snakemake()
    assert shared.ran() == []
    assert shared.results() == calm


def test_what_comes_out_as_it_was_leads_to_nothing(shared: Study, calm: dict[str, bytes]) -> None:
    shared.edit("params.yaml", "remark: one", "remark: two")
    shared.snakemake()
    assert shared.ran() == ["collected/a", "collected/b", "collected/c"]
    assert "up to date" in shared.run("dvc", "status")
    shared.edit("params.yaml", "remark: two", "remark: one")
    shared.edit("stages/work.py", "Writes", "Makes")
    assert "runs first: settings" in shared.snakemake()
    assert shared.ran() == ["settings/work"]
    assert "up to date" in shared.run("dvc", "status")
    shared.edit("stages/work.py", "Makes", "Writes")
    shared.snakemake()
    assert shared.ran() == []
    assert shared.results() == calm


def test_a_dry_run_says_what_and_why(shared: Study) -> None:
    shared.edit("params.yaml", "a: 1.0e-8", "a: 2.0e-8")
    printed = shared.snakemake("-n")
    assert "would run: train@a (rates.a is modified)" in printed
    assert "may run: aggregate (after train@a)" in printed
    assert printed.count(" run: ") == 2
    shared.edit("params.yaml", "a: 2.0e-8", "a: 1.0e-8")


@pytest.mark.parametrize("look", ["-n", "--list-rules", "--dag", "--summary"])
def test_looking_changes_no_file(look: str, shared: Study, new_toy: Callable[[], Study]) -> None:
    """In a fresh clone, and where a parameter was edited, an output can be restored and another must be made."""
    fresh = new_toy()
    (shared.root / "trained/b").unlink()
    shared.edit("params.yaml", "a: 1.0e-8", "a: 2.0e-8")
    for study in (fresh, shared):
        before = contents(study.root)
        study.snakemake(look)
        assert contents(study.root) == before
    shared.edit("params.yaml", "a: 2.0e-8", "a: 1.0e-8")
    shared.snakemake()
    assert shared.ran() == []


def test_a_stage_that_is_not_to_run_is_refused_by_name(shared: Study) -> None:
    shared.edit("params.yaml", "a: 1.0e-8", "a: 2.0e-8")
    for option in ("-n", "--rerun-incomplete"):
        printed = shared.snakemake(option, "--", ".snakemake/jsae/fingerprints/train@b.json", status=1)
        assert printed.count("train@b is not to run: it is up to date, or no stage of this graph") == 1
    shared.edit("params.yaml", "a: 2.0e-8", "a: 1.0e-8")


def contents(root: Path) -> dict[str, str]:
    """Digests and dates of all files but Snakemake's own and the time of DVC's first call."""
    own = (
        ".dvc/tmp/btime",
        ".snakemake/log",
        ".snakemake/iocache",
        ".snakemake/metadata",
        ".printed",
        ".cache",
        ".config",
    )
    names = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {
        name: f"{hashlib.md5(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}"
        for name, path in names.items()
        if not name.startswith(own)
    }


def test_a_failed_stage_stops_what_needs_it_only(toy: Study, calm: dict[str, bytes]) -> None:
    toy.write("broken", "trained/b")
    printed = toy.snakemake(status=1)
    assert "error: train@b: exit status 1; its log is logs/train@b.log" in printed
    assert "error: it broke" in (toy.root / "logs/train@b.log").read_text()
    assert set(EVERY) - set(toy.ran()) == {"tables/all"}
    shown = toy.run("workflow.status")
    assert "failed train@b: exit status 1; its log is logs/train@b.log" in shown
    assert "6 of 8 stages are fresh, 1 failed, 1 missing" in shown
    assert "Remaining: unknown (no earlier run)" in shown
    toy.run("workflow.status", "--quiet", status=1)
    (toy.root / "broken").unlink()
    toy.snakemake()
    assert toy.ran() == ["tables/all", "trained/b"]
    assert toy.results() == calm


def test_a_failure_that_another_engine_has_mended_is_not_told_again(toy: Study) -> None:
    toy.write("broken", "trained/b")
    toy.snakemake(status=1)
    (toy.root / "broken").unlink()
    toy.run("dvc", "repro")
    toy.edit("params.yaml", "b: 2.50", "b: 2.75")
    shown = toy.run("workflow.status")
    assert "stale train@b" in shown
    assert "failed" not in shown


def test_a_run_prints_a_line_for_each_stage_that_ends(toy: Study) -> None:
    toy.write("broken", "tables/all")
    lines = toy.snakemake(status=1).splitlines()
    assert "dvc: 7 stages to run" in lines
    ended = [
        line for line in lines if re.fullmatch(r"\d/7 \S+: done in \d+\.\d s \(elapsed \d+ s, remaining .*\)", line)
    ]
    assert len(ended) == 6
    error = lines.index("error: aggregate: exit status 1; its log is logs/aggregate.log")
    assert "    error: it broke" in lines[error:]
    assert len(lines) < 25, lines


@pytest.mark.parametrize("killed", [False, True])
def test_what_a_run_has_finished_survives_another_choice_of_what_runs(toy: Study, killed: bool) -> None:
    """The list of stages changes under a run, or after one was killed, and changes back: nothing runs twice."""
    toy.write("hold", "collected/c")
    first = toy.start(*SNAKEMAKE)
    wait_for(toy.root / ".snakemake/jsae/fingerprints/train@b.json")
    toy.edit("params.yaml", "names: [a, b, c]", "names: [a]")
    if killed:
        first.kill_group()
    (toy.root / "hold").unlink()
    first.wait()
    assert "finished stages are of another scale or panel" in first.text() + toy.snakemake()
    toy.edit("params.yaml", "names: [a]", "names: [a, b, c]")
    toy.snakemake()
    assert toy.ran().count("trained/b") == 1
    assert "up to date" in toy.run("dvc", "status")


def test_two_runs_in_one_folder_and_an_edit_during_a_run(toy: Study) -> None:
    toy.write("hold", "")
    first = toy.start(*SNAKEMAKE)
    wait_for(toy.root / "collected")
    second = toy.engines.start(*SNAKEMAKE, folder=toy.root, environment=toy.environment)
    assert second.wait() == 1
    assert f"error: process {first.process} is running the stages in this folder: wait for it" in second.text()
    assert "is busy" in toy.run("dvc", "repro", status=255)
    while (toy.root / "ran").read_text().count("collected") < 2:
        time.sleep(0.02)
    before = contents(toy.root)
    shown = toy.run("workflow.status")
    assert contents(toy.root) == before
    assert re.search(r"^[abc] +running +to do$", shown, re.MULTILINE)
    assert re.search(r"^running (collect@[abc]): its log is logs/\1\.log$", shown, re.MULTILINE)
    assert "0 of 7 stages are done, 2 running, 5 to do" in shown
    assert re.search(r"^Elapsed: \d+ s$", shown, re.MULTILINE)
    toy.run("workflow.status", "--quiet", status=1)
    toy.edit("params.yaml", "b: 2.50", "b: 2.75")
    (toy.root / "hold").unlink()
    assert first.wait() == 1
    assert "params.yaml was edited after this run had started; run again" in toy.run("workflow.status")
    toy.snakemake()
    assert toy.ran().count("trained/b") == 1
    assert "up to date" in toy.run("dvc", "status")


def test_status_tells_how_long_the_rest_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(status.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    Path("workflow").mkdir()
    status.RUNS.write_text("# a remark\nruns:\n  scale: paper\n")
    records = {
        layout.record("train@maze-vpg-ra-0-4", "paper"): '{"wall_seconds": 100}',
        layout.record("train@maze-sac-ra-0-4", "paper"): '{"wall_seconds": 300}',
        layout.record("theory", "paper"): '{"wall_seconds": 7}',
        layout.record("collect@maze-0-4", "shared"): "{",
        layout.record("report", "preview"): '{"wall_seconds": 7}',
    }
    for path, text in records.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert status.remaining({"train@maze-vpg-ra-0-4": 20.0}) == "about 40 s on 2 cores"
    assert status.remaining({"train@maze-vpg-ra-0-4": 120.0}) == "about 0 s on 2 cores"
    mean = {"train@maze-ppo-ra-0-4": 0.0, "theory": 0.0, "report": 0.0}  # the mean of its kind
    assert status.remaining({"train@maze-vpg-ra-0-4": 20.0}, 1) == "about 80 s on 1 core"
    assert status.remaining(mean) == "about 2 min on 2 cores, without 1 of unknown length"
    assert status.remaining({"report": 0.0, "collect@maze-0-4": 0.0}) == "unknown (no earlier run)"


@pytest.mark.parametrize("parameters", [None, "scale: [broken", "names: {a}: b", "a: 1\na: 2\n", "names: 3\n"])
def test_status_fails_on_parameters_that_cannot_be_read(toy: Study, parameters: str | None) -> None:
    (toy.root / "params.yaml").unlink() if parameters is None else toy.write("params.yaml", parameters)
    assert toy.run("workflow.status", status=2).startswith("error: DVC: ")


def test_a_stage_fails_if_what_it_reads_is_edited_meanwhile(toy: Study, calm: dict[str, bytes]) -> None:
    toy.write("hold", "")
    program = toy.start(*SNAKEMAKE)
    wait_for(toy.root / "collected")  # two stages run, the third waits for a core
    toy.write("settings/work", "edited")
    (toy.root / "hold").unlink()
    assert program.wait() == 1
    said = re.findall(r"error: collect@.: (.*); its log is", program.text())
    edited = "settings/work was edited {}; run again"
    assert sorted(set(said)) == [edited.format("after this run had started"), edited.format("while this stage ran")]
    assert "recorded: " not in program.text()
    toy.ran()
    toy.snakemake()
    assert toy.ran() == JOBS
    assert toy.results() == calm


def test_no_name_reaches_a_shell(engines: Forking, calm: dict[str, bytes], tmp_path: Path) -> None:
    study = Study(tmp_path / 'it\'s $HOME $(touch pwned) & "co" `touch pwned`', engines)
    study.snakemake()
    assert study.results() == calm
    assert not list(tmp_path.rglob("pwned"))


def test_a_command_meets_no_shell(toy: Study) -> None:
    toy.edit("params.yaml", "[a, b, c]", '["a; touch here"]')
    toy.edit("params.yaml", "a: 1.0e-8", '"a; touch here": 1')
    toy.snakemake(status=1)
    assert not (toy.root / "here").exists()
    assert (toy.root / "collected/a;").exists()


def test_a_stage_that_does_not_write_its_output_has_failed(toy: Study) -> None:
    toy.edit("dvc.yaml", "      - tables\n", "      - tables\n      - more\n")
    assert "it ended well and did not write more" in toy.snakemake(status=1)


def test_a_stage_writes_utf_8_and_meets_no_other_packages(toy: Study) -> None:
    toy.write("other/hashlib.py", "raise ImportError")
    toy.edit(
        "stages/work.py", 'print("wrote"', 'print(chr(947), os.environ.get("PYTHONPATH"), open(0).encoding, "wrote"'
    )
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "latin-1:strict"}
    toy.environment |= {**locale, "PYTHONPATH": str(toy.root / "other")}
    toy.snakemake()
    for name in ("collect@a", "aggregate"):
        assert "γ None utf-8 wrote" in (toy.root / f"logs/{name}.log").read_text(encoding="utf-8")


def test_a_record_without_a_commit_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.collect("train@maze")["commit"] is None
    assert not caplog.records  # a tarball has none
    (tmp_path / ".git").mkdir()
    assert provenance.collect("train@maze")["commit"] is None
    assert "the record of train@maze names no commit of the code" in caplog.text


@pytest.mark.parametrize("commits", [0, 1])
def test_a_repository_that_git_does_not_read_is_told(toy: Study, monkeypatch: pytest.MonkeyPatch, commits: int) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "--quiet"], cwd=toy.root, check=True)
    monkeypatch.chdir(toy.root)
    assert "git says: fatal: " in bridge.without_commit()
    for _ in range(commits):
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "first"], cwd=toy.root, check=True)
        assert bridge.without_commit() == ""
        toy.environment["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"  # git's own tests have it
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        way_out = f"git config --global --add safe.directory '{toy.root}'"
        assert bridge.without_commit() == f"this folder is another user's: {way_out}"
        said = toy.snakemake()
        assert (
            "warning: records of this run will not name the commit of the code: this folder is another user's" in said
        )


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(bridge.BridgeError, match=r"cannot lock files \(Function not implemented\).*put the project on"):
        bridge.begin(dry=False)
    assert not bridge.running()


# The bridge reads files and parameters without DVC: it must see what DVC sees.


@contextlib.contextmanager
def opened(root: Path) -> Iterator[Repo]:
    bridge._ignore_patterns.cache_clear()
    with contextlib.chdir(root), Repo(str(root)) as repo:
        yield repo


def test_the_bridge_hashes_as_dvc_does(shared: Study) -> None:
    shared.write("trained/.gitignore", "/a\n")
    shared.write("trained/deep/x.txt", "x")
    shared.write("trained/deep/__pycache__/y.pyc", "y")
    shared.write("trained/.a.123.part", "half")
    with opened(shared.root) as repo:
        deps = [dep for stage in repo.index.stages for dep in stage.deps if dep.def_path != bridge.PARAMETERS]
        assert {dep.def_path for dep in deps} >= {"trained", "settings/work"}
        for dep in deps:
            assert bridge.md5(Path(dep.def_path)) == dep.get_hash().value, dep.def_path


@pytest.mark.parametrize("engine", [SNAKEMAKE, ("dvc", "repro")])
def test_a_file_outside_that_is_replaced_under_its_name_is_noticed(
    engine: tuple[str, ...], toy: Study, tmp_path: Path
) -> None:
    """As those of data.kechinov.raw.local_path."""
    for name in ("a log.csv", ".hidden", "deep/x.part", "deep/__pycache__/y"):
        (tmp_path / "logs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "logs" / name).write_text("one")
    toy.edit(
        "dvc.yaml", "      - stages/work.py\n    outs", f"      - {tmp_path}/logs\n      - stages/work.py\n    outs"
    )
    toy.edit(
        "stages/work.py",
        'b"" if path.suffix == ".py"',
        f'pathlib.Path("{tmp_path}/logs/a log.csv").read_bytes() if out == "settings/work"',
    )
    toy.run(*engine)
    toy.ran()
    with opened(toy.root) as repo:
        [dep] = [dep for stage in repo.index.stages for dep in stage.deps if dep.def_path.endswith("logs")]
        assert bridge.md5(tmp_path / "logs") == dep.get_hash().value
    (tmp_path / "logs/a log.csv").write_text("two")
    assert f"{tmp_path}/logs is modified" in toy.run("workflow.status")
    toy.run(*engine)
    assert toy.ran() == EVERY
    assert "8 of 8 stages are fresh" in toy.run("workflow.status")


def test_a_dependency_that_is_new_in_a_recorded_stage_is_recorded(toy: Study) -> None:
    """With line ends of Windows in it, as PDF files may have."""
    toy.snakemake()
    toy.write("extra", "one\r\ntwo\r\n")
    graph = (toy.root / "dvc.yaml").read_text()
    toy.write("dvc.yaml", graph.replace("      - settings/work\n      - trained\n", "      - extra\n      - trained\n"))
    said = toy.snakemake()
    assert "not recorded" not in said
    assert "up to date" in toy.run("dvc", "status")


def test_the_bridge_follows_dvcignore_as_dvc_does(toy: Study) -> None:
    patterns = ["# only sources count", "/package/**", "!/package/**/", "!*.py", "!*.cpp", "__pycache__/", "*.swp"]
    toy.write(".dvcignore", "\n".join([*patterns, "test_?.py", "[ab].cpp  ", "\\!odd.py", ""]))
    names = [
        "a.py",
        "b.cpp",
        "c.cpp",
        "so.so",
        ".DS_Store",
        ".nfs000",
        "test_1.py",
        "test_10.py",
        "!odd.py",
        "x.py.swp",
    ]
    for folder in ("package", "package/deep", "package/__pycache__", "package/d.py", "other"):
        for name in names:
            toy.write(f"{folder}/{name}", f"{folder}/{name}")
    with opened(toy.root) as repo:
        for folder in ("package", "other"):
            seen = [
                Path(path).relative_to(toy.root / folder).as_posix()
                for path in repo.dvcignore.find(repo.fs, str(toy.root / folder))
            ]
            assert [name for name, _ in bridge._files(Path(folder))] == sorted(seen)
            assert bridge.md5(Path(folder)) == Output(None, folder, repo=repo).get_hash().value
        kept = {"a.py", "c.cpp", "test_10.py"}
        assert {name for name, _ in bridge._files(Path("package/deep"))} == kept
        assert ".DS_Store" in {name for name, _ in bridge._files(Path("other"))}


def test_the_bridge_reads_parameters_as_dvc_does() -> None:
    with opened(ROOT) as repo:
        values = {
            key: value
            for stage in repo.index.stages
            for dep in stage.deps
            if dep.def_path == bridge.PARAMETERS
            for key, value in dep.get_hash().value.items()
        }
        assert bridge._params(values) == json.loads(json.dumps(values))
    assert values


def test_the_profiles_name_kinds_of_stages_that_exist() -> None:
    kinds = set(bridge.kinds(str(ROOT / "dvc.yaml"), str(ROOT / bridge.SEARCH)))
    for path in (ROOT / "workflow/profiles").glob("*/config.yaml"):
        profile = YAML(typ="safe").load(path)
        for setting in ("set-threads", "set-resources", "groups"):
            assert set(profile.get(setting, {})) <= kinds, f"{path}: {setting}"
