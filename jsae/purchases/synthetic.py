"""Synthetic event logs in the schema and order of the REES46 store, calibrated to its published marginals.

For machines that cannot have the real log, and to measure the filter at full size. What is published is approached, and
`compare` says how nearly: purchases per user, popularity of products, prices, brands, categories, hours and days,
sessions, carts, and repeats within a session.

**Not published, and therefore assumed: which product follows which.** The assumptions are the constants below: a user's
next purchase is of the same product, else of the same cluster (id prefix and price within a factor of two), else of any
product by popularity. Nothing learned from a synthetic log says anything about real customers' item-to-item behaviour.

The purchases (1.75 % of the rows) are drawn first and kept in memory; views and carts are made hour by hour and
streamed. A log is a function of (rows, seed) alone. It can be written with its purchases only, the same rows: all that
the recommender needs, in seconds where a whole log of the real size takes minutes.
"""

import csv
import importlib
import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from tqdm import tqdm

from jsae.config.errors import JsaeError
from jsae.io.files import write_atomically
from jsae.purchases.event_log import EVENT_COLUMNS

_gzip = importlib.import_module("isal.igzip" if importlib.util.find_spec("isal") else "gzip")

# Assumptions on what is not published
REPEAT_ACROSS_SESSIONS = 0.05  # next purchase, in a later session, is of the same product
STAY_IN_CLUSTER = 0.5  # otherwise it is of the same cluster
PRICE_TASTE = 0.12  # rank correlation of a user's number of purchases with the price level of the clusters
SAME_VIEW, CLUSTER_VIEW = 0.35, 0.35  # next view of a session is of the same product, of the same cluster
PRICE_SPREAD = 0.85  # of log prices within a category, as a share of the catalogue's: fits the quantiles of prices paid
VIEW_EXPONENT = (
    0.6  # views grow with purchases to this power: brands' shares of views are flatter than those of purchases
)

# Published or derived shares that are no single figure of the tables
IN_SESSION = 113_289 / 395_731  # of a user's consecutive purchases
SAME_IN_SESSION = 0.42  # with those equal by chance this gives the published 52,477 of 113,289
SAME_DAY = 1 - (532_994 - 347_118) / (629_560 - 347_118)  # of a user's consecutive purchase sessions
SLOPE, SLOPE_RANK = 0.97, 16  # log-log slope of popularity from this rank on
DEALT = 5_000  # products that get prefix and brand one by one; the others sell so little that fixed shares do
FIRST_DAY = np.datetime64("2019-10-01")
FIRST_USER, USER_STEP = 512_000_000, 14
TYPES = ("view", "cart", "purchase")
PURCHASE = TYPES.index("purchase")

EVENT: dict[str, type[pl.DataType] | pl.DataType] = {
    "time": pl.Int64,  # seconds since the first day
    "kind": pl.Int64,
    "item": pl.Int64,
    "user": pl.Int64,
    "session": pl.String,
}

Events = Literal["purchases", "all"]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """The published tables of data/calibration."""

    totals: dict[str, float]
    purchases_per_user: Ints  # [K, 2]: purchases, users
    top_products: list[dict[str, str]]
    prefixes: list[dict[str, str]]
    categories: list[dict[str, str]]
    brands: list[dict[str, str]]
    hours: Ints  # [24, 2]: views, purchases
    days: Ints  # [31, 3]: sessions with a purchase, with a view, with a cart


def read_calibration(folder: Path) -> Calibration:
    """Read the tables of `folder`. Raises JsaeError if one is missing or has other columns."""

    def rows(name: str) -> list[dict[str, str]]:
        with (folder / name).open(newline="") as stream:
            return list(csv.DictReader(stream))

    try:
        return Calibration(
            totals={row["name"]: float(row["value"]) for row in rows("totals.csv")},
            purchases_per_user=np.array(
                [[int(row["purchases"]), int(row["users"])] for row in rows("purchases_per_user_hist.csv")]
            ),
            top_products=rows("top_products_oct.csv"),
            prefixes=rows("product_id_prefix_to_category.csv"),
            categories=rows("category_purchases.csv"),
            brands=rows("brand_purchases.csv"),
            hours=np.array([[int(row["views"]), int(row["purchases"])] for row in rows("hourly_utc.csv")]),
            days=np.array(
                [
                    [int(row[name]) for name in ("purchase_session", "view_session", "cart_session")]
                    for row in rows("daily_sessions_users_utc.csv")
                ]
            ),
        )
    except (OSError, KeyError, ValueError) as error:
        raise JsaeError(f"{folder}: the calibration tables are not readable ({error!r}): restore the folder") from error


