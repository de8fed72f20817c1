"""The paper's comparisons under other readings of the paper, and what could explain a contradicted claim."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from jsae.config.study import Cell
from jsae.reporting import document, plots, wording
from jsae.reporting.context import Context, Record
from jsae.reporting.document import number
from jsae.reporting.sections.ablations import difference, measured
from jsae.reporting.sections.results import described, titled
from jsae.training.columns import KEYS


def specification(study: Context) -> Iterator[document.Block]:
    """A specification curve for each panel that has other readings: the effect under every reading."""
    shown = [panel for panel in study.panels if study.figure(f"figure_specification_{panel}").exists()]
    if not study.judged:
        yield document.empty(wording.SHORT)
        return
    if not shown:
        yield document.note("No other reading has verdicts in this study.")
        return
    yield document.flush()
    for panel in shown:
        records = plots.specified((*study.verdicts, *study.readings), panel)
        tested = [one for one in records if one["low"] is not None]
        yield document.figure(
            study.figure(f"figure_specification_{panel}"),
            f"Effect of JSAE in Figure {panel} under each reading. "
            + "; ".join(
                f"{one['reading'] or 'primary reading'}, {one['aspect']}, {one['measure']}: {wording.effect(one)}, "
                f"{one['verdict']}"
                for one in tested
            )
            + ".",
            f"**{titled(study, panel)}:** {tally(study, tested)}",
            name=f"figure-specification-{panel}",
        )
    yield document.flush()


def robust(study: Context) -> list[tuple[Record, list[Record]]]:
    """The supported claims on JSAE, each with how it was judged under other readings, where it was.

    Neither controls nor readings whose runs are those of the primary reading count.
    """
    place = ("figure", "aspect", "measure")
    left_out = [*repeated(study), *controls(study)]
    judged = [one for one in study.readings if one["low"] is not None and one["reading"] not in left_out]
    claims = [one for one in study.verdicts if one["verdict"] == "supported" and one["first"]
              and one["first"][2].startswith("jsae")]  # fmt: skip
    found = [(one, [other for other in judged if all(other[name] == one[name] for name in place)]) for one in claims]
    return [(one, others) for one, others in found if others]


def repeated(study: Context) -> list[str]:
    """Readings all of whose runs end as the primary reading's with the same seeds: they change nothing."""
    keys = [*KEYS[:3], "seed"]
    primary = study.primary.select(*keys, first=pl.col("final_return"))
    both = study.final.filter(pl.col("reading") != "").join(primary, on=keys, how="left", maintain_order="left")
    same = both.group_by("reading", maintain_order=True).agg(
        (pl.col("final_return") == pl.col("first")).fill_null(value=False).all()
    )
    return [reading for reading, alike in same.iter_rows() if alike]


def controls(study: Context) -> list[str]:
    """Readings that check something, and are no way to read the paper."""
    return [name for name, one in study.parameters["readings"].items() if one["control"]]


def support(study: Context) -> Iterator[document.Block]:
    """What other readings say of each supported claim on JSAE."""
    claims = robust(study)
    if not (study.judged and claims):
        return
    rows: list[tuple[object, ...]] = []
    notes: list[str] = []
    for one, others in claims:
        shares: dict[str, list[str]] = {verdict: [] for verdict in wording.VERDICTS}
        for other in others:
            fails = other["success"] and not any(cell["runs"] for cell in other["success"])
            name = document.marked(other["reading"], "No run of either succeeds." if fails else "", notes)
            shares[other["verdict"]].append(name)
        row = (one["figure"], one["aspect"], wording.MEASURES[one["measure"]])
        rows.append((*row, *(", ".join(names) or "–" for names in shares.values())))
    again = f" Left out: {wording.listed(repeated(study))}, as the primary reading has the same runs."
    yield document.table(
        ["Panel", "Claim", "Measure", *(verdict.capitalize() for verdict in wording.VERDICTS)],
        rows,
        "What other readings say of supported claims." + again * bool(repeated(study)),
        name="support",
        notes=notes,
    )


