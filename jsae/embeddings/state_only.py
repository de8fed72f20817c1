"""Ablation: the states of the joint embedding with the environment's own actions."""

from torch import Tensor

from jsae.embeddings import jsae
from jsae.embeddings.action_map import identity
from jsae.experience.environment import Environment
from jsae.nn.randomness import Streams

__all__ = ["Embedding"]


class Embedding(jsae.Embedding):
    """φ learnt as JSAE's, together with g and T; the policy sees φ(s) and chooses among the raw actions."""

    label = "states embedded only"
    color = "#882255"
    order = 4
    role = "ablation"
    compared_with = "jsae"
    searched_as = "jsae"

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int):
        super().__init__(streams, environment, state_size, action_size)
        self.latent_size = 0

    def to_action(self, latent: Tensor) -> Tensor:
        """The latent action itself."""
        return identity(latent)
