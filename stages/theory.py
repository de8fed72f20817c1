"""Check the paper's theory with numbers: Lemma 1, Theorem 1, Lemma 2, and Assumption 3 of every φ of the study.

inputs   environments; pre-trained embeddings, and those that went on learning during training
outputs  {"facts": {claim: {"holds", "measure", "value", "n"}}, "checks": rows (jsae.theory.checks.record)}

A φ that training left as pre-training made it is checked once, before training.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from jsae.config.study import named
from jsae.experience.environment import load_environment
from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.io.files import write_json
from jsae.io.workers import run_batches
from jsae.theory import checks
from stages import _main


def main(declared: Declared) -> None:
    values = declared.values
    rows = checks.check_lemmas(
        problems=values["problems"],
        states=values["states"],
        actions=values["actions"],
        cells=values["cells_per_action"],
        discount=values["discount"],
    )
    worlds = {world: Path(path) for world, path in declared.inputs["environments"].items()}
    one_hots = functools.cache(lambda world: load_environment(worlds[world]).one_hots)
    missing: list[str] = []
    jobs = [
        checks.Assumption3(
            environment=named(entry["environment"], entry["reading"]),
            phi=phi.numpy(),
            one_hots=one_hots(entry["world"]),
            near=values["near"],
            sample=values["sampled_states"],
            embedding=entry["embedding"],
            trained=entry.get("trained", ""),
            seed=seed,
        )
        for entry, seed, phi in embedded(declared, missing)
    ]
    for checked in run_batches(jobs, total=len(jobs), label="theory"):
        rows += checked
    content = {"facts": checks.facts(rows, values["tolerance"], len(missing)), "checks": rows}
    write_json(content, declared.outputs["facts"])


def embedded(declared: Declared, missing: list[str]) -> Iterator[tuple[dict[str, Any], int, torch.Tensor]]:
    """(entry, seed, φ [rows, m]) of every φ; files that are not there join `missing`. Some cells embed no state."""
    before: dict[str, torch.Tensor] = {}
    for entry in declared.values["embeddings"]:
        path = Path(declared.inputs["embeddings"][entry["name"]])
        phi = tensors(path, missing).get("phi")
        if phi is not None:
            before[path.as_posix()] = phi
            yield from ((entry, seed, one) for seed, one in zip(entry["seeds"], phi, strict=True))
    for entry in declared.values["trained"]:
        phi = tensors(Path(declared.inputs["weights"][entry["name"]]), missing).get("embedding.phi")
        known = before.get(entry["pretrained"])
        if phi is not None and (known is None or not torch.equal(phi, known)):
            yield from ((entry, seed, one) for seed, one in zip(entry["seeds"], phi, strict=True))


def tensors(path: Path, missing: list[str]) -> dict[str, torch.Tensor]:
    """What a file holds; nothing if it is not there, which `missing` then says."""
    if not path.exists():
        missing.append(path.as_posix())
        return {}
    return checkpoint.load(path)[0]


if __name__ == "__main__":
    _main.run(main)
