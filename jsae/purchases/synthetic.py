"""A synthetic event log of the REES46 store, calibrated to what is published about it.

For machines that cannot have the real log. Only purchases are written: nothing in the study uses views and carts.
Purchases per user, popularity of products, prices, brands, categories, hours, days, sessions and the figures on
successive purchases in data/calibration are approached; `compare` says how nearly.

**Which product follows which is not published.** The generator assumes the following. A user repeats the last product
with a probability of their own (`AGAIN_IN_SESSION`, `AGAIN_LATER`). Otherwise the next purchase stays, with the
probabilities `STAY`, in the same cluster (category, brand, and price within a factor of two), in the same category and
brand, or in the same category; else it is any product, of a price level that the user tends to. Within these limits
products are drawn by popularity. Nothing learnt from a synthetic log says anything about real customers' item-to-item
behaviour.

A log is a function of its number of purchases and the seed.
"""

import csv
import importlib
import importlib.util
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from jsae.config.errors import JsaeError
from jsae.io.files import write_atomically
from jsae.purchases.event_log import EVENT_COLUMNS, EVENT_TIME
from jsae.purchases.facts import PHONES, transition_facts

_gzip = importlib.import_module("isal.igzip" if importlib.util.find_spec("isal") else "gzip")

# Assumptions, chosen so that the figures of data/calibration/transitions.csv come out
# The same product again, for a user of stickiness s (uniform from 0 to 1): probability a · s^b
AGAIN_IN_SESSION = (0.93, 1.15)
AGAIN_LATER = (0.85, 6.5)
STAY = (0.05, 0.2, 0.2)  # another product, of the same cluster; of the same brand and category; of the same category
USER_TASTE = 0.85  # share of a user's own price level in that of a product from anywhere
COUNT_TASTE = 0.12  # correlation of that price level with the user's number of purchases
PRICE_SPREAD = 0.85  # of log prices within a category, as a share of the catalogue's: fits the quantiles of prices paid
POPULAR_PURCHASES = 465_000  # of products bought 100 times or more: about 250,000 are left after the filter
BRANDS = 20  # drawn for the products of a category that have no listed brand; with NAMELESS about 3,400 in all
NAMELESS = 0.42  # of the products of no listed brand

# Published or derived shares that are no single figure of the tables
IN_SESSION = 113_289 / 395_731  # of a user's consecutive purchases
SAME_DAY = 1 - (532_994 - 347_118) / (629_560 - 347_118)  # of a user's consecutive purchase sessions
CHANGED = 1 / 3  # products with another price from some day on: 57,550 of 166,794 have several prices
PUBLISHED_RANKS = 16  # products whose purchases are published, or lie between two that are
DEALT = 5_000  # products that get category and brand one by one; the others sell so little that fixed shares do
FIRST_DAY = np.datetime64("2019-10-01", "us")
FIRST_USER, USER_STEP = 512_000_000, 14

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Calibration:
    """The published tables of data/calibration."""

    totals: dict[str, float]
    purchases_per_user: Ints  # [K, 2]: purchases, users
    top_products: list[dict[str, str]]
    prefixes: list[dict[str, str]]
    categories: list[dict[str, str]]
    brands: list[dict[str, str]]
    hours: Ints  # [24]: purchases
    days: Ints  # [31]: sessions with a purchase
    transitions: dict[str, float]  # some of `transition_facts`


def read_calibration(folder: Path) -> Calibration:
    """Read the tables of `folder`. Raises JsaeError if one is missing or has other columns."""

    def rows(name: str) -> list[dict[str, str]]:
        with (folder / name).open(newline="", encoding="utf-8") as stream:
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
            hours=np.array([int(row["purchases"]) for row in rows("hourly_utc.csv")]),
            days=np.array([int(row["purchase_session"]) for row in rows("daily_sessions_users_utc.csv")]),
            transitions={row["name"]: float(row["value"]) for row in rows("transitions.csv")},
        )
    except (OSError, KeyError, ValueError) as error:
        raise JsaeError(f"{folder}: the calibration tables are not readable ({error!r}): restore the folder") from error


@dataclass(frozen=True)
class Catalogue:
    """Every product that is bought: the popular phones, the other popular products, the others; most bought first.

    All arrays have [products]. `purchases` are those expected in a log of full size. `category`, `brand_in_category`
    and `cluster` are nested groups; the numbers of clusters ascend with the mean price of the cluster.
    """

    product_id: Ints
    price: Floats
    purchases: Floats
    category: Ints
    brand_in_category: Ints
    cluster: Ints
    category_id: list[str]
    category_code: list[str]
    brand: list[str]


