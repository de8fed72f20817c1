"""Compiling on the machine that runs: choices, failures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from jsae.config.errors import JsaeError
from jsae.nn import compiled
from jsae.nn.kernels import SOURCE

Anew = Callable[[Path], object]


@pytest.fixture
def anew() -> Anew:
    """Looks for the compiled code as a new process does."""
    return compiled.library.__wrapped__


def test_the_plain_path_can_be_asked_for(anew: Anew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JSAE_KERNELS", "plain")
    assert anew(SOURCE) is None


def test_an_unknown_choice_is_refused(anew: Anew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JSAE_KERNELS", "fast")
    with pytest.raises(JsaeError, match="JSAE_KERNELS=fast: use auto, compiled or plain"):
        anew(SOURCE)


def test_what_does_not_compile_is_reported_and_leaves_nothing(
    anew: Anew, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JSAE_KERNELS", "compiled")
    source = tmp_path / "kernels.cpp"
    source.write_text("int forward( {")
    with pytest.raises(JsaeError, match=r"kernels\.cpp could not be compiled: set JSAE_KERNELS=plain(.|\n)*error"):
        anew(source)
    assert list(tmp_path.iterdir()) == [source]
