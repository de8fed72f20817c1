"""The values that prose may name as {{name}}: a number in prose is always such a name, so it comes from a file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jsae.analysis import statistics
from jsae.reporting import wording
from jsae.reporting.context import Context, Record
from jsae.reporting.document import number
from jsae.reporting.looks import SEARCHED
from jsae.reporting.sections import embeddings, summary
from jsae.reporting.sections.environments import reference_return
from jsae.training.columns import KEYS


def named(study: Context) -> dict[str, object]:
    """Every value that prose may name, by its name.

    A parameter has its name in params.yaml; what stands in report/paper.yaml has `paper.` before it.
    """
    return {
        **dict(flat(study.parameters)),
        **{f"paper.{name}": value for name, value in study.paper.items() if name != "references"},
        **_of_environments(study),
        **_of_purchases(study),
        **{f"search.{name}": text for name, text in _of_search(study).items()},
        **_of_verdicts(study),
        **_of_runs(study),
        "lock": study.values["lock"],
        "packages": study.values["packages"],
    }


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every parameter by its name, its keys joined by dots."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _of_environments(study: Context) -> dict[str, object]:
    """Reference returns under each reading, and what was measured of JSAE's embedding."""
    found: dict[str, object] = {}
    for name in study.parameters["environments"]:
        for reading in ("", *study.parameters["readings"]):
            for end in ("random", "optimal"):
                value = reference_return(study.final, name, f"{end}_return", reading)
                found[f"reference.{name}{'-' * bool(reading)}{reading}.{end}"] = value
        for column in ("loss", "least_loss", "chance_loss", "action_gain", "action_error", "spread"):
            found[f"probes.{name}.{column}"] = _of_jsae(study.probes, name, column)
    return found


def _of_jsae(probes: pl.DataFrame, environment: str, column: str) -> str:
    """What was measured of the embedding that JSAE pre-trains in an environment."""
    rows = probes if probes.is_empty() else probes.filter(environment=environment, embedding="jsae", reading="")
    return "not measured" if rows.is_empty() else embeddings.measured(column, rows) or "not measured"


def _of_purchases(study: Context) -> dict[str, str]:
    """What the last rule of the filter left of the purchases that Figure 2e draws from."""
    source = study.parameters["environments"].get("recommender", {}).get("purchases")
    left = study.purchases[source]["rules"][-1] if source in study.purchases else {}
    counts = {key: left.get(key) for key in ("rows", "items", "users")}
    return {f"purchases.{key}": "not known" if count is None else f"{count:,}" for key, count in counts.items()}


def _of_search(study: Context) -> dict[str, str]:
    """Sentences on the search, which differ if it has not run."""
    own = study.parameters["search"]
    trained_with = [cell for cell in study.values["cells"] if cell["found"]]
    share = f"{len(trained_with)} of the {len(study.values['cells'])} cells"
    used = f"{share}, run or not, have these settings."
    if not any(not cell["reading"] for cell in trained_with):
        return {
            "same": "Learning rates and other hyper-parameters are the same for all three.",
            "ours": "One setting for every cell of the primary reading, the same for each embedding.",
            "effect": "Not measured under the primary reading.",
            "used": used,
            "share": share,
        }
    names = [*own["combined"], *own["spread"]]
    settings, seeds = own["settings"], own["seeds_per_setting"]
    without = len(study.values["cells"]) - len(trained_with)
    varied = ", ".join(SEARCHED[name].label.lower() for name in names)
    kept = ", ".join(said.label.lower() for name, said in SEARCHED.items() if name not in names)
    return {
        "same": "Hyper-parameters come from a search in which each embedding got the same number of runs"
        + (f"; {without} cells were not searched and have those of `params.yaml`." if without else "."),
        "ours": f"{len(study.chosen)} cells were searched, with {settings * seeds} runs each: {settings} settings with "
        f"the same {seeds} seeds, so the same {seeds} embeddings of each size, or fewer settings with more seeds where "
        f"a hyper-parameter does not apply (seeds {own['seeds']}). They vary {varied}. Where settings are compared "
        f"before the end, the best of them go on, about one in {own['factor']}. Ablations and transfers take what "
        f"was found for the embedding that they vary. Not searched: {kept}.",
        "effect": "The section on the search shows what each hyper-parameter does.",
        "used": used,
        "share": share,
    }


def _of_verdicts(study: Context) -> dict[str, object]:
    """How claims were judged and what came out."""
    compared = [one for one in study.verdicts if one["kind"] != "fact"]
    return {
        "sentences": len({claim["sentence"] for claim in study.verdicts}),
        "of_jsae": sum(one["first"][2].startswith("jsae") for one in compared),
        "of_others": sum(not one["first"][2].startswith("jsae") for one in compared),
        "facts": sum(claim["kind"] == "fact" for claim in study.verdicts),
        "claims": len(study.verdicts),
        "standing": _standing(study),
        "reading_on": {
            "paper": "The tables compare means of its curves, at the end or over all epochs.",
            "preview": "A table says which embedding is ahead [so far](#so-far).",
        }.get(study.scale, ""),
        "found": summary.leads(study) if study.compared else "",
        "explained": summary.explained(study),
        "margins": ", ".join(wording.margins(study.claims)),
        "level": f"{100 * study.claims.level:g} %",
        "power": f"{100 * study.claims.power:g} %",
        "window": study.claims.window,
        "levels": "; ".join(_levels(study)),
        "plan": study.plan,
        "confidence": study.confidence,
        "usual": f"{100 * statistics.CONFIDENCE:g} %",
    }


