"""Figure 2, the verdicts, and how many runs succeed."""

from collections.abc import Iterator, Sequence

from jsae.config.study import Cell
from jsae.reporting import document, plots, wording
from jsae.reporting.context import Context, Record
from jsae.reporting.document import number
from jsae.reporting.sections import embeddings
from jsae.reporting.sections.environments import sizes
from jsae.training.columns import KEYS


def succeed(study: Context) -> str:
    """What runs have to end above to succeed, in the environments of the study."""
    limits = {name: study.claims.success[name] for name in study.environments if name in study.claims.success}
    return "; ".join(f"{study.looks.environment(name)}: {number(limit)}" for name, limit in limits.items())


def figure_2(study: Context) -> Iterator[document.Block]:
    """All panels of Figure 2 in one figure."""
    if not study.panels:
        yield document.note("No panel of Figure 2 has a run in this study.")
        return
    cells = [cell for panel in study.panels for cell in study.looks.cells_of(panel)]
    widths = sorted({plots.block_width(study.looks.epochs(cell.environment)[0]) for cell in cells})
    points = (
        f"the mean of {' to '.join(map(str, sorted({widths[0], widths[-1]})))} epochs" if widths[-1] > 1 else "an epoch"
    )
    split = divided(study, cells)
    tables = {"paper": "Tables compare", "preview": "The table compares"}.get(study.scale)
    yield document.figure(
        study.figure("figure_2"),
        described(study, cells) + (f" With single seeds: {wording.listed(split)}." if split else ""),
        "**Figure 2.** Average return over the last {{paper.episodes_of_the_measure}} episodes. A line is the mean "
        "over the n seeds of a cell, its band the {{usual}} interval of that mean (Student's t). "
        + (
            "Where some runs of a cell succeed and some do not, thin lines are its seeds, in place of the band: the "
            "mean may describe no run. "
            if split
            else ""
        )
        + f"A point is {points}. Below each title stands the paper's own ordering (≈: comparable). Grey lines are the "
        "returns of the best and of the random policy, where they are known; what is far below the random policy is "
        "cut off."
        + " {{found}}" * study.judged  # of short runs, the summary and the table say it
        + (f" {tables} another measure: means of these curves over epochs." if tables else "")
        + "".join(f" {said}" for said in (*_without_ra(study), *_transferred(study, cells))),
        name="figure-2",
        command=f"make {study.scale}" + (f" PANEL={panel}" if (panel := study.values["panel"]) else ""),
    )


def _without_ra(study: Context) -> Iterator[str]:
    """Why panels of the paper's embeddings lack RA."""
    without = [panel for panel in study.panels if "ra" not in study.looks.compared(panel) and _continuous(study, panel)]
    if without:
        yield f"RA embeds discrete actions only: {wording.listed(without)} {'have' if without[1:] else 'has'} none."


def _continuous(study: Context, panel: str) -> bool:
    """Whether actions are continuous in a panel."""
    return sizes(study.environments[study.looks.panels[panel]], None, 0)[1] == "continuous"


def _transferred(study: Context, cells: Sequence[Cell]) -> Iterator[str]:
    """What the transfers of a figure take over."""
    if any(study.looks.roles[cell.embedding] == "transfer" for cell in cells):
        old = study.parameters["environments"][study.parameters["transfer"]["environment"]]["label"]
        yield (
            f"φ transferred: JSAE takes over the state embedding φ from another environment ({old}); all transferred: "
            "it takes over the transition model, the policy and the critic as well."
        )


def divided(study: Context, cells: Sequence[Cell]) -> list[str]:
    """The cells of which some runs succeed and some do not, as prose calls them."""
    found = []
    for words, runs in study.final.group_by(KEYS, maintain_order=True):
        cell = Cell(*map(str, words))
        if cell in cells and plots.divided(runs):
            environment, _, embedding = wording.cell(study.looks, vars(cell).values())
            found.append(f"{embedding} ({environment})")
    return found


