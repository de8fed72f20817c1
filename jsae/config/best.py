"""What the search for hyper-parameters chose. Apart from the schema, so that a change there searches nothing again."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jsae.config.study import Cell

Values = dict[str, Any]
"""Hyper-parameters by name."""
SIZES = ("state_embedding_size", "action_embedding_size")


class Best(NamedTuple):
    """What the search chose under one reading: of embeddings by (environment, embedding), of agents by primary cell."""

    embeddings: dict[tuple[str, str], Values]
    agents: dict[Cell, Values]


NOTHING_FOUND = Best({}, {})
Found = Mapping[str, Best]
"""What the search chose, by reading; a reading that was not searched takes what the primary one has."""
