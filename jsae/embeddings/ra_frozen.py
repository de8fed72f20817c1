"""Ablation: RA, frozen after pre-training also where the paper goes on updating embeddings."""

from jsae.embeddings import ra


class Embedding(ra.Embedding):
    """RA, pre-trained and then left alone."""

    continual = False
