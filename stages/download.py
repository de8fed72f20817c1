"""Purchases as they came.

inputs   the network or `local_path`, an installed package, or data/calibration
outputs  data/raw/kechinov/MONTH.csv.gz and manifest.json, or data/raw/completejourney/{transactions,products}.parquet,
         or data/raw/synthetic/2019-Oct.csv.gz and calibration.parquet (its marginals next to the published ones)

An interrupted download is resumed from .checkpoints/download.
"""

from jsae.io.declared import Declared
from jsae.purchases import sources
from stages import _main


def main(declared: Declared) -> None:
    values = dict(declared.values)
    source = values.pop("source")
    sources.fetch(source, declared.outputs["folder"], declared.scratch, declared.input("calibration"), values)


if __name__ == "__main__":
    _main.run(main)
