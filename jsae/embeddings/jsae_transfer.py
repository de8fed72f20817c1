"""Transfer (section 5.3, Figure 2f): the state embedding of another environment with the same states."""

from jsae.embeddings import jsae


class Embedding(jsae.Embedding):
    """φ comes from the old environment and stays as it is; g and T are learnt in the new one by Eq. (5).

    The paper says that the state embedding is initialised from the old environment; that it then stays is chosen, so
    that what is shared is what is transferred.
    """

    transferred = ("phi",)
