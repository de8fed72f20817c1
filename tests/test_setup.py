"""The locks, the set-up script and the Makefile: what a new user meets first. No test here uses the network."""

import ast
import functools
import itertools
import json
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = sorted(ROOT.glob("requirements/*.lock"))
OWN = ("jsae", "stages", "tools", "workflow", "tests", "benchmarks", "examples")
MACHINES = [
    {
        "sys_platform": platform,
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.4",
    }
    | {"platform_python_implementation": "CPython", "implementation_name": "cpython"}
    for platform, machine in [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")]
    for python in ["3.11", "3.12", "3.13"]
]
SETTINGS = "env | grep -E '^(PIP|UV|PYTHON[A-Z]+)' | sort"


@functools.cache
def requirements(lock: Path) -> list[tuple[Requirement, list[str]]]:
    """Each entry of a lock with its hashes."""
    lines = lock.read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("#"))
    entries = []
    for entry in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", entry.strip())
        entries.append((Requirement(requirement), hashes))
    return entries


def versions(lock: Path, machine: dict[str, str] | None = None) -> dict[str, str]:
    """What a lock installs on a machine: {name: version}."""
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement, _ in requirements(lock)
        if requirement.marker is None or requirement.marker.evaluate(machine)
    }


def lock(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.lock"


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_locks_hold_exact_versions_and_hashes_and_nothing_else(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(
            r"#.*|[a-z0-9.-]+==[a-z0-9.+]+( ; [^\\]*)?( \\)?|    --hash=sha256:[0-9a-f]{64}( \\)?", line
        ), line
        assert "/" not in line
    assert all(hashes for _, hashes in requirements(path))


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(LOCKS, 2)), ids=lambda path: path.stem)
def test_locks_agree_on_what_they_share(one: Path, other: Path) -> None:
    for machine in MACHINES:
        left, right = versions(one, machine), versions(other, machine)
        shared = (left.keys() & right.keys()) - {"torch"}  # 2.13.0 and 2.13.0+cpu
        assert {name: left[name] for name in shared} == {name: right[name] for name in shared}


def test_torch_is_one_version_on_every_machine_and_in_no_other_lock() -> None:
    for path in LOCKS:
        if path.stem not in {"torch-cpu", "torch-cuda"}:
            assert "torch" not in versions(path)
    for machine in MACHINES:
        cpu, cuda = (versions(lock(name), machine)["torch"] for name in ("torch-cpu", "torch-cuda"))
        assert cpu == (cuda if machine["sys_platform"] == "darwin" else f"{cuda}+cpu")


def test_the_lock_of_computing_stages_has_no_tools() -> None:
    assert not versions(lock("compute")).keys() & {
        "dvc",
        "matplotlib",
        "mypy",
        "papermill",
        "pytest",
        "ruff",
        "snakemake",
    }


def test_the_packages_of_pyproject_are_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for group in project["optional-dependencies"].values() for text in group]
    wanted = [Requirement(text) for text in project["dependencies"] + extras if not text.startswith("jsae[")]
    for machine in MACHINES:
        locked = versions(lock("torch-cuda"), machine)
        for name in ("compute", "study", "peers", "tensorboard"):
            locked |= versions(lock(name), machine)
        for requirement in wanted:
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement


def test_the_extra_study_names_all_that_a_study_asks_for() -> None:
    """So that `pip install -e '.[study]'` in a checkout gives what requirements/*.in do; torch brings its own needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = project["optional-dependencies"]
    texts = [
        *project["dependencies"],
        *(text for name in Requirement(groups["study"][0]).extras for text in groups[name]),
    ]
    named = {canonicalize_name(Requirement(text).name) for text in texts + groups["study"]}
    compute, study = ((ROOT / "requirements" / f"{name}.in").read_text() for name in ("compute", "study"))
    asked = compute.split("# What torch needs")[0] + study
    lines = [line.split("#")[0].strip() for line in asked.splitlines()]
    wanted = {canonicalize_name(Requirement(line).name) for line in lines if line}
    assert wanted - named == {"packaging", "pyyaml"}  # dvc and snakemake bring them


def test_every_package_that_is_imported_is_named_in_a_list() -> None:
    """One that another package brings along goes when that one does."""
    sources = [path for folder in OWN for path in (ROOT / folder).rglob("*.py")]
    imported: set[str] = set()
    for node in itertools.chain.from_iterable(ast.walk(ast.parse(path.read_text("utf-8"))) for path in sources):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.partition(".")[0])
    imported -= {*sys.stdlib_module_names, *OWN, "jsae_start"}
    lines = [line.split("#")[0] for path in ROOT.glob("requirements/*.in") for line in path.read_text().splitlines()]
    named = {canonicalize_name(Requirement(line).name) for line in lines if line.strip()}
    brought_by = metadata.packages_distributions()
    here = sorted(imported & brought_by.keys())  # not the packages that only `make docs` and `make peers` install
    assert [name for name in here if named.isdisjoint(map(canonicalize_name, brought_by[name]))] == []


def test_this_environment_is_what_the_locks_say_and_lacks_nothing() -> None:
    for name in ("compute", "study", "develop"):
        for package, version in versions(lock(name)).items():
            assert metadata.version(package) == version
    assert metadata.version("torch") in {versions(lock(name))["torch"] for name in ("torch-cpu", "torch-cuda")}
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout


# The set-up script runs on a stand-in Python and a stand-in installer that write down what they are asked to do.

PYTHON = f"""#!/bin/sh
case "$*" in
"-m pip --version") ;;
"-m pip config"*) exit 1 ;;
"-m pip install"*)
    mkdir -p .bootstrap/bin
    cp "$STAND_INS/uv" .bootstrap/bin/uv
    {SETTINGS} >settings-of-pip
    echo "$*" >>settings-of-pip
    echo bootstrap >>calls ;;
*) exec "{sys.executable}" "$@" ;;
esac
"""
PYTHON_OF_VENV = f"""#!/bin/sh
case "$*" in
"-m workflow.status --quiet") exit 1 ;;
"-m workflow.status") {SETTINGS} >settings-of-stages ;;
"-m tools.runs --check") if [ -e wrong ]; then echo "error: params.yaml: wrong" >&2; exit 2; fi ;;
"-m tools."*) shift; echo "$*" >>calls ;;
"-m jsae.nn.compiled") echo compiled >>calls ;;
*) exec "{sys.executable}" "$@" ;;
esac
"""
UV = f"""#!/bin/sh
{SETTINGS} >settings-of-uv
case "$*" in
"venv "*)
    mkdir -p .venv/bin .venv/lib/python3.11/site-packages
    cp "$STAND_INS/python" "$STAND_INS/dvc" "$STAND_INS/snakemake" .venv/bin
    echo venv >>calls ;;
"pip sync "*)
    for word in "$@"; do case $word in requirements/torch-*) echo "sync $word" >>calls ;; esac; done
    if [ -e slow ]; then sleep 1; fi
    if [ -e broken ]; then exit 2; fi ;;