def meanings(study: Context) -> Iterator[document.Block]:
    """What each reading that has a run changes, in one paragraph."""
    known = study.parameters["readings"]
    ran = [name for name in study.looks.readings if not study.final.filter(reading=name).is_empty()]
    if study.judged and ran:
        yield document.prose("; ".join(f"**{name}**: {known[name]['meaning']}" for name in ran) + ".")


def lost_success(study: Context) -> list[str]:
    """How many runs succeed under readings that cost JSAE its success, in every environment of the reading.

    These are readings under which at most half of a cell's runs succeed, though most do under the primary one.
    """
    runs = succeeded(study)
    lost: list[str] = []
    for cell, (count, of) in runs.items():
        before = runs.get(dataclasses.replace(cell, reading=""), (0, 0))
        if cell.embedding == "jsae" and 2 * before[0] > before[1] and 2 * count <= of and cell.reading not in lost:
            lost.append(cell.reading)
    found = []
    for reading in lost:
        own = [cell for cell in runs if cell.reading == reading]
        for environment in dict.fromkeys(cell.environment for cell in own):
            ends = {cell.embedding: runs[cell] for cell in own if cell.environment == environment}
            said = [
                f"{study.looks.embedding(name)} {ends[name][0]} of {ends[name][1]}"
                for name in ("jsae", "ra", "none")
                if name in ends
            ]
            found.append(f"{study.looks.environment(environment)} under {reading}: {', '.join(said)}")
    return found


def succeeded(study: Context) -> dict[Cell, tuple[int, int]]:
    """Of each cell whose runs either succeed or do not: how many do, and how many runs there are."""
    known = study.final.filter(pl.col("success").is_not_null()).group_by(KEYS, maintain_order=True)
    return {
        Cell(*row[:4]): (row[4], row[5]) for row in known.agg(pl.col("success").sum(), pl.len().alias("of")).iter_rows()
    }


def successes(study: Context) -> Iterator[document.Block]:
    """How many runs of each cell succeed under each other reading, where a run either does or does not."""
    rows = [
        (*wording.cell(study.looks, vars(cell).values()), f"{count} of {of}")
        for cell, (count, of) in succeeded(study).items()
        if cell.reading
    ]
    if study.judged and rows:
        yield document.table(
            ["Environment", "Agent", "Embedding", "Runs that succeed"],
            rows,
            "Runs that end above a return, under each reading. Where a reading changes rewards or walls, this return "
            "lies the same share of the way from random to optimal as under the primary reading.",
            numbers=["Runs that succeed"],
            name="successes-of-readings",
        )


def tally(study: Context, records: Sequence[Mapping[str, Any]]) -> str:
    """How many of a panel's comparisons with each embedding got each verdict, under all readings, by measure."""
    said = []
    for other in study.looks.in_order({one["second"][2] for one in records})[::-1]:
        own = [one for one in records if one["second"][2] == other]
        of = {measure: [one for one in own if one["measure"] == measure] for measure in ("end", "speed")}
        counts = "; ".join(f"{measure} {wording.counted(them)}" for measure, them in of.items() if them)
        said.append(f"against {study.looks.embedding(other)}: {counts}")
    return f"verdicts {'; '.join(said)}."


def causes(study: Context) -> Iterator[document.Block]:
    """A row a cause: how many predictions came true, and what follows; then what causes say of contradicted claims."""
    if not study.judged:
        yield document.empty(wording.SHORT)
        return
    if not by_cause(study):
        yield document.note("No cause has been tested: the runs that would test one are not in this study.")
        return
    notes: list[str] = []
    rows: list[tuple[object, ...]] = []
    any_of = [name for name, records in by_cause(study).items() if records[0]["needs"] == "any"]
    for name, records in by_cause(study).items():
        note = " ".join(filter(None, ("" if records[0]["planned"] else "Not in the plan.", records[0]["caveat"])))
        true, tested = (sum(map(of, records)) for of in (_came_true, _tested))
        rows.append(
            (f"{document.marked(name, note, notes)}. {records[0]['cause']}", f"{true} of {tested}", outcome(records))
        )
    yield document.table(
        ["Cause", "Came true", "Outcome"],
        rows,
        "Causes, how many of the predictions that were tested came true, and what follows. "
        + f"A cause needs all of them{f'; one is enough for {wording.listed(any_of)}' * bool(any_of)}. Not settled: "
        "what it predicts is neither shown nor refuted. Nothing to explain: there is no clear lead or loss. "
        "The [supplement](#predictions-of-the-causes) has each prediction with its effect.",
        numbers=["Came true"],
        name="causes-table",
        notes=notes,
    )
    yield from explanations(study)


