"""How agents, embeddings, environments and panels are called in figures and prose."""

AGENTS = {"vpg": "VPG", "ppo": "PPO", "sac": "SAC"}
EMBEDDINGS = {
    "jsae": "JSAE",
    "ra": "RA",
    "none": "no embedding",
    "separate": "states and actions embedded separately",
    "state_only": "states embedded only",
    "action_only": "actions embedded only",
    "jsae_frozen": "JSAE, frozen",
    "jsae_continual": "JSAE, continual",
    "ra_frozen": "RA, frozen",
    "jsae_by_price": "control: JSAE's points in order of price",
    "jsae_transfer": "JSAE, φ transferred",
    "jsae_transfer_tuned": "JSAE, φ transferred and tuned",
    "jsae_transfer_all": "JSAE, all transferred",
}
PAPER = ("none", "ra", "jsae")
"""The representations that the paper's panels compare, Figure 2f apart."""
TRANSFER = ("jsae", "jsae_transfer", "jsae_transfer_tuned", "jsae_transfer_all")
"""Those of Figure 2f and its variants; all others are ablations."""
ENVIRONMENTS = {
    "gridworld-continuous": "Gridworld, continuous state",
    "gridworld-discrete": "Gridworld, discrete state",
    "slot-machine": "Slot machine",
    "half-cheetah": "Half-Cheetah",
    "recommender": "Recommender system",
    "recommender-literal": "Recommender system, the text to the letter",
    "recommender-synthetic": "Recommender system, synthetic store",
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
CONTROLS = ("jsae_by_price",)
"""Representations that are no one's method: they show what an agent makes of an order that it could not have learnt."""
VARIED = {"jsae_by_price": "jsae_frozen", "ra_frozen": "ra"}
"""What an ablation or control varies and is compared with, where it is not JSAE."""
VARIANTS = {"recommender-literal": "recommender", "recommender-synthetic": "recommender"}
"""Environments that the paper does not have, and the one of its own that each varies."""
COLORS = {
    "jsae": "#0072B2",
    "ra": "#D55E00",
    "none": "#3f3f3f",
    "separate": "#009E73",
    "state_only": "#882255",
    "action_only": "#999933",
    "jsae_frozen": "#332288",
    "jsae_continual": "#CC79A7",
    "ra_frozen": "#B8460E",
    "jsae_by_price": "#6A7FB5",
    "jsae_transfer": "#AA4499",
    "jsae_transfer_tuned": "#A0761C",
    "jsae_transfer_all": "#117733",
}
"""Colour of each embedding, after Okabe and Ito and after Tol: blind and sighted readers can tell them apart."""
SEARCHED = {
    "actor_learning_rate": "Actor's learning rate",
    "critic_learning_rate": "Critic's learning rate",
    "initial_standard_deviation": "Initial standard deviation",
    "state_embedding_size": "Size of state embedding",
    "action_embedding_size": "Size of action embedding",
    "hidden_sizes": "Hidden units",
    "entropy_weight": "Entropy weight α",
    "policy_steps": "Policy steps an epoch",
    "update_steps": "Update steps an epoch",
}
"""Hyper-parameters that the search varies: columns of search/settings.csv, and how prose calls them."""
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
