"""Small shops for the tests of the recommender."""

from typing import Any

import polars as pl
import torch
from torch import Tensor

from jsae.environments.recommender import Recommender, Start
from jsae.purchases import ngram

SHOP = [[1, 2, 3, 1, 2, 2, 3], [2, 3, 3, 1], [1, 2, 1], [4, 1, 2, 3, 4]]
PRICES = {1: 10.0, 2: 20.0, 3: 5.0, 4: 40.0}


def counted(sequences: list[list[int]], *, n: int = 2, window: int = 0, similarity: bool = False) -> ngram.NgramModel:
    """The n-gram model of users who buy these items."""
    pairs = [(user, item) for user, sequence in enumerate(sequences) for item in sequence]
    users, items = zip(*pairs, strict=True)
    table = pl.DataFrame({"user": users, "item": items, "price": [PRICES[item] for item in items]})
    return ngram.build(table, n=n, window=window, similarity=similarity)


def make(
    sequences: list[list[int]],
    *,
    boost: float = 3.0,
    bonus: float = 0.0,
    start: Start = "uniform",
    **counting: Any,
) -> Recommender:
    """A shop with the model of `counted`."""
    model = ngram.tensors(counted(sequences, **counting))
    return Recommender(model, boost=boost, bonus=bonus, start=start, episode_length=20)


def uniforms(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def all_states(shop: Recommender) -> Tensor:
    """[1, N^n, n]."""
    return torch.cartesian_prod(*[torch.arange(shop.n_items)] * shop.n).view(1, -1, shop.n)


def boosted(shop: Recommender, state: Tensor, action: int) -> Tensor:
    """The distribution of the specification, written out: [P, N, items]."""
    p = shop.probabilities(state).clone()
    p[..., action] = shop.boost * p[..., action] + shop.bonus
    return p / p.sum(-1, keepdim=True)
