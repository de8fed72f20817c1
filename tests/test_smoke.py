"""The whole study at the scale smoke, for real, in a copy of the project; and what its stages read and import."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jsae.config import layout
from tests.forking import Forking
from tests.recorded_stage import leaves
from tests.test_graph import ENGINE, ROOT, copied, opened, reproduce
from workflow import starter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning"),
]
CELL = "slot-machine-vpg-jsae-0-1"


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of every stage, through Snakemake."""
    root = copied(tmp_path_factory.mktemp("smoke"))
    shutil.copytree(ROOT / "tests", root / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local", "--cores", "2"]
    ended = subprocess.run(
        command, cwd=root, env=ENGINE | {"HOME": str(root)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return root


def test_nothing_is_left_to_do(smoke: Path) -> None:
    with opened(smoke) as repo:
        assert repo.status() == {}
    assert "Data and pipelines are up to date" in reproduce(smoke)


def test_reports_say_that_they_are_no_result(smoke: Path) -> None:
    assert "SMOKE TEST" in (smoke / layout.report("smoke")).read_text(encoding="utf-8")


def kinds_of_stages(root: Path) -> Iterator[str]:
    """Few stages that have every kind, and trainings and pre-trainings of every code file: those with most first."""
    parts: dict[str, set[str]] = {}
    with opened(root) as repo:
        for stage in repo.index.stages:
            kind = stage.name.partition("@")[0]
            if stage.path_in_repo == "dvc.yaml" and kind not in ("settings", "report"):
                content = json.loads(layout.settings(stage.name).read_text())
                code = content["code"] if kind in ("train", "pretrain") else []
                parts[stage.name] = {kind, *(f"{kind} {path}" for path in code if path.count("/") == 2)}
    while any(parts.values()):
        chosen = max(parts, key=lambda name: len(parts[name]))
        yield chosen
        parts = {name: left - parts[chosen] for name, left in parts.items()}


def test_a_stage_reads_and_imports_what_it_declares(smoke: Path, tmp_path: Path) -> None:
    """Every value of its settings is used, no other can be; every module that it imports is among its code files."""
    server = Forking(*starter.PACKAGES)
    for stage in kinds_of_stages(smoke):
        report, settings = tmp_path / "report.json", layout.settings(stage)
        words = ("tests.recorded_stage", str(report), f"stages.{stage.partition('@')[0]}", str(settings))
        program = server.start(*words, folder=smoke, environment=ENGINE)
        assert program.wait() == 0, f"{stage}: {program.text()}"
        found, content = json.loads(report.read_text()), json.loads((smoke / settings).read_text())
        assert set(found["modules"]) <= set(content["code"]), stage
        assert set(found["read"]) == set(leaves(content["values"])), stage
    server.close()


def test_a_parameter_that_is_edited_meanwhile_reaches_no_result(smoke: Path) -> None:
    """Change a number, train a cell again alone, change it back, reproduce: the curves are the first number's."""
    curves = smoke / layout.curves("smoke", CELL)
    first = curves.read_bytes()
    text = (smoke / "params.yaml").read_text()
    before, _, after = text.partition("  slot-machine:\n")
    try:
        (smoke / "params.yaml").write_text(
            before + "  slot-machine:\n" + after.replace("reward_scale: 1.0", "reward_scale: 5.0", 1)
        )
        reproduce(smoke, "--force", "--single-item", f"train@{CELL}")
        assert curves.read_bytes() == first
        reproduce(smoke, f"train@{CELL}")
        assert curves.read_bytes() != first
    finally:
        (smoke / "params.yaml").write_text(text)
    reproduce(smoke, f"train@{CELL}")
    assert curves.read_bytes() == first


def test_code_that_is_edited_during_a_run_is_refused(smoke: Path) -> None:
    name, before, after = "jsae/agents/vpg.py", "from torch", "ANOTHER = 1\nfrom torch"
    settings = layout.settings(f"train@{CELL}")
    script = (
        "import sys; from pathlib import Path; from jsae.training.jobs import TrainingJob; run = TrainingJob.run\n"
        "def edited(job, progress):\n"
        f"    path = Path({name!r}); path.write_text(path.read_text().replace({before!r}, {after!r}, 1))\n"
        "    run(job, progress)\n"
        "TrainingJob.run = edited\n"
        f"sys.argv = ['train', {str(settings)!r}]\n"
        "import runpy; runpy.run_module('stages.train', run_name='__main__', alter_sys=True)\n"
    )
    original = (smoke / name).read_bytes()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script], cwd=smoke, env=ENGINE, capture_output=True, text=True, check=False
        )
    finally:
        (smoke / name).write_bytes(original)
    assert ended.returncode == 1
    assert "changed while" in ended.stderr
    assert "Traceback" not in ended.stderr
    reproduce(smoke, f"train@{CELL}")
