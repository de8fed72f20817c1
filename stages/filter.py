"""Keep the purchases that the paper keeps (appendix A.4.1).

inputs   params.yaml: data.STORE; data/raw/STORE
outputs  data/processed/STORE/purchases.parquet (user, item, price, time), data/processed/STORE/purchases.json (rows in
         and out; for a synthetic log its calibration, too)
"""

from collections.abc import Sequence
from pathlib import Path

from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io.files import read_table
from jsae.purchases import filter as purchases
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    store = _main.parser(__doc__, "store").parse_args(arguments).store
    data = parameters.load(paths.PARAMETERS).data
    folder = paths.raw(store)
    if store == "completejourney":
        purchases.filter_completejourney(
            folder / "transactions.parquet",
            paths.purchases(store),
            paths.purchases_summary(store),
            most_bought_items=data.completejourney.most_bought_items,
            minimum_user_purchases=data.completejourney.minimum_user_purchases,
        )
        return
    settings = data.kechinov if store == "kechinov" else data.synthetic
    months = data.kechinov.raw.months if store == "kechinov" else ["2019-Oct"]
    purchases.filter_event_logs(
        [_log(folder, month) for month in months],
        paths.purchases(store),
        paths.purchases_summary(store),
        source=store,
        minimum_item_purchases=settings.minimum_item_purchases,
        minimum_user_purchases=settings.minimum_user_purchases,
        counting=settings.counting,
        bad_rows=settings.bad_rows,
        duplicates=settings.duplicates,
        calibration=read_table(folder / "calibration.parquet").rows(named=True) if store == "synthetic" else [],
    )


def _log(folder: Path, month: str) -> Path:
    for suffix in (".csv.gz", ".csv"):
        if (folder / f"{month}{suffix}").is_file():
            return folder / f"{month}{suffix}"
    raise JsaeError(f"{folder / month}.csv.gz is missing: run the download stage")


if __name__ == "__main__":
    _main.run(main)
