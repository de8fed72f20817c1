"""The end of the report: commands, parameters, provenance, references."""

from collections.abc import Iterable, Iterator, Sequence

from jsae.reporting import document
from jsae.reporting.context import Context


def commands(study: Context) -> Iterator[document.Block]:
    """The command behind each curve."""
    yield document.table(
        ["Cell", "Command"],
        [(study.looks.cell(vars(cell).values()), f"`dvc repro train@{name}`") for name, cell in study.stages.items()],
        "The exact command behind each curve.",
        prose=["Command"],
        name="commands-table",
    )


def what_runs(study: Context) -> Iterator[document.Block]:
    """The sections `scales` and `cells` of params.yaml: a heading for each group, with its seeds at each scale."""
    rows: list[Sequence[str]] = []
    for group, products in study.parameters["cells"].items():
        seeds = [
            f"{scale}: {', '.join(one['seeds'])}"
            for scale, groups in study.parameters["scales"].items()
            for one in groups
            if one["cells"] == group
        ]
        rows.append((f"{group} ({'; '.join(seeds) or 'no scale'})",))
        lists = ("environments", "agents", "embeddings", "readings")
        rows += [tuple(", ".join(name or "primary" for name in one[key]) for key in lists) for one in products]
    yield document.table(
        ["Environments", "Agents", "Embeddings", "Readings"],
        rows,
        "What runs: groups of cells, each with the seeds that it has at each scale. A row stands for every combination "
        "of what it lists. Bimodal: runs of a cell end in two groups, such as goal found and not found.",
        name="cells-table",
    )


def all_parameters(study: Context) -> Iterator[document.Block]:
    """Everything else that params.yaml holds, with where it came from."""
    yield document.table(
        ["Name", "Value", "Meaning", "Source"],
        in_sections(row for row in study.values["rows"] if row[0].partition(".")[0] not in ("scales", "cells")),
        "All other parameters of the study.",
        name="parameters-table",
    )


def in_sections(rows: Iterable[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Rows (name, value, meaning, source) with a heading before each section, and their names inside it.

    A parameter that may hold changes and holds none is left out. Rows of a section that follow one another and have the
    same meaning and source say it once. What a reading changes stands in its heading.
    """
    last = ""
    said: list[str] = []
    for name, *rest in rows:
        if rest[0] == "{}":
            continue
        parts = name.split(".")
        depth = min(2 if parts[0] in ("agents", "data", "environments", "readings") else 1, len(parts) - 1)
        section = ".".join(parts[:depth])
        value, *about = rest
        if parts[0] == "readings" and parts[-1] == "meaning":
            last, said = section, []
            yield (f"{section}: {value}",)
            continue
        if section != last:
            last, said = section, []
            yield (section,)
        yield ".".join(parts[depth:]), value, *(about if about != said else [""] * len(about))
        said = about


def packages(study: Context) -> Iterator[document.Block]:
    """The locked packages, and the page of what this machine did."""
    yield document.note("Digest of the lock files: `{{lock}}` ({{packages}} packages).")
    yield document.table(
        ["Package", "Locked version"],
        list(study.values["versions"].items()),
        "Versions that the results depend on most; requirements/*.lock hold all.",
        numbers=["Locked version"],
    )
    yield document.frame(
        "provenance.html",
        "The page [provenance.html](provenance.html) next to this one has the commit, the machine and the hours, if "
        "this study ran here.",
        "Commit, machine and hours of each stage",
    )


def references(study: Context) -> Iterator[document.Block]:
    """What the report cites: report/paper.yaml."""
    yield document.note("\n".join(f"- {reference}" for reference in study.paper["references"]), "references")
