"""Count the n-gram model of purchases that the recommender environment draws from.

inputs   params.yaml (data.transitions), data/processed/purchases.parquet
outputs  data/processed/transitions.safetensors (the model), data/processed/transitions.json (its size)
"""

import json
from collections.abc import Sequence

from jsae import ngram, parameters, purchases
from jsae.files import write_atomically
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    _main.parser(__doc__).parse_args(arguments)
    transitions = parameters.load(paths.PARAMETERS).data.transitions
    bought = purchases.read(paths.purchases())
    model = ngram.build(bought, n=transitions.order, window=transitions.skip_window)
    ngram.save(model, paths.transitions())
    with write_atomically(paths.transitions_summary()) as temporary:
        temporary.write_text(json.dumps(ngram.summary(model), indent=2) + "\n")


if __name__ == "__main__":
    _main.run(main)
