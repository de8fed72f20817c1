"""Which files a program runs, and digests of what they do.

Comments, docstrings, formatting, the words of error messages, what parameters are said to mean and names such as
__version__ do not count: they can be improved after a study without training anything again.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from jsae.config.doc import Doc
from jsae.config.errors import JsaeError


class CodeFiles:
    """The project's files as they are now, each read once. Paths are relative to the present folder, the root."""

    def __init__(self) -> None:
        self._imports: dict[Path, list[Path]] = {}
        self._digests: dict[Path, str] = {}

    def of(self, scripts: Iterable[Path], others: Iterable[Path] = ()) -> dict[str, str]:
        """Digests, by path, of every file that importing `scripts` can run, and of `others`.

        Imports inside functions count, and so do the packages of a module. A C++ file with the name of a module belongs
        to it.
        """
        seen: set[Path] = set()
        todo = [path for script in scripts for path in (script, *_packages_of(script))]
        while todo:
            path = todo.pop()
            if path not in seen:
                seen.add(path)
                todo += self._imported_by(path)
        compiled = {source for path in seen if (source := path.with_suffix(".cpp")).is_file()}
        return {path.as_posix(): self._digest(path) for path in sorted({*seen, *compiled, *others})}

    def _imported_by(self, path: Path) -> list[Path]:
        if path not in self._imports:
            self._imports[path] = [file for module in _imported(path) for file in _files_of(module)]
        return self._imports[path]

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = digest(path)
        return self._digests[path]


def _imported(path: Path) -> Iterator[str]:
    todo: list[ast.AST] = [_parsed(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            todo += node.orelse  # the rest never runs
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise JsaeError(f"{path}, line {node.lineno}: a relative import: write the module's whole name")
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files_of(module: str) -> Iterator[Path]:
    """The files that importing `module` runs: those of its packages too."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        base = Path(*parts[:length])
        yield from (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())


def _packages_of(path: Path) -> Iterator[Path]:
    yield from (file for folder in path.parents if (file := folder / "__init__.py").is_file())


def digest(path: Path) -> str:
    """32 hexadecimal digits that change with what a file does. Raises JsaeError if it is missing or no Python."""
    match path.suffix:
        case ".py":
            content = ast.dump(_Meaning().visit(_parsed(path)))
        case ".cpp":
            content = without_comments(_text(path))
        case _:
            content = _text(path)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


class _Meaning(ast.NodeTransformer):
    """Leaves out what changes no result: docstrings, bare strings, what an error says, what a parameter means, and
    __all__, __version__ and the like."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        if all(isinstance(target, ast.Name) and _is_about_the_module(target.id) for target in node.targets):
            return None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if isinstance(node.target, ast.Name) and _is_about_the_module(node.target.id):
            return None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in (JsaeError.__name__, Doc.__name__):
            return ast.Call(node.func, [], [])
        return self.generic_visit(node)


def _is_about_the_module(name: str) -> bool:
    return re.fullmatch(r"__\w+__", name) is not None


_TOKEN = re.compile(
    r"""
    (?P<comment>//(?:\\\r?\n|[^\n])*|/\*.*?(?:\*/|\Z))
    |(?P<space>(?:\s|\\\r?\n)+)
    |(?P<string>(?:u8|[uUL])?R"(?P<end>[^\s()\\]{0,16})\(.*?\)(?P=end)"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<word>\.?\d(?:'?\w|[eEpP][+-]|\.)*|\w+)
    |(?P<sign>.)
    """,
    re.DOTALL | re.VERBOSE,
)
"""C++ as tokens; a ' in a number, as 1'000, starts no character."""


def without_comments(source: str) -> str:
    """C++ without comments and without white space that means nothing.

    White space stays, as one space, between words and between signs, which it keeps apart, and next to strings; in a
    line of the preprocessor everywhere, with the line's end.
    """
    kept: list[str] = []
    before, gap, directive, fresh = "", False, False, True
    for token in _TOKEN.finditer(source):
        kind, text = str(token.lastgroup), token.group()
        if kind in ("comment", "space"):
            gap = True
            if "\n" in text.replace("\\\n", "").replace("\\\r\n", "") and not text.startswith("/*"):
                if directive:
                    kept.append("\n")
                    gap = False
                directive, fresh = False, True
            continue
        if fresh and text == "#":
            directive = True
            kept.append("\n")
        elif gap and (directive or kind == before or "string" in (kind, before)):
            kept.append(" ")
        kept.append(text)
        before, gap, fresh = kind, False, False
    return "".join(kept).strip()


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(_text(path))
    except SyntaxError as error:
        raise JsaeError(f"{path}, line {error.lineno}: {error.msg}") from None
    except ValueError as error:  # a null character, before Python 3.12
        raise JsaeError(f"{path}: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise JsaeError(f"{path} is missing: restore it from git") from None
    except UnicodeDecodeError as error:
        raise JsaeError(f"{path} is not UTF-8 ({error}): restore it from git") from None
