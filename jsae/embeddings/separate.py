"""Ablation: states and actions auto-encoded apart, each without knowledge of the other or of what an action does."""

from torch import Tensor

from jsae.embeddings import jsae
from jsae.experience.environment import Environment
from jsae.experience.trajectories import Transitions
from jsae.nn.mlp import Linear
from jsae.nn.randomness import Streams

__all__ = ["Embedding"]


class Embedding(jsae.Embedding):
    """φ, g and f of JSAE's shapes; in place of T, a linear decoder of states from X and one of actions from E."""

    label = "states and actions embedded separately"
    color = "#009E73"
    order = 3
    role = "ablation"
    compared_with = "jsae"
    searched_as = "jsae"

    has_transition_model = False

    def add_model(self, streams: Streams, environment: Environment, state_size: int, action_size: int) -> None:
        """The two decoders."""
        self.state_decoder = Linear(streams, state_size, environment.observation_size)
        self.action_decoder = Linear(streams, action_size, environment.n_actions or environment.action_size)
        self.parameters["state_decoder"] = self.state_decoder.weight
        self.parameters["action_decoder"] = self.action_decoder.weight

    def model_loss(self, x: Tensor, e: Tensor, batch: Transitions) -> Tensor:
        """Loss of both auto-encoders, `[P]`."""
        action = batch.action if batch.action.is_floating_point() else batch.action[..., None]
        return self.state_decoder.loss(x, batch.observation) + self.action_decoder.loss(e, action)
