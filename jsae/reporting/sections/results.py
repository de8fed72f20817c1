"""Panels of Figure 2 with their claims, and the same comparisons under other readings of the paper."""

from collections.abc import Iterator, Sequence

from jsae.config.study import Cell
from jsae.reporting import document, wording
from jsae.reporting.context import Context, Record
from jsae.reporting.sections.ablations import differences_table
from jsae.training.columns import KEYS


def panels(study: Context) -> Iterator[document.Block]:
    """Each panel of Figure 2 that has a run: the curves, the paper's sentences, and what the runs say about them."""
    looks = study.looks
    if not study.drawn:
        yield document.note("No panel of Figure 2 has a run in this study.")
    for panel in study.drawn:
        environment = looks.panels[panel]
        epochs, full = looks.epochs(environment)
        here = [claim for claim in study.verdicts if claim["figure"] == panel]
        cells = looks.cells_of(panel)
        yield document.prose(f"### Figure {panel}: {looks.environment(environment)}")
        yield document.figure(
            study.figure(f"figure_{panel}"),
            described(study, cells),
            f"**Figure {panel}.** {looks.environment(environment)}, {epochs:,} of the paper's {full:,} epochs.",
            name=f"figure-{panel}",
            wide=len({cell.agent for cell in cells}) > 1,
        )
        for sentence, section in dict.fromkeys((claim["sentence"], claim["section"]) for claim in here):
            yield document.note(f"*The paper (Section {section}):* “{sentence}”")
        if study.judged:
            yield from judged(here, panel)


def how_judged(study: Context) -> Iterator[document.Block]:
    """How verdicts come about; nothing where none is given."""
    if not study.judged:
        return
    yield document.prose(
        "An effect is a difference of means with its {{confidence}} interval (Welch), in the unit of the measure: "
        "*normalized return*, the share of the way from the random to the optimal return; *final return* where no "
        "optimum is known; or *epochs* saved until the return first reaches what the second cell ends at. Measures "
        "and margins were fixed before the runs (rough prototypes with other settings had shown what to expect of "
        "three environments). The margins: {{margins}}.\n\n"
        "- **Supported**: the difference is significantly on the claimed side of zero, or, where the claim is "
        "“comparable”, significantly smaller than the margin.\n"
        "- **Contradicted**: it is significantly below the margin, whether or not it is on the claimed side of zero, "
        "or, where the claim is “comparable”, significantly larger than the margin.\n"
        "- **Inconclusive**: neither. The number of seeds that would settle it with a power of {{power}} assumes that "
        "the effect and the spreads of these few seeds are the true ones, and takes the strictest level of the "
        "adjustment.\n\n"
        "“Significantly” is meant after an adjustment (Holm) for how many claims are judged together: those of a "
        "panel; in Figure 2e, those on JSAE and those on its baselines apart. Intervals are not adjusted: one that "
        "leaves out zero may stand next to “inconclusive”. Where an agent either finds the goal or never does, an "
        "interval of few seeds is rough.\n\n"
        "*Mean over training* is the same difference of the mean return over all epochs, in which speed counts as well "
        "as level. It was added when the results were known, and no verdict takes it into account. The same holds for "
        "the last table of the [comparisons](#all-comparisons), which shows what depends on two choices: cells are "
        "taken as independent, but runs with the same seed share their random numbers; and a level counts as reached "
        "at the first epoch that meets it, which in a noisy curve may be luck."
    )


def judged(here: Sequence[Record], panel: str) -> Iterator[document.Block]:
    """The verdicts on the claims on a panel, and how many have none."""
    tested = [claim for claim in here if claim["low"] is not None]
    if tested:
        yield claims_table(tested, f"What these runs say about the claims on Figure {panel}.")
    if len(tested) < len(here):
        yield document.note(
            f"{len(here) - len(tested)} of the {len(here)} claims on Figure {panel} are not tested; "
            "[the reasons are listed below](#claims-that-were-not-tested)."
        )


def readings(study: Context) -> Iterator[document.Block]:
    """Each reading that has a run: its curves, the paper's comparisons, what it changes; and those without a run."""
    meanings = {name: str(one["meaning"]) for name, one in study.parameters["readings"].items()}
    shown = [name for name in study.looks.readings if study.figure(f"figure_reading_{name}").exists()]
    for name in shown:
        cells = study.looks.cells_under(name)
        yield document.prose(f"### The reading {name}")
        yield document.figure(
            study.figure(f"figure_reading_{name}"),
            described(study, cells),
            f"**The reading {name}:** {meanings[name]}.",
            name=f"figure-reading-{name}",
            wide=len({(cell.environment, cell.agent) for cell in cells}) > 1,
        )
        here = [record for record in study.readings if record["first"][3] == name]
        tested = [record for record in here if record["low"] is not None]
        if study.judged and tested:
            yield claims_table(tested, f"The paper's comparisons under the reading {name}.")
        if study.judged and len(tested) < len(here):
            yield document.note(
                f"{len(here) - len(tested)} of its {len(here)} comparisons cannot be made with these runs."
            )
        against = [record for record in study.differences if record["first"][3] == name == pair_reading(record)]
        if against:
            yield differences_table(
                study,
                against,
                f"What the reading {name} changes: its cells minus those of the primary reading, with "
                f"{study.confidence} intervals (Welch), not adjusted.",
                f"reading-{name}",
            )
    without = [f"{name} ({meaning})" for name, meaning in meanings.items() if name not in shown]
    if without:
        yield document.note(f"Readings that have no run at the scale “{study.scale}”: {'; '.join(without)}.")


def pair_reading(record: Record) -> str:
    """The reading that sets a cell apart from the primary one; empty where a pair of cells differs otherwise."""
    return str(record["first"][3]) if record["first"][:3] == record["second"][:3] else ""


def described(study: Context, cells: Sequence[Cell]) -> str:
    """What a figure of learning curves shows, in words, for those who do not see it."""
    said = []
    for words, seeds in study.final.group_by(KEYS, maintain_order=True):
        cell = Cell(*map(str, words))
        if cell in cells:
            environment, agent, embedding = wording.cell(study.looks, vars(cell).values())
            said.append((environment, f"{agent} with {embedding} ends at {wording.level('final_return', seeds)}"))
    environments = ", ".join(dict.fromkeys(environment for environment, _ in said))
    several = len({environment for environment, _ in said}) > 1
    ends = (f"{environment}, {end}" if several else end for environment, end in said)
    return f"Learning curves, {environments}: {'; '.join(ends)}."


def claims_table(claims: Sequence[Record], caption: str) -> document.Block:
    """Claims with effects and verdicts; where a claim has one, with the difference of the mean over training."""
    over = [[wording.difference(claim["over_training"])] if claim["over_training"] else [] for claim in claims]
    return document.table(
        ["Claim", "Effect", *(["Mean over training"] if any(over) else []), "n", "Verdict"],
        [
            (claim["aspect"], wording.effect(claim), *extra, wording.seeds(claim), wording.verdict(claim))
            for claim, extra in zip(claims, over, strict=True)
        ],
        caption,
        prose=["Verdict"],
        numbers=["n"],
        wide=len(claims) > 3,
    )
