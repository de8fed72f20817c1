"""The paper's claims as data: report/claims.yaml, and the comparisons that other readings make of it.

jsae.analysis.verdicts judges them.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jsae.config import messages
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.config.yaml import read_yaml

__all__ = ["Cause", "CellNames", "Claim", "Claims", "Measure", "Prediction", "Unit", "load", "under"]

Measure = Literal["end", "speed", "epochs"]
Unit = Literal["normalized", "return", "epochs"]
CellNames = Annotated[tuple[str, ...], Field(min_length=3, max_length=4)]
"""Environment, agent, embedding and, unless it is the primary one, reading."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Claim(_Strict):
    """A sentence of the paper that runs can support or contradict, by one measure. claims.yaml explains the fields."""

    id: str
    family: str
    section: str
    figure: str = ""
    sentence: str
    aspect: str
    kind: Literal["better", "comparable", "faster", "fact"]
    measure: Measure | None = None
    unit: Unit | None = None
    level: float | None = Field(default=None, gt=0, lt=1)
    first: CellNames | None = None
    second: CellNames | None = None
    under_readings: bool = True
    """Whether it is judged under other readings too."""
    reading: str = ""
    """The reading that sets this comparison apart from the paper's."""

    @property
    def cells(self) -> tuple[Cell, Cell]:
        """The two cells compared, the one that the sentence is about first."""
        if self.first is None or self.second is None:
            raise JsaeError(f"claim {self.id} compares no cells")
        return Cell(*self.first), Cell(*self.second)


class Prediction(_Strict):
    """What would be seen, if a cause is the true one."""

    aspect: str
    kind: Literal["better", "smaller", "fewer"]
    measure: Literal["end", "speed"] = "end"
    unit: Literal["normalized", "return"] = "normalized"
    cells: list[CellNames]

    @model_validator(mode="after")
    def _as_many_cells_as_the_kind_needs(self) -> "Prediction":
        needed = 4 if self.kind == "smaller" else 2
        if len(self.cells) != needed:
            raise ValueError(f"cells: the kind {self.kind} compares {needed}")
        return self


class Cause(_Strict):
    """What could explain a contradicted claim."""

    id: str
    cause: str
    planned: bool = True
    """Whether it stands in report/plan.md."""
    caveat: str = ""
    """What its predictions cannot show."""
    explains: list[str] = Field(min_length=1)
    """Ids of the claims whose verdict it could explain, as claims.json has them."""
    premise: tuple[CellNames, CellNames] | None = None
    """Two cells: if the first does not clearly end above the second, there is nothing to explain."""
    needs: Literal["all", "any"] = "all"
    """How many of its predictions come true if it is the cause."""
    predictions: list[Prediction] = Field(min_length=1)


class Claims(_Strict):
    """The whole of claims.yaml."""

    margins: dict[Literal["better", "comparable", "faster"], dict[Unit, Annotated[float, Field(gt=0)]]]
    level: float = Field(gt=0, lt=0.5)
    power: float = Field(gt=0.5, lt=1)
    window: int = Field(ge=1)
    success: dict[str, float]
    claims: list[Claim] = Field(min_length=1)
    causes: list[Cause] = []

    @model_validator(mode="before")
    @classmethod
    def _a_claim_for_each_measure(cls, content: Any) -> Any:
        if not isinstance(content, dict) or not isinstance(content.get("claims"), list):
            return content
        return {**content, "claims": [claim for line in content["claims"] for claim in _by_measure(line)]}

    def margin(self, claim: Claim) -> float:
        """The margin of a claim, in its unit; of epochs, their share."""
        return self.margins[claim.kind][claim.unit or "normalized"]  # type: ignore[index]


def _by_measure(line: Any) -> Iterable[Any]:
    """One claim for each measure of a line of claims.yaml."""
    if not isinstance(line, dict) or line.get("kind") == "fact":
        return [line]
    if line.get("kind") == "faster":
        return [{**line, "id": f"{line.get('id')}-faster", "measure": "epochs", "unit": "epochs"}]
    rest = {name: value for name, value in line.items() if name != "measures"}
    return [
        {"unit": "normalized", **rest, "id": f"{line.get('id')}-{measure}", "measure": measure}
        for measure in line.get("measures", [None])
    ]