@dataclass(frozen=True)
class Catalogue:
    """Every product: most bought first, then those that are only looked at.

    All arrays have [products]; `purchases` are those expected in a log of full size. `cluster` numbers ascend with the
    mean price of the cluster.
    """

    product_id: Ints
    price: Floats
    purchases: Floats
    views: Floats
    cluster: Ints
    category_id: list[str]
    category_code: list[str]
    brand: list[str]


def popularity(calibration: Calibration) -> Floats:
    """Purchases of each bought product in October, by rank, [bought products].

    Published counts are exact; ranks between two of them lie on a line in log-log scale, from rank 16 on to the last
    popular product (100 purchases); a steeper tail leads to as many purchases and products as the log has.
    """
    totals = calibration.totals
    known = {int(row["rank"]): float(row["purchases_oct"]) for row in calibration.top_products if row["purchases_oct"]}
    last = int(totals["popular_products"])
    known[last] = 100.0
    ranks = np.arange(1, int(totals["bought_products"]) + 1)
    counts = np.exp(np.interp(np.log(ranks), np.log(sorted(known)), np.log([known[rank] for rank in sorted(known)])))
    rest = totals["purchases"] - counts[:last].sum()
    low, high = 0.0, 5.0  # slope of the tail, by bisection
    for _ in range(60):
        slope = (low + high) / 2
        tail = np.clip(100 * (ranks[last:] / last) ** -slope, 1, 99)
        low, high = (slope, high) if tail.sum() > rest else (low, slope)
    counts[last:] = tail
    return counts


def make_catalogue(calibration: Calibration, generator: np.random.Generator) -> Catalogue:
    """Products whose ids, categories, brands and prices, weighted by purchases, have the published marginals."""
    totals = calibration.totals
    bought, products = int(totals["bought_products"]), int(totals["products"])
    purchases = np.concatenate([popularity(calibration), np.zeros(products - bought)])
    prefix = _prefixes(calibration, purchases, generator)
    ids = _product_ids(calibration, prefix, generator)
    code = [calibration.prefixes[index]["category_code"] for index in prefix.tolist()]
    price = _prices(calibration, prefix, purchases, generator)
    brand = _brands(calibration, code, price, purchases, generator)
    views = (purchases + 0.5) ** VIEW_EXPONENT
    unsold = generator.permutation(np.arange(bought, products))
    share = np.cumsum(views[unsold]) / views.sum()
    price[unsold[share < totals["rows_of_price_0"] / totals["rows"]]] = 0.0
    band = np.log2(np.maximum(price, 1)).astype(np.int64)
    _, cluster = np.unique(prefix * 16 + band, return_inverse=True)
    mean = np.bincount(cluster, price) / np.bincount(cluster)
    return Catalogue(
        product_id=ids,
        price=price,
        purchases=purchases,
        views=views,
        cluster=np.argsort(np.argsort(mean, kind="stable"), kind="stable")[cluster],
        category_id=[calibration.prefixes[index]["category_id"] for index in prefix.tolist()],
        category_code=code,
        brand=brand,
    )


