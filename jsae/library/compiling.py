"""Compiled kernels where this machine can have them, and the plain path elsewhere."""

import os
import warnings

from jsae.config.errors import JsaeError
from jsae.nn import compiled, kernels

__all__ = ["prepare"]


def prepare() -> None:
    """Compile the kernels, or choose the plain path with a warning where that fails.

    Without the package ziglang (`pip install 'jsae[compiled]'`) the plain path is the normal one, and nothing is said.
    A compiler that fails, or an installation folder that may not be written, gives one warning; JSAE_KERNELS=plain is
    then set for this process and those that it starts.

    Raises JsaeError if the user has set JSAE_KERNELS=compiled and that is not possible.
    """
    try:
        compiled.library(kernels.SOURCE)
    except (JsaeError, OSError) as error:
        if os.environ.get("JSAE_KERNELS", "auto") != "auto":
            raise
        os.environ["JSAE_KERNELS"] = "plain"
        warnings.warn(
            f"jsae runs without compiled kernels, at about half the speed. Set JSAE_KERNELS=plain to accept that. "
            f"The cause: {error}",
            RuntimeWarning,
            stacklevel=3,
        )
