"""Representations for actions (Chandak et al. 2019), the paper's second baseline: actions embedded, states raw.

The inverse model −E ln f(a | g(s, s′)) embeds an action by the change that it makes. As in the public code of
that paper, f is a softmax over negative Euclidean distances to a table of embeddings bounded by tanh. Sizes, samples,
learning rate and freezing are those of JSAE, so that only the objective and the state differ (deviation: the paper
does not say how it ran this baseline).
"""

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from jsae.config.errors import JsaeError
from jsae.embeddings import base
from jsae.embeddings.action_map import NearestNeighbour
from jsae.experience.environment import Environment
from jsae.experience.trajectories import Transitions
from jsae.nn import kernels
from jsae.nn.mlp import Encoder
from jsae.nn.randomness import Streams

__all__ = ["Embedding", "action_scores"]


def action_scores(e: Tensor, embeddings: Tensor) -> Tensor:
    """−‖e − E_a‖ of every action, `[P, B, actions]`, from points `[P, B, d]` and embeddings `[P, actions, d]`."""
    squares = e.square().sum(2, keepdim=True) + embeddings.square().sum(2)[:, None]
    squared_distance = torch.baddbmm(squares, e, embeddings.transpose(1, 2), alpha=-2)
    return -squared_distance.clamp_min(1e-12).sqrt()  # the root has no derivative at 0


class Embedding(base.Embedding):
    """Action embeddings E learnt from which action led from s to s′; actor and critic see the raw state."""

    label = "RA"
    color = "#D55E00"
    order = 1
    role: ClassVar[base.Role] = "paper"
    compared_with = ""
    searched_as = "ra"
    searched = ("action_embedding_size",)
    learnt = True
    embeds_states = False

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int):
        if environment.n_actions is None:
            raise JsaeError("params.yaml, cells: the embedding ra is defined for discrete actions only; take it out")
        self.input_size, self.discrete_inputs = environment.observation_size, environment.discrete_observations
        self.latent_size = action_size
        self.g = Encoder(streams, 2 * environment.observation_size, action_size)
        self.actions = Encoder(streams, environment.n_actions, action_size, bound=1.0)
        self.parameters = {"g": self.g.weight, "actions": self.actions.weight}
        self.refresh()

    def represent(self, observation: Tensor) -> Tensor:
        """The raw observation."""
        return observation

    def to_action(self, latent: Tensor) -> Tensor:
        """Ids `[P, B]` of the actions whose embeddings are nearest to e `[P, B, d]`."""
        return self._nearest(latent)

    def action_table(self) -> Tensor:
        """Every action's embedding, where the policy meets it, `[P, actions, d]`."""
        return self.actions.table()

    def chance_loss(self) -> float:
        """ln of the number of actions."""
        return math.log(self.actions.weight.shape[1])

    def loss(self, batch: Transitions) -> Tensor:
        """−E ln f(a | g(s, s′)) of each run, `[P]`, nats."""
        following = batch.next_observation
        if self.discrete_inputs:
            following = following + self.input_size
        e = self.g(torch.cat([batch.observation, following], 2))
        if kernels.used(e):
            return kernels.distance_cross_entropy(self.actions.table(), e, batch.action)
        scores = action_scores(e, self.actions.table())
        nats = F.cross_entropy(scores.flatten(0, 1), batch.action.flatten(), reduction="none")
        return nats.view(batch.action.shape).mean(1)

    def refresh(self) -> None:
        """Look actions up among their present embeddings."""
        with torch.no_grad():
            self._nearest = NearestNeighbour(self.action_table())
