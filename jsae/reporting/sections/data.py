"""The stores that the recommender systems draw from."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from jsae.config import labels as names
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


def stores(study: Context) -> Iterator[document.Block]:
    """Each store: what the filter left of it, its calibration, and how well its n-gram model foretells."""
    for store, purchases in study.purchases.items():
        drawing = "; ".join(names.environment(name) for name, own in study.stores.items() if own == store)
        yield document.prose(f"### The store {store}")
        yield document.note(f"From it draw: {drawing}.")
        if not purchases:
            yield document.note("The summary of the purchases is missing: the stage filter has not run here.")
        else:
            yield _rules(store, purchases)
            if purchases.get("calibration"):
                yield _calibration(purchases["calibration"])
        model = study.models[store]
        if model and "components" in model:
            yield _perplexity(store, model)
        elif model:
            yield document.note("The n-gram model has not been measured on users left out of its counts.")


def _rules(store: str, purchases: Record) -> document.Block:
    """What the filter left of a store's purchases."""
    return document.table(
        ["Rule", "Rows", "Items", "Users"],
        [tuple(f"{v:,}" if isinstance(v, int) else v for v in rule.values()) for rule in purchases["rules"]],
        f"Purchases before and after each rule; the file of {store} has {purchases['rows']:,} rows.",
        numbers=["Rows", "Items", "Users"],
    )


def _calibration(calibration: Sequence[Record]) -> document.Block:
    """A synthetic log beside what is published of the real one."""
    return document.table(
        ["Measure", "Published", "Synthetic", "Ratio"],
        calibration_rows(calibration),
        "The synthetic log beside the published aggregates of the paper's store (`data/calibration`), counts brought "
        "to the size of the log; of what there are many, the range. Which item follows which is not published and is "
        "assumed.",
        numbers=["Published", "Synthetic", "Ratio"],
        name="calibration",
    )


def calibration_rows(calibration: Sequence[Record]) -> Iterator[tuple[str, str, str, str]]:
    """A row for each measure; of measures of which there are many of a kind, one row with the range of their ratios."""
    kinds: dict[str, list[Record]] = defaultdict(list)
    for row in calibration:
        measure = row["measure"]
        kind = next((kind for start, kind in MANY.items() if measure.startswith(f"{start} ")), measure)
        kinds[kind].append(row)
    for kind, rows in kinds.items():
        ratios = [row["ratio"] for row in rows]
        if len(rows) > 1:
            yield f"{kind} ({len(rows)})", "", "", f"{number(min(ratios))} to {number(max(ratios))}"
        else:
            yield kind, number(rows[0]["published"], 4), number(rows[0]["synthetic"], 4), number(ratios[0])


def _perplexity(store: str, model: Record) -> document.Block:
    """How well the parts of a store's n-gram model foretell purchases that it has not seen."""
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
        f"How well parts of the n-gram model foretell {model['held_out_purchases']:,} purchases of "
        f"{model['held_out_users']:,} users of {store} that were left out of the counts; a guess without any knowledge "
        f"has a perplexity of {model['items']:,}. Never seen: purchases to which the counts alone give no chance.",
        numbers=["Perplexity", "Never seen"],
        name=f"perplexity-{store}",
    )
