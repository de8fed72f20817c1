"""The first page: what to know before any number is believed, and the verdicts counted."""

from collections.abc import Iterator

from jsae.reporting import document, wording
from jsae.reporting.context import Context, Record


def cautions(study: Context) -> Iterator[document.Block]:
    """What to know before any number is believed."""
    if study.scale == "smoke":
        yield document.note(
            "**Smoke test. Nothing here is a result.** Everything ran, nothing was learnt: each run was stopped after "
            "{{share}} of the paper's epochs. The numbers and curves below show only that every part works.",
            "warning",
        )
    if study.scale == "preview":
        yield document.note(
            "**Preview.** Each run was stopped after {{share}} of the paper's epochs. The curves below are the first "
            "part of those of Figure 2. They say nothing about final performance, so there is no verdict on what the "
            "paper found with its whole budget.",
            "warning",
        )
    shop = study.environments.get("recommender")
    if shop and shop["dynamics"]["bonus"]:
        yield document.note(
            "**Caution for Figure 2e:** our recommender adds {{environments.recommender.dynamics.bonus}} to the "
            "probability of the recommended item. The paper's text does not mention this. It is the form of the "
            "public re-implementation, and was chosen because without it no agent without embeddings learnt. The "
            "reading no-bonus leaves it out: see [other readings](#other-readings), where it has run, and the "
            "[deviations](#deviations-from-the-paper). The purchases are those of the data set "
            "{{environments.recommender.purchases}}; the paper's are those of kechinov."
        )
    if study.judged and any("nothing of learning" in claim["remark"] for claim in study.verdicts):
        yield document.note(
            "{{of_no_learning}} of the verdicts, all of them on speed, say nothing of learning: the baseline's level, "
            "which is to be reached, is one that random actions reach in a few epochs. The rule of these verdicts was "
            "fixed before the runs, so they stay; they are marked."
        )
    if study.missing:
        yield document.note(
            "**Missing.** {{missing_cells}} of the study's cells have no run yet, or not with all seeds; "
            "[they are listed below](#missing-runs).",
            "warning",
        )


def verdict_counts(study: Context) -> Iterator[document.Block]:
    """How many claims of each figure got each verdict; in a preview, who has learnt more so far; else nothing."""
    if study.scale == "preview":
        yield from so_far(study)
    if not study.judged:
        return
    columns = [verdict.capitalize() for verdict in wording.counted([])]
    rows = []
    for panel in dict.fromkeys(claim["figure"] for claim in study.verdicts):
        counts = wording.counted([claim for claim in study.verdicts if claim["figure"] == panel])
        rows.append((titled(study, panel) if panel else "Theory", *(count or "–" for count in counts.values())))
    caption = "Verdicts on the paper's claims, counted by figure."
    yield document.table(["What", *columns], rows, caption, numbers=columns, name="verdicts")


def so_far(study: Context) -> Iterator[document.Block]:
    """A row a comparison of Figure 2: the difference of the mean return over training, and which one is ahead."""
    looks = study.looks
    pairs: dict[tuple[str, ...], Record] = {}
    for claim in study.verdicts:
        if claim["figure"] and claim["over_training"]:
            pairs.setdefault((claim["figure"], *claim["first"], *claim["second"]), claim)
    if not pairs:
        yield document.note("No comparison of Figure 2 has two cells with at least two seeds in this study.")
        return
    yield document.table(
        ["Panel", "Comparison", "Difference", "n", "Ahead so far"],
        [
            (
                f"{titled(study, claim['figure'])} ({looks.agent(claim['first'][1])})",
                f"{looks.embedding(claim['first'][2])} minus {looks.embedding(claim['second'][2])}",
                wording.difference(claim["over_training"]),
                wording.seeds(claim),
                wording.ahead(looks, claim),
            )
            for claim in pairs.values()
        ],
        f"Who has learnt more so far: differences of the mean return over training with their {study.confidence} "
        "intervals (Welch). Normalized: random policy zero, optimal policy one; return: the optimum is not known.",
        numbers=["n"],
        name="so-far",
        wide=True,
    )


def titled(study: Context, panel: str) -> str:
    """A panel with its environment, where this study has it."""
    environment = study.looks.panels.get(panel)
    return f"Figure {panel}" + (f": {study.looks.environment(environment)}" if environment else "")
