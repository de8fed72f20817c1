"""Panels of Figure 2 with their claims, and the environments that the paper does not have."""

from collections.abc import Iterator, Sequence

import polars as pl

from jsae.config import labels as names
from jsae.reporting import document, wording
from jsae.reporting.context import Context, Record


def panels(study: Context) -> Iterator[document.Block]:
    """Each panel of Figure 2 that has a run: the curves, the paper's sentences, and what the runs say about them."""
    for name in study.drawn:
        environment, panel = names.PANELS[name], name.removeprefix("figure_")
        epochs, full = study.epochs(environment)
        here = [claim for claim in study.verdicts if claim["figure"] == panel]
        yield document.prose(f"### Figure {panel}: {names.environment(environment)}")
        yield document.figure(
            study.figure(name),
            described(study, environment),
            f"**Figure {panel}.** {names.environment(environment)}, {epochs:,} of the paper's {full:,} epochs.",
            name=name.replace("_", "-"),
            wide=study.final.filter(pl.col("environment") == environment)["agent"].n_unique() > 1,
        )
        for sentence, section in dict.fromkeys((claim["sentence"], claim["section"]) for claim in here):
            yield document.note(f"*The paper (Section {section}):* “{sentence}”")
        tested = [claim for claim in here if claim["low"] is not None]
        if tested:
            yield claims_table(tested, f"What these runs say about the claims on Figure {panel}.")
        if len(tested) < len(here):
            yield document.note(
                f"{len(here) - len(tested)} of the {len(here)} claims on Figure {panel} are not tested; "
                "[the reasons are listed below](#claims-that-were-not-tested)."
            )


def variants(study: Context) -> Iterator[document.Block]:
    """Each environment of this study's own that has a run, with the paper's comparisons, and which have none."""
    for variant, own in names.VARIANTS.items():
        here = [record for record in study.variants if record["first"][0] == variant]
        if not here:
            continue
        tested = [record for record in here if record["low"] is not None]
        epochs, full = study.epochs(variant)
        yield document.prose(f"### {names.environment(variant)}")
        yield document.figure(
            study.figure(f"figure_variant_{variant}"),
            described(study, variant),
            f"**{names.environment(variant)}**, {epochs:,} of {full:,} epochs.",
            name=f"figure-{variant}",
            wide=True,
        )
        if tested:
            yield claims_table(tested, f"The paper's comparisons in the {names.environment(own).lower()}, made here.")
        if len(tested) < len(here):
            yield document.note(
                f"{len(here) - len(tested)} of its {len(here)} comparisons cannot be made with these runs."
            )
    listed = {environment for environment, _, _ in study.settings.cells()}
    without = [names.environment(name) for name in names.VARIANTS if name not in listed]
    if without:
        yield document.note(
            f"Not part of this study at the scale “{study.scale}”, as `study` in params.yaml lists no cell of them: "
            f"{'; '.join(without)}."
        )


def described(study: Context, environment: str) -> str:
    """What a panel shows, in words, for those who do not see it."""
    compared = names.TRANSFER if environment == names.PANELS["figure_2f"] else names.PAPER
    rows = study.final.filter((pl.col("environment") == environment) & pl.col("embedding").is_in(compared))
    said = [
        f"{names.agent(agent)} with {names.embedding(embedding)} ends at {wording.level('final_return', seeds)}"
        for (agent, embedding), seeds in rows.group_by("agent", "embedding", maintain_order=True)
    ]
    return f"Learning curves, {names.environment(environment)}: {'; '.join(said)}."


def claims_table(claims: Sequence[Record], caption: str) -> document.Block:
    """Claims with effects and verdicts; where a claim has one, with the difference over all epochs."""
    over = [[wording.difference(claim["over_epochs"])] if claim["over_epochs"] else [] for claim in claims]
    return document.table(
        ["Claim", "Effect", *(["Over all epochs"] if any(over) else []), "n", "Verdict"],
        [
            (claim["aspect"], wording.effect(claim), *extra, wording.seeds(claim), wording.verdict(claim))
            for claim, extra in zip(claims, over, strict=True)
        ],
        caption,
        prose=["Verdict"],
        numbers=["n"],
        wide=len(claims) > 3,
    )
