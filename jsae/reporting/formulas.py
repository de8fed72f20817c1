"""The paper's formulas, written once in LaTeX: as MathML for pages and as typst for print.

The typst side knows the part of LaTeX that formulas of this field use and refuses the rest by name. Converters on PyPI
(tylax, tex2typst) set a command that they do not know as plain letters, without an error.
"""

import re
from collections import deque

import latex2mathml.converter

from jsae.config.errors import JsaeError

SYMBOLS = {
    **{name: name for name in ("alpha", "beta", "epsilon", "gamma", "lambda", "phi", "pi", "sigma", "tau", "theta")},
    **{name: name for name in ("exp", "ln", "log", "max", "min", "sum", "in", "partial", "prime", "times")},
    "cdot": "dot.op",
    "dots": "dots.h",
    "ge": "gt.eq",
    "infty": "infinity",
    "int": "integral",
    "le": "lt.eq",
    "mid": "bar.v",
    "neq": "eq.not",
    "sim": "tilde.op",
    "to": "arrow.r",
    "{": "brace.l",
    "}": "brace.r",
    ",": "thin",
}
"""Commands without arguments, and what typst calls them."""
FUNCTIONS = {"frac": ("frac", 2), "hat": ("hat", 1), "mathcal": ("cal", 1), "mathbb": ("bb", 1), "sqrt": ("sqrt", 1)}
"""Commands with arguments: what typst calls them, and how many they take."""
CHARACTERS = {"/": "\\/", "*": "ast.op", "|": "bar.v"}
"""Characters that mean something else to typst."""
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_]|\d+(?:\.\d+)?|\S")


def numbered(latex: str) -> tuple[str, str]:
    """A displayed formula without its \\tag{…}, and the number that the tag gives it, or ""."""
    number = re.search(r"\\tag\{(.*?)\}", latex)
    return (latex.replace(number[0], "").strip(), number[1]) if number else (latex.strip(), "")


def mathml(latex: str, display: bool = False) -> str:
    """A formula as MathML."""
    return latex2mathml.converter.convert(latex, display="block" if display else "inline")


def typst(latex: str) -> str:
    """A formula in typst's notation. Raises JsaeError for a command that is not known and for unbalanced braces."""
    tokens = deque(_TOKEN.findall(latex))
    text = _sequence(tokens, latex)
    if tokens:
        raise JsaeError(f"the formula {latex} has a closing brace too many")
    return text


def _sequence(tokens: deque[str], latex: str) -> str:
    """Everything up to a closing brace that is not ours, taken from `tokens`."""
    parts = [""]
    while tokens and tokens[0] != "}":
        if tokens[0] in "^_":
            parts[-1] += f"{tokens.popleft()}({_atom(tokens, latex)})"
        else:
            parts.append(_atom(tokens, latex))
    return " ".join(parts).strip()


def _atom(tokens: deque[str], latex: str) -> str:
    """One atom, taken from `tokens`: a group in braces, a command with what it takes, or a character."""
    if not tokens:
        raise JsaeError(f"the formula {latex} ends too early")
    token = tokens.popleft()
    name = token.removeprefix("\\")
    if token == "{":
        inside = _sequence(tokens, latex)
        if not tokens:
            raise JsaeError(f"the formula {latex} lacks a closing brace")
        tokens.popleft()
        return inside
    if name == token:
        return CHARACTERS.get(token, token)
    if name in SYMBOLS:
        return SYMBOLS[name]
    if name in FUNCTIONS:
        function, count = FUNCTIONS[name]
        return f"{function}({', '.join(_atom(tokens, latex) for _ in range(count))})"
    raise JsaeError(f"the formula {latex} has the command \\{name}, which jsae.reporting.formulas does not know")
