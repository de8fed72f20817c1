"""What is said when params.yaml is wrong: one sentence a mistake, with the key's path and the nearest valid name."""

import contextlib
import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from jsae.config.errors import JsaeError

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


def unknown(place: str, name: str, known: Collection[str]) -> str:
    """A sentence for a name that is none of the known ones."""
    listed = ", ".join(sorted(known))
    return f"{place}: there is no {name!r}" + (_hint(name, known) or f" (there are {listed})")


def _hint(name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    return f" (did you mean {near[0]}?)" if near else ""


def nearest(name: str, known: Collection[str]) -> list[str]:
    """The one of the known names that looks most like `name`, if any does."""
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)


def check(place: str, schema: type[BaseModel], content: Any) -> None:
    """Raise ValueError with one sentence unless `content` is what `schema` wants."""
    try:
        schema.model_validate(content)
    except ValidationError as error:
        raise ValueError("; ".join(f"{place}, {line}" for line in lines(schema, content, error))) from None


def validated(schema: type[Model], content: Any) -> Model:
    """`content` as a section. Raises ValueError with one sentence."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise ValueError("; ".join(lines(schema, content, error))) from None


@contextlib.contextmanager
def raised(place: str) -> Iterator[None]:
    """ValueError as a JsaeError that names `place`."""
    try:
        yield
    except ValueError as error:
        raise JsaeError(f"{place}: {error}") from None


def lines(schema: type[BaseModel], content: Any, error: ValidationError) -> list[str]:
    """The sentences, each once."""
    issues = error.errors()
    return list(
        dict.fromkeys(
            _sentence(schema, content, issue) for issue in issues if not _misspelt(schema, content, issue, issues)
        )
    )


def _misspelt(schema: type[BaseModel], content: Any, issue: Any, issues: Sequence[Any]) -> bool:
    """Whether a parameter is missing because another name of the same section was meant to be it."""
    if issue["type"] != "missing":
        return False
    place = issue["loc"]
    strangers = [other["loc"] for other in issues if other["type"] == "extra_forbidden"]
    return any(
        other[:-1] == place[:-1] and place[-1] in nearest(str(other[-1]), _known(schema, place[:-1]))
        for other in strangers
    )


def _sentence(schema: type[BaseModel], content: Any, issue: Any) -> str:
    place = issue["loc"]
    key = ".".join(map(str, place))
    match issue["type"]:
        case "extra_forbidden":
            return f"{key} is not a parameter{_hint(str(place[-1]), _known(schema, place[:-1]))}"
        case "missing":
            return f"{key} is missing: every parameter must be in the file"
        case "literal_error":
            allowed = issue["ctx"]["expected"]
            return f"{key} must be {allowed}" + _hint(str(issue["input"]), re.findall(r"'([^']*)'", allowed))
        case "value_error":
            return f"{key + ': ' if key else ''}{issue['ctx']['error']}"
        case _:
            return f"{key} = {issue['input']!r}: {issue['msg'][0].lower() + issue['msg'][1:]}"


def _known(schema: Any, place: Place) -> list[str]:
    """Names that the section at `place` may hold."""
    for step in place:
        fields: Mapping[str, Any] = getattr(schema, "model_fields", {})
        hint = fields[str(step)].annotation if str(step) in fields else schema
        found = [kind for kind in (hint, *get_args(hint)) if hasattr(kind, "model_fields")]
        nested = [kind for part in get_args(hint) for kind in get_args(part) if hasattr(kind, "model_fields")]
        schema = (found or nested or [None])[0]
    return list(getattr(schema, "model_fields", {}))
