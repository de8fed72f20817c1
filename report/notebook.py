# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# The report of the study as one notebook, kept as text. It reads tables and figures and computes nothing of its own.
# The stage `report` runs it, and turns what it shows into pages.

# %% tags=["parameters"]
# ruff: noqa: E402
scale = "preview"
tables = "results/preview/tables"
figures = "results/preview/figures"
parameters_file = "params.yaml"
sources = "report"
locks: list[str] = []

# %%
import json
from pathlib import Path

import polars as pl
from IPython.display import publish_display_data
from ruamel.yaml import YAML

from jsae import document, parameters, plots, provenance
from jsae.document import number


def show(block):
    """Hand a block to the report."""
    publish_display_data({document.MIME: block, "text/plain": block["kind"]})


def read_yaml(name):
    return YAML(typ="safe").load(Path(sources) / name)


settings = parameters.load(Path(parameters_file))
paper, deviations = read_yaml("paper.yaml"), read_yaml("deviations.yaml")
curves = pl.read_parquet(Path(tables) / "curves.parquet")
final = pl.read_parquet(Path(tables) / "final.parquet")
missing = json.loads((Path(tables) / "missing.json").read_text())

# %%
cells = final.select("environment", "agent", "embedding").unique(maintain_order=True)
budget = {name: environment.epochs.at(scale) for name, environment in settings.environments.items()}
full = {name: environment.epochs.at("paper") for name, environment in settings.environments.items()}
show(document.values(**{name: value for name, value, _, _ in parameters.table(settings)}))
show(document.values(**{f"paper.{name}": value for name, value in paper.items()}))
show(
    document.values(
        scale=scale,
        runs=len(final),
        cells=len(cells),
        expected_cells=len(list(settings.cells())),
        seeds=", ".join(map(str, sorted(final["seed"].unique()))),
        missing_cells=len(missing),
        share=f"{number(100 * budget[cells[0, 0]] / full[cells[0, 0]], 2)} %",
    )
)

# %% [markdown]
# # {{paper.title}}: a reproduction
#
# Of the first version of the paper by {{paper.authors}} (arXiv {{paper.arxiv}}, {{paper.year}}). Every number below is
# read from the tables of this study when the page is made; the paper's own curves were never available as numbers.

# %% [markdown]
# ## Abstract
#
# The paper trains an embedding of states and an embedding of actions together, by predicting the next state, and lets a
# policy-gradient agent act in the embedded spaces (JSAE). It compares this with the same agents without embeddings and
# with embeddings of actions alone (RA). This page shows {{runs}} runs in {{cells}} of the study's {{expected_cells}}
# cells (environment × agent × embedding), seeds {{seeds}}, at the scale “{{scale}}”.

# %%
if scale == "preview":
    show(
        document.note(
            "**Preview.** Each run was stopped after about {{share}} of the paper's epochs. What stands here shows "
            "that the pipeline works; it neither supports nor contradicts a claim of the paper.",
            "warning",
        )
    )
if missing:
    show(
        document.note(
            "**Missing.** {{missing_cells}} of the study's cells or cohorts have no run yet; "
            "[they are listed below](#missing-runs).",
            "warning",
        )
    )

# %% [markdown]
# ## Results
#
# The panels are those of Figure 2 of the paper: the average return over the last {{paper.episodes_of_the_measure}}
# episodes against epochs. The thick line is the mean over the n seeds of a cell, the band one standard deviation around
# it, each thin line one seed. Nothing is smoothed. Dashed and dotted horizontals are the expected returns of the best
# and of the uniform random policy, where they are known.


# %%
def level(column, rows):
    """Mean and standard deviation over seeds of a column, as text."""
    seeds = rows[column].to_numpy()
    spread = f" ± {number(seeds.std(ddof=1))}" if len(seeds) > 1 else ""
    return number(seeds.mean()) + spread


