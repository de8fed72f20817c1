"""Ablation: the joint embedding, frozen after pre-training also where the paper goes on updating it."""

from jsae.embeddings import jsae


class Embedding(jsae.Embedding):
    """JSAE, pre-trained and then left alone."""

    continual = False
