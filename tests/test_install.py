"""The wheel in an environment that has nothing but what the wheel asks for.

That environment is made from the packages that are installed here, without the network: the wheel's declared
dependencies, theirs, and so on. An import of anything else fails in it, as it would on a user's machine.
"""

import functools
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import jsae

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow

FIRST_STEPS = """
import sys, warnings
from pathlib import Path
import gymnasium, numpy as np
import jsae
from jsae.nn import compiled
from jsae.training.trainer import Settings, Trainer
from jsae.experience.environment import build
from jsae.environments.gymnasium_api import SLOT_MACHINE

assert Path(jsae.__file__).is_relative_to(sys.prefix), jsae.__file__
embedding = jsae.fit("CartPole-v1", samples=500, epochs=2)
embedding.save("x.safetensors")
env = jsae.EmbeddedEnv(gymnasium.make("CartPole-v1"), jsae.load("x.safetensors"))
x, _ = env.reset(seed=0)
assert env.observation_space.contains(x)
env.step(np.zeros(2, dtype=np.float32))

slot_machine = jsae.fit("jsae/SlotMachine-v0", samples=5000, state_size=4, action_size=2, epochs=1)
settings = Settings(
    num_envs=5, hidden_sizes=[8], initial_standard_deviations=[0.6], actor_learning_rates=[1e-3],
    critic_learning_rates=[1e-3], reward_scale=1.0, continual=None,
    agent_parameters={"discount": 0.99, "gae_lambda": 0.97, "train_pi_iters": 1, "train_v_iters": 5, "target_kl": 1.0},
)
trainer = Trainer(build("slot_machine", SLOT_MACHINE), slot_machine.model, "vpg", [0], settings)
trainer.run_epoch()
trainer.run_epoch()
assert trainer.history()["mean_return"].isfinite().all()
try:
    jsae.plot_embedding(embedding)
except jsae.JsaeError as error:
    print(error)
print(compiled.kind())
"""


def closure(names: list[str]) -> dict[str, metadata.Distribution]:
    """Installed distributions that these need, and those that they need, by name."""
    found: dict[str, metadata.Distribution] = {}
    todo = [Requirement(name) for name in names]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        found[name] = metadata.distribution(name)
        for text in found[name].requires or []:
            further = Requirement(text)
            if further.marker is None or any(further.marker.evaluate({"extra": e}) for e in ("", *requirement.extras)):
                todo.append(further)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without the network, from a copy that has no git and stands in a folder with a space."""
    source = tmp_path_factory.mktemp("source") / "a copy"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "jsae", source / "jsae", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    build = ["wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-w", "dist", "."]
    pip(sys.executable, *build, folder=source)
    [built] = (source / "dist").glob("*.whl")
    return built


def pip(python: str | Path, *words: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", *words]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=without("PYTHONPATH", "PIP_"))
    assert result.returncode == 0, result.stderr


def without(*prefixes: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith((*prefixes, "JSAE_"))}


@pytest.fixture
def empty(wheel: Path, tmp_path: Path) -> "Installed":
    return Installed(wheel, tmp_path)


class Installed:
    """An environment with the wheel, and links to the packages that it needs."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
        self.python = folder / "env" / "bin" / "python"
        [self.packages] = (folder / "env" / "lib").glob("python*/site-packages")
        with zipfile.ZipFile(wheel) as files:
            [text] = [files.read(name).decode() for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        required = [line.removeprefix("Requires-Dist: ") for line in text.splitlines() if line.startswith("Requires-")]
        self.link([name for name in required if "extra ==" not in name and not name.startswith("Requires-Python")])
        # pip, which gets nothing from an index, finds each requirement satisfied by what is linked.
        pip(self.python, "install", "--quiet", "--no-index", str(wheel), folder=folder)

    def link(self, names: list[str]) -> None:
        """Link these packages and what they need."""
        for distribution in closure(names).values():
            for top in {path.parts[0] for path in distribution.files or []} - {"..", "__pycache__"}:
                place = self.packages / top
                if not place.exists():
                    place.symlink_to(distribution.locate_file(top).resolve())

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), "-c", code], cwd=self.folder, capture_output=True, text=True, env=without("PYTHONPATH")
        )


def test_the_wheel_has_the_library_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
    assert {name.split("/")[0] for name in names} == {"jsae", f"jsae-{jsae.__version__}.dist-info"}
    assert {"jsae/py.typed", "jsae/nn/kernels.cpp", "jsae/library/fitting.py"} <= set(names)
    assert not [name for name in names if name.endswith(".so")]


def test_what_the_wheel_asks_for_is_enough_to_learn_and_to_train(empty: Installed) -> None:
    """No compiler, no plots: the plain path, and an error that names the extra."""
    result = empty.run(FIRST_STEPS)
    assert result.returncode == 0, result.stderr
    plots, kind = result.stdout.splitlines()
    assert plots == "plots need matplotlib, which is not installed: pip install 'jsae[plots]'"
    assert kind == "plain"
    for heavy in ("mujoco", "scipy", "pandas", "matplotlib", "dvc", "snakemake", "pyarrow"):
        assert empty.run(f"import {heavy}").returncode != 0


def test_the_extras_bring_kernels_and_plots(empty: Installed) -> None:
    empty.link(["ziglang", "matplotlib", "seaborn", "scipy", "pandas"])
    code = "import matplotlib; matplotlib.use('Agg')\n" + FIRST_STEPS
    code += "print(jsae.plot_embedding(embedding).get_title())\n"
    code += "print(jsae.plot_curves({'epoch': [1], 'mean_return': [0.0]}).get_xlabel())"
    result = empty.run(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["compiled", "Actions embedded by JSAE", "Epoch"]
    assert list((empty.packages / "jsae" / "nn").glob("kernels-*.so"))


def test_a_read_only_installation_works_with_one_warning(empty: Installed, read_only: Callable[[Path], None]) -> None:
    empty.link(["ziglang"])
    read_only(empty.packages / "jsae")
    result = empty.run(FIRST_STEPS)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "plain"
    assert result.stderr.count("jsae runs without compiled kernels") == 1


@functools.cache
def site_packages() -> Path:
    return Path(metadata.distribution("numpy").locate_file("")).resolve()


def test_jsae_is_imported_from_any_folder_in_the_studys_environment(tmp_path: Path) -> None:
    """make setup wrote jsae.pth, whose line is a path from its own folder."""
    code = "import jsae; print(jsae.__file__)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=without("PYTHONPATH")
    )
    assert result.returncode == 0, result.stderr
    assert (site_packages() / "jsae.pth").read_text() == "../../../..\n"
    assert Path(result.stdout.strip()) == site_packages().parents[3] / "jsae" / "__init__.py"
