"""Transfer (section 5.4, Figure 2f): the state embedding of another environment as the start of this one's."""

from jsae.embeddings import jsae

__all__ = ["Embedding"]


class Embedding(jsae.Embedding):
    """φ starts from the old environment's and goes on learning with g and T, all by Eq. (5), in the new one."""

    label = "JSAE, φ transferred and tuned"
    color = "#A0761C"
    order = 8
    role = "transfer"
    compared_with = "jsae"
    searched_as = "jsae"
    transferred = ("phi",)
    transferred_stay = False
