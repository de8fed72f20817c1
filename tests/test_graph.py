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
from ruamel.yaml import YAML

from jsae.config import parameters
from stages import code, paths, settings
from tests import made_parameters
from workflow.bridge import parse_parameters_once

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # pygtrie's, called by DVC
ROOT = Path(__file__).resolve().parent.parent
COPIED = ("dvc.yaml", ".dvcignore", "jsae", "stages", "report", "requirements", "search",
          "data/calibration")  # fmt: skip


@contextlib.contextmanager
def opened(root: Path) -> Iterator[Repo]:
    """DVC's view of the project in `root`, from inside it."""
    parse_parameters_once()
    with contextlib.chdir(root), Repo(str(root)) as repo:
        yield repo


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project in which every stage counts as done: outputs are stand-ins, dvc.lock is recorded."""
    root = tmp_path_factory.mktemp("study")
    copied(root)
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
        code.main([])
        settings.main([])
        repo.commit(force=True)
    return root


def changed(root: Path, graph: str = "dvc.yaml") -> set[str]:
    """Stages whose parameters, dependencies or definition differ from the lock, once `code` and `settings` have run."""
    with opened(root) as repo:
        code.main([])
        settings.main([])
        return {name.rpartition(":")[2] for name in repo.status(targets=[graph])} - {"code", "settings"}


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
    files = [path for path in study.rglob("*") if path.suffix in (".py", ".txt", ".yaml") and ".dvc" not in path.parts]
    contents = {path: path.read_bytes() for path in files}
    yield study
    for path, content in contents.items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def code_file(stage: object) -> str:
    """The file of results/shared/code that belongs to a stage's command."""
    command = str(stage.cmd)  # type: ignore[attr-defined]
    script = re.search(r"-m stages\.(\w+)", command)
    assert script, command
    options = dict(re.findall(r"--(environment|agent|embedding) (\S+)", command))
    chosen = "-".join(options.values()) if script[1] in ("collect", "pretrain", "train", "search") else ""
    return paths.code(f"{script[1]}/{chosen}" if chosen else script[1]).as_posix()


def copied(root: Path) -> None:
    """The files of the project that the graph reads."""
    ignore = shutil.ignore_patterns("__pycache__", "preview", "paper")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=ignore)
        elif source.exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, root / name)
    made_parameters.written(root)
    (root / "search/best.yaml").write_text("embeddings: {}\nagents: {}\n")  # else what was found decides
    Repo.init(str(root), no_scm=True).close()


def test_a_clone_pulls_everything_but_raw_data_and_has_nothing_to_do(study: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    copied(clone)
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
    for name in ("report/preview/report.html", "report/preview/paper.pdf", "results/preview/claims.json"):
        assert (clone / name).read_bytes() == (study / name).read_bytes()


def test_every_stage_depends_on_what_it_runs() -> None:
    known = {paths.code(name).as_posix() for name, _, _ in code.stages(parameters.load(ROOT / paths.PARAMETERS))}
    with opened(ROOT) as repo:
        used = {}
        for stage in repo.index.stages:
            used[stage.addressing] = [dep.def_path for dep in stage.deps if dep.def_path.startswith(f"{paths.CODE}")]
            assert used[stage.addressing] == ([] if stage.addressing == "code" else [code_file(stage)])
    assert {name for names in used.values() for name in names} == known


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        (
            "train/recommender-sac-jsae",
            "stages.train, jsae.agents.sac, jsae.embeddings.jsae, jsae.environments.recommender",
        ),
        ("pretrain/slot-machine-ra", "stages.pretrain, jsae.embeddings.ra, jsae.environments.slot_machine"),
        ("theory", "stages.theory"),
        ("aggregate", "stages.aggregate"),
    ],
)
def test_all_that_a_stage_imports_stands_in_its_file(name: str, modules: str, study: Path) -> None:
    listed = {line.split()[1] for line in (study / paths.code(name)).read_text().splitlines()}
    script = (
        f"import sys, {modules}\nprint(*(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], cwd=study, capture_output=True, text=True, check=True
    ).stdout
    imported = {
        Path(path).relative_to(study).as_posix() for path in printed.split() if Path(path).is_relative_to(study)
    }
    assert f"stages/{name.split('/')[0]}.py" in imported
    assert imported - code.NOT_INPUTS <= listed
    assert {path for path in listed if path.startswith("requirements")} == code.PACKAGES["compute"]


def test_files_that_are_no_inputs_exist() -> None:
    assert [name for name in code.NOT_INPUTS if not (ROOT / name).is_file()] == []


def test_every_cell_of_the_study_is_a_stage() -> None:
    stated = parameters.load(ROOT / paths.PARAMETERS)
    with opened(ROOT) as repo:
        outs = {out.def_path for out in repo.index.outs}
    expected = {
        paths.curves(stated.scale, *cell, cohort).as_posix() for cell in stated.cells() for cohort in stated.cohorts
    }
    assert expected <= outs
    assert {out for out in outs if "/runs/" in out and out.endswith(".parquet")} == expected
    expected = {paths.searched(*cell).as_posix() for cell in stated.searched_cells()}
    assert {out for out in outs if out.startswith("results/search/")} == expected


