"""Transitions of the uniform random policy, which embeddings are pre-trained on (appendix A.4.2)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from jsae.experience.environment import Environment
from jsae.experience.rollout import collect
from jsae.experience.trajectories import Trajectories, Transitions, transitions
from jsae.io import checkpoint
from jsae.nn.randomness import Streams


def random_transitions(environment: Environment, seeds: Sequence[int], samples: int) -> Transitions:
    """`samples` transitions of the uniform random policy for each seed, whole episodes as far as they go (A.4.2)."""
    episodes = -(-samples // environment.episode_length)
    trajectories = random_trajectories(environment, Streams(seeds, "random policy", environment.device), episodes)
    return Transitions(*(field[:, :samples] for field in transitions(environment, trajectories)))


def random_trajectories(environment: Environment, streams: Streams, num_envs: int) -> Trajectories:
    """`num_envs` episodes of the uniform random policy for each run of `streams`."""
    steps = environment.episode_length
    if environment.n_actions is not None:
        noise = streams.integers(environment.n_actions, steps, num_envs)
    else:
        noise = streams.uniform(steps, num_envs, environment.action_size, dtype=torch.float32).mul_(2).sub_(1)
    return collect(environment, lambda state, action: (action, action), noise, streams)


def save_samples(path: Path, samples: Transitions) -> None:
    """Keep transitions in a file, ids as 32-bit numbers."""
    checkpoint.save(path, {name: _stored(field) for name, field in samples._asdict().items()})


def load_samples(path: Path) -> Transitions:
    """Transitions from a file of `save_samples`."""
    tensors, _ = checkpoint.load(path)
    return Transitions(**{name: f if f.is_floating_point() else f.long() for name, f in tensors.items()})


def _stored(field: Tensor) -> Tensor:
    return field if field.is_floating_point() else field.int()
