"""The environments behind Gymnasium's interface: single environments, and native vector environments.

`import jsae` registers them by name, so that `gymnasium.make("jsae/Gridworld-v0")` and
`gymnasium.make_vec("jsae/Gridworld-v0", num_envs=8)` work without importing this module (and torch) before.

| name | class | observations | actions | random, best return |
|---|---|---|---|---|
| jsae/Gridworld-v0 | Gridworld | `Box(0, 1, (2,))`, or discrete: `Discrete(1600)` | `Discrete(2048)` | -2.74, 0.96 |
| jsae/SlotMachine-v0 | SlotMachine | `Discrete(1296)` | `Discrete(4096)` | 13.33, 480 |
| jsae/Recommender-v0 | Recommender | `MultiDiscrete([items] * n)` | `Discrete(items)` | of the model |

The classes of jsae/environments have the whole specification. All their arguments can be given by name; the defaults
are the study's. The recommender needs `model_path`, a file that `jsae.purchases.ngram.save` has written. `render_mode`
is None or "rgb_array", for pictures of the gridworld (goal blue, agent red, walls grey) and of the slot machine (values
that pay in gold).

State ids are `Discrete`, or `MultiDiscrete` where a state has several: agents such as those of Stable-Baselines3 turn
them into the one-hot and two-hot vectors of the paper by themselves.

Single environments are truncated by the `TimeLimit` wrapper of `gymnasium.make`, vector environments by themselves;
both after `max_episode_steps`, which defaults to the paper's episode length.
"""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from jsae.experience.environment import Environment, build
from jsae.io import checkpoint

__all__ = ["DEFAULTS", "GRIDWORLD", "RECOMMENDER", "SLOT_MACHINE", "BatchedEnv", "BatchedVectorEnv", "Episodes"]

# The numbers of params.yaml, so that an environment can be made without it.
GRIDWORLD: dict[str, Any] = {
    "actuators": 11,
    "discrete": False,
    "bins": 40,
    "sub_steps": 4,
    "sub_step_length": 0.045,
    "step_reward": -0.01,
    "collision_reward": -0.05,
    "goal_reward": 1.0,
    "start": (0.30, 0.10),
    "goal": (0.125, 0.625, 0.175, 0.675),
    "walls": ((0.0, 0.375, 0.5, 0.40), (0.5, 0.375, 0.525, 0.75)),
    "episode_length": 150,
}
SLOT_MACHINE: dict[str, Any] = {
    "reels": ((2, 3, 6, 7, 0, 4), (3, 4, 6, 2, 1, 7), (1, 6, 5, 3, 4, 7), (5, 1, 4, 2, 6, 0)),
    "moves": 8,
    "fraction": 0.1,
    "minimum_count": 3,
    "episode_length": 20,
}
RECOMMENDER: dict[str, Any] = {"boost": 3.0, "bonus": 0.05, "start": "uniform", "episode_length": 20}
DEFAULTS = {"gridworld": GRIDWORLD, "slot_machine": SLOT_MACHINE, "recommender": RECOMMENDER}


