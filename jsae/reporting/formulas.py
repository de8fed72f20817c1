"""The paper's formulas, written once in LaTeX: as MathML for pages and as typst for print.

The typst side knows the part of LaTeX that the report uses and refuses the rest by name.
"""

import re

import latex2mathml.converter

from jsae.config.errors import JsaeError

SYMBOLS = {
    **{name: name for name in ("phi", "pi", "theta", "gamma", "lambda", "alpha", "beta", "sigma", "epsilon", "tau")},
    **{name: name for name in ("ln", "log", "exp", "max", "min", "sum", "in", "partial", "quad")},
    "arg": '"arg" thin',
    "ast": "ast.op",
    "cdot": "dot.op",
    "dots": "dots.h",
    "forall": "forall",
    "ge": "gt.eq",
    "infty": "infinity",
    "int": "integral",
    "le": "lt.eq",
    "lVert": "bar.v.double",
    "mapsto": "arrow.r.bar",
    "mid": "bar.v",
    "neq": "eq.not",
    "prime": "prime",
    "rVert": "bar.v.double",
    "sim": "tilde.op",
    "times": "times",
    "to": "arrow.r",
    "{": "brace.l",
    "}": "brace.r",
    ",": "thin",
    ";": "med",
    "left": "",
    "right": "",
}
ONE_ARGUMENT = {
    "hat": "hat({})",
    "mathcal": "cal({})",
    "mathbb": "bb({})",
    "sqrt": "sqrt({})",
}
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_]|\d+(?:\.\d+)?|\s+|.")


def numbered(latex: str) -> tuple[str, str]:
    """A displayed formula without its \\tag{…}, and the number that the tag gives it, or ""."""
    number = re.search(r"\\tag\{(.*?)\}", latex)
    return (latex.replace(number[0], "").strip(), number[1]) if number else (latex.strip(), "")


def mathml(latex: str, display: bool = False) -> str:
    """A formula as MathML."""
    return latex2mathml.converter.convert(latex, display="block" if display else "inline")


def typst(latex: str) -> str:
    """A formula in typst's notation. Raises JsaeError for a command that is not known."""
    tokens = [token for token in _TOKEN.findall(latex) if not token.isspace()]
    text, rest = _sequence(tokens, latex)
    if rest:
        raise JsaeError(f"the formula {latex} has a closing brace too many")
    return text


def _sequence(tokens: list[str], latex: str) -> tuple[str, list[str]]:
    """Everything up to a closing brace that is not ours, and what follows from there."""
    parts: list[str] = []
    while tokens and tokens[0] != "}":
        if tokens[0] in "^_":
            mark = tokens[0]
            inside, tokens = _argument(tokens[1:], latex)
            parts.append(f"{parts.pop() if parts else ''}{mark}({inside})")
        else:
            text, tokens = _argument(tokens, latex)
            parts.append(text)
    return " ".join(part for part in parts if part), tokens


def _argument(tokens: list[str], latex: str) -> tuple[str, list[str]]:
    """One atom: a group in braces, a command with what it takes, or a character."""
    if not tokens:
        raise JsaeError(f"the formula {latex} ends too early")
    first, rest = tokens[0], tokens[1:]
    if first == "{":
        inside, rest = _sequence(rest, latex)
        if not rest:
            raise JsaeError(f"the formula {latex} lacks a closing brace")
        return inside, rest[1:]
    if not first.startswith("\\"):
        return {"/": "\\/", "*": "ast.op", "|": "bar.v"}.get(first, first), rest
    name = first[1:]
    if name in SYMBOLS:
        return SYMBOLS[name], rest
    if name in ONE_ARGUMENT:
        inside, rest = _argument(rest, latex)
        return ONE_ARGUMENT[name].format(inside), rest
    if name == "frac":
        above, rest = _argument(rest, latex)
        below, rest = _argument(rest, latex)
        return f"frac({above}, {below})", rest
    if name in ("text", "mathrm", "operatorname"):
        end = rest.index("}")
        return f'"{"".join(rest[1:end])}"', rest[end + 1 :]
    raise JsaeError(f"the formula {latex} has the command \\{name}, which jsae.reporting.formulas does not know")
