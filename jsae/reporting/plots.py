"""The figures of the study, one function each, from the tables alone.

Names, colours and line styles come with the table of cells (jsae.reporting.looks). Curves are not smoothed; a long one
is drawn by means of blocks of epochs, and its axis says so. The same tables give the same bytes.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator, NullLocator

from jsae.analysis import statistics
from jsae.config.study import Cell
from jsae.io.files import write_atomically
from jsae.reporting.looks import SEARCHED, Looks
from jsae.training.columns import KEYS

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


VERDICT_LOOKS = {
    "supported": {"color": "#0072B2", "marker": "o"},
    "inconclusive": {"color": "#6b6b6b", "marker": "s"},
    "contradicted": {"color": "#D55E00", "marker": "X"},
}
"""How each verdict is drawn."""


def learning_curves(
    cells: Sequence[Cell],
    curves: pl.DataFrame,
    final: pl.DataFrame,
    looks: Looks,
    missing: Sequence[Cell] = (),
    stamp: str = "",
) -> Figure:
    """Average return over the last 10 episodes against epochs: every seed faint, mean ± standard deviation over seeds.

    A plot for each environment and agent of `cells`, at most three in a row; plots of one environment share an axis.
    Horizontal lines show the optimal and the random policy's return where they are known.

    Args:
        cells: what is drawn, of one reading.
        curves, final: the tables of the study.
        missing: cells without a run; the legend says so.
        stamp: printed across each plot.
    """
    plots = sorted({(cell.environment, cell.agent) for cell in cells}, key=lambda plot: looks.place(*plot))
    columns, alone = min(3, len(plots)), len(plots) == 1
    rows = -(-len(plots) // columns)
    one = len({environment for environment, _ in plots}) == 1
    with mpl.rc_context(STYLE):
        size = (3.6, 3.1) if alone else (2.6 * columns, 3.3 * rows)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, columns, sharey=one, squeeze=False)
        for axes in grid.flat[len(plots) :]:
            axes.axis("off")
        for axes, (environment, agent) in zip(grid.flat, plots, strict=False):
            own = [cell for cell in cells if (cell.environment, cell.agent) == (environment, agent)]
            here = _runs_of(curves, own)
            _curves_of_agent(axes, here, [cell for cell in own if cell in missing], looks)
            _reference_returns(axes, _runs_of(final, own))
            title = looks.environment(environment)
            axes.set_title(f"{title} ({looks.agent(agent)})", fontsize=None if one else 8.5)
            _legend_below(axes, narrow=not alone)
            _stamp(axes, stamp)
        for line in range(rows):
            shown = {environment for environment, _ in plots[line * columns : (line + 1) * columns]}
            grid[line, 0].set_ylabel(f"Average return, last 10 episodes{_means(curves, shown)}")
    return figure


def _runs_of(table: pl.DataFrame, cells: Sequence[Cell]) -> pl.DataFrame:
    """The rows of these cells, in the order of the table."""
    keys = pl.DataFrame([list(vars(cell).values()) for cell in cells], dict.fromkeys(KEYS, pl.String), orient="row")
    return table.join(keys, on=KEYS, how="semi", maintain_order="left")


def _means(curves: pl.DataFrame, environments: Collection[str]) -> str:
    """What the axis says where a point of a curve stands for several epochs."""
    epochs = (curves.filter(environment=environment)["epoch"].n_unique() for environment in environments)
    widths = sorted({block_width(count) for count in epochs})
    if widths[-1] == 1:
        return ""
    return f"\n(means of {' to '.join(map(str, sorted({widths[0], widths[-1]})))} epochs)"


def _legend_below(axes: Axes, narrow: bool) -> None:
    """The legend under a plot: in two columns, unless the plot is narrow or a word too long for it."""
    _, labels = axes.get_legend_handles_labels()
    columns = 1 if narrow or max((len(str(label)) for label in labels), default=0) > 26 else 2
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=columns, handlelength=2.6, columnspacing=1.4)


def _curves_of_agent(axes: Axes, rows: pl.DataFrame, missing: Sequence[Cell], looks: Looks) -> None:
    """Draw every embedding's curve: seeds, spread, mean."""
    for embedding in looks.in_order(rows["embedding"].unique()):
        points = blocks(rows.filter(pl.col("embedding") == embedding))
        look, n = looks.style(embedding), points["seed"].n_unique()
        same: dict[str, Any] = {"data": points.to_pandas(), "x": "epoch", "y": "mean_return", "ax": axes}
        sns.lineplot(**same, units="seed", estimator=None, color=look["color"], linewidth=0.5, alpha=0.28)
        band = {"errorbar": "sd", "err_kws": {"alpha": 0.13, "linewidth": 0}} if n > 1 else {"errorbar": None}
        sns.lineplot(**same, **band, **look, linewidth=1.5, zorder=3, label=f"{looks.embedding(embedding)} (n = {n})")
    for cell in missing:
        axes.plot([], [], " ", label=f"{looks.embedding(cell.embedding)}: missing")
    axes.set(xlabel="Epoch", ylabel="")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.margins(x=0)
    if rows.height:
        _steps_axis(axes, rows)


