"""Pre-train the embeddings of a block of seeds on random transitions (appendix A.4.2).

inputs   the environment; its random transitions; for a transfer, the embeddings of the old environment
outputs  the embeddings' parameters, and a table of their losses with a row per seed and epoch
"""

from typing import Any

import polars as pl

from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.io.table import write
from jsae.io.workers import batches, runner
from jsae.nn import compiled, devices
from jsae.training.columns import LOSSES
from jsae.training.jobs import PretrainingJob
from stages import _main


def main(declared: Declared) -> dict[str, Any]:
    values = declared.values
    device = devices.chosen(values["device"])
    blocks = batches(values["seeds"], values["runs_per_batch"])
    jobs = [
        PretrainingJob(
            environment=declared.input("environment"),
            samples=declared.input("samples"),
            embedding=values["module"],
            state_size=values["state_embedding_size"],
            action_size=values["action_embedding_size"],
            seeds=tuple(seeds),
            rows=tuple(values["seeds"].index(seed) for seed in seeds),
            epochs=values["epochs"],
            batch_size=values["batch_size"],
            learning_rate=values["learning_rate"],
            weight_decay=values["weight_decay"],
            validation_share=values["validation_share"],
            window=values["window"],
            minimum_improvement=values["minimum_improvement"],
            source=declared.optional("source"),
            device=str(device),
        )
        for seeds in blocks
    ]
    label = f"pretrain {values['environment']} {values['embedding']}"
    results = runner(device.type)(jobs, total=values["epochs"] * len(jobs), label=label)
    checkpoint.save(declared.outputs["embeddings"], checkpoint.stack([result.parameters for result in results]))
    rows = [
        (values["environment"], values["embedding"], values["reading"], seed, epoch, float(training), float(held_out))
        for seeds, result in zip(blocks, results, strict=True)
        for i, seed in enumerate(seeds)
        for epoch, (training, held_out) in enumerate(
            zip(result.training_loss[i], result.held_out_loss[i], strict=True), 1
        )
    ]
    write(pl.DataFrame(rows, LOSSES.schema, orient="row"), LOSSES, declared.outputs["losses"])
    return {"device": devices.name(device), "kernels": compiled.kind()}


if __name__ == "__main__":
    _main.run(main)
