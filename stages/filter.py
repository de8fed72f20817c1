"""The purchases that the paper keeps (appendix A.4.1).

inputs   data/raw/SOURCE
outputs  purchases (user, item, price, time), and counts of rows in and out; for a synthetic log its calibration, too
"""

from jsae.io.declared import Declared
from jsae.io.files import read_table
from jsae.purchases import download
from jsae.purchases import filter as purchases
from stages import _main


def main(declared: Declared) -> None:
    values = dict(declared.values)
    source, months, folder = values.pop("source"), values.pop("months"), declared.input("folder")
    kept, summary = declared.outputs["purchases"], declared.outputs["summary"]
    if source == "completejourney":
        purchases.filter_completejourney(folder, kept, summary, **values)
        return
    if source == "synthetic":
        logs = [folder / "2019-Oct.csv.gz"]
        calibration = read_table(folder / "calibration.parquet").rows(named=True)
    else:
        logs, calibration = download.recorded_logs(months, folder), []
    purchases.filter_event_logs(logs, kept, summary, source=source, calibration=calibration, **values)


if __name__ == "__main__":
    _main.run(main)
