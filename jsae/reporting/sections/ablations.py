"""What each part of JSAE is worth."""

from collections.abc import Iterator, Sequence

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
            "**Ablations** and the embeddings that the paper compares. A dot is a seed; the line is the {{usual}} "
            "interval of the mean (Student's t).",
        )
    else:
        yield document.note("No ablation has run in this study.")
    own = [record for record in study.differences if not record["first"][3]]
    if own:
        yield differences_table(
            study,
            own,
            "Ablations, controls and transfers minus the embedding that they vary, with "
            f"{study.confidence} intervals (Welch), not adjusted. The paper makes no claim on most of them, so there "
            "is no verdict.",
            "ablations-table",
        )
    lost = [tuple(row[name] for name in KEYS) for row in study.missing if row["embedding"] in beyond]
    if lost:
        cells = "; ".join(", ".join(wording.cell(looks, cell)) for cell in dict.fromkeys(lost))
        yield document.note(f"Without a run, or without all of its seeds: {cells}.")


def differences_table(study: Context, records: Sequence[Record], caption: str, name: str) -> document.Block:
    """A row for each pair of cells: the first, the second, and the differences of both measures.

    The reading of the first stands by its environment.
    """
    ends = ["At the end"] if study.judged else []  # short runs say nothing about final performance
    return document.table(
        ["Environment", "Agent", "Embedding", "Minus", "n", *ends, "Over all epochs"],
        [
            (
                *wording.cell(study.looks, record["first"]),
                other(study, record),
                wording.seeds(record),
                *(wording.effect(record | record["end"]) for _ in ends),
                wording.effect(record | record["speed"]),
            )
            for record in records
        ],
        f"{caption} {wording.NORMALIZED}",
        numbers=["n"],
        name=name,
    )


def other(study: Context, record: Record) -> str:
    """The second cell of a pair, by what differs from the first."""
    same = record["first"][2] == record["second"][2]
    return "the primary reading" if same else study.looks.embedding(record["second"][2])
