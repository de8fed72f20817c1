"""The one-layer encoders of Figure 1b: tanh of a linear map without bias, of one-hot ids or of vectors (A.4.2)."""

import torch
from torch import Tensor

from jsae.randomness import Streams


class Encoder:
    """P maps x ↦ tanh(W x), bounded in (−1, 1): `[P, B, inputs]` floats or `[P, B, k]` ids → `[P, B, outputs]`.

    Ids stand for a sum of one-hot vectors; W then is a table of `inputs` rows. Entries start uniform in ±`bound`
    (torch.nn.Linear's 1/√inputs unless told otherwise).
    """

    def __init__(self, streams: Streams, inputs: int, outputs: int, *, bound: float | None = None):
        bound = inputs**-0.5 if bound is None else bound
        self.weight = streams.uniform(inputs, outputs, dtype=torch.float32).mul_(2 * bound).sub_(bound).requires_grad_()

    def __call__(self, x: Tensor) -> Tensor:
        """Embeddings of x."""
        if x.is_floating_point():
            return torch.bmm(x, self.weight).tanh()
        members, inputs, outputs = self.weight.shape
        first = torch.arange(members, device=x.device).mul_(inputs)[:, None, None]
        rows = self.weight.flatten(0, 1).index_select(0, (x + first).flatten()).view(*x.shape, outputs)
        return (rows[:, :, 0] if x.shape[2] == 1 else rows.sum(2)).tanh()

    def table(self) -> Tensor:
        """The embedding of every id, `[P, inputs, outputs]`."""
        return self.weight.tanh()