def _came_true(record: Record) -> bool:
    return bool(record["verdict"] == "supported")


def _tested(record: Record) -> bool:
    return bool(record["verdict"] != "not tested")


def predictions(study: Context) -> Iterator[document.Block]:
    """A table of predictions that each cause makes, and what came out."""
    if not (study.judged and by_cause(study)):
        yield document.empty("no cause was tested" if study.judged else wording.SHORT)
        return
    notes: list[str] = []
    rows: list[tuple[object, ...]] = []
    in_speed = dict.fromkeys(record["id"] for record in study.causes if record["measure"] == "speed")
    last = ""
    for record in study.causes:
        if record["id"] != last:
            last = record["id"]
            rows.append((f"{last}. {record['cause']}",))
        note = f"Not tested: {record['reason']}." if record["reason"] else ""
        if record["idle"]:
            note = NOTHING[record["kind"]]
        p = number(record["p"], 2) if record["p"] is not None else ""
        rows.append(
            (
                record["aspect"],
                wording.effect(record),
                wording.seeds(record),
                p,
                document.marked(record["verdict"], note, notes),
            )
        )
    yield document.table(
        ["Prediction", "Effect", "n", "p", "Outcome"],
        rows,
        f"What each cause predicts. Effect: difference at the end with its {study.confidence} interval, positive "
        f"in the predicted direction{f'; of {wording.listed(list(in_speed))}, in speed' * bool(in_speed)}. "
        f"{wording.NORMALIZED} n: seeds of each cell; a smaller lead compares two pairs. p: one-sided, not "
        "adjusted; Fisher's exact test for counts.",
        numbers=["Effect", "n", "p"],
        name="predictions-table",
        notes=notes,
    )


NOTHING = {
    "fewer": "All runs of both cells do the same, so there is nothing to explain.",
    "smaller": "JSAE has no clear lead under the primary reading, so there is nothing to explain.",
    "better": "The loss that this would explain is not clear under the primary reading.",
}
"""Why a prediction of each kind has nothing to explain."""


def outcome(records: Sequence[Record]) -> str:
    """What the predictions of a cause say of it: nothing to explain, supported, contradicted or not settled."""
    needs = {"all": all, "any": any}[records[0]["needs"]]
    if all(record["idle"] for record in filter(_tested, records)):
        return "nothing to explain"
    if needs(map(_came_true, records)):
        return "supported"
    # what needs all is refuted by any
    refuted = {"all": any, "any": all}[records[0]["needs"]](record["verdict"] == "contradicted" for record in records)
    return "contradicted" if refuted else "not settled"


def by_cause(study: Context) -> dict[str, list[Record]]:
    """The predictions of each cause of which some were tested."""
    of: dict[str, list[Record]] = {}
    for record in study.causes:
        of.setdefault(record["id"], []).append(record)
    return {name: own for name, own in of.items() if any(map(_tested, own))}


