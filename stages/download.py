"""Purchases as they came.

inputs   the network or `local_path`, an installed package, or data/calibration
outputs  data/raw/kechinov/MONTH.csv.gz and manifest.json, or data/raw/completejourney/{transactions,products}.parquet,
         or data/raw/synthetic/2019-Oct.csv.gz and calibration.parquet (its marginals next to the published ones)

An interrupted download is resumed from .checkpoints/download.
"""

from jsae.config.errors import JsaeError
from jsae.io.declared import Declared
from jsae.io.files import write_atomically
from jsae.purchases import download, synthetic
from stages import _main


def main(declared: Declared) -> None:
    folder, values = declared.outputs["folder"], declared.values
    match values["source"]:
        case "completejourney":
            download.copy_completejourney(folder)
        case "kechinov":
            download.download_kechinov(
                values["months"],
                folder,
                declared.scratch,
                mirrors=values["mirrors"],
                local_path=values["local_path"],
            )
        case "synthetic":
            log, calibration = folder / "2019-Oct.csv.gz", declared.input("calibration")
            table = synthetic.generate(log, calibration, purchases=values["purchases"], seed=values["seed"])
            with write_atomically(folder / "calibration.parquet") as temporary:
                table.write_parquet(temporary, statistics=False)
        case source:
            raise JsaeError(f"{source}: there is no such data set; section data of params.yaml has them")


if __name__ == "__main__":
    _main.run(main)
