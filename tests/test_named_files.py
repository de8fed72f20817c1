"""Files that comments and pages name, and what links point to, must be there, or be what a run writes."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(
    r"(?<![\w/.<{$-])((?:docs|jsae|stages|tools|workflow|report|search|requirements|benchmarks|tests|examples)"
    r"/(?:[\w-]+/)*[\w-]+\.(?:md|py|cpp|yaml|in|lock|sh|txt|typ|css|html\.j2|html))\b"
)
LINK = re.compile(r"\]\(([^)\s:]+)\)")
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


def tracked_files() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return set(listed.splitlines())


def test_files_that_are_named_are_there() -> None:
    tracked = tracked_files()
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


def broken(page: Path) -> list[str]:
    """Links of a Markdown page to files that are not there, or to headings that they do not have."""
    found = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, place = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (place and place not in headings(target)):
            found.append(f"{page.name}: {link}")
    return found


def headings(page: Path) -> set[str]:
    """The anchors of a Markdown page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_links_of_pages_lead_somewhere() -> None:
    pages = [ROOT / name for name in tracked_files() if name.endswith(".md")]
    assert len(pages) > 10
    assert [link for page in sorted(pages) for link in broken(page)] == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "x.md"
    page.write_text("# One: two\n[a](#one-two) [b](x.md#three) [c](y.md) [d](https://jsae.example)", encoding="utf-8")
    assert broken(page) == ["x.md: x.md#three", "x.md: y.md"]
