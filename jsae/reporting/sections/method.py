"""The paper's method: its drawings."""

from collections.abc import Iterator

from jsae.reporting import document
from jsae.reporting.context import Context


def architecture(study: Context) -> Iterator[document.Block]:
    """Figure 1 of the paper."""
    yield document.figure(
        study.figure("figure_1"),
        "Two drawings. Left: a state goes through the state embedding phi to the internal policy, its embedded "
        "action through f to the environment, which returns the next state and a reward. Right: phi embeds the "
        "state, g the action, and T predicts the next state from both.",
        "**Figure 1.** Architecture (a) and embedding model (b), after the paper. Tinted boxes are learnt from "
        "transitions, by supervised learning.",
    )


def policy_of_the_proof(study: Context) -> Iterator[document.Block]:
    """Figure 3 of the paper."""
    yield document.figure(
        study.figure("figure_3"),
        "A drawing: the policy pi prime takes a raw state through phi and the internal policy and gives an "
        "embedded action, which f maps to an action of the environment.",
        "**Figure 3.** The policy $\\pi^\\prime_i$ of the proof of Lemma 2.",
    )
