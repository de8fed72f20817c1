"""No embedding: actor and critic see the raw state, and the policy chooses among the raw actions (the benchmark)."""

import torch
from torch import Tensor

from jsae.embeddings.batch import Spaces, Transitions
from jsae.randomness import Streams


class Embedding:
    """φ and f are identities; there is nothing to learn."""

    def __init__(self, streams: Streams, spaces: Spaces, state_size: int, action_size: int):
        self.input_size, self.discrete_inputs = spaces.observation_size, spaces.discrete_observations
        self.choice_size = 0
        self.parameters: dict[str, Tensor] = {}

    def represent(self, observation: Tensor) -> Tensor:
        """The observation itself."""
        return observation

    def to_action(self, choice: Tensor) -> Tensor:
        """The choice itself."""
        return choice

    def loss(self, batch: Transitions) -> Tensor:
        """Zero for each member."""
        return torch.zeros(len(batch.observation))

    def refresh(self) -> None:
        """Nothing depends on parameters."""
