"""The three examples of docs/extending.md, followed to the letter in a copy of the project: each is one file."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from jsae.config import layout
from jsae.embeddings import jsae
from jsae.io import checkpoint
from jsae.nn.randomness import Streams

ROOT = Path(__file__).resolve().parent.parent
COPIED = (".dvcignore", "dvc.yaml", "jsae", "params.yaml", "requirements", "search", "stages", "tools", "workflow")
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")


class Example(NamedTuple):
    """A section of the page: a file, its text, what params.yaml gets, and commands."""

    file: str
    code: str
    parameters: Any
    commands: list[str]


def examples() -> dict[str, Example]:
    """By the last word of the heading."""
    found = {}
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        heading = section.splitlines()[0].split()[-1]
        blocks = {kind: re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL) for kind in ("python", "yaml", "sh")}
        if blocks["python"]:
            (file,), (code,) = (
                re.findall(r"^(?:.* )?[Ww]rite `(jsae/\w+/\w+\.py)`", section, re.MULTILINE),
                blocks["python"],
            )
            (lines,), (commands,) = blocks["yaml"], blocks["sh"]
            found[heading] = Example(file, code, YAML(typ="safe").load(lines), commands.splitlines())
    return found


def added(old: Any, new: Any) -> Any:
    """`old` with what `new` adds: sections one by one, lists at their end; nothing is replaced."""
    if isinstance(old, dict):
        return {**old, **{name: added(old[name], value) if name in old else value for name, value in new.items()}}
    assert isinstance(old, list), "an example replaces a value"
    return old + new


class Project:
    """A copy of the project whose smoke scale runs nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, root / name)
        Repo.init(str(root), no_scm=True).close()
        self.parameters = YAML(typ="safe").load(ROOT / "params.yaml")
        self.parameters["scales"]["smoke"] = []

    def follow(self, example: Example) -> None:
        """Do what a section says."""
        assert not (self.root / example.file).exists()
        (self.root / example.file).write_text(example.code, encoding="utf-8")
        self.parameters = added(self.parameters, example.parameters)
        with (self.root / "params.yaml").open("w", encoding="utf-8") as stream:
            YAML(typ="safe").dump(self.parameters, stream)
        for command in example.commands:
            self.run(*shlex.split(command))

    def run(self, *words: str) -> None:
        given = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",
        }
        given |= {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        ended = subprocess.run(words, cwd=self.root, env=given, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def learnt(self, embedding: str) -> dict[str, Any]:
        """Pre-trained parameters in the corridor."""
        return checkpoint.load(self.root / layout.embeddings("smoke", f"corridor-{embedding}-0-1"))[0]

    def curves(self, cell: str) -> Path:
        return self.root / layout.curves("smoke", f"corridor-{cell}-0-1")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The copy, after all three sections."""
    if any((ROOT / example.file).exists() for example in examples().values()):
        pytest.skip("this copy of the project has followed the page already")
    project = Project(tmp_path_factory.mktemp("copy"))
    kept: dict[Path, int] = {}
    for example in examples().values():
        project.follow(example)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept, "an example has made older results again"
        results = (project.root / "results/smoke").rglob("*.parquet")
        kept = {path: path.stat().st_mtime_ns for path in results if "provenance" not in path.parts}
    return project


def test_the_page_shows_an_environment_an_agent_and_an_embedding_of_one_file_each() -> None:
    found = examples()
    assert list(found) == ["environment", "agent", "embedding"]
    for example in found.values():
        assert len(example.code.splitlines()) <= 65
        assert example.commands[0] == "python -m tools.runs smoke"


def test_the_examples_are_written_as_the_project_is(tmp_path: Path) -> None:
    for example in examples().values():
        path = tmp_path / Path(example.file).name
        path.write_text(example.code, encoding="utf-8")
        for words in (("check",), ("format", "--check")):
            options = ("--no-cache", "--config", str(ROOT / "pyproject.toml"))
            ended = subprocess.run(["ruff", *words, *options, path], capture_output=True, text=True, check=False)
            assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_each_example_trains_what_it_says(project: Project) -> None:
    for agent, embedding in (("vpg", "jsae"), ("awr", "jsae"), ("vpg", "random_actions")):
        curves = pl.read_parquet(project.curves(f"{agent}-{embedding}"))
        assert curves.select("seed", "epoch").rows() == [(0, 1), (0, 2), (1, 1), (1, 2)]
        assert curves.select("environment", "agent", "embedding").unique().rows() == [("corridor", agent, embedding)]
        assert curves["mean_return"].is_between(0, 1).all()
    one, other = (pl.read_parquet(project.curves(f"{agent}-jsae"))["mean_return"] for agent in ("vpg", "awr"))
    assert one[0] == other[0]  # the first epoch comes before any learning
    assert one.to_list() != other.to_list()


@pytest.mark.slow
def test_what_the_environment_says_of_itself_reaches_the_study(project: Project) -> None:
    found = json.loads((project.root / layout.reference_returns("corridor")).read_text(encoding="utf-8"))
    assert found == {"random_return": None, "optimal_return": 1.0, "error": None}
    cells = json.loads((project.root / layout.settings("aggregate")).read_text(encoding="utf-8"))["values"]["cells"]
    labels = {(cell["environment_label"], cell["agent_label"], cell["embedding_label"]) for cell in cells}
    names = {("VPG", "no embedding"), ("VPG", "JSAE"), ("AWR", "JSAE"), ("VPG", "JSAE, random action embeddings")}
    assert labels == {("Corridor", *pair) for pair in names}


@pytest.mark.slow
def test_random_actions_stay_and_the_rest_is_learnt(project: Project) -> None:
    spec = importlib.util.spec_from_file_location("corridor", project.root / examples()["environment"].file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    world = module.Corridor(length=12, reach=2, episode_length=20)
    start = jsae.Embedding(Streams([0, 1], "embedding", "cpu"), world, 4, 1).parameters
    random, whole = project.learnt("random_actions"), project.learnt("jsae")
    assert random["g"].equal(start["g"])
    assert not whole["g"].equal(start["g"])
    for learnt in (random, whole):
        assert not learnt["transition"].equal(start["transition"])
        assert not learnt["phi"].equal(start["phi"])


@pytest.mark.slow
def test_a_parameter_of_an_example_is_checked_like_any_other(project: Project) -> None:
    text = (project.root / "params.yaml").read_text(encoding="utf-8")
    wrong = re.sub(r"temperature: 1\.0", "temperature: 0.0", text)
    assert wrong != text
    (project.root / "params.yaml").write_text(wrong, encoding="utf-8")
    try:
        with pytest.raises(
            AssertionError, match=r"error: params.yaml: agents.awr.temperature = 0.0: input should be greater"
        ):
            project.run("python", "-m", "tools.runs", "smoke")
    finally:
        (project.root / "params.yaml").write_text(text, encoding="utf-8")
