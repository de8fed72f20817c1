"""Control for the recommender system: JSAE's embedding vectors, dealt to the items in order of price.

The paper's embeddings say where an action leads, not what it earns. Here the vectors, their distances and the space are
those that JSAE has learnt; only which item has which vector differs. The agent is the same. What it reaches here beyond
what it reaches with JSAE is what an order by price is worth to it.
"""

import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.embeddings import jsae
from jsae.embeddings.action_map import NearestNeighbour
from jsae.experience.environment import Environment
from jsae.nn.randomness import Streams

__all__ = ["Embedding"]


class Embedding(jsae.Embedding):
    """φ, g and T as JSAE's, frozen; f gives the k-th cheapest item near the k-th vector of g along their first axis.

    The first axis is the direction in which the embeddings of all items vary most; which of its ends counts as the
    first does not matter. Of items at one price the first counts as the cheaper.
    """

    label = "control: JSAE's vectors in order of price"
    color = "#6A7FB5"
    order = 6
    role = "control"
    compared_with = "jsae"
    searched_as = "jsae"
    frozen = True

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int):
        prices: Tensor | None = getattr(environment, "prices", None)
        if prices is None:
            raise JsaeError(
                "params.yaml, cells: the embedding jsae_by_price is for recommenders; take it out elsewhere"
            )
        self._by_price = prices.argsort(stable=True)
        super().__init__(streams, environment, state_size, action_size)

    def action_table(self) -> Tensor:
        """The vector of each item, `[P, items, d]`."""
        vectors = self.g.table()
        centred = vectors - vectors.mean(1, keepdim=True)
        _, axes = torch.linalg.eigh(centred.transpose(1, 2) @ centred)  # ascending: the last varies most
        along = (centred @ axes[:, :, -1:])[:, :, 0].argsort(stable=True, dim=1)
        dealt = torch.empty_like(vectors)
        dealt[:, self._by_price] = vectors.gather(1, along[:, :, None].expand_as(vectors))
        return dealt

    def refresh(self) -> None:
        """Look items up among the vectors that they have been dealt."""
        with torch.no_grad():
            self.f = NearestNeighbour(self.action_table())
