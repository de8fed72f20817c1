"""Plots: of an embedding, and of learning curves. Needs matplotlib and seaborn (`pip install 'jsae[plots]'`)."""

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from jsae.config import registry
from jsae.config.errors import JsaeError
from jsae.library.embedding import StateActionEmbedding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MOST_NAMES", "in_blocks", "in_the_plane", "plot_curves", "plot_embedding"]

MOST_NAMES = 12
"""Labels up to this number get a colour and a line of the legend each."""


def plot_embedding(
    embedding: StateActionEmbedding,
    labels: ArrayLike | None = None,
    *,
    of: Literal["actions", "states"] = "actions",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the embedding vectors of all actions, or of all states, in the plane.

    Vectors of two dimensions are drawn as they are, of one along the horizontal axis, of more by their first two
    principal components; the axes say which, and what share of the variance each has.

        jsae.plot_embedding(embedding, labels=prices)

    Args:
        embedding: with discrete actions (`of="states"`: with a Discrete observation space).
        labels: what colours the points, one for each: numbers give a colour bar, at most 12 different names a legend.
        of: what is drawn.
        ax: where to draw; None: a new figure.

    Returns: the Axes.

    Raises JsaeError if matplotlib is missing, if labels are not as many as points, or if the points cannot be listed.
    """
    pyplot, style = _pyplot()
    if of not in ("actions", "states"):
        raise JsaeError(f"of = {of!r}: give 'actions' or 'states'")
    vectors = embedding.action_vectors if of == "actions" else embedding.state_vectors
    given = None if labels is None else np.asarray(labels)
    if given is not None and given.shape != (len(vectors),):
        raise JsaeError(f"labels: shape {list(given.shape)}; give one for each of the {len(vectors)} {of}")
    points, names = in_the_plane(vectors, "E" if of == "actions" else "X")
    with pyplot.rc_context(style):
        axes: Axes = pyplot.subplots(figsize=(3.6, 3.2), layout="constrained")[1] if ax is None else ax
        look: dict[str, Any] = {"s": 12 if len(points) < 500 else 5, "linewidths": 0}
        if given is None:
            axes.scatter(points[:, 0], points[:, 1], color="#0072B2", **look)
        elif np.issubdtype(given.dtype, np.number) and not np.issubdtype(given.dtype, np.bool_):
            shown = axes.scatter(points[:, 0], points[:, 1], c=given, cmap="viridis", **look)
            axes.figure.colorbar(shown, ax=axes)
        else:
            _named(axes, points, given.astype(str), look)
        axes.set(xlabel=names[0], ylabel=names[1])
        axes.set_title(f"{of.capitalize()} embedded by {_label(embedding.kind)}")
    return axes


def in_the_plane(vectors: NDArray[np.floating[Any]], space: str) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Vectors `[n, d]` as points `[n, 2]`, and what their coordinates are called.

    More than two dimensions: the principal components, by the singular values of the centred vectors; the entry of
    each direction that is largest in size is positive, so that the picture is the same each time.

    Args:
        vectors: of n actions or states.
        space: what the axes call it, E or X.
    """
    wide = vectors.astype(np.float64)
    if wide.shape[1] == 1:
        return np.column_stack([wide, np.zeros(len(wide))]), (f"{space}, dimension 1", "")
    if wide.shape[1] == 2:
        return wide, (f"{space}, dimension 1", f"{space}, dimension 2")
    centred = wide - wide.mean(0)
    _, scales, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:2]
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(1)]
    points = centred @ (directions * np.sign(largest)[:, None]).T
    total = float((scales**2).sum()) or 1.0
    first, second = (f"{space}, component {i + 1} ({scales[i] ** 2 / total:.0%} of the variance)" for i in range(2))
    return points, (first, second)


def _named(axes: "Axes", points: NDArray[np.float64], labels: NDArray[np.str_], look: dict[str, Any]) -> None:
    seaborn = _needed("seaborn")
    names = sorted(set(labels.tolist()))
    if len(names) > MOST_NAMES:
        raise JsaeError(
            f"labels: {len(names)} different names, at most {MOST_NAMES} colours can be told apart; group them"
        )
    for name, color in zip(
        names, seaborn.color_palette("colorblind" if len(names) <= 10 else "husl", len(names)), strict=True
    ):
        axes.scatter(*points[labels == name].T, color=color, label=name, **look)
    axes.legend(markerscale=2)


