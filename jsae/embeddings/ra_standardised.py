"""RA with standardised action embeddings, so that the σ of the policy has their scale."""

import torch
from torch import Tensor

from jsae.embeddings import ra
from jsae.embeddings.action_map import NearestNeighbour, standardised

__all__ = ["Embedding"]


class Embedding(ra.Embedding):
    """All as RA's, but the policy meets action embeddings with mean 0 and standard deviation 1 along each dimension.

    The paper does not say what scale embeddings have. tanh bounds them by 1, and learnt ones spread by 0.2 or so along
    a dimension, where the smallest σ of A.4.2 is 0.3.
    """

    label = "RA, standardised"
    color = "#E69F00"
    order = 12
    role = "reading"
    compared_with = "ra"
    searched_as = "ra"

    def action_table(self) -> Tensor:
        """Every action's standardised embedding, `[P, actions, d]`."""
        return standardised(self.actions.table())

    def refresh(self) -> None:
        """Look actions up among their present embeddings, standardised."""
        with torch.no_grad():
            self._nearest = NearestNeighbour(standardised(self.actions.table()))
