"""The n-gram model against counts done by hand, and against properties of any model."""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jsae.config.errors import JsaeError
from jsae.io import checkpoint
from jsae.purchases import ngram

SEQUENCES = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=8), min_size=1, max_size=4)


def bought(sequences: list[list[int]], price: float = 1.0) -> pl.DataFrame:
    """Purchases of users 1, 2, ... in order."""
    pairs = [(user, item) for user, sequence in enumerate(sequences, 1) for item in sequence]
    users, items = zip(*pairs, strict=True)
    return pl.DataFrame({"user": users, "item": items, "price": [price] * len(pairs)})


def row(model: ngram.NgramModel, history: list[int], order: int) -> list[float]:
    """P(next item | last `order` of history) as a dense list."""
    which = ngram.context_rows(model, np.array([history]))[0, order - 1]
    n_items = len(model.items)
    return ngram.row_probabilities(model, np.full(n_items, which), np.arange(n_items)).tolist()


def test_bigrams_counted_by_hand() -> None:
    """Users 10 20 10 30 and 10 20: after 10 come 20, 30, 20; after 20 comes 10; after 30 nothing."""
    model = ngram.build(bought([[10, 20, 10, 30], [10, 20]]), n=1, window=0)
    assert model.items.tolist() == [10, 20, 30]
    assert row(model, [0], 1) == pytest.approx([0, 2 / 3, 1 / 3])
    assert row(model, [1], 1) == [1, 0, 0]
    assert row(model, [2], 1) == pytest.approx([3 / 6, 2 / 6, 1 / 6])  # never followed: popularity


def test_skip_counts_by_hand() -> None:
    """After A in A B C A: B at once (1), C after one skip (1/2), A after two (1/4)."""
    model = ngram.build(bought([[1, 2, 3, 1]]), n=1, window=2)
    assert row(model, [0], 1) == pytest.approx([(1 / 4) / (7 / 4), 1 / (7 / 4), (1 / 2) / (7 / 4)])
    assert row(model, [1], 1) == pytest.approx([(1 / 2) / (3 / 2), 0, 1 / (3 / 2)])
    cut = ngram.build(bought([[1, 2, 3, 1]]), n=1, window=1)
    assert row(cut, [0], 1) == pytest.approx([0, 1 / (3 / 2), (1 / 2) / (3 / 2)])


def test_trigrams_skip_after_the_context_only() -> None:
    """A B C D: after (A, B) come C (1) and D (1/2); the context (A, C) does not exist."""
    model = ngram.build(bought([[1, 2, 3, 4]]), n=2, window=5)
    assert row(model, [0, 1], 2) == pytest.approx([0, 0, 2 / 3, 1 / 3])
    assert row(model, [1, 2], 2) == [0, 0, 0, 1]
    assert row(model, [0, 2], 2) == row(model, [0, 2], 1) == [0, 0, 0, 1]


def test_unseen_history_falls_back_to_shorter_ones() -> None:
    model = ngram.build(bought([[1, 2, 3], [3, 1]]), n=2, window=0)
    assert row(model, [2, 1], 2) == row(model, [2, 1], 1) == [0, 0, 1]  # (3, 2) unseen: after 2 comes 3
    assert row(model, [0, 0], 2) == row(model, [0, 0], 1) == [0, 1, 0]  # (1, 1) unseen: after 1 comes 2
    assert row(model, [1, 2], 2) == row(model, [1, 2], 1) == [1, 0, 0]


def test_users_do_not_flow_into_each_other() -> None:
    """The last item of a user says nothing about the next user's first: 2 is followed by nothing."""
    model = ngram.build(bought([[1, 2], [1, 2], [1, 2]]), n=2, window=5)
    assert [len(keys) for keys in model.keys] == [1, 1, 0]
    assert row(model, [0, 1], 1) == row(model, [0, 1], 2) == [0.5, 0.5]


