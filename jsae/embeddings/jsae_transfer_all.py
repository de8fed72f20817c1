"""Transfer (section 5.4, Figure 2f) of all that does not depend on the actions: φ, T, actor and critic."""

from jsae.embeddings import jsae

__all__ = ["Embedding"]


class Embedding(jsae.Embedding):
    """φ and T come from the old environment and stay; g is learnt in the new one; actor and critic start from the old.

    T must stay for the actor to be of use: it is what gives the points of E, where the old policy acts, their meaning.
    """

    label = "JSAE, all transferred"
    color = "#117733"
    order = 9
    role = "transfer"
    compared_with = "jsae"
    searched_as = "jsae"
    transferred = ("phi", "transition")
    transfers_agent = True
