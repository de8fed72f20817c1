"""Half-Cheetah (section 5.2, appendix A.4.1): Gymnasium's HalfCheetah-v5 in MuJoCo, for many episodes at once."""

import ctypes
import warnings
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Self

import mujoco
import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from jsae.config.doc import Doc
from jsae.experience.environment import ReferenceReturns
from jsae.nn import compiled

__all__ = ["CODE", "ROW", "HalfCheetah"]

CODE = Path(__file__).with_suffix(".cpp")

# One row holds all that a step reads and writes, in MuJoCo's order: positions, velocities, warm start, controls.
ROW = int(
    mujoco.mjtState.mjSTATE_QPOS
    | mujoco.mjtState.mjSTATE_QVEL
    | mujoco.mjtState.mjSTATE_WARMSTART
    | mujoco.mjtState.mjSTATE_CTRL
)


class HalfCheetah:
    """A planar two-legged robot learns to run forward by torques on its six joints.

    ## Description
    Dynamics, reward, observation and reset are those of Gymnasium's `HalfCheetah-v5`, from the same model file; equal
    bit by bit over whole episodes from the same start. The paper says MuJoCo's Half-Cheetah without a version; rewards
    and observations of v2 to v5 are the same.

    ## Action space
    Torques in [-1, 1]^6 on back thigh, shin and foot, front thigh, shin and foot. Actions are clipped to the box before
    the step, so that the control cost too is that of the torques that act: the mapping f (Eq. 6) is not bounded.

    ## State and observation space
    The state is float64 [P, N, 27]: 9 positions, 9 velocities, and the 9 accelerations from which MuJoCo's solver
    starts its next search. The observation is float32 [P, N, 17]: positions but the first (how far it ran), then
    velocities.

    ## Transitions
    `frame_skip` steps of MuJoCo of 0.01 s each, at one constant torque. MuJoCo steps one episode at a time; its batched
    `mujoco.rollout` is about as fast on one thread but returns no warm start, and without it contacts let trajectories
    drift apart by 1e-7 within 50 steps.

    ## Rewards
    Forward velocity over the step, minus 0.1 x the squared norm of the torques.

    ## Start, termination and truncation
    Positions start at the model's plus uniform noise in [-0.1, 0.1], velocities at 0 plus 0.1 x standard normal noise.
    Episodes never terminate, and are truncated by the caller after `episode_length` steps (250 in appendix A.4.1).

    ## Arguments
    ===================  =========================================================================
    frame_skip           steps of MuJoCo in one step (HalfCheetah-v5: 5, so 0.05 s)
    forward_reward       weight of the forward velocity, in m/s (HalfCheetah-v5: 1)
    control_cost         weight of the squared norm of the torques (HalfCheetah-v5: 0.1)
    reset_noise_scale    scale of the noise at the start (HalfCheetah-v5: 0.1)
    episode_length       steps after which the caller truncates
    ===================  =========================================================================

    ## Version history
    v0: as described.
    """

    discrete_observations = False
    one_hots = 0
    grid = None
    n_actions = None
    action_size = 6
    observation_size = 17
    n_targets = 17
    reset_noise = 18
    step_noise = 0
    device = torch.device("cpu")

    def __init__(
        self,
        episode_length: Annotated[int, Ge(1), Doc("steps of an episode", "A.4.1")],
        *,
        frame_skip: int = 5,
        forward_reward: float = 1.0,
        control_cost: float = 0.1,
        reset_noise_scale: float = 0.1,
    ) -> None:
        self.episode_length = episode_length
        self.frame_skip = frame_skip
        self.forward_reward = forward_reward
        self.control_cost = control_cost
        self.reset_noise_scale = reset_noise_scale
        self.model = _load_model()
        self._data = mujoco.MjData(self.model)
        self._start = torch.from_numpy(self.model.qpos0)
        self._seconds = self.model.opt.timestep * frame_skip

    def to(self, device: torch.device | str) -> Self:
        """Keep states on a device; returns self. MuJoCo steps them on the CPU all the same."""
        self.device = torch.device(device)
        self._start = self._start.to(device)
        return self

    def reset(self, uniforms: Tensor) -> Tensor:
        """Start states [P, N, 27] from uniform numbers [P, N, 18] in [0, 1), float64."""
        uniforms = uniforms.double()
        positions = self._start + self.reset_noise_scale * (2 * uniforms[..., :9] - 1)
        smallest = 2.0**-54  # below it a normal number would be infinite
        velocities = self.reset_noise_scale * torch.special.ndtri(uniforms[..., 9:].clamp(min=smallest))
        return torch.cat([positions, velocities, torch.zeros_like(positions)], dim=-1)

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """States [P, N, 27] and torques [P, N, 6] to next states, rewards [P, N] and terminated [P, N]."""
        action = action.double().clamp(-1, 1)
        rows = torch.cat([state, action], dim=-1).flatten(0, -2).cpu().numpy()
        self._simulate(rows)
        next_state = torch.from_numpy(rows)[:, :27].to(state.device).view_as(state)
        velocity = (next_state[..., 0] - state[..., 0]) / self._seconds
        reward = self.forward_reward * velocity - self.control_cost * action.square().sum(-1)
        return next_state, reward.float(), torch.zeros_like(reward, dtype=torch.bool)

    def _simulate(self, rows: np.ndarray) -> None:
        """Take each row of states and torques `[B, 33]` `frame_skip` steps on, in place."""
        code, physics = compiled.library(CODE), _mujoco()
        if code is None or physics is None:
            for row in rows:
                mujoco.mj_setState(self.model, self._data, row, ROW)
                mujoco.mj_step(self.model, self._data, nstep=self.frame_skip)
                mujoco.mj_getState(self.model, self._data, row, ROW)
            return
        functions = (physics.mj_setState, physics.mj_step, physics.mj_getState)
        addresses = (self.model._address, self._data._address, rows.ctypes.data)
        counts = (*rows.shape, ROW, self.frame_skip)
        code.step_rows(*functions, *map(ctypes.c_void_p, addresses), *map(ctypes.c_int64, counts))

    def observe(self, state: Tensor) -> Tensor:
        """Positions but the first, and velocities, [P, N, 17] float32."""
        return state[..., 1:18].float()

    def target(self, state: Tensor) -> Tensor:
        """What Eq. (5) predicts: the observation, [P, N, 17]."""
        return self.observe(state)

    def action_effects(self) -> None:
        """None: torques are no motions."""

    def reference_returns(self) -> ReferenceReturns:
        """Random return by Monte Carlo; the best return is not known."""
        from jsae.environments import reference_returns  # no training needs it

        return reference_returns.half_cheetah(self)


@cache
def _mujoco() -> ctypes.CDLL | None:
    """MuJoCo's own library, as its package has it; None where it lies elsewhere."""
    found = [
        *Path(mujoco.__file__).parent.glob("libmujoco.so*"),
        *Path(mujoco.__file__).parent.glob("libmujoco*.dylib"),
    ]
    return ctypes.CDLL(str(found[0])) if found else None


def _load_model() -> mujoco.MjModel:
    """Gymnasium's model of the half-cheetah.

    Its file has an attribute that MuJoCo deprecates, which MuJoCo would write to a log in the working directory each
    time. Any other warning is passed on.
    """
    messages: list[str] = []
    mujoco.set_mju_user_warning(messages.append)
    try:
        with as_file(files("gymnasium") / "envs/mujoco/assets/half_cheetah.xml") as path:
            model = mujoco.MjModel.from_xml_path(str(path))
    finally:
        mujoco.set_mju_user_warning(None)
    for message in messages:
        if "settotalmass" not in message:
            warnings.warn(message, stacklevel=3)
    return model
