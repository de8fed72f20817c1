"""Programs for people that are no stage of the graph."""