def described(study: Context, cells: Sequence[Cell]) -> str:
    """What a figure of learning curves shows, in words, for those who do not see it."""
    said: dict[str, list[str]] = {}
    for words, seeds in study.final.group_by(KEYS, maintain_order=True):
        cell = Cell(*map(str, words))
        if cell in cells:
            environment, agent, embedding = wording.cell(study.looks, vars(cell).values())
            ends = f"{agent} with {embedding} ends at {wording.level('final_return', seeds)}"
            said.setdefault(environment, []).append(ends)
    return f"Learning curves. {'. '.join(f'{place}: ' + '; '.join(ends) for place, ends in said.items())}."


def how_judged(study: Context) -> Iterator[document.Block]:
    """How verdicts come about; nothing where none is given."""
    if not study.judged:
        return
    of_epochs = any(one["measure"] == "epochs" for one in study.compared)
    yield document.prose(
        "Sentences of the paper are judged by measures of a run. **End** is the mean of its curve over the last tenth "
        "of the epochs (final return). **Speed** is the mean over all epochs. "
        + "**Convergence**, where the paper speaks of it, is the epochs until the mean over {{window}} epochs "
        "reaches a level that random actions do not reach ({{levels}}). "
        * of_epochs
        + "Returns are normalized: the random policy is zero, the optimal one "
        "is one. Half-Cheetah has no known optimum; there returns stay as they are.\n\n"
        "An effect is the difference of the means of two cells, with its {{confidence}} interval (Welch): JSAE minus "
        "the other; with transfer minus without; no embedding minus RA, where a claim compares these. For "
        "convergence, it is the number of epochs saved. Significantly means: by a one-sided test at {{level}}.\n\n"
        "- **Supported**: the effect is significantly above zero, however small. For “comparable”: it is significantly "
        "inside ± margin.\n"
        "- **Contradicted**: it is significantly below the margin, and not significantly above zero. So “better” "
        "fails where both are equally good. For “comparable”: it is significantly outside ± margin.\n"
        "- **Inconclusive**: neither.\n\n"
        "Margins: {{margins}}. p-values are adjusted (Holm) for the claims of a panel; Figure 2e has two families, the "
        "claims on JSAE and those on its baselines. Intervals are not adjusted: one that excludes zero may stand "
        "next to “inconclusive”. Measures, margins, tests, seeds and readings were fixed in `report/plan.md` (digest "
        "`{{plan}}`) before the first confirmatory run."
    )


def verdicts(study: Context) -> Iterator[document.Block]:
    """Every claim in one table: a row a comparison, a verdict for each measure."""
    if not study.judged:
        return
    notes: list[str] = []
    rows: dict[tuple[object, ...], dict[str, Record]] = {}
    for claim in study.verdicts:
        cells = (tuple(claim["first"]), tuple(claim["second"])) if claim["first"] else (claim["id"],)
        rows.setdefault((claim["figure"], *cells), {})[claim["measure"] or "fact"] = claim
    shown: list[Sequence[object]] = []
    for of in rows.values():
        first = next(iter(of.values()))
        words = {name: document.marked(claim["verdict"], remarks(study, claim), notes) for name, claim in of.items()}
        if "fact" in of:
            shown.append(("", first["aspect"], "", words["fact"], "", "", "", wording.seeds(first)))
        else:
            effects = (wording.effect(of[name]) if name in of else "" for name in ("end", "speed"))
            end, speed = (text.removesuffix(wording.UNITS["return"]) for text in effects)
            row = (end, words.get("end", "–"), speed, words.get("speed", "–"), words.get("epochs", ""))
            shown.append((first["figure"], first["aspect"], *row, wording.seeds(first)))
    facts = next((place for place, row in enumerate(shown) if not row[0]), len(shown))
    shown.insert(facts, ("Theory: a statement holds on every problem that was tried, or it does not",))
    yield document.table(
        ["Panel", "Claim", "Effect, end", "End", "Effect, speed", "Speed", "Convergence", "n"],
        shown[:-1] if facts == len(shown) - 1 else shown,
        "Verdicts on the paper's claims. Effects of Half-Cheetah are returns, all others normalized. n: seeds of the "
        "two cells, or problems. The [supplement](#all-comparisons) says how many seeds would settle an inconclusive "
        "claim.",
        numbers=["Effect, end", "Effect, speed", "n"],
        name="verdicts-table",
        notes=notes,
    )


