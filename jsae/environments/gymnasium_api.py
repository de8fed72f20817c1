"""The environments behind Gymnasium's interface: single environments, and native vector environments.

`import jsae` registers them by name, so that `gymnasium.make("jsae/Gridworld-v0")` and
`gymnasium.make_vec("jsae/Gridworld-v0", num_envs=8)` work without importing this module (and torch) before.

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

from jsae.environments.gridworld import Gridworld
from jsae.environments.pictures import gridworld_picture, slot_machine_picture
from jsae.experience.environment import Environment, build
from jsae.io import checkpoint

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


class Lanes:
    """N episodes of a batched environment side by side, as NumPy arrays."""

    def __init__(self, batched: Environment, lanes: int) -> None:
        self.batched = batched
        self.lanes = lanes
        self.state: Tensor | None = None  # [1, N, k]

    def reset(self, generator: np.random.Generator, which: np.ndarray | None = None) -> None:
        """Start the episodes, or `which` [N] of them, anew."""
        fresh = self.batched.reset(self._uniforms(generator, self.batched.reset_noise))
        if which is None or self.state is None:
            self.state = fresh
        else:
            self.state = torch.where(torch.from_numpy(which)[:, None], fresh, self.state)

    def step(self, actions: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Act in all episodes; rewards [N] float64 and terminated [N]."""
        if self.state is None:
            raise gymnasium.error.ResetNeeded("the environment has not started: call reset() before step()")
        uniforms = self._uniforms(generator, self.batched.step_noise)
        self.state, reward, terminated = self.batched.step(self.state, torch.from_numpy(actions)[None], uniforms)
        return reward[0].double().numpy(), terminated[0].numpy()

    def observations(self, space: spaces.Space[Any]) -> np.ndarray:
        """What the agents see, [N] for a single id, [N, f] for several or for coordinates."""
        assert self.state is not None
        seen = self.batched.observe(self.state)[0]
        if isinstance(space, spaces.Discrete):
            return seen[:, 0].numpy().copy()
        if isinstance(space, spaces.MultiDiscrete):  # ids of one flat table: back to one block for each
            blocks = seen.shape[-1]
            return (seen - torch.arange(blocks) * (self.batched.observation_size // blocks)).numpy()
        return seen.numpy().copy()

    def _uniforms(self, generator: np.random.Generator, count: int) -> Tensor:
        return torch.from_numpy(generator.random((1, self.lanes, count)))


def _metadata(pictures_a_second: int | None = None, vector: bool = False) -> dict[str, Any]:
    metadata: dict[str, Any] = {"render_modes": []}
    if pictures_a_second is not None:
        metadata |= {"render_modes": ["rgb_array"], "render_fps": pictures_a_second}
    if vector:
        metadata["autoreset_mode"] = AutoresetMode.NEXT_STEP
    return metadata


class BatchedEnv(gymnasium.Env[Any, np.int64]):
    """One episode of a batched environment."""

    metadata = _metadata()

    def __init__(self, batched: Environment, render_mode: str | None) -> None:
        _check_render_mode(self, render_mode)
        self.batched = batched
        self.lanes = Lanes(batched, 1)
        self.observation_space = _space(batched)
        self.action_space = _actions(batched)
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; the seed fixes all later ones too."""
        super().reset(seed=seed)
        self.lanes.reset(self.np_random)
        return self.lanes.observations(self.observation_space)[0], {}

    def step(self, action: np.int64) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act; raises InvalidAction outside the action space and ResetNeeded before the first reset."""
        _check_action(self.action_space, action)
        reward, terminated = self.lanes.step(np.asarray(action, dtype=np.int64).reshape(1), self.np_random)
        observation = self.lanes.observations(self.observation_space)[0]
        return observation, float(reward[0]), bool(terminated[0]), False, {}

    def render(self) -> Any:
        """The picture of the episode in mode rgb_array, None without a mode."""
        return _pictures(self.batched, self.lanes)[0] if self.render_mode == "rgb_array" else None


class BatchedVectorEnv(VectorEnv[Any, np.ndarray, np.ndarray]):
    """N episodes of a batched environment in one call.

    An episode that ended starts anew in the next step, whose action is ignored and whose reward is 0
    (`AutoresetMode.NEXT_STEP`).
    """

    metadata = _metadata(vector=True)

    def __init__(
        self,
        batched: Environment,
        num_envs: int,
        max_episode_steps: int,
        render_mode: str | None,
    ) -> None:
        _check_render_mode(self, render_mode)
        self.batched = batched
        self.lanes = Lanes(batched, num_envs)
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.single_observation_space = _space(batched)
        self.single_action_space = _actions(batched)
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
        self.lanes.reset(self.np_random)
        self._steps[:] = 0
        self._over[:] = False
        return self.lanes.observations(self.single_observation_space), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Act in all episodes; raises InvalidAction outside the action space and ResetNeeded before the first reset."""
        _check_action(self.action_space, actions)
        starting = self._over
        rewards, terminated = self.lanes.step(np.asarray(actions, dtype=np.int64), self.np_random)
        if starting.any():
            self.lanes.reset(self.np_random, starting)
        self._steps = np.where(starting, 0, self._steps + 1)
        terminated = terminated & ~starting
        truncated = self._steps >= self.max_episode_steps
        self._over = terminated | truncated
        observations = self.lanes.observations(self.single_observation_space)
        return observations, np.where(starting, 0.0, rewards), terminated, truncated, {}

    def render(self) -> tuple[Any, ...] | None:
        """The pictures of all episodes in mode rgb_array, None without a mode."""
        return tuple(_pictures(self.batched, self.lanes)) if self.render_mode == "rgb_array" else None


class GridworldEnv(BatchedEnv):
    """`jsae/Gridworld-v0`: a point walks around two walls to a goal by firing any subset of n actuators.

    ## Description
    The gridworld of section 5.1 and Figure 4 of "Joint state-action embedding for efficient reinforcement learning"
    (Pritz, Ma and Leung, 2020). Dynamics, and where they are known from the paper or only from public code adapted from
    the authors', are specified in `jsae.environments.gridworld.Gridworld`.

    ## Action space
    `Discrete(2**actuators)`: the binary digits of the action, most significant first, are the actuators at the angles
    2 pi k / n that fire.

    ## Observation space
    - `discrete=False` (default): `Box(0, 1, (2,), float32)`, the position (x, y).
    - `discrete=True`: `Discrete(bins**2)`, the bin `bins * x_bin + y_bin`. The position stays continuous, so this
      version is partially observed.

    ## Rewards
    -0.01 on every step, -0.05 more on a step that collides with a wall or the edge, +1 more on reaching the goal. With
    the default layout the best return is 0.96, of four steps; the uniformly random policy's mean is -2.74.

    ## Starting state
    Always (0.30, 0.10).

    ## Episode end
    Termination in the goal. Truncation after 150 steps (`max_episode_steps`).

    ## Arguments
    `render_mode`: None or "rgb_array" (goal blue, agent red, walls grey). All numbers of the dynamics, with the names
    and units of `Gridworld`: `actuators` (11), `discrete`, `bins`, `walls`, `goal`, `start`, `sub_steps`,
    `sub_step_length`, `step_reward`, `collision_reward`, `goal_reward`.

    ## Version history
    - v0: as described.
    """

    metadata = _metadata(pictures_a_second=10)

    def __init__(self, render_mode: str | None = None, **dynamics: Any) -> None:
        super().__init__(_gridworld(dynamics), render_mode)


class GridworldVectorEnv(BatchedVectorEnv):
    """`jsae/Gridworld-v0` as a vector environment: `GridworldEnv`, N episodes in one call."""

    metadata = _metadata(pictures_a_second=10, vector=True)

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int = GRIDWORLD["episode_length"],
        render_mode: str | None = None,
        **dynamics: Any,
    ) -> None:
        super().__init__(_gridworld(dynamics), num_envs, max_episode_steps, render_mode)


class SlotMachineEnv(BatchedEnv):
    """`jsae/SlotMachine-v0`: reels that are spun by chosen fractions of a turn pay for three or more equal values.

    ## Description
    The slot machine of section 5.1 and appendix A.4.1 of "Joint state-action embedding for efficient reinforcement
    learning" (Pritz, Ma and Leung, 2020), specified in `jsae.environments.slot_machine.SlotMachine`.

    ## Action space
    `Discrete(4096)`: a digit in base 8 for each of four reels, the first reel's the most significant; digit m spins its
    reel by m tenths of a turn.

    ## Observation space
    `Discrete(1296)`: a digit in base 6 for each reel, the place at its front.

    ## Rewards
    The sum of the values shown on at least three reels, on the new state, in every step: at most 24. The best return of
    20 steps is 480; the uniformly random policy's mean is 13.33.

    ## Starting state
    Every reel at its first place, which shows 2, 3, 1, 5.

    ## Episode end
    No termination. Truncation after 20 steps (`max_episode_steps`).

    ## Arguments
    `render_mode`: None or "rgb_array" (the row at the front framed in red, values that pay in gold). All numbers of the
    dynamics, with the names and units of `SlotMachine`: `reels`, `moves`, `fraction`, `minimum_count`.

    ## Version history
    - v0: as described.
    """

    metadata = _metadata(pictures_a_second=2)

    def __init__(self, render_mode: str | None = None, **dynamics: Any) -> None:
        super().__init__(_slot_machine(dynamics), render_mode)


class SlotMachineVectorEnv(BatchedVectorEnv):
    """`jsae/SlotMachine-v0` as a vector environment: `SlotMachineEnv`, N episodes in one call."""

    metadata = _metadata(pictures_a_second=2, vector=True)

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int = SLOT_MACHINE["episode_length"],
        render_mode: str | None = None,
        **dynamics: Any,
    ) -> None:
        super().__init__(_slot_machine(dynamics), num_envs, max_episode_steps, render_mode)


class RecommenderEnv(BatchedEnv):
    """`jsae/Recommender-v0`: a store recommends one item at a time and earns the price of what is bought.

    ## Description
    The recommender system of section 5.3 and appendix A.4.1 of "Joint state-action embedding for efficient
    reinforcement learning" (Pritz, Ma and Leung, 2020), specified in `jsae.environments.recommender.Recommender`. The
    probabilities are an n-gram model of purchases, which the stage `transitions` writes to a file.

    ## Action space
    `Discrete(items)`: the item to recommend.

    ## Observation space
    `MultiDiscrete([items] * n)`: the last n items bought, oldest first.

    ## Rewards
    The price of the item bought, in dollars.

    ## Starting state
    n items, drawn independently: `start="uniform"` over items, or by `"popularity"`.

    ## Episode end
    No termination. Truncation after 20 steps (`max_episode_steps`).

    ## Arguments
    `model_path` (required): the file of the n-gram model. `boost` (3): factor on the probability of a recommended item.
    `bonus` (0.05; 0 in the paper's text): added to it. `start` ("uniform").

    ## Version history
    - v0: as described.
    """

    def __init__(self, model_path: str | Path, render_mode: str | None = None, **dynamics: Any) -> None:
        super().__init__(_recommender(model_path, dynamics), render_mode)


class RecommenderVectorEnv(BatchedVectorEnv):
    """`jsae/Recommender-v0` as a vector environment: `RecommenderEnv`, N episodes in one call."""

    def __init__(
        self,
        model_path: str | Path,
        num_envs: int = 1,
        max_episode_steps: int = RECOMMENDER["episode_length"],
        render_mode: str | None = None,
        **dynamics: Any,
    ) -> None:
        super().__init__(_recommender(model_path, dynamics), num_envs, max_episode_steps, render_mode)


def _gridworld(dynamics: dict[str, Any]) -> Environment:
    return build("gridworld", GRIDWORLD | dynamics)


def _slot_machine(dynamics: dict[str, Any]) -> Environment:
    return build("slot_machine", SLOT_MACHINE | dynamics)


def _recommender(model_path: str | Path, dynamics: dict[str, Any]) -> Environment:
    model, _ = checkpoint.load(Path(model_path))
    return build("recommender", RECOMMENDER | dynamics | {"model": model})


def _space(batched: Environment) -> spaces.Space[Any]:
    """Of observations: an id, several ids, or coordinates in the unit box."""
    match batched.one_hots:
        case 0:
            return spaces.Box(0.0, 1.0, (batched.observation_size,), np.float32)
        case 1:
            return spaces.Discrete(batched.observation_size)
        case blocks:
            return spaces.MultiDiscrete([batched.observation_size // blocks] * blocks)


def _actions(batched: Environment) -> spaces.Discrete:
    assert batched.n_actions is not None
    return spaces.Discrete(batched.n_actions)


def _pictures(batched: Any, lanes: Lanes) -> list[np.ndarray]:
    """One picture an episode, of an environment that can be drawn."""
    if lanes.state is None:
        raise gymnasium.error.ResetNeeded("the environment has not started: call reset() before render()")
    if isinstance(batched, Gridworld):
        return [gridworld_picture(batched.walls, batched.goal, position) for position in lanes.state[0].tolist()]
    places = np.unravel_index(lanes.state[0, :, 0].numpy(), [batched.values] * len(batched.reels))
    return [slot_machine_picture(batched.reels, row, batched.minimum_count) for row in zip(*places, strict=True)]


def _check_render_mode(
    environment: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any], render_mode: str | None
) -> None:
    known = environment.metadata["render_modes"]
    if render_mode is not None and render_mode not in known:
        raise gymnasium.error.UnsupportedMode(
            f"{type(environment).__name__}: render_mode is {render_mode!r}; give {' or '.join([*known, 'None'])}"
        )


def _check_action(space: spaces.Space[Any], action: Any) -> None:
    if not space.contains(action):
        raise gymnasium.error.InvalidAction(f"action {action!r} is not in the action space; give one of {space}")
