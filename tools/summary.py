"""Say in a few lines what the last run showed, where the report is, and what to do next.

python -m tools.summary
"""

import sys

import polars as pl

from jsae.analysis.schema import CELLS, FINAL
from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.io.table import read
from jsae.training.columns import KEYS
from tools.runs import chosen_scale

NEXT = {
    "smoke": "Next: make preview (minutes): the first part of every curve of Figure 2",
    "preview": "Next: open the report; change a number in params.yaml and run make reproduce again; make paper (hours)",
    "paper": "Next: open the report; make publish copies it to published/",
}


def main() -> None:
    scale = chosen_scale(layout.RUNS)
    if scale != "smoke":
        print(*lines(scale), sep="\n")
    print(f"\nReport: {layout.report(scale).absolute()}\n{NEXT.get(scale, '')}")


def lines(scale: str) -> list[str]:
    """A line a panel and agent of Figure 2: the mean return over training of each embedding, mean over seeds."""
    cells = read(CELLS, layout.tables(scale) / "cells.parquet").filter(pl.col("panel") != "")
    final = read(FINAL, layout.tables(scale) / "final.parquet")
    shown = cells.filter(pl.col("role").is_in(["paper", "transfer"]) & (pl.col("reading") == ""))
    said = ["Mean return over training so far, mean over seeds:"]
    for (panel, environment, agent), rows in shown.sort("panel").group_by(
        "panel", "environment_label", "agent_label", maintain_order=True
    ):
        runs = final.join(rows, on=KEYS)
        means = runs.group_by("embedding_label", "order").agg(pl.col("mean_over_training").mean()).sort("order")
        numbers = ", ".join(f"{label} {value:.3g}" for label, _, value in means.iter_rows())
        epochs, paper = rows["epochs"][0], rows["paper_epochs"][0]
        said.append(f"  {panel} {environment}, {agent}, {epochs:,} of {paper:,} epochs: {numbers}")
    return said


if __name__ == "__main__":
    try:
        main()
    except JsaeError as error:
        sys.exit(f"error: {error}")
