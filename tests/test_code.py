"""Digests of code change with what it does and with nothing else; the files of a program are those that it imports."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from jsae.config.errors import JsaeError
from jsae.io.code import CodeFiles, digest, without_comments

ROOT = Path(__file__).resolve().parent.parent
PYTHON = '''"""What it is."""
from jsae.config.doc import Doc
from jsae.config.errors import JsaeError

def half(x: float, *, more: Annotated[int, Doc("meaning", "source")] = 1) -> float:
    """Half of x."""
    if x < 0:
        raise JsaeError(f"{x} is below 0")
    return x / 2 + more
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def digest_of(text: str, name: str = "x.py") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return digest(Path(name))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\ndef half", "\n# how\ndef half"),
        ("/ 2 + more", "/ 2 + more  # of it"),
        ("Half of x.", "One half of x."),
        ('    """Half of x."""\n', ""),
        ('"""What it is."""', '"""What else it is."""'),
        ("return x / 2 + more", "return (\n        x / 2\n        + more\n    )"),
        ("\ndef half", "\n\n\n\ndef half"),
        ("{x} is below 0", "{x} is negative"),
        ('f"{x} is below 0"', '"below 0" + str(x)'),
        ('"meaning", "source"', '"another meaning", "A.4.2"'),
        ("    return", '    "a bare string"\n    return'),
        ("\ndef half", '\n__version__ = "1.0"\n__all__: list[str] = ["half"]\ndef half'),
    ],
)
def test_words_and_formatting_do_not_count(folder: Path, before: str, after: str) -> None:
    assert before in PYTHON
    assert digest_of(PYTHON.replace(before, after)) == digest_of(PYTHON)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/ 2", "/ 3"),
        ("/ 2", "/ 2.0"),
        ("/ 2", "* 2"),
        ("more\n", "more - x\n"),
        ("x < 0", "x <= 0"),
        ("def half", "def third"),
        ("raise JsaeError", "raise ValueError"),
        ("more: Ann", "other: Ann"),
        ("] = 1", "] = 2"),
        ("\ndef half", '\n_version = "1.0"\ndef half'),
        ("    if x < 0", "    assert x\n    if x < 0"),
        ("return x / 2 + more", "return str(x / 2 + more) + 'x'"),
    ],
)
def test_numbers_names_and_operators_count(folder: Path, before: str, after: str) -> None:
    assert before in PYTHON
    assert digest_of(PYTHON.replace(before, after)) != digest_of(PYTHON)


SAME = [
    ("int a; // one", "int a; // another"),
    ("int a; // one\nint b;", "int a;\nint b;"),
    ("int a; /* one\n two */ int b;", "int a; int b;"),
    ("int/* x */a;", "int a;"),
    ("a = b //* x */ c\n;", "a = b;"),
    ("int a; // one \\\n int hidden;\nint b;", "int a;\nint b;"),
    ("int a = 1'000; // one", "int a = 1'000; // another"),
    ("int a = 0xFF'FF; /* ' */ char c = 'x';", "int a = 0xFF'FF; char c = 'x';"),
    ("char c = '\"'; // one \"", "char c = '\"';"),
    ("char c = '\\''; // it's", "char c = '\\'';"),
    ('auto s = "\\"//"; // one', 'auto s = "\\"//";'),
    ('auto s = R"(a " // b)"; // one', 'auto s = R"(a " // b)";'),
    ('auto s = R"x(a)" // b)x"; // one', 'auto s = R"x(a)" // b)x";'),
    ("int  a\n=\n  1 ;", "int a = 1;"),
    ("f(a,b);", "f( a, b );"),
    ("#define A 1 // one\nint a;", "#define A 1\nint a;"),
]
"""Texts of C++ that do the same."""
OTHER = [
    ("int a = 1;", "int a = 2;"),
    ("int a = 1'000; int b = 2; int c = 3'0;", "int a = 1'000; int b = 4; int c = 3'0;"),
    ("int a = 1'000; f(); // '", "int a = 1'000; g(); // '"),
    ("int a = 1'000 + b; // it's\nint c = 1;", "int a = 1'000 + b; // it's\nint c = 2;"),
    ("auto a = 0x1p-3'0;", "auto a = 0x1p-3'1;"),
    ('auto s = "http://x"; int a;', 'auto s = "http://y"; int a;'),
    ('auto s = "/* x */";', 'auto s = "/* y */";'),
    ('auto s = "a // b"; f();', 'auto s = "a // b"; g();'),
    ("char c = '/'; a = b / c;", "char c = '/'; a = b / d;"),
    ("char c = '\"'; a(); char d = '\"';", "char c = '\"'; b(); char d = '\"';"),
    ("char c = '\\''; a(); // '", "char c = '\\''; b(); // '"),
    ("auto c = u8'\"'; a(); // \"", "auto c = u8'\"'; b(); // \""),
    ('auto s = R"(a " // b)"; f();', 'auto s = R"(a " // c)"; f();'),
    ('auto s = R"(a " // b)"; f();', 'auto s = R"(a " // b)"; g();'),
    ('auto s = R"x(a)" /* b)x"; f(); // */', 'auto s = R"x(a)" /* b)x"; g(); // */'),
    ('auto s = "a  b";', 'auto s = "a b";'),
    ("a = b + +c;", "a = b ++c;"),
    ("int a;", "inta;"),
    ("#define F (x)", "#define F(x)"),
    ("#define A 1\n+2;", "#define A 1 +2;"),
    ("int a; /* x */ f();", "int a; /* x */ g();"),
    ("int a; /* x */ f(); /* y */", "int a; /* x */ /* y */"),
]
"""Texts of C++ that do not."""


@pytest.mark.parametrize(("one", "two"), SAME)
def test_comments_and_spaces_of_cpp_do_not_count(folder: Path, one: str, two: str) -> None:
    assert digest_of(one, "x.cpp") == digest_of(two, "x.cpp")


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_code_of_cpp_counts(folder: Path, one: str, two: str) -> None:
    assert digest_of(one, "x.cpp") != digest_of(two, "x.cpp")


@pytest.mark.parametrize("path", sorted((ROOT / "jsae").rglob("*.cpp")), ids=lambda path: path.stem)
def test_every_line_of_the_projects_cpp_counts(path: Path) -> None:
    """A line without its comment, and not empty: what is added to it is in what is left of the file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    codes = [re.sub(r"//.*", "", line).rstrip() for line in lines]
    marked = [f"{code} q{number}q" if code else "" for number, code in enumerate(codes, 1)]
    left = without_comments("\n".join(marked))
    assert [number for number, code in enumerate(codes, 1) if code and f"q{number}q" not in left] == []


