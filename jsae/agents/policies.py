"""The two kinds of policy of the paper's agents, for a batch of runs.

A Gaussian acts in the action embedding space E (internal policy π_i(e | x)) or in a continuous action space; a
categorical one picks one of the actions themselves (the agents without embeddings). On-policy agents use either
through `draw`, `sample` and `log_probability`. What a policy outputs is a latent action: a point of E, a vector of the
environment's own space, or the id of an action.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from jsae.nn import kernels
from jsae.nn.mlp import MLP
from jsae.nn.randomness import Streams

__all__ = ["ActionSpec", "Categorical", "Gaussian", "Policy", "SquashedGaussian", "policy_over"]


class Gaussian:
    """Diagonal Gaussian with a standard deviation that does not depend on the state (Spinning Up's actor).

    | symbol | shape | what |
    |---|---|---|
    | μ(x) | [P, B, d] | mean: a tanh MLP with linear output |
    | log σ | [P, d] | learnable; starts at the log of the searched initial standard deviation (A.4.2) |
    """

    def __init__(
        self,
        streams: Streams,
        inputs: int,
        hidden_sizes: Sequence[int],
        action_size: int,
        initial_standard_deviation: Tensor,
    ):
        self.action_size = action_size
        runs = len(initial_standard_deviation)
        self.network = MLP(streams, inputs, hidden_sizes, action_size, extra=action_size, runs=runs)
        with torch.no_grad():
            self.network.free.copy_(initial_standard_deviation.log()[:, None])

    def draw(self, streams: Streams, *shape: int) -> Tensor:
        """Noise for `sample`, `[P, *shape, d]`."""
        return streams.normal(*shape, self.action_size)

    def sample(self, x: Tensor, noise: Tensor) -> Tensor:
        """Points e `[P, N, d]` at inputs x `[P, N, ·]`."""
        return torch.addcmul(self.network(x), self.network.free.exp()[:, None], noise)

    def log_probability(self, x: Tensor, e: Tensor) -> Tensor:
        """ln π_i(e | x), `[P, B]`."""
        log_std = self.network.free[:, None]
        z = (e - self.network(x)) * (-log_std).exp()
        return (-0.5 * z.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(2)


class SquashedGaussian(Gaussian):
    """e = limit · tanh(u), u from the Gaussian: bounded, with a density that knows of it (Haarnoja et al. 2018)."""

    def __init__(
        self,
        streams: Streams,
        inputs: int,
        hidden_sizes: Sequence[int],
        action_size: int,
        initial_standard_deviation: Tensor,
        limit: float,
    ):
        super().__init__(streams, inputs, hidden_sizes, action_size, initial_standard_deviation)
        self.limit = limit

    def sample(self, x: Tensor, noise: Tensor) -> Tensor:
        """Points e `[P, N, d]` at inputs x `[P, N, ·]`, differentiable: a function of the noise."""
        return self.limit * super().sample(x, noise).tanh()

    def sample_with_log_probability(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The same points, and ln π_i(e | x) `[P, N]`, both differentiable."""
        u = super().sample(x, noise)
        log_p = (-0.5 * noise.square() - self.network.free[:, None] - 0.5 * math.log(2 * math.pi)).sum(2)
        return self.limit * u.tanh(), log_p - self._log_slope(u).sum(2)

    def log_probability(self, x: Tensor, e: Tensor) -> Tensor:
        """ln π_i(e | x), `[P, B]`, for points inside the bounds."""
        u = (e / self.limit).atanh()
        return super().log_probability(x, u) - self._log_slope(u).sum(2)

    def _log_slope(self, u: Tensor) -> Tensor:
        """ln de/du = ln limit + ln(1 − tanh² u), without cancellation where tanh is flat."""
        return math.log(self.limit) + 2 * (math.log(2) - u - F.softplus(-2 * u))


class Categorical:
    """Softmax over all actions: one output for each (agents without embeddings)."""

    def __init__(self, streams: Streams, inputs: int, hidden_sizes: Sequence[int], n_actions: int, runs: int):
        self.network = MLP(streams, inputs, hidden_sizes, n_actions, runs=runs)

    def draw(self, streams: Streams, *shape: int) -> Tensor:
        """Noise for `sample`, `[P, *shape]`."""
        return streams.uniform(*shape, dtype=torch.float32)

    def sample(self, x: Tensor, noise: Tensor) -> Tensor:
        """Action ids `[P, N]` at inputs x `[P, N, ·]`, by inverting the cumulative distribution."""
        if kernels.used(self.network.flat):
            return kernels.choose(self.network.shape, self.network.flat, x, noise)
        cumulative = torch.softmax(self.network(x), 2).cumsum_(2)
        thresholds = noise[..., None] * cumulative[..., -1:]
        return torch.searchsorted(cumulative, thresholds, right=True)[..., 0].clamp_(max=self.network.outputs - 1)

    def log_probability(self, x: Tensor, action: Tensor) -> Tensor:
        """ln π(a | s), `[P, B]`."""
        logits = self.network(x)
        return -F.cross_entropy(logits.flatten(0, 1), action.flatten(), reduction="none").view(action.shape)


Policy = Gaussian | Categorical


class ActionSpec(NamedTuple):
    """What a policy outputs: its latent actions.

    | field | what |
    |---|---|
    | dimensions | d: a latent action is a point of a space of d dimensions; 0: it is the id of a discrete action |
    | actions | number of discrete actions; of no meaning where dimensions > 0 |
    """

    dimensions: int
    actions: int


def policy_over(
    spec: ActionSpec,
    streams: Streams,
    inputs: int,
    hidden_sizes: Sequence[int],
    initial_standard_deviations: Tensor,
) -> Policy:
    """A Gaussian over the points of a space, or a softmax over actions; `initial_standard_deviations` is `[P]`."""
    if spec.dimensions:
        return Gaussian(streams, inputs, hidden_sizes, spec.dimensions, initial_standard_deviations)
    return Categorical(streams, inputs, hidden_sizes, spec.actions, len(initial_standard_deviations))
