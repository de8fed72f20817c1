"""300 mutations of params.yaml: each is refused in lines that name a key, before anything is written, or is accepted.

Those that are accepted go through the stage settings; `python -m benchmarks.mutations --all` runs their whole study.
"""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from benchmarks import mutations
from jsae.config.yaml import read_yaml
from jsae.io.code import CodeFiles
from tests import made_parameters

ROOT = Path(__file__).resolve().parent.parent
OWN = read_yaml(ROOT / "params.yaml")
SMALL = YAML(typ="safe").load(made_parameters.TEXT)
"""Has every kind of section too, and is read in a third of the time."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CodeFiles]:
    folder = tmp_path_factory.mktemp("copy")
    mutations.copied(ROOT, folder)
    return folder, CodeFiles()


@pytest.mark.parametrize(
    ("content", "numbers"),
    [(OWN, range(40)), (SMALL, range(40, 170)), (SMALL, range(170, 300))],
    ids=["own-0", "small-40", "small-170"],
)
def test_a_mutation_is_refused_by_key_or_runs(
    content: dict[str, Any], numbers: range, copy: tuple[Path, CodeFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, code = copy
    monkeypatch.chdir(folder)
    wrong, accepted = [], 0
    for number in numbers:
        case = mutations.mutation(number, content)
        try:
            accepted += not mutations.tried(case, code)
        except mutations.Wrong as error:
            wrong.append(f"{number} {'.'.join(map(str, case.place))}, {case.change}: {error}")
    assert not wrong, "\n".join(wrong)
    assert 0 < accepted < len(numbers)


def test_a_mutation_changes_one_place_and_is_always_the_same() -> None:
    assert mutations.mutation(5, SMALL) == mutations.mutation(5, SMALL)
    doubled = mutations.written({"a": {"b": 1.5, "c": [float("inf")]}, 3: None}, ("a", "b"))
    assert doubled == '{"a": {"b": 1,\n"b": 1.500000e+00,\n"c": [.inf]},\n3: null}'
