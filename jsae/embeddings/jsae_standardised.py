"""JSAE with standardised action embeddings, so that the σ of the policy has their scale."""

import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.embeddings import jsae
from jsae.embeddings.action_map import NearestNeighbour, standardised
from jsae.experience.environment import Environment
from jsae.nn.randomness import Streams

__all__ = ["Embedding"]


class Embedding(jsae.Embedding):
    """All as JSAE's, but the policy meets action embeddings with mean 0 and standard deviation 1 along each dimension.

    The paper does not say what scale embeddings have. tanh bounds them by 1, and learnt ones spread by 0.2 or so along
    a dimension, where the smallest σ of A.4.2 is 0.3.
    """

    label = "JSAE, standardised"
    color = "#56B4E9"
    order = 11
    role = "reading"
    compared_with = "jsae"
    searched_as = "jsae"

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int):
        if environment.n_actions is None:
            raise JsaeError(
                "params.yaml, readings: jsae_standardised is for discrete actions only; take it out elsewhere"
            )
        super().__init__(streams, environment, state_size, action_size)

    def action_table(self) -> Tensor | None:
        """Every action's standardised embedding, `[P, actions, d]`."""
        return standardised(self.g.table())

    def refresh(self) -> None:
        """Look actions up among their present embeddings, standardised."""
        with torch.no_grad():
            self.f = NearestNeighbour(standardised(self.g.table()))
