"""Episodes of a trained policy as a GIF or MP4."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.experience.environment import Environment
from jsae.io.files import write_atomically
from jsae.standalone import run
from jsae.standalone.policy import play
from jsae.training.trainer import Trainer

__all__ = ["HOLD", "NO_OPENGL", "Picture", "check", "frames", "loaded", "pace", "write"]

Picture = npt.NDArray[np.uint8]
"""RGB, [height, width, 3]."""

HOLD = 6
"""Pictures for which an episode's last one stays."""
NO_OPENGL = (
    "MuJoCo cannot draw here ({}): it needs OpenGL. Without a screen, install libegl1 or libosmesa6 and set "
    "MUJOCO_GL=egl or MUJOCO_GL=osmesa"
)


def check(path: Path) -> None:
    """Raise JsaeError if no file of this kind can be written here."""
    match path.suffix:
        case ".gif":
            return
        case ".mp4":
            _ffmpeg()
        case _:
            raise JsaeError(f"--output {path}: name a .gif or an .mp4")


def loaded(folder: Path) -> Trainer:
    """The run that a folder has, ready to be drawn.

    MuJoCo chooses its OpenGL when it is imported; without a screen only EGL and OSMesa are possible, so it is told EGL
    unless MUJOCO_GL says something else. Raises JsaeError if there is no run, or no OpenGL where it is needed.
    """
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        return run.trained(folder)[1]
    except (ImportError, AttributeError) as error:  # PyOpenGL looks for functions of a library that it did not find
        raise JsaeError(NO_OPENGL.format(_first_line(error))) from error


def pace(environment: Environment) -> int:
    """Pictures a second: real time where the environment has one."""
    return 20 if hasattr(environment, "frame_skip") else 8


def frames(trainer: Trainer, episodes: int, seed: int) -> Iterator[Picture]:
    """The pictures of so many episodes of a policy, one after the other, each up to its end.

    Raises JsaeError if the environment cannot be drawn, or not on this machine.
    """
    draw = _drawing(trainer.environment)
    played = play(trainer, episodes, seed)
    for episode in range(episodes):
        ended = played.terminated[0, :, episode].long()
        steps = int(ended.argmax()) + 1 if bool(ended.any()) else len(ended)
        states = [played.state[0, step, episode] for step in range(steps)]
        last = draw(played.next_state[0, steps - 1, episode])
        yield from map(draw, states)
        yield from [last] * HOLD


def _drawing(environment: Environment) -> Callable[[Tensor], Picture]:
    """What draws a state of the environment."""
    picture: Callable[[Tensor], Picture] | None = getattr(environment, "picture", None)
    if picture is not None:
        return picture
    if hasattr(environment, "frame_skip"):
        return _half_cheetah(environment)
    raise JsaeError(
        f"{type(environment).__name__} has no pictures: those of the gridworld, the slot machine and Half-Cheetah can "
        "be drawn; give the class a method picture(state) (jsae/environments/slot_machine.py has one)"
    )


def _half_cheetah(environment: Any) -> Callable[[Tensor], Picture]:
    """MuJoCo's renderer, with a camera that follows the robot."""
    import mujoco

    data = mujoco.MjData(environment.model)
    try:
        renderer = mujoco.Renderer(environment.model, 300, 480)
    except Exception as error:
        raise JsaeError(NO_OPENGL.format(_first_line(error))) from error

    def draw(state: Tensor) -> Picture:
        data.qpos[:], data.qvel[:] = state[:9].tolist(), state[9:18].tolist()
        mujoco.mj_forward(environment.model, data)
        renderer.update_scene(data, camera="track")
        picture: Picture = renderer.render().copy()
        return picture

    return draw


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def write(pictures: Iterable[Picture], path: Path, fps: int) -> int:
    """Write pictures as a film, .gif by Pillow or .mp4 by ffmpeg; how many it has.

    Raises JsaeError if there is no ffmpeg for an .mp4, or if it fails.
    """
    check(path)
    if fps < 1:
        raise JsaeError(f"--fps {fps}: give 1 or more")
    with write_atomically(path) as temporary:
        return (_write_gif if path.suffix == ".gif" else _write_mp4)(pictures, temporary, fps)


def _write_gif(pictures: Iterable[Picture], path: Path, fps: int) -> int:
    images = [Image.fromarray(picture) for picture in pictures]
    images[0].save(path, "GIF", save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0)
    return len(images)


def _write_mp4(pictures: Iterable[Picture], path: Path, fps: int) -> int:
    stream = iter(pictures)
    first = next(stream)
    height, width = (side // 2 * 2 for side in first.shape[:2])  # H.264 halves the colours' resolution
    command = [_ffmpeg(), "-loglevel", "error", "-y", "-f", "rawvideo", "-pixel_format", "rgb24"]
    command += ["-video_size", f"{width}x{height}", "-framerate", str(fps), "-i", "-", "-pix_fmt", "yuv420p"]
    command += ["-f", "mp4", str(path)]
    content = [picture[:height, :width].tobytes() for picture in chain([first], stream)]
    done = subprocess.run(command, input=b"".join(content), capture_output=True, check=False)
    if done.returncode:
        raise JsaeError(f"ffmpeg could not write {path}: {done.stderr.decode(errors='replace').strip()}")
    return len(content)


def _ffmpeg() -> str:
    """The program. Raises JsaeError if there is none."""
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
    if found is None:
        raise JsaeError("an .mp4 needs ffmpeg: pip install imageio-ffmpeg (or your system's ffmpeg), or write a .gif")
    return found
