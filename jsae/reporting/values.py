"""The values that prose may name as {{name}}: a number in prose is always such a name, so it comes from a file."""

import polars as pl

from jsae.analysis import claims, search, statistics
from jsae.config import labels as names
from jsae.config import parameters
from jsae.io import provenance
from jsae.reporting import wording
from jsae.reporting.context import CELL, Context, Record
from jsae.reporting.document import number
from jsae.reporting.sections import embeddings
from jsae.reporting.sections.environments import reference_return

MARGINS: dict[claims.Measure, str] = {
    "fraction": "{:g} of the way",
    "final_return": "{:g} of the final return",
    "epochs": "{:g} of the epochs",
}
"""How the margin of each measure is said."""


def named(study: Context) -> dict[str, object]:
    """Every value that prose may name, by its name.

    A parameter has its name in params.yaml; what stands in report/paper.yaml has `paper.` before it.
    """
    return {
        **{name: value for name, value, _, _ in parameters.table(study.settings)},
        **{f"paper.{name}": value for name, value in study.paper.items() if name != "references"},
        **_of_environments(study),
        **_of_purchases(study.purchases[study.stores["recommender"]]),
        **{f"search.{name}": text for name, text in _of_search(study).items()},
        **_of_verdicts(study),
        **_of_runs(study),
        "lock": provenance.lock_digest(study.locks),
        "packages": len(provenance.locked_versions(study.locks)),
    }


def _of_environments(study: Context) -> dict[str, object]:
    """Reference returns, what was measured of JSAE's embedding, and the parameters of each agent there."""
    found: dict[str, object] = {}
    for name in study.settings.environments:
        for end in ("random", "optimal"):
            found[f"bound.{name}.{end}"] = reference_return(study.final, name, f"{end}_return")
        for column in ("loss", "least_loss", "guess", "action_gain", "action_error", "spread"):
            found[f"quality.{name}.{column}"] = _of_jsae(study.quality, name, column)
        for agent in names.AGENTS:
            own = study.settings.agent(name, agent)
            found |= {f"{name}.{agent}.{parameter}": value for parameter, value in own.items()}
    return found


def _of_jsae(quality: pl.DataFrame, environment: str, column: str) -> str:
    """What was measured of the embedding that JSAE pre-trains in an environment."""
    rows = quality if quality.is_empty() else quality.filter(environment=environment, embedding="jsae")
    return "not measured" if rows.is_empty() else embeddings.measured(column, rows) or "not measured"


def _of_purchases(purchases: Record | None) -> dict[str, str]:
    """What the last rule of the filter left of the purchases that Figure 2e draws from."""
    left = purchases["rules"][-1] if purchases else {}
    counts = {key: left.get(key) for key in ("rows", "items", "users")}
    return {f"purchases.{key}": "unknown" if count is None else f"{count:,}" for key, count in counts.items()}


def _of_search(study: Context) -> dict[str, str]:
    """Sentences on the search, which differ if it has not run."""
    best, own = search.chosen_rows(study.tried), study.settings.search
    if not best:
        return {
            "same": "Learning rates and the like are the same for all three.",
            "ours": "One setting for every cell, the same for each embedding.",
            "effect": "Not measured: the search has not run.",
        }
    varied = ", ".join(names.SEARCHED[name].lower() for name in own.vary)
    kept = ", ".join(said.lower() for name, said in names.SEARCHED.items() if name not in own.vary)
    return {
        "same": "Learning rates and the like are the best that a search over the same grid has found for each.",
        "ours": f"Halving, with the seeds {own.cohort}, of the grids of {varied}; one setting in {own.factor} goes on, "
        f"the last to {100 * own.share_of_epochs:g} % of the epochs. {len(best)} cells were searched; ablations and "
        f"transfers take what was found for the representation that they vary. Not searched: {kept}.",
        "effect": "The section on the search shows what each hyper-parameter does.",
    }


def _of_verdicts(study: Context) -> dict[str, object]:
    """How many claims there are, how they were judged and what came out."""
    of = wording.counted(study.verdicts)
    on_jsae = [claim for claim in study.verdicts if claim["first"] and claim["first"][2].startswith("jsae")]
    margins = (said.format(study.book.margins[measure]) for measure, said in MARGINS.items())
    return {
        "sentences": len({claim["sentence"] for claim in study.verdicts}),
        "claims": len(study.verdicts),
        "supported": of["supported"],
        "contradicted": of["contradicted"],
        "inconclusive": of["inconclusive"],
        "untested": of["not tested"],
        "on_jsae": len(on_jsae),
        "on_jsae_said": ", ".join(f"{count} {verdict}" for verdict, count in wording.counted(on_jsae).items()),
        "of_no_learning": sum("nothing of learning" in claim["remark"] for claim in study.verdicts),
        "margins": ", ".join(margins),
        "smoothing": claims.SMOOTHING,
        "power": f"{100 * study.book.power:g} %",
        "confidence": study.confidence,
        "usual": f"{100 * statistics.CONFIDENCE:g} %",
    }


def _of_runs(study: Context) -> dict[str, object]:
    """What has run, for how long, and what it was pre-trained on."""
    worlds = study.settings.environments
    epochs = map(study.epochs, study.final["environment"].unique())
    shares = [at_this_scale / full for at_this_scale, full in epochs]
    return {
        "scale": study.scale,
        "runs": len(study.final),
        "cells": study.final.select(CELL).n_unique(),
        "expected_cells": len(list(study.settings.cells())),
        "seeds": ", ".join(map(str, sorted(study.final["seed"].unique()))),
        "missing_cells": len(study.missing),
        "share": " to ".join(f"{number(100 * share, 2)} %" for share in sorted({min(shares), max(shares)})),
        "searching_seeds": study.settings.search.cohort,
        "samples": f"{worlds['gridworld-discrete'].pretraining_samples:,}",
        "samples_of_the_shop": f"{worlds['recommender'].pretraining_samples:,}",
        "epochs_of_samples": ", ".join(
            f"{names.environment(name)} {world.pretraining_samples / world.steps_per_epoch:g}"
            for name, world in worlds.items()
            if name in names.PANELS.values()
        ),
    }
