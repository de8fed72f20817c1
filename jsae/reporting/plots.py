"""The figures of the study, one function each, from the tables alone.

Names, colours and line styles come with the table of cells (jsae.reporting.looks). A long curve is drawn by means of
blocks of epochs. The same tables give the same bytes.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from jsae.analysis import statistics
from jsae.analysis.claims import Claims
from jsae.config.study import Cell
from jsae.reporting.looks import SEARCHED, Looks
from jsae.reporting.style import STYLE
from jsae.training.columns import KEYS

VERDICT_LOOKS: dict[str, dict[str, Any]] = {
    "supported": {"color": "#0072B2", "marker": "o"},
    "inconclusive": {"color": "#6b6b6b", "marker": "s"},
    "contradicted": {"color": "#D55E00", "marker": "X"},
}
"""How each verdict is drawn."""


POINTS = 100
"""A curve of Figure 2 is drawn by at most so many points; one of a reading by half as many."""


class Plot(NamedTuple):
    """One plot of learning curves: its cells, its title, the line below that, and the most points of a curve."""

    cells: Sequence[Cell]
    title: str
    remark: str = ""
    points: int = POINTS


def plots_of_figure_2(looks: Looks, book: Claims, panels: Sequence[str]) -> list[list[Plot]]:
    """The rows of Figure 2 with these panels: three plots a row; a panel has a plot for each agent."""
    plots: list[Plot] = []
    for panel in panels:
        environment = looks.panels[panel]
        cells = looks.cells_of(panel)
        plots += [
            Plot(
                [cell for cell in cells if cell.agent == agent],
                f"{panel}  {looks.environment(environment)} ({looks.agent(agent)})",
                ordering(panel, agent, book, looks),
            )
            for agent in looks.agents_of(panel)
        ]
    return [plots[start : start + 3] for start in range(0, len(plots), 3)]


def ordering(panel: str, agent: str, book: Claims, looks: Looks) -> str:
    """What the paper says of a panel, as "JSAE > no embedding > RA"; ≈ where it says comparable. Empty: nothing."""
    ahead: dict[str, set[str]] = {}
    same: dict[str, list[str]] = {}
    for claim in book.claims:
        if claim.figure == panel and claim.kind in ("better", "comparable") and claim.cells[0].agent == agent:
            first, second = claim.cells[0].embedding, claim.cells[1].embedding
            if claim.kind == "better":
                ahead.setdefault(first, set()).add(second)
            elif second not in same.setdefault(first, []):
                same[first].append(second)
    said = [
        f"{looks.embedding(one)} ≈ {', '.join(map(looks.embedding, looks.in_order(of)))}" for one, of in same.items()
    ]
    levels: dict[int, list[str]] = {}
    for name in {*ahead, *(other for of in ahead.values() for other in of)}:
        levels.setdefault(_below(name, ahead), []).append(name)
    if levels:
        of_level = (levels[depth] for depth in sorted(levels, reverse=True))
        said.append(" > ".join(", ".join(map(looks.embedding, looks.in_order(names))) for names in of_level))
    return "; ".join(said)


def _below(name: str, ahead: Mapping[str, Collection[str]]) -> int:
    """How many levels are below an embedding in the paper's ordering."""
    return max((1 + _below(other, ahead) for other in ahead.get(name, ())), default=0)


