"""Write README's table of verdicts, and the panels of Figure 2 below it, from the study at the paper's scale.

inputs   published/claims.json and published/figures, or published/runs (`make publish`); README.md with the two marks
outputs  README.md, what stands between the marks; of a study that is not complete, the returns of the cells that are

No stage of the graph: `make readme` runs it after a study, and a test holds README.md to it. The preview is no evidence
and never stands there.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from jsae.analysis import claims, tables
from jsae.config import labels as names
from jsae.config.errors import JsaeError
from jsae.io.files import read_table, write_atomically
from jsae.reporting import document
from stages import _main, paths

README = Path("README.md")
BEGIN, END = "<!-- verdicts: begin -->", "<!-- verdicts: end -->"
NOT_RUN = """The study at the paper's scale has not been run yet, so there is no verdict on any claim. The
preview is a check that everything works, not evidence: its budgets are a fraction of the paper's."""
NOT_COMPLETE = """The study at the paper's scale is not complete yet, so there is no verdict on any claim. These cells
have finished; their mean returns in the last tenth of the epochs, over seeds:"""


def main(arguments: Sequence[str]) -> None:
    _main.parser(__doc__).parse_args(arguments)
    text = with_verdicts(README.read_text(), verdicts())
    with write_atomically(README) as temporary:
        temporary.write_text(text)


def verdicts() -> str:
    """What belongs between the marks."""
    path, runs = paths.PUBLISHED / paths.claims("paper").name, sorted((paths.PUBLISHED / "runs").rglob("*.parquet"))
    if path.exists():
        return f"{table(json.loads(path.read_text()))}\n\n{panels()}"
    return returns(tables.final(pl.concat(map(read_table, runs)), {})) if runs else NOT_RUN


def returns(final: pl.DataFrame) -> str:
    """The final returns of the cells in `final`, a table of `jsae.analysis.tables`, as Markdown."""
    lines = [NOT_COMPLETE, "", "| cell | seeds | mean | lowest | highest |", "|---|---|---|---|---|"]
    for words, runs in final.group_by("environment", "agent", "embedding", maintain_order=True):
        measured = runs["final_return"].to_numpy()
        numbers = (document.number(value) for value in (measured.mean(), measured.min(), measured.max()))
        lines.append("| " + " | ".join(["/".join(map(str, words)), str(len(runs)), *numbers]) + " |")
    return "\n".join(lines)


def panels() -> str:
    """The published panels of Figure 2 as HTML, two in a row; the one with a plot for each agent has its own."""
    width = {name: "98%" if environment == "recommender" else "48%" for name, environment in names.PANELS.items()}
    return "\n".join(
        f'<img src="{path}" width="{width[name]}" alt="Figure {name.removeprefix("figure_")}: '
        f'{names.environment(environment)}: learning curves">'
        for name, environment in names.PANELS.items()
        if (path := paths.PUBLISHED / "figures" / f"{name}.svg").exists()
    )


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """The records of claims.json as Markdown: the claim, what was measured, the verdict, and how to run it again."""
    book = claims.load(paths.CLAIMS)
    lines = [
        f"Effects with their {100 * (1 - 2 * book.level):g} % intervals, positive where the claim points: fraction of "
        "the way from",
        "the random to the best return, final return, or epochs saved until the other's final level. n: seeds of the",
        "two cells, or what was checked. A claim is contradicted where its effect is surely short of a margin "
        f"({book.margins['fraction']:g} of the",
        f"way, {book.margins['final_return']:g} of return, {book.margins['epochs']:g} of the epochs) or, of "
        "“comparable”, surely beyond it. Verdicts, unlike intervals, are",
        "adjusted for how many claims are judged together. The commands are for `scale: paper` in params.yaml and an "
        "active `.venv`;",
        "`--force` trains again what is up to date.",
        "",
    ]
    lines += ["| claim of the paper | figure | effect | n | verdict | run it again |", "|---|---|---|---|---|---|"]
    for record in records:
        effect, n = "", record["n"]
        if record["low"] is not None:
            effect = f"{document.interval(record)} {record['measure'].replace('_', ' ')}"
            n = " / ".join(map(str, n))
        elif record["effect"] is not None:
            whole = isinstance(record["effect"], int)
            effect = f"{record['measure']}: {record['effect'] if whole else document.number(record['effect'])}"
        more = "; ".join(said for said in (record["reason"], record["remark"]) if said)
        verdict = record["verdict"] + (f" ({more})" if more else "")
        cells = (record["aspect"], record["figure"], effect, "" if n is None else n, verdict, f"`{command(record)}`")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def command(record: Mapping[str, Any]) -> str:
    """What computes every cell of a claim's panel, or the check of a fact, at the scale of params.yaml."""
    if not record["first"]:
        return "dvc repro --glob 'theory@*'"
    environment, agent, _ = record["first"]
    return f"dvc repro --glob 'train-*-{environment}-{agent}-*'"


def with_verdicts(text: str, between: str) -> str:
    """`text` with `between` between the marks. Raises JsaeError where they do not stand once each, in order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise JsaeError(f"README.md needs one {BEGIN} and, below it, one {END}")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{between}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    _main.run(main)
