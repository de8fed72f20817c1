"""A stage's settings file: what is wrong with it is said; what changes while a stage runs stops its result."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tqdm

from jsae.config.errors import JsaeError
from jsae.io.declared import Declared
from stages.settings import Stage
from tests.made_declared import declare

ROOT = Path(__file__).resolve().parent.parent
WHOLE = {
    "stage": "train@x",
    "inputs": {"environment": "a", "source": None},
    "outputs": {"curves": "b"},
    "record": "c.json",
    "scratch": "d",
    "values": {"epochs": 3},
    "code": {},
}


def written(folder: Path, content: Any) -> Path:
    path = folder / "settings.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    declared = Declared.read(written(tmp_path, WHOLE))
    assert (declared.stage, declared.values) == ("train@x", {"epochs": 3})
    assert (declared.input("environment"), declared.optional("environment")) == (Path("a"), Path("a"))
    assert declared.optional("source") is None
    assert declared.outputs == {"curves": Path("b")}
    assert (declared.record, declared.scratch) == (Path("c.json"), Path("d"))


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    with pytest.raises(JsaeError) as caught:
        Declared.read(path)
    assert str(caught.value) == f"{path} is missing: run the stage that makes it (dvc repro does)"


DAMAGED = ["", "{", "[]", "3", "null", '"text"', json.dumps(WHOLE)[:-9], "\0"]
DAMAGED += [json.dumps({name: value for name, value in WHOLE.items() if name != lost}) for lost in WHOLE]
DAMAGED += [json.dumps({**WHOLE, name: 3}) for name in ("outputs", "record", "scratch", "inputs", "values", "code")]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_says_so_in_one_line(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(JsaeError) as caught:
        Declared.read(path)
    said = str(caught.value)
    assert said.startswith(f"{path} is damaged (")
    assert said.endswith("): delete it and run dvc repro again")
    assert len(said.splitlines()) == 1


def test_bytes_that_are_no_text_and_a_folder_are_damage(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_bytes(b'{"stage": "\xff"}')
    for path in (tmp_path / "settings.json", tmp_path):
        with pytest.raises(JsaeError, match="is damaged"):
            Declared.read(path)


STAGE = '''"""A stage."""
import pathlib
import sys

from jsae.config.errors import JsaeError
from jsae.io.declared import Declared
from stages import helper

declared = Declared.read(pathlib.Path("settings.json"))
if pathlib.Path("edit").exists():
    exec(pathlib.Path("edit").read_text())
try:
    declared.check()
except JsaeError as error:
    sys.exit(f"error: {error}")
print(helper.VALUE)
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a stage that checks what it was declared to run, and a settings file that declares it."""
    for name in ("jsae/__init__.py", "jsae/config/__init__.py", "jsae/config/doc.py", "jsae/config/errors.py",
                 "jsae/io/__init__.py", "jsae/io/code.py", "jsae/io/declared.py", "jsae/io/files.py"):  # fmt: skip
        if (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/__init__.py").write_text("")
    (tmp_path / "stages/helper.py").write_text("VALUE = 1\n")
    (tmp_path / "stages/other.py").write_text("")
    (tmp_path / "stages/work.py").write_text(STAGE)
    monkeypatch.chdir(tmp_path)
    declare(Stage("work", {}, {}, {}, []), Path("settings.json"), ["stages/work.py"])
    return tmp_path


def ended(project: Path, edit: str = "") -> str:
    """The last line that the stage says, when `edit` runs in its middle."""
    if edit:
        (project / "edit").write_text(edit)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "stages.work"]
    run = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True, check=False)
    assert "Traceback" not in run.stderr
    assert (run.returncode == 0) == (not run.stderr)
    return (run.stdout + run.stderr).strip()


def test_a_stage_whose_code_and_settings_stay_as_they_were_ends_well(project: Path) -> None:
    assert ended(project) == "1"


def test_a_comment_and_a_file_of_another_stage_are_no_change(project: Path) -> None:
    edit = "pathlib.Path('stages/helper.py').write_text('VALUE = 1  # one\\n')\n"
    assert ended(project, edit + "pathlib.Path('stages/other.py').write_text('x = 1')") == "1"


CHANGED = "error: {} changed while work ran: the result is not recorded, run again"


@pytest.mark.parametrize(
    "date", ["", "import os; os.utime('stages/helper.py', (1, 1))", "import os; os.utime('settings.json', (4e9, 4e9))"]
)
def test_code_that_changes_meanwhile_stops_the_stage_whatever_its_date(project: Path, date: str) -> None:
    edit = f"pathlib.Path('stages/helper.py').write_text('VALUE = 2\\n')\n{date}"
    assert ended(project, edit) == CHANGED.format("stages/helper.py")


def test_code_that_changed_before_the_stage_started_stops_it_too(project: Path) -> None:
    (project / "stages/helper.py").write_text("VALUE = 2\n")
    assert ended(project) == CHANGED.format("stages/helper.py")


def test_code_that_vanishes_meanwhile_is_missing(project: Path) -> None:
    assert ended(project, "pathlib.Path('stages/helper.py').unlink()") == (
        "error: stages/helper.py is missing: restore it from git"
    )


@pytest.mark.parametrize(
    "edit",
    [
        "pathlib.Path('settings.json').write_bytes(declared.content + b' ')",
        "pathlib.Path('settings.json').unlink()",
        "pathlib.Path('settings.json').unlink(); pathlib.Path('settings.json').mkdir()",
    ],
)
def test_settings_that_change_meanwhile_stop_the_stage(project: Path, edit: str) -> None:
    assert ended(project, edit) == CHANGED.format("settings.json")


def test_a_module_that_is_not_declared_stops_the_stage(project: Path) -> None:
    assert ended(project, "import stages.other") == (
        "error: work runs stages/other.py, which settings.json does not declare: run again"
    )


def test_a_package_that_stands_before_the_locked_one_is_refused(tmp_path: Path) -> None:
    """Another version may give other numbers. The .venv itself looks away from PYTHONPATH, so it is done by hand."""
    shutil.copytree(Path(tqdm.__file__).parent, tmp_path / "tqdm")
    start = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = ['settings.json']; "
    start += "runpy.run_module('stages.collect', run_name='__main__')"
    command = [sys.executable, "-c", start]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"error: the package tqdm is imported from {tmp_path / 'tqdm'}")
    assert len(ran.stderr.splitlines()) == 1
