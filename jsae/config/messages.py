"""What is said when params.yaml is wrong: one sentence a mistake, with the key's path and the nearest valid name."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


def unknown(place: str, name: str, known: Collection[str]) -> str:
    """A sentence for a name that is none of the known ones."""
    listed = ", ".join(sorted(known))
    return f"{place}: there is no {_short(name)}" + (_hint(name, known) or f" (there are {listed})")


def _hint(name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    return f" (did you mean {near[0]}?)" if near else ""


def nearest(name: str, known: Collection[str]) -> list[str]:
    """The one of the known names that looks most like `name`, if any does."""
    return difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)


class Mistakes(ValueError):
    """Several mistakes, a sentence each, which starts with the key."""

    def __init__(self, sentences: Sequence[str]):
        super().__init__("; ".join(sentences))
        self.sentences = list(sentences)


def validated(schema: type[Model], content: Any, place: str = "") -> Model:
    """`content` as a section; place: its key, where that is not clear yet. Raises Mistakes."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise Mistakes([_under(place, sentence) for sentence in lines(schema, content, error)]) from None


def lines(schema: type[BaseModel], content: Any, error: ValidationError) -> list[str]:
    """The sentences, each once."""
    issues = error.errors()
    found = (_sentences(schema, issue) for issue in issues if not _misspelt(schema, issue, issues))
    return list(dict.fromkeys(sentence for sentences in found for sentence in sentences))


def _under(place: str, sentence: str) -> str:
    """A sentence with the whole path of its key; one about all of `place` starts with a space instead of a key."""
    return f"{place}{sentence if sentence.startswith(' ') else f'.{sentence}'}" if place else sentence


def _misspelt(schema: type[BaseModel], issue: Any, issues: Sequence[Any]) -> bool:
    """Whether a parameter is missing because another name of the same section was meant to be it."""
    if issue["type"] != "missing":
        return False
    place = issue["loc"]
    unexpected = [other["loc"] for other in issues if other["type"] == "extra_forbidden"]
    return any(
        other[:-1] == place[:-1] and place[-1] in nearest(str(other[-1]), _known(schema, place[:-1]))
        for other in unexpected
    )


def _sentences(schema: type[BaseModel], issue: Any) -> list[str]:
    """What one issue of pydantic's is called here."""
    named, place = issue["loc"][-1:] == ("[key]",), issue["loc"]
    key = ".".join(str(step) for step in place if step != "[key]")
    given = _short(issue["input"])
    match issue["type"]:
        case "extra_forbidden":
            return [f"{key} is not a parameter{_hint(str(place[-1]), _known(schema, place[:-1]))}"]
        case "missing":
            return [f"{key} is missing: every parameter must be in the file"]
        case "literal_error":
            allowed = issue["ctx"]["expected"]
            known = re.findall(r"'([^']*)'", allowed)
            if named:
                return [unknown(".".join(map(str, place[:-2])), str(issue["input"]), known)]
            return [f"{key} must be {allowed}{_hint(str(issue['input']), known)}"]
        case "value_error":
            error = issue["ctx"]["error"]
            if isinstance(error, Mistakes):
                return [_under(key, sentence) for sentence in error.sentences]
            return [f"{key}: {error}" if key else str(error)]
        case "model_type" | "dict_type":
            return [f"{key} must be a section of names and values, not {given}"]
        case "too_short":
            has = issue["ctx"]["actual_length"]
            return [f"{key} {f'has {has} values' if has else 'is empty'}: give at least {issue['ctx']['min_length']}"]
        case _:
            return [f"{key} = {given}: {issue['msg'][0].lower() + issue['msg'][1:]}"]


def _short(value: Any) -> str:
    """A value as a message shows it."""
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _known(schema: Any, place: Place) -> list[str]:
    """Names that the section at `place` may hold."""
    for step in place:
        fields: Mapping[str, Any] = getattr(schema, "model_fields", {})
        hint = fields[str(step)].annotation if str(step) in fields else schema
        found = [kind for kind in (hint, *get_args(hint)) if hasattr(kind, "model_fields")]
        nested = [kind for part in get_args(hint) for kind in get_args(part) if hasattr(kind, "model_fields")]
        schema = (found or nested or [None])[0]
    return list(getattr(schema, "model_fields", {}))
