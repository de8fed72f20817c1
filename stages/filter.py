"""The purchases that the paper keeps (appendix A.4.1).

inputs   data/raw/SOURCE
outputs  purchases (user, item, price, time), and counts of rows in and out; for a synthetic log its calibration, too
"""

from pathlib import Path

from jsae.config.errors import JsaeError
from jsae.io.declared import Declared
from jsae.io.files import read_table
from jsae.purchases import filter as purchases
from stages import _main


def main(declared: Declared) -> None:
    values = dict(declared.values)
    source, months, folder = values.pop("source"), values.pop("months"), declared.input("folder")
    kept, summary = declared.outputs["purchases"], declared.outputs["summary"]
    if source == "completejourney":
        purchases.filter_completejourney(folder / "transactions.parquet", kept, summary, **values)
        return
    calibration = read_table(folder / "calibration.parquet").rows(named=True) if source == "synthetic" else []
    logs = [log(folder, month) for month in months]
    purchases.filter_event_logs(logs, kept, summary, source=source, calibration=calibration, **values)


def log(folder: Path, month: str) -> Path:
    """The file of a month."""
    for suffix in (".csv.gz", ".csv"):
        if (folder / f"{month}{suffix}").is_file():
            return folder / f"{month}{suffix}"
    raise JsaeError(f"{folder / month}.csv.gz is missing: run the download stage")


if __name__ == "__main__":
    _main.run(main)