esac
"""
DVC = """#!/bin/sh
echo "dvc $*" >>calls
case "$*" in
"config --quiet --local core.no_scm true") printf '[core]\\n    no_scm = true\\n' >.dvc/config.local ;;
"config --local --unset core.no_scm") : >.dvc/config.local ;;
esac
"""
SNAKEMAKE = """#!/bin/sh
echo "snakemake $*" >>calls
"""
CPU, CUDA = "sync requirements/torch-cpu.lock", "sync requirements/torch-cuda.lock"


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


class Study:
    """A copy of the set-up files in a folder whose name has a space."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a study"
        self.tools = folder / "stand-ins"
        self.python = executable(self.tools / "python3", PYTHON)
        executable(self.tools / "uv", UV)
        executable(self.tools / "dvc", DVC)
        executable(self.tools / "snakemake", SNAKEMAKE)
        executable(self.tools / "python", PYTHON_OF_VENV)
        executable(self.tools / "uname", "#!/bin/sh\necho Linux\n")
        shutil.copytree(ROOT / "requirements", self.root / "requirements")
        shutil.copy(ROOT / "Makefile", self.root)
        shutil.copy(ROOT / "params.yaml", self.root)
        (self.root / ".git").mkdir()
        (self.root / ".dvc").mkdir()

    def make(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "PIP_", "UV_"))}
        path = os.pathsep.join([str(self.tools), kept["PATH"]])
        settings = {"PYTHON": str(self.python), "TORCH": "auto", "PATH": path, "STAND_INS": str(self.tools)}
        command = ["make", "--no-print-directory", *words]
        return subprocess.run(
            command, cwd=self.root, env=kept | settings | environment, capture_output=True, text=True, timeout=60
        )

    def setup(self, **environment: str) -> list[str]:
        """Run `make setup`, which must succeed; returns what it asked Python, the installer and DVC to do."""
        (self.root / "calls").unlink(missing_ok=True)
        result = self.make("setup", **environment)
        assert result.returncode == 0, result.stderr
        return self.calls()

    def calls(self) -> list[str]:
        calls = self.root / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def test_setup_runs_once(study: Study) -> None:
    assert study.setup() == ["bootstrap", "venv", CUDA]
    assert study.setup() == []
    (study.root / "requirements" / "compute.lock").touch()
    assert study.setup() == []


def test_of_two_set_ups_at_once_one_waits_for_the_other(study: Study) -> None:
    """As of `make preview` and `make watch` in two terminals."""
    (study.root / "slow").touch()
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(study.make, ["setup"] * 2))
    assert [result.returncode for result in ended] == [0, 0], ended
    assert study.calls() == ["bootstrap", "venv", CUDA]


@pytest.mark.parametrize("name", ["compute", "study", "develop", "torch-cuda"])
def test_a_changed_lock_is_installed_once_and_so_is_its_return(study: Study, name: str) -> None:
    study.setup()
    path = study.root / "requirements" / f"{name}.lock"
    before = path.read_text()
    path.write_text(before + "# changed\n")
    assert study.setup() == [CUDA]
    assert study.setup() == []
    path.write_text(before)
    assert study.setup() == [CUDA]


def test_a_new_installer_is_installed_first(study: Study) -> None:
    study.setup()
    for name in ("bootstrap", "compute"):
        with (study.root / "requirements" / f"{name}.lock").open("a") as file:
            file.write("# changed\n")
    assert study.setup() == ["bootstrap", CUDA]


def test_a_half_made_environment_is_made_again(study: Study) -> None:
    (study.root / "broken").touch()
    result = study.make("setup")
    assert result.returncode != 0
    assert "error: the installation failed" in result.stderr
    (study.root / "broken").unlink()
    assert study.setup() == ["venv", CUDA]


def test_an_update_that_broke_off_is_made_again(study: Study) -> None:
    study.setup()
    (study.root / "broken").touch()
    with (study.root / "requirements" / "study.lock").open("a") as file:
        file.write("# changed\n")
    assert study.make("setup").returncode != 0
    (study.root / "broken").unlink()
    assert study.setup() == ["venv", CUDA]


def test_an_environment_whose_python_is_gone_is_made_again(study: Study) -> None:
    study.setup()
    (study.root / ".venv" / "bin" / "python").unlink()
    assert study.setup() == ["venv", CUDA]


def wheel_of_torch(folder: Path, tag: str) -> str:
    version = (ROOT / "requirements" / "torch.in").read_text().strip().removeprefix("torch==")
    folder.mkdir()
    (folder / f"torch-{version}+cpu-{tag}-{tag}-linux_x86_64.whl").touch()
    return str(folder)