def load(path: Path, known: Mapping[str, Sequence[str]] | None = None) -> Claims:
    """Read and check claims.yaml. Raises JsaeError with the place of what is wrong.

    known: names that its cells may have, by what they name (NAMED); None: they are not checked.
    """
    content = read_yaml(path)
    try:
        claims = Claims.model_validate(content)
    except ValidationError as error:
        issues = error.errors()
        misspelt = [one for one in issues if one["type"] == "extra_forbidden"]  # such a key is missing, too
        issue = (misspelt or issues)[0]
        raise JsaeError(f"{path}: {_place(content, issue['loc'])}: {issue['msg']}") from None
    if known is not None:
        _check_cells(path, claims, known)
    ids = [claim.id for claim in claims.claims]
    if len(set(ids)) < len(ids):
        raise JsaeError(f"{path}: a claim's id stands there twice: {sorted(n for n in ids if ids.count(n) > 1)[0]}")
    for claim in claims.claims:
        if claim.kind == "fact":
            continue
        if None in (claim.measure, claim.first, claim.second):
            raise JsaeError(f"{path}: claim {claim.id} needs measures, first and second")
        if claim.kind == "faster" and claim.level is None:
            raise JsaeError(f"{path}: claim {claim.id} needs a level")
        if (claim.unit or "") not in claims.margins.get(claim.kind, {}):
            raise JsaeError(f"{path}: margins.{claim.kind}.{claim.unit} is missing: claim {claim.id} needs it")
    for cause in claims.causes:
        unknown = [name for name in cause.explains if name not in ids]
        if unknown:
            raise JsaeError(f"{path}: cause {cause.id} explains {unknown[0]}, which is no claim: {', '.join(ids)}")
        for prediction in cause.predictions:
            environment = prediction.cells[0][0]
            if prediction.kind == "fewer" and environment not in claims.success:
                raise JsaeError(f"{path}: success.{environment} is missing: cause {cause.id} needs it")
            if prediction.kind != "fewer" and prediction.unit not in claims.margins.get("better", {}):
                raise JsaeError(f"{path}: margins.better.{prediction.unit} is missing: cause {cause.id} needs it")
    return claims


def _place(content: Any, place: tuple[int | str, ...]) -> str:
    """Where something is wrong; a claim is called by its id, since claims of several measures have one line."""
    words = list(map(str, place))
    if len(words) > 1 and words[0] == "claims" and isinstance(place[1], int):
        lines = [claim for line in content["claims"] for claim in _by_measure(line)]
        words[:2] = [f"claim {lines[place[1]].get('id', place[1])}" if isinstance(lines[place[1]], dict) else words[1]]
    return ".".join(words)


NAMED = ("environments", "agents", "embeddings", "readings")
"""What the words of a cell name, in their order."""


def _check_cells(path: Path, claims: Claims, known: Mapping[str, Sequence[str]]) -> None:
    """Raise JsaeError for a name that looks like one of params.yaml. One that is not there at all is not tested."""
    said = [(f"claim {one.id}", words) for one in claims.claims for words in (one.first, one.second) if words]
    said += [(f"cause {one.id}", words) for one in claims.causes for part in one.predictions for words in part.cells]
    said += [(f"cause {one.id}, premise", words) for one in claims.causes for words in one.premise or ()]
    said += [("success", (environment,)) for environment in claims.success]
    for place, words in said:
        for kind, name in zip(NAMED, words, strict=False):
            if name not in known[kind] and difflib.get_close_matches(name, known[kind], n=1, cutoff=0.8):
                raise JsaeError(f"{path}: {messages.unknown(place, name, known[kind])}")


def under(claims: Claims, reading: str, worlds: Mapping[Cell, str]) -> Claims:
    """The paper's comparisons under a reading: those of which the study plans a cell with it.

    A cell that the reading does not train is the primary one, if both are in the same environment.
    worlds: the name of the environment's file, for each planned cell, whether it has run or not.
    """
    found = []
    for claim in claims.claims:
        if claim.kind == "fact" or not claim.under_readings:
            continue
        ours = [Cell(cell.environment, cell.agent, cell.embedding, reading) for cell in claim.cells]
        cells = [cell if cell in worlds else cell.primary for cell in ours]
        places = {worlds.get(cell, "") for cell in cells}
        if any(cell.reading for cell in cells) and len(places) == 1 and "" not in places:
            found.append(_instead(claim, reading, cells))
    return claims.model_copy(update={"claims": found})


def _instead(claim: Claim, reading: str, cells: Iterable[Cell]) -> Claim:
    first, second = (tuple(vars(cell).values()) for cell in cells)
    changes = {"id": f"{claim.id}-{reading}", "first": first, "second": second, "reading": reading}
    return claim.model_copy(update=changes)
