"""Say which files each stage runs, with their digests: what a stage depends on besides its data and parameters.

inputs   the folders jsae and stages, locks of requirements and torch.in; params.yaml: which cells and modules there are
outputs  results/shared/code/STAGE.txt, or STAGE/NAMES.txt where names of params.yaml choose modules: a line a file

Every other stage depends on its file here. An edit makes this stage run, and after it those whose files changed:
editing jsae/reporting/plots.py draws figures anew and trains nothing.
"""

import ast
import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from jsae.config import parameters
from jsae.io.files import write_atomically
from stages import _main, paths

NOT_INPUTS = {
    "jsae/__init__.py",  # registrations for Gymnasium
    "jsae/agents/__init__.py",  # docstrings
    "jsae/embeddings/__init__.py",
    "jsae/environments/__init__.py",
    "jsae/config/errors.py",  # what is said when something is wrong
    "jsae/io/files.py",  # how files are written, not what
    "jsae/config/parameters.py",  # checks params.yaml; its values are tracked one by one
    "jsae/io/provenance.py",  # written beside the results
    "stages/_environments.py",  # hands values of params.yaml on
    "stages/_main.py",
    "stages/paths.py",  # where files lie: in the outs and deps already
}
"""Files that stages import and that cannot change a result: editing one reruns nothing."""
LOCKS = {
    **dict.fromkeys(
        ("settings", "download", "filter", "transitions", "bounds", "theory", "quality", "maps", "aggregate"), "compute"
    ),
    **dict.fromkeys(("figures", "report"), "study"),
}
"""Stages whose modules no name chooses, and the lock of the packages that they use."""
PACKAGES = {
    "compute": {"requirements/compute.lock", "requirements/torch.in"},  # torch is locked apart, but pinned there
    "study": {f"requirements/{name}" for name in ("compute.lock", "study.lock", "torch-cpu.lock", "torch.in")},
}
"""The files that say in which versions."""


def main(arguments: Sequence[str]) -> None:
    _main.parser(__doc__).parse_args(arguments)
    shutil.rmtree(paths.CODE, ignore_errors=True)
    imports: dict[Path, list[Path]] = {}
    for name, lock, scripts in stages(parameters.load(paths.PARAMETERS)):
        files = sorted((import_closure(scripts, known=imports) - NOT_INPUTS) | PACKAGES[lock])
        lines = [f"{hashlib.md5(Path(file).read_bytes()).hexdigest()}  {file}\n" for file in files]
        with write_atomically(paths.code(name)) as temporary:
            temporary.write_text("".join(lines))


def stages(settings: parameters.Parameters) -> Iterator[tuple[str, str, list[str]]]:
    """Each stage's name, with the names that choose its modules; its lock; the files that it starts from."""
    for name, lock in LOCKS.items():
        yield name, lock, [f"stages/{name}.py"]
    searched = set(settings.searched_cells())
    for environment, agent, embedding in settings.cells():
        world = f"jsae/environments/{settings.environments[environment].module}.py"
        learnt, learner = f"jsae/embeddings/{embedding}.py", f"jsae/agents/{agent}.py"
        yield f"collect/{environment}", "compute", ["stages/collect.py", world]
        yield f"pretrain/{environment}-{embedding}", "compute", ["stages/pretrain.py", world, learnt]
        yield f"train/{environment}-{agent}-{embedding}", "compute", ["stages/train.py", world, learner, learnt]
        if (environment, agent, embedding) in searched:
            yield f"search/{environment}-{agent}-{embedding}", "compute", ["stages/search.py", world, learner, learnt]


def import_closure(scripts: Iterable[str], known: dict[Path, list[Path]] | None = None) -> set[str]:
    """Paths of every project file that importing `scripts` runs, themselves included; and of what a module compiles:
    the file of its name that ends in cpp.

    known: what each file imports itself, where that has been found already; it grows.
    """
    known = {} if known is None else known
    seen: set[Path] = set()
    todo = [Path(script) for script in scripts]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            if path not in known:
                known[path] = [found for name in _imported(path) for found in _files_of(name)]
            todo += known[path]
    compiled = {path.with_suffix(".cpp") for path in seen}
    return {path.as_posix() for path in seen | {path for path in compiled if path.is_file()}}


def _imported(path: Path) -> Iterator[str]:
    package = path.with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*prefix, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _files_of(module: str) -> Iterator[Path]:
    """The files that importing `module` runs: those of its packages too."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        base = Path(*parts[:length])
        yield from (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())


if __name__ == "__main__":
    _main.run(main)
