"""Set-up, a look at the study and its first stage, for real, on machines that are set up in other ways than ours.

Each case is a clone of the last commit in a folder of its own and takes about half a minute. Needs git and the package
index. Run by `make test-setup`; other tests leave it out. One case: PYTEST_ADDOPTS="-k pip-user" make test-setup.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif("JSAE_TEST_SETUP" not in os.environ, reason="run by make test-setup")
ROOT = Path(__file__).resolve().parents[2]
KEPT = ("HOME", "LANG", "TMPDIR", "PIP_CERT", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL",
        "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy")  # fmt: skip
"""Variables of this machine that each case has: how it reaches the package index."""
BROKEN = "raise ImportError('this is not the package that is locked')\n"
PIP_CONFIGURATION = "[global]\nrequire-virtualenv = true\n[install]\nuser = true\nprefix = /prefix\ntarget = /target\n"


@dataclass(frozen=True)
class Machine:
    """environment: "{0}" is a folder of the case. files: what is put there. study: also run the slot machine."""

    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    folder: str = "study"
    clone: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    git: bool = True
    read_only_home: bool = False
    study: bool = False


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
MACHINES = {
    "plain": Machine(),
    "pip-user": Machine({"PIP_USER": "1"}),
    "pip-require-virtualenv": Machine({"PIP_REQUIRE_VIRTUALENV": "1"}),
    "pip-prefix": Machine({"PIP_PREFIX": "{0}/prefix"}),
    "pip-target": Machine({"PIP_TARGET": "{0}/target"}),
    "pip-root": Machine({"PIP_ROOT": "{0}/root"}),
    "pip-configuration": Machine(
        {"XDG_CONFIG_HOME": "{0}/config"}, {"config/pip/pip.conf": PIP_CONFIGURATION}
    ),
    "uv-configuration": Machine(
        {"UV_SYSTEM_PYTHON": "1", "UV_EXCLUDE_NEWER": "2020-01-01", "UV_NO_BINARY": "1", "UV_OFFLINE": "0"}
    ),
    "autocrlf": Machine(clone=("-c", "core.autocrlf=true")),
    "no-git": Machine(git=False),
    "odd-name": Machine(folder="it's $HOME $(touch pwned) & [co]*?", study=True),
    "umask-077": Machine(prefix=("sh", "-c", 'umask 077; exec "$@"', "sh")),
    "nobody": Machine({"HOME": "{0}/home"}, prefix=NOBODY, study=True),
    "other-owner": Machine(prefix=()),
    "c-locale": Machine({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, study=True),
    "latin-1": Machine({"LC_ALL": "en_US.ISO-8859-1", "LOCPATH": "{0}/locales"}, study=True),
    "read-only-home": Machine(read_only_home=True, study=True),
    "no-home": Machine({"HOME": ""}, study=True),
    "other-packages": Machine(
        {"PYTHONPATH": "{0}/other", "PYTHONUSERBASE": "{0}/base", "PYTHONSAFEPATH": "1", "MUJOCO_GL": "osmesa"},
        {f"other/{name}/__init__.py": BROKEN for name in ("numpy", "polars", "pip", "dvc", "snakemake")}
        | {"other/usercustomize.py": BROKEN},
    ),
}  # fmt: skip


@pytest.fixture
def read_only_home(read_only: Callable[[Path], None], tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    read_only(home)
    return home


def laid_out(case: Machine, folder: Path) -> Path:
    """The project as it comes to this machine."""
    root = folder / case.folder
    if case.git:
        subprocess.run(["git", "clone", "--quiet", *case.clone, str(ROOT), str(root)], check=True)
    else:
        root.mkdir()
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "x"], cwd=root, input=archive, check=True)
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("name", MACHINES)
def test_the_study_is_set_up_and_starts(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    case = MACHINES[name]
    root = laid_out(case, tmp_path)
    path = {"PATH": os.pathsep.join([str(Path(sys.base_prefix) / "bin"), "/usr/bin", "/bin"])}
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= path | {key: value.format(tmp_path) for key, value in case.environment.items()}
    if case.read_only_home:
        environment["HOME"] = str(request.getfixturevalue("read_only_home"))
    if "LOCPATH" in case.environment:
        if shutil.which("localedef") is None:
            pytest.skip("localedef is needed to make a locale")
        (tmp_path / "locales").mkdir()
        made = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(tmp_path / "locales/en_US.ISO-8859-1")]
        if subprocess.run(made, capture_output=True, check=False).returncode:
            pytest.skip("localedef has no sources of locales here (Debian: apt install locales)")
    if case.prefix == NOBODY:
        if os.geteuid() or shutil.which("setpriv") is None:
            pytest.skip("becoming nobody needs root and setpriv")
        environment["PATH"] = "/usr/bin:/bin"
        for place in (tmp_path, *tmp_path.parents[:2]):
            place.chmod(0o755)
        (tmp_path / "home").mkdir()
        subprocess.run(["chown", "-R", "65534:65534", str(tmp_path)], check=True)
    if name == "other-owner":
        if os.geteuid():
            pytest.skip("giving files away needs root")
        subprocess.run(["chown", "-R", "65534:65534", str(root)], check=True)

    def said(*words: str) -> str:
        ended = subprocess.run([*case.prefix, *words], cwd=root, env=environment, capture_output=True, check=False)
        text = (ended.stdout + ended.stderr).decode("utf-8", "replace")
        assert ended.returncode == 0, f"{' '.join(words)}\n{text[-3000:]}"
        assert "Traceback" not in text, text
        return text

    assert "Ready: .venv holds the locked requirements" in said("make", "setup")
    assert "actor_learning_rate" in said("make", "params")
    assert "stages are fresh" in said("make", "status")
    assert "python -m stages.settings" in said(".venv/bin/dvc", "repro", "settings")  # without .venv/bin on PATH
    if case.study:
        assert "Report: " in said("make", "reproduce", "SCALE=smoke", "PANEL=2c", "JOBS=2")
        assert (root / "report/smoke/report.html").exists()
    assert not list(tmp_path.rglob("pwned"))
    if case.git:
        command = ["git", "-c", "safe.directory=*", "status", "--porcelain"]
        changed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout.decode().split("\n")
        assert set(changed) <= {"", " M workflow/runs.yaml", "?? dvc.lock"}