def program(files: dict[str, str]) -> set[str]:
    """The files that the module `main` of a program can run."""
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    return set(CodeFiles().of([Path("main.py")]))


def test_a_program_is_what_it_imports_packages_included_and_what_those_import(folder: Path) -> None:
    files = dict.fromkeys(("a/__init__.py", "a/b/__init__.py", "a/b/c.py", "a/d.py", "e.py", "f.py"), "")
    files |= {"main.py": "import os, a.b.c\n", "a/b/c.py": "from a.d import x\n", "a/d.py": "from e import y\nx = y\n"}
    files |= {"e.py": "y = 1\n", "f.py": "import main\n"}
    assert program(files) == {"main.py", "a/__init__.py", "a/b/__init__.py", "a/b/c.py", "a/d.py", "e.py"}


def test_imports_in_functions_count_and_those_for_type_checkers_do_not(folder: Path) -> None:
    main = """
from typing import TYPE_CHECKING
import typing
if TYPE_CHECKING:
    import never
else:
    import other
if typing.TYPE_CHECKING:
    import never
def f():
    if f:
        from in_function import x
    class A:
        import in_class
"""
    modules = ("never.py", "other.py", "in_function.py", "in_class.py")
    assert program({**dict.fromkeys(modules, ""), "main.py": main}) == {"main.py", *modules[1:]}


def test_a_module_named_as_an_attribute_counts_and_what_is_no_module_does_not(folder: Path) -> None:
    files = {
        "a/__init__.py": "",
        "a/b.py": "",
        "a/c.py": "",
        "main.py": "from a import b, missing\nfrom a.c import *\n",
    }
    assert program(files) == {"main.py", "a/__init__.py", "a/b.py", "a/c.py"}