def test_torch_for_the_cpu_is_chosen_where_a_wheel_for_this_python_lies(study: Study, tmp_path: Path) -> None:
    here = wheel_of_torch(tmp_path / "here", f"cp{sys.version_info.major}{sys.version_info.minor}")
    other = wheel_of_torch(tmp_path / "other", "cp27")
    assert study.setup(PIP_FIND_LINKS=other) == ["bootstrap", "venv", CUDA]
    shutil.rmtree(study.root / ".venv")
    assert study.setup(PIP_FIND_LINKS=f"{other} {here}") == ["venv", CPU]


def test_torch_for_the_cpu_is_chosen_on_macos(study: Study) -> None:
    executable(study.tools / "uname", "#!/bin/sh\necho Darwin\n")
    assert study.setup() == ["bootstrap", "venv", CPU]


def test_the_chosen_torch_stays_until_another_is_asked_for(study: Study) -> None:
    assert study.setup(TORCH="cpu") == ["bootstrap", "venv", CPU]
    assert study.setup() == []
    assert study.setup(TORCH="cuda") == ["venv", CUDA]
    assert study.setup() == []


def no_python(study: Study) -> Path:
    return study.tools / "nowhere"


def old_python(study: Study) -> Path:
    return python_of_version(study, "3.9.2")


def new_python(study: Study) -> Path:
    return python_of_version(study, "3.14.0")


def python_of_version(study: Study, version: str) -> Path:
    stated = f"import runpy, sys; sys.version_info = ({version.replace('.', ', ')}); "
    stated += "runpy.run_path('requirements/supported.py', run_name='__main__')"
    script = f'#!/bin/sh\ncase "$1" in *supported.py) set -- -c "{stated}" ;; esac\nexec "{sys.executable}" "$@"\n'
    return executable(study.tools / f"python-{version}", script)


def python_without_pip(study: Study) -> Path:
    return executable(study.tools / "bare", PYTHON.replace('"-m pip --version") ;;', '"-m pip --version") exit 1 ;;'))


@pytest.mark.parametrize(
    ("python", "message"),
    [
        (no_python, "there is no PYTHON: install Python 3.11, 3.12 or 3.13"),
        (old_python, "PYTHON will not do: Python 3.9.2 is too old, Python 3.11, 3.12 or 3.13 is needed: name one with"),
        (new_python, "PYTHON will not do: Python 3.14.0 is too new (the locked package immutables has no"),
        (python_without_pip, "PYTHON has no pip: install it"),
    ],
)
def test_a_python_that_will_not_do_gets_one_clear_error(
    study: Study, python: Callable[[Study], Path], message: str
) -> None:
    path = str(python(study))
    result = study.make("setup", PYTHON=path)
    assert result.returncode != 0
    error, made = result.stderr.splitlines()  # ours, then make's own
    assert error.startswith("error: " + message.replace("PYTHON", path, 1))
    assert made.startswith("make: ***")
    assert study.calls() == []


