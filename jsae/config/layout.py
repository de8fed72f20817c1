"""Where every file of a study is, relative to the root of the project: the paths that dvc.yaml declares."""

from pathlib import Path

PARAMETERS = Path("params.yaml")
RUNS = Path("workflow/runs.yaml")
CHECKPOINTS = Path(".checkpoints")
CALIBRATION = Path("data/calibration")
PROCESSED = Path("data/processed")
CLAIMS = Path("report/claims.yaml")
PUBLISHED = Path("published")
PUBLISHED_CURVES = PUBLISHED / "tables" / "curves.parquet"
BEST = Path("search/best/primary.yaml")
"""What the search found."""
SEARCH = Path("search/settings.csv")
SEARCH_TIMES = Path("search/times.csv")
RESULTS = Path("results")
SETTINGS = RESULTS / "settings"


def settings(stage: str) -> Path:
    """All that a stage reads besides data, by the stage's name in dvc.yaml: results/settings/train/….json."""
    return SETTINGS / f"{stage.replace('@', '/')}.json"


def searched(cell: str) -> Path:
    """Every setting of a cell that the search has tried."""
    return RESULTS / "search" / f"{cell}.parquet"


def raw(source: str) -> Path:
    """Folder of a data set's files as they came."""
    return Path("data/raw") / source


def purchases(source: str) -> Path:
    """The purchases of a data set that the filter keeps."""
    return PROCESSED / source / "purchases.parquet"


def transitions(source: str) -> Path:
    """The n-gram model of a data set."""
    return PROCESSED / source / "transitions.safetensors"


def environment(name: str) -> Path:
    """All that an environment is made from, in one file."""
    return PROCESSED / "environments" / f"{name}.safetensors"


def reference_returns(name: str) -> Path:
    """Expected return of the random and of the best policy: {"random_return", "optimal_return", "error"}."""
    return PROCESSED / "environments" / f"{name}.json"


def samples(name: str) -> Path:
    """Transitions of the uniform random policy, for pre-training; `name` ends with the block of seeds."""
    return PROCESSED / "samples" / f"{name}.safetensors"


def embeddings(scale: str, name: str) -> Path:
    """Pre-trained embeddings of a block of seeds."""
    return RESULTS / scale / "embeddings" / f"{name}.safetensors"


def curves(scale: str, name: str) -> Path:
    """A row per run and epoch of one cell and block of seeds."""
    return RESULTS / scale / "runs" / f"{name}.parquet"


def weights(scale: str, name: str) -> Path:
    """Final parameters of a cell's agents and embeddings."""
    return curves(scale, name).with_suffix(".safetensors")


def tables(scale: str) -> Path:
    return RESULTS / scale / "tables"


def claims(scale: str) -> Path:
    """What the runs say about each claim of the paper."""
    return RESULTS / scale / "claims.json"


def theory(scale: str) -> Path:
    """What holds of the paper's lemmas and assumptions: {"facts": by claim, "checks": the numbers behind them}."""
    return RESULTS / scale / "theory.json"


def probes(scale: str) -> Path:
    """Folder of what was measured of the pre-trained embeddings."""
    return RESULTS / scale / "probes"


def value_maps(scale: str) -> Path:
    """What the agents of the gridworlds expect at every place, and how often they are there."""
    return RESULTS / scale / "value_maps.parquet"


def metrics(scale: str) -> Path:
    """Folder with a few numbers of each cell, for `dvc metrics`."""
    return RESULTS / scale / "metrics"


def summary(scale: str) -> Path:
    """A row a cell, for `dvc plots`."""
    return RESULTS / scale / "summary.csv"


def figures(scale: str) -> Path:
    return RESULTS / scale / "figures"


def provenance(scale: str) -> Path:
    """Folder of the wall times and machine facts that lie next to the results and are no output of a stage."""
    return RESULTS / scale / "provenance"


def record(stage: str, scale: str = "shared") -> Path:
    """The provenance record of a stage; "shared" holds those of the stages that all scales share."""
    return provenance(scale) / f"{stage.replace('@', '/')}.json"


def scratch(stage: str, scale: str = "shared") -> Path:
    """Folder of a stage's checkpoints, apart from its outputs."""
    return CHECKPOINTS / scale / stage.replace("@", "/")


def report(scale: str) -> Path:
    return Path("report") / scale / "report.html"


def paper(scale: str) -> Path:
    return report(scale).with_name("paper.pdf")


def supplement(scale: str) -> Path:
    """The long tables, as PDF."""
    return report(scale).with_name("supplement.pdf")


def run_browser(scale: str) -> Path:
    """Page to browse every run."""
    return report(scale).with_name("runs.html")


def report_provenance(scale: str) -> Path:
    """Page next to the report with the facts about this machine's runs: no output of a stage."""
    return report(scale).with_name("provenance.html")
