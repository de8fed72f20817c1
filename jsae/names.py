"""How agents, embeddings, environments and panels are called in figures and prose."""

AGENTS = {"vpg": "VPG", "ppo": "PPO", "sac": "SAC"}
EMBEDDINGS = {
    "jsae": "JSAE",
    "ra": "RA",
    "none": "no embedding",
    "separate": "separate embeddings",
    "jsae-transferred": "JSAE, transferred",
}
ENVIRONMENTS = {
    "gridworld-continuous": "Gridworld, continuous state",
    "gridworld-discrete": "Gridworld, discrete state",
    "slot-machine": "Slot machine",
    "half-cheetah": "Half-Cheetah",
    "recommender": "Recommender system",
    "gridworld-512": "Gridworld, 512 actions",
    "gridworld-2048": "Gridworld, 2,048 actions",
}
PANELS = {
    "figure_2a": "gridworld-continuous",
    "figure_2b": "gridworld-discrete",
    "figure_2c": "slot-machine",
    "figure_2d": "half-cheetah",
    "figure_2e": "recommender",
    "figure_2f": "gridworld-2048",
}
"""Base name of each panel of Figure 2 and its environment."""
COLORS = {"jsae": "#0072B2", "ra": "#D55E00", "none": "#3f3f3f", "separate": "#009E73", "jsae-transferred": "#882255"}
"""Colour of each embedding, after Okabe and Ito and after Tol: blind and sighted readers can tell them apart."""
VERDICTS = ("supported", "inconclusive", "contradicted")
"""Verdicts of a claim that was tested."""


def agent(name: str) -> str:
    """An agent as prose calls it."""
    return AGENTS.get(name, name)


def embedding(name: str) -> str:
    """An embedding as prose calls it."""
    return EMBEDDINGS.get(name, name)


def environment(name: str) -> str:
    """An environment as prose calls it."""
    return ENVIRONMENTS.get(name, name)