def test_the_search_reads_nothing_that_it_leads_to() -> None:
    """What a search stage depends on, directly or not, is not what the search has found before."""
    with opened(ROOT) as repo:
        graph = repo.index.graph
        searches = [stage for stage in graph if stage.path_in_repo == "search/dvc.yaml"]
        read = {dep.def_path for stage in searches for up in (stage, *networkx.descendants(graph, stage))
                for dep in up.deps}  # fmt: skip
        names = [stage.name for stage in graph]
    assert len(names) == len(set(names))  # of both graphs: the bridge tells stages apart by them
    assert read & {paths.BEST.as_posix(), paths.SEARCH.as_posix()} == set()


def test_a_recorded_study_is_up_to_date(study: Path) -> None:
    assert changed(study) == set()


def test_a_comment_in_params_reruns_nothing(edited: Path) -> None:
    edit(edited, "params.yaml", "scale: preview", "# a remark\nscale: preview")
    assert changed(edited) == set()


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
        "maps",
        "quality",
        "report",
    }
    assert kinds(downstream(edited, direct)) - kinds(direct) <= {"aggregate", "figures", "theory"}


def test_a_learning_rate_retrains_and_collects_nothing(edited: Path) -> None:
    edit(edited, "params.yaml", "actor_learning_rate: 0.001", "actor_learning_rate: 0.002")
    direct = kinds(changed(edited))
    assert {kind for kind in direct if not kind.startswith("train-")} == {"maps", "report"}
    assert {"train-gridworld", "train-slot-machine", "train-recommender"} <= direct


def test_a_learning_rate_that_was_found_retrains_its_cell_and_those_that_take_it_over(edited: Path) -> None:
    found = "agents: {gridworld-discrete: {vpg: {ra: {actor_learning_rate: 0.5}, jsae: {critic_learning_rate: 0.5}}}}"
    (edited / "search/best.yaml").write_text(found)
    direct = {stage.partition("0-4-")[2] for stage in changed(edited) if stage.startswith("train-")}
    assert "gridworld-discrete-vpg-ra" in direct
    assert direct - {"gridworld-discrete-vpg-ra"} == {
        f"{environment}-vpg-{embedding}"
        for environment, agent, embedding in parameters.load(ROOT / paths.PARAMETERS).cells()
        if environment in ("gridworld-discrete", "gridworld-512", "gridworld-2048") and embedding not in ("none", "ra")
    }
    edit(edited, "params.yaml", "actor_learning_rate: 0.001", "actor_learning_rate: 0.002")
    assert "train-gridworld@preview-0-4-gridworld-discrete-vpg-none" in changed(edited)
    before = paths.settings("train", "gridworld-discrete", "vpg", "ra")
    assert '"actor_learning_rate": 0.5' in (edited / before).read_text()


def test_another_grid_searches_again_and_retrains_nothing(edited: Path) -> None:
    edit(edited, "params.yaml", "    initial_standard_deviation: [0.3", "    initial_standard_deviation: [0.2")
    assert kinds(changed(edited)) == {"report"}
    assert {stage.split("-")[0] for stage in changed(edited, "search/dvc.yaml")} == {"search"}


def test_the_epochs_of_one_scale_and_environment_retrain_just_that(edited: Path) -> None:
    edit(edited, "params.yaml", "epochs: {preview: 8, paper: 2500}", "epochs: {preview: 9, paper: 2500}")
    assert kinds(changed(edited)) == {"train-slot-machine", "train-slot-machine-ablations", "report"}


def test_the_other_scales_epochs_rerun_no_training(edited: Path) -> None:
    edit(edited, "params.yaml", "epochs: {preview: 8, paper: 2500}", "epochs: {preview: 8, paper: 2400}")
    assert kinds(changed(edited)) == {"report"}


@pytest.mark.parametrize(
    ("name", "reruns"),
    [
        ("jsae/reporting/plots.py", {"figures", "report"}),
        ("jsae/agents/vpg.py", {"train"}),
        ("jsae/agents/on_policy.py", {"train"}),
        ("jsae/agents/sac.py", {"train"}),
        ("jsae/embeddings/jsae.py", {"pretrain", "train"}),
        ("jsae/nn/networks.py", {"pretrain", "train"}),
        ("jsae/purchases/ngram.py", {"transitions"}),
        ("jsae/config/parameters.py", set()),
        ("jsae/environments/slot_machine.py", {"bounds", "collect", "pretrain", "train"}),
    ],
)
def test_an_edited_module_reruns_the_stages_that_import_it(name: str, reruns: set[str], edited: Path) -> None:
    edit(edited, name, '"""', '"""Edited. ')
    found = changed(edited)
    assert {kind.split("-")[0] for kind in kinds(found)} - {"maps", "quality", "theory"} == reruns
    if name.startswith("jsae/agents/"):
        agents = {"vpg": {"vpg"}, "on_policy": {"vpg", "ppo"}, "sac": {"sac"}}[Path(name).stem]
        assert {stage.split("-")[-2] for stage in found} == agents
    if name == "jsae/embeddings/jsae.py":
        variants = re.compile(r"-(jsae(_\w+)?|separate|state_only|action_only)$|^(quality|theory)")
        assert all(variants.search(stage) for stage in found)
    if name == "jsae/environments/slot_machine.py":
        assert all("slot-machine" in stage or stage.startswith("bounds") for stage in found)