def _prefixes(calibration: Calibration, purchases: Floats, generator: np.random.Generator) -> Ints:
    """Row of the prefix table of each product, so that categories get their published purchases: [products].

    Products are dealt from the most bought on, each to a prefix with probability proportional to what it still lacks.
    """
    table = calibration.prefixes
    size = np.array([float(row["items"]) for row in table])
    code = [row["category_code"] for row in table]
    target = np.zeros(len(table))
    for row in calibration.categories:
        members = np.array([name == row["category_code"] for name in code])
        target[members] = float(row["purchases"]) * size[members] / size[members].sum()
    other = target == 0
    target[other] = (calibration.totals["purchases"] - target.sum()) * size[other] / size[other].sum()
    row_of = {row["prefix"]: index for index, row in enumerate(table)}
    chosen = np.empty(len(purchases), np.int64)
    for rank, row in enumerate(calibration.top_products):
        chosen[rank] = row_of[str(int(row["product_id"]) // 100_000)]
        target[chosen[rank]] -= purchases[rank]
    draws = generator.random(DEALT)
    for rank in range(len(calibration.top_products), DEALT):
        lacking = np.cumsum(np.maximum(target - purchases[rank], 0))
        chosen[rank] = np.searchsorted(lacking, draws[rank] * lacking[-1], side="right")
        target[chosen[rank]] -= purchases[rank]
    share = np.maximum(target, 0) + size  # size: prefixes that are only looked at exist too
    chosen[DEALT:] = generator.choice(len(table), len(purchases) - DEALT, p=share / share.sum())
    return chosen


def _product_ids(calibration: Calibration, prefix: Ints, generator: np.random.Generator) -> Ints:
    """Distinct ids, prefix · 100,000 + number; the published ones for the most bought products: [products]."""
    top = np.array([int(row["product_id"]) for row in calibration.top_products])
    ids = np.empty(len(prefix), np.int64)
    ids[: len(top)] = top
    for index, row in enumerate(calibration.prefixes):
        base = int(row["prefix"]) * 100_000
        members = np.flatnonzero(prefix[len(top) :] == index) + len(top)
        free = np.ones(100_000, bool)
        free[0] = False
        free[top[top // 100_000 == int(row["prefix"])] - base] = False
        ids[members] = base + generator.choice(np.flatnonzero(free), len(members), replace=False)
    return ids


def _prices(calibration: Calibration, prefix: Ints, purchases: Floats, generator: np.random.Generator) -> Floats:
    """Lognormal around the category's published quartiles (or the prefix's median), dollars and cents: [products].

    The most bought products have their published prices; the others are scaled so that the mean price of a purchase is
    right.
    """
    quartiles = {row["category_code"]: row for row in calibration.categories if row["price_p50"]}
    middle, spread = np.empty(len(calibration.prefixes)), np.full(len(calibration.prefixes), 0.7)
    for index, row in enumerate(calibration.prefixes):
        known = quartiles.get(row["category_code"])
        middle[index] = np.log(max(float(known["price_p50"] if known else row["median_price"]), 1.0))
        if known:  # quartiles of a normal distribution are 1.349 standard deviations apart
            spread[index] = np.log(float(known["price_p75"]) / float(known["price_p25"])) / 1.349
    price = np.exp(middle[prefix] + PRICE_SPREAD * spread[prefix] * generator.standard_normal(len(prefix)))
    top = [float(row["median_price_oct_nov"] or row["price_end_nov"]) for row in calibration.top_products]
    highest = calibration.totals["highest_price"]
    wanted = calibration.totals["purchase_price_mean"] * purchases.sum() - np.dot(top, purchases[: len(top)])
    low, high = 0.1, 10.0
    for _ in range(60):
        factor = (low * high) ** 0.5
        rest = np.clip(price[len(top) :] * factor, 0.77, highest)
        low, high = (low, factor) if rest @ purchases[len(top) :] > wanted else (factor, high)
    return np.concatenate([top, rest]).round(2)


def _brands(
    calibration: Calibration, code: list[str], price: Floats, purchases: Floats, generator: np.random.Generator
) -> list[str]:
    """Brand of each product, "" if it has none.

    As for prefixes, a brand is dealt in proportion to the purchases that it still lacks in the product's category, and
    to how well the product's price fits the brand's mean price (log-normal, a factor of two wide).
    """
    lacking: dict[str, Floats] = {}
    names: dict[str, list[str]] = {}
    means: dict[str, Floats] = {}
    by_code: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in calibration.brands:
        by_code[row["category_code"]].append(row)
    sold: dict[str, float] = defaultdict(float)
    for name, count in zip(code, purchases.tolist(), strict=True):
        sold[name if name in by_code else ""] += count
    for name, rows in by_code.items():
        known = [float(row["purchases"]) for row in rows]
        lacking[name] = np.array([*known, max(sold[name] - sum(known), 0.0)])  # the last: any other brand
        names[name] = [row["brand"] for row in rows]
        means[name] = np.log([float(row["mean_price"]) for row in rows])
    nameless = calibration.totals["rows_without_brand"] / calibration.totals["rows"] * 2.9  # of the unlisted brands
    draws = generator.random((len(code), 2))
    group = np.array([name if name in by_code else "" for name in code])
    log_price = np.log(np.maximum(price, 1.0))
    other = [f"brand{int(draw * 3_400):04d}" if draw >= nameless else "" for draw in draws[:, 1].tolist()]

    def deal(name: str, products: Ints) -> Ints:
        """Place of each product's brand in names[name], or their number for any other brand."""
        distance = (log_price[products, None] - means[name]) / np.log(2)
        fit = np.column_stack([np.exp(-(distance**2) / 2), np.full(len(products), 0.5)])
        weights = np.cumsum(np.maximum(lacking[name], 0) * fit, axis=1)
        chosen = (weights <= draws[products, :1] * weights[:, -1:]).sum(axis=1)
        return np.minimum(chosen, len(names[name]))

    brands = [row["brand"] for row in calibration.top_products]
    for index in range(DEALT):
        name = str(group[index])
        if index < len(brands) and brands[index]:
            place = names[name].index(brands[index]) if brands[index] in names[name] else len(names[name])
        else:
            place = int(deal(name, np.array([index]))[0])
            brand = [*names[name], other[index]][place]
            brands[index : index + 1] = [brand]
        lacking[name][place] -= purchases[index]
    brands += other[DEALT:]
    for name in by_code:
        rest = np.flatnonzero(group[DEALT:] == name) + DEALT
        for index, place in zip(rest.tolist(), deal(name, rest).tolist(), strict=True):
            if place < len(names[name]):
                brands[index] = names[name][place]
    return brands


@dataclass(frozen=True)
class Orders:
    """All purchases: one row each, sorted by the start of the session, then in the order of buying.

    start [sessions] seconds since the first day; session [purchases] ascending; user [sessions]; item [purchases].
    """

    start: Ints
    user: Ints
    session: Ints
    item: Ints


def make_orders(
    calibration: Calibration, catalogue: Catalogue, scale: float, users: int, generator: np.random.Generator
) -> Orders:
    """Who buys what, when. scale: share of a full log; users: number of users of the log, buyers or not."""
    published = calibration.purchases_per_user
    buyers_of = _rounded(published[:, 1].astype(np.float64) * scale, generator)
    bought = generator.permutation(np.repeat(published[:, 0], buyers_of))  # [buyers] purchases of each
    if not len(bought) or len(bought) > users:
        raise JsaeError("a synthetic log of so few rows has no purchases: raise data.synthetic.raw.rows to 10,000")
    buyer = np.repeat(np.arange(len(bought)), bought)  # [purchases]
    first = np.concatenate([[True], buyer[1:] != buyer[:-1]])
    u = generator.random((4, len(buyer)))
    new_session = first | (u[0] >= IN_SESSION)
    same_product = ~first & (u[1] < np.where(new_session, REPEAT_ACROSS_SESSIONS, SAME_IN_SESSION))
    new_cluster = first | (~same_product & (u[2] >= STAY_IN_CLUSTER))
    item = _choose_items(catalogue, bought[buyer], same_product, new_cluster, scale, generator)

    session = np.cumsum(new_session) - 1  # [purchases]
    owner = buyer[new_session]  # [sessions]
    start = _session_starts(calibration, owner, generator)
    order = np.argsort(start, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    by_time = np.argsort(rank[session], kind="stable")
    who = generator.choice(users, len(bought), replace=False)
    return Orders(start[order], who[owner[order]], rank[session][by_time], item[by_time])


def _rounded(expected: Floats, generator: np.random.Generator) -> Ints:
    """Whole numbers with these expectations whose sum is right to one: rounding of the running sum."""
    return np.diff(np.floor(np.concatenate([[0.0], np.cumsum(expected)]) + generator.random())).astype(np.int64)


def _session_starts(calibration: Calibration, owner: Ints, generator: np.random.Generator) -> Ints:
    """Start of each session, seconds since the first day; a buyer's sessions ascend. owner [sessions] ascending."""
    day_weight = np.cumsum(calibration.days[:, 0] / calibration.days[:, 0].sum())
    hour_weight = np.cumsum(calibration.hours[:, 1] / calibration.hours[:, 1].sum())
    u = generator.random((4, len(owner)))
    first = np.concatenate([[True], owner[1:] != owner[:-1]])
    new_day = first | (u[0] >= SAME_DAY)
    day = np.minimum(np.searchsorted(day_weight, u[1], side="right"), len(day_weight) - 1)
    day = day[np.flatnonzero(new_day)[np.cumsum(new_day) - 1]]
    hour = np.minimum(np.searchsorted(hour_weight, u[2], side="right"), 23)
    start = day * 86_400 + hour * 3_600 + (u[3] * 3_600).astype(np.int64)
    return start[np.lexsort((start, owner))]


def _choose_items(
    catalogue: Catalogue,
    bought: Ints,
    same_product: npt.NDArray[np.bool_],
    new_cluster: npt.NDArray[np.bool_],
    scale: float,
    generator: np.random.Generator,
) -> Ints:
    """Product of each purchase, [purchases]. bought: purchases of its buyer; the flags: see `make_orders`.

    Runs of a cluster draw it by popularity, coupled by rank with the buyer's number of purchases (dear clusters go to
    those who buy much); products are then drawn within it. At last surplus purchases are handed to products that lack
    some, so that popularity is exact.
    """
    sampler = _ClusterSampler(catalogue.cluster, catalogue.purchases)
    run = np.cumsum(new_cluster) - 1
    runs = np.flatnonzero(new_cluster)
    score = np.log(bought[runs]) + generator.random(len(runs)) * 1e-6
    score = (np.argsort(np.argsort(score)) + 0.5) / len(runs) * 12**0.5  # uniform with unit variance
    mixed = PRICE_TASTE * score + (1 - PRICE_TASTE**2) ** 0.5 * generator.standard_normal(len(runs))
    level = (np.argsort(np.argsort(mixed)) + generator.random(len(runs))) / len(runs)
    item = sampler.within(sampler.clusters(level)[run], generator.random(len(bought)))
    head = np.flatnonzero(~same_product)
    item = item[head[np.cumsum(~same_product) - 1]]

    single = ~same_product & ~np.append(same_product[1:], False)  # not part of a repeat, which must stay whole
    wanted = _rounded(catalogue.purchases * scale, generator)
    surplus = np.bincount(item, minlength=len(wanted)) - wanted
    candidates = generator.permutation(np.flatnonzero(single))
    candidates = candidates[np.argsort(item[candidates], kind="stable")]
    place = np.arange(len(candidates)) - np.searchsorted(item[candidates], item[candidates])  # among its product's
    given = candidates[place < surplus[item[candidates]]]
    lacking = np.repeat(np.arange(len(wanted)), np.maximum(-surplus, 0))
    size = min(len(given), len(lacking))
    given, lacking = generator.permutation(given)[:size], generator.permutation(lacking)[:size]
    by_cluster = (
        catalogue.cluster[item[given]].argsort(kind="stable"),
        catalogue.cluster[lacking].argsort(kind="stable"),
    )
    item[given[by_cluster[0]]] = lacking[by_cluster[1]]
    return item


class _ClusterSampler:
    """Draws products with given weights, from all or from a cluster, by the inverse of one distribution function."""

    def __init__(self, cluster: Ints, weight: Floats) -> None:
        self.by_cluster = np.argsort(cluster, kind="stable")
        self.cumulative = np.concatenate([[0.0], np.cumsum(weight[self.by_cluster] / weight.sum())])
        self.cluster = cluster
        sizes = np.bincount(cluster)
        ends = np.cumsum(sizes)
        self.low, self.high = self.cumulative[ends - sizes], self.cumulative[ends]

    def clusters(self, level: Floats) -> Ints:
        """Cluster at each level in [0, 1) of the distribution."""
        return self.cluster[self.anywhere(level)]

    def anywhere(self, level: Floats) -> Ints:
        """Product at each level in [0, 1) of the distribution."""
        place = np.searchsorted(self.cumulative, level * self.cumulative[-1], side="right") - 1
        return self.by_cluster[np.minimum(place, len(self.by_cluster) - 1)]

    def within(self, cluster: Ints, u: Floats) -> Ints:
        """Product of a cluster, u in [0, 1)."""
        low, high = self.low[cluster], self.high[cluster]
        return self.anywhere((low + u * (high - low)) / self.cumulative[-1])


class _LogWriter:
    """The rows of a log, hour by hour, and counts of what was written."""

    def __init__(self, calibration: Calibration, rows: int, seed: int, events: Events) -> None:
        totals = calibration.totals
        generator = np.random.default_rng(seed)
        self.seed, self.scale = seed, rows / totals["rows"]
        self.whole = events == "all"
        self.catalogue = make_catalogue(calibration, generator)
        self.users = int(totals["users"] * self.scale * 1.05) + 1  # some of them are drawn for no session
        self.orders = make_orders(calibration, self.catalogue, self.scale, self.users, generator)
        self.views = _ClusterSampler(self.catalogue.cluster, self.catalogue.views)
        self.texts, self.change_day = self._product_texts(len(calibration.days), generator)

        orders = self.orders
        head = np.concatenate([[True], (np.diff(orders.session) > 0) | (np.diff(orders.item) != 0)])
        carted = 1 - totals["purchases_without_cart"] / totals["purchases"]
        self.views_before = np.where(head, 1 + generator.poisson(1.0, len(head)), 0)
        self.cart_before = head & (generator.random(len(head)) < carted * len(head) / head.sum())
        planned = int(self.views_before.sum() + self.cart_before.sum()) + len(head)
        if planned > rows:
            raise JsaeError(f"data.synthetic.raw.rows: {rows:,} cannot hold the {planned:,} events around purchases")
        days = calibration.days
        weight = np.outer(days[:, 1] / days[:, 1].sum(), calibration.hours[:, 0] / calibration.hours[:, 0].sum())
        self.quota = _rounded(weight.ravel() * (rows - planned), generator)  # events of sessions without purchase
        self.quota[-1] += rows - planned - self.quota.sum()
        carts = max(totals["carts"] * self.scale - self.cart_before.sum(), 0.0) * days[:, 2] / days[:, 2].sum()
        self.cart_share = carts / np.maximum(self.quota.reshape(-1, 24).sum(axis=1), 1)  # of a day's events
        self.clock = pl.Series([f":{second // 60:02d}:{second % 60:02d} UTC" for second in range(3_600)])
        self.sessions = 0
        self.user_seen = np.zeros(self.users, bool)
        self.written = np.zeros((24, len(TYPES)), np.int64)  # events by hour of the day and type
        self.by_product = np.zeros((len(TYPES), len(self.catalogue.price)), np.int64)
        self.lengths: list[Ints] = []  # of sessions without purchase

    def _product_texts(self, days: int, generator: np.random.Generator) -> tuple[pl.Series, Ints]:
        """The five product fields as text before and after a change of price, and the day of that change, if any."""
        catalogue = self.catalogue
        changes = generator.random(len(catalogue.price)) < 1 / 3  # 57,550 products have several prices in October
        changed = np.where(changes, catalogue.price * generator.uniform(0.9, 1.1, len(changes)), catalogue.price)
        frames = [
            pl.DataFrame(
                {
                    "product_id": catalogue.product_id,
                    "category_id": catalogue.category_id,
                    "category_code": catalogue.category_code,
                    "brand": catalogue.brand,
                    "price": pl.Series([f"{value:.2f}" for value in price.tolist()]),
                }
            )
            for price in (catalogue.price, np.minimum(changed, catalogue.price.max()))
        ]
        texts = pl.concat(frames).select(pl.concat_str(pl.all(), separator=",")).to_series()
        return texts, np.where(changes, generator.integers(1, days, len(changes)), days)

    def hours(self) -> Iterator[pl.DataFrame]:
        """Rows of each hour of the month, in order of time."""
        waiting = pl.DataFrame(schema=EVENT)
        for hour in range(len(self.quota)):
            generator = np.random.default_rng([self.seed, hour])
            orders = self._orders_of(hour, generator)
            if self.whole:
                events = pl.concat([waiting, orders, self._visits_of(hour, generator)])
            else:
                events = pl.concat([waiting, orders.filter(pl.col("kind") == PURCHASE)])
            if hour == len(self.quota) - 1:  # sessions end with the month
                events = events.with_columns(pl.col("time").clip(upper_bound=(hour + 1) * 3_600 - 1))
            events = events.sort("time", maintain_order=True)
            end = int(np.searchsorted(events["time"].to_numpy(), (hour + 1) * 3_600))
            waiting = events[end:]
            yield self._rows(hour, events[:end])

    def _orders_of(self, hour: int, generator: np.random.Generator) -> pl.DataFrame:
        """Events of the sessions with a purchase that start in this hour: views, perhaps a cart, purchases."""
        orders = self.orders
        low, high = np.searchsorted(orders.start, [hour * 3_600, (hour + 1) * 3_600])
        first, last = np.searchsorted(orders.session, [low, high])
        session, item = orders.session[first:last], orders.item[first:last]
        views, cart = self.views_before[first:last], self.cart_before[first:last]
        events = views + cart + 1
        of = np.repeat(np.arange(len(item)), events)  # the purchase that an event belongs to
        place = np.arange(len(of)) - np.repeat(np.cumsum(events) - events, events)
        kind = np.where(place == events[of] - 1, 2, np.where(cart[of] & (place == events[of] - 2), 1, 0))
        similar = self.views.within(self.catalogue.cluster[item[of]], generator.random(len(of)))
        seen = np.where((kind == 0) & (place < views[of] - 1), similar, item[of])
        gap = 2 + generator.exponential(30.0, len(of)).astype(np.int64)
        new = np.concatenate([[True], np.diff(session[of]) > 0])[: len(of)]
        return self._events(orders.start[session[of]], gap, new, kind, seen, orders.user[session[of]], generator)

    def _visits_of(self, hour: int, generator: np.random.Generator) -> pl.DataFrame:
        """Events of the sessions without a purchase that start in this hour."""
        quota = int(self.quota[hour])
        lengths = np.maximum(np.rint(np.exp(generator.normal(0.72, 1.25, quota // 3 + 10))), 1).astype(np.int64)
        lengths = np.minimum(lengths, 1159)  # the longest of October
        ends = np.cumsum(lengths)
        lengths = lengths[: np.searchsorted(ends, quota) + 1]
        lengths[-1] -= lengths.sum() - quota
        lengths = lengths[lengths > 0]
        self.lengths.append(lengths)
        visit = np.repeat(np.arange(len(lengths)), lengths)
        new = np.concatenate([[True], np.diff(visit) > 0])[:quota]
        u = generator.random((3, quota))
        jump = new | (u[0] >= SAME_VIEW + CLUSTER_VIEW)
        heads = np.flatnonzero(jump)
        head = self.views.anywhere(u[1][heads])[np.cumsum(jump) - 1]
        seen = np.where(jump, head, self.views.within(self.catalogue.cluster[head], u[1]))
        same = ~jump & (u[0] < SAME_VIEW)
        seen = seen[np.maximum.accumulate(np.where(same, 0, np.arange(quota)))]
        kind = (u[2] < self.cart_share[hour // 24]).astype(np.int64)
        gap = (generator.exponential(45.0, quota)).astype(np.int64)  # 0 and the same product: an event logged twice
        start = hour * 3_600 + generator.integers(0, 3_600, len(lengths))[visit]
        user = generator.integers(0, self.users, len(lengths))[visit]
        return self._events(start, gap, new, kind, seen, user, generator)

    def _events(
        self,
        start: Ints,
        gap: Ints,
        new: npt.NDArray[np.bool_],
        kind: Ints,
        item: Ints,
        user: Ints,
        generator: np.random.Generator,
    ) -> pl.DataFrame:
        """Columns of EVENT for events in the order of their sessions; `new` marks the first of each."""
        heads = np.flatnonzero(new)
        which = np.cumsum(new) - 1
        self.sessions += len(heads)
        passed = np.cumsum(gap)
        names = _session_names(len(heads), generator)
        return pl.DataFrame(
            {
                "time": start + passed - passed[heads][which],
                "kind": kind,
                "item": item,
                "user": user,
                "session": names[which],
            },
            schema=EVENT,
        )

    def _rows(self, hour: int, events: pl.DataFrame) -> pl.DataFrame:
        """Events as the columns of the file, the five product fields as one column of text; counts them."""
        kind, item, user = (events[name].to_numpy() for name in ("kind", "item", "user"))
        np.add.at(self.by_product.reshape(-1), kind * self.by_product.shape[1] + item, 1)
        self.written[hour % 24] += np.bincount(kind, minlength=len(TYPES))
        self.user_seen[user] = True
        moment = np.datetime_as_string(FIRST_DAY + np.timedelta64(hour, "h"), unit="h").replace("T", " ")
        clock = moment + self.clock
        after = self.change_day[item] <= hour // 24
        return pl.DataFrame(
            {
                "event_time": clock[events["time"].to_numpy() - hour * 3_600],
                "event_type": pl.Series(TYPES)[kind],
                "product": self.texts[item + len(self.change_day) * after],
                "user_id": FIRST_USER + user * USER_STEP + user * 7_919 % USER_STEP,
                "user_session": events["session"],
            }
        )


def _session_names(count: int, generator: np.random.Generator) -> pl.Series:
    """Random identifiers in the form of a UUID."""
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    drawn = generator.integers(0, 256, (count, 16), np.uint8)
    text = np.full((count, 36), ord("-"), np.uint8)
    places = [index for index in range(36) if index not in (8, 13, 18, 23)]
    text[:, places[0::2]] = digits[drawn >> 4]
    text[:, places[1::2]] = digits[drawn & 15]
    offsets = np.arange(0, 36 * (count + 1), 36, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    return pl.Series(pl.from_arrow(pa.Array.from_buffers(pa.string(), count, buffers)))


def generate(output: Path, calibration_folder: Path, *, rows: int, seed: int, events: Events) -> pl.DataFrame:
    """Write a log of so many rows to `output` (.csv.gz) and return `compare`'s table: synthetic beside published.

    events: `all`, or of the same log the `purchases` only.
    """
    if rows < 10_000:
        raise JsaeError(f"data.synthetic.raw.rows is {rows}: a log needs at least 10,000 rows to have sales every day")
    calibration = read_calibration(calibration_folder)
    writer = _LogWriter(calibration, rows, seed, events)
    total = rows if writer.whole else len(writer.orders.item)
    with (
        write_atomically(output) as temporary,
        temporary.open("wb") as raw,
        # no name and no time in the header: the same log has the same bytes
        _gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as stream,
        tqdm(total=total, unit=" rows", unit_scale=True, desc=output.name, disable=None) as bar,
    ):
        stream.write((",".join(EVENT_COLUMNS) + "\n").encode())
        for frame in writer.hours():
            stream.write(frame.write_csv(include_header=False, quote_style="never").encode())
            bar.update(len(frame))
    return compare(calibration, writer)


def compare(calibration: Calibration, writer: _LogWriter) -> pl.DataFrame:
    """What was written beside what is published: columns measure, published, synthetic, ratio.

    Counts that grow with the log are published · rows / 42,448,764; quantiles, shares and means do not. A log of
    purchases only has nothing to say of views, carts, visits without a purchase, and missing fields.
    """
    totals, scale, catalogue, orders = calibration.totals, writer.scale, writer.catalogue, writer.orders
    events = writer.written.sum(axis=0)
    user = orders.user[orders.session]
    bought = np.bincount(user)[user]  # purchases of the buyer of each purchase
    price = catalogue.price[orders.item]
    sold = writer.by_product[PURCHASE]
    codes, brands = np.array(catalogue.category_code), np.array(catalogue.brand)
    same_session = np.diff(orders.session) == 0
    day = orders.start // 86_400
    rows: list[tuple[str, float, float]] = [
        ("purchases", totals["purchases"] * scale, sold.sum()),
        ("sessions with a purchase", totals["purchase_sessions"] * scale, len(orders.start)),
        ("buyers", totals["buyers"] * scale, len(np.unique(user))),
        ("buyers times days", totals["buyer_days"] * scale, len(np.unique(orders.user * 32 + day))),
        ("users with 3 purchases", totals["users_with_3_purchases"] * scale, len(np.unique(user[bought >= 3]))),
        ("purchases of users with 3", totals["purchases_of_users_with_3"] * scale, (bought >= 3).sum()),
        ("same product again in a session", totals["same_product_in_session"] * scale,
         (same_session & (np.diff(orders.item) == 0)).sum()),
        ("products bought", totals["bought_products"], (sold > 0).sum()),
        ("products with 100 purchases", totals["popular_products"], (sold >= 100 * scale).sum()),
        ("mean price of a purchase", totals["purchase_price_mean"], price.mean()),
        *((f"price of one-time buyers, quantile 0.{q}", totals[f"one_time_price_p{q}"],
           np.quantile(price[bought == 1], q / 100)) for q in (10, 25, 50, 75, 90)),
        ("mean price of one-time buyers", totals["one_time_price_mean"], price[bought == 1].mean()),
        ("mean price of users with 3", totals["repeat_buyer_price_mean"], price[bought >= 3].mean()),
        *((f"purchases of product {row['product_id']}", float(row["purchases_oct"]) * scale, sold[rank])
          for rank, row in enumerate(calibration.top_products) if row["purchases_oct"]),
        *((f"purchases in {row['category_code']}", float(row["purchases"]) * scale,
           sold[codes == row["category_code"]].sum()) for row in calibration.categories),
        *((f"purchases of brand {brand}", _brand_total(calibration, brand) * scale, sold[brands == brand].sum())
          for brand in sorted({row["brand"] for row in calibration.brands})),
        *((f"purchases at {hour:02d} h UTC", calibration.hours[hour, 1] * scale, writer.written[hour, PURCHASE])
          for hour in range(24)),
        *((f"sessions with a purchase on day {index + 1}", published * scale, count) for index, (published, count)
          in enumerate(zip(calibration.days[:, 0], np.bincount(day, minlength=31), strict=True))),
    ]  # fmt: skip
    if writer.whole:
        lengths = np.concatenate(writer.lengths)
        rows += [
            ("rows", totals["rows"] * scale, events.sum()),
            ("views", totals["views"] * scale, events[0]),
            ("carts", totals["carts"] * scale, events[1]),
            ("users", totals["users"] * scale, writer.user_seen.sum()),
            ("sessions", totals["sessions"] * scale, writer.sessions),
            *((f"session length, quantile 0.{q}", totals[f"session_length_p{q}"], np.quantile(lengths, q / 100))
              for q in (50, 75, 90, 99)),
            *((f"views at {hour:02d} h UTC", calibration.hours[hour, 0] * scale, writer.written[hour, 0])
              for hour in range(24)),
            ("rows without brand", totals["rows_without_brand"] * scale, writer.by_product[:, brands == ""].sum()),
            ("rows without category", totals["rows_without_category"] * scale,
             writer.by_product[:, codes == ""].sum()),
            ("rows of price 0", totals["rows_of_price_0"] * scale,
             writer.by_product[:, catalogue.price == 0].sum()),
        ]  # fmt: skip
    table = pl.DataFrame(
        rows, schema={"measure": pl.String, "published": pl.Float64, "synthetic": pl.Float64}, orient="row"
    )
    return table.with_columns(ratio=pl.col("synthetic") / pl.col("published"))


def _brand_total(calibration: Calibration, brand: str) -> float:
    return sum(float(row["purchases"]) for row in calibration.brands if row["brand"] == brand)
