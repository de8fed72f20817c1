"""How every figure looks: settings of matplotlib; and the stamp of a short study."""

from typing import Any

__all__ = ["STAMPS", "STYLE"]

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
STAMPS = {
    "smoke": ("SMOKE TEST", "everything ran, nothing was learnt: not a result"),
    "preview": ("PREVIEW", "the first epochs only: not a result"),
    "paper": ("", ""),
}
"""By scale: what is printed across each figure and on top of each page, and what a page adds to it."""
