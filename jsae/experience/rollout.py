"""Run a batch of runs: all episodes of all runs in lockstep."""

from collections.abc import Callable

import torch
from torch import Tensor

from jsae.experience.environment import Environment
from jsae.experience.trajectories import Trajectories
from jsae.nn.randomness import Streams


@torch.no_grad()
def collect(
    environment: Environment,
    act: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    noise: Tensor,
    streams: Streams,
) -> Trajectories:
    """Run every episode for `episode_length` steps, and begin a new one in its place where one terminates.

    `act(state, noise)` gives what the policy chose and the environment's action; `noise` is `[P, T, N, ...]`. Each
    run's episodes draw from its own `streams`.
    """
    steps, num_envs = noise.shape[1:3]
    resets = streams.uniform(steps + 1, num_envs, environment.reset_noise)
    uniforms = streams.uniform(steps, num_envs, environment.step_noise)
    state = environment.reset(resets[:, 0])
    columns: list[list[Tensor]] = [[] for _ in Trajectories._fields]
    for t in range(steps):
        latent, action = act(state, noise[:, t])
        next_state, reward, terminated = environment.step(state, action, uniforms[:, t])
        for column, value in zip(columns, (state, next_state, latent, action, reward, terminated), strict=True):
            column.append(value)
        state = torch.where(terminated[..., None], environment.reset(resets[:, t + 1]), next_state)
    return Trajectories(*(torch.stack(column, 1) for column in columns))
