"""Say in a few lines what the last run showed, where the report is, and what to do next.

python -m tools.summary
"""

import argparse
import sys

from jsae.analysis.schema import CELLS, FINAL
from jsae.config import layout, plan
from jsae.config.errors import JsaeError
from jsae.io.table import read
from jsae.reporting.looks import Looks

NEXT = {
    "smoke": "Next: make preview (minutes): the first part of every curve of Figure 2",
    "preview": "Next: open the report; change a number in params.yaml and run make reproduce again; make paper (hours)",
    "paper": "Next: open the report; make publish copies it to published/",
}


def main() -> None:
    scale, _ = plan.chosen()
    if scale != "smoke":
        print(*lines(scale), sep="\n")
    print(f"\nReport: {layout.report(scale).absolute()}\n{NEXT.get(scale, '')}")


def lines(scale: str) -> list[str]:
    """A line a panel and agent of Figure 2: the mean return over training of each embedding, mean over seeds."""
    looks = Looks.of(read(CELLS, layout.tables(scale) / "cells.parquet"))
    final = read(FINAL, layout.tables(scale) / "final.parquet")
    said = [f"Mean return over training{'' if scale == 'paper' else ' so far'}, mean over seeds:"]
    for panel, environment in looks.panels.items():
        epochs, paper = looks.epochs(environment)
        cells = looks.cells_of(panel)
        for agent in dict.fromkeys(cell.agent for cell in cells):
            numbers = []
            for embedding in looks.in_order({cell.embedding for cell in cells if cell.agent == agent}):
                runs = final.filter(environment=environment, agent=agent, embedding=embedding, reading="")
                if not runs.is_empty():
                    mean = runs["mean_over_training"].to_numpy().mean()
                    numbers.append(f"{looks.embedding(embedding)} {mean:.3g}")
            place = f"{panel} {looks.environment(environment)}, {looks.agent(agent)}"
            said.append(f"  {place}, {epochs:,} of {paper:,} epochs: {', '.join(numbers)}")
    return said


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    try:
        main()
    except JsaeError as error:
        sys.exit(f"error: {error}")
