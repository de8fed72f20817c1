"""dvc.yaml against the code: a stage reads what it declares and nothing else; a change reruns what depends on it."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from jsae.config import layout
from stages import settings
from tools import runs
from workflow import bridge

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # pygtrie's, called by DVC
ROOT = Path(__file__).resolve().parent.parent
COPIED = (".dvcignore", "data/calibration", "dvc.yaml", "jsae", "params.yaml", "report", "requirements", "search",
          "stages", "tools", "workflow")  # fmt: skip
ENGINE = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1"}


def copied(root: Path, scale: str = "smoke") -> Path:
    """The files of the project that the graph reads, at a scale, without what the search found."""
    for name in COPIED:
        source = ROOT / name
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source, root / name, ignore=shutil.ignore_patterns("__pycache__", *map(str, layout_scales()))
            )
        else:
            shutil.copy(source, root / name)
    for path in (root / layout.BEST.parent).glob("*.yaml"):
        path.unlink()
    Repo.init(str(root), no_scm=True).close()
    with contextlib.chdir(root):
        runs.main([scale])
    return root


def layout_scales() -> list[str]:
    """Folders of report/ that runs fill."""
    return ["smoke", "preview", "paper"]


@contextlib.contextmanager
def opened(root: Path) -> Iterator[Repo]:
    """DVC's view of the project in `root`, from inside it."""
    with contextlib.chdir(root), Repo(str(root)) as repo:
        yield repo


@contextlib.contextmanager
def searched(root: Path) -> Iterator[Repo]:
    """The same with the graph of the search, which DVC does not see otherwise."""
    with contextlib.chdir(root), bridge.opened(locked=False) as repo:
        yield repo


