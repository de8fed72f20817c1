"""The data sets that the recommender systems draw from."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from jsae.reporting import document
from jsae.reporting.context import Context, Record
from jsae.reporting.document import number

MANY = {
    "purchases of product": "each of the most bought products",
    "purchases in": "each category",
    "purchases of brand": "each brand",
    "purchases at": "purchases in each hour of the day",
    "views at": "views in each hour of the day",
    "sessions with a purchase on day": "sessions with a purchase, each day",
}
"""How measures begin of which there are many, and the kind that they are shown as."""


def data_sets(study: Context) -> Iterator[document.Block]:
    """Each data set: what the filter left of it, its calibration, and how well its n-gram model predicts."""
    if not study.purchases:
        yield document.note("No environment of this study draws from a data set.")
    for source, purchases in study.purchases.items():
        yield document.prose(f"### The data set {source}")
        yield _rules(source, purchases)
        if purchases.get("calibration"):
            yield _calibration(purchases["calibration"])
        elif purchases.get("successive_purchases"):
            yield _successive(source, purchases["successive_purchases"])
        model = study.models[source]
        if "components" in model:
            yield _perplexity(source, model)
        else:
            yield document.note("The n-gram model has not been measured on users left out of its counts.")


def _rules(source: str, purchases: Record) -> document.Block:
    """What the filter left of a data set's purchases."""
    return document.table(
        ["Rule", "Rows", "Items", "Users"],
        [tuple(f"{v:,}" if isinstance(v, int) else v for v in rule.values()) for rule in purchases["rules"]],
        f"Purchases before and after each rule of the filter; the file of {source} has {purchases['rows']:,} rows.",
        numbers=["Rows", "Items", "Users"],
    )


def _calibration(calibration: Sequence[Record]) -> document.Block:
    """A synthetic log compared with what is published of the real one."""
    return document.table(
        ["Measure", "Published", "Synthetic", "Ratio"],
        calibration_rows(calibration),
        "The synthetic log and the published aggregates of the paper's data set (`data/calibration`). Counts are "
        "scaled to the size of the log. Where a row stands for several measures, it has the range of their ratios. "
        "Which item follows which is not published and is assumed.",
        numbers=["Published", "Synthetic", "Ratio"],
        name="calibration",
    )


def _successive(source: str, facts: Record) -> document.Block:
    """Figures on successive purchases of a log that was not made here."""
    return document.table(
        ["Measure", "Value"],
        [(name, known(value)) for name, value in facts.items()],
        f"Successive purchases of a user in {source}, before any rule of the filter.",
        numbers=["Value"],
        name=f"successive-{source}",
    )


def known(value: float | None, digits: int = 3) -> str:
    """A number, or that there was nothing to count."""
    return "not known" if value is None else number(value, digits)


def calibration_rows(calibration: Sequence[Record]) -> Iterator[tuple[str, str, str, str]]:
    """A row for each measure; of measures of which there are many of a kind, one row with the range of their ratios."""
    kinds: dict[str, list[Record]] = defaultdict(list)
    for row in calibration:
        measure = row["measure"]
        kind = next((kind for start, kind in MANY.items() if measure.startswith(f"{start} ")), measure)
        kinds[kind].append(row)
    for kind, rows in kinds.items():
        ratios = [row["ratio"] for row in rows if row["ratio"] is not None]
        if len(rows) > 1:
            yield f"{kind} ({len(rows)})", "", "", f"{number(min(ratios))} to {number(max(ratios))}"
        else:
            row = rows[0]
            yield kind, known(row["published"], 4), known(row["synthetic"], 4), known(row["ratio"])


def _perplexity(source: str, model: Record) -> document.Block:
    """How well the parts of a data set's n-gram model predict purchases that it has not seen."""
    return document.table(
        ["Model", "Skipping", "Similarity", "Perplexity", "Never seen"],
        [
            (
                row["component"],
                f"{row['skip_window']} ahead" if row["skip_window"] else "no",
                "yes" if row["similarity"] else "no",
                number(row["perplexity"]),
                f"{number(100 * row['never_seen'], 2)} %",
            )
            for row in model["components"]
        ],
        f"How well parts of the n-gram model predict {model['held_out_purchases']:,} purchases of "
        f"{model['held_out_users']:,} users of {source} that were left out of the counts; a uniform guess has a "
        f"perplexity of {model['items']:,}. Never seen: purchases that have probability zero by the counts alone.",
        numbers=["Perplexity", "Never seen"],
        name=f"perplexity-{source}",
    )
