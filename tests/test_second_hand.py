"""A second pair of hands: verdicts from the curves once more, with pandas and SciPy, by the formulas of report/plan.md.

Nothing here is imported from the project but what makes and aggregates the runs.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st
import yaml

from stages import aggregate
from tests import made_runs

ROOT = Path(__file__).resolve().parent.parent
CELL = ["environment", "agent", "embedding", "reading"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made study at the paper's scale, aggregated by the project."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "report").mkdir()
        (folder / "report/claims.yaml").write_text((ROOT / "report/claims.yaml").read_text(encoding="utf-8"))
        made_runs.write_all(made_runs.planned("paper"))
        aggregate.main(made_runs.declared("aggregate"))
    return folder / "results/paper"


@pytest.fixture(params=["made", "published"])
def study(request: pytest.FixtureRequest) -> Path:
    if request.param == "made":
        return Path(request.getfixturevalue("made"))
    if not (ROOT / "published/tables/causes.json").exists():
        pytest.skip("the study of this version is not published yet")
    return ROOT / "published"


def by_hand(folder: Path) -> pd.DataFrame:
    """Each run's end and speed, normalized and as they are."""
    curves = pd.read_parquet(folder / "tables/curves.parquet", columns=[*CELL, "seed", "epoch", "mean_return"])
    known = pd.read_parquet(folder / "tables/final.parquet")[[*CELL, "seed", "random_return", "optimal_return"]]
    last = curves.groupby([*CELL, "seed"])["epoch"].transform("max")
    tail = curves[curves["epoch"] > last - np.maximum(last // 10, 1)]
    runs = pd.DataFrame(
        {
            "end": tail.groupby([*CELL, "seed"])["mean_return"].mean(),
            "speed": curves.groupby([*CELL, "seed"])["mean_return"].mean(),
        }
    )
    return runs.join(known.set_index([*CELL, "seed"]))


def values(runs: pd.DataFrame, cell: list[str], measure: str, unit: str) -> np.ndarray:
    of_cell = runs.loc[tuple([*cell, ""][:4])]
    x = of_cell[measure]
    if unit == "normalized":
        x = (x - of_cell["random_return"]) / (of_cell["optimal_return"] - of_cell["random_return"])
    return x.to_numpy()


def epochs_to_level(folder: Path, record: dict[str, Any], runs: pd.DataFrame, window: int) -> list[np.ndarray]:
    curves = pd.read_parquet(folder / "tables/curves.parquet", columns=[*CELL, "seed", "epoch", "mean_return"])
    curves = curves.set_index(CELL).sort_index()
    ends = runs.loc[tuple([*record["second"], ""][:4])].iloc[0]
    level = ends["random_return"] + record["level"] * (ends["optimal_return"] - ends["random_return"])
    found = []
    for cell in (record["first"], record["second"]):
        wide = curves.loc[tuple([*cell, ""][:4])].pivot_table(index="epoch", columns="seed", values="mean_return")
        above = wide.rolling(window).mean() >= level
        found.append(np.where(above.any(), above.idxmax(), len(wide)).astype(float))
    return found


def p_of(record: dict[str, Any], x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """p-values of the tests that would support and that would contradict the claim."""

    def above(bound: float) -> float:
        return float(st.ttest_ind(x - bound, y, equal_var=False, alternative="greater").pvalue)

    def below(bound: float) -> float:
        return float(st.ttest_ind(x - bound, y, equal_var=False, alternative="less").pvalue)

    margin = record["margin"]
    if record["kind"] == "comparable":
        return max(above(-margin), below(margin)), min(above(margin), below(-margin))
    return above(0.0), below(margin)


def holm(p: list[float]) -> np.ndarray:
    order, adjusted = np.argsort(p), np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1)).clip(max=1.0)
    return adjusted


def test_effects_intervals_and_verdicts_come_out_the_same_by_other_code(study: Path) -> None:
    book = yaml.safe_load((ROOT / "report/claims.yaml").read_text(encoding="utf-8"))
    family = {line["id"]: line["family"] for line in book["claims"]}
    records = json.loads((study / "claims.json").read_text(encoding="utf-8"))
    records = [record for record in records if record["low"] is not None]
    assert len(records) > 20
    runs, tests = by_hand(study), []
    for record in records:
        if record["measure"] == "epochs":
            x, y = (-epochs for epochs in epochs_to_level(study, record, runs, book["window"]))
        else:
            x, y = (values(runs, record[end], record["measure"], record["unit"]) for end in ("first", "second"))
        found = st.ttest_ind(x, y, equal_var=False)
        low, high = found.confidence_interval(0.95)
        assert record["effect"] == pytest.approx(x.mean() - y.mean(), rel=1e-5, abs=1e-6), record["id"]
        assert (record["low"], record["high"]) == pytest.approx((low, high), rel=1e-5, abs=1e-6), record["id"]
        tests.append((family[record["id"].rsplit("-", 1)[0]], record, *p_of(record, x, y)))
    for name in {name for name, *_ in tests}:
        own = [one for one in tests if one[0] == name]
        supports, against = holm([one[2] for one in own]), holm([one[3] for one in own])
        for (_, record, *_), yes, no in zip(own, supports, against, strict=True):
            verdict = "supported" if yes <= 0.025 else "contradicted" if no <= 0.025 else "inconclusive"
            assert record["verdict"] == verdict, record["id"]


def test_success_rates_come_out_the_same_by_other_code(study: Path) -> None:
    book = yaml.safe_load((ROOT / "report/claims.yaml").read_text(encoding="utf-8"))
    runs, checked = by_hand(study), 0
    for record in json.loads((study / "claims.json").read_text(encoding="utf-8")):
        for cell, said in zip((record["first"], record["second"]), record["success"] or [], strict=False):
            ends = values(runs, cell, "end", "return")
            k, n = int((ends > book["success"][cell[0]]).sum()), len(ends)
            assert (said["runs"], said["of"]) == (k, n)
            low = st.beta.ppf(0.025, k, n - k + 1) if k else 0.0
            high = st.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
            assert (said["low"], said["high"]) == pytest.approx((low, high))
            checked += 1
    assert checked > 10
