"""Ablation: the joint embedding, updated all along also where the paper freezes it after pre-training."""

from jsae.embeddings import jsae


class Embedding(jsae.Embedding):
    """JSAE, pre-trained and then updated with every epoch's transitions."""

    continual = True
