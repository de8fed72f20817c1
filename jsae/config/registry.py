"""Environments, embeddings and agents by name: the file jsae/KIND/NAME.py defines NAME.

| kind | file | class |
|---|---|---|
| environments | slot_machine.py | SlotMachine |
| embeddings | jsae.py | Embedding |
| agents | vpg.py | VPG |
"""

import difflib
import importlib
import re
from pathlib import Path
from typing import Any, Literal, get_args

from jsae.config.errors import JsaeError

Kind = Literal["environments", "embeddings", "agents"]
_ROOT = Path(__file__).parents[1]


def class_name(kind: Kind, name: str) -> str:
    """What the class in jsae/`kind`/`name`.py is called."""
    match kind:
        case "environments":
            return "".join(word.capitalize() for word in name.split("_"))
        case "embeddings":
            return "Embedding"
        case "agents":
            return name.upper()


def names(kind: Kind) -> list[str]:
    """Every name of a kind, sorted. Nothing is imported: a file counts if it defines the class.

    Files of editors and systems, as .#vpg.py and ._vpg.py, do not count.
    """
    files = (_ROOT / kind).glob("[a-z]*.py")
    return sorted(path.stem for path in files if _defines(path, class_name(kind, path.stem)))


def _defines(path: Path, name: str) -> bool:
    """Whether a file has the class, and not as a protocol."""
    return re.search(rf"^class {name}\b(?!\(Protocol)", path.read_text(encoding="utf-8"), re.MULTILINE) is not None


def load(kind: Kind, name: str) -> Any:
    """The class of jsae/`kind`/`name`.py. Raises JsaeError if there is no such file or class."""
    known = names(kind)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise JsaeError(f"there is no jsae/{kind}/{name}.py with a class {class_name(kind, name)} ({hint})")
    return getattr(importlib.import_module(f"jsae.{kind}.{name}"), class_name(kind, name))


def files(kind: Kind, name: str) -> Path:
    """The file that `load` imports, relative to the root of the project."""
    return Path("jsae") / kind / f"{name}.py"


KINDS: tuple[Kind, ...] = get_args(Kind)
