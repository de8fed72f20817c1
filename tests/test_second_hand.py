"""A second pair of hands: the verdicts once more, from the curves, with pandas and SciPy, by what report/plan.md says.

Claims, margins, levels and causes are written here as the plan has them. Nothing is imported from the project but what
makes and aggregates the made study.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st

from stages import aggregate
from tests import made_runs

# All runs of a cell may count with the same number of epochs, as those of RA in the recommender.
pytestmark = pytest.mark.filterwarnings("ignore:Precision loss occurred")

ROOT = Path(__file__).resolve().parent.parent
CELL = ["environment", "agent", "embedding", "reading"]
Words = tuple[str, str, str, str]
Record = dict[str, Any]

# Section 5: panel, claims, margins.
GAMES = {"2a": "gridworld-continuous", "2b": "gridworld-discrete", "2c": "slot-machine"}
MARGIN = {"better": 0.05, "comparable": 0.1, "faster": 0.1}
MARGIN_OF_RETURN = {"better": 25.0, "comparable": 96.0}
LEVEL, WINDOW = 0.025, 20
LEVEL_TO_REACH = {"recommender": 0.25, "gridworld-discrete": 0.5}
SUCCESS = {"gridworld-continuous": 0.0, "gridworld-discrete": 0.0, "slot-machine": 60.0}


def words(environment: str, agent: str, embedding: str, reading: str = "") -> Words:
    return environment, agent, embedding, reading


def planned() -> dict[tuple[str, str, Words, Words], str]:
    """The family of each claim, by kind, measure and the two cells."""
    found = {}
    for panel, environment in GAMES.items():
        for other in ("none", "ra"):
            for measure in ("end", "speed"):
                pair = words(environment, "vpg", "jsae"), words(environment, "vpg", other)
                found["comparable" if panel == "2a" else "better", measure, *pair] = panel
    for measure in ("end", "speed"):
        pair = words("half-cheetah", "vpg", "jsae"), words("half-cheetah", "vpg", "none")
        found["comparable", measure, *pair] = "2d"
    for agent in ("vpg", "ppo", "sac"):
        for other in ("none", "ra"):
            pair = words("recommender", agent, "jsae"), words("recommender", agent, other)
            found |= {("better", measure, *pair): "2e" for measure in ("end", "speed")}
            found["faster", "epochs", *pair] = "2e"
        if agent != "sac":
            pair = words("recommender", agent, "none"), words("recommender", agent, "ra")
            found["better", "end", *pair] = "2e-baselines"
    pair = words("gridworld-discrete", "vpg", "jsae_transfer"), words("gridworld-discrete", "vpg", "jsae")
    return found | {("better", "speed", *pair): "2f", ("faster", "epochs", *pair): "2f"}


def predictions() -> list[tuple[str, str, str, list[Words]]]:
    """Section 8, with the deviations on C2, frozen vectors, speed and random vectors: cause, kind, measure, cells."""
    shop = {agent: words("recommender", agent, "jsae") for agent in ("vpg", "ppo", "sac")}
    grid, cheetah = ("gridworld-discrete", "vpg", "jsae"), ("half-cheetah", "vpg")
    found = [("C1", "better", [(*shop[agent][:3], "matched-spread"), shop[agent]]) for agent in ("vpg", "ppo")]
    still = {agent: (*cell[:3], "frozen") for agent, cell in shop.items()}
    found += [("C1-frozen", "better", [(*still[agent][:3], "matched-spread-frozen"), still[agent]])
              for agent in ("vpg", "ppo")]  # fmt: skip
    for agent, cell in shop.items():
        found += [(f"C2-{agent.upper()}", "better", [(*cell[:3], name), cell]) for name in ("frozen", "undecayed")]
    for name, others in (("C3", shop), ("C3-frozen", still)):
        found += [(name, "better", [words("recommender", agent, "jsae_by_price"), others[agent]]) for agent in shop]
    found += [("C4", "fewer", [words(*grid, "slow-rate"), words(*grid, "largest-rate")])]
    found += [("C4", "fewer", [words(*grid, "goal-10"), words(*grid)])]
    found += [("C5", "better", [words(*cheetah, "none"), words(*cheetah, "action_only")])]
    found += [("C5", "better", [words(*cheetah, "state_only"), words(*cheetah, "action_only")])]
    found += [("C6", "better", [(*shop["sac"][:3], "negligible-alpha"), shop["sac"]])]
    for environment in GAMES.values():
        pair = [(environment, "vpg", "jsae"), (environment, "vpg", "none")]
        for reading in ("four-steps", "ppo"):
            found.append(("C7", "smaller", [*(words(*cell, reading) for cell in pair), *(words(*c) for c in pair)]))
    speed = [("C7-speed", kind, cells) for name, kind, cells in found if name == "C7"]
    for environment in GAMES.values():
        pair = [words(environment, "vpg", "ra", "untrained-ra"), words(environment, "vpg", "none")]
        speed.append(("C8", "better", pair))
    return [(name, kind, measure, cells)
            for measure, of in (("end", found), ("speed", speed)) for name, kind, cells in of]  # fmt: skip


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


class Study:
    """What a study has written: its curves, and what the project says of them."""

    def __init__(self, folder: Path) -> None:
        columns = [*CELL, "seed", "epoch", "mean_return"]
        curves = pd.read_parquet(folder / "tables/curves.parquet", columns=columns)
        reference = pd.read_parquet(folder / "tables/final.parquet").groupby(CELL)[["random_return", "optimal_return"]]
        self.reference = reference.first().to_dict("index")
        self.curves = {cell: rows.pivot_table(index="epoch", columns="seed", values="mean_return")
                       for cell, rows in curves.groupby(CELL)}  # fmt: skip
        self.claims = [one for one in read(folder / "claims.json") if one["kind"] != "fact"]
        self.readings = read(folder / "tables/readings.json")
        self.causes = read(folder / "tables/causes.json")

    def way(self, cell: Words, share: float) -> float:
        """The return that lies this share of the way from the random to the optimal one."""
        ends = self.reference[cell]
        return float(ends["random_return"] + share * (ends["optimal_return"] - ends["random_return"]))

    def share(self, cell: Words, returns: np.ndarray) -> np.ndarray:
        ends = self.reference[cell]
        return np.asarray((returns - ends["random_return"]) / (ends["optimal_return"] - ends["random_return"]))

    def end(self, cell: Words) -> np.ndarray:
        wide = self.curves[cell]
        return np.asarray(wide.tail(max(len(wide) // 10, 1)).mean())

    def value(self, cell: Words, measure: str) -> np.ndarray:
        returns = self.end(cell) if measure == "end" else np.asarray(self.curves[cell].mean())
        return returns if cell[0] == "half-cheetah" else self.share(cell, returns)

    def epochs(self, cell: Words, level: float) -> np.ndarray:
        above = self.curves[cell].rolling(WINDOW).mean() >= level
        return np.where(above.any(), above.idxmax(), len(above)).astype(float)

    def succeed(self, cell: Words) -> int:
        primary = words(*cell[:3])
        limit = self.way(cell, float(self.share(primary, np.array(SUCCESS[cell[0]]))))
        return int((self.end(cell) > limit).sum())


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(params=["made", "published"])
def study(request: pytest.FixtureRequest) -> Study:
    if request.param == "made":
        return Study(Path(request.getfixturevalue("made")))
    if not (ROOT / "published/tables/causes.json").exists():
        pytest.skip("the study of this version is not published yet")
    return Study(ROOT / "published")


def samples(study: Study, record: Record) -> tuple[np.ndarray, np.ndarray, float]:
    """Of each cell of a claim its values, the claimed side positive, and the margin."""
    first, second = cells_of(record)
    if record["kind"] == "faster":
        level = study.way(second, LEVEL_TO_REACH[first[0]])
        x, y = (-study.epochs(cell, level) for cell in (first, second))
        return x, y, MARGIN["faster"] * len(study.curves[second])
    x, y = (study.value(cell, record["measure"]) for cell in (first, second))
    return x, y, (MARGIN_OF_RETURN if first[0] == "half-cheetah" else MARGIN)[record["kind"]]


def cells_of(record: Record) -> list[Words]:
    return [words(*record[end]) for end in ("first", "second")]


def sides(x: np.ndarray, y: np.ndarray) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """p-values of Welch's tests that the difference of means is above and below a bound."""

    def p(bound: float, alternative: str) -> float:
        return float(st.ttest_ind(x - bound, y, equal_var=False, alternative=alternative).pvalue)

    return (lambda bound: p(bound, "greater")), (lambda bound: p(bound, "less"))


