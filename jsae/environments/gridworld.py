"""Gridworld (section 5.1, appendix A.4.1, Figure 4): a point moved by actuators through a box with walls."""

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
import torch
from annotated_types import Ge, Gt, Le, Len
from torch import Tensor

from jsae.config.doc import Doc, Finite
from jsae.config.errors import JsaeError
from jsae.experience.environment import ReferenceReturns

__all__ = ["Coordinate", "Gridworld", "Rectangle", "motions", "outcome"]

FREE, BLOCKED, GOAL = 0, 1, 2

Coordinate = Annotated[float, Ge(0), Le(1)]
Rectangle = Annotated[Sequence[Coordinate], Len(4, 4)]  # x_low, y_low, x_high, y_high


def motions(actuators: int) -> npt.NDArray[np.float64]:
    """Directions of all 2^n actions, float64 [2^n, 2], the longest of length 1.

    Actuator k points at angle 2 pi k / n; an action's binary digits, most significant first, say which are active, and
    its motion is the sum of their unit vectors. Cosine and sine are rounded to three decimals, as in public code
    adapted from the authors'.
    """
    angles = 2 * math.pi * np.arange(actuators) / actuators
    units = np.stack([np.cos(angles), np.sin(angles)], axis=1).round(3)
    active = (np.arange(2**actuators)[:, None] >> np.arange(actuators)[::-1]) & 1
    summed = active @ units
    return summed / np.linalg.norm(summed, axis=1).max()


