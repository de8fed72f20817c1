"""No embedding: actor and critic see the raw state, and the policy chooses among the raw actions (the baseline)."""

import torch
from torch import Tensor

from jsae.embeddings import base
from jsae.embeddings.action_map import identity
from jsae.experience.environment import Environment
from jsae.experience.trajectories import Transitions
from jsae.nn.randomness import Streams

__all__ = ["Embedding"]


class Embedding(base.Embedding):
    """φ and f are identities; there is nothing to learn."""

    label = "no embedding"
    color = "#3f3f3f"
    order = 2
    role = "paper"
    compared_with = ""
    searched_as = "none"
    searched = ()
    learnt = False

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int):
        self.input_size, self.discrete_inputs = environment.observation_size, environment.discrete_observations
        self.latent_size = 0
        self.parameters: dict[str, Tensor] = {}

    def represent(self, observation: Tensor) -> Tensor:
        """The observation itself."""
        return observation

    def to_action(self, latent: Tensor) -> Tensor:
        """The latent action itself."""
        return identity(latent)

    def loss(self, batch: Transitions) -> Tensor:
        """Zero for each run, `[P]`."""
        return torch.zeros(len(batch.observation), device=batch.observation.device)

    def refresh(self) -> None:
        """Nothing depends on parameters."""
