"""JSAE with a deeper transition model, where the public re-implementation has one linear layer."""

import torch
from torch import Tensor

from jsae.embeddings import jsae
from jsae.experience.environment import Environment
from jsae.experience.trajectories import Transitions
from jsae.nn.mlp import Linear
from jsae.nn.randomness import Streams

__all__ = ["HIDDEN_UNITS", "Embedding"]

HIDDEN_UNITS = 64
"""As f has where actions are continuous (A.4.2)."""


class Embedding(jsae.Embedding):
    """φ, g and f as JSAE's; T has a hidden layer of 64 tanh units."""

    label = "JSAE, deeper transition model"
    color = "#332288"
    order = 10
    role = "reading"
    compared_with = "jsae"
    searched_as = "jsae"

    def add_model(self, streams: Streams, environment: Environment, state_size: int, action_size: int) -> None:
        """T, of two layers."""
        self.hidden = Linear(streams, state_size + action_size, HIDDEN_UNITS)
        self.transition = Linear(streams, HIDDEN_UNITS, environment.n_targets)
        self.parameters["hidden"] = self.hidden.weight
        self.parameters["transition"] = self.transition.weight

    def model_loss(self, x: Tensor, e: Tensor, batch: Transitions) -> Tensor:
        """Eq. (5) from x = φ(s) and e = g(a), `[P]`, as JSAE's."""
        target = batch.target if batch.target.is_floating_point() else batch.target[..., None]
        return self.transition.loss(self.hidden(torch.cat([x, e], 2)).tanh(), target)
