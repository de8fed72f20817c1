"""Speed and memory of the data stages at the size of the real store.

    python -m benchmarks.data --folder SCRATCH      # writes a synthetic log of 42.4 M rows there (about 2 GB) once
    python -m benchmarks.data --folder SCRATCH --rows 1000000 --points 100000

Every measurement runs in a process of its own, so that its peak memory is its own. Prints tables; writes nothing but
the log.
"""

import argparse
import multiprocessing
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from rich.console import Console
from rich.table import Table

from jsae.purchases import event_log, ngram, synthetic
from jsae.purchases import filter as purchases

CALIBRATION = Path(__file__).parent.parent / "data" / "calibration"
THRESHOLDS: dict[str, Any] = {"minimum_item_purchases": 100, "minimum_user_purchases": 3, "counting": "all-purchases"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the synthetic log lies or is written")
    parser.add_argument("--rows", type=int, default=42_448_764, help="rows of a month")
    parser.add_argument("--points", type=int, nargs="+", default=[250_000, 10_000_000], help="purchases of a model")
    chosen = parser.parse_args()
    log = chosen.folder / str(chosen.rows) / "2019-Oct.csv.gz"
    console = Console(width=110 if not sys.stdout.isatty() else None)

    table = Table("step", "wall s", "cpu s", "peak MB", "M rows/s", title=f"Event log of {chosen.rows:,} rows")
    if not log.exists():
        report(table, "generate", measured(synthetic_log, log, chosen.rows), chosen.rows)
    bare, pandas = measured(decompress, log), measured(with_pandas, log)
    report(table, f"decompress only ({event_log.open_gzip.__module__})", bare, chosen.rows)
    report(table, "pandas in chunks", pandas, chosen.rows)
    found = measured(with_filter, log)
    times = f"{found[0] / bare[0]:.1f} x decompression, {pandas[0] / found[0]:.1f} x pandas' speed"
    report(table, f"filter: {times}", found, chosen.rows)
    console.print(table)

    table = Table("step", "wall s", "cpu s", "peak MB", "M points/s", title="n-gram model, 835 items, n = 2, window 10")
    for points in chosen.points:
        report(table, f"build and save, {points:,} purchases", measured(build_model, points), points)
    console.print(table)

    table = Table("step", "wall s", "cpu s", "peak MB", "M steps/s", title="Recommender, [5, 50] episodes, 1 thread")
    report(table, "1,000 steps of 250 episodes", measured(step_recommender, 1_000), 250_000)
    console.print(table)


def report(table: Table, name: str, figures: tuple[float, float, float], count: int) -> None:
    """Add wall and CPU seconds, peak MB and millions a second as a row."""
    wall, cpu, peak = figures
    table.add_row(name, f"{wall:,.1f}", f"{cpu:,.1f}", f"{peak:,.0f}", f"{count / wall / 1e6:,.2f}")


def measured(work: Callable[..., float], *arguments: Any) -> tuple[float, float, float]:
    """Wall seconds that `work` returns, CPU seconds and peak memory (MB) of the process that ran it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(_in_process, work, arguments).result()


def _in_process(work: Callable[..., float], arguments: tuple[Any, ...]) -> tuple[float, float, float]:
    before = time.process_time()
    wall = work(*arguments)
    return wall, time.process_time() - before, peak_memory()


def peak_memory() -> float:
    """MB that this process has held at most. What getrusage says counts the process that started this one, too."""
    status = Path("/proc/self/status")
    if status.exists():
        return float(re.findall(r"VmHWM:\s+(\d+)", status.read_text(encoding="utf-8"))[0]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def synthetic_log(log: Path, rows: int) -> float:
    """Synthetic purchases, 1.75 % of the rows, among views that are copies of them in another order."""
    start = time.perf_counter()
    synthetic.generate(log, CALIBRATION, purchases=round(rows * 0.0175), seed=0)
    with event_log.open_gzip(log) as stream:
        header, *bought = stream.read().splitlines(keepends=True)
    views = np.array([line.replace(b",purchase,", b",view,") for line in bought], object)
    generator = np.random.default_rng(0)
    with event_log.open_gzip(log, "wb", 1) as stream:
        stream.write(header)
        for line, count in zip(
            bought, np.diff(np.linspace(0, rows - len(bought), len(bought) + 1, dtype=int)), strict=True
        ):
            stream.write(b"".join(views[generator.integers(0, len(views), count)]) + line)
    return time.perf_counter() - start


def decompress(log: Path) -> float:
    start = time.perf_counter()
    with event_log.open_gzip(log) as stream:
        while stream.read(event_log.CHUNK):
            pass
    return time.perf_counter() - start


def with_filter(log: Path) -> float:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "purchases.parquet"
        purchases.filter_event_logs(
            [log],
            output,
            output.with_suffix(".json"),
            source="synthetic",
            bad_rows="error",
            duplicates="drop",
            **THRESHOLDS,
        )
    return time.perf_counter() - start


def with_pandas(log: Path) -> float:
    """What a user would write: chunks of a million rows, purchases only, then the two counts."""
    start = time.perf_counter()
    columns = ["event_time", "event_type", "product_id", "price", "user_id"]
    chunks = pd.read_csv(log, usecols=columns, chunksize=1_000_000)
    bought = pd.concat([chunk[chunk.event_type == "purchase"] for chunk in chunks])
    items = bought.groupby("product_id").product_id.transform("size") >= THRESHOLDS["minimum_item_purchases"]
    users = bought.groupby("user_id").user_id.transform("size") >= THRESHOLDS["minimum_user_purchases"]
    kept = bought[items & users].sort_values(["user_id", "event_time"], kind="stable")
    if kept.empty:
        print("pandas kept nothing: the log is too small for the thresholds", file=sys.stderr)
    return time.perf_counter() - start


def made_purchases(points: int, items: int = 835) -> pl.DataFrame:
    """Purchases of users with about six each, popularity falling as 1 / rank; every item is bought, has a price."""
    generator = np.random.default_rng(0)
    share = 1 / np.arange(1, items + 1)
    bought = np.searchsorted(np.cumsum(share / share.sum()), generator.random(points)).clip(max=items - 1)
    bought[:items] = np.arange(items)
    users = np.sort(generator.integers(0, points // 6 + 1, points))
    prices = np.exp(generator.normal(size=items))
    return pl.DataFrame({"user": users, "item": bought, "price": prices[bought]})


def build_model(points: int) -> float:
    made = made_purchases(points)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        ngram.save(ngram.build(made, n=2, window=10), Path(folder) / "model.safetensors")
    return time.perf_counter() - start


def step_recommender(steps: int) -> float:
    import torch

    from jsae.environments.recommender import Recommender

    torch.set_num_threads(1)
    model = ngram.tensors(ngram.build(made_purchases(250_000), n=2, window=10))
    shop = Recommender(model, boost=3.0, bonus=0.0, start="uniform", episode_length=20)
    state = shop.reset(torch.rand(5, 50, 2, dtype=torch.float64))
    action = torch.randint(0, shop.n_items, (steps, 5, 50))
    uniforms = torch.rand(steps, 5, 50, 3, dtype=torch.float64)
    start = time.perf_counter()
    for step in range(steps):
        state, _, _ = shop.step(state, action[step], uniforms[step])
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