SECOND = ("recommender-synthetic: {environments: []", "recommender-synthetic: {environments: [recommender-synthetic]")
"""The edit of params.yaml that makes the second store part of the study."""


def test_the_second_stores_cells_add_stages_and_change_no_other(edited: Path) -> None:
    edit(edited, "params.yaml", *SECOND)
    found = changed(edited)
    cells = {stage for stage in found if stage.startswith(("collect", "pretrain", "train", "bounds"))}
    assert kinds(cells) == {f"{step}-recommender-synthetic" for step in ("bounds", "collect", "pretrain", "train")}
    assert len([stage for stage in cells if stage.startswith("train")]) == 9
    assert kinds(found - cells) == {"aggregate", "maps", "quality", "report", "theory"}


def test_the_seed_of_the_synthetic_store_reruns_what_draws_from_it(edited: Path) -> None:
    edit(edited, "params.yaml", *SECOND)
    before = changed(edited)
    edit(edited, "params.yaml", "      seed: 0", "      seed: 1")
    direct = changed(edited) - before
    assert direct == {"download@synthetic", "filter@synthetic"}
    after = downstream(edited, direct)
    of_cells = {stage for stage in after if stage.startswith(("collect", "pretrain", "train", "bounds"))}
    assert kinds(of_cells) == {f"{step}-recommender-synthetic" for step in ("bounds", "collect", "pretrain", "train")}
    of_data = {stage for stage in after if kinds({stage}) <= {"download", "filter", "transitions"}}
    assert of_data == direct | {"transitions@synthetic"}


def test_another_store_is_one_word(edited: Path) -> None:
    edit(edited, "params.yaml", "store: completejourney", "store: kechinov")
    with opened(edited) as repo:
        stages = {stage.addressing: [dep.def_path for dep in stage.deps] for stage in repo.index.stages}
    assert {"download@kechinov", "filter@kechinov", "transitions@kechinov"} <= set(stages)
    assert not [name for name, deps in stages.items() if any("completejourney" in dep for dep in deps)]


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
    assert all(out.startswith(("data/", "results/shared/", "results/search/")) for out in shared)
    assert all("/paper/" in out for out in paper - shared)


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


def test_a_word_of_a_command_that_is_none_is_refused_before_any_shell_reads_it(edited: Path) -> None:
    """DVC gives commands to a shell."""
    edit(edited, "params.yaml", 'cohorts: ["0-4"]', 'cohorts: ["0-4; touch here"]')
    assert "error: params.yaml: a cohort is written first-last" in reproduce(edited, "collect-slot-machine", status=255)
    assert not (edited / "here").exists()


def test_the_first_stage_checks_all_that_becomes_words_of_commands() -> None:
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    commands = " ".join(stage["cmd"] for stage in stages.values())
    assert set(re.findall(r"\$\{(\w+)", commands)) == {"item"}
    items = str([stage.get("matrix") for stage in stages.values()])
    words = {re.sub(r"^study\..*", "study", name) for name in re.findall(r"\$\{([^}]+)\}", items)}
    assert words <= set(stages["code"]["params"])


@pytest.mark.slow
def test_a_changed_value_reruns_its_stage_and_the_old_value_comes_from_the_cache(edited: Path) -> None:
    """For real, with the slot machine's bounds."""
    bounds = edited / paths.bounds("slot-machine")
    assert "Running stage 'bounds-slot-machine@slot-machine'" in reproduce(edited, force=True)
    first = bounds.read_text()
    edit(edited, "params.yaml", "minimum_count: 3", "minimum_count: 2")
    assert "Running stage 'bounds-slot-machine@slot-machine'" in reproduce(edited)
    assert bounds.read_text() != first
    edit(edited, "params.yaml", "minimum_count: 2", "minimum_count: 3")
    assert "is cached - skipping run, checking out outputs" in reproduce(edited)
    assert bounds.read_text() == first


def reproduce(root: Path, target: str = "bounds-slot-machine", *, force: bool = False, status: int = 0) -> str:
    command = [sys.executable, "-m", "dvc", "repro", target, *(["--force"] if force else [])]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(root), "DVC_NO_ANALYTICS": "1"}
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr
