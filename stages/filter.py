"""Keep the purchases that the paper keeps (appendix A.4.1).

inputs   params.yaml (data.source and its section), data/raw/SOURCE
outputs  data/processed/purchases.parquet (user, item, price, time), data/processed/purchases.json (rows in and out; for
         a synthetic log its calibration, too)
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from jsae import parameters, purchases
from jsae.errors import JsaeError
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    _main.parser(__doc__).parse_args(arguments)
    data = parameters.load(paths.PARAMETERS).data
    folder = paths.raw(data.source)
    if data.source == "completejourney":
        purchases.filter_completejourney(
            folder / "transactions.parquet",
            paths.purchases(),
            paths.purchases_summary(),
            most_bought_items=data.completejourney.most_bought_items,
            minimum_user_purchases=data.completejourney.minimum_user_purchases,
        )
        return
    settings = data.kechinov if data.source == "kechinov" else data.synthetic
    months = data.kechinov.months if data.source == "kechinov" else ["2019-Oct"]
    purchases.filter_event_logs(
        [_log(folder, month) for month in months],
        paths.purchases(),
        paths.purchases_summary(),
        source=data.source,
        minimum_item_purchases=settings.minimum_item_purchases,
        minimum_user_purchases=settings.minimum_user_purchases,
        counting=settings.counting,
        bad_rows=settings.bad_rows,
        duplicates=settings.duplicates,
        calibration=pl.read_parquet(folder / "calibration.parquet").rows(named=True)
        if data.source == "synthetic"
        else [],
    )


def _log(folder: Path, month: str) -> Path:
    for suffix in (".csv.gz", ".csv"):
        if (folder / f"{month}{suffix}").is_file():
            return folder / f"{month}{suffix}"
    raise JsaeError(f"{folder / month}.csv.gz is missing: run the download stage")


if __name__ == "__main__":
    _main.run(main)
