"""Control for the recommender system: points of E ordered by what the agent is paid for, which Eq. (5) never sees.

The paper's embeddings say where an action leads, not what it earns. Where the best policy is to recommend what earns
most, an agent that does well here and badly with learnt embeddings is an agent that works, in a space without the order
that it needs.
"""

import torch

from jsae.embeddings import jsae_frozen
from jsae.errors import JsaeError
from jsae.randomness import Streams
from jsae.rollout import Environment


class Embedding(jsae_frozen.Embedding):
    """JSAE, frozen, but for g: an item's first coordinate is its rank by price, evenly over (−1, 1), all others are 0.

    g stays so, while φ and T are learnt around it by Eq. (5). Of items at one price the first is the lowest.
    """

    def __init__(self, streams: Streams, environment: Environment, state_size: int, action_size: int):
        super().__init__(streams, environment, state_size, action_size)
        prices: torch.Tensor | None = getattr(environment, "prices", None)
        if prices is None:
            raise JsaeError(
                "params.yaml: study: the embedding price_ordered is for recommenders; take it out elsewhere"
            )
        rank = prices.argsort(stable=True).argsort()
        with torch.no_grad():
            self.g.weight.zero_()[:, :, 0] = ((2 * rank + 1) / len(rank) - 1).atanh()
        self.g.weight.requires_grad_(False)
        self.refresh()
