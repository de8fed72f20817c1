"""Checkpoints: a flat dictionary of tensors in one safetensors file, written whole or not at all."""

import hashlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.io.files import DAMAGED, MISSING, sha256, write_atomically

logger = logging.getLogger(__name__)


def save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors to `path` (safetensors), atomically, with the digest of their bytes.

    The header is written here, because safetensors puts metadata in another order each time.
    """
    copies = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    content = memoryview(safetensors.torch.save(copies))
    end = _end_of_header(content)
    stated = {**(metadata or {}), "sha256": hashlib.sha256(content[end:]).hexdigest()}
    places = json.loads(bytes(content[8:end]))
    header = json.dumps({"__metadata__": stated, **places}, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    with write_atomically(path) as temporary, temporary.open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.write(content[end:])


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of `path`. Raises JsaeError if it is missing or damaged in a single bit."""
    try:
        content = path.read_bytes()
        end = _end_of_header(content)
        metadata = json.loads(content[8:end])["__metadata__"]
        if metadata.pop("sha256") != hashlib.sha256(memoryview(content)[end:]).hexdigest():
            raise ValueError("its digest is wrong")
        return {name: tensor.clone() for name, tensor in safetensors.torch.load(content).items()}, metadata
    except FileNotFoundError:
        raise JsaeError(MISSING.format(path)) from None
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise JsaeError(DAMAGED.format(path, error)) from None


def _end_of_header(content: bytes | memoryview) -> int:
    """Where the values of a safetensors file begin: eight bytes hold the length of the header behind them."""
    return 8 + int.from_bytes(content[:8], "little")


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


def rows(tensors: dict[str, Tensor], runs: list[int]) -> dict[str, Tensor]:
    """The rows of these runs, of every tensor `[P, ...]`."""
    return {name: tensor[runs] for name, tensor in tensors.items()}


def stack(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors of several batches of runs, joined along the first axis; none if there are no parts."""
    return {name: torch.cat([part[name] for part in parts]) for name in (parts[0] if parts else ())}
