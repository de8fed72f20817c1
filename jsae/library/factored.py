"""T for states of several components, as MultiDiscrete observations have them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from jsae.nn.mlp import Linear

__all__ = ["FactoredTransition"]


class FactoredTransition(Linear):
    """P(s′ | x, e) = Π_i P(s′_i | x, e): a softmax for each of k components, over its own block of outputs.

    One softmax over all combinations of components, which Eq. (5) with one-hot states would have, needs as many
    outputs as there are combinations. This one needs as many as there are values of single components.

    Args:
        linear: the affine map whose parameters it takes over, with an output for each value of each component.
        sizes: values of each component.
    """

    def __init__(self, linear: Linear, sizes: Sequence[int]):
        self.weight = linear.weight
        self._sizes = list(sizes)

    def loss(self, x: Tensor, target: Tensor) -> Tensor:
        """−E Σ_i ln P(s′_i | x, e), nats, `[P]`, of inputs `[P, B, inputs]` and ids of components `[P, B, k, 1]`."""
        blocks = self(x).split(self._sizes, 2)
        nats = [-block.log_softmax(2).gather(2, target[:, :, component]) for component, block in enumerate(blocks)]
        return torch.cat(nats, 2).sum(2).mean(1)
