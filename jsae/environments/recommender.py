"""The recommender system of section 5.3 (data and settings: appendix A.4), batched over runs and episodes."""

import itertools
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import torch
from annotated_types import Ge
from torch import Tensor

from jsae.config.doc import Doc, Finite
from jsae.config.errors import JsaeError
from jsae.experience.environment import ReferenceReturns

__all__ = ["Recommender", "Start"]

Start = Literal["uniform", "popularity"]


class Recommender:
    """A store: the agent recommends one item, the user buys one item, the reward is its price.

    | | |
    |---|---|
    | state | the last n items bought, [P, N, n] int64 item numbers, oldest first |
    | observation | n-hot: the item at position k has its own block of rows, [P, N, n] ids into n · items rows |
    | action | the item recommended, [P, N] int64 in 0..items-1 |
    | target | the item bought: with the state it fixes the next state, [P, N] int64 in 0..items-1 |
    | transition | the next item is drawn from p after p[a] becomes `boost` · p[a] + `bonus` and p is renormalised |
    | p | mean of the n-gram distributions given the last 1..n items; an unseen history counts as the shorter one |
    | reward | mean unit price of the item bought, dollars |
    | start | n items, independent: uniform over items, or by popularity |
    | termination | never; episodes are cut after `episode_length` steps, a time limit |

    boost: the paper's alpha = 3. bonus: 0 in the paper; the public re-implementation adds 0.05, which lets
    an item be sold that never followed the history. start: not stated; uniform in that code.

    model: the tensors of an n-gram model, as `jsae.purchases.ngram.save` writes them. Raises JsaeError if one of them
    is missing.
    """

    discrete_observations = True
    grid = None
    action_size = 0
    step_noise = 3
    device = torch.device("cpu")

    def __init__(
        self,
        model: Mapping[str, Tensor],
        *,
        boost: Annotated[Finite, Ge(1), Doc("α: a recommended item's probability is multiplied by it", "A.4.1")],
        bonus: Annotated[
            Finite,
            Ge(0),
            Doc("added to a recommended item's probability", "0 in the paper; 0.05 in the public re-implementation"),
        ],
        start: Annotated[Start, Doc("how the first items are drawn", "public re-implementation")],
        episode_length: Annotated[int, Ge(1), Doc("steps of an episode", "A.4.2")],
    ) -> None:
        n = next(order for order in itertools.count() if f"keys_{order + 1}" not in model)
        try:
            self._keys = [model[f"keys_{order}"] for order in range(n + 1)]
            self._starts = model["starts"]
            self._next_items = model["next_items"]
            self._probabilities = model["probabilities"]
            self._cumulative = model["cumulative"]
            self._similar_rows = model["similar_rows"]
            self._similar_weights = model["similar_weights"]
            self.prices = model["prices"].float()
        except KeyError as error:
            raise JsaeError(f"recommender: model is no n-gram model, {error} is missing: make it again") from error
        self.n = n
        self.n_items = len(self.prices)
        self.boost, self.bonus, self.start = boost, bonus, start
        self.episode_length = episode_length
        self.observation_size = n * self.n_items
        self.one_hots = n
        self.n_actions = self.n_targets = self.n_items
        self.reset_noise = n
        self._first_rows = [sum(len(keys) for keys in self._keys[:order]) for order in range(n + 1)]
        rows = torch.arange(len(self._starts) - 1).repeat_interleave(self._starts.diff())
        self._entries = rows * self.n_items + self._next_items  # ascending: (row, item) as one number
        self._positions = torch.arange(n) * self.n_items
        self._equal_weights = torch.full((n,), 1 / n, dtype=torch.float64)

    def to(self, device: torch.device | str) -> Self:
        """Move the model's tables to a device; returns self."""
        self.device = torch.device(device)
        self._keys = [keys.to(device) for keys in self._keys]
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
        return self

    def reset(self, uniforms: Tensor) -> Tensor:
        """uniforms [P, N, n] in [0, 1) -> state [P, N, n]."""
        if self.start == "popularity":
            return self._sample(torch.zeros_like(uniforms, dtype=torch.int64), uniforms)
        return (uniforms * self.n_items).long().clamp_(max=self.n_items - 1)

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """state [P, N, n], action [P, N], uniforms [P, N, 3] -> next state, reward [P, N] float32, terminated [P, N].

        The boosted distribution is p and, at item a, extra = (boost - 1) p[a] + bonus on top: total mass 1 + extra. The
        extra part sells item a; the rest is p, drawn as a component of the mixture and then by that component's
        inverse distribution function. No distribution is ever formed.
        """
        rows, weights = self.mixture(state)
        p_action = (weights * self._row_probabilities(rows, action.unsqueeze(-1))).sum(-1)
        extra = (self.boost - 1) * p_action + self.bonus
        component = (uniforms[..., 1:2] >= weights.cumsum(-1)[..., :-1]).sum(-1, keepdim=True)
        bought = self._sample(rows.gather(-1, component).squeeze(-1), uniforms[..., 2])
        bought = torch.where(uniforms[..., 0] * (1 + extra) < extra, action, bought)
        next_state = torch.cat([state[..., 1:], bought.unsqueeze(-1)], dim=-1)
        return next_state, self.prices[bought], torch.zeros_like(bought, dtype=torch.bool)

    def observe(self, state: Tensor) -> Tensor:
        """state [P, N, n] -> ids [P, N, n] into a table of n · N rows."""
        return state + self._positions

    def target(self, state: Tensor) -> Tensor:
        """state [P, N, n] -> its newest item [P, N]."""
        return state[..., -1]

    def action_effects(self) -> None:
        """None: recommendations are no motions."""

    def reference_returns(self) -> ReferenceReturns:
        """Both returns without error: see `reference_returns.recommender`."""
        from jsae.environments import reference_returns  # no training needs it

        return reference_returns.recommender(self)

    def start_probabilities(self) -> Tensor:
        """P(item) of each of the n items at the start of an episode: [items] float64."""
        if self.start == "popularity":
            return self._probabilities[: self.n_items]
        return torch.full_like(self._probabilities[: self.n_items], 1 / self.n_items)

    def probabilities(self, state: Tensor) -> Tensor:
        """P(next item | state) without a recommendation: state [P, N, n] -> [P, N, items] float64."""
        mixed, weights = self.mixture(state)
        rows, where = mixed.unique(return_inverse=True)
        lengths = self._starts[rows + 1] - self._starts[rows]
        owner = torch.arange(len(rows), device=rows.device).repeat_interleave(lengths)
        first = (self._starts[rows] - (lengths.cumsum(0) - lengths)).repeat_interleave(lengths)
        entry = first + torch.arange(len(owner), device=rows.device)
        dense = torch.zeros(len(rows), self.n_items, dtype=torch.float64, device=rows.device)
        dense[owner, self._next_items[entry].long()] = self._probabilities[entry]
        total = dense[where[..., 0]] * weights[..., :1]
        for component in range(1, where.shape[-1]):
            total.addcmul_(dense[where[..., component]], weights[..., component, None])
        return total

    def mixture(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the table whose mixture is p, and their weights: state [..., n] -> [..., C] int64, [..., C] float64.

        The model's file says which: the row of the last 1..n items, each with weight 1/n, and with similarity those of
        each place and item besides (`jsae.purchases.ngram.mixture`).
        """
        own = []
        row = torch.zeros_like(state[..., 0])
        for order in range(1, self.n + 1):
            key = state[..., self.n - order]
            for position in range(self.n - order + 1, self.n):
                key = key * self.n_items + state[..., position]
            keys = self._keys[order]
            if len(keys):
                place = torch.searchsorted(keys, key.contiguous()).clamp_(max=len(keys) - 1)
                row = torch.where(keys[place] == key, place + self._first_rows[order], row)
            own.append(row)
        if not len(self._similar_rows):
            rows = torch.stack(own, dim=-1)
            return rows, self._equal_weights.expand_as(rows)
        found, weights, index = own[:1], [torch.ones_like(own[0], dtype=torch.float64)], 0
        for order in range(2, self.n + 1):
            places = range(index, index + order)
            recent = state[..., self.n - order :].unbind(-1)
            similar = [self._similar_weights[place][item] for place, item in zip(places, recent, strict=True)]
            total = torch.stack(similar).sum(0)
            direct = torch.where(own[order - 1] >= self._first_rows[order], 0.5, 0.0)
            direct = torch.where(total == 0, 1.0, direct).double()
            share = (1 - direct) / total.clamp(min=1)
            found += [
                own[order - 1],
                *(self._similar_rows[place][item] for place, item in zip(places, recent, strict=True)),
            ]
            weights += [direct, *(weight * share for weight in similar)]
            index += order
        return torch.stack(found, dim=-1), torch.stack(weights, dim=-1) / self.n

    def _row_probabilities(self, rows: Tensor, item: Tensor) -> Tensor:
        """P(item | row): rows [..., C], item broadcastable to it -> [..., C] float64."""
        wanted = rows * self.n_items + item
        place = torch.searchsorted(self._entries, wanted).clamp_(max=len(self._entries) - 1)
        return torch.where(self._entries[place] == wanted, self._probabilities[place], 0.0)

    def _sample(self, rows: Tensor, uniforms: Tensor) -> Tensor:
        """An item from each row, by the inverse of its distribution function: rows, uniforms [...] -> items [...]."""
        entry = torch.searchsorted(self._cumulative, rows + uniforms, right=True)
        entry = torch.minimum(entry, self._starts[rows + 1] - 1)  # row + uniform may round up to the next row
        return self._next_items[entry].long()