def plots_of_reading(looks: Looks, reading: str) -> list[list[Plot]]:
    """The rows of a figure of one reading: a plot an environment and agent, three a row."""
    cells = looks.cells_under(reading)
    places = sorted({(cell.environment, cell.agent) for cell in cells}, key=lambda place: looks.place(*place))
    plots = []
    for place in places:
        own = [cell for cell in cells if (cell.environment, cell.agent) == place]
        title = f"{looks.environment(own[0].environment)} ({looks.agent_of(own[0])})"
        plots.append(Plot(own, title, points=POINTS // 2))
    return [plots[start : start + 3] for start in range(0, len(plots), 3)]


def learning_curves(
    rows: Sequence[Sequence[Plot]],
    curves: pl.DataFrame,
    final: pl.DataFrame,
    looks: Looks,
    missing: Sequence[Cell] = (),
    stamp: str = "",
    behind: pl.DataFrame | None = None,
) -> Figure:
    """Average return over the last 10 episodes against epochs, a plot for each of `rows`, with one legend.

    A cell is drawn by the mean over its seeds with the 95 % interval of that mean (Student's t), or, where some of its
    runs succeed and some do not, by the mean and each seed: no run is near such a mean. A point is the mean of a block
    of epochs. Plots of one environment with the same embeddings have the same range. Horizontal lines are the returns
    of the optimal and the random policy.

    Args:
        curves, final: the tables of the study.
        missing: cells without a run; their plot says so.
        stamp: printed across each plot.
        behind: curves of the published study, drawn light behind these, as far as these go; the legend says so.
    """
    shown = [plot for row in rows for plot in row]
    columns = max(map(len, rows), default=1)
    with mpl.rc_context(STYLE):
        alone = len(shown) == 1
        width, height = (4.2, 3.2) if alone else (2.24 * columns, 1.95 * len(rows) + 0.3)
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for line, row in zip(grid, rows, strict=True):
            for axes, plot in zip(line, row, strict=False):
                _curves_of(axes, plot, _runs_of(curves, plot.cells), _runs_of(final, plot.cells), looks)
                if behind is not None:
                    _light(axes, _runs_of(behind, plot.cells), looks)
                _reference_returns(axes, _runs_of(final, plot.cells))
                _lacking(axes, [looks.embedding(cell.embedding) for cell in plot.cells if cell in missing])
                stamped(axes, stamp, 1.26)
            line[0].set_ylabel("Return", fontsize=8)
        _same_range(
            [(axes, plot) for line, row in zip(grid, rows, strict=True) for axes, plot in zip(line, row, strict=False)]
        )
        for axes in grid.flat:
            if not axes.get_title(loc="left"):
                axes.axis("off")
        names = looks.in_order({cell.embedding for plot in shown for cell in plot.cells})
        handles = [Line2D([], [], linewidth=1.5, label=looks.embedding(name), **looks.style(name)) for name in names]
        if any(line.get_gid() == BEHIND for axes in grid.flat for line in axes.lines):
            label = "light: means of the published study"
            handles.append(Line2D([], [], color=looks.style(names[0])["color"], linewidth=3, alpha=0.25, label=label))
        free = next((axes for axes in grid.flat if not axes.axison), None)
        if free is None:
            figure.legend(handles=handles, loc="outside lower center", ncols=2 if alone else 3)
        else:
            free.legend(handles=handles, loc="center left", fontsize=8.5, handlelength=3)
    return figure


def _same_range(drawn: Sequence[tuple[Axes, Plot]]) -> None:
    """Give plots of one environment with the same embeddings the same range of returns."""
    places: dict[frozenset[tuple[str, str]], list[Axes]] = {}
    for axes, plot in drawn:
        places.setdefault(frozenset((cell.environment, cell.embedding) for cell in plot.cells), []).append(axes)
    for same in places.values():
        low, high = zip(*(axes.get_ylim() for axes in same), strict=True)
        for axes in same:
            axes.set_ylim(min(low), max(high))


def _runs_of(table: pl.DataFrame, cells: Sequence[Cell]) -> pl.DataFrame:
    """The rows of these cells, in the order of the table."""
    keys = pl.DataFrame([list(vars(cell).values()) for cell in cells], dict.fromkeys(KEYS, pl.String), orient="row")
    return table.join(keys, on=KEYS, how="semi", maintain_order="left")


def _curves_of(axes: Axes, plot: Plot, rows: pl.DataFrame, ends: pl.DataFrame, looks: Looks) -> None:
    """Draw every embedding's curve: the mean with its interval, or the seeds."""
    for embedding in looks.in_order(rows["embedding"].unique()):
        table = blocks(rows.filter(pl.col("embedding") == embedding), plot.points).pivot(
            "seed", index="epoch", values="mean_return"
        )
        epochs, returns = table["epoch"].to_numpy(), table.drop("epoch").to_numpy()
        look, n = looks.style(embedding), returns.shape[1]
        mean = returns.mean(axis=1)
        axes.plot(epochs, mean, **look, linewidth=1.4, zorder=3)
        if divided(ends.filter(pl.col("embedding") == embedding)):
            axes.plot(epochs, returns, color=look["color"], linewidth=0.5, alpha=0.35)
        elif n > 1:
            intervals = [statistics.mean_interval(block) for block in returns]
            low, high = [one.low for one in intervals], [one.high for one in intervals]
            axes.fill_between(epochs, low, high, color=look["color"], alpha=0.18, linewidth=0)
    seeds = rows.group_by(KEYS).agg(pl.col("seed").n_unique())["seed"].unique().sort().to_list()
    remark = f"paper: {plot.remark}; " if plot.remark else ""
    axes.set_title(plot.title, loc="left", fontsize=8.5, pad=14)
    said = f"{remark}n = {' to '.join(map(str, seeds[:1] + seeds[1:][-1:]))}" if seeds else remark.rstrip("; ")
    axes.annotate(said, (0, 1), (0, 4), "axes fraction", textcoords="offset points", fontsize=6.8, color="#444444")
    axes.set_xlabel("Epoch", fontsize=7.5, labelpad=1)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.tick_params(labelsize=7.5, length=2.5)
    axes.margins(x=0, y=0.11)  # room for the names of reference returns
    axes.set_xlim(left=0)


def divided(ends: pl.DataFrame) -> bool:
    """Whether some runs of a cell succeed and some do not. ends: its rows of the table `final`."""
    return ends["success"].drop_nulls().n_unique() > 1


BEHIND = "published"
"""What the lines of the published study are called in a figure."""


def _light(axes: Axes, rows: pl.DataFrame, looks: Looks) -> None:
    """The means of another study's curves in a light tone, as far as the axis goes."""
    low, high = axes.get_xlim()
    for embedding in looks.in_order(rows["embedding"].unique()):
        points = blocks(rows.filter((pl.col("embedding") == embedding) & (pl.col("epoch") <= high)))
        mean = points.group_by("epoch", maintain_order=True).agg(pl.col("mean_return").mean()).sort("epoch")
        look = {"color": looks.style(embedding)["color"], "linewidth": 3, "alpha": 0.25, "zorder": 1}
        axes.plot(mean["epoch"], mean["mean_return"], gid=BEHIND, **look)
    axes.set_xlim(low, high)


def _lacking(axes: Axes, names: Sequence[str]) -> None:
    """Say in a plot which of its cells have no run."""
    if names:
        text = "\n".join(("missing:", *names))
        axes.text(0.98, 0.5, text, transform=axes.transAxes, ha="right", va="center", fontsize=7, color="#b00020")


def block_width(epochs: int, points: int = POINTS) -> int:
    """How many epochs one point of a curve stands for: the fewest that leave at most `points` points."""
    return max(1, -(-epochs // points))


def blocks(rows: pl.DataFrame, points: int = POINTS) -> pl.DataFrame:
    """A row per seed and block of `block_width` epochs of one cell: seed, the last epoch, and the mean of mean_return.

    More points would draw noise as a thick line.
    """
    width = block_width(rows["epoch"].n_unique(), points)
    block = ((pl.col("epoch") - 1) // width).alias("block")
    return (
        rows.group_by("seed", block, maintain_order=True)
        .agg(pl.col("epoch").max(), pl.col("mean_return").mean())
        .drop("block")
    )


def _reference_returns(axes: Axes, runs: pl.DataFrame) -> None:
    """Lines for the optimal and the random policy, named at their right ends: above the one, below the other.

    The plot ends half their distance below the random policy: a run or two far below would flatten all others.
    """
    for column, name, above in (("optimal_return", "optimal", True), ("random_return", "random", False)):
        known = runs[column].drop_nans().unique()
        if len(known) == 1:
            axes.axhline(known[0], color="#999999", linewidth=0.7, zorder=1)
            axes.annotate(
                f"{name} {known[0]:.3g}".replace("-", "−"), (1, known[0]), (-2, 1 if above else -2),
                xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=6.5, color="#555555",
                ha="right", va="bottom" if above else "top", zorder=4,
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
            )  # fmt: skip
    optimal, random = (runs[name].drop_nans().unique() for name in ("optimal_return", "random_return"))
    if len(optimal) == len(random) == 1:
        axes.set_ylim(bottom=max(axes.get_ylim()[0], random[0] - 0.5 * (optimal[0] - random[0])))


def stamped(axes: Axes, stamp: str, height: float = 1.14) -> None:
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


class Row(NamedTuple):
    """A row of a specification curve: an agent under a reading, "" the primary one; records by column."""

    agent: str
    reading: str
    records: Mapping[tuple[str, str], Mapping[str, Any]]


def specified(records: Iterable[Mapping[str, Any]], panel: str) -> list[Mapping[str, Any]]:
    """What a panel's specification curve is about: JSAE at the end and in speed. records: verdicts, all readings."""
    return [
        one
        for one in records
        if one["figure"] == panel and one["measure"] in ("end", "speed") and one["first"][2] == "jsae"
    ]


def specification_rows(records: Sequence[Mapping[str, Any]], looks: Looks) -> tuple[list[tuple[str, str]], list[Row]]:
    """Columns (embedding compared with, measure) and rows of a specification curve.

    Rows stand by agent: the primary reading first, then the others, the largest effect of the first column on top,
    those without one at the end. What has no test at all has no row or column. records: as `specified` gives them.
    """
    others = looks.in_order({one["second"][2] for one in records})[::-1]
    tested = {(one["second"][2], one["measure"]) for one in records if _tested(one)}
    columns = [column for other in others for column in ((other, "end"), (other, "speed")) if column in tested]
    cells: dict[tuple[str, str], dict[tuple[str, str], Mapping[str, Any]]] = {}
    for one in records:
        cells.setdefault((one["first"][1], one["reading"]), {})[one["second"][2], one["measure"]] = one
    rows = [
        Row(agent, reading, of) for (agent, reading), of in cells.items() if any(_tested(one) for one in of.values())
    ]

    def place(row: Row) -> tuple[tuple[int, int, str, str], bool, float]:
        first = row.records.get(columns[0])
        effect = first["effect"] if first and _tested(first) else -math.inf
        return looks.place("", row.agent), row.reading != "", -effect

    return columns, sorted(rows, key=place)


def _tested(record: Mapping[str, Any] | None) -> bool:
    return record is not None and record["low"] is not None


def figure_specification(records: Sequence[Mapping[str, Any]], looks: Looks, stamp: str = "") -> Figure:
    """Effects of one panel's claims under every reading: a row a reading, a column a comparison and measure.

    The grey band is smaller than the margin. Colour and marker show the verdict. See `specification_rows`.
    """
    columns, rows = specification_rows(records, looks)
    agents = list(dict.fromkeys(row.agent for row in rows))
    lines: list[Row | str] = []
    for agent in agents:
        lines += [looks.agent(agent)] * (len(agents) > 1) + [row for row in rows if row.agent == agent]
    with mpl.rc_context(STYLE):
        height = 0.12 * len(lines) + 0.9
        figure = Figure(figsize=(6.7, height), layout="constrained")
        grid = figure.subplots(1, len(columns), sharey=True, sharex=True, squeeze=False)[0]
        for axes, (other, measure) in zip(grid, columns, strict=True):
            axes.axvline(0, color="#888888", linewidth=0.8)
            for y, line in enumerate(lines):
                if isinstance(line, Row):
                    _effect(axes, y, line.records.get((other, measure)))
            shown = [row.records[other, measure] for row in rows if _tested(row.records.get((other, measure)))]
            margin = shown[0]["margin"]
            axes.axvspan(-margin if shown[0]["kind"] == "comparable" else 0, margin, color="#e9e9e9", zorder=0)
            axes.set_title(f"against {looks.embedding(other)}: {measure}", fontsize=8.5)
            axes.tick_params(labelsize=7.5, length=2)
            axes.tick_params(axis="y", length=0)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.grid(visible=False, axis="y")
            stamped(axes, stamp)
        grid[0].set_yticks(range(len(lines)), [_said(line) for line in lines])
        for label, line in zip(grid[0].get_yticklabels(), lines, strict=True):
            label.set_fontweight("bold" if isinstance(line, str) or not line.reading else "normal")
        grid[0].set_ylim(len(lines) - 0.4, -0.6)
        figure.supxlabel(f"Effect with its interval ({records[0]['unit']})", fontsize=8)
        handles = [
            Line2D([], [], markersize=4.5, linewidth=1.3, label=verdict, **look)
            for verdict, look in VERDICT_LOOKS.items()
            if any(_tested(one) and one["verdict"] == verdict for row in rows for one in row.records.values())
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _said(line: Row | str) -> str:
    return line if isinstance(line, str) else line.reading or "primary reading"


def _effect(axes: Axes, y: int, record: Mapping[str, Any] | None) -> None:
    """One effect with its interval; words where it was not tested, or the reading changes neither of the two cells."""
    if record is None or not _tested(record):
        said = "not tested" if record else "unchanged"
        axes.annotate(
            said, (0.98, y), xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=6, color="#767676"
        )
        return
    look = VERDICT_LOOKS[record["verdict"]]
    axes.plot([record["low"], record["high"]], [y, y], color=look["color"], linewidth=1.3, solid_capstyle="butt")
    axes.plot([record["effect"]], [y], markersize=4, **look)


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
            stamped(axes, stamp)
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
                stamped(axes, stamp, height=1.27)
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
    """What critics think every place of a gridworld is worth, and where their agents go: a column an embedding.

    maps: embedding, seeds, x_bin, y_bin, value, visits (share of steps), of one environment and agent. walls and goal:
    boxes [x0, y0, x1, y1]; start: a point. All values share one scale, all visits a logarithmic one; what was not
    visited is white.
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
                stamped(axes, stamp)
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
                axes.set_xlabel(SEARCHED[name].label, fontsize=8)
                stamped(axes, stamp)
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
                axes.scatter(np.full(len(scores), x + shift), scores, rasterized=True, **style)
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
            stamped(axes, stamp)
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
            stamped(axes, stamp)
    return figure


def _label(row: Mapping[str, Any], looks: Looks) -> str:
    return f"{looks.embedding(row['embedding'])} ({looks.agent(row['agent'])})"
