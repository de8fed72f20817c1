"""Event files: the bytes that TensorBoard's own writer makes, and what its reader finds in them."""

from pathlib import Path

import pytest

from jsae.standalone import event_file
from jsae.standalone.event_file import EventFile, crc32c

GOLDEN = {
    "version": "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c",
    "start": "100000000000000095fbfe1809000000000000004010ac023a0208011292da01",
    "scalars": "2d000000000000003c418afb09000000000000044010dc0b2a1f0a120a0b6d65616e5f72657475726e15000020c0"
    "0a090a026b6c150000803ee91cce50",
}
"""Written by tensorboard 2.21.0: RecordWriter of Event protocol buffers."""


def test_the_checksum_is_that_of_rfc_3720() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43


def test_the_bytes_are_those_of_tensorboards_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 1.5, 1.0, 1.5, 2.0, 2.5])
    monkeypatch.setattr(event_file.time, "time", lambda: next(times))
    with EventFile(tmp_path, from_step=7):
        pass
    with EventFile(tmp_path, from_step=300) as events:
        events.write(1500, {"mean_return": -2.5, "kl": 0.25})
    first, second = sorted(tmp_path.iterdir(), key=lambda path: path.suffix)
    assert "tfevents" in first.name
    assert first.read_bytes().hex() == GOLDEN["version"]
    assert second.read_bytes().hex() == "".join(GOLDEN.values())


def test_a_resumed_run_replaces_what_it_repeats(tmp_path: Path) -> None:
    """By TensorBoard's own reader."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with EventFile(tmp_path) as events:
        for step in (10, 20, 30):
            events.write(step, {"return": step / 10})
    with EventFile(tmp_path, from_step=21) as events:
        events.write(30, {"return": -1.0})
    found = accumulator.EventAccumulator(str(tmp_path))
    found.Reload()
    assert [(event.step, event.value) for event in found.Scalars("return")] == [(10, 1.0), (20, 2.0), (30, -1.0)]
