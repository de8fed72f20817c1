"""Which of the project's files a stage runs: the static import closure of its script and of the modules it names."""

import ast
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

NOT_INPUTS = {
    "jsae/__init__.py",  # registrations for Gymnasium
    "jsae/agents/__init__.py",  # docstrings
    "jsae/embeddings/__init__.py",
    "jsae/environments/__init__.py",
    "jsae/errors.py",  # what is said when something is wrong
    "jsae/files.py",  # how files are written, not what
    "jsae/parameters.py",  # checks params.yaml; its values are tracked one by one
    "jsae/provenance.py",  # written beside the results
    "stages/__init__.py",
    "stages/_environments.py",  # hands values of params.yaml on
    "stages/_main.py",
    "stages/paths.py",  # where files lie: in the outs and deps already
}
"""Files that a stage imports and that cannot change a result: editing one reruns nothing."""


def import_closure(scripts: Iterable[str], root: Path = ROOT) -> set[str]:
    """Paths relative to `root` of every project file that importing `scripts` runs, themselves included."""
    seen: set[Path] = set()
    todo = [root / script for script in scripts]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += [found for name in _imported(path, root) for found in _files_of(name, root)]
    return {path.relative_to(root).as_posix() for path in seen}


def _imported(path: Path, root: Path) -> Iterable[str]:
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*prefix, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _files_of(module: str, root: Path) -> Iterable[Path]:
    """The files that importing `module` runs: those of its packages too."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        base = root.joinpath(*parts[:length])
        yield from (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())
