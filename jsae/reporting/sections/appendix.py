"""The end of the report: commands, parameters, provenance, references."""

from collections.abc import Iterable, Iterator

from jsae.config import parameters
from jsae.io import provenance
from jsae.reporting import document
from jsae.reporting.context import Context


def commands(study: Context) -> Iterator[document.Block]:
    """The command behind each curve."""
    yield document.table(
        ["Cell", "Command"],
        [(cell.replace("/", ", "), f"`{command}`") for cell, command in study.commands],
        "The exact command behind each curve.",
        prose=["Command"],
        wide=True,
    )


def all_parameters(study: Context) -> Iterator[document.Block]:
    """Everything that params.yaml holds, with where it came from."""
    yield document.table(
        ["Name", "Value", "Meaning", "Source"],
        in_sections(parameters.table(study.settings)),
        "All parameters of the study.",
        name="parameters-table",
        wide=True,
    )


def in_sections(rows: Iterable[tuple[str, str, str, str]]) -> Iterator[tuple[str, ...]]:
    """Rows (name, value, meaning, source) with a heading before each section, and their names inside it.

    A parameter that may hold changes and holds none is left out.
    """
    last = ""
    for name, *rest in rows:
        if rest[0] == "{}":
            continue
        parts = name.split(".")
        depth = min(2 if parts[0] in ("agents", "data", "environments") else 1, len(parts) - 1)
        section = ".".join(parts[:depth])
        if section != last:
            last = section
            yield (section,)
        yield ".".join(parts[depth:]), *rest


def packages(study: Context) -> Iterator[document.Block]:
    """The locked packages, and the page of what this machine did."""
    versions = provenance.locked_versions(study.locks)
    yield document.note("Digest of the lock files: `{{lock}}` ({{packages}} packages).")
    yield document.table(
        ["Package", "Locked version"],
        [(name, versions[name]) for name in provenance.PACKAGES if name in versions],
        "Versions that the results depend on most; requirements/*.lock hold all.",
        numbers=["Locked version"],
    )
    yield document.frame(
        "provenance.html",
        "The page [provenance.html](provenance.html) beside this one tells the commit, the machine and the hours, if "
        "this study ran here.",
        "Commit, machine and hours of each stage",
    )


def references(study: Context) -> Iterator[document.Block]:
    """What the report cites: report/paper.yaml."""
    yield document.note("\n".join(f"- {reference}" for reference in study.paper["references"]), "references")
