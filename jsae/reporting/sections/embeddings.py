"""What pre-trained embeddings hold, and what agents make of the gridworld."""

import math
from collections.abc import Iterator, Sequence

import polars as pl

from jsae.reporting import document, wording
from jsae.reporting.context import Context
from jsae.reporting.document import number
from jsae.reporting.looks import Looks

HARDLY = 0.05
"""Nats, chosen here: a model whose loss rises by less when actions are shuffled hardly knows what they do."""
OF_ENVIRONMENT = ("least_loss", "chance_loss")
"""Measures that belong to the environment: they are the same for each seed."""


def pretraining(study: Context) -> Iterator[document.Block]:
    """How long each embedding was pre-trained, and whether it learnt anything."""
    columns = ["Epochs", "Held-out loss", "Uniform guess"]
    yield document.table(
        ["Environment", "Embedding", *columns, "Better"],
        pretraining_rows(study.pretraining, study.looks),
        "Pre-training: the epoch whose parameters were kept (range over seeds), their held-out loss (mean over seeds), "
        "and that of a uniform guess, where it is known. Better than a guess need not be good: the next table has the "
        "loss of a model that knows how often each state comes.",
        numbers=columns,
        name="pretraining",
    )


def pretraining_rows(losses: pl.DataFrame, looks: Looks) -> Iterator[tuple[str, ...]]:
    """A row an environment, reading and embedding."""
    keys = ("environment", "reading", "embedding")
    for (environment, reading, embedding), rows in losses.group_by(keys, maintain_order=True):
        epochs = sorted(rows["epochs"].unique())
        loss, chance = (float(rows[name].to_numpy().mean()) for name in ("held_out_loss", "chance_loss"))
        known = math.isfinite(chance)
        yield (
            looks.environment(str(environment)) + (f", reading {reading}" if reading else ""),
            looks.embedding(str(embedding)),
            f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}",
            number(loss),
            number(chance) if known else "",
            ("yes" if loss < chance else "no") if known else "",
        )


def at_chance(pretraining: pl.DataFrame) -> list[tuple[str, str]]:
    """Environments and embeddings whose loss after pre-training, mean over seeds, is not below that of a guess."""
    if pretraining.is_empty():
        return []
    primary = pretraining.filter(reading="").group_by("environment", "embedding", maintain_order=True)
    means = primary.agg(pl.mean("held_out_loss", "chance_loss"))
    return [(environment, embedding) for environment, embedding, loss, chance in means.iter_rows()
            if loss >= chance and math.isfinite(chance)]  # fmt: skip


def blind_to_actions(probes: pl.DataFrame, embedding: str) -> dict[str, float]:
    """Environments in which shuffled actions hardly raise the loss, and by how many nats they do, mean over seeds."""
    if probes.is_empty():
        return {}
    here = probes.filter(embedding=embedding, reading="", unit="nats").group_by("environment", maintain_order=True)
    gains = here.agg(pl.mean("action_gain")).iter_rows()
    return {environment: gain for environment, gain in gains if gain < HARDLY}


def uninformed(study: Context) -> list[tuple[str, str]]:
    """Environments and embeddings of the paper whose model hardly knows what actions do.

    It predicts no better than a uniform guess, or its loss hardly rises when actions are shuffled.
    """
    blind = [(environment, "jsae") for environment in blind_to_actions(study.probes, "jsae")]
    return list(dict.fromkeys([*at_chance(study.pretraining), *blind]))


def hardly_know(looks: Looks, names: Sequence[str]) -> str:
    """Says of some embeddings that their models hardly know what actions do."""
    labels = wording.listed([looks.embedding(name) for name in names])
    return (
        f"the models of {labels} hardly know what actions do"
        if names[1:]
        else f"the model of {labels} hardly knows what actions do"
    )


def probes(study: Context) -> Iterator[document.Block]:
    """The drawn action embeddings, and what was measured of each pre-trained embedding."""
    if study.figure("figure_embeddings").exists():
        yield document.figure(
            study.figure("figure_embeddings"),
            "Action embeddings of a gridworld in the plane, a point an action, coloured by the direction of its "
            "motion, one plot an embedding.",
            "**Action embeddings** of one seed after pre-training, coloured by the direction of each action's motion. "
            "A good embedding puts actions with like motions near one another: colours change smoothly, and ρ comes "
            "near one.",
        )
    if study.probes.is_empty():
        yield document.note("The embeddings of this study have not been measured.")
        return
    measures = ["ρ", "Loss", "Least", "Chance", "Gain", "Error of f", "Spread"]
    yield document.table(
        ["Embedding", *measures],
        probe_rows(study.probes, study.looks),
        "Pre-trained embeddings on fresh transitions: mean ± standard deviation over the seeds {{seeds}}. The unit of "
        "losses is given after each environment. Losses differ from those of the table above, which are of transitions "
        "that pre-training held out. These here are the same for all seeds; in a gridworld of bins, bins that random "
        "actions rarely visit are left out.",
        numbers=measures,
        name="probes",
    )


def probe_rows(probes: pl.DataFrame, looks: Looks) -> Iterator[tuple[str, ...]]:
    """A heading for each environment, below it a row for each embedding.

    Controls are left out: their measures are those of the embedding vectors as learnt, before they change places.
    """
    columns = ("rank_correlation", "loss", "least_loss", "chance_loss", "action_gain", "action_error", "spread")
    for (environment, reading, unit), here in probes.group_by("environment", "reading", "unit", maintain_order=True):
        under = f", reading {reading}" if reading else ""
        yield (f"{looks.environment(str(environment))}{under} ({unit})",)
        for (embedding,), rows in here.group_by("embedding", maintain_order=True):
            if looks.roles.get(str(embedding)) != "control":
                yield looks.embedding(str(embedding)), *(measured(column, rows) for column in columns)


def measured(column: str, rows: pl.DataFrame) -> str:
    """What was measured of one embedding, its seeds being `rows`; empty where nothing was."""
    return wording.known(column, rows.head(1) if column in OF_ENVIRONMENT else rows)


def maps(study: Context) -> Iterator[document.Block]:
    """A figure for each gridworld and agent: values and visits in the square."""
    looks = study.looks
    for (environment, agent), rows in study.value_maps.group_by("environment", "agent", maintain_order=True):
        said = [
            f"{looks.embedding(str(embedding))}: values from {number(bins['value'].to_numpy().min())} to "
            f"{number(bins['value'].to_numpy().max())}, {bins.filter(pl.col('visits') > 0).height:,} of {len(bins):,} "
            "bins visited"
            for (embedding,), bins in rows.group_by("embedding", maintain_order=True)
        ]
        yield document.figure(
            study.figure(f"figure_maps_{environment}-{agent}"),
            f"Maps of the square, {looks.environment(str(environment))}. {'; '.join(said)}.",
            f"**{looks.environment(str(environment))} ({looks.agent(str(agent))}):** values and visits. Of a good "
            "agent, values rise towards the goal, and most steps lie on the way there. Walls and bins that were never "
            "visited are white, goal and start red.",
        )
    if study.value_maps.is_empty():
        yield document.note("No agent of the gridworlds has been mapped in this study.")