def _is_phone(product: dict[str, str]) -> bool:
    return int(product["product_id"]) // 100_000 == PHONES


def _top(calibration: Calibration) -> tuple[list[dict[str, str]], Ints]:
    """The products of the table of the most bought ones, and the place of each in the catalogue."""
    phone = np.array([_is_phone(row) for row in calibration.top_products])
    others = int(calibration.transitions["popular phones"]) + np.cumsum(~phone) - 1
    return calibration.top_products, np.where(phone, np.cumsum(phone) - 1, others)


def popularity(calibration: Calibration) -> Floats:
    """Purchases in October of each product of the catalogue, [products].

    Published counts are exact; between two of them log counts lie on a line over log rank. From there to the last
    popular phone, or other product (100 purchases), they lie on a parabola that gives phones, and all popular products,
    their published purchases. A line leads on to as many purchases and products as the log has.
    """
    totals = calibration.totals
    known = {int(row["rank"]): float(row["purchases_oct"]) for row in calibration.top_products if row["purchases_oct"]}
    ranks = np.arange(1, PUBLISHED_RANKS + 1)
    first = np.exp(np.interp(np.log(ranks), np.log(list(known)), np.log(list(known.values()))))
    phone = np.array([_is_phone(row) for row in calibration.top_products[:PUBLISHED_RANKS]])
    phones = int(calibration.transitions["popular phones"])
    of_phones = calibration.transitions["share of popular phones"] * totals["purchases"]
    popular = [
        *_parabola(first[phone], phones, of_phones),
        *_parabola(first[~phone], int(totals["popular_products"]) - phones, POPULAR_PURCHASES - of_phones),
    ]
    rest = totals["purchases"] - sum(popular)
    beyond = np.arange(1, int(totals["bought_products"]) - len(popular) + 1) / len(popular) + 1

    def tail(slope: float) -> Floats:
        return np.clip(100 * beyond**-slope, 1, 99)

    return np.concatenate([popular, tail(_bisect(lambda slope: rest - tail(slope).sum(), 0.0, 5.0))])


def _parabola(first: Floats, last: int, total: float) -> Floats:
    """`last` counts that begin with `first`, end with 100 and have the sum `total`: a parabola of logarithms."""
    x = np.log(np.arange(len(first), last + 1))
    line = np.interp(x, x[[0, -1]], np.log([first[-1], 100.0]))

    def counts(bend: float) -> Floats:
        return np.concatenate([first, np.exp(line + bend * (x - x[0]) * (x[-1] - x))[1:]])

    return counts(_bisect(lambda bend: counts(bend).sum() - total, -1.0, 1.0))


