"""Count the n-gram model of purchases that the recommender environment draws from.

inputs   params.yaml (data.transitions), data/processed/purchases.parquet
outputs  data/processed/transitions.safetensors (the model), data/processed/transitions.json (its size, and perplexity
         of each component for users left out of the counts)
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
    model = ngram.build(bought, n=transitions.order, window=transitions.skip_window, similarity=transitions.similarity)
    ngram.save(model, paths.transitions())
    content = ngram.summary(model) | ngram.perplexity(
        bought, n=transitions.order, window=transitions.skip_window, held_out_share=transitions.held_out_share
    )
    with write_atomically(paths.transitions_summary()) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    _main.run(main)
