"""docs/your-own-environment.md, followed block by block in an empty folder."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jsae import api

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/your-own-environment.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- tested with: (.*?) -->\n)?```python\n(.*?)```", re.DOTALL)


def blocks() -> list[str]:
    """The page's Python, with the smaller numbers that the page marks."""
    found = []
    for smaller, code in BLOCK.findall(PAGE):
        for change in filter(None, smaller.split(", ")):
            before, after = change.split(" as ")
            assert code.count(before) >= 1, before
            code = code.replace(before, after)
        found.append(code)
    return found


def followed(folder: Path, parts: list[str]) -> str:
    """What these parts print, one after the other in one program."""
    given = {**os.environ, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    (folder / "main.py").write_text("\n".join(parts), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "main.py"], cwd=folder, env=given, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_page_is_followed_to_the_letter(tmp_path: Path) -> None:
    environment, *rest = blocks()
    (tmp_path / "tickets.py").write_text(environment, encoding="utf-8")
    if importlib.util.find_spec("stable_baselines3") is None:
        rest = [code for code in rest if "stable_baselines3" not in code]
    rest += [
        "assert curves['epoch'].max() == 2 and curves['embedding'].unique().sort().to_list() == ['jsae', 'none']\n"
    ]
    printed = followed(tmp_path, rest)
    assert printed.startswith(
        "StateActionEmbedding(kind='jsae', MultiDiscrete([10 10 10]) to Box[8], Discrete(1000) to"
    )
    assert {"people.png", "curves.png", "tickets.safetensors"} <= {file.name for file in tmp_path.iterdir()}


def test_the_page_and_the_example_have_the_same_environment() -> None:
    text = (ROOT / "examples/ticket_routing.py").read_text(encoding="utf-8")
    [code] = re.findall(r"^class TicketDesk.*?(?=\n\n\ngymnasium\.register)", text, re.DOTALL | re.MULTILINE)
    assert code in blocks()[0]


def test_the_page_names_what_is_there() -> None:
    for name in set(re.findall(r"\bjsae\.([A-Za-z]\w*)", PAGE)):
        assert hasattr(api, name), name
    for file in re.findall(r"`((?:examples|tests|report)/[\w/.]+)`", PAGE):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("word", ["compiled", "plots"])
def test_the_page_installs_extras_that_exist(word: str) -> None:
    assert re.search(rf"^{word} = ", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
