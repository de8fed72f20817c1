"""Pre-train the embeddings of a cohort on random transitions (appendix A.4.2).

inputs   params.yaml: environments.ENVIRONMENT, embeddings; data/processed/samples/ENVIRONMENT/COHORT.safetensors;
         for a transfer, the embeddings of transfer.environment
outputs  results/SCALE/embeddings/ENVIRONMENT/EMBEDDING/COHORT.safetensors, and its losses as .parquet
"""

from collections.abc import Sequence

import polars as pl
import torch

from jsae import checkpoint, devices, parameters, provenance
from jsae.embeddings.learning import kind
from jsae.files import write_atomically
from jsae.population import run_shards, run_shards_in_turn, shards
from jsae.pretraining import pretrain_shard
from stages import _environments, _main, paths


def main(arguments: Sequence[str]) -> None:
    given = _main.parser(__doc__, "scale", "cohort", "environment", "embedding").parse_args(arguments)
    settings = parameters.load(paths.PARAMETERS)
    environment = _environments.chosen(settings, given.environment)
    record = paths.record("pretrain", given.environment, given.embedding, given.cohort, scale=given.scale)
    device = devices.chosen(settings.training.device)
    with provenance.recorded(record, "pretrain", device=devices.name(device)):
        pretrain(given.scale, given.cohort, given.environment, environment, given.embedding, settings, device)


def pretrain(
    scale: str,
    cohort: str,
    name: str,
    environment: parameters.AnyEnvironment,
    embedding: str,
    settings: parameters.Parameters,
    device: torch.device,
) -> None:
    """Write the pre-trained parameters and the losses of every seed and pass."""
    seeds = parameters.seeds_of(cohort)
    passes = environment.pretraining_passes.at(scale)
    learning, old = settings.embeddings, settings.transfer
    blocks = shards(seeds, settings.training.members_per_shard) if kind(embedding).learnt else []
    source = paths.embedding(scale, old.environment, old.embedding, cohort) if kind(embedding).transferred else None
    calls = [
        {
            "module": environment.module,
            "dynamics": _environments.arguments(environment),
            "embedding": embedding,
            "sizes": (environment.state_embedding_size, environment.action_embedding_size),
            "samples": paths.samples(name, cohort),
            "source": source,
            "rows": (seeds.index(block[0]), seeds.index(block[-1]) + 1),
            "seeds": block,
            "learning_rate": learning.learning_rate,
            "weight_decay": learning.weight_decay,
            "passes": passes,
            "batch_size": learning.batch_size,
            "validation_share": learning.validation_share,
            "patience": learning.patience,
            "device": device,
        }
        for block in blocks
    ]
    run = run_shards if device.type == "cpu" else run_shards_in_turn
    results = run(pretrain_shard, calls, total=passes * len(blocks), label=f"pretrain {name} {embedding}")
    checkpoint.save(paths.embedding(scale, name, embedding, cohort), checkpoint.stack([r[0] for r in results]))
    rows = [
        (name, embedding, seed, number, training[i], held_out[i])
        for block, (_, history) in zip(blocks, results, strict=True)
        for number, (training, held_out) in enumerate(history, 1)
        for i, seed in enumerate(block)
    ]
    schema = {
        "environment": pl.String,
        "embedding": pl.String,
        "seed": pl.Int64,
        "pass": pl.Int64,
        "training_loss": pl.Float64,
        "held_out_loss": pl.Float64,
    }
    frame = pl.DataFrame(rows, schema, orient="row").sort("seed", "pass")
    with write_atomically(paths.embedding_losses(scale, name, embedding, cohort)) as temporary:
        frame.write_parquet(temporary)


if __name__ == "__main__":
    _main.run(main)
