"""Keep the purchases that the paper keeps (appendix A.4.1).

inputs   params.yaml (data.source and its section), data/raw/SOURCE
outputs  data/processed/purchases.parquet (user, item, price, time), data/processed/purchases.json (rows in and out)
"""

from collections.abc import Sequence

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
    logs = []
    for month in data.kechinov.months:
        found = [
            folder / f"{month}{suffix}" for suffix in (".csv.gz", ".csv") if (folder / f"{month}{suffix}").is_file()
        ]
        if not found:
            raise JsaeError(f"{folder / month}.csv.gz is missing: run the download stage")
        logs.append(found[0])
    purchases.filter_kechinov(
        logs,
        paths.purchases(),
        paths.purchases_summary(),
        minimum_item_purchases=data.kechinov.minimum_item_purchases,
        minimum_user_purchases=data.kechinov.minimum_user_purchases,
        counting=data.kechinov.counting,
        bad_rows=data.kechinov.bad_rows,
        duplicates=data.kechinov.duplicates,
    )


if __name__ == "__main__":
    _main.run(main)
