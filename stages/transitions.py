"""Count the n-gram model of purchases that the recommender environment draws from.

inputs   params.yaml: data.transitions; data/processed/STORE/purchases.parquet
outputs  data/processed/STORE/transitions.safetensors (the model), data/processed/STORE/transitions.json (its size, and
         perplexity of each component for users left out of the counts)
"""

import json
from collections.abc import Sequence

from jsae.config import parameters
from jsae.io.files import write_atomically
from jsae.purchases import filter as purchases
from jsae.purchases import ngram
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    store = _main.parser(__doc__, "store").parse_args(arguments).store
    transitions = parameters.load(paths.PARAMETERS).data.transitions
    bought = purchases.read(paths.purchases(store))
    model = ngram.build(bought, n=transitions.order, window=transitions.skip_window, similarity=transitions.similarity)
    ngram.save(model, paths.transitions(store))
    content = ngram.summary(model) | ngram.perplexity(
        bought, n=transitions.order, window=transitions.skip_window, held_out_share=transitions.held_out_share
    )
    with write_atomically(paths.transitions_summary(store)) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    _main.run(main)
