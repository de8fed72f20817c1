"""Cross-checks against code that we did not write; without `make peers` only the adapter is tested."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from benchmarks.standard_tasks import CartPole, Pendulum, StandardTask


@pytest.mark.parametrize("kind", [CartPole, Pendulum])
def test_a_standard_task_is_gymnasiums_own(kind: type[StandardTask]) -> None:
    """Two runs of three episodes, each equal step by step to an environment of its own."""
    task = kind()
    state = task.reset(torch.rand(2, 3, task.reset_noise, dtype=torch.float64))
    assert (state.abs() <= torch.tensor(task.reach)).all()
    singles = [gymnasium.make(kind.name).unwrapped for _ in range(6)]
    for single, row in zip(singles, state.flatten(0, 1), strict=True):
        single.reset(seed=0)
        single.state = row.numpy()
    for _ in range(5):
        action = torch.randint(task.n_actions, (2, 3)) if task.n_actions else torch.rand(2, 3, task.action_size)
        state, reward, terminated = task.step(state, action, torch.empty(0))
        steps = [single.step(a.numpy()[()]) for single, a in zip(singles, action.flatten(0, 1), strict=True)]
        np.testing.assert_allclose(task.observe(state).flatten(0, 1), [seen for seen, *_ in steps], rtol=1e-5)
        np.testing.assert_allclose(reward.flatten(), [step[1] for step in steps], rtol=1e-5)
        assert terminated.flatten().tolist() == [bool(step[2]) for step in steps]


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("stable_baselines3") is None,
    reason="Stable-Baselines3 is not installed: make peers",
)
@pytest.mark.parametrize("task", ["gridworld, small", "slot machine, small", "CartPole-v1", "Pendulum-v1"])
def test_our_agents_reach_what_the_peer_reaches(task: str) -> None:
    """Of the way from the random policy to the peer's return each of our agents goes at least 80 %."""
    from benchmarks.crosscheck import compared

    *mine, peer = (row["mean_return"] - row["random_return"] for row in compared(task, [0, 1]))
    assert peer > 0
    assert min(mine) > 0.8 * peer


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("stable_baselines3") is None,
    reason="Stable-Baselines3 is not installed: make peers",
)
def test_the_example_trains_each_agent_that_can_be_trained(tmp_path: Path) -> None:
    example = Path(__file__).parents[1] / "examples" / "many_actions.py"
    command = [sys.executable, str(example), "--steps", "1100", "--samples", "4096", "--seeds", "1"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    number = r"mean return +\d+\.\d"
    for line, expected in zip(
        result.stdout.splitlines(),
        [
            r"StateActionEmbedding\(kind='jsae', Discrete\(1296\) to Box\[16\], Discrete\(4096\) to Box\[4\]",
            rf"PPO without embedding: {number}",
            rf"PPO with embedding: {number}",
            r"SAC without embedding: cannot run: .*Discrete\(4096\) was provided",
            rf"SAC with embedding: {number}",
        ],
        strict=True,
    ):
        assert re.match(rf"seed 0: {expected}", line), line