def test_price_is_the_mean_over_purchases() -> None:
    table = pl.DataFrame({"user": [1, 1, 2], "item": [7, 8, 7], "price": [1.0, 5.0, 2.0]})
    assert ngram.build(table, n=1, window=0).prices.tolist() == [1.5, 5.0]


def reference(sequences: list[list[int]], order: int, window: int) -> dict[tuple[int, ...], dict[int, Fraction]]:
    """Counts of Shani et al. as their text has them, with loops and fractions."""
    counts: dict[tuple[int, ...], dict[int, Fraction]] = {}
    for sequence in sequences:
        for i in range(len(sequence) - order):
            for j in range(i + order, min(len(sequence), i + order + window + 1)):
                successors = counts.setdefault(tuple(sequence[i : i + order]), {})
                successors[sequence[j]] = successors.get(sequence[j], Fraction(0)) + Fraction(1, 2 ** (j - i - order))
    return counts


@settings(max_examples=60, deadline=None)
@given(SEQUENCES, st.integers(1, 3), st.integers(0, 4))
def test_model_equals_the_definition(sequences: list[list[int]], n: int, window: int) -> None:
    model = ngram.build(bought(sequences), n=n, window=window)
    items = model.items.tolist()
    for order in range(1, n + 1):
        counts = reference(sequences, order, window)
        assert len(model.keys[order]) == len(counts)
        for context, successors in counts.items():
            history = [0] * (n - order) + [items.index(item) for item in context]
            total = sum(successors.values())
            expected = [float(successors.get(item, Fraction(0)) / total) for item in items]
            assert row(model, history, order) == pytest.approx(expected, abs=1e-15)


def similar(
    counts: dict[tuple[int, ...], dict[int, Fraction]], context: tuple[int, ...], items: list[int]
) -> list[float] | None:
    """Half of tr_old and half of the normalised simcount of Shani et al., or None if no context shares an item."""
    old = {c: {x: w / sum(after.values()) for x, w in after.items()} for c, after in counts.items()}
    sim = {c: sum(m + 1 for m, (a, b) in enumerate(zip(context, c, strict=True), 1) if a == b) for c in old}
    total = sum(sim.values())
    if not total:
        return None
    simcount = [sum(sim[c] * old[c].get(x, Fraction(0)) for c in old) / total for x in items]
    own = old.get(context)
    if own is None:
        return [float(value) for value in simcount]
    return [float((own.get(x, Fraction(0)) + value) / 2) for x, value in zip(items, simcount, strict=True)]


