"""Comments and pages name files of the project: each must be there, or be what a run writes."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(
    r"(?<![\w/.<{$-])((?:docs|jsae|stages|tools|workflow|report|search|requirements|benchmarks|tests|examples)"
    r"/(?:[\w-]+/)*[\w-]+\.(?:md|py|cpp|yaml|in|lock|sh|txt|typ|css|html))\b"
)
NOT_TRACKED = {
    "report/smoke/report.html",
    "report/preview/report.html",
    "report/SCALE/report.html",
    "stages/NAME.py",
    "tools/NAME.py",
    "jsae/KIND/NAME.py",
}
ELSEWHERE = ("tests/test_", "tests/made_", "docs/extending.md", "published/")
"""Tests make files up; docs/extending.md has the reader write them."""


def missing(tracked: set[str], page: str, text: str) -> list[str]:
    return [f"{page}: {name}" for name in NAMED.findall(text) if name not in tracked | NOT_TRACKED]


def test_files_that_are_named_are_there() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = set(listed.splitlines())
    pages = [
        name for name in tracked if not name.startswith(ELSEWHERE) and Path(name).suffix not in (".parquet", ".svg")
    ]
    assert len(pages) > 250
    named = []
    for page in sorted(pages):
        text = (ROOT / page).read_text(encoding="utf-8", errors="ignore")
        named += missing(tracked, page, text.split("\n## 0.1.0")[0])  # what was said of an old version stays
    assert named == []


def test_a_file_that_is_not_there_is_found() -> None:
    assert missing({"docs/running.md"}, "x", "see docs/cluster.md, docs/running.md") == ["x: docs/cluster.md"]
