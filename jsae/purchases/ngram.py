"""The n-gram model of a store's purchases: what a user buys next, given the last items.

See "An MDP-Based Recommender System" (Shani, Heckerman and Brafman), sections 2 and 3: maximum-likelihood n-grams,
skipping, similarity, and the mixture of orders. Every order is a set of rows, a row is a distribution over the next
item, and all rows of all orders lie in one sparse table, so that sampling any batch of rows is one search in a sorted
array.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.io import checkpoint

ARRAYS = (
    "items",
    "prices",
    "starts",
    "next_items",
    "probabilities",
    "cumulative",
    "similar_rows",
    "similar_weights",
)
BACKING = 0.05  # weight of popularity, mixed into each component when perplexity is measured

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Place = tuple[
    npt.NDArray[np.integer], npt.NDArray[np.floating], Ints, npt.NDArray[np.integer], npt.NDArray[np.floating]
]


@dataclass(frozen=True)
class NgramModel:
    """Rows of all orders 0..n, one below the other: order 0 (popularity, one row), order 1, ..., order n.

    | field | shape | meaning |
    |---|---|---|
    | items | [N] int64 | product id of item 0..N-1, ascending |
    | prices | [N] float64 | mean unit price of an item over its purchases, dollars |
    | keys | n + 1 arrays [R_k] int64 | contexts of order k, ascending: sum of item · N^(k-1-position), oldest first |
    | starts | [R + 1] int64 | first entry of each row; R is the sum of the R_k |
    | next_items | [entries] int32 | possible next items of each row, ascending within a row |
    | probabilities | [entries] float64 | P(next item given the row's context) |
    | cumulative | [entries] float64 | row index + cumulative probability within the row: ascending over the table |
    | similar_rows | [K, N] int64 | row of contexts with the same item at a place (see `build`); K = 0: no similarity |
    | similar_weights | [K, N] float64 | (place + 1) · number of such contexts; places count from 1, the oldest item |
    """

    items: Ints
    prices: Floats
    keys: tuple[Ints, ...]
    starts: Ints
    next_items: npt.NDArray[np.int32]
    probabilities: Floats
    cumulative: Floats
    similar_rows: Ints
    similar_weights: Floats

    @property
    def n(self) -> int:
        """Number of past items that the model looks at."""
        return len(self.keys) - 1

    @property
    def popularity(self) -> Floats:
        """Share of each item in all purchases, [N]: the row of order 0."""
        return self.probabilities[: len(self.items)]

    def first_rows(self) -> list[int]:
        """Index of the first row of each order 0..n."""
        return [0, *np.cumsum([len(keys) for keys in self.keys])[:-1].tolist()]


def build(purchases: pl.DataFrame, *, n: int, window: int, similarity: bool = False) -> NgramModel:
    """Count n-grams within each user's purchases, for the contexts of 1..n items.

    Args:
        purchases: columns user, item, price (dollars), sorted by user and then in the order of buying.
        n: largest number of items in a context, 1 or more.
        window: largest number of purchases skipped between context and next item. A next item after g skipped purchases
            counts 1/2^g ("skipping" in Shani et al., who set no limit); 0: no skipping. Counts are sums of powers of
            two: exact in float64, so the model does not depend on the order of summation.
        similarity: whether contexts of two items or more also learn from contexts that share items with them. With
            sim(s, t) = sum over places m = 1..k of (m + 1) · [s and t have the same item at m], the distribution given
            s becomes 1/2 P(x | s) + 1/2 sum_t sim(s, t) P(x | t) / sum_t sim(s, t). A context that was never seen has
            the second part only. As sim is a sum over places, that part mixes one row for each place and item.

    Raises:
        JsaeError: n or window is out of range, there are no purchases, or the contexts do not fit 64 bits.
    """
    if n < 1 or window < 0:
        raise JsaeError(f"the n-gram model needs n >= 1 and window >= 0, got n = {n} and window = {window}")
    if purchases.is_empty():
        raise JsaeError("there are no purchases to count: run the filter stage with lower thresholds")
    items, sequence = np.unique(purchases["item"].to_numpy(), return_inverse=True)
    if len(items) ** (n + 1) * (window + 1) >= 2**63:
        raise JsaeError(f"{len(items)} items to the power of {n + 1} do not fit 64 bits: lower n or keep fewer items")
    users = purchases["user"].to_numpy()
    sums = np.bincount(sequence, weights=purchases["price"].to_numpy(), minlength=len(items))
    counts = np.bincount(sequence, minlength=len(items))

    tables = [(np.zeros(1, np.int64), np.array([0, len(items)]), np.arange(len(items)), counts.astype(np.float64))]
    sequence = sequence.astype(np.int64)
    tables += [_count_order(sequence, users, len(items), order, window) for order in range(1, n + 1)]
    orders = range(2, n + 1) if similarity else range(0)
    places = [_similar(*tables[order], len(items), order, place) for order in orders for place in range(1, order + 1)]
    return _assemble(items.astype(np.int64), sums / counts, tables, places)


def _count_order(
    sequence: Ints, users: npt.NDArray[np.generic], n_items: int, order: int, window: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """Contexts [R], starts [R + 1], next items [entries] and counts [entries] of the contexts of `order` items."""
    length = len(sequence)
    context = np.zeros(max(length - order + 1, 0), np.int64)  # context[t] holds items t .. t + order - 1
    for position in range(order):
        context = context * n_items + sequence[position : position + len(context)]
    seen = []
    for gap in range(min(window, length - order - 1) + 1):
        distance = order + gap  # from the first item of the context to the next item
        same_user = users[: length - distance] == users[distance:]  # a user's purchases are contiguous
        pair = context[: length - distance] * n_items + sequence[distance:]
        seen.append(pair[same_user] * (window + 1) + gap)
    found = np.concatenate([np.empty(0, np.int64), *seen])
    seen.clear()
    found.sort()
    pair_gaps, times = _runs(found)
    pairs, first = np.unique(pair_gaps // (window + 1), return_index=True)
    weights = np.add.reduceat(times * 0.5 ** (pair_gaps % (window + 1)), first) if len(first) else np.empty(0)
    keys, starts = np.unique(pairs // n_items, return_index=True)
    return keys, np.append(starts, len(pairs)), pairs % n_items, weights


def _similar(keys: Ints, starts: Ints, next_items: Ints, counts: Floats, n_items: int, order: int, place: int) -> Place:
    """Mean distribution of the contexts that have each item at `place`.

    Returns the items that occur there, (place + 1) · how many contexts have them [N], and starts, next items and masses
    of a row for each.
    """
    item = keys // n_items ** (order - place) % n_items
    row = np.repeat(np.arange(len(keys)), np.diff(starts))
    p = counts / np.add.reduceat(counts, starts[:-1])[row] if len(keys) else counts
    dense = np.bincount(item[row] * n_items + next_items, p, n_items**2).astype(np.float64).reshape(n_items, n_items)
    contexts = np.bincount(item, minlength=n_items)
    present = np.flatnonzero(contexts)
    which, following = dense[present].nonzero()
    starts = np.searchsorted(which, np.arange(len(present) + 1)).astype(np.int64)
    return present, (place + 1.0) * contexts, starts, following, dense[present][which, following]


def _runs(ascending: Ints) -> tuple[Ints, Ints]:
    """The distinct values of a sorted array and how often each occurs."""
    first = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]])[: len(ascending)])
    return ascending[first], np.diff(np.append(first, len(ascending)))


def _assemble(
    items: Ints,
    prices: Floats,
    tables: Sequence[tuple[Ints, Ints, Ints, Floats]],
    places: Sequence[Place],
) -> NgramModel:
    """One table from the (contexts, starts, next items, counts) of orders 0..n and what `_similar` says of places."""
    parts = [*(table[1:] for table in tables), *(place[2:] for place in places)]  # starts, next items, counts
    offsets = np.cumsum([0, *(len(counts) for _, _, counts in parts)])
    starts = np.concatenate([[0], *(part[0][1:] + offset for part, offset in zip(parts, offsets, strict=False))])
    counts = np.concatenate([part[2] for part in parts])
    row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    summed = np.concatenate([[0.0], np.cumsum(counts)])  # exact except for similarity: see build
    totals = np.diff(summed[starts])
    similar_rows = np.zeros((len(places), len(items)), np.int64)
    first = sum(len(table[0]) for table in tables)
    for index, (present, *_) in enumerate(places):
        similar_rows[index, present] = first + np.arange(len(present))
        first += len(present)
    return NgramModel(
        items=items,
        prices=prices,
        keys=tuple(table[0] for table in tables),
        starts=starts.astype(np.int64),
        next_items=np.concatenate([part[1] for part in parts]).astype(np.int32),
        probabilities=counts / totals[row],
        cumulative=row + (summed[1:] - summed[starts[row]]) / totals[row],
        similar_rows=similar_rows,
        similar_weights=np.array([place[1] for place in places]).reshape(len(places), len(items)),
    )


def context_rows(model: NgramModel, contexts: Ints) -> Ints:
    """Row of each order 1..n for histories of n items: [B, n] item numbers, oldest first -> [B, n] rows.

    Column k - 1 is the row of the last k items; where these were never seen it is the row of order k - 1.
    """
    rows = np.empty(contexts.shape, np.int64)
    lower = np.zeros(len(contexts), np.int64)
    first_rows = model.first_rows()
    for order in range(1, model.n + 1):
        key = np.zeros(len(contexts), np.int64)
        for position in range(model.n - order, model.n):
            key = key * len(model.items) + contexts[:, position]
        keys = model.keys[order]
        if len(keys):
            place = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            lower = np.where(keys[place] == key, first_rows[order] + place, lower)
        rows[:, order - 1] = lower
    return rows


def mixture(model: NgramModel, contexts: Ints) -> tuple[Ints, Floats]:
    """Rows [B, C] and their weights [B, C], which sum to 1, of the distribution after histories [B, n].

    Without similarity C = n and all weights are 1/n. With it each order k >= 2 has k more rows, one for each place.
    """
    own = context_rows(model, contexts)
    if not len(model.similar_rows):
        return own, np.full(own.shape, 1 / model.n)
    rows, weights = [own[:, 0]], [np.ones(len(own))]
    first_rows, index = model.first_rows(), 0
    for order in range(2, model.n + 1):
        recent = contexts[:, model.n - order :].T  # [order, B]
        places = np.arange(index, index + order)[:, None]
        similar = model.similar_weights[places, recent]
        total = similar.sum(axis=0)
        seen = own[:, order - 1] >= first_rows[order]
        direct = np.where(total == 0, 1.0, np.where(seen, 0.5, 0.0))
        rows += [own[:, order - 1], *model.similar_rows[places, recent]]
        weights += [direct, *(similar * ((1 - direct) / np.maximum(total, 1)))]
        index += order
    return np.stack(rows, axis=1), np.stack(weights, axis=1) / model.n


def row_probabilities(model: NgramModel, rows: Ints, next_items: Ints) -> Floats:
    """P(next item given row), elementwise: rows and next_items of one shape -> float64 of that shape."""
    n_items = len(model.items)
    entries = np.repeat(np.arange(len(model.starts) - 1), np.diff(model.starts)) * n_items + model.next_items
    wanted = rows * n_items + next_items
    place = np.minimum(np.searchsorted(entries, wanted), len(entries) - 1)
    return np.where(entries[place] == wanted, model.probabilities[place], 0.0)


def summary(model: NgramModel) -> dict[str, object]:
    """Size of the model: items, and for each order its contexts and entries."""
    first_rows = [*model.first_rows(), sum(map(len, model.keys))]
    entries = np.diff(model.starts[first_rows])
    return {
        "items": len(model.items),
        "orders": [
            {"order": order, "contexts": len(keys), "entries": int(entries[order])}
            for order, keys in enumerate(model.keys)
        ],
    }


def perplexity(purchases: pl.DataFrame, *, n: int, window: int, held_out_share: float) -> dict[str, object]:
    """How well each component predicts the purchases of users that were left out of the counts.

    Every 1/held_out_share-th user is held out; the others are counted. A component's perplexity is exp of the mean of
    -ln((1 - b) p + b q) over the held-out purchases with n purchases before them, where q is smoothed popularity and
    b = `BACKING`: maximum-likelihood n-grams give 0 to what never happened. `never_seen` is the share of purchases with
    p = 0. Components: each order alone and the mixture of orders 1..n, counted without and with skipping;
    and the mixture with skipping and similarity. Source: Shani et al., section 3.

    purchases, n, window: see `build`. Returns a dict for JSON. Raises JsaeError if no user is held out, or all are.
    """
    users = purchases["user"].to_numpy()
    rank = np.cumsum(np.concatenate([[0], users[1:] != users[:-1]]))
    held_out = np.floor((rank + 1) * held_out_share) > np.floor(rank * held_out_share)
    if held_out.all() or not held_out.any():
        raise JsaeError(f"data.transitions.held_out_share: {held_out_share} of {rank[-1] + 1} users leaves none apart")
    counted = purchases.filter(~held_out)
    contexts, following, strangers = _histories(purchases.filter(held_out), counted["item"], n)
    if not len(following):
        raise JsaeError(f"data.transitions.held_out_share: no held-out user has more than {n} purchases: raise it")
    components = []
    for skip, similarity in dict.fromkeys([(0, False), (window, False), (window, True)]):
        model = build(counted, n=n, window=skip, similarity=similarity)
        times = model.popularity * len(counted)
        backing = (times + 1)[following] / (times + 1).sum()
        rows, weights = mixture(model, contexts)
        by_row = row_probabilities(model, rows, np.repeat(following[:, None], rows.shape[1], axis=1))
        found = {"order 0": model.popularity[following]} if not skip and not similarity else {}
        if not similarity:
            found |= {f"order {order}": by_row[:, order - 1] for order in range(1, n + 1)}
        found["mixture"] = (by_row * weights).sum(axis=1)
        for name, p in found.items():
            loss = -np.log((1 - BACKING) * p + BACKING * backing).mean()
            components.append(
                {
                    "component": name,
                    "skip_window": skip,
                    "similarity": similarity,
                    "perplexity": float(np.exp(loss)),
                    "never_seen": float((p == 0).mean()),
                }
            )
    return {
        "held_out_users": len(np.unique(rank[held_out])),
        "held_out_purchases": len(following),
        "left_out_for_unknown_items": strangers,
        "components": components,
    }


def _histories(purchases: pl.DataFrame, known: pl.Series, n: int) -> tuple[Ints, Ints, int]:
    """Last n items [B, n] and next item [B] of each purchase with n before it; and how many had an unknown item."""
    items = np.unique(known.to_numpy())
    sequence, users = purchases["item"].to_numpy(), purchases["user"].to_numpy()
    place = np.minimum(np.searchsorted(items, sequence), len(items) - 1)
    windows = np.lib.stride_tricks.sliding_window_view
    if len(sequence) <= n:
        return np.empty((0, n), np.int64), np.empty(0, np.int64), 0
    one_user = users[n:] == users[:-n]
    familiar = windows(items[place] == sequence, n + 1).all(axis=1)
    grams = windows(place, n + 1)[one_user & familiar]
    return grams[:, :n], grams[:, n], int((one_user & ~familiar).sum())


def tensors(model: NgramModel) -> dict[str, Tensor]:
    """The fields of `NgramModel`, with keys_0, keys_1, ... for `keys`: what the recommender environment takes."""
    arrays: dict[str, npt.NDArray[np.generic]] = {name: getattr(model, name) for name in ARRAYS}
    arrays |= {f"keys_{order}": keys for order, keys in enumerate(model.keys)}
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def save(model: NgramModel, path: Path) -> None:
    """Write the model's tensors as one file (jsae.io.checkpoint), whole or not at all."""
    checkpoint.save(path, tensors(model))


def load(path: Path) -> NgramModel:
    """Read a model that `save` wrote. Raises JsaeError if the file is missing, damaged or no model."""
    arrays = {name: tensor.numpy() for name, tensor in checkpoint.load(path)[0].items()}
    try:
        keys = tuple(arrays[f"keys_{order}"] for order in range(len(arrays) - len(ARRAYS)))
        return NgramModel(keys=keys, **{name: arrays[name] for name in ARRAYS})
    except KeyError as error:
        raise JsaeError(f"{path} is not an n-gram model ({error}): run the transitions stage again") from error