def test_the_packages_of_a_module_that_is_loaded_by_name_count(folder: Path) -> None:
    program(dict.fromkeys(("main.py", "a/__init__.py", "a/b/__init__.py", "a/b/c.py", "a/b/d.py"), ""))
    (folder / "a/__init__.py").write_text("import e\n", encoding="utf-8")
    (folder / "e.py").write_text("", encoding="utf-8")
    assert set(CodeFiles().of([Path("a/b/c.py")])) == {"a/__init__.py", "a/b/__init__.py", "a/b/c.py", "e.py"}


def test_circles_end(folder: Path) -> None:
    assert program({"main.py": "import a\n", "a.py": "import main\n"}) == {"main.py", "a.py"}


def test_cpp_belongs_to_the_module_of_its_name_and_foreign_files_to_none(folder: Path) -> None:
    files = {"main.py": "import a.kernels\n", "a/__init__.py": "", "a/kernels.py": "", "a/kernels.cpp": "int a;\n"}
    expected = {"main.py", "a/__init__.py", "a/kernels.py", "a/kernels.cpp"}
    foreign = (".DS_Store", ".kernels.py.swp", ".nfs0001", "kernels.so", "kernels-abc.so", ".#kernels.py", "other.cpp")
    files |= {
        f"a/{name}": "no code \0" for name in (*foreign, ".ipynb_checkpoints/kernels.py", "__pycache__/kernels.py")
    }
    assert program(files) == expected
    before = CodeFiles().of([Path("main.py")])
    (folder / "a/.DS_Store").write_bytes(b"\xff")
    assert CodeFiles().of([Path("main.py")]) == before
    (folder / "a/kernels.cpp").write_text("int b;\n", encoding="utf-8")
    changed = CodeFiles().of([Path("main.py")])
    assert {name for name in before if changed[name] != before[name]} == {"a/kernels.cpp"}


def test_other_files_count_to_the_byte(folder: Path) -> None:
    (folder / "main.py").write_text("", encoding="utf-8")
    (folder / "a.lock").write_text("numpy==1 # one\n", encoding="utf-8")
    before = CodeFiles().of([Path("main.py")], [Path("a.lock")])
    assert list(before) == ["a.lock", "main.py"]
    (folder / "a.lock").write_text("numpy==1 # two\n", encoding="utf-8")
    assert CodeFiles().of([Path("main.py")], [Path("a.lock")]) != before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"def f(:\n", "main.py, line 1: "),
        (b"a = '\xff'\n", "main.py is not UTF-8"),
        (b"x = 1\nfrom . import b\n", "main.py, line 2: a relative import: write the module's whole name"),
        (b"from .b import c\n", "main.py, line 1: a relative import"),
        (b"x = 1\0", "main.py"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(folder: Path, content: bytes, message: str) -> None:
    (folder / "main.py").write_bytes(content)
    with pytest.raises(JsaeError, match=f"^{re.escape(message)}"):
        CodeFiles().of([Path("main.py")])


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(JsaeError, match=r"^main.py is missing: restore it from git"):
        CodeFiles().of([Path("main.py")])


def test_ruff_bans_relative_imports() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert lint["flake8-tidy-imports"]["ban-relative-imports"] == "all"
    assert "TID" in lint["select"]


def texts_without_encoding(path: Path) -> Iterator[str]:
    """Calls that read or write text in whatever encoding the locale has; ruff sees only some (PLW1514)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        method = isinstance(node.func, ast.Attribute)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        mode = given.get("mode") or next(iter(node.args[0 if method else 1 :]), None)
        binary = isinstance(mode, ast.Constant) and isinstance(mode.value, str) and "b" in mode.value
        opens = name == "open" and (not mode or isinstance(mode, ast.Constant)) and not binary
        decodes = name in ("run", "Popen", "check_output") and "text" in given
        if "encoding" not in given and (name in ("read_text", "write_text") or opens or decodes):
            yield f"{path.name}, line {node.lineno}: {ast.unparse(node)}"


def test_every_text_file_is_opened_with_its_encoding() -> None:
    folders = ("jsae", "stages", "tools", "workflow", "benchmarks")
    files = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    assert [call for path in files for call in texts_without_encoding(path)] == []
