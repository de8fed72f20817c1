"""Drawings of the paper's method and of its environments, from numbers of the settings alone.

They show no results, so they have no stamp.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from jsae.reporting.style import STYLE


def figure_1() -> Figure:
    """Figure 1: (a) the overall architecture; (b) the model of the environment that learns φ and g."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
        for axes, title in ((left, "(a) Overall architecture"), (right, "(b) Embedding model")):
            _canvas(axes, title)
        _loop(left, r"$S_{t+1},\, R_t$")
        left.text(5.0, 5.15, r"overall policy $\pi_o$", ha="center", fontsize=8, color="#666666")
        left.plot([1.1, 1.1, 8.9, 8.9], [4.6, 4.85, 4.85, 4.6], color="#999999", linewidth=0.8)
        for y, name, start, result in ((4.0, r"$\phi$", r"$S_t$", r"$X_t$"), (1.2, r"$g$", r"$A_t$", r"$E_t$")):
            _box(right, (3.0, y), name, learnt=True)
            _arrow(right, (0.9, y), (2.3, y), start)
            _arrow(right, (3.7, y), (5.6, 3.0 if y > 2 else 2.2), result)
        _box(right, (6.3, 2.6), r"$T$", learnt=True, height=1.7)
        _arrow(right, (7.0, 2.6), (9.3, 2.6), r"$\hat{P}(S_{t+1})$")
    return figure