def _bisect(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function is 0."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return low


def make_catalogue(calibration: Calibration, generator: np.random.Generator) -> Catalogue:
    """Products whose ids, categories, brands and prices, weighted by purchases, have the published marginals."""
    purchases = popularity(calibration)
    prefix = _prefixes(calibration, purchases, generator)
    ids = _product_ids(calibration, prefix, generator)
    code = [calibration.prefixes[index]["category_code"] for index in prefix.tolist()]
    price = _prices(calibration, prefix, purchases, generator)
    brand = _brands(calibration, prefix, price, purchases, generator)
    _, brand_in_category = np.unique(prefix * 10_000 + np.unique(brand, return_inverse=True)[1], return_inverse=True)
    _, cluster = np.unique(brand_in_category * 16 + np.log2(np.maximum(price, 1)).astype(int), return_inverse=True)
    mean = np.bincount(cluster, price) / np.bincount(cluster)
    return Catalogue(
        product_id=ids,
        price=price,
        purchases=purchases,
        category=prefix,
        brand_in_category=brand_in_category,
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
    row_of = {int(row["prefix"]): index for index, row in enumerate(table)}
    phones, popular = (
        int(n) for n in (calibration.transitions["popular phones"], calibration.totals["popular_products"])
    )
    chosen = np.full(len(purchases), -1)
    chosen[:phones] = row_of[PHONES]
    for row, place in zip(*_top(calibration), strict=True):
        chosen[place] = row_of[int(row["product_id"]) // 100_000]
    known = np.flatnonzero(chosen >= 0)
    target -= np.bincount(chosen[known], purchases[known], len(table))
    draws = generator.random(DEALT)
    for index in np.flatnonzero(chosen[:DEALT] < 0):
        lacking = np.maximum(target - purchases[index], 0)
        if index < popular:
            lacking[row_of[PHONES]] = 0
        lacking = np.cumsum(lacking)
        chosen[index] = np.searchsorted(lacking, draws[index] * lacking[-1], side="right")
        target[chosen[index]] -= purchases[index]
    share = np.maximum(target, 0) + 1
    chosen[DEALT:] = generator.choice(len(table), len(purchases) - DEALT, p=share / share.sum())
    return chosen


def _product_ids(calibration: Calibration, prefix: Ints, generator: np.random.Generator) -> Ints:
    """Distinct ids, prefix · 100,000 + number; the published ones for the most bought products: [products]."""
    rows, places = _top(calibration)
    ids = np.zeros(len(prefix), np.int64)
    ids[places] = [int(row["product_id"]) for row in rows]
    for index, row in enumerate(calibration.prefixes):
        members = np.flatnonzero((prefix == index) & (ids == 0))
        drawn = generator.choice(99_999, len(members) + len(places), replace=False) + 1 + 100_000 * int(row["prefix"])
        ids[members] = drawn[~np.isin(drawn, ids[places])][: len(members)]
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
    rows, places = _top(calibration)
    fixed = np.zeros(len(price), bool)
    fixed[places] = True
    price[places] = [float(row["median_price_oct_nov"] or row["price_end_nov"]) for row in rows]
    wanted = calibration.totals["purchase_price_mean"] * purchases.sum()

    def scaled(log_factor: float) -> Floats:
        return np.where(fixed, price, np.clip(price * np.exp(log_factor), 0.77, calibration.totals["highest_price"]))

    return scaled(_bisect(lambda log_factor: scaled(log_factor) @ purchases - wanted, -2.3, 2.3)).round(2)


def _brands(
    calibration: Calibration, prefix: Ints, price: Floats, purchases: Floats, generator: np.random.Generator
) -> list[str]:
    """Brand of each product, "" if it has none.

    As for prefixes, a brand is dealt in proportion to the purchases that it still lacks in the product's category, and
    to how well the product's price fits the brand's mean price (log-normal, a factor of two wide).
    """
    code = [calibration.prefixes[index]["category_code"] for index in prefix.tolist()]
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
    draws = generator.random((len(code), 2))
    group = np.array([name if name in by_code else "" for name in code])
    log_price = np.log(np.maximum(price, 1.0))
    other = [
        f"brand{index:03d}{int(draw * BRANDS):02d}" if draw >= NAMELESS else ""
        for index, draw in zip(prefix.tolist(), draws[:, 1].tolist(), strict=True)
    ]

    def deal(name: str, products: Ints) -> Ints:
        """Place of each product's brand in names[name], or their number for any other brand."""
        distance = (log_price[products, None] - means[name]) / np.log(2)
        fit = np.column_stack([np.exp(-(distance**2) / 2), np.full(len(products), 0.5)])
        weights = np.cumsum(np.maximum(lacking[name], 0) * fit, axis=1)
        chosen = (weights <= draws[products, :1] * weights[:, -1:]).sum(axis=1)
        return np.minimum(chosen, len(names[name]))

    published = {place: row["brand"] for row, place in zip(*_top(calibration), strict=True)}
    brands: list[str] = []
    for index in range(DEALT):
        name = str(group[index])
        brand = published.get(index)
        if brand:
            place = names[name].index(brand) if brand in names[name] else len(names[name])
        else:
            place = int(deal(name, np.array([index]))[0])
            brand = [*names[name], other[index]][place]
        brands.append(brand)
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


def make_orders(calibration: Calibration, catalogue: Catalogue, scale: float, generator: np.random.Generator) -> Orders:
    """Who buys what, when. scale: share of a full log."""
    published = calibration.purchases_per_user
    buyers_of = _rounded(published[:, 1].astype(np.float64) * scale, generator)
    bought = generator.permutation(np.repeat(published[:, 0], buyers_of))  # [buyers] purchases of each
    buyer = np.repeat(np.arange(len(bought)), bought)  # [purchases]
    first = np.concatenate([[True], buyer[1:] != buyer[:-1]])
    u = generator.random((2, len(buyer)))
    new_session = first | (u[0] >= IN_SESSION)
    sticky = generator.random(len(bought))[buyer]
    factor, power = np.where(new_session, np.array([AGAIN_LATER]).T, np.array([AGAIN_IN_SESSION]).T)
    again = ~first & (u[1] < factor * sticky**power)
    item = _choose_items(catalogue, buyer, first, again, scale, generator)

    session = np.cumsum(new_session) - 1  # [purchases]
    owner = buyer[new_session]  # [sessions]
    start = _session_starts(calibration, owner, generator)
    order = np.argsort(start, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    by_time = np.argsort(rank[session], kind="stable")
    return Orders(start[order], owner[order], rank[session][by_time], item[by_time])


def _rounded(expected: Floats, generator: np.random.Generator) -> Ints:
    """Whole numbers with these expectations whose sum is right to one: rounding of the running sum."""
    return np.diff(np.floor(np.concatenate([[0.0], np.cumsum(expected)]) + generator.random())).astype(np.int64)


def _session_starts(calibration: Calibration, owner: Ints, generator: np.random.Generator) -> Ints:
    """Start of each session, seconds since the first day; a buyer's sessions ascend. owner [sessions] ascending."""
    days, hours = len(calibration.days), len(calibration.hours)
    first = np.concatenate([[True], owner[1:] != owner[:-1]])
    new_day = first | (generator.random(len(owner)) >= SAME_DAY)
    day = generator.choice(days, len(owner), p=calibration.days / calibration.days.sum())
    day = day[_latest(new_day)]
    hour = generator.choice(hours, len(owner), p=calibration.hours / calibration.hours.sum())
    start = day * 86_400 + hour * 3_600 + generator.integers(0, 3_600, len(owner))
    return start[np.lexsort((start, owner))]


def _latest(marked: Bools) -> Ints:
    """Place of the last marked element at or before each; the first is marked."""
    return np.flatnonzero(marked)[np.cumsum(marked) - 1]


def _choose_items(
    catalogue: Catalogue, buyer: Ints, first: Bools, again: Bools, scale: float, generator: np.random.Generator
) -> Ints:
    """Product of each purchase, [purchases].

    buyer: of each purchase, ascending. first: it is the buyer's first. again: it is of the product before it.
    At last surplus purchases are handed to products that lack some, so that popularity is exact.
    """
    stays = generator.random(len(buyer))
    anywhere = first | (~again & (stays >= sum(STAY)))
    clusters = _Sampler(catalogue.cluster, catalogue.purchases)
    heads = np.flatnonzero(anywhere)
    score = np.log(np.bincount(buyer)[buyer[heads]]) + generator.random(len(heads)) * 1e-6
    score = (np.argsort(np.argsort(score)) + 0.5) / len(heads) * 12**0.5  # uniform with unit variance
    mixed = (
        COUNT_TASTE * score
        + USER_TASTE * generator.standard_normal(buyer[-1] + 1)[buyer[heads]]
        + (1 - COUNT_TASTE**2 - USER_TASTE**2) ** 0.5 * generator.standard_normal(len(heads))
    )
    item = np.zeros(len(buyer), np.int64)
    item[heads] = clusters.anywhere((np.argsort(np.argsort(mixed)) + generator.random(len(heads))) / len(heads))
    fresh = anywhere  # where a product is drawn, from the widest group to the narrowest
    for group, limit in (
        (catalogue.category, sum(STAY[:2])),
        (catalogue.brand_in_category, STAY[0]),
        (catalogue.cluster, 0.0),
    ):
        within = group[item[_latest(fresh)]]
        drawn = ~first & ~again & ~fresh & (stays >= limit)
        item[drawn] = _Sampler(group, catalogue.purchases).within(within[drawn], generator.random(int(drawn.sum())))
        fresh = fresh | drawn
    item = item[_latest(fresh)]

    single = ~again & ~np.append(again[1:], False)  # not part of a repeat, which must stay whole
    wanted = _rounded(catalogue.purchases * scale, generator)
    surplus = np.bincount(item, minlength=len(wanted)) - wanted
    candidates = generator.permutation(np.flatnonzero(single))
    candidates = candidates[np.argsort(item[candidates], kind="stable")]
    place = np.arange(len(candidates)) - np.searchsorted(item[candidates], item[candidates])  # among its product's
    given = candidates[place < surplus[item[candidates]]]
    lacking = np.repeat(np.arange(len(wanted)), np.maximum(-surplus, 0))
    size = min(len(given), len(lacking))
    given, lacking = generator.permutation(given)[:size], generator.permutation(lacking)[:size]
    near = catalogue.brand_in_category * 2**20 + catalogue.cluster  # products of one category and brand are neighbours
    item[given[near[item[given]].argsort(kind="stable")]] = lacking[near[lacking].argsort(kind="stable")]
    return item


class _Sampler:
    """Draws products with given weights, from all or from a group, by the inverse of one distribution function."""

    def __init__(self, group: Ints, weight: Floats) -> None:
        self.by_group = np.argsort(group, kind="stable")
        self.cumulative = np.concatenate([[0.0], np.cumsum(weight[self.by_group] / weight.sum())])
        ends = np.cumsum(np.bincount(group))
        self.low, self.high = self.cumulative[ends - np.bincount(group)], self.cumulative[ends]

    def anywhere(self, level: Floats) -> Ints:
        """Product at each level in [0, 1) of the distribution, in which groups ascend."""
        place = np.searchsorted(self.cumulative, level * self.cumulative[-1], side="right") - 1
        return self.by_group[np.minimum(place, len(self.by_group) - 1)]

    def within(self, group: Ints, u: Floats) -> Ints:
        """Product of each group, u in [0, 1)."""
        low, high = self.low[group], self.high[group]
        return self.anywhere((low + u * (high - low)) / self.cumulative[-1])


def _events(catalogue: Catalogue, orders: Orders, days: int, generator: np.random.Generator) -> pl.DataFrame:
    """The rows of the log in order of time: columns of the file, of their own types, and session and item (numbers)."""
    count, products = len(orders.item), len(catalogue.price)
    gap = np.where(np.diff(orders.session, prepend=-1) > 0, 0, 2 + generator.exponential(60.0, count)).astype(np.int64)
    passed = np.cumsum(gap)
    begins = np.searchsorted(orders.session, orders.session)  # first purchase of the session
    time = np.minimum(orders.start[orders.session] + passed - passed[begins], days * 86_400 - 1)
    changed = generator.random(products) < CHANGED
    new_price = np.where(changed, catalogue.price * generator.uniform(0.9, 1.1, products), catalogue.price)
    new_price = np.minimum(new_price, catalogue.price.max()).round(2)
    from_day = generator.integers(1, days, products)[orders.item]
    noise = generator.bytes(16 * len(orders.start))
    digits = pl.Series([noise[start : start + 16] for start in range(0, len(noise), 16)]).bin.encode("hex")
    names = digits.str.replace(r"^(.{8})(.{4})(.{4})(.{4})", "$1-$2-$3-$4-")
    user = orders.user[orders.session]
    products_of = pl.DataFrame(
        {name: getattr(catalogue, name) for name in ("product_id", "category_id", "category_code", "brand")}
    )[orders.item]
    return products_of.with_columns(
        event_time=pl.Series(FIRST_DAY + time.astype("timedelta64[s]")),
        event_type=pl.lit("purchase"),
        price=np.where(time // 86_400 < from_day, catalogue.price[orders.item], new_price[orders.item]),
        user_id=FIRST_USER + user * USER_STEP + user * 7_919 % USER_STEP,
        user_session=names[orders.session],
        session=orders.session,
        item=orders.item,
    ).sort("event_time", maintain_order=True)


def generate(output: Path, calibration_folder: Path, *, purchases: int, seed: int) -> pl.DataFrame:
    """Write a log of about so many purchases to `output` (.csv.gz) and return `compare`'s table.

    Raises JsaeError for fewer than 1,000 purchases, and if a calibration table is missing or damaged.
    """
    if purchases < 1_000:
        raise JsaeError(f"data.synthetic.raw.purchases is {purchases}: a log needs at least 1,000")
    calibration = read_calibration(calibration_folder)
    generator = np.random.default_rng(seed)
    scale = purchases / calibration.totals["purchases"]
    catalogue = make_catalogue(calibration, generator)
    orders = make_orders(calibration, catalogue, scale, generator)
    events = _events(catalogue, orders, len(calibration.days), generator)
    text = events.select(pl.col("event_time").dt.to_string(EVENT_TIME), pl.col(EVENT_COLUMNS[1:])).write_csv(
        float_precision=2, quote_style="never"
    )
    with (
        write_atomically(output) as temporary,
        temporary.open("wb") as raw,
        # no name and no time in the header: the same log has the same bytes
        _gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as stream,
    ):
        stream.write(text.encode())
    return compare(calibration, catalogue, events, scale)


def compare(calibration: Calibration, catalogue: Catalogue, events: pl.DataFrame, scale: float) -> pl.DataFrame:
    """Compare what was written with what is published: columns measure, published, synthetic, ratio.

    Counts that grow with the log are published · scale; quantiles, shares and means do not. The published values of
    the last measures, which `transition_facts` defines, are in data/calibration/transitions.csv with their sources.
    """
    totals = calibration.totals
    found = events.select(
        "price", "brand", "session", user="user_id", item="product_id", time="event_time", row=pl.int_range(pl.len())
    )
    facts = transition_facts(found, popular=max(round(100 * scale), 1))
    per_user = found.with_columns(bought=pl.len().over("user"))
    once = per_user.filter(pl.col("bought") == 1)["price"].to_numpy()
    often = per_user.filter(pl.col("bought") >= 3)
    sold = np.bincount(events["item"], minlength=len(catalogue.price))
    codes, brands = np.array(catalogue.category_code), np.array(catalogue.brand)
    sessions = events.group_by("session").agg(pl.col("user_id").first(), day=pl.col("event_time").min().dt.day())
    by_day = np.bincount(sessions["day"], minlength=len(calibration.days) + 1)[1:]
    by_hour = np.bincount(events["event_time"].dt.hour(), minlength=24)
    again = (pl.col("session") == pl.col("session").shift()) & (pl.col("item") == pl.col("item").shift())
    rows: list[tuple[str, float, float | None]] = [
        ("purchases", totals["purchases"] * scale, len(events)),
        ("sessions with a purchase", totals["purchase_sessions"] * scale, len(sessions)),
        ("buyers", totals["buyers"] * scale, found["user"].n_unique()),
        ("buyers times days", totals["buyer_days"] * scale, sessions.select("user_id", "day").n_unique()),
        ("users with 3 purchases", totals["users_with_3_purchases"] * scale, often["user"].n_unique()),
        ("purchases of users with 3", totals["purchases_of_users_with_3"] * scale, len(often)),
        ("same product again in a session", totals["same_product_in_session"] * scale,
         events.sort("session", maintain_order=True).filter(again).height),
        ("products bought", totals["bought_products"], (sold > 0).sum()),
        ("products with 100 purchases", totals["popular_products"], (sold >= 100 * scale).sum()),
        ("mean price of a purchase", totals["purchase_price_mean"], found["price"].to_numpy().mean()),
        *((f"price of one-time buyers, quantile 0.{q}", totals[f"one_time_price_p{q}"], np.quantile(once, q / 100))
          for q in (10, 25, 50, 75, 90)),
        ("mean price of one-time buyers", totals["one_time_price_mean"], once.mean()),
        ("mean price of users with 3", totals["repeat_buyer_price_mean"], often["price"].to_numpy().mean()),
        *((f"purchases of product {row['product_id']}", float(row["purchases_oct"]) * scale, sold[place])
          for row, place in zip(*_top(calibration), strict=True) if row["purchases_oct"]),
        *((f"purchases in {row['category_code']}", float(row["purchases"]) * scale,
           sold[codes == row["category_code"]].sum()) for row in calibration.categories),
        *((f"purchases of brand {brand}", _brand_total(calibration, brand) * scale, sold[brands == brand].sum())
          for brand in sorted({row["brand"] for row in calibration.brands})),
        *((f"purchases at {hour:02d} h UTC", published * scale, by_hour[hour])
          for hour, published in enumerate(calibration.hours)),
        *((f"sessions with a purchase on day {index + 1}", published * scale, by_day[index])
          for index, published in enumerate(calibration.days)),
        *((f"successive purchases: {name}", published, facts[name])
          for name, published in calibration.transitions.items()),
    ]  # fmt: skip
    table = pl.DataFrame(
        rows, schema={"measure": pl.String, "published": pl.Float64, "synthetic": pl.Float64}, orient="row"
    )
    return table.with_columns(ratio=pl.col("synthetic") / pl.col("published"))


def _brand_total(calibration: Calibration, brand: str) -> float:
    return sum(float(row["purchases"]) for row in calibration.brands if row["brand"] == brand)
