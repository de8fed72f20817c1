"""The sections of the report: functions of a study that make blocks, a module for each group of sections."""

from collections.abc import Iterable

from IPython.display import publish_display_data

from jsae.reporting import document
from jsae.reporting.sections import (
    ablations,
    appendix,
    comparisons,
    data,
    embeddings,
    environments,
    gaps,
    method,
    readings,
    results,
    search,
    summary,
    theory,
)

__all__ = [
    "ablations",
    "appendix",
    "comparisons",
    "data",
    "embeddings",
    "environments",
    "gaps",
    "method",
    "readings",
    "results",
    "search",
    "show",
    "summary",
    "theory",
]


def show(blocks: Iterable[document.Block]) -> None:
    """Hand blocks to the report; it is called in the notebook and nowhere else."""
    for block in blocks:
        publish_display_data({document.MIME: block, "text/plain": block["kind"]})
