"""How environments, agents and embeddings are called and drawn: read from the table of cells, never listed in code."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from jsae.config.study import Cell, named
from jsae.training.columns import KEYS

DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (5, 1.5, 1.2, 1.5)),
    (0, (1.2, 1.2)),
    (0, (9, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1.2, 1.2, 5, 1.2)),
    (0, (8, 1.5, 1.2, 1.5, 1.2, 1.5)),
    (0, (5, 1, 1.2, 1, 1.2, 1)),
    (0, (1.2, 2.4)),
    (0, (7, 1, 3, 1)),
    (0, (4, 1, 4, 2.5)),
)
"""Line styles, by the order of an embedding: a figure can be read in grey."""
OTHER: dict[str, Any] = {"color": "#000000", "linestyle": (0, (10, 1, 1, 1))}
"""How an embedding is drawn that is not in the table."""


class Searched(NamedTuple):
    """What figures and prose call a hyper-parameter, and what the head of a table does."""

    label: str
    head: str


SEARCHED = {
    "actor_learning_rate": Searched("Actor's learning rate", "Actor"),
    "critic_learning_rate": Searched("Critic's learning rate", "Critic"),
    "initial_standard_deviation": Searched("Initial standard deviation", "σ"),
    "state_embedding_size": Searched("Size of state embedding", "State"),
    "action_embedding_size": Searched("Size of action embedding", "Action"),
    "hidden_sizes": Searched("Hidden units", "Hidden"),
    "entropy_weight": Searched("Entropy weight α", "α"),
    "train_pi_iters": Searched("Policy steps an epoch", "Policy steps"),
    "update_steps": Searched("Update steps an epoch", "Updates"),
}
"""Columns of search/settings.csv that a search can vary."""


@dataclass(frozen=True)
class Looks:
    """Names and looks of the cells of a study.

    | field | what |
    |---|---|
    | cells | the table CELLS of jsae.analysis.schema |
    | environments, agents, embeddings | label by name, in the order of plots and legends |
    | styles | color and linestyle, by embedding |
    | roles | paper, transfer, ablation or control, by embedding |
    | trained_by | the agent that trains a cell, where a reading puts it in place of the cell's own |
    """

    cells: pl.DataFrame
    environments: Mapping[str, str]
    agents: Mapping[str, str]
    embeddings: Mapping[str, str]
    styles: Mapping[str, Mapping[str, Any]]
    roles: Mapping[str, str]
    trained_by: Mapping[Cell, str]

    @classmethod
    def of(cls, cells: pl.DataFrame) -> "Looks":
        """Read the table of cells. Environments stand in the order of their panels, those without one last."""
        shown = cells.sort(pl.col("panel") == "", "panel", maintain_order=True)
        kinds = cells.sort("order", "embedding", maintain_order=True).rows(named=True)
        return cls(
            cells,
            dict(shown.select("environment", "environment_label").iter_rows()),
            dict(shown.select("agent", "agent_label").iter_rows()),
            {row["embedding"]: row["embedding_label"] for row in kinds},
            {
                row["embedding"]: {"color": row["color"], "linestyle": DASHES[row["order"] % len(DASHES)]}
                for row in kinds
            },
            {row["embedding"]: row["role"] for row in kinds},
            {
                Cell(*(row[name] for name in KEYS)): row["trained_by"]
                for row in kinds
                if row["trained_by"] != row["agent_label"]
            },
        )

    def environment(self, name: str) -> str:
        """An environment as figures and prose call it; one that is not in the table keeps its name."""
        return self.environments.get(name, name)

    def world(self, name: str) -> str:
        """An environment under a reading, by the name that files have for it: recommender-no-bonus."""
        for environment, reading in self.cells.select("environment", "reading").unique(maintain_order=True).iter_rows():
            if reading and named(environment, reading) == name:
                return f"{self.environment(environment)} ({reading})"
        return self.environment(name)

    def agent(self, name: str) -> str:
        return self.agents.get(name, name)

    def agent_of(self, cell: Cell) -> str:
        """The agent that trains a cell, and the cell's own agent if a reading replaces it."""
        trained_by = self.trained_by.get(cell)
        return f"{trained_by} in place of {self.agent(cell.agent)}" if trained_by else self.agent(cell.agent)

    def embedding(self, name: str) -> str:
        return self.embeddings.get(name, name)

    def cell(self, words: Iterable[str]) -> str:
        """A cell in one phrase: embedding, agent, environment, and its reading where it has one."""
        cell = Cell(*words)
        said = f"{self.environment(cell.environment)}, {self.agent_of(cell)}, {self.embedding(cell.embedding)}"
        return f"{said}, reading {cell.reading}" if cell.reading else said

    def style(self, embedding: str) -> Mapping[str, Any]:
        """Colour and line style, as matplotlib takes them."""
        return self.styles.get(embedding, OTHER)

    def in_order(self, embeddings: Iterable[str]) -> list[str]:
        """Embeddings in the order of legends, unknown ones last."""
        return sorted(embeddings, key=lambda name: (_place(self.embeddings, name), name))

    def place(self, environment: str, agent: str) -> tuple[int, int, str, str]:
        """A key that sorts plots: by environment, then by agent, unknown ones last."""
        return _place(self.environments, environment), _place(self.agents, agent), environment, agent

    @property
    def panels(self) -> dict[str, str]:
        """Panels of Figure 2 that have a cell, as 2a, and the environment of each."""
        known = self.cells.filter(pl.col("panel") != "").sort("panel", maintain_order=True)
        return dict(known.select("panel", "environment").iter_rows())

    def panels_with(self, ran: Collection[Cell]) -> list[str]:
        """Panels of which one of these cells is."""
        return [panel for panel in self.panels if any(cell in ran for cell in self.cells_of(panel))]

    def compared(self, panel: str) -> list[str]:
        """The embeddings that a panel compares: transfers and what they are compared with, or else the paper's."""
        here = self.cells.filter(pl.col("panel") == panel)
        transfers = here.filter(pl.col("role") == "transfer")
        if transfers.is_empty():
            return self.in_order(here.filter(pl.col("role") == "paper")["embedding"].unique())
        return self.in_order({*transfers["embedding"], *transfers["compared_with"]})

    def cells_of(self, panel: str) -> list[Cell]:
        """The cells that a panel draws, in the order of the table."""
        own = self.cells.filter(pl.col("panel") == panel)
        same = own.select("environment", "agent", "reading").unique()
        here = self.cells.filter(pl.col("embedding").is_in(self.compared(panel))).join(
            same, on=same.columns, how="semi", maintain_order="left"
        )
        return [Cell(*words) for words in here.select(KEYS).iter_rows()]

    def agents_of(self, panel: str) -> list[str]:
        """The agents of a panel, in the order of plots."""
        return sorted(
            {cell.agent for cell in self.cells_of(panel)}, key=lambda agent: (_place(self.agents, agent), agent)
        )

    def named_agent(self, panel: str, agent: str) -> str:
        """What follows the name of a panel that has several agents, as ", VPG"; empty if it has one."""
        return f", {self.agent(agent)}" * (len(self.agents_of(panel)) > 1)

    @property
    def readings(self) -> list[str]:
        """Readings that have a cell, besides the primary one."""
        return list(dict.fromkeys(name for name in self.cells["reading"] if name))

    def cells_under(self, reading: str) -> list[Cell]:
        """The cells under a reading, in the order of the table."""
        return [Cell(*words) for words in self.cells.filter(pl.col("reading") == reading).select(KEYS).iter_rows()]

    def epochs(self, environment: str) -> tuple[int, int]:
        """Epochs of a run in an environment: at this scale and at the paper's."""
        row = self.cells.filter(pl.col("environment") == environment).row(0, named=True)
        return row["epochs"], row["paper_epochs"]


def _place(names: Iterable[str], name: str) -> int:
    known = list(names)
    return known.index(name) if name in known else len(known)
