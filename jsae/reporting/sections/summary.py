"""The first page: what to know before any number is believed, and the verdicts counted."""

from collections.abc import Iterator

from jsae.config import labels as names
from jsae.config.parameters import Recommender
from jsae.reporting import document, wording
from jsae.reporting.context import Context


def cautions(study: Context) -> Iterator[document.Block]:
    """What to know before any number is believed."""
    shop = study.settings.environments["recommender"]
    if isinstance(shop, Recommender) and shop.dynamics.bonus:
        yield document.note(
            "**Before Figure 2e is believed:** its recommender system adds {{environments.recommender.dynamics.bonus}} "
            "to the chance of an item that is recommended, which the paper's text does not. It is the form of the "
            "public re-implementation, and was chosen because without it no agent without embeddings learnt. VPG in "
            "the paper's text to the letter stands among the [variants](#variants-that-the-paper-does-not-have), what "
            "was tried in the [deviations](#deviations-from-the-paper). Its purchases are those of the store "
            "{{environments.recommender.store}}; the paper's are of the store kechinov."
        )
    if any("nothing of learning" in claim["remark"] for claim in study.verdicts):
        yield document.note(
            "{{of_no_learning}} of the verdicts, all of them on speed, say nothing of learning: the benchmark's level, "
            "which is to be reached, is one that chance reaches in a few epochs. The rule by which they are judged was "
            "fixed before, so they stand; they are marked."
        )
    if study.scale == "preview":
        yield document.note(
            "**Preview.** Each run was stopped after {{share}} of the paper's epochs. What stands here shows "
            "that the pipeline works. Its verdicts hold for this budget only; they neither support nor contradict "
            "what the paper found with the whole one.",
            "warning",
        )
    if study.missing:
        yield document.note(
            "**Missing.** {{missing_cells}} of the study's cells or cohorts have no run yet; "
            "[they are listed below](#missing-runs).",
            "warning",
        )


def verdict_counts(study: Context) -> Iterator[document.Block]:
    """A table with a row for each figure of the paper, and one for its theory: how many claims got each verdict."""
    columns = [verdict.capitalize() for verdict in wording.counted([])]
    rows = []
    for panel in dict.fromkeys(claim["figure"] for claim in study.verdicts):
        counts = wording.counted([claim for claim in study.verdicts if claim["figure"] == panel])
        title = f"Figure {panel}: {names.environment(names.PANELS[f'figure_{panel}'])}" if panel else "Theory"
        rows.append((title, *(count or "–" for count in counts.values())))
    caption = "Verdicts on the paper's claims, counted by figure."
    yield document.table(["What", *columns], rows, caption, numbers=columns, name="verdicts")