def block_width(epochs: int) -> int:
    """How many epochs one point of a curve stands for: the fewest that leave at most 250 points."""
    return max(1, -(-epochs // 250))


def blocks(rows: pl.DataFrame) -> pl.DataFrame:
    """A row per seed and block of `block_width` epochs of one cell: seed, the last epoch, and the mean of mean_return.

    More points than a plot has dots to show would only draw noise as a thick line.
    """
    width = block_width(rows["epoch"].n_unique())
    block = ((pl.col("epoch") - 1) // width).alias("block")
    return (
        rows.group_by("seed", block, maintain_order=True)
        .agg(pl.col("epoch").max(), pl.col("mean_return").mean())
        .drop("block")
    )


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


def _reference_returns(axes: Axes, runs: pl.DataFrame) -> None:
    """Lines for the optimal and the random policy, named at the right edge of the plot."""
    lines = (("optimal_return", "optimal", (0, (6, 2)), -2), ("random_return", "random", (0, (2, 2)), 2))
    for column, name, style, shift in lines:
        known = runs[column].drop_nans().unique()
        if len(known) == 1:
            axes.axhline(known[0], color="#7a7a7a", linewidth=0.8, linestyle=style, zorder=1)
            axes.annotate(
                f"{name} {known[0]:.4g}".replace("-", "−"), xy=(1, known[0]), xytext=(-2, shift),
                xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=7, color="#555555",
                ha="right", va="top" if shift < 0 else "bottom",
            )  # fmt: skip


def _stamp(axes: Axes, stamp: str, height: float = 1.14) -> None:
    """Print `stamp` across a plot, behind its curves, and above its left corner, where nothing can cover it.

    height: of the second one, in heights of the plot.
    """
    place, figure = axes.get_subplotspec(), axes.get_figure(root=True)
    if stamp and place and figure:
        width = figure.get_figwidth() / place.get_gridspec().ncols
        look: dict[str, Any] = {"transform": axes.transAxes, "fontweight": "bold", "color": "#b00020"}
        axes.text(0, height, stamp, ha="left", va="bottom", fontsize=7.5 if len(stamp) < 8 else 6, **look)
        across = axes.text(0.5, 0.5, stamp, ha="center", va="center", rotation=24, alpha=0.14, zorder=0,
                           fontsize=min(30, 85 * width / len(stamp)), **look)  # fmt: skip
        across.set_in_layout(False)


def figure_1(stamp: str = "") -> Figure:
    """Figure 1: (a) the overall architecture; (b) the model of the environment that learns φ and g."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
        for axes, title in ((left, "(a) Overall architecture"), (right, "(b) Embedding model")):
            _canvas(axes, title)
            _stamp(axes, stamp)
        for x, text in ((2.0, r"$\phi$"), (5.0, r"$\pi_i$"), (8.0, r"$f$")):
            _box(left, (x, 3.6), text, learnt=text != r"$\pi_i$")
        _box(left, (5.0, 0.9), "Environment", width=4.2)
        _arrow(left, (2.7, 3.6), (4.3, 3.6), r"$X_t$")
        _arrow(left, (5.7, 3.6), (7.3, 3.6), r"$E_t$")
        _arrow(left, (8.7, 3.6), (9.6, 3.6), "", bare=True)
        _arrow(left, (9.6, 3.6), (9.6, 0.9), "", bare=True)
        _arrow(left, (9.6, 0.9), (7.1, 0.9), r"$A_t$")
        _arrow(left, (2.9, 0.9), (0.4, 0.9), r"$S_{t+1},\, R_t$", bare=True)
        _arrow(left, (0.4, 0.9), (0.4, 3.6), "", bare=True)
        _arrow(left, (0.4, 3.6), (1.3, 3.6), r"$S_t$")
        left.text(5.0, 5.15, r"overall policy $\pi_o$", ha="center", fontsize=8, color="#666666")
        left.plot([1.1, 1.1, 8.9, 8.9], [4.6, 4.85, 4.85, 4.6], color="#999999", linewidth=0.8)
        for y, name, start, result in ((4.0, r"$\phi$", r"$S_t$", r"$X_t$"), (1.2, r"$g$", r"$A_t$", r"$E_t$")):
            _box(right, (3.0, y), name, learnt=True)
            _arrow(right, (0.9, y), (2.3, y), start)
            _arrow(right, (3.7, y), (5.6, 3.0 if y > 2 else 2.2), result)
        _box(right, (6.3, 2.6), r"$T$", learnt=True, height=1.7)
        _arrow(right, (7.0, 2.6), (9.3, 2.6), r"$\hat{P}(S_{t+1})$")
    return figure


def figure_3(stamp: str = "") -> Figure:
    """Figure 3: the policy π′ᵢ, which takes a raw state and gives an embedded action."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 2.6), layout="constrained")
        axes = figure.subplots()
        _canvas(axes, "")
        _stamp(axes, stamp)
        axes.add_patch(
            FancyBboxPatch(
                (1.1, 2.7), 5.0, 1.9, boxstyle="round,pad=0.1", fill=False, edgecolor="#999999", linestyle="--"
            )
        )
        axes.text(3.6, 4.85, r"$\pi'_i$", ha="center", va="bottom", fontsize=10)
        for x, text in ((2.0, r"$\phi$"), (5.1, r"$\pi_i$"), (8.2, r"$f$")):
            _box(axes, (x, 3.6), text, learnt=text != r"$\pi_i$")
        _box(axes, (5.0, 0.9), "Environment", width=4.2)
        _arrow(axes, (2.7, 3.6), (4.4, 3.6), r"$X_t$")
        _arrow(axes, (5.8, 3.6), (7.5, 3.6), r"$E_t$")
        _arrow(axes, (8.9, 3.6), (9.6, 3.6), "", bare=True)
        _arrow(axes, (9.6, 3.6), (9.6, 0.9), "", bare=True)
        _arrow(axes, (9.6, 0.9), (7.1, 0.9), r"$A_t$")
        _arrow(axes, (2.9, 0.9), (0.4, 0.9), r"$S_{t+1}$", bare=True)
        _arrow(axes, (0.4, 0.9), (0.4, 3.6), "", bare=True)
        _arrow(axes, (0.4, 3.6), (1.3, 3.6), r"$S_t$")
    return figure


def figure_4(
    walls: Sequence[Sequence[float]],
    goal: Sequence[float],
    start: Sequence[float],
    actuators: int,
    reach: float,
    stamp: str = "",
) -> Figure:
    """Figure 4: the gridworld. Obstacles grey, goal blue, agent red with the directions of its actuators.

    walls, goal: boxes (x0, y0, x1, y1) of the unit square; start: (x, y); reach: length of the longest step, of which
    half an arrow is drawn.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2, 3.1), layout="constrained")
        axes = figure.subplots()
        for box, color in (*((wall, "#8c8c8c") for wall in walls), (goal, "#0072B2")):
            axes.add_patch(Rectangle((box[0], box[1]), box[2] - box[0], box[3] - box[1], color=color, linewidth=0))
        x, y = start
        for k in range(actuators):
            angle = 2 * np.pi * k / actuators
            tip = (x + reach / 2 * np.cos(angle), y + reach / 2 * np.sin(angle))
            axes.annotate("", tip, (x, y), arrowprops={"arrowstyle": "->", "linewidth": 0.6, "color": "#b9706a"})
        axes.plot([x], [y], "o", color="#c8322b", markersize=6, zorder=3)
        axes.annotate("agent", (x + 0.55 * reach, y), fontsize=8, color="#8f1f1a", va="center")
        middle = ((goal[0] + goal[2]) / 2, goal[3])
        axes.annotate("goal", middle, (0, 3), textcoords="offset points", fontsize=8, color="#0072B2", ha="center")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.spines[["top", "right"]].set_visible(True)
        axes.grid(visible=False)
        _stamp(axes, stamp)
    return figure


def figure_claims(records: Sequence[Mapping[str, Any]], stamp: str = "") -> Figure:
    """Every tested comparison: effect with its 95 % interval in units of its margin, against the range of the margin.

    records: those of claims.json. A claim "better" or "faster" is supported where the interval lies right of 0 and
    contradicted where it lies left of 1; "comparable" is supported where it lies between −1 and 1.
    """
    tested = [record for record in records if record["low"] is not None]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 0.9 + 0.3 * max(1, len(tested))), layout="constrained")
        axes = figure.subplots()
        axes.axvspan(-1, 1, color="#eeeeee", zorder=0)
        axes.axvline(0, color="#888888", linewidth=0.8)
        for row, record in enumerate(reversed(tested)):
            look = VERDICT_LOOKS[record["verdict"]]
            low, effect, high = (record[key] / record["margin"] for key in ("low", "effect", "high"))
            axes.plot([low, high], [row, row], color=look["color"], linewidth=1.6, solid_capstyle="butt")
            axes.plot([effect], [row], look["marker"], color=look["color"], markersize=5.5)
        axes.set_yticks(range(len(tested)), [f"{r['figure']}: {r['aspect']}" for r in reversed(tested)], fontsize=8)
        axes.set_xscale("symlog", linthresh=2, linscale=1.2)
        axes.xaxis.set_major_locator(FixedLocator([-100, -10, -1, 0, 1, 10, 100]))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        ends = [abs(record[key] / record["margin"]) for record in tested for key in ("low", "high")]
        axes.set_xlim(-max(12.0, *ends) * 1.1, max(12.0, *ends) * 1.1)
        axes.set_ylim(-0.7, max(1, len(tested)) - 0.3)
        axes.set_xlabel("Effect in margins (grey: smaller than the margin)")
        handles = [
            Line2D([], [], color=look["color"], marker=look["marker"], markersize=5.5, label=verdict)
            for verdict, look in VERDICT_LOOKS.items()
        ]
        axes.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.4, -0.55 / max(1.5, 0.3 * len(tested))), ncols=3
        )
        axes.grid(visible=False, axis="y")
        _stamp(axes, stamp)
    return figure


def figure_ablations(final: pl.DataFrame, looks: Looks, missing: Sequence[Cell] = (), stamp: str = "") -> Figure:
    """Final returns in every environment with an ablation or control: each seed, mean and 95 % interval.

    The intervals are Student's t and need two seeds. Each agent and environment has its plot. Only the primary reading
    is drawn. missing: cells without a run; they have a row that says so.
    """
    final = final.filter(pl.col("reading") == "")
    ran = [Cell(*words) for words in final.select(KEYS).unique().iter_rows()]
    cells = [cell for cell in (*ran, *missing) if not cell.reading]
    beyond = [cell for cell in cells if looks.roles.get(cell.embedding) in ("ablation", "control")]
    panels = sorted({(cell.environment, cell.agent) for cell in beyond}, key=lambda panel: looks.place(*panel))
    rows = [looks.in_order({c.embedding for c in cells if (c.environment, c.agent) == panel}) for panel in panels]
    heights = [0.75 + 0.24 * len(shown) for shown in rows] or [1.0]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.6, sum(heights)), layout="constrained")
        grid = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (environment, agent), shown in zip(grid, panels, rows, strict=False):
            here = final.filter((pl.col("environment") == environment) & (pl.col("agent") == agent))
            labels = []
            for row, embedding in enumerate(shown):
                returns = here.filter(pl.col("embedding") == embedding)["final_return"].to_numpy()
                _dots_and_interval(axes, row, returns, looks.style(embedding)["color"])
                count = f"n = {len(returns)}" if len(returns) else "missing"
                labels.append(f"{looks.embedding(embedding)} ({count})")
            axes.set_yticks(range(len(labels)), labels, fontsize=8)
            axes.set_ylim(len(labels) - 0.4, -0.6)
            axes.grid(visible=False, axis="y")
            axes.set_title(f"{looks.environment(environment)} ({looks.agent(agent)})")
            axes.set_xlabel("Final return")
            _stamp(axes, stamp)
    return figure


def _dots_and_interval(axes: Axes, row: int, returns: np.ndarray, color: str) -> None:
    """Every seed as a dot, the mean as a bar across, its Student-t interval as a line; nothing for no seed."""
    axes.plot(returns, np.full(len(returns), row), "o", color=color, markersize=3.5, alpha=0.45)
    if len(returns) > 1:
        interval = statistics.mean_interval(returns)
        axes.plot([interval.low, interval.high], [row, row], color=color, linewidth=1.6)
    if len(returns):
        axes.plot([returns.mean()], [row], "|", color=color, markersize=13, markeredgewidth=2)


def figure_embeddings(actions: pl.DataFrame, measured: pl.DataFrame, looks: Looks, stamp: str = "") -> Figure:
    """Action embeddings of one seed in the plane, a gridworld a row, coloured by the direction of the motion.

    actions: embedding, e1, e2, direction in radians, length, a row per environment, embedding and action. measured:
    rank_correlation a row per environment, embedding and seed. Actions that stand still are grey. Each plot has its
    own range.
    """
    environments = actions["environment"].unique(maintain_order=True).to_list()
    shown = {e: looks.in_order(actions.filter(pl.col("environment") == e)["embedding"].unique()) for e in environments}
    columns = max(map(len, shown.values()))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.2 * columns + 0.9, 2.5 * len(environments)), layout="constrained")
        grid = figure.subplots(len(environments), columns, squeeze=False)
        points = None
        for line, environment in zip(grid, environments, strict=True):
            for axes in line[len(shown[environment]) :]:
                axes.axis("off")
            for axes, embedding in zip(line, shown[environment], strict=False):
                cell = (pl.col("environment") == environment) & (pl.col("embedding") == embedding)
                rows, ranks = actions.filter(cell), measured.filter(cell)["rank_correlation"].drop_nans()
                moves = pl.col("length") > 1e-9
                still, moving = rows.filter(~moves), rows.filter(moves)
                axes.scatter(still["e1"], still["e2"], s=9, color="#999999", rasterized=True)
                points = axes.scatter(
                    moving["e1"], moving["e2"], s=4, c=moving["direction"], cmap="twilight_shifted", vmin=-np.pi,
                    vmax=np.pi, linewidths=0, rasterized=True,
                )  # fmt: skip
                mean = ranks.mean()
                rank = f"\nρ = {mean:.2f} (n = {len(ranks)})".replace("-", "−") if isinstance(mean, float) else ""
                axes.set_title(f"{looks.embedding(embedding)}{rank}", fontsize=8)
                reach = 1.08 * float(np.abs(rows.select("e1", "e2").to_numpy()).max())
                axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
                axes.locator_params(nbins=4)
                axes.tick_params(labelsize=7)
                _stamp(axes, stamp, height=1.27)
            line[0].set_ylabel(looks.environment(environment), fontsize=8)
        if points is not None:
            bar = figure.colorbar(
                points, ax=grid, ticks=(-np.pi, -np.pi / 2, 0, np.pi / 2, np.pi), shrink=0.8, pad=0.02
            )
            bar.ax.set_yticklabels(("left", "down", "right", "up", "left"), fontsize=7)
            bar.set_label("Direction of the motion", fontsize=7.5)
    return figure


def figure_maps(
    maps: pl.DataFrame,
    walls: Sequence[Sequence[float]],
    goal: Sequence[float],
    start: Sequence[float],
    looks: Looks,
    stamp: str = "",
) -> Figure:
    """What critics think every place of a gridworld is worth, and where their agents go: a column a representation.

    maps: embedding, seeds, x_bin, y_bin, value, visits (share of steps), of one environment and agent. walls, goal,
    start: as of `figure_4`. All values share one scale, all visits a logarithmic one; what was not visited is white.
    """
    shown = looks.in_order(maps["embedding"].unique())
    visited = maps.filter(pl.col("visits") > 0)["visits"].to_numpy()
    values = maps["value"].to_numpy()
    lines: list[tuple[str, str, Normalize, str]] = [
        ("value", "Value", Normalize(values.min(), values.max()), "viridis"),
        ("visits", "Share of steps", LogNorm(visited.min(), visited.max()), "viridis_r"),
    ]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.9 * len(shown) + 1.1, 4.3), layout="constrained")
        grid = figure.subplots(2, len(shown), squeeze=False, sharex=True, sharey=True)
        for line, (column, label, norm, colors) in zip(grid, lines, strict=True):
            picture = None
            for axes, embedding in zip(line, shown, strict=True):
                rows = maps.filter(pl.col("embedding") == embedding)
                wide = rows.pivot("y_bin", index="x_bin", values=column).sort("x_bin").drop("x_bin")
                square = wide.select([str(y_bin) for y_bin in range(wide.width)]).to_numpy().T
                shape = {"origin": "lower", "extent": (0, 1, 0, 1), "interpolation": "nearest"}
                if column == "visits":
                    square = np.ma.masked_equal(square, 0)
                picture = axes.imshow(square, norm=norm, cmap=colors, **shape)
                _furnish(axes, walls, goal, start)
                if column == "value":
                    axes.set_title(f"{looks.embedding(embedding)} (n = {rows['seeds'][0]})", fontsize=8.5)
                _stamp(axes, stamp)
            if picture is not None:
                figure.colorbar(picture, ax=line, shrink=0.85, pad=0.02).set_label(label, fontsize=8)
    return figure


def _furnish(axes: Axes, walls: Sequence[Sequence[float]], goal: Sequence[float], start: Sequence[float]) -> None:
    """Walls, goal and start of a gridworld over a map of it."""
    for box, face, edge in (*((wall, "white", "#444444") for wall in walls), (goal, "none", "#c8322b")):
        size = box[2] - box[0], box[3] - box[1]
        axes.add_patch(Rectangle((box[0], box[1]), *size, facecolor=face, edgecolor=edge, linewidth=0.9))
    axes.plot([start[0]], [start[1]], "o", color="#c8322b", markeredgecolor="white", markersize=4.5)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.grid(visible=False)


def figure_sensitivity(search: pl.DataFrame, looks: Looks, stamp: str = "") -> Figure:
    """What the search found: the score of every setting against each hyper-parameter that it varied.

    search: environment, agent, embedding, epochs, score and the columns of SEARCHED, a row a setting. A row of
    plots an environment and agent; lines join the best settings with each value. Settings that were given up before the
    others, after fewer epochs, are open circles.
    """
    cells = search.select("environment", "agent").unique(maintain_order=True).rows()
    varied = [name for name in SEARCHED if search[name].drop_nulls().n_unique() > 1]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.9 * max(1, len(varied)) + 0.8, 1.45 * len(cells) + 0.6), layout="constrained")
        grid = figure.subplots(len(cells), max(1, len(varied)), squeeze=False, sharey="row")
        for line, (environment, agent) in zip(grid, cells, strict=True):
            here = search.filter((pl.col("environment") == environment) & (pl.col("agent") == agent))
            for axes, name in zip(line, varied, strict=False):
                if here[name].is_null().all():  # not a hyper-parameter of this agent
                    axes.axis("off")
                    continue
                _scores(axes, here, name, looks)
                axes.set_xlabel(SEARCHED[name], fontsize=8)
                _stamp(axes, stamp)
            first = next((axes for axes in line if axes.axison), line[0])
            first.set_ylabel(f"{looks.environment(environment)}\n({looks.agent(agent)})", fontsize=7.5)
        shown = looks.in_order(search["embedding"].unique())
        handles = [Line2D([], [], label=looks.embedding(name), **looks.style(name)) for name in shown]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _scores(axes: Axes, rows: pl.DataFrame, name: str, looks: Looks) -> None:
    """Scores of one environment's settings against the values of a hyper-parameter, each embedding in its place."""
    values = rows[name].drop_nulls().unique().sort().to_list()
    embeddings = looks.in_order(rows["embedding"].unique())
    for place, embedding in enumerate(embeddings):
        look = looks.style(embedding)
        shift = 0.16 * (place - (len(embeddings) - 1) / 2)
        best = []
        for x, value in enumerate(values):
            of_value = rows.filter((pl.col("embedding") == embedding) & (pl.col(name) == value))
            early = of_value["epochs"] < rows["epochs"].max()
            for stopped, face in ((True, "none"), (False, look["color"])):
                scores = of_value.filter(early if stopped else ~early)["score"]
                style = {"s": 9, "facecolors": face, "edgecolors": look["color"], "linewidths": 0.6, "alpha": 0.6}
                axes.scatter(np.full(len(scores), x + shift), scores, **style)
            if len(of_value):
                best.append((x + shift, of_value["score"].max()))
        if best:
            axes.plot(*zip(*best, strict=True), **look, linewidth=1.2)
    axes.set_xticks(range(len(values)), [f"{value:g}" if isinstance(value, float) else str(value) for value in values])
    axes.tick_params(labelsize=7)


def figure_wall_times(hours: Mapping[Cell, float], looks: Looks, stamp: str = "") -> Figure:
    """Hours that the training of each cell took, all its blocks of seeds together, a plot an environment."""
    panels = sorted({(cell.environment, "") for cell in hours}, key=lambda panel: looks.place(*panel))
    cells = {environment: [cell for cell in hours if cell.environment == environment] for environment, _ in panels}
    heights = [0.7 + 0.2 * len(of) for of in cells.values()] or [1.0]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.6, sum(heights)), layout="constrained")
        grid = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (environment, of) in zip(grid, cells.items(), strict=False):
            for row, cell in enumerate(of):
                color = looks.style(cell.embedding)["color"]
                axes.barh(row, hours[cell], color=color, height=0.62)
                axes.annotate(f" {hours[cell]:.3g}", (hours[cell], row), va="center", fontsize=7.5)
            said = ((looks.embedding(cell.embedding), looks.agent(cell.agent), cell.reading) for cell in of)
            labels = [f"{embedding} ({', '.join(filter(None, more))})" for embedding, *more in said]
            axes.set_yticks(range(len(of)), labels, fontsize=8)
            axes.set_ylim(len(of) - 0.4, -0.6)
            axes.margins(x=0.12)
            axes.set(title=looks.environment(environment), xlabel="Hours")
            axes.grid(visible=False, axis="y")
            _stamp(axes, stamp)
    return figure


def figure_aggregates(aggregates: pl.DataFrame, profiles: pl.DataFrame, looks: Looks, stamp: str = "") -> Figure:
    """Embeddings over all environments: interquartile mean of the normalized return, and profiles."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.7), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
        rows = aggregates.rows(named=True)
        for place, row in enumerate(reversed(rows)):
            look = looks.style(row["embedding"])
            left.plot([row["low"], row["high"]], [place, place], color=look["color"], linewidth=6, alpha=0.3)
            left.plot([row["estimate"]], [place], "|", color=look["color"], markersize=14, markeredgewidth=2)
        left.set_yticks(range(len(rows)), [_label(row, looks) for row in reversed(rows)])
        left.set_ylim(-0.6, len(rows) - 0.4)
        left.set_xlabel("Interquartile mean of the normalized return")
        left.grid(visible=False, axis="y")
        for row in rows:
            of = profiles.filter((pl.col("agent") == row["agent"]) & (pl.col("embedding") == row["embedding"]))
            look = looks.style(row["embedding"])
            right.plot(of["threshold"], of["share"], linewidth=1.4, label=_label(row, looks), **look)
        right.set(
            xlabel="Normalized return τ (random 0, optimal 1)", ylabel="Share of runs above τ", ylim=(-0.02, 1.02)
        )
        right.legend(fontsize=7.5)
        for axes in (left, right):
            _stamp(axes, stamp)
    return figure


def _label(row: Mapping[str, Any], looks: Looks) -> str:
    return f"{looks.embedding(row['embedding'])} ({looks.agent(row['agent'])})"


def _canvas(axes: Axes, title: str) -> None:
    """An empty drawing of ten by six."""
    axes.set(xlim=(-0.2, 10.2), ylim=(0, 5.6), title=title)
    axes.axis("off")


def _box(
    axes: Axes, centre: tuple[float, float], text: str, width: float = 1.4, height: float = 1.3, learnt: bool = False
) -> None:
    """A box of a drawing; what the embedding model learns is tinted."""
    corner = (centre[0] - width / 2, centre[1] - height / 2)
    face = "#dcebf5" if learnt else "#f4f4f4"
    axes.add_patch(
        FancyBboxPatch(
            corner, width, height, boxstyle="round,pad=0,rounding_size=0.18", facecolor=face, edgecolor="#444444"
        )
    )
    axes.text(*centre, text, ha="center", va="center", fontsize=11 if text.startswith("$") else 9)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str, bare: bool = False) -> None:
    """An arrow of a drawing with words above its middle; `bare`: a line without a head."""
    style = "-" if bare else "-|>"
    axes.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": style, "color": "#444444", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
    )
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    axes.annotate(text, middle, (0, 3), textcoords="offset points", ha="center", va="bottom", fontsize=8.5)


def save(figure: Figure, base: Path) -> list[Path]:
    """Write `base`.svg, .pdf and .png, without dates, so the same figure gives the same bytes. Returns the paths.

    The layout is settled once, by the first drawing, and then the same in all three; rounded, as its solver's last
    digits depend on where things lie in memory.
    """
    undated: dict[str, dict[str, Any]] = {
        "svg": {"Date": None},
        "pdf": {"CreationDate": None},
        "png": {},
    }
    with mpl.rc_context(STYLE):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, 6).tolist())
    written = []
    for kind, metadata in undated.items():
        path = base.with_name(f"{base.name}.{kind}")
        with mpl.rc_context(STYLE), write_atomically(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
        written.append(path)
    return written
