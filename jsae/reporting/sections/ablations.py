"""What each part of JSAE is worth."""

from collections.abc import Iterator

from jsae.reporting import document, wording
from jsae.reporting.context import Context, Record
from jsae.training.columns import KEYS


def differences(study: Context) -> Iterator[document.Block]:
    """The ablations and controls that have a run, what sets them apart from what they vary, and which have none."""
    looks = study.looks
    beyond = [name for name, role in looks.roles.items() if role in ("ablation", "control")]
    ablated = study.primary.filter(study.primary["embedding"].is_in(beyond))["environment"].unique()
    if len(ablated):
        here = study.primary.filter(study.primary["environment"].is_in(ablated.implode()))
        yield document.figure(
            study.figure("figure_ablations"),
            "Final returns: "
            + "; ".join(
                f"{', '.join(wording.cell(looks, map(str, cell)))} {wording.level('final_return', seeds)}"
                for cell, seeds in here.group_by(KEYS, maintain_order=True)
            )
            + ".",
            "**Ablations**, controls and transfers, and the embeddings that the paper compares. A dot is a seed; the "
            "line is the {{usual}} interval of the mean (Student's t).",
        )
    else:
        yield document.note("No ablation has run in this study.")
    own = [record for record in study.differences if not record["first"][3]]
    if own:
        yield document.table(
            ["Environment", "Agent", "Embedding", "Minus", *measured(study)],
            [
                (
                    *wording.cell(looks, record["first"]),
                    looks.embedding(record["second"][2]),
                    *difference(study, record),
                )
                for record in own
            ],
            "Ablations, controls and transfers minus the embedding that they vary, with "
            f"{study.confidence} intervals (Welch), not adjusted. The paper makes no claim on most of them, so there "
            f"is no verdict. {wording.NORMALIZED}",
            numbers=["n"],
            name="ablations-table",
        )
    lost = [tuple(row[name] for name in KEYS) for row in study.missing if row["embedding"] in beyond]
    if lost:
        cells = "; ".join(", ".join(wording.cell(looks, cell)) for cell in dict.fromkeys(lost))
        yield document.note(f"Without a run, or without all of its seeds: {cells}.")


def measured(study: Context) -> list[str]:
    """Columns of what `difference` gives. Short runs say nothing about final performance."""
    return ["n", *["At the end"] * study.judged, "Over all epochs"]


def difference(study: Context, record: Record) -> tuple[object, ...]:
    """The seeds of a pair of cells, and its differences in each measure."""
    ends = (wording.effect(record | record["end"]),) * study.judged
    return wording.seeds(record), *ends, wording.effect(record | record["speed"])
