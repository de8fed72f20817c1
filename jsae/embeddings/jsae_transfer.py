"""Transfer (section 5.4, Figure 2f): the state embedding of another environment with the same states."""

from jsae.embeddings import jsae

__all__ = ["Embedding"]


class Embedding(jsae.Embedding):
    """φ comes from the old environment and stays as it is; g and T are learnt in the new one by Eq. (5).

    The paper says that the state embedding is initialised from the old environment, and not whether it stays; here it
    does, so that what is transferred is what is shared. `jsae_transfer_tuned` goes on learning it.
    """

    label = "JSAE, φ transferred"
    color = "#AA4499"
    order = 7
    role = "transfer"
    compared_with = "jsae"
    searched_as = "jsae"
    transferred = ("phi",)