def holm(p: list[float]) -> np.ndarray:
    order, adjusted = np.argsort(p), np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1)).clip(max=1.0)
    return adjusted


def check(study: Study, records: list[Record], family: dict[tuple[Any, ...], str], least: int) -> None:
    """Effects, intervals, p-values and verdicts of some records; families are those of the plan."""
    found: dict[tuple[str, str], list[tuple[Record, float, float]]] = {}
    tested = 0
    for record in records:
        primary = tuple(words(*cell[:3]) for cell in cells_of(record))
        place = record["reading"], family[record["kind"], record["measure"], *primary]
        p = (1.0, 1.0)
        if record["verdict"] != "not tested":
            tested += 1
            x, y, margin = samples(study, record)
            above, below = sides(x, y)
            interval = st.ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
            assert record["effect"] == pytest.approx(x.mean() - y.mean(), rel=1e-5, abs=1e-6), record["id"]
            assert (record["low"], record["high"]) == pytest.approx(tuple(interval), rel=1e-5, abs=1e-6), record["id"]
            assert record["margin"] == pytest.approx(margin)
            if record["kind"] == "comparable":
                p = max(above(-margin), below(margin)), min(above(margin), below(-margin))
            else:
                p = above(0.0), below(margin)
        elif "no run of either cell reaches the level" in record["reason"]:
            x, y, _ = samples(study, record)
            limit = len(study.curves[cells_of(record)[1]])
            assert (x == -limit).all()
            assert (y == -limit).all()
        else:
            assert record["reason"].endswith(("has no run", "has one seed only", "have not run", "is not known"))
        found.setdefault(place, []).append((record, *p))
    assert tested >= least
    for of_family in found.values():
        supports, against = holm([one[1] for one in of_family]), holm([one[2] for one in of_family])
        for (record, *_), yes, no in zip(of_family, supports, against, strict=True):
            if record["verdict"] != "not tested":
                assert (record["p"], record["p_against"]) == pytest.approx((yes, no), rel=1e-4, abs=1e-9), record["id"]
                verdict = "supported" if yes <= LEVEL else "contradicted" if no <= LEVEL else "inconclusive"
                assert record["verdict"] == verdict, record["id"]


