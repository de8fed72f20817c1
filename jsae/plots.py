"""The figures of the study, one function each, from the tables alone.

Colours are the colour-blind safe ones of Okabe and Ito; each embedding has its own line style too, so a figure can be
read in grey. Nothing is smoothed. The same tables give the same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from jsae.curves import Cell
from jsae.files import write_atomically

STYLE: Any = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "jsae",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "figure.dpi": 100,
    "savefig.dpi": 200,
}
LOOKS: dict[str, dict[str, Any]] = {
    "jsae": {"color": "#0072B2", "linestyle": "-"},
    "ra": {"color": "#D55E00", "linestyle": (0, (5, 1.5))},
    "none": {"color": "#3f3f3f", "linestyle": (0, (1.2, 1.2))},
    "separate": {"color": "#009E73", "linestyle": (0, (5, 1.5, 1.2, 1.5))},
}
"""How each embedding is drawn, everywhere."""
OTHER_LOOK: dict[str, Any] = {"color": "#CC79A7", "linestyle": (0, (8, 1.5, 1.2, 1.5, 1.2, 1.5))}
NAMES = {"jsae": "JSAE", "ra": "RA", "none": "no embedding", "separate": "separate embeddings"}
AGENTS = {"vpg": "VPG", "ppo": "PPO", "sac": "SAC"}
ENVIRONMENTS = {
    "gridworld-continuous": "Gridworld, continuous state",
    "gridworld-discrete": "Gridworld, discrete state",
    "slot-machine": "Slot machine",
    "half-cheetah": "Half-Cheetah",
    "recommender": "Recommender system",
}


def figure_2a(curves: pl.DataFrame, final: pl.DataFrame, missing: Sequence[Cell], stamp: str = "") -> Figure:
    """Figure 2a: learning curves of the gridworld with continuous states."""
    return learning_curves("gridworld-continuous", curves, final, missing, stamp)


def figure_2b(curves: pl.DataFrame, final: pl.DataFrame, missing: Sequence[Cell], stamp: str = "") -> Figure:
    """Figure 2b: learning curves of the gridworld with discrete states."""
    return learning_curves("gridworld-discrete", curves, final, missing, stamp)


def figure_2c(curves: pl.DataFrame, final: pl.DataFrame, missing: Sequence[Cell], stamp: str = "") -> Figure:
    """Figure 2c: learning curves of the slot machine."""
    return learning_curves("slot-machine", curves, final, missing, stamp)


def figure_2d(curves: pl.DataFrame, final: pl.DataFrame, missing: Sequence[Cell], stamp: str = "") -> Figure:
    """Figure 2d: learning curves of Half-Cheetah."""
    return learning_curves("half-cheetah", curves, final, missing, stamp)


def figure_2e(curves: pl.DataFrame, final: pl.DataFrame, missing: Sequence[Cell], stamp: str = "") -> Figure:
    """Figure 2e: learning curves of the recommender system, one plot for each agent of the study."""
    return learning_curves("recommender", curves, final, missing, stamp)


Draw = Callable[[pl.DataFrame, pl.DataFrame, Sequence[Cell], str], Figure]
PANELS: Mapping[str, tuple[str, Draw]] = {
    "figure_2a": ("gridworld-continuous", figure_2a),
    "figure_2b": ("gridworld-discrete", figure_2b),
    "figure_2c": ("slot-machine", figure_2c),
    "figure_2d": ("half-cheetah", figure_2d),
    "figure_2e": ("recommender", figure_2e),
}
"""Base name of each panel of Figure 2 → its environment and the function that draws it."""


def learning_curves(
    environment: str, curves: pl.DataFrame, final: pl.DataFrame, missing: Sequence[Cell], stamp: str
) -> Figure:
    """Average return over the last 10 episodes against epochs: every seed faint, mean ± standard deviation over seeds.

    curves, final: the tables of the study (jsae.tables). missing: cells without a run; the legend says so. Horizontal
    lines show the optimal and the random policy's return where they are known. stamp: printed across each plot.
    """
    here = curves.filter(pl.col("environment") == environment)
    lost = [cell for cell in missing if cell.environment == environment]
    present = set(here["agent"].unique()) | {cell.agent for cell in lost}
    agents = [agent for agent in AGENTS if agent in present] + sorted(present - set(AGENTS))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6 * max(1, len(agents)), 3.1), layout="constrained")
        grid = figure.subplots(1, max(1, len(agents)), sharey=True, squeeze=False)[0]
        for axes, agent in zip(grid, agents, strict=False):
            _curves_of_agent(axes, here.filter(pl.col("agent") == agent), [c for c in lost if c.agent == agent])
            _bounds(axes, final.filter(pl.col("environment") == environment))
            title = ENVIRONMENTS.get(environment, environment)
            axes.set_title(f"{title} ({AGENTS.get(agent, agent)})")
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2, handlelength=2.6, columnspacing=1.4)
            _stamp(axes, stamp)
        grid[0].set_ylabel("Average return, last 10 episodes")
    return figure


def _curves_of_agent(axes: Axes, rows: pl.DataFrame, missing: Sequence[Cell]) -> None:
    """Draw every embedding's curve: seeds, spread, mean."""
    order = list(LOOKS)
    embeddings = sorted(rows["embedding"].unique(), key=lambda name: (order.index(name) if name in order else 99, name))
    for embedding in embeddings:
        look = LOOKS.get(embedding, OTHER_LOOK)
        epochs, returns = seed_matrix(rows.filter(pl.col("embedding") == embedding))
        mean, n = returns.mean(axis=0), len(returns)
        axes.plot(epochs, returns.T, color=look["color"], linewidth=0.5, alpha=0.28)
        if n > 1:
            spread = returns.std(axis=0, ddof=1)
            axes.fill_between(epochs, mean - spread, mean + spread, color=look["color"], alpha=0.13, linewidth=0)
        label = f"{NAMES.get(embedding, embedding)} (n = {n})"
        axes.plot(epochs, mean, linewidth=1.5, label=label, zorder=3, **look)
    for cell in missing:
        axes.plot([], [], " ", label=f"{NAMES.get(cell.embedding, cell.embedding)}: missing")
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.margins(x=0)
    if rows.height:
        _steps_axis(axes, rows)