def describe(environment):
    """What a panel shows, in words, for those who do not see it."""
    rows = final.filter(pl.col("environment") == environment)
    said = [
        f"{plots.AGENTS.get(agent, agent)} with {plots.NAMES.get(embedding, embedding)} ends at "
        + level("final_return", seeds)
        for (agent, embedding), seeds in rows.group_by("agent", "embedding", maintain_order=True)
    ]
    return f"Learning curves, {plots.ENVIRONMENTS.get(environment, environment)}: " + "; ".join(said) + "."


drawn = [
    (name, environment) for name, (environment, _) in plots.PANELS.items() if (Path(figures) / f"{name}.svg").exists()
]
show(
    document.figures(
        [
            (
                Path(figures) / f"{name}.svg",
                describe(environment),
                f"**Figure {name.removeprefix('figure_')}.** {plots.ENVIRONMENTS.get(environment, environment)}: "
                f"{budget[environment]} of the paper's {full[environment]} epochs.",
            )
            for name, environment in drawn
        ],
        name="figure-2",
    )
)

# %%
rows = [
    (
        plots.ENVIRONMENTS.get(environment, environment),
        plots.AGENTS.get(agent, agent),
        plots.NAMES.get(embedding, embedding),
        len(seeds),
        level("final_return", seeds),
        level("area", seeds),
        level("fraction", seeds) if seeds["fraction"].is_finite().all() else "not known",
    )
    for (environment, agent, embedding), seeds in final.group_by(
        "environment", "agent", "embedding", maintain_order=True
    )
]
show(
    document.table(
        ["Environment", "Agent", "Representation", "n", "Final return", "Mean over epochs", "Fraction"],
        rows,
        "Mean ± standard deviation over seeds. Final return: mean over the last tenth of the epochs. Fraction: of the "
        "way from the random to the optimal return.",
        numbers=["n", "Final return", "Mean over epochs", "Fraction"],
        name="final-returns",
    )
)

# %% [markdown]
# ## Missing runs

# %%
if missing:
    show(
        document.table(
            ["Environment", "Agent", "Representation", "Seeds"],
            [
                (row["environment"], row["agent"], row["embedding"], ", ".join(map(str, row["seeds"])))
                for row in missing
            ],
            "Cells that params.yaml lists and that have no run.",
        )
    )
else:
    show(document.note("Every cell that params.yaml lists has run with every seed."))
absent = [name for name in plots.PANELS if name not in dict(drawn)]
if absent:
    show(
        document.note(
            "Panels of the paper's Figure 2 that have no run here: "
            + ", ".join(name.removeprefix("figure_") for name in absent)
            + "."
        )
    )

# %% [markdown]
# ## Deviations from the paper

# %%
show(
    document.table(
        ["Topic", "Paper", "This study", "Why", "Effect"],
        [
            (f"{row['topic']} ({row['section']})", row["paper"], row["ours"], row["why"], row["effect"])
            for row in deviations
        ],
        "Where the paper does not say, or where this study does something else.",
        prose=["This study", "Effect"],
    )
)

# %% [markdown]
# ## Parameters
#
# Everything that params.yaml holds, with where it came from.

# %%
show(
    document.table(
        ["Name", "Value", "Meaning", "Source"],
        parameters.table(settings),
        "All parameters of the study.",
        name="parameters-table",
    )
)

# %% [markdown]
# ## Provenance
#
# What decides the numbers is the code, the parameters above and the locked packages. What one machine did, and when,
# differs from run to run: it lies beside this page.

# %%
lock_files = [Path(lock) for lock in locks]
versions = provenance.locked_versions(lock_files)
main_packages = [name for name in provenance.PACKAGES if name in versions]
show(document.values(lock=provenance.lock_digest(lock_files), packages=len(versions)))
show(document.note("SHA-256 of the lock files: `{{lock}}` ({{packages}} packages)."))
show(
    document.table(
        ["Package", "Locked version"],
        [(name, versions[name]) for name in main_packages],
        "Versions that the results depend on most; requirements/*.lock hold all.",
        numbers=["Locked version"],
    )
)
show(
    document.frame(
        "provenance.html",
        "The page [provenance.html](provenance.html) beside this one tells the commit, the machine and the hours, if "
        "this study ran here.",
        "Commit, machine and hours of each stage",
    )
)
