"""What the study reports about the theory: each lemma and Assumption 3 as rows, and what they say about claims."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.theory.lemmas import (
    AVERAGES,
    lemma_1,
    lemma_1_gaussian,
    lemma_2,
    lemma_2_again,
    smallest_error_of_eq_2,
    theorem_1,
)
from jsae.theory.mdp import STATE_EMBEDDING_SIZE, collided, random_problem
from jsae.theory.separation import all_embeddings, separation, smallest_singular_value

Record = dict[str, Any]


def record(check: str, where: str, quantity: str, value: float, **more: Any) -> Record:
    """A row of the table of checks.

    | key | what |
    |---|---|
    | check | lemma-1, theorem-1, lemma-2 or assumption-3 |
    | where | on what: injective φ, 1 pair of states collides, ...; an environment |
    | quantity, value | what was measured |
    | low, high | its range over the problems, where `value` is the median |
    | n | problems, or states |
    | embedding, trained, seed | of a φ; trained: by which agent, empty for pre-trained only |
    """
    empty: Record = dict.fromkeys(("low", "high", "n", "embedding", "trained", "seed"))
    return {"check": check, "where": where, "quantity": quantity, "value": value, **empty, **more}


def check_lemmas(*, problems: int, states: int, actions: int, cells: int, discount: float) -> list[Record]:
    """Lemma 1, Theorem 1 and Lemma 2 on `problems` random problems, with injective φ and with states that collide.

    Where they should hold the value is the largest over the problems; where states collide it is the median.
    """
    given = [
        random_problem(seed, states=states, actions=actions, cells=cells, discount=discount) for seed in range(problems)
    ]
    draws = [np.random.default_rng([1, seed]) for seed in range(problems)]
    thetas = [torch.from_numpy(draw.normal(0, 0.5, (STATE_EMBEDDING_SIZE + 1, 2))) for draw in draws]
    policies = [torch.from_numpy(draw.dirichlet(np.ones(actions), states)) for draw in draws]
    records = [
        _largest("lemma-1", "relative error for any π", map(lemma_1, given, policies)),
        _largest("lemma-1", "relative error for a Gaussian πi", map(lemma_1_gaussian, given, thetas)),
        _largest("theorem-1", "relative error of v^πo against v*", map(theorem_1, given)),
    ]
    found = [{**lemma_2(*one, ["markov"]), **lemma_2_again(*one)} for one in zip(given, thetas, strict=True)]
    records += [_largest("lemma-2", quantity, [errors[quantity] for errors in found]) for quantity in found[0]]
    for pairs in (1, states // 2):
        broken = [collided(problem, pairs) for problem in given]
        where = "1 pair of states collides" if pairs == 1 else f"{pairs} pairs of states collide"
        records.append(
            _spread(
                "lemma-1", where, "error of Eq. (2), best πi, over range of v*", map(smallest_error_of_eq_2, broken)
            )
        )
        found = [lemma_2(*one, AVERAGES) for one in zip(broken, thetas, strict=True)]
        records += [
            _spread("lemma-2", where, quantity, [errors[quantity] for errors in found]) for quantity in found[0]
        ]
    return records


def _largest(check: str, quantity: str, values: Iterable[float]) -> Record:
    found = _numbers(quantity, values)
    return record(check, "injective φ", quantity, max(found), n=len(found))


def _spread(check: str, where: str, quantity: str, values: Iterable[float]) -> Record:
    found = _numbers(quantity, values)
    return record(check, where, quantity, float(np.median(found)), low=min(found), high=max(found), n=len(found))


def _numbers(quantity: str, values: Iterable[float]) -> list[float]:
    """The values. Raises JsaeError if one is no number: `max` would pass over it."""
    found = list(values)
    if not np.isfinite(found).all():
        raise JsaeError(
            f"{quantity}: {sum(not math.isfinite(value) for value in found)} of {len(found)} are not finite"
        )
    return found


@dataclass(frozen=True)
class Assumption3:
    """The check of one φ, `[rows, m]`, as a job for a worker process.

    one_hots: how many one-hot vectors the observation is; 0: it is a vector. near, sample: see `check_discrete`.
    trained: the agent in whose training φ went on learning; empty for pre-trained only.
    """

    environment: str
    phi: NDArray[np.float32]
    one_hots: int
    near: float
    sample: int
    embedding: str
    trained: str
    seed: int

    def run(self, progress: Callable[[int], None]) -> list[Record]:
        """Rows of the table of checks."""
        phi = torch.from_numpy(self.phi)
        which = {"embedding": self.embedding, "trained": self.trained, "seed": self.seed}
        if self.one_hots:
            found = check_discrete(self.environment, phi, self.one_hots, near=self.near, sample=self.sample, **which)
        else:
            found = check_continuous(self.environment, phi, **which)
        progress(1)
        return found


def check_discrete(
    environment: str, phi: Tensor, one_hots: int, *, near: float, sample: int, **which: Any
) -> list[Record]:
    """Assumption 3 for one φ [rows, m] of one-hot states (see `all_embeddings`, `separation`)."""
    found = separation(all_embeddings(phi, one_hots), near, sample)
    return [
        record("assumption-3", environment, quantity, value, n=n, **which)
        for quantity, value, n in (
            (EQUAL, found.equal, found.states),
            (f"pairs of states nearer than {near:g}", found.near, found.states),
            (f"states with another nearer than {near:g}", found.crowded, found.states),
            ("smallest distance to the nearest other state", found.smallest, found.measured),
            ("median distance to the nearest other state", found.typical, found.measured),
            ("share of states with another nearer than a hundredth of that", found.huddled, found.measured),
        )
    ]


EQUAL = "pairs of states with one embedding"
SINGULAR = "smallest singular value"


def check_continuous(environment: str, phi: Tensor, **which: Any) -> list[Record]:
    """Assumption 3 for one φ [inputs, m] of states that are vectors."""
    value = smallest_singular_value(phi.double().numpy())
    return [record("assumption-3", environment, SINGULAR, value, n=len(phi), **which)]


def facts(records: Sequence[Record], tolerance: float, missing: int = 0) -> dict[str, dict[str, Any]]:
    """What the records say about the paper's claims: {claim: {"holds", "measure", "value", "n"}}.

    Equality is a relative error below `tolerance`; it is told as the number of decimal digits that agree.
    missing: learnt embeddings that have not been checked; with one, Assumption 3 fails or `holds` is None.
    """
    found: dict[str, dict[str, Any]] = {}
    for check in ("lemma-1", "theorem-1", "lemma-2"):
        rows = [row for row in records if row["check"] == check and row["where"] == "injective φ"]
        if rows:
            worst = max(row["value"] for row in rows)
            digits = math.floor(-math.log10(max(worst, np.finfo(np.float64).eps)))
            found[check] = {
                "holds": worst < tolerance,
                "measure": "decimal digits that agree",
                "value": digits,
                "n": rows[0]["n"],
            }
    colliding = [row for row in records if row["check"] == "lemma-1" and row["where"] != "injective φ"]
    if colliding:
        worst = max(row["high"] for row in colliding)
        found["lemma-1-any-embedding"] = {
            "holds": worst < tolerance,
            "measure": "worst value error of the best πi, as a share of the range of optimal values",
            "value": worst,
            "n": sum(row["n"] for row in colliding),
        }
    equal = [row["value"] for row in records if row["quantity"] == EQUAL]
    singular = [row["value"] for row in records if row["quantity"] == SINGULAR]
    if equal or singular:
        holds = not any(equal) and all(value > 0 for value in singular)
        found["assumption-3"] = {
            "holds": None if holds and missing else holds,
            "measure": EQUAL,
            "value": sum(equal),
            "n": len(equal) + len(singular),
        }
    return found