class Episodes:
    """N episodes of a batched environment side by side, as NumPy arrays."""

    def __init__(
        self,
        module: str,
        num_envs: int,
        render_mode: str | None,
        model_path: str | Path | None,
        dynamics: dict[str, Any],
    ) -> None:
        model = {} if model_path is None else {"model": checkpoint.load(Path(model_path))[0]}
        self.batched: Environment = build(module, DEFAULTS[module] | dynamics | model)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self._state: Tensor | None = None
        self._picture = getattr(self.batched, "picture", None)
        self.render_modes = [] if self._picture is None else ["rgb_array"]
        if render_mode not in [None, *self.render_modes]:
            raise gymnasium.error.UnsupportedMode(
                f"{module}: render_mode = {render_mode!r}; give {' or '.join([*self.render_modes, 'None'])}"
            )

    @property
    def state(self) -> Tensor:
        """Of each episode, [1, N, k]."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("the environment has not started: call reset() first")
        return self._state

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """Of one episode: an id, several ids, or coordinates in the unit box."""
        size = self.batched.observation_size
        match self.batched.one_hots:
            case 0:
                return spaces.Box(0.0, 1.0, (size,), np.float32)
            case 1:
                return spaces.Discrete(size)
            case blocks:
                return spaces.MultiDiscrete([size // blocks] * blocks)

    @property
    def action_space(self) -> spaces.Discrete:
        """Of one episode."""
        assert self.batched.n_actions is not None
        return spaces.Discrete(self.batched.n_actions)

    def reset(self, generator: np.random.Generator, which: np.ndarray | None = None) -> None:
        """Start the episodes, or `which` [N] of them, again."""
        fresh = self.batched.reset(self._uniforms(generator, self.batched.reset_noise))
        self._state = fresh if which is None else torch.where(torch.from_numpy(which)[:, None], fresh, self.state)

    def step(self, actions: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Act in all episodes; rewards [N] float64 and terminated [N]."""
        state, uniforms = self.state, self._uniforms(generator, self.batched.step_noise)
        self._state, reward, terminated = self.batched.step(state, torch.from_numpy(actions)[None], uniforms)
        return reward[0].double().numpy(), terminated[0].numpy()

    def observations(self) -> np.ndarray:
        """What the agents see, [N] for a single id, [N, f] for several or for coordinates."""
        seen, blocks = self.batched.observe(self.state)[0], self.batched.one_hots
        if blocks == 1:
            return seen[:, 0].numpy().copy()
        if blocks > 1:  # ids of one flat table: back to one block for each
            return (seen - torch.arange(blocks) * (self.batched.observation_size // blocks)).numpy()
        return seen.numpy().copy()

    def pictures(self) -> list[np.ndarray] | None:
        """One picture an episode in mode rgb_array, None without a mode."""
        if self._picture is None or self.render_mode is None:
            return None
        return [self._picture(state) for state in self.state[0]]

    def _uniforms(self, generator: np.random.Generator, count: int) -> Tensor:
        return torch.from_numpy(generator.random((1, self.num_envs, count)))


class BatchedEnv(gymnasium.Env[Any, np.int64]):
    """One episode of jsae/environments/`module`.py."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self, module: str, *, render_mode: str | None = None, model_path: str | Path | None = None, **dynamics: Any
    ) -> None:
        self.episodes = Episodes(module, 1, render_mode, model_path, dynamics)
        self.metadata = {**self.metadata, "render_modes": self.episodes.render_modes}
        self.observation_space = self.episodes.observation_space
        self.action_space = self.episodes.action_space
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; the seed fixes all later ones too."""
        super().reset(seed=seed)
        self.episodes.reset(self.np_random)
        return self.episodes.observations()[0], {}

    def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act; raises InvalidAction outside the action space and ResetNeeded before the first reset."""
        _check_action(self.action_space, action)
        reward, terminated = self.episodes.step(np.asarray(action, dtype=np.int64).reshape(1), self.np_random)
        return self.episodes.observations()[0], float(reward[0]), bool(terminated[0]), False, {}

    def render(self) -> Any:
        """The picture of the episode in mode rgb_array, None without a mode."""
        pictures = self.episodes.pictures()
        return pictures[0] if pictures else None


class BatchedVectorEnv(VectorEnv[Any, np.ndarray, np.ndarray]):
    """N episodes of jsae/environments/`module`.py in one call.

    An episode that ended starts again in the next step, whose action is ignored and whose reward is 0
    (`AutoresetMode.NEXT_STEP`).
    """

    metadata: dict[str, Any] = {**BatchedEnv.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        module: str,
        num_envs: int,
        max_episode_steps: int,
        *,
        render_mode: str | None = None,
        model_path: str | Path | None = None,
        **dynamics: Any,
    ) -> None:
        self.episodes = Episodes(module, num_envs, render_mode, model_path, dynamics)
        self.metadata = {**self.metadata, "render_modes": self.episodes.render_modes}
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.single_observation_space = self.episodes.observation_space
        self.single_action_space = self.episodes.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.render_mode = render_mode
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._over = np.zeros(num_envs, dtype=bool)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start all episodes; one seed fixes them and all later ones."""
        super().reset(seed=seed)
        self.episodes.reset(self.np_random)
        self._steps[:] = 0
        self._over[:] = False
        return self.episodes.observations(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Act in all episodes; raises InvalidAction outside the action space and ResetNeeded before the first reset."""
        _check_action(self.action_space, actions)
        starting = self._over
        rewards, terminated = self.episodes.step(np.asarray(actions, dtype=np.int64), self.np_random)
        if starting.any():
            self.episodes.reset(self.np_random, starting)
        self._steps = np.where(starting, 0, self._steps + 1)
        terminated = terminated & ~starting
        truncated = self._steps >= self.max_episode_steps
        self._over = terminated | truncated
        return self.episodes.observations(), np.where(starting, 0.0, rewards), terminated, truncated, {}

    def render(self) -> tuple[Any, ...] | None:
        """The pictures of all episodes in mode rgb_array, None without a mode."""
        pictures = self.episodes.pictures()
        return tuple(pictures) if pictures else None


def _check_action(space: spaces.Space[Any], action: Any) -> None:
    if not space.contains(action):
        raise gymnasium.error.InvalidAction(f"action {action!r} is not in the action space; give one of {space}")
