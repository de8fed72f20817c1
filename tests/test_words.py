"""Prose uses plain words and the field's terms: tests/words.yaml lists those that it does not use."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORDS = yaml.safe_load((ROOT / "tests/words.yaml").read_text(encoding="utf-8"))
BANNED = re.compile("|".join(rf"\b(?:{pattern})\b" for pattern in WORDS), re.IGNORECASE)
FOLDERS = ("jsae", "stages", "tools", "workflow", "benchmarks", "examples", "docs", "report", "tests", "data")
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("*.yaml"),
    *(path for folder in FOLDERS for end in ("md", "yaml", "py") for path in (ROOT / folder).rglob(f"*.{end}")),
]
GENERATED = ("report/smoke", "report/preview", "report/paper", "data/raw", "data/processed")
NO_PROSE = re.compile(r"^[a-z]*([\"'])\w*\1$|`[^`\n]*`|\[[^\]\n]*\]")
"""A text of one word is a name; so is what stands in backticks; a shape stands in brackets."""
LISTS = ("tests/words.yaml", "tests/test_words.py")


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of prose with their numbers: all of a page; of code, comments and texts."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    texts = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in texts:
            yield from enumerate(NO_PROSE.sub("", token.string).splitlines(), token.start[0])


def found(path: Path) -> list[str]:
    name = path.relative_to(ROOT).as_posix()
    return [f"{name}, line {line}: {match[0]}" for line, text in prose(path) for match in BANNED.finditer(text)]


def test_prose_uses_none_of_the_banned_words() -> None:
    names = {path: path.relative_to(ROOT).as_posix() for path in PAGES}
    looked_at = [path for path, name in names.items() if name not in LISTS and not name.startswith(GENERATED)]
    assert len(looked_at) > 150
    assert [line for path in looked_at for line in found(path)] == []


@pytest.mark.parametrize("text", ['"""Kept beside it."""', "x = 1  # a cohort", 'f"but for {x}"', "Cohorts run."])
def test_a_banned_word_is_found_in_texts_and_comments(tmp_path: Path, text: str) -> None:
    path = tmp_path / ("x.md" if text.endswith("run.") else "x.py")
    path.write_text(text, encoding="utf-8")
    assert any(BANNED.search(line) for _, line in prose(path))


def test_names_in_code_are_no_prose(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("beside = 1\n", encoding="utf-8")
    assert list(prose(tmp_path / "x.py")) == []
