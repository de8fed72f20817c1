"""params.yaml is checked: each mistake gets one sentence with the key's path and the way out."""

import re
from pathlib import Path

import pytest

from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.config.parameters import load, seeds_of, table
from tests import made_parameters

ROOT = Path(__file__).resolve().parent.parent


def edited(tmp_path: Path, pattern: str, replacement: str) -> Path:
    """params.yaml with the first match of a pattern replaced."""
    text, count = re.subn(pattern, replacement, made_parameters.text(), count=1)
    assert count == 1
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_the_projects_own_file_is_valid() -> None:
    settings = load(ROOT / "params.yaml")
    assert settings.scale in ("preview", "paper")
    assert settings.environments["gridworld-discrete"].lanes == 10


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"clip: ", "clip_ration: ", "agents.ppo.clip_ration is not a parameter (did you mean clip?)"),
        (r"embeddings: \[none, ra, jsae\]", "embeddings: [none, ra, jsea]",
         "study.gridworld.embeddings.2: there is no jsae/embeddings/jsea.py (did you mean jsae?)"),
        (r"discount: ", "discont: ", "agents.common.discont is not a parameter (did you mean discount?)"),
        (r"moves: 8", "move: 8", "environments.slot-machine.dynamics.move is not a parameter (did you mean moves?)"),
        (r"critic_steps: 80", "", "agents.vpg.critic_steps is missing: every parameter stands in the file"),
        (r"device: cpu", "device: gpu", "training.device must be 'auto', 'cpu' or 'cuda'"),
        (r"store: \w+", "store: kechinow", "(did you mean kechinov?)"),
        (r"store: \w+", "store: 7",
         "environments.recommender.store must be 'completejourney', 'kechinov' or 'synthetic'"),
        (r"store: \w+", "store: synthetic",
         "environments.recommender-synthetic.store: recommender draws from synthetic already; name another"),
        (r"environments: \[recommender\]", "environments: [recommender, recommender-synthetic]",
         "study.recommender.environments: 'recommender-synthetic' does not draw from completejourney"),
        (r"events: purchases", "events: views", "data.synthetic.raw.events must be 'purchases' or 'all'"),
        (r"module: slot_machine", "module: slotmachine", "(did you mean slot_machine?)"),
        (r"steps_per_epoch: 200\b", "steps_per_epoch: 210",
         "environments.slot-machine: steps_per_epoch must be a multiple of dynamics.episode_length (20)"),
        (r"policy_steps: 1", "policy_steps: 0", "agents.vpg.policy_steps = 0: input should be greater than"),
        (r"policy_steps: 1", "policy_steps: one", "agents.vpg.policy_steps = 'one': input should be a valid integer"),
        (r"gae_lambda: 0.97", "gae_lambda: .nan", ".gae_lambda = nan: input should be"),
        (r'cohorts: \["0-4"\]', 'cohorts: ["0-4", "4-6"]', "cohorts: a seed stands in two of them"),
        (r'cohorts: \["0-4"\]', 'cohorts: ["0-4; rm -rf ."]', "a cohort is written first-last, as 0-4"),
        (r"environments: \[slot-machine\]", "environments: [slotmachine]",
         "study.slot-machine.environments: 'slotmachine' is not among environments"),
        (r"vpg: {policy_steps: 4", "vpg: {policy_step: 4",
         "environments.recommender.agents.vpg.policy_step is not a parameter (did you mean policy_steps?)"),
        (r"vpg: {policy_steps: 4", "vpg: {policy_steps: 0",
         "environments.recommender.agents.vpg.policy_steps = 0: input should be greater than"),
        (r"\n  slot-machine:\n    module", '\n  "x; rm -rf .":\n    module', "environments: 'x; rm -rf .' is no name"),
        (r"scale: preview", "scale: preview\nscale: paper", "params.yaml is not YAML"),
        (r"scale: preview", "scale: [preview", "params.yaml is not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path: Path, pattern: str, replacement: str, message: str) -> None:
    path = edited(tmp_path, pattern, replacement)
    with pytest.raises(JsaeError) as caught:
        load(path)
    assert message in str(caught.value)


def test_an_environment_may_set_an_agents_parameters_otherwise() -> None:
    settings = load(ROOT / "params.yaml")
    common = settings.agents.vpg.model_dump()
    assert settings.agent("slot-machine", "vpg") == common
    assert settings.agent("recommender", "vpg") == common | settings.environments["recommender"].agents.vpg
    assert settings.environments["recommender"].agents.vpg


def test_a_typo_is_one_line_not_two(tmp_path: Path) -> None:
    with pytest.raises(JsaeError) as caught:
        load(edited(tmp_path, r"discount: ", "discont: "))
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(JsaeError, match="run from the project's folder"):
        load(tmp_path / "params.yaml")


def test_every_parameter_has_a_meaning_and_a_source() -> None:
    rows = table(load(ROOT / "params.yaml"))
    assert len(rows) > 100
    assert [name for name, value, meaning, source in rows if not (name and value is not None and meaning)] == []
    assert [name for name, _, _, source in rows if not source] == []


def test_seeds_of_a_cohort() -> None:
    assert seeds_of("5-9") == [5, 6, 7, 8, 9]
    assert seeds_of("3-3") == [3]
    for wrong in ("4-2", "0", "a-b", "-1-3", "0-4 "):
        with pytest.raises(ValueError, match="first-last"):
            seeds_of(wrong)


def test_the_table_prints(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    parameters.main([])
    printed = capsys.readouterr().out
    assert "agents.common.discount" in printed
    assert "A.4.2" in printed
