"""dvc.yaml against the code: what a stage reads is what it declares, and a change reruns what depends on it, only."""

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest
from dvc.repo import Repo

from jsae import parameters
from stages import paths
from tests.import_closure import NOT_INPUTS, ROOT, import_closure

COPIED = ("dvc.yaml", "params.yaml", ".dvcignore", "jsae", "stages", "report", "requirements", "data/calibration")


@contextlib.contextmanager
def opened(root: Path) -> Iterator[Repo]:
    """DVC's view of the project in `root`, from inside it."""
    with contextlib.chdir(root), Repo(str(root)) as repo:
        yield repo


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project in which every stage counts as done: outputs are stand-ins, dvc.lock is recorded."""
    root = tmp_path_factory.mktemp("study")
    ignore = shutil.ignore_patterns("__pycache__", "preview", "paper")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=ignore)
        elif source.exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, root / name)
    Repo.init(str(root), no_scm=True).close()
    with opened(root) as repo:
        for out in repo.index.outs:
            place = Path(out.fs_path)
            if place.suffix:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(out.def_path)
            else:
                place.mkdir(parents=True, exist_ok=True)
        for out in repo.index.outs:  # folders that hold no other stage's outputs get a file
            if Path(out.fs_path).is_dir() and not any(Path(out.fs_path).iterdir()):
                (Path(out.fs_path) / "content").write_text(out.def_path)
        repo.commit(force=True)
    return root


def changed(root: Path) -> set[str]:
    """Names of the stages whose own parameters, dependencies or definition differ from dvc.lock."""
    with opened(root) as repo:
        return set(repo.status())


def downstream(root: Path, stages: set[str]) -> set[str]:
    """The stages themselves and all that use their outputs."""
    with opened(root) as repo:
        graph = repo.index.graph
        users = [networkx.ancestors(graph, stage) for stage in graph if stage.addressing in stages]
        return stages | {stage.addressing for found in users for stage in found}


def kinds(stages: set[str]) -> set[str]:
    """Stage names without their matrix items."""
    return {stage.split("@")[0] for stage in stages}


def edit(root: Path, name: str, before: str, after: str) -> None:
    text = (root / name).read_text()
    assert before in text
    (root / name).write_text(text.replace(before, after, 1))


@pytest.fixture
def edited(study: Path) -> Iterator[Path]:
    """The study; whatever the test writes to tracked files is undone."""
    files = [path for path in study.rglob("*") if path.suffix in (".py", ".yaml") and ".dvc" not in path.parts]
    contents = {path: path.read_bytes() for path in files}
    yield study
    for path, content in contents.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def scripts(stage: object) -> list[str]:
    """What a stage's command runs, and the modules that its names choose."""
    command = str(stage.cmd)  # type: ignore[attr-defined]
    script = re.search(r"-m (stages\.\w+)", command)
    assert script, command
    found = [script[1].replace(".", "/") + ".py"]
    settings = parameters.load(ROOT / paths.PARAMETERS)
    options = dict(re.findall(r"--([a-z-]+) (\S+)", command))
    if "stages.bounds" in command:  # it imports every environment itself
        return found
    if "environment" in options:
        found.append(f"jsae/environments/{settings.environments[options['environment']].module}.py")
    found += [f"jsae/{kind}s/{options[kind]}.py" for kind in ("agent", "embedding") if kind in options]
    return found


def test_every_stage_declares_what_it_imports() -> None:
    with opened(ROOT) as repo:
        for stage in repo.index.stages:
            declared = {dep.def_path for dep in stage.deps if dep.def_path.endswith(".py")}
            needed = import_closure(scripts(stage)) - NOT_INPUTS
            assert declared - {"report/notebook.py"} == needed, stage.addressing


def test_every_stage_depends_on_the_locked_packages_that_it_uses() -> None:
    with opened(ROOT) as repo:
        for stage in repo.index.stages:
            locks = {dep.def_path for dep in stage.deps if dep.def_path.endswith(".lock")}
            expected = "study" if stage.addressing.split("@")[0] in ("figures", "report") else "compute"
            assert locks == {f"requirements/{expected}.lock"}, stage.addressing


def test_files_that_are_no_inputs_exist() -> None:
    assert [name for name in NOT_INPUTS if not (ROOT / name).is_file()] == []


def test_every_cell_of_the_study_is_a_stage() -> None:
    settings = parameters.load(ROOT / paths.PARAMETERS)
    with opened(ROOT) as repo:
        outs = {out.def_path for out in repo.index.outs}
    expected = {
        paths.curves(settings.scale, *cell, cohort).as_posix()
        for cell in settings.cells()
        for cohort in settings.cohorts
    }
    assert expected <= outs
    assert {out for out in outs if "/runs/" in out and out.endswith(".parquet")} == expected


def test_a_recorded_study_is_up_to_date(study: Path) -> None:
    assert changed(study) == set()


def test_a_comment_in_params_reruns_nothing(edited: Path) -> None:
    edit(edited, "params.yaml", "scale: preview", "# a remark\nscale: preview")
    assert changed(edited) == set()


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # pygtrie's, called by DVC
def test_a_number_of_the_slot_machine_reruns_the_slot_machine_only(edited: Path) -> None:
    edit(edited, "params.yaml", "minimum_count: 3", "minimum_count: 2")
    direct = changed(edited)
    assert kinds(direct) == {
        "bounds-slot-machine",
        "collect-slot-machine",
        "pretrain-slot-machine",
        "pretrain-slot-machine-ablations",
        "train-slot-machine",
        "train-slot-machine-ablations",
        "quality",
        "report",
    }
    assert kinds(downstream(edited, direct)) - kinds(direct) <= {"aggregate", "figures", "theory"}


