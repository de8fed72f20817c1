"""The environments of the study and what an agent can return in them."""

import math
from collections import defaultdict
from collections.abc import Iterator

import polars as pl

from jsae.reporting import document
from jsae.reporting.context import Context, Record
from jsae.reporting.document import number


def sizes(environment: Record, items: int | None, order: int) -> tuple[str, str]:
    """How many states and actions an environment has, in words.

    Args:
        environment: its section of params.yaml.
        items: of the data set that it draws from; None where it draws from none.
        order: purchases that a recommender system's state holds.
    """
    world = environment["dynamics"]
    match environment["module"]:
        case "gridworld":
            states = f"{world['bins'] ** 2:,} bins" if world["discrete"] else "coordinates"
            return states, f"{2 ** world['actuators']:,}"
        case "slot_machine":
            reels = world["reels"]
            return f"{math.prod(map(len, reels)):,}", f"{world['moves'] ** len(reels):,}"
        case "recommender":
            return (f"{items**order:,}", f"{items:,}") if items else ("not known", "not known")
        case "half_cheetah":
            return "continuous", "continuous"
        case _:
            return "not known", "not known"


def reference_return(final: pl.DataFrame, environment: str, column: str, reading: str = "") -> str:
    """Expected return of a reference policy, one value of all rows of an environment; "not known" without a row.

    column: random_return or optimal_return.
    """
    found = final.filter(environment=environment, reading=reading)[column].drop_nans().unique()
    return number(found[0]) if len(found) == 1 else "not known"


def overview(study: Context) -> Iterator[document.Block]:
    """A table with a row for each environment."""
    order = study.parameters["data"]["transitions"]["order"]
    items = {source: model["items"] for source, model in study.models.items()}
    yield document.table(
        ["Environment", "States", "Actions", "Episode", "Epochs", "Steps an epoch", "Random", "Optimal"],
        [
            (
                study.looks.environment(name),
                *sizes(environment, items.get(environment["purchases"]), order),
                environment["dynamics"]["episode_length"],
                f"{environment['epochs'][study.scale]:,}",
                f"{environment['steps_per_epoch']:,}",
                reference_return(study.final, name, "random_return"),
                reference_return(study.final, name, "optimal_return"),
            )
            for name, environment in study.environments.items()
        ],
        "Environments of this study, under the primary reading. Episode: its length in steps. Epochs: of a run. "
        "Random and optimal: expected return of the uniform random and the best policy, by search, closed form or "
        "dynamic programming.",
        numbers=["States", "Actions", "Episode", "Epochs", "Steps an epoch", "Random", "Optimal"],
    )


PICTURES = {
    "gridworld": (
        "The gridworld is a unit square with a red agent at the lower left, a blue goal at the upper left and two grey "
        "walls between them.",
        "Gridworld, after Figure 4 of the paper: goal blue, agent red, each actuator as half of its longest move, "
        "obstacles grey.",
    ),
    "slot_machine": (
        "The slot machine has reels of numbers, of which one row shows.",
        "Slot machine: the reels of this study; the framed row pays.",
    ),
    "half_cheetah": (
        "Half-Cheetah is a runner with two legs of three joints.",
        "Half-Cheetah: a red dot is a torque.",
    ),
    "recommender": (
        "The recommender shows an item after the last purchases, and the next purchase pays its price.",
        "Recommender: the last purchases are the state, the recommended item is the action.",
    ),
}
"""What a picture shows, for those who do not see it, and what its caption says, by the environment's module."""


def pictures(study: Context) -> Iterator[document.Block]:
    """A picture of each environment."""
    modules = {environment["module"] for environment in study.environments.values()}
    shown = [words for module, words in PICTURES.items() if module in modules]
    if study.figure("figure_environments").exists():
        yield document.figure(
            study.figure("figure_environments"),
            f"Drawings of the environments. {' '.join(alt for alt, _ in shown)}",
            f"**Environments.** {' '.join(caption for _, caption in shown)}",
            name="figure-environments",
        )


def idlers(study: Context) -> Iterator[document.Block]:
    """What an agent returns that learns not to collide and never meets the goal of a gridworld."""
    found: dict[float, list[str]] = defaultdict(list)
    for name, environment in study.environments.items():
        ends = study.primary.filter((pl.col("environment") == name) & pl.col("normalized_return").is_finite())
        if environment["module"] == "gridworld" and len(ends):
            idle = environment["dynamics"]["episode_length"] * environment["dynamics"]["step_reward"]
            random, optimal = ends[0, "random_return"], ends[0, "optimal_return"]
            found[idle].append(f"{number((idle - random) / (optimal - random))} ({study.looks.environment(name)})")
    for idle, shares in found.items():
        yield document.note(
            f"In a gridworld, an agent that avoids collisions and never finds the goal has a return of {number(idle)}. "
            f"Normalized, this is {'; '.join(shares)}."
        )
