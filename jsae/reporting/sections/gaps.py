"""What this study leaves out and does otherwise: untested claims, missing runs, deviations."""

from collections.abc import Iterator

from jsae.reporting import document, wording
from jsae.reporting.context import Context
from jsae.training.columns import KEYS

PANELS = ("2a", "2b", "2c", "2d", "2e", "2f")
"""The panels of the paper's Figure 2."""


def untested_claims(study: Context) -> Iterator[document.Block]:
    """Claims that the runs cannot judge, with the reason."""
    if not study.judged:
        yield document.empty(wording.SHORT)
        return
    untested = [one for one in (*study.verdicts, *study.readings) if one["verdict"] == "not tested"]
    if not untested:
        yield document.note("Every claim was tested.")
        return
    yield document.table(
        ["Reading", "Figure", "Claim", "Measure", "Why it is not tested"],
        [
            (one["reading"], one["figure"], one["aspect"], wording.MEASURES.get(one["measure"], ""), one["reason"])
            for one in untested
        ],
        "Claims of the paper that these runs cannot judge.",
    )


def missing_runs(study: Context) -> Iterator[document.Block]:
    """Blocks of seeds that have not run, and panels without a run."""
    if study.missing:
        yield document.table(
            ["Environment", "Agent", "Embedding", "Reading", "Seeds"],
            [(*(row[key] for key in KEYS), ", ".join(map(str, row["seeds"]))) for row in study.missing],
            "Blocks of seeds that this study plans and that have not run.",
        )
    else:
        yield document.note("Every cell that this study plans has run with every seed.")
    absent = [panel for panel in PANELS if panel not in study.panels]
    if absent:
        yield document.note(f"Panels of the paper's Figure 2 that have no run here: {', '.join(absent)}.")


def deviations(study: Context) -> Iterator[document.Block]:
    """Where the paper does not say, or where this study does something else: report/deviations.yaml."""
    yield document.table(
        ["Topic", "Paper", "This study", "Why", "Effect"],
        [
            (f"{row['topic']} ({row['section']})", row["paper"], row["ours"], row["why"], row["effect"])
            for row in study.deviations
        ],
        "Where the paper is silent, or where this study differs from it or from its own plan.",
        prose=["This study", "Effect"],
    )