def plot_curves(
    table: Any,
    *,
    x: str | None = None,
    y: str = "mean_return",
    hue: str | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw learning curves: every seed faint, the mean and ± one standard deviation over seeds.

    A curve of more than 250 epochs is drawn by means of blocks of epochs.

        jsae.plot_curves(table)     # of jsae.train
        jsae.plot_curves(polars.read_parquet("results/preview/runs/gridworld-discrete-*.parquet"))  # of the study

    Args:
        table: a row for each seed and epoch, with the columns `x` and `y`; a polars DataFrame, or what
            pl.DataFrame can read. `seed` is needed where there are several.
        x: the column of the horizontal axis, of numbers; None: env_steps if the table has it, else epoch.
        y: the column of the vertical axis, of numbers.
        hue: the column whose values get a colour each; None: those of environment, agent, embedding and reading that
            differ within the table.
        ax: where to draw; None: a new figure.

    Returns: the Axes.

    Raises JsaeError if seaborn is missing, or if the table lacks a column or has no numbers there.
    """
    pyplot, style = _pyplot()
    seaborn = _needed("seaborn")
    frame = table if isinstance(table, pl.DataFrame) else pl.DataFrame(table)
    across = x or ("env_steps" if "env_steps" in frame.columns else "epoch")
    for column in filter(None, (across, y, hue)):
        if column not in frame.columns:
            raise JsaeError(f"table has no column {column}; it has {', '.join(frame.columns)}")
        if column != hue and not frame[column].dtype.is_numeric():
            raise JsaeError(f"table, column {column}: holds {frame[column].dtype}, not numbers; draw another one")
    if frame.is_empty():
        raise JsaeError("table has no rows; give a row for each seed and epoch")
    if "seed" not in frame.columns:
        frame = frame.with_columns(seed=pl.lit(0))
    frame = frame.with_columns(curve=_curve(frame, hue))
    with pyplot.rc_context(style):
        axes: Axes = pyplot.subplots(figsize=(4.2, 3.2), layout="constrained")[1] if ax is None else ax
        curves = _in_order(frame["curve"].unique(maintain_order=True).to_list())
        for curve, color in zip(curves, _colors(curves, seaborn), strict=True):
            points = in_blocks(frame.filter(pl.col("curve") == curve), across, y)
            n = points["seed"].n_unique()
            same: dict[str, Any] = {
                "data": {name: points[name].to_numpy() for name in points.columns},
                "x": across,
                "y": y,
                "ax": axes,
                "color": color,
            }
            if n > 1:
                seaborn.lineplot(**same, units="seed", estimator=None, linewidth=0.5, alpha=0.28)
            band = {"errorbar": "sd", "err_kws": {"alpha": 0.13, "linewidth": 0}} if n > 1 else {"errorbar": None}
            name = f"{_label(curve)} (n = {n})" if curve else f"n = {n}"
            seaborn.lineplot(**same, **band, linewidth=1.5, zorder=3, label=name)
        axes.set(
            xlabel={"env_steps": "Environment steps", "epoch": "Epoch"}.get(across, across),
            ylabel="Average return, last 10 episodes" if y == "mean_return" else y,
        )
        axes.margins(x=0)
        if across == "env_steps":
            axes.xaxis.set_major_formatter(_needed("matplotlib.ticker").EngFormatter(sep=""))
        short = max(len(_label(curve)) for curve in curves) <= 20
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2), "ncols": 2 if short and len(curves) > 1 else 1}
        axes.legend(**(below if ax is None else {}))
    return axes


def in_blocks(curves: pl.DataFrame, x: str, y: str) -> pl.DataFrame:
    """A row per seed and block of rows of one curve: seed, the last x, and the mean of y; at most 250 blocks a seed.

    Args:
        curves: a row for each seed and epoch.
        x, y: names of columns.
    """
    width = max(1, -(-curves[x].n_unique() // 250))
    ordered = curves.sort("seed", x, maintain_order=True)
    block = (pl.int_range(pl.len()).over("seed") // width).alias("block")
    return (
        ordered.with_columns(block)
        .group_by("seed", "block", maintain_order=True)
        .agg(pl.col(x).max(), pl.col(y).mean())
        .drop("block")
    )


def _curve(frame: pl.DataFrame, hue: str | None) -> pl.Expr:
    """The name of the curve that a row belongs to."""
    keys = [hue] if hue else [c for c in ("environment", "agent", "embedding", "reading") if c in frame.columns]
    told_apart = [key for key in keys if hue or frame[key].n_unique() > 1]
    return (
        pl.concat_str([pl.col(key).cast(pl.String) for key in told_apart], separator=", ") if told_apart else pl.lit("")
    )


def _in_order(curves: list[str]) -> list[str]:
    """Embeddings in the study's order of legends; other curves as the table has them."""
    known = registry.names("embeddings")
    if all(curve in known for curve in curves):
        return sorted(curves, key=lambda curve: registry.load("embeddings", curve).order)
    return curves


def _colors(curves: Sequence[str], seaborn: Any) -> list[Any]:
    """Embeddings have the study's colours; other curves a palette for colour-blind readers."""
    known = registry.names("embeddings")
    if all(curve in known for curve in curves):
        return [registry.load("embeddings", curve).color for curve in curves]
    return list(seaborn.color_palette("colorblind" if len(curves) <= 10 else "husl", len(curves)))


def _label(name: str) -> str:
    """An embedding as figures call it; any other name as it is."""
    return str(registry.load("embeddings", name).label) if name in registry.names("embeddings") else name


def _pyplot() -> tuple[Any, dict[str, Any]]:
    """matplotlib.pyplot, and the style of the study's figures."""
    pyplot = _needed("matplotlib.pyplot")
    style: dict[str, Any] = _needed("jsae.reporting.style").STYLE
    return pyplot, style


def _needed(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise JsaeError(f"plots need {error.name}, which is not installed: pip install 'jsae[plots]'") from None
