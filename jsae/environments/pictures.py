"""Pictures of environments, RGB uint8 [height, width, 3]."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["SMOOTHING", "gridworld_picture", "slot_machine_picture"]

WHITE, GREY, BLUE, RED, BLACK, GOLD = "#ffffff", "#9a9a9a", "#1f4fd8", "#d62728", "#222222", "#ffe08a"
SMOOTHING = 3  # drawn this much larger, then reduced


def gridworld_picture(
    walls: Sequence[Sequence[float]], goal: Sequence[float], position: Sequence[float], size: int = 400
) -> np.ndarray:
    """The box as in Figure 4: walls grey, goal blue, agent red, y upwards.

    Walls and goal are rectangles (x_low, y_low, x_high, y_high) in units of the box.
    """
    pixels = size * SMOOTHING
    image = Image.new("RGB", (pixels, pixels), WHITE)
    draw = ImageDraw.Draw(image)

    def rectangle(corners: Sequence[float], colour: str) -> None:
        x_low, y_low, x_high, y_high = corners
        draw.rectangle(
            (x_low * pixels, (1 - y_high) * pixels, x_high * pixels - 1, (1 - y_low) * pixels - 1), fill=colour
        )

    for wall in walls:
        rectangle(wall, GREY)
    rectangle(goal, BLUE)
    draw.rectangle((0, 0, pixels - 1, pixels - 1), outline=BLACK, width=SMOOTHING)
    x, y = position
    radius = 0.0125 * pixels  # half a bin of the 40 x 40 version
    draw.ellipse((x * pixels - radius, (1 - y) * pixels - radius, x * pixels + radius, (1 - y) * pixels + radius), RED)
    return np.asarray(image.reduce(SMOOTHING))


def slot_machine_picture(
    reels: Sequence[Sequence[float]], places: Sequence[int], minimum_count: int, size: int = 80
) -> np.ndarray:
    """Each reel with the value it shows in the middle, and its neighbours above and below; values that pay are gold."""
    edge = size * SMOOTHING
    image = Image.new("RGB", (len(reels) * edge, 3 * edge), WHITE)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=0.6 * edge)
    shown = [reel[place] for reel, place in zip(reels, places, strict=True)]
    for column, (reel, place) in enumerate(zip(reels, places, strict=True)):
        if shown.count(shown[column]) >= minimum_count:
            draw.rectangle((column * edge, edge, (column + 1) * edge, 2 * edge), fill=GOLD)
        for row in range(3):
            value = reel[(place + row - 1) % len(reel)]
            centre = ((column + 0.5) * edge, (row + 0.5) * edge)
            draw.text(centre, f"{value:g}", fill=BLACK if row == 1 else GREY, font=font, anchor="mm")
        draw.line((column * edge, 0, column * edge, 3 * edge), fill=GREY, width=SMOOTHING)
    draw.rectangle((0, edge, len(reels) * edge - 1, 2 * edge), outline=RED, width=2 * SMOOTHING)
    draw.rectangle((0, 0, len(reels) * edge - 1, 3 * edge - 1), outline=BLACK, width=2 * SMOOTHING)
    return np.asarray(image.reduce(SMOOTHING))
