"""The paper's joint state-action embedding (section 4.3.1, Figure 1b): φ, g and T learnt as one model."""

import torch
from torch import Tensor
from torch.nn import functional as F

from jsae.embeddings.action_map import NearestNeighbour
from jsae.networks import Encoder
from jsae.randomness import Streams
from jsae.rollout import Environment, Transitions


def environment_model_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Eq. (5): −E ln T(s′ | φ(s), g(a)), mean squared error where the next state is a vector; `[P]`.

    `logits` `[P, B, n_targets]`; `target` `[P, B]` classes, or `[P, B, n_targets]`.
    """
    if target.is_floating_point():
        return (logits - target).square().mean((1, 2))
    nats = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
    return nats.view(target.shape).mean(1)


class Embedding:
    """φ: S → X, g: A → E and T: X × E → S, all trained on Eq. (5); f finds the action nearest to a point of E.

    | symbol | what |
    |---|---|
    | φ | tanh of a linear layer without bias on the (one-hot) state, m outputs |
    | g | the same on the (one-hot) action, d outputs |
    | T | one linear layer on [φ(s), g(a)]: logits of the next state, or the next state where it is a vector |

    One layer each is the form of public code adapted from the authors'; the paper does not say.
    """

    learnt = True

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int):
        if environment.n_actions is None:
            raise ValueError("jsae: continuous actions need a learnt f")
        self.input_size, self.discrete_inputs, self.choice_size = state_size, False, action_size
        self.phi = Encoder(streams, environment.observation_size, state_size)
        self.g = Encoder(streams, environment.n_actions, action_size)
        joint = state_size + action_size
        uniform = streams.uniform(joint + 1, environment.n_targets, dtype=torch.float32)
        self.transition = uniform.mul_(2).sub_(1).mul_(joint**-0.5).requires_grad_()  # the last row is the bias
        self.parameters = {"phi": self.phi.weight, "g": self.g.weight, "transition": self.transition}
        self.refresh()

    def represent(self, observation: Tensor) -> Tensor:
        """x = φ(s), `[P, B, m]`."""
        return self.phi(observation)

    def to_action(self, choice: Tensor) -> Tensor:
        """a = f(e): ids `[P, B]` of the actions whose embeddings are nearest to e `[P, B, d]`."""
        return self._nearest(choice)

    def next_state(self, x: Tensor, e: Tensor) -> Tensor:
        """T: logits of the next state, or the next state itself, `[P, B, n_targets]`."""
        return torch.baddbmm(self.transition[:, -1:], torch.cat([x, e], 2), self.transition[:, :-1])

    def loss(self, batch: Transitions) -> Tensor:
        """Eq. (5) of each member, `[P]`."""
        x, e = self.phi(batch.observation), self.g(batch.action[..., None])
        return environment_model_loss(self.next_state(x, e), batch.target)

    def refresh(self) -> None:
        """Look actions up among g's present embeddings."""
        with torch.no_grad():
            self._nearest = NearestNeighbour(self.g.table())
