"""Ablation: states and actions auto-encoded apart, each without knowledge of the other or of what an action does."""

import torch
from torch import Tensor

from jsae.embeddings import jsae
from jsae.networks import Linear
from jsae.randomness import Streams
from jsae.rollout import Environment, Transitions


def reconstruction_loss(decoded: Tensor, target: Tensor) -> Tensor:
    """How far a decoder is from what was encoded, `[P]`.

    Vectors, `[P, B, n]` both: mean squared error. Ids `[P, B, k]` of k-hot inputs: −E ln of the softmax of `decoded`
    `[P, B, n]` at a hot row, in nats; its least value is ln k.
    """
    if target.is_floating_point():
        return (decoded - target).square().mean((1, 2))
    return -torch.log_softmax(decoded, 2).gather(2, target).mean((1, 2))


class Embedding(jsae.Embedding):
    """φ, g and f of JSAE's shapes; in place of T, a linear decoder of states from X and one of actions from E."""

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
        states = reconstruction_loss(self.state_decoder(x), batch.observation)
        return states + reconstruction_loss(self.action_decoder(e), action)
