"""Ablation: the actions of the joint embedding with the environment's own states."""

from torch import Tensor

from jsae.embeddings import jsae
from jsae.experience.environment import Environment
from jsae.nn.randomness import Streams

__all__ = ["Embedding"]


class Embedding(jsae.Embedding):
    """g and f learnt as JSAE's, together with φ and T; the policy sees the raw state and chooses in E."""

    label = "actions embedded only"
    color = "#999933"
    order = 5
    role = "ablation"
    compared_with = "jsae"
    searched_as = "jsae"

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int):
        super().__init__(streams, environment, state_size, action_size)
        self.input_size, self.discrete_inputs = environment.observation_size, environment.discrete_observations

    def represent(self, observation: Tensor) -> Tensor:
        """The raw observation."""
        return observation
