"""Algorithm 1, pre-training, and what is measured on trained agents and embeddings."""
