"""What is known about successive purchases in the REES46 store, computed from a table of purchases."""

import numpy as np
import polars as pl

PHONES = 10  # product_id // 100,000 of smartphones (data/calibration/product_id_prefix_to_category.csv)
HEADPHONES = 4804056  # the most bought product that is no phone
FIRST_RANK = 16  # of the slope of popularity


def transition_facts(purchases: pl.DataFrame, *, popular: int = 100) -> dict[str, float | None]:
    """Figures on successive purchases of a user; None where there is nothing to count.

    Args:
        purchases: columns user, item (product id), price (dollars), time, row (order of the source), brand (null or
            empty: none) and session, as `event_log.read_purchases` gives them; in any order.
        popular: purchases from which an item counts as popular.

    Returns:
        In this order. A pair is two purchases of one user, one after the other. Logarithms are natural.

        | name | meaning |
        |---|---|
        | purchases a user | mean number of purchases of a user |
        | same item | share of pairs with the same item twice |
        | same phone within a session | the same, of pairs within a session that begin with a phone |
        | same headphones within a session | the same, of pairs that begin with product 4804056 |
        | one price, K purchases | share of users with K purchases (2, 3, 4, 5, 7) who paid one price for all |
        | price correlation | Pearson correlation of the two log prices of a pair |
        | price correlation, different items | the same, of pairs with two items |
        | phone after phone | share of phones among the five items that most often follow a popular phone, not itself |
        | same brand after phone | share of phones' own brand among them |
        | popular phones | number of phones with `popular` purchases or more |
        | share of popular phones | their share of all purchases |
        | slope of phones | minus the least-squares slope of log purchases on log rank, popular phones from rank 16 on |
        | among 10 likeliest | share of pairs whose second item is among the 10 that most often follow the first |
        | among 100 likeliest | the same for 100 |

    Source of the published values: data/calibration/transitions.csv.
    """
    bought = purchases.sort("user", "time", "row").with_columns(
        pl.col("price").log(),
        phone=pl.col("item") // 100_000 == PHONES,
        brand=pl.col("brand").fill_null(""),
    )
    following = [pl.col(name).shift(-1).alias(f"next_{name}") for name in bought.columns]
    pairs = bought.with_columns(following).filter(pl.col("user") == pl.col("next_user"))
    same = pl.col("item") == pl.col("next_item")
    in_session = pairs.filter(pl.col("session") == pl.col("next_session"))
    users = bought.group_by("user").agg(times=pl.len(), one_price=pl.col("price").n_unique() == 1)
    phones = bought.filter("phone").group_by("item").agg(times=pl.len(), brand=pl.col("brand").mode().min())
    phones = phones.filter(pl.col("times") >= popular).sort("times", descending=True)
    likeliest = pairs.group_by("item", "next_item", "next_phone").agg(times=pl.len(), brand=pl.col("next_brand").min())
    likeliest = likeliest.sort(["item", "times", "next_item"], descending=[False, True, False])
    ranked = likeliest.with_columns(place=pl.int_range(pl.len()).over("item"))
    others = likeliest.filter(~same).join(phones, on="item", suffix="_before")
    others = others.group_by("item", maintain_order=True).head(5)
    return {
        "purchases a user": _mean(users["times"]),
        "same item": _mean(pairs.select(same)["item"]),
        "same phone within a session": _mean(in_session.filter("phone").select(same)["item"]),
        "same headphones within a session": _mean(in_session.filter(pl.col("item") == HEADPHONES).select(same)["item"]),
        **{
            f"one price, {k} purchases": _mean(users.filter(pl.col("times") == k)["one_price"]) for k in (2, 3, 4, 5, 7)
        },
        "price correlation": _correlation(pairs),
        "price correlation, different items": _correlation(pairs.filter(~same)),
        "phone after phone": _mean(others["next_phone"]),
        "same brand after phone": _mean(others.select(same=pl.col("brand") == pl.col("brand_before"))["same"]),
        "popular phones": float(len(phones)),
        "share of popular phones": float(phones["times"].sum()) / len(bought) if len(bought) else None,
        "slope of phones": _slope(phones["times"]),
        **{
            f"among {k} likeliest": float(ranked.filter(pl.col("place") < k)["times"].sum()) / len(pairs)
            if len(pairs)
            else None
            for k in (10, 100)
        },
    }


def _mean(values: pl.Series) -> float | None:
    return float(values.cast(pl.Float64).to_numpy().mean()) if len(values) else None


def _correlation(pairs: pl.DataFrame) -> float | None:
    """Pearson correlation of `price` and `next_price`; None if one of them does not vary."""
    x, y = pairs["price"].to_numpy(), pairs["next_price"].to_numpy()
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return None
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).mean() / np.sqrt((x * x).mean() * (y * y).mean()))


def _slope(counts: pl.Series) -> float | None:
    """Minus the slope of log counts (descending) on log rank from `FIRST_RANK` on."""
    ranks = np.arange(FIRST_RANK, len(counts) + 1)
    if len(ranks) < 2:
        return None
    return -float(np.polyfit(np.log(ranks), np.log(counts[FIRST_RANK - 1 :].to_numpy()), 1)[0])
