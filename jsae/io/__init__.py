"""Files written whole or not at all, checkpoints, worker processes, provenance records."""