def test_a_learning_rate_retrains_and_collects_nothing(edited: Path) -> None:
    edit(edited, "params.yaml", "actor_learning_rate: 0.001", "actor_learning_rate: 0.002")
    direct = kinds(changed(edited))
    assert {kind for kind in direct if not kind.startswith("train-")} == {"report"}
    assert {"train-gridworld", "train-slot-machine", "train-recommender"} <= direct


def test_the_epochs_of_one_scale_and_environment_retrain_just_that(edited: Path) -> None:
    edit(edited, "params.yaml", "epochs: {preview: 12, paper: 2500}", "epochs: {preview: 13, paper: 2500}")
    assert kinds(changed(edited)) == {"train-slot-machine", "train-slot-machine-ablations", "report"}


def test_the_other_scales_epochs_rerun_no_training(edited: Path) -> None:
    edit(edited, "params.yaml", "epochs: {preview: 12, paper: 2500}", "epochs: {preview: 12, paper: 2400}")
    assert kinds(changed(edited)) == {"report"}


@pytest.mark.parametrize(
    ("name", "reruns"),
    [
        ("jsae/plots.py", {"figures"}),
        ("jsae/agents/vpg.py", {"train"}),
        ("jsae/agents/on_policy.py", {"train"}),
        ("jsae/agents/sac.py", {"train"}),
        ("jsae/embeddings/jsae.py", {"pretrain", "train"}),
        ("jsae/networks.py", {"pretrain", "train"}),
        ("jsae/ngram.py", {"transitions"}),
        ("jsae/parameters.py", set()),
        ("jsae/environments/slot_machine.py", {"bounds", "collect", "pretrain", "train"}),
    ],
)
def test_an_edited_module_reruns_the_stages_that_import_it(name: str, reruns: set[str], edited: Path) -> None:
    edit(edited, name, '"""', '"""Edited. ')
    found = changed(edited)
    assert {kind.split("-")[0] for kind in kinds(found)} - {"quality", "theory"} == reruns
    if name.startswith("jsae/agents/"):
        agents = {"vpg": {"vpg"}, "on_policy": {"vpg", "ppo"}, "sac": {"sac"}}[Path(name).stem]
        assert {stage.split("-")[-2] for stage in found} == agents
    if name == "jsae/embeddings/jsae.py":
        variants = re.compile(r"-(jsae(_\w+)?|separate|state_only|action_only)$|^(quality|theory)")
        assert all(variants.search(stage) for stage in found)
    if name == "jsae/environments/slot_machine.py":
        assert all("slot-machine" in stage or stage.startswith("bounds") for stage in found)


def test_another_cohort_trains_only_its_own_seeds(edited: Path) -> None:
    edit(edited, "params.yaml", 'cohorts: ["0-4"]', 'cohorts: ["0-4", "5-9"]')
    found = changed(edited)
    trained = {stage for stage in found if stage.startswith(("collect", "pretrain", "train"))}
    assert trained
    assert all("5-9" in stage for stage in trained)


def test_the_scales_lie_side_by_side(edited: Path) -> None:
    with opened(edited) as repo:
        preview = {out.def_path for out in repo.index.outs}
    edit(edited, "params.yaml", "scale: preview", "scale: paper")
    with opened(edited) as repo:
        paper = {out.def_path for out in repo.index.outs}
    shared = preview & paper
    assert all(out.startswith("data/") for out in shared)
    assert all("/paper/" in out for out in paper - shared)


def test_git_keeps_the_small_results_of_the_papers_scale_and_dvc_the_rest(edited: Path) -> None:
    """What DVC caches git must ignore, or DVC refuses it; a fresh clone holds what a reader needs."""
    subprocess.run(["git", "init", "--quiet", "."], cwd=edited, check=True)
    shutil.copy(ROOT / ".gitignore", edited)
    for scale in ("preview", "paper"):
        edit(edited, "params.yaml", "scale: preview", f"scale: {scale}")
        with opened(edited) as repo:
            cached = {out.def_path: out.use_cache for out in repo.index.outs}
        command = ["git", "check-ignore", "--no-index", "--stdin"]
        asked = subprocess.run(
            command, cwd=edited, input="\n".join(cached), capture_output=True, text=True, check=False
        )
        ignored = set(asked.stdout.split())
        kept = {name for name, is_cached in cached.items() if not is_cached and f"/{scale}" in name}
        assert {name for name, is_cached in cached.items() if is_cached} <= ignored
        assert kept & ignored == (kept if scale == "preview" else set())
        assert {Path(name).name for name in kept} >= {"claims.json", "metrics.json", "tables", "figures", "report.html"}


@pytest.mark.slow
def test_a_changed_value_reruns_its_stage_and_the_old_value_comes_from_the_cache(edited: Path) -> None:
    """For real, with the slot machine's bounds."""
    bounds = edited / paths.bounds("slot-machine")
    assert "Running stage 'bounds-slot-machine'" in reproduce(edited, force=True)
    first = bounds.read_text()
    edit(edited, "params.yaml", "minimum_count: 3", "minimum_count: 2")
    assert "Running stage 'bounds-slot-machine'" in reproduce(edited)
    assert bounds.read_text() != first
    edit(edited, "params.yaml", "minimum_count: 2", "minimum_count: 3")
    assert "is cached - skipping run, checking out outputs" in reproduce(edited)
    assert bounds.read_text() == first


def reproduce(root: Path, *, force: bool = False) -> str:
    command = [sys.executable, "-m", "dvc", "repro", "bounds-slot-machine", *(["--force"] if force else [])]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(root), "DVC_NO_ANALYTICS": "1"}
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
