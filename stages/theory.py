"""Check the paper's theory with numbers: Lemma 1, Theorem 1, Lemma 2, and Assumption 3 of every φ of the study.

inputs   params.yaml: theory, agents.common.discount, data.transitions.order, study; which gridworlds are discrete;
         results/SCALE/embeddings/ENVIRONMENT/EMBEDDING/COHORT.safetensors and
         results/SCALE/runs/ENVIRONMENT/AGENT-EMBEDDING/COHORT.safetensors of each cell and cohort
outputs  results/SCALE/theory.json: {"facts": {claim: {"holds", "measure", "value", "n"}}, "checks": rows as of
         jsae.theory.checks.record, "missing": files of cells that have not run}

A φ that training left as pre-training made it is checked once, before training.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io import checkpoint, provenance
from jsae.io.files import write_atomically
from jsae.io.workers import run_shards
from jsae.theory import checks as theory
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    scale = _main.parser(__doc__, "scale").parse_args(arguments).scale
    with provenance.recorded(paths.record("theory", scale=scale), "theory"):
        check(scale, parameters.load(paths.PARAMETERS))


def check(scale: str, settings: parameters.Parameters) -> None:
    """Write theory.json of `scale`."""
    numbers = settings.theory
    rows = theory.check_lemmas(
        problems=numbers.problems,
        states=numbers.states,
        actions=numbers.actions,
        cells=numbers.cells_per_action,
        discount=settings.agents.common.discount,
    )
    missing: list[str] = []
    calls = [
        {
            "environment": environment,
            "phi": phi.numpy(),
            "one_hots": one_hots_of(settings, environment),
            "near": numbers.near,
            "sample": numbers.sampled_states,
            "which": which,
        }
        for environment, phi, which in embeddings(scale, settings, missing)
    ]
    for checked in run_shards(check_embedding, calls, total=len(calls), label="theory"):
        rows += checked
    content = {"facts": theory.facts(rows, numbers.tolerance), "checks": rows, "missing": missing}
    with write_atomically(paths.theory(scale)) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def check_embedding(
    *,
    environment: str,
    phi: np.ndarray,
    one_hots: int,
    near: float,
    sample: int,
    which: dict[str, Any],
    progress: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Assumption 3 of one φ, in rows of theory.json."""
    table = torch.from_numpy(phi)
    if one_hots:
        found = theory.check_discrete(environment, table, one_hots, near=near, sample=sample, **which)
    else:
        found = theory.check_continuous(environment, table, **which)
    progress(1)
    return found


def embeddings(
    scale: str, settings: parameters.Parameters, missing: list[str]
) -> Iterator[tuple[str, torch.Tensor, dict[str, Any]]]:
    """(environment, φ [rows, m], {"embedding", "trained", "seed"}) of every φ; files that are not there join `missing`.

    Cells whose state is not embedded have no φ.
    """
    cells = sorted(set(settings.cells()))
    for environment, name in sorted({(environment, name) for environment, _, name in cells}):
        for cohort in settings.cohorts:
            seeds = parameters.seeds_of(cohort)
            before = tensors(paths.embedding(scale, environment, name, cohort), missing).get("phi")
            if before is None:
                continue
            for seed, phi in zip(seeds, before, strict=True):
                yield environment, phi, {"embedding": name, "trained": "", "seed": seed}
            for agent in (agent for e, agent, n in cells if (e, n) == (environment, name)):
                after = tensors(paths.weights(scale, environment, agent, name, cohort), missing).get("embedding.phi")
                if after is not None and not torch.equal(after, before):
                    for seed, phi in zip(seeds, after, strict=True):
                        yield environment, phi, {"embedding": name, "trained": agent, "seed": seed}


def tensors(path: Path, missing: list[str]) -> dict[str, torch.Tensor]:
    """What a file holds; nothing if it is not there, which `missing` then says."""
    if not path.exists():
        missing.append(path.as_posix())
        return {}
    return checkpoint.load(path)[0]


def one_hots_of(settings: parameters.Parameters, name: str) -> int:
    """How many one-hot vectors the state of an environment is; 0 where it is a vector of coordinates."""
    match settings.environments[name]:
        case parameters.Gridworld(dynamics=dynamics):
            return int(dynamics.discrete)
        case parameters.SlotMachine():
            return 1
        case parameters.Recommender():
            return settings.data.transitions.order
        case parameters.HalfCheetah():
            return 0
        case other:
            raise JsaeError(f"{name}: stages/theory.py does not know what the states of {other.module} are")


if __name__ == "__main__":
    _main.run(main)
