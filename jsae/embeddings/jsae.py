"""The paper's joint state-action embedding (section 4.3.1, Figure 1b): φ, g and T learnt as one model."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from jsae.embeddings import base
from jsae.embeddings.action_map import ActionNetwork, NearestNeighbour
from jsae.experience.environment import Environment
from jsae.experience.trajectories import Transitions
from jsae.nn.mlp import Encoder, Linear
from jsae.nn.randomness import Streams

__all__ = ["Embedding"]


class Embedding(base.Embedding):
    """φ: S → X, g: A → E and T: X × E → S, all trained on Eq. (5), and f: E → A.

    | symbol | what |
    |---|---|
    | φ | tanh of a linear layer without bias on the (one-hot) state, m outputs |
    | g | the same on the (one-hot) action, d outputs |
    | T | one linear layer on [φ(s), g(a)]: logits of the next state, or the next state where it is a vector |
    | f | the action nearest to a point of E; where actions are continuous, a network trained on Eq. (6) |

    One layer each is the form of the public re-implementation; the paper does not say.
    """

    label = "JSAE"
    color = "#0072B2"
    order = 0
    role: ClassVar[base.Role] = "paper"
    compared_with = ""
    searched_as = "jsae"
    learnt = True
    has_transition_model = True

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int):
        self.input_size, self.discrete_inputs, self.latent_size = state_size, False, action_size
        self.phi = Encoder(streams, environment.observation_size, state_size)
        self.g = Encoder(streams, environment.n_actions or environment.action_size, action_size)
        self.parameters = {"phi": self.phi.weight, "g": self.g.weight}
        self.add_model(streams, environment, state_size, action_size)
        self.f: NearestNeighbour | ActionNetwork
        self.discrete_actions = environment.n_actions is not None
        known = self.has_transition_model and environment.discrete_observations and self.discrete_actions
        self._chance_loss = math.log(environment.n_targets) if known else math.nan
        if not self.discrete_actions:
            self.f = ActionNetwork(streams, action_size, environment.action_size, runs=len(self.g.weight))
            self.parameters["f"] = self.f.network.flat
        for name in self.transferred if self.transferred_stay else ():
            self.parameters[name].requires_grad_(False)
        self.refresh()

    def add_model(self, streams: Streams, environment: Environment, state_size: int, action_size: int) -> None:
        """T, what the embeddings are learnt by."""
        self.transition = Linear(streams, state_size + action_size, environment.n_targets)
        self.parameters["transition"] = self.transition.weight

    def represent(self, observation: Tensor) -> Tensor:
        """x = φ(s), `[P, B, m]`."""
        return self.phi(observation)

    def to_action(self, latent: Tensor) -> Tensor:
        """a = f(e): ids `[P, B]` or vectors `[P, B, action_size]` of points e `[P, B, d]`."""
        return self.f(latent)

    def embed_action(self, action: Tensor) -> Tensor:
        """e = g(a), `[P, B, d]`, of ids `[P, B]` or vectors `[P, B, action_size]`."""
        return self.g(action if action.is_floating_point() else action[..., None])

    def action_table(self) -> Tensor | None:
        """g of every action, `[P, actions, d]`, where actions are discrete and the policy uses them."""
        return self.g.table() if self.discrete_actions and self.latent_size else None

    def chance_loss(self) -> float:
        """ln of the number of next states, where states and actions are discrete."""
        return self._chance_loss

    def loss(self, batch: Transitions) -> Tensor:
        """Eq. (5) of each run, `[P]`; where f is learnt too, plus its own Eq. (6), which moves nothing but f."""
        x, e = self.phi(batch.observation), self.embed_action(batch.action)
        loss = self.model_loss(x, e, batch)
        return loss + self.f.loss(e, batch.action) if isinstance(self.f, ActionNetwork) else loss

    def model_loss(self, x: Tensor, e: Tensor, batch: Transitions) -> Tensor:
        """Eq. (5) from x = φ(s) and e = g(a): −E ln T(s′ | x, e), mean squared error where s′ is a vector; `[P]`."""
        target = batch.target if batch.target.is_floating_point() else batch.target[..., None]
        return self.transition.loss(torch.cat([x, e], 2), target)

    def refresh(self) -> None:
        """Look discrete actions up among g's present embeddings."""
        if self.discrete_actions:
            with torch.no_grad():
                self.f = NearestNeighbour(self.g.table())