def seed_matrix(rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Epochs [E] and mean_return [n, E] of one cell, seeds in order; epochs that a seed lacks are dropped for all."""
    wide = rows.pivot("seed", index="epoch", values="mean_return").sort("epoch").drop_nulls()
    seeds = sorted((name for name in wide.columns if name != "epoch"), key=int)
    return wide["epoch"].to_numpy(), wide.select(seeds).to_numpy().T


def _steps_axis(axes: Axes, rows: pl.DataFrame) -> None:
    """A second axis on top that counts environment steps, which are proportional to epochs."""
    last = rows.sort("epoch").row(-1, named=True)
    per_epoch = last["env_steps"] / last["epoch"]
    top = axes.secondary_xaxis("top", functions=(lambda e: e * per_epoch, lambda s: s / per_epoch))
    top.xaxis.set_major_locator(MaxNLocator(4))
    top.xaxis.set_major_formatter(EngFormatter(sep=""))
    top.set_xlabel("Environment steps", fontsize=7.5, color="#666666", labelpad=3)
    top.tick_params(labelsize=7.5, colors="#666666", width=0.5, length=2.5)
    top.spines["top"].set_visible(True)
    top.spines["top"].set_color("#bbbbbb")


def _bounds(axes: Axes, runs: pl.DataFrame) -> None:
    """Lines for the optimal and the random policy, named at the right edge of the plot."""
    lines = (("optimal_return", "optimal", (0, (6, 2)), -2), ("random_return", "random", (0, (2, 2)), 2))
    for column, name, style, shift in lines:
        known = runs[column].drop_nans().unique()
        if len(known) == 1:
            axes.axhline(known[0], color="#7a7a7a", linewidth=0.8, linestyle=style, zorder=1)
            axes.annotate(
                f"{name} {known[0]:.4g}", xy=(1, known[0]), xytext=(-2, shift), xycoords=("axes fraction", "data"),
                textcoords="offset points", fontsize=7, color="#555555", ha="right",
                va="top" if shift < 0 else "bottom",
            )  # fmt: skip


def _stamp(axes: Axes, stamp: str) -> None:
    """Print `stamp` across a plot, behind its curves, and above its left corner, where nothing can cover it."""
    if stamp:
        axes.text(
            0, 1.14, stamp, transform=axes.transAxes, ha="left", va="bottom", fontsize=7.5, fontweight="bold",
            color="#b00020",
        )  # fmt: skip
        axes.text(
            0.5, 0.5, stamp, transform=axes.transAxes, ha="center", va="center", rotation=24, fontsize=30,
            fontweight="bold", color="#b00020", alpha=0.14, zorder=0,
        )  # fmt: skip


def save(figure: Figure, base: Path) -> list[Path]:
    """Write `base`.svg, .pdf and .png, without dates, so the same figure gives the same bytes. Returns the paths."""
    undated: dict[str, dict[str, Any]] = {
        "svg": {"Date": None},
        "pdf": {"CreationDate": None},
        "png": {},
    }
    written = []
    for kind, metadata in undated.items():
        path = base.with_name(f"{base.name}.{kind}")
        with mpl.rc_context(STYLE), write_atomically(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
        written.append(path)
    return written
