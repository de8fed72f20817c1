"""f: from a point of the action embedding space E to an action (section 4.3.1, Eq. 6; A.4.2)."""

import torch
from torch import Tensor


def identity(choice: Tensor) -> Tensor:
    """f without an embedding: the policy chooses an action of the environment itself."""
    return choice


class NearestNeighbour:
    """f for discrete actions: the action whose embedding is closest in E (A.4.2).

    `embeddings` is `[P, actions, d]`. The distance ‖E_a − e‖² is compared as ‖E_a‖² − 2 e·E_a, which differs from it
    by the same ‖e‖² for every action.
    """

    def __init__(self, embeddings: Tensor):
        self._squares = embeddings.square().sum(2)[:, None]
        self._minus_twice = (-2 * embeddings).transpose(1, 2).contiguous()

    def __call__(self, e: Tensor) -> Tensor:
        """Action ids `[P, B]` of points `[P, B, d]`."""
        return torch.baddbmm(self._squares, e, self._minus_twice).min(2).indices