def test_the_claims_are_those_of_the_plan_and_come_out_the_same_by_other_code(study: Study) -> None:
    said = {(one["kind"], one["measure"], *cells_of(one)): one for one in study.claims}
    assert set(said) == set(planned())
    assert len(said) == len(study.claims)
    check(study, study.claims, planned(), least=20)


def test_comparisons_under_readings_come_out_the_same_by_other_code(study: Study) -> None:
    assert {record["reading"] for record in study.readings} >= {"four-steps", "ppo", "goal-10", "frozen", "no-bonus"}
    assert not [record for record in study.readings if record["figure"] == "2f"]
    check(study, study.readings, planned(), least=50)


def test_causes_are_those_of_the_plan_and_come_out_the_same_by_other_code(study: Study) -> None:
    said = [(one["id"], one["kind"], one["measure"], [words(*cell) for cell in one["cells"]]) for one in study.causes]
    assert said == predictions()
    tested = [record for record in study.causes if record["verdict"] != "not tested"]
    assert len(tested) > 15
    for record in tested:
        cells = [words(*cell) for cell in record["cells"]]
        if record["kind"] == "fewer":
            n = [study.curves[cell].shape[1] for cell in cells]
            missed = [seeds - study.succeed(cell) for seeds, cell in zip(n, cells, strict=True)]
            p = float(st.hypergeom.cdf(missed[0], sum(n), sum(missed), n[0]))  # Fisher's exact test
            assert record["effect"] == pytest.approx(missed[1] / n[1] - missed[0] / n[0])
            assert record["p"] == pytest.approx(p)
            assert record["verdict"] == ("supported" if p <= LEVEL else "inconclusive")
            continue
        means, variances, freedoms = zip(*(summed(study.value(cell, record["measure"])) for cell in cells), strict=True)
        signs = np.array([1, -1] if len(cells) == 2 else [-1, 1, 1, -1])  # (c − d) − (a − b)
        effect, variance = float(signs @ np.array(means)), sum(variances)
        spread = st.t(
            variance**2 / sum(v**2 / f for v, f in zip(variances, freedoms, strict=True)), effect, variance**0.5
        )
        margin = MARGIN_OF_RETURN["better"] if cells[0][0] == "half-cheetah" else MARGIN["better"]
        supports, contradicts = spread.cdf(0.0), spread.sf(margin)
        assert record["effect"] == pytest.approx(effect, rel=1e-5, abs=1e-6)
        assert (record["low"], record["high"]) == pytest.approx(spread.interval(0.95), rel=1e-4, abs=1e-6)
        verdict = "supported" if supports <= LEVEL else "contradicted" if contradicts <= LEVEL else "inconclusive"
        assert record["verdict"] == verdict, record["aspect"]


def summed(x: np.ndarray) -> tuple[float, float, int]:
    """Mean, variance of the mean, degrees of freedom."""
    return float(x.mean()), float(x.var(ddof=1)) / len(x), len(x) - 1


def test_permutation_tests_come_out_the_same_by_other_code(study: Study) -> None:
    chance = np.random.default_rng(5)
    tested = [record for record in study.claims if record["verdict"] != "not tested"]
    for record in tested:
        x, y, _ = samples(study, record)
        both, difference = np.concatenate([x, y]), x.mean() - y.mean()
        drawn = chance.permuted(np.tile(both, (4_000, 1)), axis=1)
        shuffled = drawn[:, : len(x)].mean(axis=1) - drawn[:, len(x) :].mean(axis=1)
        p = (np.abs(shuffled) >= abs(difference) - 1e-12).mean()
        assert record["p_permutation"] == pytest.approx(p, abs=0.05), record["id"]


def test_success_rates_come_out_the_same_by_other_code(study: Study) -> None:
    checked = 0
    for record in [*study.claims, *study.readings]:
        for cell, said in zip(cells_of(record), record["success"] or [], strict=False):
            k, n = study.succeed(cell), study.curves[cell].shape[1]
            assert (said["runs"], said["of"]) == (k, n)
            low = st.beta.ppf(0.025, k, n - k + 1) if k else 0.0
            high = st.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
            assert (said["low"], said["high"]) == pytest.approx((low, high))
            checked += 1
    assert checked > 30