def settled(root: Path) -> None:
    """Write results/settings as the first stage does."""
    with contextlib.chdir(root):
        settings.main()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which every stage counts as done: outputs are stand-ins, dvc.lock is recorded."""
    root = copied(tmp_path_factory.mktemp("study"))
    with searched(root) as repo:
        for out in repo.index.outs:
            place = Path(out.fs_path)
            if place.suffix:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(out.def_path, encoding="utf-8")
            else:
                place.mkdir(parents=True, exist_ok=True)
        for out in repo.index.outs:  # folders that hold no other stage's outputs get a file
            if Path(out.fs_path).is_dir() and not any(Path(out.fs_path).iterdir()):
                (Path(out.fs_path) / "content").write_text(out.def_path)
        settled(root)
        repo.commit(force=True)
    return root


@pytest.fixture
def edited(study: Path) -> Iterator[Path]:
    """The study; whatever the test changes in source files and in settings files is undone."""

    def files() -> set[Path]:
        ends = (".py", ".cpp", ".yaml", ".lock", ".in")
        found = {path for path in study.rglob("*") if path.suffix in ends and ".dvc" not in path.parts}
        return found | set((study / layout.SETTINGS).rglob("*.json"))

    contents = {path: path.read_bytes() for path in files()}
    yield study
    for path, content in contents.items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)  # `dvc repro` removes outputs before it makes them
            path.write_bytes(content)
    for path in files() - contents.keys():
        path.unlink()


def changed(root: Path, graph: str = "dvc.yaml") -> set[str]:
    """Stages of a graph that differ from the lock, once `settings` has run."""
    settled(root)
    with searched(root) as repo:
        return {name.rpartition(":")[2] for name in repo.status(targets=[graph])} - {"settings"}


def kinds(stages: set[str]) -> set[str]:
    """Stage names without their items."""
    return {stage.partition("@")[0] for stage in stages}


def edit(root: Path, name: str, before: str, after: str) -> None:
    text = (root / name).read_text()
    assert before in text
    (root / name).write_text(text.replace(before, after, 1))


def stages_of(root: Path) -> list[Any]:
    with searched(root) as repo:
        return [stage for stage in repo.index.stages if stage.name != "settings"]


def declared(root: Path, stage: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / layout.settings(stage.name)).read_text())
    return content


def paths_in(value: Any) -> Iterator[Path]:
    """Every path of the inputs of a settings file."""
    if isinstance(value, str):
        yield Path(value)
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from paths_in(part)


# ---- what is declared ------------------------------------------------------------------------------------------------


def test_dvc_yaml_is_short() -> None:
    text = (ROOT / "dvc.yaml").read_text()
    assert len(text.splitlines()) <= 300
    assert len(YAML(typ="safe").load(text)["stages"]) <= 25


def test_every_stage_depends_on_its_settings_and_on_nothing_else_but_data(study: Path) -> None:
    for stage in stages_of(study):
        path = layout.settings(stage.name).as_posix()
        assert stage.cmd.split()[-1] == path
        dependencies = {dep.def_path for dep in stage.deps}
        assert {dep for dep in dependencies if dep.startswith(f"{layout.SETTINGS}/")} == {path}
        assert "params.yaml" not in dependencies


def test_settings_name_the_inputs_and_outputs_that_dvc_yaml_declares(study: Path) -> None:
    for stage in stages_of(study):
        content = declared(study, stage)
        assert content["stage"] == stage.name
        inputs = set(paths_in(content["inputs"]))
        own = layout.settings(stage.name)
        dependencies = {Path(dep.def_path) for dep in stage.deps} - {own}
        for path in inputs:  # each is declared, itself or as part of a folder
            assert any(path == dep or path.is_relative_to(dep) for dep in dependencies), (stage.name, path)
        for dep in dependencies:  # and each that is declared is read
            assert any(path == dep or path.is_relative_to(dep) or dep.is_relative_to(path) for path in inputs), (
                stage.name,
                dep,
            )
        assert {Path(path) for path in content["outputs"].values()} == {Path(out.def_path) for out in stage.outs}


def test_every_run_of_the_scale_is_a_stage(study: Path) -> None:
    planned = YAML(typ="safe").load((study / layout.RUNS).read_text())["runs"]
    names = {stage.name for stage in stages_of(study)}
    for kind, entries in (("train", "train"), ("pretrain", "pretrain"), ("collect", "collect"), ("search", "search")):
        assert {f"{kind}@{name}" for name in planned[entries]} == {n for n in names if n.startswith(f"{kind}@")}
    assert not [name for name in names if name.startswith("pretrain@") and "-none-" in name]


def test_the_search_reads_nothing_that_it_leads_to(study: Path) -> None:
    """What the search found changes no settings file of the search."""
    before = {path: path.read_bytes() for path in (study / layout.SETTINGS / "search").glob("*.json")}
    assert before
    best = "agents: {slot-machine: {vpg: {jsae: {actor_learning_rate: 0.5}}}}\n"
    (study / layout.BEST).write_text(best)
    try:
        settled(study)
        trained = json.loads((study / layout.settings("train@slot-machine-vpg-jsae-0-1")).read_text())
        assert trained["values"]["actor_learning_rate"] == 0.5
        assert before == {path: path.read_bytes() for path in before}
    finally:
        (study / layout.BEST).unlink()
        settled(study)


def test_dvc_sees_no_search(study: Path) -> None:
    """`dvc repro` cannot start it, whatever its targets, and `dvc status` does not list it."""
    with opened(study) as repo:
        assert {stage.path_in_repo for stage in repo.index.stages} == {"dvc.yaml"}
    assert not (study / "search/dvc.yaml").exists()


def test_git_hides_no_graph_from_dvc(study: Path, tmp_path: Path) -> None:
    """DVC passes over a dvc.yaml that git ignores; `make search` then ran the whole study instead."""
    clone = shutil.copytree(study, tmp_path / "clone")
    shutil.copy(ROOT / ".gitignore", clone)
    (clone / ".dvc/config").write_text("")  # with git
    subprocess.run(["git", "init", "--quiet"], cwd=clone, check=True)
    graph = str(bridge.SEARCH)
    with searched(clone) as repo:
        assert {bridge.kind(stage.name) for stage in bridge.ordered(repo, graph)} >= {
            "environment",
            "samples",
            "search",
        }
    with (clone / ".gitignore").open("a") as stream:
        stream.write("/search/dvc.yaml\n")
    with searched(clone) as repo, pytest.raises(bridge.BridgeError, match=f"finds no stage in {graph}.*git ignores"):
        bridge.ordered(repo, graph)


def test_a_local_event_log_is_a_dependency(edited: Path, tmp_path: Path) -> None:
    """DVC notices a file that is replaced under its name: its digest is in dvc.lock."""
    (tmp_path / "2019-Oct.csv").write_text("one")
    edit(edited, "params.yaml", "purchases: completejourney ", "purchases: kechinov ")
    edit(edited, "params.yaml", 'local_path: ""', f"local_path: {tmp_path}")
    with contextlib.chdir(edited):
        runs.main([])
    with opened(edited) as repo:
        [stage] = [stage for stage in repo.index.stages if stage.name == "download@kechinov"]
        own = layout.settings("download@kechinov").as_posix()
        assert {dep.def_path for dep in stage.deps} == {"data/calibration", own, tmp_path.as_posix()}


def test_names_of_both_graphs_differ(study: Path) -> None:
    names = [stage.name for stage in stages_of(study)]
    assert len(names) == len(set(names))


def test_dvc_caches_every_output_but_the_raw_data_and_git_ignores_them_all() -> None:
    """An output without cache would be computed again, not restored, when a parameter is changed back."""
    with opened(ROOT) as repo:
        outs = {out.def_path: out.use_cache for out in repo.index.outs}
    assert [name for name, cached in outs.items() if not cached and not name.startswith("data/raw/")] == []
    command = ["git", "check-ignore", "--no-index", "--stdin"]
    asked = subprocess.run(command, cwd=ROOT, input="\n".join(outs), capture_output=True, text=True, check=False)
    if "not a git repository" in asked.stderr:
        pytest.skip("no git here: the source came as an archive")
    assert set(asked.stdout.split()) == set(outs)
    tracked = subprocess.run(["git", "ls-files", *outs], cwd=ROOT, capture_output=True, text=True, check=True)
    assert tracked.stdout == ""


# ---- what reruns -----------------------------------------------------------------------------------------------------


def test_a_recorded_study_is_up_to_date(study: Path) -> None:
    assert changed(study) == set()


def test_words_rerun_nothing(edited: Path) -> None:
    """A comment in three languages, a docstring, and the words of an error."""
    edit(edited, "params.yaml", "scales:\n", "# a remark\nscales:\n")
    edit(edited, "jsae/agents/vpg.py", '"""Vanilla', '"""Plain and simple: vanilla')
    edit(edited, "jsae/agents/vpg.py", "from torch import Tensor\n", "from torch import Tensor  # arrays\n")
    edit(edited, "jsae/nn/kernels.cpp", "\n#include", "\n// a remark\n#include")
    edit(edited, "jsae/training/trainer.py", "lower actor_learning_rate or", "make smaller actor_learning_rate or")
    assert changed(edited) == set()


FOREIGN = (".DS_Store", ".nfs0001", ".#gridworld.py", "gridworld.py~", ".gridworld.py.swp", "kernels-abc.so",
           "__pycache__/gridworld.cpython-311.pyc", ".ipynb_checkpoints/gridworld.py")  # fmt: skip


def test_foreign_files_change_nothing(study: Path) -> None:
    """Files that no source is: of the system, of editors, of compilers."""
    made = [study / folder / name for folder in ("jsae/environments", "stages", "jsae") for name in FOREIGN]
    with opened(study) as repo:
        before = repo.status(targets=["dvc.yaml"])
    try:
        for path in made:
            path.parent.mkdir(exist_ok=True)
            path.write_text("foreign")
        with opened(study) as repo:
            assert repo.status(targets=["dvc.yaml"]) == before
        assert changed(study) == set()
    finally:
        for path in made:
            path.unlink()


def test_a_number_of_the_slot_machine_reruns_the_slot_machine_only(edited: Path) -> None:
    edit(edited, "params.yaml", "minimum_count: 3", "minimum_count: 2")
    found = changed(edited)
    assert found - {"report"} == {"environment@slot-machine"}  # everything else follows from its output


def test_a_learning_rate_retrains_and_pretrains_nothing(edited: Path) -> None:
    edit(edited, "params.yaml", "    actor_learning_rate: 0.001", "    actor_learning_rate: 0.002")
    assert kinds(changed(edited)) == {"train", "report"}
    assert kinds(changed(edited, "search/dvc.yaml")) >= {"search"}


def test_a_reading_reruns_its_cells_only(edited: Path) -> None:
    edit(edited, "params.yaml", "agents: {vpg: {train_pi_iters: 4}}", "agents: {vpg: {train_pi_iters: 5}}")
    assert changed(edited) == {"train@slot-machine-vpg-jsae-four-steps-0-1", "report"}


def test_what_was_found_retrains_its_cell_and_those_that_take_it_over(edited: Path) -> None:
    found = "agents: {gridworld-discrete: {vpg: {ra: {actor_learning_rate: 0.5}, jsae: {critic_learning_rate: 0.5}}}}"
    (edited / layout.BEST).write_text(found)
    try:
        retrained = {stage for stage in changed(edited) if stage.startswith("train@")}
    finally:
        (edited / layout.BEST).unlink()
    expected = {"discrete-vpg-ra", "discrete-vpg-jsae", "discrete-vpg-separate", "512-vpg-jsae"}
    expected |= {f"discrete-vpg-jsae_transfer{end}" for end in ("", "_tuned", "_all")}
    assert retrained == {f"train@gridworld-{name}-0-1" for name in expected}


def test_another_grid_searches_again_and_retrains_nothing(edited: Path) -> None:
    edit(edited, "params.yaml", "    initial_standard_deviation: [0.3", "    initial_standard_deviation: [0.2")
    assert changed(edited) == {"report"}
    assert kinds(changed(edited, "search/dvc.yaml")) == {"search"}


def test_the_epochs_of_one_environment_retrain_just_that(edited: Path) -> None:
    edit(edited, "params.yaml", "epochs: {smoke: 2, preview: 500,", "epochs: {smoke: 3, preview: 500,")
    found = changed(edited)
    assert kinds(found) == {"train", "aggregate", "report"}
    assert all("slot-machine" in stage for stage in found if stage.startswith("train"))


def test_the_other_scales_epochs_rerun_the_report_only(edited: Path) -> None:
    edit(
        edited,
        "params.yaml",
        "epochs: {smoke: 2, preview: 500, paper: 2500}",
        "epochs: {smoke: 2, preview: 500, paper: 2400}",
    )
    assert changed(edited) == {"report", "aggregate"}


def test_scales_are_apart(study: Path, tmp_path: Path) -> None:
    """Outputs of two scales are the same files only where no budget is in them."""
    paper = copied(tmp_path, "paper")
    outs = []
    for root in (study, paper):
        with opened(root) as repo:
            outs.append({out.def_path for out in repo.index.outs})
    shared = ("data/", "results/settings", "results/search/")
    assert all(out.startswith(shared) for out in outs[0] & outs[1])
    assert all("/paper/" in out for out in outs[1] - outs[0] if not out.startswith(shared))


@pytest.mark.parametrize(
    ("name", "before", "after", "reruns"),
    [
        ("jsae/reporting/plots.py", "alpha=0.18", "alpha=0.19", {"figures", "report"}),
        ("jsae/agents/vpg.py", "return -(log_p", "return -1.0 * (log_p", {"train@*-vpg-*"}),
        ("jsae/agents/on_policy.py", "self.discount, self.gae_lambda = discount, gae_lambda",
         "self.gae_lambda, self.discount = gae_lambda, discount", {"train@*-vpg-*", "train@*-ppo-*"}),
        ("jsae/agents/sac.py", "class SAC", "ANOTHER = 1\n\n\nclass SAC", {"train@*-sac-*"}),
        ("jsae/embeddings/ra.py", "class Embedding", "ANOTHER = 1\n\n\nclass Embedding",
         {"pretrain@*-ra-*", "train@*-ra-*", "probes", "value_maps"}),
        ("jsae/purchases/ngram.py", "ARRAYS", "SERIES", {"transitions@completejourney"}),
        ("jsae/config/schema.py", "PANELS", "PANES", set()),
        ("jsae/environments/slot_machine.py", "class SlotMachine", "ANOTHER = 1\n\n\nclass SlotMachine",
         {"environment@slot-machine", "collect@slot-machine-*", "pretrain@slot-machine-*", "train@slot-machine-*",
          "probes", "theory"}),
    ],
)  # fmt: skip
def test_edited_code_reruns_the_stages_that_run_it(
    name: str, before: str, after: str, reruns: set[str], edited: Path
) -> None:
    """Stages of the root graph whose own settings change; what follows from their outputs comes after."""
    edit(edited, name, before, after)
    found = {stage for stage in changed(edited) if not stage.startswith(("search@", "samples@"))}
    patterns = [re.compile(re.escape(pattern).replace(r"\*", ".*")) for pattern in reruns]
    assert all(any(pattern.fullmatch(stage) for pattern in patterns) for stage in found), found
    assert all(any(pattern.fullmatch(stage) for stage in found) for pattern in patterns), found


# ---- clones, commands, for real ------------------------------------------------------------------------------------


def test_a_clone_pulls_everything_but_raw_data_and_has_nothing_to_do(study: Path, tmp_path: Path) -> None:
    clone = copied(tmp_path / "clone")
    shutil.copy(study / "dvc.lock", clone)
    remote = f"[core]\n    remote = folder\n['remote \"folder\"']\n    url = {tmp_path / 'remote'}\n"
    for root in (study, clone):
        (root / ".dvc/config.local").write_text(remote)
    with opened(study) as repo:
        repo.push()
    with opened(clone) as repo:
        repo.pull(allow_missing=True)
        assert repo.reproduce(allow_missing=True) == []
    assert not (clone / "data/raw").exists()
    for name in ("report/smoke/report.html", "report/smoke/paper.pdf", "results/smoke/claims.json"):
        assert (clone / name).read_bytes() == (study / name).read_bytes()


def reproduce(root: Path, *words: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "dvc", "repro", *words]
    ended = subprocess.run(
        command, cwd=root, env=ENGINE | {"HOME": str(root)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_a_list_of_runs_that_params_yaml_does_not_ask_for_is_written_anew(edited: Path) -> None:
    edit(edited, "params.yaml", 'smoke, seeds: ["0-1"]', 'smoke, seeds: ["0-1", "2-3"]')
    said = reproduce(edited, "settings", status=255)
    assert "It does now: run the same command again" in said
    assert "slot-machine-vpg-jsae-2-3" in (edited / layout.RUNS).read_text()
    reproduce(edited, "settings")


def test_a_name_that_could_be_a_command_reaches_no_shell(edited: Path) -> None:
    """DVC gives commands to a shell: names are checked before they are written to workflow/runs.yaml."""
    edit(edited, "params.yaml", 'smoke, seeds: ["0-1"]', 'smoke, seeds: ["0-1; touch here"]')
    assert "a block of seeds is written first-last" in reproduce(edited, "environment@slot-machine", status=255)
    assert not (edited / "here").exists()


@pytest.mark.slow
def test_a_changed_value_reruns_its_stage_and_the_old_value_comes_from_the_cache(edited: Path) -> None:
    """For real, with the slot machine's reference returns."""
    target, path = "environment@slot-machine", edited / layout.reference_returns("slot-machine")
    assert f"Running stage '{target}'" in reproduce(edited, "--force", target)
    first = path.read_text()
    edit(edited, "params.yaml", "minimum_count: 3", "minimum_count: 2")
    assert f"Running stage '{target}'" in reproduce(edited, target)
    assert path.read_text() != first
    edit(edited, "params.yaml", "minimum_count: 2", "minimum_count: 3")
    assert "is cached - skipping run, checking out outputs" in reproduce(edited, target)
    assert path.read_text() == first
