"""The data sets: how the files of each are fetched, and how the purchases that the paper keeps come out of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsae.config.errors import JsaeError
from jsae.io.files import read_table, write_atomically
from jsae.purchases import download, synthetic
from jsae.purchases.filter import filter_completejourney, filter_event_logs

SYNTHETIC_LOG = "2019-Oct.csv.gz"
"""The name of a log says its month."""
UNKNOWN = "{}: there is no such data set; section data of params.yaml has them"


def fetch(source: str, folder: Path, partial_folder: Path, calibration: Path, values: Mapping[str, Any]) -> None:
    """Put the files of a data set into `folder`: download, copy or draw them.

    Args:
        partial_folder: for unfinished downloads.
        calibration: folder of what is published about the paper's log, for `synthetic`.
        values: section `raw` of the data set in params.yaml.
    """
    match source:
        case "completejourney":
            download.copy_completejourney(folder)
        case "kechinov":
            download.download_kechinov(
                values["months"],
                folder,
                partial_folder,
                mirrors=values["mirrors"],
                local_path=values["local_path"],
            )
        case "synthetic":
            log = folder / SYNTHETIC_LOG
            table = synthetic.generate(log, calibration, purchases=values["purchases"], seed=values["seed"])
            with write_atomically(folder / "calibration.parquet") as temporary:
                table.write_parquet(temporary, statistics=False)
        case _:
            raise JsaeError(UNKNOWN.format(source))


def keep(
    source: str, folder: Path, purchases: Path, summary: Path, *, months: Sequence[str], rules: Mapping[str, Any]
) -> None:
    """Filter the files that `fetch` has put into `folder`: purchases (user, item, price, time), and counts of rows.

    Args:
        months: of the logs of `kechinov`.
        rules: section of the data set in params.yaml without `raw`.
    """
    match source:
        case "completejourney":
            filter_completejourney(folder, purchases, summary, **rules)
        case "kechinov":
            logs = download.recorded_logs(months, folder)
            filter_event_logs(logs, purchases, summary, source=source, **rules)
        case "synthetic":
            table = read_table(folder / "calibration.parquet").rows(named=True)
            logs = [folder / SYNTHETIC_LOG]
            filter_event_logs(logs, purchases, summary, source=source, calibration=table, **rules)
        case _:
            raise JsaeError(UNKNOWN.format(source))