def remarks(study: Context, claim: Record) -> str:
    """What else there is to know about a verdict."""
    looks, uninformed = study.looks, embeddings.uninformed(study)
    said = [wording.condition(looks, claim)]
    cells = list(filter(None, (claim["first"], claim["second"])))
    names = [name for environment, _, name, *_ in cells if (environment, name) in uninformed]
    if names:
        said.append(f"After pre-training, {embeddings.hardly_know(looks, names)} here.")
    if cells and looks.roles[cells[0][2]] == "transfer":
        said.append(
            "Without transfer, φ is trained on the same states before the curve begins: transfer cannot save this."
        )
    if claim["verdict"] == "contradicted":
        said.append(wording.cramped(looks, claim) or "Both stay at the random policy." * wording.at_random(claim))
    return " ".join(filter(None, said))


def successes(study: Context) -> Iterator[document.Block]:
    """How many runs of each cell succeed, where a run either does or does not."""
    rows: dict[tuple[str, ...], tuple[str, ...]] = {}
    for claim in study.verdicts:
        for cell, found in zip((claim["first"], claim["second"]), claim["success"] or (), strict=False):
            environment, _, embedding = wording.cell(study.looks, cell)
            low, high = (f"{number(100 * found[end], 2)}" for end in ("low", "high"))
            rows[tuple(cell)] = (environment, embedding, f"{found['runs']} of {found['of']}", f"{low} to {high} %")
    if study.judged and rows:
        yield document.table(
            ["Environment", "Embedding", "Runs that succeed", "Exact interval"],
            list(rows.values()),
            f"Runs that end above a return ({succeed(study)}), with their {{{{usual}}}} intervals (Clopper and "
            "Pearson). They are reported, not judged.",
            numbers=["Runs that succeed", "Exact interval"],
            name="successes",
        )


def so_far(study: Context) -> Iterator[document.Block]:
    """In a study of short runs, a row a comparison of Figure 2: which one has learnt more so far."""
    looks = study.looks
    if study.scale != "preview":
        return
    pairs = [claim for claim in study.compared if claim["measure"] == "speed"]
    if not pairs:
        yield document.note("No comparison of Figure 2 has two cells with at least two seeds in this study.")
        return
    rows: list[tuple[object, ...]] = []
    for panel in dict.fromkeys(claim["figure"] for claim in pairs):
        rows.append((titled(study, panel),))
        rows += [
            (
                f"{looks.embedding(claim['first'][2])} minus {looks.embedding(claim['second'][2])}",
                looks.agent(claim["first"][1]),
                claim["kind"],
                wording.effect(claim),
                wording.seeds(claim),
                wording.ahead(looks, claim),
                " / ".join(f"{found['runs']} of {found['of']}" for found in claim["success"] or ()),
            )
            for claim in pairs
            if claim["figure"] == panel
        ]
    yield document.table(
        ["Comparison", "Agent", "Paper says", "Difference", "n", "Ahead so far", "Succeed"],
        rows,
        f"Which embedding is ahead so far: differences of the mean return over training with their {study.confidence} "
        f"intervals (Welch), not adjusted for their number. {wording.NORMALIZED} Succeed: runs of each of the two that "
        f"end above a return, where there is one ({succeed(study)}). Where some do and some do not, a mean over seeds "
        "says little.",
        numbers=["Difference", "n"],
        name="so-far",
    )


def titled(study: Context, panel: str) -> str:
    """A panel with its environment, where this study has it."""
    environment = study.looks.panels.get(panel)
    return f"{panel} {study.looks.environment(environment)}" if environment else panel
