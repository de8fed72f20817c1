"""f: from a point of the action embedding space E to an action (section 4.3.1, Eq. 6; A.4.2)."""

import torch
from torch import Tensor

from jsae.nn import kernels
from jsae.nn.mlp import MLP
from jsae.nn.randomness import Streams

__all__ = ["HIDDEN_UNITS", "ActionNetwork", "NearestNeighbour", "action_map_loss", "identity", "standardised"]

HIDDEN_UNITS = 64
"""A.4.2: f has "a single layer of 64 hidden units" where actions are continuous."""


def identity(latent: Tensor) -> Tensor:
    """f without an embedding: the policy's latent action is an action of the environment."""
    return latent


class NearestNeighbour:
    """f for discrete actions: the action whose embedding is closest in E (A.4.2).

    `embeddings` is `[P, actions, d]`. The distance ‖E_a − e‖² is compared as ‖E_a‖² − 2 e·E_a, which differs from it
    by the same ‖e‖² for every action.
    """

    def __init__(self, embeddings: Tensor):
        self._squares = embeddings.square().sum(2)
        self._points = embeddings.transpose(1, 2).contiguous()

    def __call__(self, e: Tensor) -> Tensor:
        """Action ids `[P, B]` of points `[P, B, d]`."""
        if kernels.used(e):
            return kernels.nearest(e, self._points, self._squares)
        return torch.baddbmm(self._squares[:, None], e, self._points, alpha=-2).min(2).indices


def standardised(embeddings: Tensor) -> Tensor:
    """Embeddings `[P, actions, d]` of mean 0 and standard deviation 1 along each dimension of E; 0 where all agree."""
    centred = embeddings - embeddings.mean(1, keepdim=True)
    deviation = centred.square().mean(1, keepdim=True).sqrt()
    return centred / deviation.where(deviation > 0, 1)


def action_map_loss(predicted: Tensor, action: Tensor) -> Tensor:
    """Eq. (6) for continuous actions: mean squared error of f(e), `[P]`; both `[P, B, action_size]`."""
    return (predicted - action).square().mean((1, 2))


class ActionNetwork:
    """f for continuous actions: a network learnt on Eq. (6), together with the embeddings and without changing them.

    tanh hidden units: the paper does not say which; the sigmoid of public code is the same function up to a scaling of
    its weights.
    """

    def __init__(self, streams: Streams, embedding_size: int, action_size: int, *, runs: int):
        self.network = MLP(streams, embedding_size, [HIDDEN_UNITS], action_size, runs=runs)

    def __call__(self, e: Tensor) -> Tensor:
        """Actions `[P, B, action_size]` of points `[P, B, d]`, clipped to the box [−1, 1] of every environment here."""
        return self.network(e).clamp(-1, 1)

    def loss(self, e: Tensor, action: Tensor) -> Tensor:
        """Eq. (6), `[P]`: how far f is from giving back the actions whose embeddings are e; e gets no gradient."""
        return action_map_loss(self.network(e.detach()), action)
