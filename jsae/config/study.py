"""Cells, runs and blocks of seeds: the words in which a study is written down."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Cell:
    """One curve of a figure: environment × agent × embedding, under a reading of the paper ("": the primary one)."""

    environment: str
    agent: str
    embedding: str
    reading: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.environment, self.agent, self.embedding, self.reading)))

    @property
    def primary(self) -> "Cell":
        """The same cell under the primary reading."""
        return Cell(self.environment, self.agent, self.embedding)


def named(name: str, reading: str) -> str:
    """A name under a reading, for files and stages; the primary reading adds nothing."""
    return f"{name}-{reading}" if reading else name


def seeds_of(block: str) -> list[int]:
    """The seeds of a block: "0-4" is 0, 1, 2, 3, 4. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,6})-(\d{1,6})", block)
    if not match or int(match[1]) > int(match[2]):
        raise ValueError(f"a block of seeds is written first-last, as 0-4, not {block!r}")
    return list(range(int(match[1]), int(match[2]) + 1))