class Gridworld:
    """A point in the unit box walks around two walls to a goal by firing any subset of n actuators.

    ## Description
    The agent sits in a 1 x 1 box (Figure 4) with n actuators, equally spaced around it, each of which pushes it in its
    own direction. Any subset of them can fire at once, which makes 2^n actions. It has to find a small goal square
    behind two walls. Dynamics are deterministic.

    ## Action space
    An action is an integer in [0, 2^n). Its binary digits, most significant first, are the actuators at the angles
    2 pi k / n, k = 0 ... n-1. The motion is the sum of the active unit vectors, divided by the norm of the longest such
    sum, so that motions have norm at most 1. Not all are distinct: 2,047 of 2,048 at n = 11 (none and all active both
    stand still), but only 343 of 512 at n = 9.

    ## State and observation space
    The state is the position, float32 (x, y) in [0, 1]^2. Continuous version: it is the observation. Discrete version
    (`discrete=True`): the observation is the id `bins * x_bin + y_bin` of one of bins^2 states, where bin i holds the
    half-open interval (i / bins, (i + 1) / bins] and coordinate 0 belongs to bin 0. The true position stays continuous,
    so the discrete version is **partially observed**: two positions in one bin look alike and can move on differently.

    ## Transitions
    A step makes up to `sub_steps` sub-steps of `sub_step_length` x motion. A sub-step that leaves the box or lands in a
    wall is not made: it costs the collision reward once and ends the step. After each sub-step that is made the goal is
    checked. Box, walls and goal are closed: their edges belong to them. Four sub-steps of 0.045 move at most 0.18; the
    paper states a maximum step size of 0.2.

    Only the end points of sub-steps are checked. The walls of the 40-bin layout are 0.025 thick and a sub-step is up to
    0.045 long, so the agent **can jump through a wall**. Chandak et al. (2019) used walls of 0.05.

    ## Rewards
    `step_reward` on every step, plus `collision_reward` on a step that collides, plus `goal_reward` on reaching the
    goal. The paper says "small step and collision penalties and a large positive reward" without numbers; -0.01, -0.05
    and +1 are those of the public re-implementation.

    ## Start, termination and truncation
    Episodes start at `start`, terminate in the goal, and are truncated by the caller after `episode_length` steps
    (150 in appendix A.4.1).

    ## Arguments
    Each stands with its meaning and source in the constructor's signature. Lengths are in units of the box, rectangles
    are (x_low, y_low, x_high, y_high).

    Raises JsaeError for a rectangle that is empty or not inside the box, and for a start outside it, in a wall or in
    the goal.

    ## Version history
    v0: as described.
    """

    n_actions: int
    action_size = 0
    reset_noise = 0
    step_noise = 0
    device = torch.device("cpu")

    def __init__(
        self,
        actuators: Annotated[
            int, Ge(1), Le(14), Doc("n: there are 2^n actions", "not stated: 11 gives the 2,048 of the transfer")
        ],
        discrete: Annotated[bool, Doc("state is a bin of the grid instead of a coordinate", "5.1")],
        *,
        bins: Annotated[int, Ge(2), Doc("bins along each side", "A.4.1")],
        walls: Annotated[
            Sequence[Rectangle], Doc("obstacles: x0, y0, x1, y1 each", "Figure 4; public re-implementation")
        ],
        goal: Annotated[Rectangle, Doc("goal region: x0, y0, x1, y1", "Figure 4; public re-implementation")],
        start: Annotated[
            Sequence[Coordinate], Len(2, 2), Doc("where an episode starts: x, y", "public re-implementation")
        ],
        sub_steps: Annotated[
            int, Ge(1), Le(8), Doc("motions of one step", "public re-implementation: int(0.2 / 0.045)")
        ],
        sub_step_length: Annotated[
            float, Gt(0), Le(1), Doc("length of the longest motion", "public re-implementation")
        ],
        step_reward: Annotated[
            Finite, Doc("reward of every step", "5.1: small; number of the public re-implementation")
        ],
        collision_reward: Annotated[Finite, Doc("added when a step collides", "5.1: small; public re-implementation")],
        goal_reward: Annotated[Finite, Doc("added when the goal is reached", "5.1: large; public re-implementation")],
        episode_length: Annotated[int, Ge(1), Doc("steps of an episode at most", "A.4.1")],
    ) -> None:
        for name, rectangle in [*((f"walls[{i}]", wall) for i, wall in enumerate(walls)), ("goal", goal)]:
            _check_rectangle(name, rectangle)
        self.actuators = actuators
        self.discrete_observations = discrete
        self.bins = bins
        self.walls = tuple(tuple(wall) for wall in walls)
        self.goal = tuple(goal)
        self.start = tuple(start)
        self.sub_steps = sub_steps
        self.sub_step_length = sub_step_length
        self.step_reward = step_reward
        self.goal_reward = goal_reward
        self.episode_length = episode_length
        self.n_actions = 2**actuators
        self.one_hots = int(discrete)
        self.observation_size = bins**2 if discrete else 2
        self.n_targets = self.observation_size

        made = np.arange(sub_steps + 1)  # sub-steps made so far
        displacements = made[None, :, None] * sub_step_length * motions(actuators)[:, None, :]
        self._displacements = torch.tensor(displacements, dtype=torch.float32)  # [2^n, sub_steps + 1, 2]
        self._start = torch.tensor(start, dtype=torch.float32)
        self._bin_edges = torch.arange(1, bins, dtype=torch.float32) / bins
        self._break_points, kinds = _region_map(self.walls, self.goal)
        if len(start) != 2 or kinds[tuple(torch.bucketize(self._start, self._break_points, right=True))] != FREE:
            raise JsaeError(f"gridworld: start {tuple(start)} is outside the box, in a wall or in the goal; move it")

        # The sub-steps' kinds are the digits of a number in base 3, which indexes a table of outcomes. The place where
        # the agent stands before them counts nothing.
        place_values = [0, *(3**k for k in reversed(range(sub_steps)))]
        self._sub_step_index = torch.arange(sub_steps + 1)
        self._digits = torch.stack([kinds * value for value in place_values])  # [sub_steps + 1, cells, cells]
        outcomes = [outcome(kinds) for kinds in itertools.product((FREE, BLOCKED, GOAL), repeat=sub_steps)]
        self._made = torch.tensor([made for made, _, _ in outcomes])
        self._terminated = torch.tensor([reached for _, _, reached in outcomes])
        self._reward = torch.tensor(
            [step_reward + collision_reward * collided + goal_reward * reached for _, collided, reached in outcomes],
            dtype=torch.float32,
        )

    @property
    def grid(self) -> int:
        """Bins along each side of a map."""
        return self.bins

    def to(self, device: torch.device | str) -> Self:
        """Move the tables to a device; returns self."""
        self.device = torch.device(device)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
        return self

    def reset(self, uniforms: Tensor) -> Tensor:
        """Start positions [P, N, 2] for uniforms [P, N, 0]."""
        return self._start.repeat(*uniforms.shape[:2], 1)

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Positions [P, N, 2] and action ids [P, N] to next positions, rewards [P, N] and terminated [P, N]."""
        positions = state.unsqueeze(-2) + self._displacements[action]  # [P, N, sub_steps + 1, 2]
        x_cell, y_cell = torch.bucketize(positions, self._break_points, right=True).unbind(-1)
        outcome = self._digits[self._sub_step_index, x_cell, y_cell].sum(-1)
        made = self._made.take(outcome)[..., None, None].expand(-1, -1, 1, 2)
        next_state = positions.gather(-2, made).squeeze(-2)
        return next_state, self._reward.take(outcome), self._terminated.take(outcome)

    def observe(self, state: Tensor) -> Tensor:
        """Bin ids [P, N, 1] in the discrete version, positions [P, N, 2] in the continuous one."""
        return self._bin(state).unsqueeze(-1) if self.discrete_observations else state

    def target(self, state: Tensor) -> Tensor:
        """What Eq. (5) predicts: bin ids [P, N] in the discrete version, positions [P, N, 2] in the continuous one."""
        return self._bin(state) if self.discrete_observations else state

    def action_effects(self) -> npt.NDArray[np.float64]:
        """The direction of each action, [2^n, 2], the longest of length 1: see `motions`."""
        return motions(self.actuators)

    def reference_returns(self) -> ReferenceReturns:
        """Random return by Monte Carlo, best return by a search with bounds: see `reference_returns.gridworld`."""
        from jsae.environments import reference_returns  # no training needs it

        return reference_returns.gridworld(self)

    def picture(self, state: Tensor) -> np.ndarray:
        """The box as in Figure 4 with the agent at `state` [2], RGB uint8 [400, 400, 3]."""
        from jsae.environments.pictures import gridworld_picture  # draws with Pillow, which no training needs

        return gridworld_picture(self.walls, self.goal, state.tolist())

    def _bin(self, state: Tensor) -> Tensor:
        x_bin, y_bin = torch.bucketize(state, self._bin_edges).unbind(-1)
        return torch.add(y_bin, x_bin, alpha=self.bins)


def outcome(kinds: Sequence[int]) -> tuple[int, bool, bool]:
    """What a step makes of the kinds of place where its sub-steps would land: (sub-steps made, collided, reached)."""
    for made, kind in enumerate(kinds):
        if kind == BLOCKED:
            return made, True, False
        if kind == GOAL:
            return made + 1, False, True
    return len(kinds), False, False


def _region_map(walls: Sequence[Rectangle], goal: Rectangle) -> tuple[Tensor, Tensor]:
    """Cut the plane at every edge of box, walls and goal into cells of one kind each.

    Returns break points, float32 [B], one list for both axes, and the kind of each cell, int64 [B + 1, B + 1]; the cell
    of a coordinate is the number of break points at or below it. Closed rectangles end just above their upper edge,
    so the next larger float32.
    """
    rectangles = [np.asarray(rectangle, dtype=np.float32) for rectangle in [(0, 0, 1, 1), *walls, goal]]
    lows = [rectangle[:2] for rectangle in rectangles]
    highs = [np.nextafter(rectangle[2:], np.float32(np.inf)) for rectangle in rectangles]
    points = np.unique(np.concatenate([*lows, *highs]))
    smallest = np.concatenate([[np.float32(-np.inf)], points])  # the smallest coordinate of each cell
    x, y = np.meshgrid(smallest, smallest, indexing="ij")
    inside = [
        (low[0] <= x) & (x < high[0]) & (low[1] <= y) & (y < high[1]) for low, high in zip(lows, highs, strict=True)
    ]
    blocked = ~inside[0] | np.any(inside[1:-1], axis=0) if walls else ~inside[0]
    kinds = np.where(blocked, BLOCKED, np.where(inside[-1], GOAL, FREE))
    return torch.from_numpy(points), torch.from_numpy(kinds)


def _check_rectangle(name: str, rectangle: Rectangle) -> None:
    if len(rectangle) == 4:
        x_low, y_low, x_high, y_high = rectangle
        if 0 <= x_low < x_high <= 1 and 0 <= y_low < y_high <= 1:
            return
    raise JsaeError(
        f"gridworld: {name} = {tuple(rectangle)} is no rectangle in the box; "
        "give x0, y0, x1, y1 in [0, 1] with x0 < x1 and y0 < y1"
    )