@settings(max_examples=15, deadline=None)
@given(SEQUENCES, st.integers(2, 3), st.integers(0, 3))
def test_similarity_equals_the_definition(sequences: list[list[int]], n: int, window: int) -> None:
    """The mixture of all orders at every history, item by item."""
    model = ngram.build(bought(sequences), n=n, window=window, similarity=True)
    items = model.items.tolist()
    for history in itertools.product(range(len(items)), repeat=n):
        rows, weights = ngram.mixture(model, np.array([history]))
        assert weights.sum() == pytest.approx(1)
        expected = np.array(row(model, list(history), 1))
        for order in range(2, n + 1):
            context = tuple(items[item] for item in history[n - order :])
            learned = similar(reference(sequences, order, window), context, items)
            expected = expected + np.array(row(model, list(history), order) if learned is None else learned)
        everything = np.arange(len(items))[:, None]
        p = ngram.row_probabilities(model, np.broadcast_to(rows, (len(items), rows.shape[1])), everything)
        assert (p * weights).sum(axis=1).tolist() == pytest.approx((expected / n).tolist(), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(SEQUENCES, st.integers(1, 3), st.integers(0, 4))
def test_rows_are_distributions_and_the_table_ascends(sequences: list[list[int]], n: int, window: int) -> None:
    model = ngram.build(bought(sequences), n=n, window=window)
    sums = np.add.reduceat(model.probabilities, model.starts[:-1])
    np.testing.assert_allclose(sums, 1, atol=1e-12)
    assert (np.diff(model.cumulative) > 0).all()
    np.testing.assert_array_equal(model.cumulative[model.starts[1:] - 1], np.arange(1, len(model.starts)))


def test_perplexity_by_hand() -> None:
    """Users 1 and 2 buy 1 2 1 2 1, the third, held out, 1 2 1 2: order 1 is sure and right, popularity says 6 : 4."""
    found = ngram.perplexity(bought([[1, 2, 1, 2, 1]] * 2 + [[1, 2, 1, 2]]), n=1, window=0, held_out_share=1 / 3)
    by_name = {row["component"]: row for row in found["components"]}  # type: ignore[index,union-attr]
    counts = {1: 6, 2: 4}
    q = {item: (count + 1) / 12 for item, count in counts.items()}
    order_0 = [-np.log(0.95 * counts[item] / 10 + 0.05 * q[item]) for item in (2, 1, 2)]
    order_1 = [-np.log(0.95 + 0.05 * q[item]) for item in (2, 1, 2)]
    assert by_name["order 0"]["perplexity"] == pytest.approx(np.exp(np.mean(order_0)))
    assert by_name["order 1"]["perplexity"] == pytest.approx(np.exp(np.mean(order_1)))
    assert by_name["mixture"]["perplexity"] == by_name["order 1"]["perplexity"]
    assert (found["held_out_users"], found["held_out_purchases"]) == (1, 3)


def test_perplexity_counts_what_was_never_seen() -> None:
    """The held-out user buys 2 after 2, which never happened, and item 9, which nobody else bought."""
    found = ngram.perplexity(bought([[1, 2, 1], [1, 2, 1], [1, 2, 2, 9, 1]]), n=1, window=0, held_out_share=1 / 3)
    by_name = {row["component"]: row for row in found["components"]}  # type: ignore[index,union-attr]
    assert by_name["order 1"]["never_seen"] == 0.5
    assert by_name["order 0"]["never_seen"] == 0
    assert found["left_out_for_unknown_items"] == 2


def test_perplexity_needs_users_on_both_sides() -> None:
    with pytest.raises(JsaeError, match="held_out_share"):
        ngram.perplexity(bought([[1, 2, 3]]), n=1, window=0, held_out_share=0.5)
    with pytest.raises(JsaeError, match="no held-out user has more than 3"):
        ngram.perplexity(bought([[1, 2], [1, 2]]), n=3, window=0, held_out_share=0.5)


def test_stored_model_is_the_same_and_the_file_is_reproducible(tmp_path: Path) -> None:
    model = ngram.build(bought([[1, 2, 3, 1, 2], [2, 3]]), n=3, window=2)
    ngram.save(model, tmp_path / "a.safetensors")
    ngram.save(model, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    stored = ngram.load(tmp_path / "a.safetensors")
    assert stored.n == 3
    for order in range(4):
        np.testing.assert_array_equal(stored.keys[order], model.keys[order])
    np.testing.assert_array_equal(stored.cumulative, model.cumulative)
    np.testing.assert_array_equal(stored.next_items, model.next_items)


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(JsaeError, match="n >= 1"):
        ngram.build(bought([[1]]), n=0, window=0)
    with pytest.raises(JsaeError, match="no purchases"):
        ngram.build(bought([[1]]).clear(), n=1, window=0)
    with pytest.raises(JsaeError, match="64 bits: lower n"):
        ngram.build(bought([list(range(2000))]), n=5, window=0)
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(JsaeError, match=r"cut.safetensors is damaged .* run dvc repro again"):
        ngram.load(tmp_path / "cut.safetensors")
    checkpoint.save(tmp_path / "other.safetensors", {"weights": torch.zeros(3)})
    with pytest.raises(JsaeError, match=r"not an n-gram model .* run the transitions stage again"):
        ngram.load(tmp_path / "other.safetensors")
