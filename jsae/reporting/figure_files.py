"""Figures as files: the same figure gives the same bytes, and an SVG is no larger than it must be."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from jsae.io.files import write_atomically
from jsae.reporting.style import STYLE

UNDATED: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
"""By kind of file: what keeps the date out of it."""
_COORDINATE = re.compile(rb"(?<![\d.])[1-9]\d*\.\d{3,}")
_UNSEEN = re.compile(rb"<!--.*?-->|<metadata>.*?</metadata>|<!DOCTYPE.*?>", re.DOTALL)
_PICTURE = re.compile(rb"(?<=data:image/png;base64,)[A-Za-z0-9+/=\s]+")


def save(figure: Figure, base: Path) -> list[Path]:
    """Write `base`.svg, .pdf and .png. Returns the paths.

    The layout is settled once and then the same in all three; rounded, as its solver's last digits depend on where
    things lie in memory. It takes several rounds: after the first, labels around square plots are still cut off.
    """
    with mpl.rc_context(STYLE):
        figure.draw_without_rendering()
        for _ in range(3):
            figure.get_layout_engine().execute(figure)  # type: ignore[union-attr]
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, 6).tolist())
    written = []
    for kind, metadata in UNDATED.items():
        path = base.with_name(f"{base.name}.{kind}")
        with mpl.rc_context(STYLE), write_atomically(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
            if kind == "svg":
                temporary.write_bytes(smaller(temporary.read_bytes()))
        written.append(path)
    return written


def smaller(svg: bytes) -> bytes:
    """The same drawing: coordinates in hundredths of a point, letters by short names, pictures in 256 colours."""
    svg = re.sub(rb"\s+", b" ", _UNSEEN.sub(b"", svg)).replace(b"> <", b"><")
    svg = svg.replace(b"STIXGeneral-Regular-", b"r").replace(b"STIXGeneral-Italic-", b"i")
    svg = _COORDINATE.sub(lambda found: b"%.2f" % float(found[0]), svg)
    return _PICTURE.sub(lambda found: base64.b64encode(_in_few_colours(base64.b64decode(found[0]))), svg)


def _in_few_colours(png: bytes) -> bytes:
    """A PNG with a palette of 256 colours."""
    packed = io.BytesIO()
    Image.open(io.BytesIO(png)).quantize(256).save(packed, "png", optimize=True)
    return packed.getvalue()
