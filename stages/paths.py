"""Where every file of the study lies, relative to the root of the project: the same paths that dvc.yaml declares."""

from pathlib import Path

PARAMETERS = Path("params.yaml")
CHECKPOINTS = Path(".checkpoints")
DATA = Path("data/processed")
CALIBRATION = Path("data/calibration")
CLAIMS = Path("report/claims.yaml")
CODE = Path("results/shared/code")
PUBLISHED = Path("published")
SEARCH = Path("search/settings.csv")
SEARCH_TIMES = Path("search/times.csv")
BEST = Path("search/best.yaml")
SETTINGS = Path("results/shared/settings")


def code(stage: str) -> Path:
    """Which files a stage runs; `stage` names it and what chooses its modules, as train/slot-machine-vpg-jsae."""
    return CODE / f"{stage}.txt"


def settings(stage: str, *names: str) -> Path:
    """Hyper-parameters of a cell, by the names that choose it."""
    return SETTINGS / stage / f"{'-'.join(names)}.json"


def searched(environment: str, agent: str, embedding: str) -> Path:
    """Every setting of a cell that the search has tried."""
    return Path("results/search") / environment / f"{agent}-{embedding}.parquet"


def raw(store: str) -> Path:
    """Folder of a store's files as they came."""
    return Path("data/raw") / store


def purchases(store: str) -> Path:
    """The purchases of a store that the filter keeps."""
    return DATA / store / "purchases.parquet"


def purchases_summary(store: str) -> Path:
    return purchases(store).with_suffix(".json")


def transitions(store: str) -> Path:
    """The n-gram model of a store."""
    return DATA / store / "transitions.safetensors"


def transitions_summary(store: str) -> Path:
    return transitions(store).with_suffix(".json")


def samples(environment: str, cohort: str) -> Path:
    """Transitions of the uniform random policy, for pre-training."""
    return DATA / "samples" / environment / f"{cohort}.safetensors"


def bounds(environment: str) -> Path:
    """Expected return of the random and of the best policy: {"random_return": …, "optimal_return": …}."""
    return DATA / "bounds" / f"{environment}.json"


def embedding(scale: str, environment: str, embedding: str, cohort: str) -> Path:
    """Pre-trained embeddings of a cohort."""
    return Path("results") / scale / "embeddings" / environment / embedding / f"{cohort}.safetensors"


def embedding_losses(scale: str, environment: str, name: str, cohort: str) -> Path:
    return embedding(scale, environment, name, cohort).with_suffix(".parquet")


def curves(scale: str, environment: str, agent: str, embedding: str, cohort: str) -> Path:
    """A tidy row per run and epoch of one cell and cohort."""
    return Path("results") / scale / "runs" / environment / f"{agent}-{embedding}" / f"{cohort}.parquet"


def weights(scale: str, environment: str, agent: str, embedding: str, cohort: str) -> Path:
    """Final parameters of a cell's agents and embeddings."""
    return curves(scale, environment, agent, embedding, cohort).with_suffix(".safetensors")


def tables(scale: str) -> Path:
    return Path("results") / scale / "tables"


def claims(scale: str) -> Path:
    """What the runs say about each claim of the paper."""
    return Path("results") / scale / "claims.json"


def theory(scale: str) -> Path:
    """What holds of the paper's lemmas and assumptions: {"facts": by claim, "checks": the numbers behind them}."""
    return Path("results") / scale / "theory.json"


def quality(scale: str) -> Path:
    """Folder of what was measured of the pre-trained embeddings."""
    return Path("results") / scale / "quality"


def maps(scale: str) -> Path:
    """What the agents of the gridworlds think of every place, and how often they are there."""
    return Path("results") / scale / "maps.parquet"


def metrics(scale: str) -> Path:
    return Path("results") / scale / "metrics.json"


def summary(scale: str) -> Path:
    """A row a cell, for `dvc plots`."""
    return Path("results") / scale / "summary.csv"


def figures(scale: str) -> Path:
    return Path("results") / scale / "figures"


def provenance(scale: str) -> Path:
    """Folder of the wall times and machine facts that lie beside the results and are no output of a stage."""
    return Path("results") / scale / "provenance"


def record(stage: str, *item: str, scale: str = "shared") -> Path:
    """The provenance record of one run of a stage; "shared" holds those of the stages that both scales share."""
    return provenance(scale) / stage / ("/".join(item or ("run",)) + ".json")


def report(scale: str) -> Path:
    return Path("report") / scale / "report.html"


def paper(scale: str) -> Path:
    return report(scale).with_name("paper.pdf")


def run_browser(scale: str) -> Path:
    """Page to browse every run."""
    return report(scale).with_name("runs.html")


def report_provenance(scale: str) -> Path:
    """Page beside the report with the facts about this machine's runs: no output of a stage."""
    return report(scale).with_name("provenance.html")
