"""An extension of griffe, which reads docstrings for the site: "a, b: text" documents the arguments a and b."""

import re
from typing import Any

from griffe import Extension

SEVERAL = re.compile(r"^( +)(\w+(?:, \w+)+): (.*\n(?:\1 +\S.*\n|\n(?=\1 ))*)", re.MULTILINE)
"""An entry of a section with several names, and the lines that go on with it."""


class Arguments(Extension):  # type: ignore[misc, unused-ignore]
    """Gives each name of an entry the entry's text."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Change the docstring of a function or class after griffe has found it."""
        if obj.docstring and "Args:\n" in obj.docstring.value:
            before, args, after = obj.docstring.value.partition("Args:\n")
            obj.docstring.value = before + args + SEVERAL.sub(self._each, after + "\n")

    @staticmethod
    def _each(entry: re.Match[str]) -> str:
        indent, names, text = entry.groups()
        return "".join(f"{indent}{name}: {text}" for name in names.split(", "))
