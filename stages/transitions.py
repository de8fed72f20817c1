"""The n-gram model of a data set's purchases (Shani et al.; appendix A.4.1).

inputs   the purchases that the filter kept
outputs  the model; its size, and the perplexity of each component for users left out of the counts
"""

from jsae.io.declared import Declared
from jsae.io.files import write_json
from jsae.purchases import filter as purchases
from jsae.purchases import ngram
from stages import _main


def main(declared: Declared) -> None:
    values, bought = declared.values, purchases.read(declared.input("purchases"))
    order, window = values["order"], values["skip_window"]
    model = ngram.build(bought, n=order, window=window, similarity=values["similarity"])
    ngram.save(model, declared.outputs["model"])
    perplexity = ngram.perplexity(bought, n=order, window=window, held_out_share=values["held_out_share"])
    write_json(ngram.summary(model) | perplexity, declared.outputs["summary"])


if __name__ == "__main__":
    _main.run(main)
