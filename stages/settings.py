"""Write down what each cell is pre-trained and trained with: all that these stages read of params.yaml, but budgets.

inputs   params.yaml: agents, embeddings, environments, search.same_as, study; search/best.yaml: what the search found
outputs  results/shared/settings/pretrain/ENVIRONMENT-EMBEDDING.json: environment, embedding and its sizes;
         results/shared/settings/train/ENVIRONMENT-AGENT-EMBEDDING.json: those and all that the agent is made with

Hyper-parameters that were found stand over params.yaml. A change in either reaches those cells only whose file here it
changes; and dvc.lock, which DVC writes anew for every stage, stays short.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsae.analysis import search
from jsae.analysis.curves import Cell
from jsae.config import parameters
from jsae.io.files import write_atomically
from stages import _main, paths

CONTINUAL = {"continual_passes", "continual_batch_size"}
OF_TRAINING = {
    "environment": {"module", "dynamics", "continual", "reward_scale", "steps_per_epoch"},
    "embeddings": {"learning_rate", "weight_decay", *CONTINUAL},
}
"""What a training reads of these sections, besides hyper-parameters."""


def main(arguments: Sequence[str]) -> None:
    _main.parser(__doc__).parse_args(arguments)
    settings = parameters.load(paths.PARAMETERS)
    best = search.read_best(paths.BEST)
    shutil.rmtree(paths.SETTINGS, ignore_errors=True)
    for environment, agent, embedding in settings.cells():
        section, embeddings = settings.environments[environment], settings.embeddings
        write(
            paths.settings("train", environment, agent, embedding),
            {
                "environment": section.model_dump(include=OF_TRAINING["environment"]),
                "embeddings": embeddings.model_dump(include=OF_TRAINING["embeddings"]),
                "hyper_parameters": search.values(settings, Cell(environment, agent, embedding), best),
            },
        )
        write(
            paths.settings("pretrain", environment, embedding),
            {
                "environment": section.model_dump(include={"module", "dynamics"}),
                "embeddings": embeddings.model_dump(exclude=CONTINUAL),
                "hyper_parameters": search.sizes(settings, environment, embedding, best),
            },
        )


def write(path: Path, content: dict[str, Any]) -> None:
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    _main.run(main)
