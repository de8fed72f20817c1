"""What the search for hyper-parameters chose. Apart from the schema, so that a change there searches nothing again."""

from typing import Any, NamedTuple

from jsae.config.study import Cell

Values = dict[str, Any]
"""Hyper-parameters by name."""
SIZES = ("state_embedding_size", "action_embedding_size")


class Best(NamedTuple):
    """What the search chose under the primary reading: of embeddings by (environment, embedding), of agents by cell."""

    embeddings: dict[tuple[str, str], Values]
    agents: dict[Cell, Values]


NOTHING_FOUND = Best({}, {})