def explanations(study: Context) -> Iterator[document.Block]:
    """What the causes say of each contradicted claim that compares runs."""
    if not study.judged:
        return
    outcomes = {name: (outcome(own), own[0]["explains"]) for name, own in by_cause(study).items()}
    rows: dict[tuple[str, ...], list[str]] = {}
    notes: list[str] = []
    for one in study.verdicts:
        if one["verdict"] != "contradicted" or one["kind"] == "fact":
            continue
        said = [
            f"{wording.listed(names)} {word}"
            for word in ("supported", "not settled", "contradicted", "nothing to explain")
            if (
                names := [
                    name for name, (found, explains) in outcomes.items() if found == word and one["id"] in explains
                ]
            )
        ]
        causes = f"{'; '.join(said) or 'no cause was tested'}."
        remark = wording.cramped(study.looks, one) or "Both stay at the random policy." * wording.at_random(one)
        marked = document.marked(wording.MEASURES[one["measure"]], remark, notes)
        rows.setdefault((one["figure"], one["aspect"], causes), []).append(marked)
    if rows:
        yield document.table(
            ["Panel", "Contradicted claim", "Measure", "Causes"],
            [(figure, aspect, ", ".join(measures), said) for (figure, aspect, said), measures in rows.items()],
            "What the causes say of each contradicted claim.",
            name="explanations",
            notes=notes,
        )


def compared(study: Context) -> Iterator[document.Block]:
    """Every comparison under every reading other than the primary one, in one table."""
    if not study.judged:
        yield document.empty(wording.SHORT)
        return
    if not study.readings:
        yield document.note("No other reading has verdicts in this study.")
        return
    rows: list[tuple[object, ...]] = []
    notes: list[str] = []
    for name in dict.fromkeys(record["reading"] for record in study.readings):
        rows.append((f"{name}: {study.parameters['readings'][name]['meaning']}",))
        rows += [
            (
                record["figure"],
                record["aspect"],
                wording.MEASURES[record["measure"]],
                wording.effect(record),
                wording.seeds(record),
                document.marked(record["verdict"], wording.condition(study.looks, record), notes),
            )
            for record in study.readings
            if record["reading"] == name
        ]
    yield document.table(
        ["Panel", "Claim", "Measure", "Effect", "n", "Verdict"],
        rows,
        f"The paper's comparisons under each reading. {wording.NORMALIZED}",
        numbers=["Effect", "n"],
        name="readings-table",
        notes=notes,
    )


def curves(study: Context) -> Iterator[document.Block]:
    """Each reading that has a run: its curves and what it changes; and the names of those without a run."""
    meanings = {name: str(one["meaning"]) for name, one in study.parameters["readings"].items()}
    shown = [name for name in study.looks.readings if study.figure(f"figure_reading_{name}").exists()]
    for name in shown:
        yield document.figure(
            study.figure(f"figure_reading_{name}"),
            described(study, study.looks.cells_under(name)),
            f"**The reading {name}:** {meanings[name]}. Lines and bands as in Figure 2.",
            name=f"figure-reading-{name}",
        )
    against = [record for record in study.differences if pair_reading(record)]
    if against:
        rows: list[tuple[object, ...]] = []
        for name in dict.fromkeys(pair_reading(record) for record in against):
            own = [record for record in against if pair_reading(record) == name]
            rows.append((name,))
            for record in own:
                _, agent, embedding = wording.cell(study.looks, record["first"])
                environment = study.looks.environment(record["first"][0])
                rows.append((environment, agent, embedding, *difference(study, record)))
        yield document.table(
            ["Environment", "Agent", "Embedding", *measured(study)],
            rows,
            f"What each reading changes: its cells minus those of the primary reading, with {study.confidence} "
            f"intervals (Welch), not adjusted. {wording.NORMALIZED} Each cell is normalized in its own environment.",
            numbers=["n"],
            name="reading-differences",
        )
    without = [name for name in meanings if name not in shown]
    if not (shown or against):
        yield document.empty("no reading other than the primary one has run")
    elif without:
        yield document.note(f"Without a run at the scale “{study.scale}”: {wording.listed(without)}.")


def pair_reading(record: Record) -> str:
    """The reading that sets a cell apart from the primary one; empty where a pair of cells differs otherwise."""
    return str(record["first"][3]) if record["first"][:3] == record["second"][:3] else ""
