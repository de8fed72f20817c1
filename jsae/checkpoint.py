"""Checkpoints: a flat dictionary of tensors in one safetensors file, written whole or not at all."""

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from jsae.errors import JsaeError
from jsae.files import sha256, write_atomically

MISSING = "{} is missing: run the stage that makes it (dvc repro does)"

logger = logging.getLogger(__name__)


def save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors to `path` (safetensors), atomically."""
    copies = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    with write_atomically(path) as temporary:
        save_file(copies, temporary, metadata)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of `path`. Raises JsaeError if it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}, stored.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise JsaeError(MISSING.format(path)) from None
    except (SafetensorError, OSError) as error:
        raise JsaeError(f"{path} is damaged ({error}): delete it and run dvc repro again") from None


def fingerprint(values: Any, files: Iterable[Path]) -> str:
    """16 hexadecimal digits that change with the values (by their text) and with the content of the files.

    Raises JsaeError if a file is missing.
    """
    digest = hashlib.sha256(repr(values).encode())
    for path in files:
        if not path.exists():
            raise JsaeError(MISSING.format(path))
        digest.update(sha256(path).encode())
    return digest.hexdigest()[:16]


def resume(path: Path) -> dict[str, Tensor] | None:
    """Tensors of an earlier `save`, or None to start afresh; a damaged file is set aside with a warning."""
    if not path.exists():
        return None
    try:
        return load(path)[0]
    except JsaeError:
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        logger.warning("%s was damaged, is now %s; training starts afresh", path, aside)
        return None


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under `prefix.name`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that `prefixed` put under `prefix`, with their own names."""
    return {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}


def stack(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors of several shards joined along the members' axis."""
    return {name: torch.cat([part[name] for part in parts]) for name in (parts[0] if parts else ())}