def _standing(study: Context) -> str:
    """What was fixed when, and whether these runs count."""
    fixed = f"in `report/plan.md` (its digest begins with `{study.plan}`)"
    if study.judged:
        return f"Claims, measures, margins, seeds and tests were fixed {fixed} before the first run that counts."
    return (
        "These runs are exploratory and count for nothing. Claims, measures, margins, seeds and tests of the runs that "
        f"count, at the paper's scale, are fixed {fixed}."
    )


def _levels(study: Context) -> Iterator[str]:
    """The level of each panel that has one, as a return."""
    levels = {one.figure: (one.first[0], one.level) for one in study.claims.claims if one.first and one.level}
    for panel, (environment, share) in levels.items():
        bounds = study.primary.filter(environment=environment).select("random_return", "optimal_return").drop_nans()
        for random, optimal in bounds.head(1).iter_rows():
            level = number(random + share * (optimal - random))
            yield f"{panel}: {level}, {number(share, 2)} of the way from random to optimal"


def _of_runs(study: Context) -> dict[str, object]:
    """What has run, for how long, and what it was pre-trained on."""
    epochs = [study.looks.epochs(environment) for environment in study.final["environment"].unique()]
    shares = [at_this_scale / full for at_this_scale, full in epochs]
    panels = study.looks.panels.values()
    return {
        "scale": study.scale,
        "runs": len(study.final),
        "cells": study.final.select(KEYS).n_unique(),
        "expected_cells": len(study.looks.cells),
        "seeds": wording.spans(study.final["seed"].unique().sort().to_list()),
        "missing_cells": summary.missing_cells(study),
        "share": " to ".join(dict.fromkeys(f"{number(100 * share, 2)} %" for share in (min(shares), max(shares)))),
        "counted": uncounted(study),
        "searching_seeds": study.parameters["search"]["seeds"],
        "samples": pretraining(study, {name: one for name, one in study.environments.items() if name in panels}),
    }


def uncounted(study: Context) -> str:
    """JSAE's speed minus that of no embedding, were pre-training part of the same number of epochs."""
    leads, later = [], {}
    for one in study.compared:
        if (one["first"][2], one["second"][2]) != ("jsae", "none"):
            continue
        environment, agent, _ = one["first"][:3]
        section = study.environments[environment]
        before = section["pretraining_samples"] / section["steps_per_epoch"]
        if one["measure"] == "epochs":
            later[one["figure"]] = f"{before:g} epochs later in {one['figure']}"
        if (one["measure"], one["unit"]) == ("speed", "normalized"):
            ours, other = (
                _over_all_epochs(study, cell, left)
                for cell, left in zip((one["first"], one["second"]), (before, 0.0), strict=True)
            )
            interval = statistics.welch(ours, other).interval(1 - 2 * study.claims.level)
            place = one["figure"] + study.looks.named_agent(one["figure"], agent)
            said = {"effect": interval.estimate, "low": interval.low, "high": interval.high, "unit": "normalized"}
            leads.append(f"{wording.effect(said)} ({place})")
    reached = f" JSAE would reach the level of convergence {wording.listed([*later.values()])}." if later else ""
    return (
        "Were they the first epochs of a run of the same length, at the random policy, JSAE's mean return over "
        f"training minus that of no embedding would be {', '.join(leads)}.{reached}"
        if leads
        else ""
    )


def _over_all_epochs(study: Context, cell: Sequence[str], before: float) -> NDArray[np.float64]:
    """The normalized mean over training of each run of a cell, if its first epochs were at the random policy."""
    keys = dict(zip(KEYS, [*cell, ""], strict=False))
    runs = study.curves.filter(**keys)
    bounds = study.final.filter(**keys).select("random_return", "optimal_return").row(0)
    epochs = int(runs["epoch"].to_numpy().max())
    above = (pl.col("mean_return") - bounds[0]).filter(pl.col("epoch") <= epochs - before).sum()
    return runs.group_by("seed", maintain_order=True).agg(above)["mean_return"].to_numpy() / (
        epochs * (bounds[1] - bounds[0])
    )


def pretraining(study: Context, environments: Mapping[str, Record]) -> str:
    """How many random transitions embeddings are pre-trained on, and in how many epochs a run has as many."""
    return "; ".join(
        f"{study.looks.environment(name)} {one['pretraining_samples']:,} "
        f"({one['pretraining_samples'] / one['steps_per_epoch']:g})"
        for name, one in environments.items()
    )
