"""What a name in params.yaml stands for: the class of the file of that name, and nothing else that lies next to it."""

from pathlib import Path

import pytest

from jsae.config import registry
from jsae.config.errors import JsaeError


def test_the_projects_own_are_found() -> None:
    assert {"ppo", "sac", "vpg"} <= set(registry.names("agents"))
    assert {"gridworld", "half_cheetah", "recommender", "slot_machine"} <= set(registry.names("environments"))
    assert {"none", "ra", "jsae", "jsae_transfer"} <= set(registry.names("embeddings"))


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_name_has_a_file_and_what_figures_say_of_it(kind: registry.Kind) -> None:
    for name in registry.names(kind):
        found = registry.load(kind, name)
        assert found.__module__ == f"jsae.{kind}.{name}"
        assert registry.files(kind, name) == Path(f"jsae/{kind}/{name}.py")
        assert kind == "environments" or found.label


def test_files_of_editors_and_systems_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_ROOT", tmp_path)
    folder = tmp_path / "agents"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    (folder / "new.py").write_text("class NEW:\n    pass\n", encoding="utf-8")
    for name in ("new.py.swp", ".new.py.swp", "new copy.py", "helper.py", ".ipynb_checkpoints/new.py"):
        (folder / name).write_text("class NEW:\n    pass\n", encoding="utf-8")
    (folder / "._new.py").write_bytes(b"\xff\xfe")
    (folder / ".#new.py").symlink_to("nobody@nowhere.1234")
    (folder / "protocol.py").write_text("class PROTOCOL(Protocol):\n    pass\n", encoding="utf-8")
    assert registry.names("agents") == ["new"]


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("agents", "vgp", "there is no jsae/agents/vgp.py with a class VGP (did you mean vpg?)"),
        (
            "environments",
            "casino",
            "there is no jsae/environments/casino.py with a class Casino",
        ),
        ("embeddings", "base", "there is no jsae/embeddings/base.py with a class Embedding"),
        ("agents", "on_policy", "there is no jsae/agents/on_policy.py with a class ON_POLICY"),
        ("agents", "../agents/vpg", "there is no jsae/agents/../agents/vpg.py"),
        ("agents", "", "there is no jsae/agents/.py"),
    ],
)
def test_an_unknown_name_is_one_sentence_with_the_nearest(kind: registry.Kind, name: str, said: str) -> None:
    with pytest.raises(JsaeError) as caught:
        registry.load(kind, name)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
