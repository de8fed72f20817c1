"""Event files, which TensorBoard reads: scalars by tag and step.

The format is two small standards, written out here so that no package is needed to write it: records of TensorFlow
(length, checksum, content, checksum; CRC-32C, masked) and the protocol buffer `Event`. TensorBoard itself is needed to
look at them: `make watch`, or `tensorboard --logdir runs`.

| field of Event | number | what |
|---|---|---|
| wall_time | 1 | double, seconds since 1970 |
| step | 2 | int64 |
| file_version | 3 | text, of the first event |
| summary | 5 | a list (1) of {tag (1): text, simple_value (2): float} |
| session_log | 7 | {status (1): 1 means start}: what an earlier file of the folder has from this step on is dropped |
"""

import struct
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["EventFile", "crc32c"]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class EventFile:
    """A file of scalars in `folder`, next to those that are there.

        with EventFile(Path("runs/mine"), from_step=0) as events:
            events.write(1500, {"mean_return": -2.5})

    Args:
        folder: one a run; TensorBoard calls the curve after it.
        from_step: earlier files of the folder count up to it only: a resumed training repeats what came after.
    """

    def __init__(self, folder: Path, from_step: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("events.out.tfevents.*")))
        self._stream = (folder / f"events.out.tfevents.{time.time():017.6f}.{number}").open("xb")
        self._add(0, _field(3, BYTES, b"brain.Event:2"))
        if number:
            self._add(from_step, _field(7, BYTES, _field(1, VARINT, _varint(1))))
        self._stream.flush()

    def write(self, step: int, scalars: Mapping[str, float], *, flush: bool = True) -> None:
        """Add the scalars of a step. flush: TensorBoard sees them at once."""
        values = b"".join(
            _field(1, BYTES, _field(1, BYTES, tag.encode()) + _field(2, FIXED32, struct.pack("<f", value)))
            for tag, value in scalars.items()
        )
        self._add(step, _field(5, BYTES, values))
        if flush:
            self._stream.flush()

    def close(self) -> None:
        """No more scalars follow."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, step: int, what: bytes) -> None:
        place = _field(2, VARINT, _varint(step)) if step else b""  # 0 is what a field that is absent means
        event = _field(1, FIXED64, struct.pack("<d", time.time())) + place + what
        length = struct.pack("<Q", len(event))
        self._stream.write(length + _masked(length) + event + _masked(event))


def _field(number: int, kind: int, content: bytes) -> bytes:
    """A field of a protocol buffer."""
    length = _varint(len(content)) if kind == BYTES else b""
    return _varint(number << 3 | kind) + length + content


def _varint(number: int) -> bytes:
    """A whole number from 0 on, seven bits a byte, the lowest first."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def crc32c(content: bytes) -> int:
    """The checksum CRC-32C (Castagnoli) of RFC 3720: 0xe3069283 for b"123456789"."""
    table, remainder = _table(), 0xFFFFFFFF
    for byte in content:
        remainder = table[(remainder ^ byte) & 0xFF] ^ remainder >> 8
    return remainder ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    def of(byte: int) -> int:
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        return byte

    return tuple(map(of, range(256)))


def _masked(content: bytes) -> bytes:
    """The checksum as records hold it."""
    checksum = crc32c(content)
    return struct.pack("<I", ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)