SUPPORTED = runpy.run_path(str(ROOT / "requirements/supported.py"))
LINUX = {"system": "Linux", "machine": "x86_64", "libc": ("glibc", "2.36"), "mac": ""}
LINUX |= {"kind": "CPython", "version": "3.12.1"}


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({}, ""),
        ({"machine": "aarch64", "version": "3.11.0"}, ""),
        ({"system": "Darwin", "machine": "arm64", "mac": "15.1", "version": "3.13.9"}, ""),
        ({"version": "3.10.9"}, "Python 3.10.9 is too old"),
        ({"version": "3.14.0"}, "Python 3.14.0 is too new"),
        ({"system": "Darwin", "machine": "x86_64", "mac": "14.0"}, "an Intel Mac has no wheels of locked packages"),
        ({"system": "Darwin", "machine": "arm64", "mac": "13.6"}, "macOS 13.6 has no wheels"),
        ({"libc": ("glibc", "2.17")}, "Linux with glibc 2.17 has no wheels"),
        ({"libc": ("", "")}, "Linux without glibc has no wheels"),
        ({"machine": "armv7l"}, "Linux on armv7l has no wheels"),
        ({"system": "Windows", "machine": "AMD64"}, "Windows on AMD64 has no wheels"),
        ({"kind": "PyPy"}, "PyPy has no wheels"),
    ],
)
def test_machines_without_wheels_are_refused_by_name(
    machine: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = LINUX | machine
    monkeypatch.setattr(sys, "version_info", tuple(map(int, stated["version"].split("."))))
    for name, value in (
        ("system", stated["system"]),
        ("machine", stated["machine"]),
        ("libc_ver", stated["libc"]),
        ("mac_ver", (stated["mac"], (), "")),
        ("python_implementation", stated["kind"]),
    ):
        monkeypatch.setattr(platform, name, lambda value=value: value)
    reason = SUPPORTED["reason"]()
    assert reason.startswith(message) if message else reason is None


def test_every_python_that_is_named_is_tested_against_the_locks() -> None:
    tested = {machine["python_version"] for machine in MACHINES}
    assert tested == set(re.findall(r"3\.\d+", SUPPORTED["NEEDED"].partition(" is needed")[0]))
    assert (SUPPORTED["OLDEST"], SUPPORTED["NEWEST"]) == ((3, 11), (3, 13))


def test_settings_of_pip_uv_and_python_for_other_projects_do_not_count(study: Study) -> None:
    refused = {
        "PIP_USER": "1",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_PREFIX": "/elsewhere",
        "PIP_TARGET": "/elsewhere",
        "PIP_CONSTRAINT": "other.txt",
        "UV_SYSTEM_PYTHON": "1",
        "UV_EXCLUDE_NEWER": "2020-01-01",
        "UV_NO_BINARY": "1",
        "PYTHONPATH": "/elsewhere",
        "PYTHONSAFEPATH": "1",
    }
    kept = {"PIP_INDEX_URL": "https://example.com/simple", "PIP_FIND_LINKS": "/wheels", "UV_HTTP_TIMEOUT": "9"}
    study.setup(**refused, **kept)
    *lines, words = (study.root / "settings-of-pip").read_text().splitlines()
    pip = dict(line.split("=", 1) for line in lines)
    assert {name: value for name, value in pip.items() if name in refused | kept} == {
        "PIP_FIND_LINKS": kept["PIP_FIND_LINKS"],
        "PIP_INDEX_URL": kept["PIP_INDEX_URL"],
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_USER": "0",
        "UV_HTTP_TIMEOUT": "9",
    }
    assert " --prefix= --root=/ --target .bootstrap " in words  # what pip's configuration files may say
    uv = dict(line.split("=", 1) for line in (study.root / "settings-of-uv").read_text().splitlines())
    assert not {*uv} & {*refused}
    assert uv["UV_DEFAULT_INDEX"] == kept["PIP_INDEX_URL"]
    assert study.make("status", **refused).returncode == 0
    stages = dict(line.split("=", 1) for line in (study.root / "settings-of-stages").read_text().splitlines())
    assert not {name for name in stages if name.startswith("PYTHON")} & {*refused}
    assert stages["PYTHONNOUSERSITE"] == "1"


@pytest.mark.parametrize("home", [{"HOME": "/proc"}, {"HOME": ""}, {"XDG_CACHE_HOME": "/proc/cache"}], ids=str)
def test_without_a_home_that_can_be_written_the_installer_caches_in_the_project(
    study: Study, home: dict[str, str]
) -> None:
    study.setup(**{"XDG_CACHE_HOME": "", **home})
    assert "UV_CACHE_DIR=.bootstrap/cache" in (study.root / "settings-of-uv").read_text().splitlines()


def test_status_fails_on_parameters_that_are_wrong(study: Study) -> None:
    study.setup()
    assert study.make("status").returncode == 0
    (study.root / "wrong").touch()
    result = study.make("status")
    assert result.returncode == 2
    assert result.stderr.startswith("error: params.yaml: wrong\n")


def test_line_ends_of_windows_reach_no_file(tmp_path: Path) -> None:
    """As a clone with core.autocrlf would make them: the shell cannot read a script that has them."""
    if shutil.which("git") is None:
        pytest.skip("no git here")

    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "core.autocrlf=true", *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--quiet")
    for name in (".gitattributes", "requirements/install.sh", "Makefile", "params.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "all")
    shutil.rmtree(tmp_path / "requirements")
    git("checkout", "--quiet", ".")
    assert (tmp_path / "requirements/install.sh").read_bytes() == (ROOT / "requirements/install.sh").read_bytes()


# What holds for each program of .venv: requirements/start.py.


C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture
def programs(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a line of Python in a project whose .venv has start.py and nothing else. Returns what it prints, as JSON."""
    root = tmp_path / "a project"
    venv.create(root / ".venv", symlinks=True, with_pip=False)
    (packages,) = (root / ".venv").glob("lib/python*/site-packages")
    shutil.copy(ROOT / "requirements/start.py", packages / "jsae_start.py")
    (packages / "jsae_start.pth").write_text("import jsae_start\n")

    def run(line: str, **environment: str) -> Any:
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        ended = subprocess.run(
            [str(root / ".venv/bin/python"), "-c", f"import json, os, sys; {line}"],
            cwd=root, env={"PATH": "/usr/bin:/bin", **kept, **environment}, capture_output=True, check=True,
        )  # fmt: skip
        assert ended.stderr == b""
        return json.loads(ended.stdout) if ended.stdout.startswith((b"{", b"[", b'"')) else ended.stdout

    return run


def test_programs_of_the_environment_start_its_own_python(programs: Callable[..., Any]) -> None:
    line = "import sys, json; print(json.dumps(sys.prefix))"
    line = f"import subprocess; subprocess.run('python -c \"{line}\"', shell=True)"
    assert Path(programs(line)).name == ".venv"
    assert Path(programs(line, PATH="")).name == ".venv"


def test_other_packages_do_not_get_in_front(programs: Callable[..., Any], tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "json").mkdir(parents=True)
    (other / "json/__init__.py").write_text("")
    (other / "sitecustomize.py").write_text("raise ImportError")
    own = tmp_path / "a project"
    line = "print(json.dumps([sys.path, os.environ.get('PYTHONPATH', '')]))"
    for added in (str(other), f"../other:{own}", f"{own}::{other}/"):
        path, passed_on = programs(line, PYTHONPATH=added)
        assert not [folder for folder in path if Path(folder) == other]
        assert passed_on in ("", str(own))
        assert (str(own) in path) == (str(own) in added)


@pytest.mark.parametrize("driver", ["osmesa", "egl", "none of them"])
def test_no_driver_is_loaded_for_environments_that_draw_nothing(programs: Callable[..., Any], driver: str) -> None:
    assert programs("print(json.dumps(os.environ.get('MUJOCO_GL', '')))", MUJOCO_GL=driver) == ""


def test_a_terminal_that_cannot_show_a_character_shows_a_question_mark(programs: Callable[..., Any]) -> None:
    shown = "print(chr(947), chr(233), flush=True)"
    line = f"{shown}; import subprocess; subprocess.run([sys.executable, '-c', '{shown}'])"
    assert programs(line, **C) == b"? ?\n? ?\n"
    assert programs(line, PYTHONIOENCODING="latin-1") == "? é\n? é\n".encode("latin-1")
    assert programs(line) == "γ é\nγ é\n".encode()


def test_programs_that_are_started_write_utf_8(programs: Callable[..., Any]) -> None:
    line = "import json; print(json.dumps(open(0).encoding))"
    line = f"import subprocess; subprocess.run([sys.executable, '-c', '{line}'])"
    assert programs(line, **C).lower() == "utf-8"


def test_without_a_home_that_can_be_written_caches_are_in_the_project(
    programs: Callable[..., Any], tmp_path: Path
) -> None:
    names = ("XDG_CACHE_HOME", "MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR")
    line = f"print(json.dumps([os.environ.get(name, '') for name in {names}]))"
    cache = tmp_path / "a project/.cache"
    for home in ({"HOME": "/proc"}, {"HOME": ""}, {"XDG_CACHE_HOME": "/proc/cache"}):
        assert programs(line, **home) == [str(cache), f"{cache}/matplotlib", f"{cache}/jupyter"]
    assert programs(line, HOME=str(tmp_path)) == ["", "", ""]


def test_an_unknown_kind_of_torch_gets_one_clear_error(study: Study) -> None:
    result = study.make("setup", "TORCH=gpu")
    assert result.stderr.splitlines()[0] == "error: TORCH=gpu is unknown: use TORCH=cpu, TORCH=cuda or TORCH=auto"
    assert result.returncode != 0


def test_the_library_is_put_where_python_finds_it(study: Study) -> None:
    """A path file whose line holds wherever the project lies, also in an environment from before there was one."""
    study.setup()
    packages = study.root / ".venv" / "lib" / "python3.13" / "site-packages"
    packages.mkdir(parents=True)
    assert study.setup() == []
    line = (packages / "jsae.pth").read_text().rstrip()
    assert (packages / line).resolve() == study.root.resolve()


def test_dvc_is_told_whether_there_is_git(study: Study) -> None:
    (study.root / ".git").rmdir()
    assert study.setup()[-1] == "dvc config --quiet --local core.no_scm true"
    assert study.setup() == []
    (study.root / ".git").mkdir()
    assert study.setup() == ["dvc config --local --unset core.no_scm"]
    assert study.setup() == []


def test_help_explains_every_target(study: Study) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE)) - {"environment"}
    explained = re.findall(r"^  ([a-z-]+) +\S", study.make().stdout, flags=re.MULTILINE)
    assert sorted(explained) == sorted(targets)
    phony = re.search(r"^\.PHONY: (.*)", makefile, flags=re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets | {"environment"}


STARTED = ["compiled", "snakemake --profile workflow/profiles/local --config graph={} --cores {}"]


def started(graph: str = "dvc.yaml", cores: str = "all") -> list[str]:
    return [line.format(graph, cores) for line in STARTED]


@pytest.mark.parametrize("scale", ["smoke", "preview", "paper"])
def test_a_scale_is_chosen_then_run_then_summed_up(study: Study, scale: str) -> None:
    study.setup()
    before = (study.root / "params.yaml").read_text()
    result = study.make(scale)
    assert result.returncode == 0, result.stderr
    assert study.calls()[-4:] == [f"tools.runs {scale} --panel ", *started(), "tools.summary"]
    assert (study.root / "params.yaml").read_text() == before


def test_one_panel_and_the_scale_chosen_before(study: Study) -> None:
    study.setup()
    assert study.make("reproduce", "PANEL=2c", "JOBS=1").returncode == 0
    assert study.calls()[-4:] == ["tools.runs --panel 2c", *started(cores="1"), "tools.summary"]


def test_the_search_runs_its_own_graph(study: Study) -> None:
    study.setup()
    assert study.make("search").returncode == 0
    assert study.calls()[-3:] == ["tools.runs --panel ", *started("search/graph.yaml")]


@pytest.mark.parametrize("name", ["SCALE", "PANEL", "JOBS", "PROFILE"])
def test_what_a_user_gives_is_no_word_of_the_shell(study: Study, name: str) -> None:
    study.setup()
    for value in ("$(touch here)", "x; touch here", "`touch here`", "x' ; touch here '", '" ; touch here "'):
        study.make("reproduce", f"{name}={value}")
        study.make("reproduce", **{name: value})
        assert not (study.root / "here").exists(), value


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1.5", ""])
def test_a_number_of_cores_that_is_none_is_refused_before_anything_runs(study: Study, jobs: str) -> None:
    study.setup()
    result = study.make("reproduce", f"JOBS={jobs}")
    assert result.returncode != 0
    assert f"error: JOBS={jobs}: give a number of cores, 1 or more, or all" in result.stderr
    assert not [call for call in study.calls() if call.startswith("snakemake")]