def figure_3() -> Figure:
    """Figure 3: the policy π′ᵢ, which takes a raw state and gives an embedded action."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 2.6), layout="constrained")
        axes = figure.subplots()
        _canvas(axes, "")
        axes.add_patch(
            FancyBboxPatch(
                (1.25, 2.7), 4.55, 1.9, boxstyle="round,pad=0.1", fill=False, edgecolor="#999999", linestyle="--"
            )
        )
        axes.text(3.6, 4.85, r"$\pi'_i$", ha="center", va="bottom", fontsize=10)
        _loop(axes, r"$S_{t+1}$")
    return figure


def figure_environments(worlds: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> Figure:
    """A picture of each environment that has one, in a row.

    worlds: the numbers of an environment, by its module; labels: what stands above its picture.
    """
    shown = [module for module in PICTURES if module in worlds]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.8 * len(shown), 2.05), layout="constrained")
        for axes, module in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.axis("off")
            axes.set_title(labels[module], fontsize=8.5)
            PICTURES[module](axes, worlds[module])
    return figure


def _gridworld(axes: Axes, world: Mapping[str, Any]) -> None:
    """Obstacles grey, goal blue, agent and actuators red, each actuator as half of its longest move."""
    axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor="#444444", linewidth=0.8))
    goal, (x, y) = world["goal"], world["start"]
    for box, color in (*((wall, "#8c8c8c") for wall in world["walls"]), (goal, "#0072B2")):
        axes.add_patch(Rectangle((box[0], box[1]), box[2] - box[0], box[3] - box[1], color=color, linewidth=0))
    reach = world["sub_steps"] * world["sub_step_length"] / 2
    for angle in 2 * np.pi * np.arange(world["actuators"]) / world["actuators"]:
        tip = (x + reach * np.cos(angle), y + reach * np.sin(angle))
        axes.annotate("", tip, (x, y), arrowprops={"arrowstyle": "->", "linewidth": 0.6, "color": "#b9706a"})
    axes.plot([x], [y], "o", color="#c8322b", markersize=5, zorder=3)
    axes.annotate("agent", (x + reach + 0.03, y), fontsize=7.5, color="#8f1f1a", va="center")
    axes.annotate("goal", (goal[2], goal[3]), (3, 2), textcoords="offset points", fontsize=7.5, color="#0072B2")


def _slot_machine(axes: Axes, world: Mapping[str, Any]) -> None:
    """Each reel as a column of its values; the row in the box is shown and pays."""
    reels: Sequence[Sequence[float]] = world["reels"]
    width, rows = 1 / len(reels), max(map(len, reels))
    for column, reel in enumerate(reels):
        for row, value in enumerate(reel):
            inside = row == 1
            place = ((column + 0.5) * width, 1 - (row + 0.5) / rows)
            axes.text(
                *place, f"{value:g}", ha="center", va="center", fontsize=9, color="#222222" if inside else "#9a9a9a"
            )
        axes.plot([column * width] * 2, [0, 1], color="#cccccc", linewidth=0.8)
    axes.add_patch(Rectangle((0, 1 - 2 / rows), 1, 1 / rows, fill=False, edgecolor="#c8322b", linewidth=1.4))
    axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor="#444444", linewidth=0.8))


def _half_cheetah(axes: Axes, world: Mapping[str, Any]) -> None:
    """A runner of a body and two legs of three joints each; a dot is a torque."""
    axes.plot([0, 1], [0.12, 0.12], color="#444444", linewidth=0.8)
    body: Any = {"color": "#666666", "linewidth": 4, "solid_capstyle": "round"}
    legs = (
        ((0.22, 0.6), (0.32, 0.42), (0.18, 0.28), (0.28, 0.15)),
        ((0.72, 0.6), (0.62, 0.42), (0.76, 0.28), (0.86, 0.15)),
    )
    axes.plot([0.22, 0.72, 0.84], [0.6, 0.6, 0.76], **body)
    for leg in legs:
        axes.plot(*zip(*leg, strict=True), **body)
        axes.plot(*zip(*leg[:3], strict=True), "o", color="#c8322b", markersize=5)
    axes.annotate("", (0.95, 0.93), (0.55, 0.93), arrowprops={"arrowstyle": "-|>", "color": "#0072B2"})
    axes.text(0.5, 0.93, "forward", ha="right", va="center", fontsize=7.5, color="#0072B2")


def _recommender(axes: Axes, world: Mapping[str, Any]) -> None:
    """The last purchases are the state, an item the action; the next purchase pays its price."""
    for x, text in ((0.16, "item"), (0.44, "item")):
        _item(axes, (x, 0.78), text, "#f4f4f4")
    axes.text(0.3, 0.96, "state: last purchases", ha="center", fontsize=7.5, color="#444444")
    _item(axes, (0.3, 0.3), "item", "#dcebf5")
    axes.text(0.3, 0.08, "action: recommended", ha="center", fontsize=7.5, color="#444444")
    _item(axes, (0.86, 0.54), "next", "#fbe9e7")
    axes.text(0.86, 0.35, "reward:\nits price", ha="center", va="top", fontsize=7.5, color="#444444")
    for start in ((0.58, 0.76), (0.44, 0.34)):
        axes.annotate("", (0.73, 0.55), start, arrowprops={"arrowstyle": "-|>", "color": "#444444", "linewidth": 0.9})


def _item(axes: Axes, centre: tuple[float, float], text: str, face: str) -> None:
    corner = (centre[0] - 0.12, centre[1] - 0.09)
    shape = "round,pad=0,rounding_size=0.03"
    axes.add_patch(
        FancyBboxPatch(corner, 0.24, 0.18, boxstyle=shape, facecolor=face, edgecolor="#444444", linewidth=0.8)
    )
    axes.text(*centre, text, ha="center", va="center", fontsize=8)


PICTURES: Mapping[str, Callable[[Axes, Mapping[str, Any]], None]] = {
    "gridworld": _gridworld,
    "slot_machine": _slot_machine,
    "half_cheetah": _half_cheetah,
    "recommender": _recommender,
}
"""How environments are drawn, by module, in the order of the panels."""


def _loop(axes: Axes, seen: str) -> None:
    """What agent and environment tell each other; `seen` is what the environment gives back."""
    for x, text in ((2.0, r"$\phi$"), (5.0, r"$\pi_i$"), (8.0, r"$f$")):
        _box(axes, (x, 3.6), text, learnt=text != r"$\pi_i$")
    _box(axes, (5.0, 0.9), "Environment", width=4.2)
    _arrow(axes, (2.7, 3.6), (4.3, 3.6), r"$X_t$")
    _arrow(axes, (5.7, 3.6), (7.3, 3.6), r"$E_t$")
    _arrow(axes, (8.7, 3.6), (9.6, 3.6), "", bare=True)
    _arrow(axes, (9.6, 3.6), (9.6, 0.9), "", bare=True)
    _arrow(axes, (9.6, 0.9), (7.1, 0.9), r"$A_t$")
    _arrow(axes, (2.9, 0.9), (0.4, 0.9), seen, bare=True)
    _arrow(axes, (0.4, 0.9), (0.4, 3.6), "", bare=True)
    _arrow(axes, (0.4, 3.6), (1.3, 3.6), r"$S_t$")


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
