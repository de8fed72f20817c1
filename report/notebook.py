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
# The stage `report` runs it, and turns what it shows into pages. This cell is not shown.

# %% tags=["parameters"]
# ruff: noqa: E402
scale = "preview"
results = "results/preview"
figures = "results/preview/figures"
data = "data/processed"
search = "search/settings.csv"
times = "search/times.csv"
parameters_file = "params.yaml"
sources = "report"
commands: list[list[str]] = []
locks: list[str] = []

# %%
from pathlib import Path

import polars as pl
from IPython.display import publish_display_data
from ruamel.yaml import YAML

from jsae.analysis import claims, statistics, tables
from jsae.analysis import search as searching
from jsae.config import labels as names
from jsae.config import parameters
from jsae.io import files, provenance
from jsae.reporting import document
from jsae.reporting.document import number


def show(block):
    """Hand a block to the report."""
    publish_display_data({document.MIME: block, "text/plain": block["kind"]})


def read_yaml(name):
    return YAML(typ="safe").load(Path(sources) / name)


def read_table(name):
    return files.read_table(Path(results) / f"{name}.parquet")


def read_json(path):
    return files.read_json(Path(path)) if Path(path).exists() else None


settings = parameters.load(Path(parameters_file))
paper, deviations, book = (read_yaml(name) for name in ("paper.yaml", "deviations.yaml", "claims.yaml"))
curves, final, aggregates = (read_table(f"tables/{name}") for name in ("curves", "final", "aggregates"))
missing, verdicts = read_json(f"{results}/tables/missing.json"), read_json(f"{results}/claims.json")
beside = read_json(f"{results}/tables/variants.json")
parts = read_json(f"{results}/tables/ablations.json")
tried = pl.read_csv(search, infer_schema_length=None)
took = pl.read_csv(times)
measured = pl.DataFrame()
if Path(f"{results}/quality/embeddings.parquet").exists():
    measured = read_table("quality/embeddings")
shops = {name: section.store for name, section in settings.environments.items() if section.module == "recommender"}
purchases, models = (
    {store: read_json(f"{data}/{store}/{file}.json") for store in dict.fromkeys(shops.values())}
    for file in ("purchases", "transitions")
)


def level(column, rows):
    """Mean and standard deviation over seeds of a column, as text."""
    seeds = rows[column].to_numpy()
    spread = f" ± {number(seeds.std(ddof=1))}" if len(seeds) > 1 else ""
    return number(seeds.mean()) + spread


def known(column, rows):
    """Mean and spread of what was measured; empty where nothing was."""
    values = rows.filter(pl.col(column).is_finite())
    return level(column, values) if len(values) else ""


def bound(name, column):
    """A bound of an environment as text; empty where no run of it is in the tables."""
    found = final.filter(pl.col("environment") == name)[column].drop_nans().unique()
    return number(found[0], 4) if len(found) == 1 else "not known"


def measure_of(environment, embedding, column):
    """What was measured of a pre-trained embedding, as text; the least loss and a guess's are the environment's."""
    if measured.is_empty():
        return "not measured"
    rows = measured.filter((pl.col("environment") == environment) & (pl.col("embedding") == embedding))
    return known(column, rows.head(1) if column in ("least_loss", "guess") else rows) or "not measured"


# %%
cell_of = ["environment", "agent", "embedding"]
cells = final.select(cell_of).unique(maintain_order=True)
budget = {name: environment.epochs.at(scale) for name, environment in settings.environments.items()}
full = {name: environment.epochs.at("paper") for name, environment in settings.environments.items()}
shares = [budget[name] / full[name] for name in cells["environment"]]
counted = {name: sum(claim["verdict"] == name for claim in verdicts) for name in ("not tested", *names.VERDICTS)}
on_jsae = [claim for claim in verdicts if claim["first"] and claim["first"][2].startswith("jsae")]
margins = {"fraction": "{:g} of the way", "final_return": "{:g} of the final return", "epochs": "{:g} of the epochs"}
drawn = [name for name in names.PANELS if (Path(figures) / f"{name}.svg").exists()]
compared = [claim for claim in verdicts if claim["low"] is not None]
confidence = f"{100 * (1 - 2 * book['level']):g} %"
show(document.values(**{name: value for name, value, _, _ in parameters.table(settings)}))
show(document.values(**{f"paper.{name}": value for name, value in paper.items() if name != "references"}))
for name in settings.environments:
    show(document.values(**{f"bound.{name}.{end}": bound(name, f"{end}_return") for end in ("random", "optimal")}))
show(
    document.values(
        **{
            f"quality.{environment}.{column}": measure_of(environment, "jsae", column)
            for environment in settings.environments
            for column in ("loss", "least_loss", "guess", "action_gain", "action_error", "spread")
        }
    )
)
for name in settings.environments:
    for agent in names.AGENTS:
        show(document.values(**{f"{name}.{agent}.{key}": value for key, value in settings.agent(name, agent).items()}))
filtered = purchases[shops["recommender"]]
left = filtered["rules"][-1] if filtered else dict.fromkeys(("rows", "items", "users"))
shown = {f"purchases.{key}": "unknown" if left[key] is None else f"{left[key]:,}" for key in ("rows", "items", "users")}
show(document.values(**shown))
best = searching.chosen_rows(tried)
kept = [said.lower() for name, said in names.SEARCHED.items() if name not in settings.search.vary]
searched = {
    "same": "Learning rates and the like are the same for all three.",
    "ours": "One setting for every cell, the same for each embedding.",
    "effect": "Not measured: the search has not run.",
}
if best:
    searched = {
        "same": "Learning rates and the like are the best that a search over the same grid has found for each.",
        "ours": f"Halving, with the seeds {settings.search.cohort}, of the grids of "
        + ", ".join(names.SEARCHED[name].lower() for name in settings.search.vary)
        + f"; one setting in {settings.search.factor} goes on, the last to "
        f"{100 * settings.search.share_of_epochs:g} % of the epochs. {len(best)} cells were searched; ablations and "
        "transfers take what was found for the representation that they vary. Not searched: " + ", ".join(kept) + ".",
        "effect": "The section on the search shows what each hyper-parameter does.",
    }
show(document.values(**{f"search.{name}": text for name, text in searched.items()}))
show(
    document.values(
        scale=scale,
        runs=len(final),
        cells=len(cells),
        expected_cells=len(list(settings.cells())),
        seeds=", ".join(map(str, sorted(final["seed"].unique()))),
        missing_cells=len(missing),
        share=" to ".join(f"{number(100 * share, 2)} %" for share in sorted({min(shares), max(shares)})),
        sentences=len({claim["sentence"] for claim in verdicts}),
        claims=len(verdicts),
        supported=counted["supported"],
        contradicted=counted["contradicted"],
        inconclusive=counted["inconclusive"],
        untested=counted["not tested"],
        on_jsae=len(on_jsae),
        on_jsae_said=", ".join(
            f"{sum(claim['verdict'] == name for claim in on_jsae)} {name}" for name in (*names.VERDICTS, "not tested")
        ),
        of_no_learning=sum("nothing of learning" in claim["remark"] for claim in verdicts),
        margins=", ".join(said.format(book["margins"][measure]) for measure, said in margins.items()),
        smoothing=claims.SMOOTHING,
        power=f"{100 * book['power']:g} %",
        searching_seeds=settings.search.cohort,
        confidence=confidence,
        usual=f"{100 * statistics.CONFIDENCE:g} %",
        samples=f"{settings.environments['gridworld-discrete'].pretraining_samples:,}",
        samples_of_the_shop=f"{settings.environments['recommender'].pretraining_samples:,}",
        epochs_of_samples=", ".join(
            f"{names.environment(name)} {section.pretraining_samples / section.steps_per_epoch:g}"
            for name, section in settings.environments.items()
            if name in names.PANELS.values()
        ),
    )
)

# %% [markdown]
# # {{paper.title}}: a reproduction
#
# A study of the first version of the paper by {{paper.authors}} (arXiv {{paper.arxiv}}, {{paper.year}}). Every result
# on these pages is read from the study's own tables when they are made; the paper's curves exist as images only.

# %% [markdown]
# ## Abstract
#
# The paper trains an embedding of states and an embedding of actions together, by predicting the next state, and lets a
# policy-gradient agent act in the embedded spaces (JSAE). It compares this with the same agents without embeddings and
# with embeddings of actions alone (RA). This study ran {{runs}} runs in {{cells}} of its {{expected_cells}} cells
# (environment × agent × embedding), with the seeds {{seeds}}, at the scale “{{scale}}”. {{sentences}} sentences of the
# paper come to {{claims}} comparisons and checks, here called claims. {{supported}} of them are supported,
# {{contradicted}} contradicted and {{inconclusive}} inconclusive at this budget; {{untested}} are not tested. Of the
# {{on_jsae}} in which JSAE is compared with something: {{on_jsae_said}}.

# %%
shop = settings.environments["recommender"].dynamics
if shop.bonus:
    show(
        document.note(
            "**Before Figure 2e is believed:** its recommender system adds {{environments.recommender.dynamics.bonus}} "
            "to the chance of an item that is recommended, which the paper's text does not. It is the form of the "
            "public re-implementation, and was chosen because without it no agent without embeddings learnt. VPG in "
            "the paper's text to the letter stands among the [variants](#variants-that-the-paper-does-not-have), what "
            "was tried in the [deviations](#deviations-from-the-paper). Its purchases are those of the store "
            "{{environments.recommender.store}}; the paper's are of the store kechinov."
        )
    )
if any("nothing of learning" in claim["remark"] for claim in verdicts):
    show(
        document.note(
            "{{of_no_learning}} of the verdicts, all of them on speed, say nothing of learning: the benchmark's level, "
            "which is to be reached, is one that chance reaches in a few epochs. The rule by which they are judged was "
            "fixed before, so they stand; they are marked."
        )
    )
if scale == "preview":
    show(
        document.note(
            "**Preview.** Each run was stopped after {{share}} of the paper's epochs. What stands here shows "
            "that the pipeline works. Its verdicts hold for this budget only; they neither support nor contradict "
            "what the paper found with the whole one.",
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

# %%
show(
    document.table(
        ["What", *(name.capitalize() for name in names.VERDICTS), "Not tested"],
        [
            (
                f"Figure {panel}: {names.environment(names.PANELS[f'figure_{panel}'])}" if panel else "Theory",
                *(
                    sum(claim["verdict"] == verdict for claim in verdicts if claim["figure"] == panel) or "–"
                    for verdict in (*names.VERDICTS, "not tested")
                ),
            )
            for panel in dict.fromkeys(claim["figure"] for claim in verdicts)
        ],
        "Verdicts on the paper's claims, counted by figure.",
        numbers=[*(name.capitalize() for name in names.VERDICTS), "Not tested"],
        name="verdicts",
    )
)

# %% [markdown]
# ## Method
#
# An environment model learns the state embedding $\phi$ and the action embedding $g$. An internal policy $\pi_i$ sees
# $X_t = \phi(S_t)$, draws $E_t \sim \pi_i(\cdot \mid X_t)$, and the action is $A_t = f(E_t)$: for discrete actions the
# one whose embedding is nearest to $E_t$, for continuous ones the output of a small network.

# %%
show(
    document.figures(
        [
            (
                f"{figures}/figure_1.svg",
                "Two drawings. Left: a state goes through the state embedding phi to the internal policy, its embedded "
                "action through f to the environment, which returns the next state and a reward. Right: phi embeds the "
                "state, g the action, and T predicts the next state from both.",
                "",
            )
        ],
        "**Figure 1.** Architecture (a) and embedding model (b), after the paper. Tinted boxes are learnt from "
        "transitions, by supervision.",
        wide=True,
    )
)

# %% [markdown]
# The overall policy is the internal one summed over the points that map to an action,

# %%
show(document.equation(r"\pi_o(a \mid s) = \int_{\{e\} = f^{-1}(a)} \pi_i(e \mid x = \phi(s))\, de ,", "1"))

# %% [markdown]
# and Lemma 1 writes the value of a policy in the same way:

# %%
show(
    document.equation(
        r"v^\pi(s) = \sum_{a \in \mathcal{A}} \int_{\{e\} = f^{-1}(a)} \pi_i(e \mid x = \phi(s))\, Q^\pi(s, a)\, de ."
    )
)

# %% [markdown]
# The environment model estimates the transition probabilities through the embeddings,

# %%
show(
    document.equation(
        r"\hat{P}(S_{t+1} \mid S_t, A_t) = \hat{T}(S_{t+1} \mid X_t, E_t)\, \hat{g}(E_t \mid A_t)\, "
        r"\hat{\phi}(X_t \mid S_t) ,",
        "3",
    )
)

# %% [markdown]
# and is trained on transitions of random actions by Eq. (5); a network $f$, where there is one, by Eq. (6), without
# moving the other three:

# %%
show(document.equation(r"L(\hat{\phi}, \hat{g}, \hat{T}) = -\mathbb{E} [ \ln \hat{P}(S_{t+1} \mid S_t, A_t) ] ,", "5"))
show(document.equation(r"L(\hat{f}) = -\mathbb{E} [ \ln \hat{f}(A_t \mid E_t) ] ,", "6"))

# %% [markdown]
# both replaced by a mean squared error where states or actions are continuous. Embeddings pass through a tanh. Then the
# agent learns in the embedded spaces (Algorithm 1): in the recommender system every epoch's transitions train the
# environment model further by Eq. (5), elsewhere it stays as pre-training has left it. The overall policy is judged by

# %%
show(
    document.equation(
        r"J_o(\phi, \theta, f) = \sum_{s \in \mathcal{S}} d_0(s) \sum_{a \in \mathcal{A}} \pi_o(a \mid s)\, "
        r"Q^{\pi_o}(s, a) ,",
        "7",
    )
)
show(
    document.equation(
        r"J_i(\theta) = \int_{x \in \mathcal{X}} d_0(x) \int_{e \in \mathcal{E}} \pi_i(e \mid x)\, "
        r"Q^{\pi_i}(x, e)\, de\, dx ,",
        "8",
    )
)

# %% [markdown]
# and Lemma 2 says that both have the same gradient with respect to the internal policy's parameters, if no two states
# share an embedding (Assumption 3):

# %%
show(
    document.equation(
        r"\frac{\partial J_i(\theta)}{\partial \theta} = \frac{\partial J_o(\phi, \theta, f)}{\partial \theta} ."
    )
)
show(
    document.figures(
        [
            (
                f"{figures}/figure_3.svg",
                "A drawing: the policy pi prime takes a raw state through phi and the internal policy and gives an "
                "embedded action, which f maps to an action of the environment.",
                "",
            )
        ],
        "**Figure 3.** The policy $\\pi^\\prime_i$ of the proof of Lemma 2.",
    )
)

# %% [markdown]
# **The benchmark RA** embeds actions alone: a network predicts from two successive states the action between them, and
# the policy acts in the space of those embeddings, on raw states. **Without embedding** the agent acts on raw states
# and actions: for discrete actions its policy is a softmax over all of them, where the other two have a Gaussian in few
# dimensions. Environment steps are the same for all three, and so is the most gradient steps that an epoch may have;
# how many of these the stop at a divergence lets an actor take differs, and stands in the table of final returns. SAC
# without embedding is the form for discrete actions (Christodoulou). {{search.same}} In the recommender system
# RA's embeddings go on learning during training as JSAE's do. RA and JSAE are pre-trained on {{samples}} transitions of
# random actions ({{samples_of_the_shop}} in the recommender system), the agent without embedding on none; no axis of
# epochs counts them. In epochs they would be: {{epochs_of_samples}}.

# %% [markdown]
# ## Environments and their bounds

# %%


def spaces(environment):
    """What the states and actions of an environment are, in words."""
    world = environment.dynamics
    match environment.module:
        case "gridworld":
            states = f"{world.bins**2:,} bins" if world.discrete else "coordinates"
            return states, f"{2**world.actuators:,}"
        case "slot_machine":
            shown = 1
            for reel in world.reels:
                shown *= len(reel)
            return f"{shown:,}", f"{world.moves ** len(world.reels):,}"
        case "recommender":
            items = (models[environment.store] or {}).get("items")
            order = settings.data.transitions.order
            return (f"{items**order:,}", f"{items:,}") if items else ("not known", "not known")
        case _:
            return "continuous", "continuous"


show(
    document.table(
        ["Environment", "States", "Actions", "Steps", "Random", "Optimal"],
        [
            (
                names.environment(name),
                *spaces(environment),
                environment.dynamics.episode_length,
                bound(name, "random_return"),
                bound(name, "optimal_return"),
            )
            for name, environment in settings.environments.items()
        ],
        "Environments of this study. Random and optimal: expected return of an episode under the uniform random and "
        "the best policy, by search, closed form or dynamic programming.",
        numbers=["States", "Actions", "Steps", "Random", "Optimal"],
        wide=True,
    )
)
if (Path(figures) / "figure_4.svg").exists():
    show(
        document.figures(
            [
                (
                    f"{figures}/figure_4.svg",
                    "The gridworld: a unit square with a red agent at the lower left, a blue goal at the upper left, "
                    "and two grey walls between them that form a corner.",
                    "",
                )
            ],
            "**Figure 4.** The gridworld: goal blue, agent red with the directions of its actuators, obstacles grey.",
        )
    )

standing: dict[float, list[str]] = {}
for name, environment in settings.environments.items():
    ends = final.filter((pl.col("environment") == name) & pl.col("fraction").is_finite())
    if environment.module == "gridworld" and len(ends):
        idle = environment.dynamics.episode_length * environment.dynamics.step_reward
        random, optimal = ends[0, "random_return"], ends[0, "optimal_return"]
        fraction = number((idle - random) / (optimal - random))
        standing.setdefault(idle, []).append(f"{fraction} ({names.environment(name)})")
for idle, fractions in standing.items():
    show(
        document.note(
            f"In a gridworld, an agent that has learnt not to collide and never meets the goal returns {number(idle)}. "
            f"Of the way from random to optimal, this is {'; '.join(fractions)}."
        )
    )

# %% [markdown]
# ## Results
#
# The panels are those of Figure 2 of the paper: the average return over the last {{paper.episodes_of_the_measure}}
# episodes against epochs. The thick line is the mean over the n seeds of a cell, the band one standard deviation around
# it, each thin line one seed. Nothing is smoothed but where a run has more epochs than a plot can show: then a point is
# the mean of as many as the axis says. Dashed and dotted horizontals are the expected returns of the best and of the
# uniform random policy, where they are known.
#
# Under each panel stand the paper's sentences and what these runs say about them. An effect is a difference of means
# with its {{confidence}} interval (Welch), in the unit of the measure: *fraction* of the way from the random to the
# optimal return, *final return* where no optimum is known, or *epochs* saved until the return first reaches what the
# second cell ends at. Measures and margins were fixed before the runs (rough prototypes with other settings had shown
# what to expect of three environments). The margins: {{margins}}.
#
# - **Supported**: the difference is surely on the claimed side of zero, or, where the claim is “comparable”, surely
#   smaller than the margin.
# - **Contradicted**: it is surely short of the margin, be it on the claimed side of zero or not, or, where the claim is
#   “comparable”, surely larger than the margin.
# - **Inconclusive**: neither. The number of seeds that would settle it with a power of {{power}} takes the effect and
#   the spreads of these few seeds for the true ones, and the strictest level of the adjustment.
#
# “Surely” is meant after an adjustment (Holm) for how many claims are judged together: those of a panel, in Figure 2e
# those on JSAE and those on its benchmarks apart. Intervals are not adjusted, so that one which leaves out zero may
# stand beside “inconclusive”. Where an agent either finds the goal or never does, an interval of few seeds is rough.
# *Over all epochs* is the same difference of the mean return over all epochs, in which speed counts as well as level.
# It was added when the results were known, and no verdict takes it into account. The same holds for the table at the
# end of the [comparisons](#all-comparisons), which shows what hangs on two choices: cells are taken for independent,
# but runs with the same seed share their random numbers; and a level counts as reached at the first epoch that meets
# it, which in a noisy curve may be luck.


# %%
def describe(environment):
    """What a panel shows, in words, for those who do not see it."""
    compared = names.TRANSFER if environment == names.PANELS["figure_2f"] else names.PAPER
    rows = final.filter((pl.col("environment") == environment) & pl.col("embedding").is_in(compared))
    said = [
        f"{names.agent(agent)} with {names.embedding(embedding)} ends at " + level("final_return", seeds)
        for (agent, embedding), seeds in rows.group_by("agent", "embedding", maintain_order=True)
    ]
    return f"Learning curves, {names.environment(environment)}: " + "; ".join(said) + "."


def effect(claim):
    """Effect and interval of a claim, as text."""
    if claim["low"] is None:
        if claim["effect"] is None:
            return ""
        whole = isinstance(claim["effect"], int)
        return f"{claim['measure']}: {claim['effect'] if whole else number(claim['effect'])}"
    return f"{document.interval(claim)} {claim['measure'].replace('_', ' ')}"


def verdict(claim):
    """The verdict of a claim with what else there is to say about it."""
    more = claim["reason"]
    if claim["verdict"] == "inconclusive":
        seeds = claim["seeds_needed"]
        more = "no number of seeds is likely to settle it"
        if seeds:
            more = f"about {seeds:,} seeds a cell would settle it, as {claim['settles_as']}"
    more = "; ".join(part for part in (more, claim["remark"]) if part)
    return f"**{claim['verdict']}**" + (f" ({more})" if more else "")


def difference(of):
    """A difference of means with its interval and unit, as text."""
    unit = "fraction" if of["measure"] in ("fraction", "area") else "return"
    return f"{document.interval(of)} {unit}"


def seeds_of(claim):
    """Seeds of the two cells of a claim, or how many things a fact was checked on."""
    return " / ".join(map(str, claim["n"])) if isinstance(claim["n"], list) else claim["n"]


def claims_table(shown, caption=""):
    """Claims with effects and verdicts; those of comparisons also with the difference over all epochs."""
    over = [[difference(claim["over_epochs"])] if claim["over_epochs"] else [] for claim in shown]
    return document.table(
        ["Claim", "Effect", *(["Over all epochs"] if any(over) else []), "n", "Verdict"],
        [
            (claim["aspect"], effect(claim), *extra, seeds_of(claim), verdict(claim))
            for claim, extra in zip(shown, over, strict=True)
        ],
        caption,
        prose=["Verdict"],
        numbers=["n"],
        wide=len(shown) > 3,
    )


for name in drawn:
    environment = names.PANELS[name]
    panel = name.removeprefix("figure_")
    here = [claim for claim in verdicts if claim["figure"] == panel]
    show(document.heading(f"Figure {panel}: {names.environment(environment)}", 3))
    show(
        document.figures(
            [(f"{figures}/{name}.svg", describe(environment), "")],
            f"**Figure {panel}.** {names.environment(environment)}, {budget[environment]:,} of the "
            f"paper's {full[environment]:,} epochs.",
            name=name.replace("_", "-"),
            wide=len(final.filter(pl.col("environment") == environment)["agent"].unique()) > 1,
        )
    )
    for sentence in dict.fromkeys(claim["sentence"] for claim in here):
        mark = next(claim["section"] for claim in here if claim["sentence"] == sentence)
        show(document.note(f"*The paper (Section {mark}):* “{sentence}”"))
    tested = [claim for claim in here if claim["low"] is not None]
    if tested:
        show(claims_table(tested, f"What these runs say about the claims on Figure {panel}."))
    if len(tested) < len(here):
        show(
            document.note(
                f"{len(here) - len(tested)} of the {len(here)} claims on Figure {panel} are not tested; "
                "[the reasons are listed below](#claims-that-were-not-tested)."
            )
        )

# %% [markdown]
# ## Variants that the paper does not have
#
# The paper's comparisons, made in environments of this study's own: they judge no claim of the paper and stand in no
# count of verdicts.

# %%
for variant, own in names.VARIANTS.items():
    here = [record for record in beside if record["first"][0] == variant]
    tested = [record for record in here if record["low"] is not None]
    if not here:
        continue
    show(document.heading(names.environment(variant), 3))
    show(
        document.figures(
            [(f"{figures}/figure_variant_{variant}.svg", describe(variant), "")],
            f"**{names.environment(variant)}**, {budget[variant]:,} of {full[variant]:,} epochs.",
            name=f"figure-{variant}",
            wide=True,
        )
    )
    if tested:
        show(claims_table(tested, f"The paper's comparisons in the {names.environment(own).lower()}, made here."))
    if len(tested) < len(here):
        show(document.note(f"{len(here) - len(tested)} of its {len(here)} comparisons cannot be made with these runs."))
without = [names.environment(name) for name in names.VARIANTS if name not in {e for e, _, _ in settings.cells()}]
if without:
    show(
        document.note(
            f"Not part of this study at the scale “{scale}”, as `study` in params.yaml lists no cell of them: "
            f"{'; '.join(without)}."
        )
    )

# %% [markdown]
# ## Theory
#
# Lemma 1, Theorem 1, Lemma 2 and Assumption 3 are statements about exact objects; on small random problems, in which
# every value is the solution of a linear system, they can be checked with numbers. By the paper's first two assumptions
# every embedded action belongs to one action and every state has one embedding; Theorem 1 says that some overall policy
# is optimal.
#
# *Q* in the table says how Q(x, e) averages where several states share the embedding x, which the paper leaves open: by
# the distribution of states at the *start*, with *uniform* weights, by the *visits* of the policy (what returns of
# whole episodes estimate), or as if x were itself a state that foretells the next (*markov*: what a bootstrapping
# critic tends to). *∂Ji* and *∂Jo* are the two sides of Lemma 2, *policy gradient in E* is what an agent follows; each
# is shown as its relative difference from ∂Jo. Of an error over an injective φ the largest alone was kept.
#
# That no two embeddings are equal does not make them far apart: a bin that random actions never leave gets no gradient,
# and what weight decay leaves of its embedding differs from the next by rounding. How near the nearest are stands
# below.

# %%
facts = [claim for claim in verdicts if claim["kind"] == "fact"]
show(claims_table(facts, "The paper's theory, checked with numbers."))
theory = read_json(f"{results}/theory.json")
if theory:
    checks = pl.DataFrame(theory["checks"], infer_schema_length=None).filter(
        pl.col("embedding").is_null() | pl.col("embedding").is_in(names.PAPER)
    )
    keys = ["check", "where", "embedding", "trained", "quantity"]
    ranges = checks.group_by(keys, maintain_order=True).agg(
        pl.when(pl.col("low").is_null().all() & (pl.len() == 1))  # of many problems the largest only was kept
        .then(None)
        .otherwise(pl.min_horizontal("value", "low").min())
        .alias("low"),
        pl.max_horizontal("value", "high").max().alias("high"),
        pl.len().alias("rows"),
        pl.col("n").first(),
    )
    show(
        document.table(
            ["Check", "Where", "Representation", "Quantity", "Smallest", "Largest", "n"],
            [
                (
                    row["check"].replace("-", " ").capitalize(),
                    names.environment(row["where"]),
                    (names.embedding(row["embedding"]) if row["embedding"] else "")
                    + (f", trained with {names.agent(row['trained'])}" if row["trained"] else ""),
                    row["quantity"],
                    "" if row["low"] is None else number(row["low"], 2),
                    number(row["high"], 2),
                    f"{row['rows']} × {row['n']:,}" if row["rows"] > 1 else f"{row['n']:,}",
                )
                for row in ranges.rows(named=True)
            ],
            "Every check of what the paper has: the range of what was measured over problems or seeds. Ablations and "
            "transfers, which the verdict counts as well, are in theory.json. n: problems, or seeds × states.",
            numbers=["Smallest", "Largest", "n"],
            name="theory-checks",
            wide=True,
        )
    )

# %% [markdown]
# ## All comparisons

# %%
if compared:
    show(
        document.figures(
            [
                (
                    f"{figures}/figure_claims.svg",
                    "Every tested comparison with its interval: "
                    + "; ".join(f"{claim['aspect']}: {claim['verdict']}" for claim in compared)
                    + ".",
                    "",
                )
            ],
            "**Every tested comparison** in units of its margin, intervals not adjusted, colours after the adjustment. "
            "Better and faster are supported right of zero; comparable is supported inside the grey band.",
            wide=True,
        )
    )
    show(
        document.table(
            ["Figure", "Claim", "Effect", "Margin", "n", "P", "p for", "p against", "Verdict"],
            [
                (
                    claim["figure"],
                    claim["aspect"],
                    effect(claim),
                    f"{claim['margin']:g}",
                    seeds_of(claim),
                    number(claim["probability_of_improvement"], 2),
                    number(claim["p"], 2),
                    number(claim["p_against"], 2),
                    claim["verdict"],
                )
                for claim in compared
            ],
            "Every tested comparison. P: how likely a random seed of the first cell is ahead of one of the second. p: "
            "of the one-sided tests that would support and that would contradict the claim, adjusted for those judged "
            "together.",
            numbers=["Margin", "n", "P", "p for", "p against"],
            wide=True,
        )
    )
    show(
        document.table(
            ["Figure", "Claim", "As judged", "Paired by seed", "Smoothed", "Verdict"],
            [
                (
                    claim["figure"],
                    claim["aspect"],
                    effect(claim),
                    document.interval(claim["paired"]) if claim["paired"] else "",
                    document.interval(claim["smoothed"]) if claim["smoothed"] else "",
                    claim["verdict"],
                )
                for claim in compared
            ],
            "The same effects otherwise, with intervals that are not adjusted. Paired by seed: the mean difference "
            "between the runs with the same seed. Smoothed: where not one epoch but the mean of {{smoothing}} has to "
            "reach the level. Added when the results were known; no verdict takes it into account.",
            name="readings",
            wide=True,
        )
    )
if not aggregates.is_empty():
    show(
        document.figures(
            [
                (
                    f"{figures}/figure_aggregates.svg",
                    "Interquartile mean of the fraction: "
                    + "; ".join(
                        f"{names.agent(row['agent'])} with {names.embedding(row['embedding'])} "
                        f"{number(row['estimate'])} [{number(row['low'])}, {number(row['high'])}]"
                        for row in aggregates.rows(named=True)
                    )
                    + ".",
                    "",
                )
            ],
            "**Over environments of the paper:** interquartile mean of the fraction with its {{usual}} interval "
            "(stratified bootstrap, narrow for so few seeds), and performance profiles. "
            + "; ".join(
                f"{names.agent(agent)}: {rows[0, 'environments']} environments, {rows[0, 'seeds']} seeds"
                for (agent,), rows in aggregates.group_by("agent", maintain_order=True)
            )
            + ".",
            wide=True,
        )
    )
taken = {
    (environment, agent, embedding): steps
    for environment, agent, embedding, steps in curves.group_by(cell_of).agg(pl.col("policy_steps").mean()).rows()
}
show(
    document.table(
        [
            "Environment",
            "Agent",
            "Representation",
            "n",
            "Final return",
            "Seeds",
            "Mean over epochs",
            "Fraction",
            "Policy steps",
        ],
        [
            (
                names.environment(environment),
                names.agent(agent),
                names.embedding(embedding),
                len(seeds),
                level("final_return", seeds),
                f"{number(seeds['final_return'].min())} to {number(seeds['final_return'].max())}",
                level("area", seeds),
                level("fraction", seeds) if seeds["fraction"].is_finite().all() else "not known",
                number(taken[environment, agent, embedding]),
            )
            for (environment, agent, embedding), seeds in final.group_by(
                "environment", "agent", "embedding", maintain_order=True
            )
        ],
        "Mean ± standard deviation over seeds. Final return: mean over the last tenth of the epochs, in the "
        "recommender systems in the currency of the store. Seeds: the lowest and the highest of them. Fraction: of the "
        "way from the random to the optimal return. Policy steps: gradient steps of the actor an epoch, on average; "
        "where an epoch may have several, the divergence ends them.",
        numbers=["n", "Final return", "Seeds", "Mean over epochs", "Fraction", "Policy steps"],
        name="final-returns",
        wide=True,
    )
)

# %% [markdown]
# ## What the embeddings hold
#
# Before any agent is trained, the embeddings can be measured on transitions that they have not seen. In a gridworld an
# action's true motion is known: ρ is Spearman's rank correlation between distances of embeddings and distances of
# motions. The loss is that of Eq. (5), between what the environment's own chance leaves at least and what a guess
# without any input has. The gain is how much that loss rises when transitions get one another's actions: what T, and
# with it E, knows of actions at all. The spread is the standard deviation of actions' coordinates in E: the standard
# deviation that a policy over E begins with is in the same unit.

# %%
if (Path(figures) / "figure_embeddings.svg").exists():
    show(
        document.figures(
            [
                (
                    f"{figures}/figure_embeddings.svg",
                    "Action embeddings of the discrete gridworld in the plane, a point an action, coloured by the "
                    "direction of its motion, one plot a representation.",
                    "",
                )
            ],
            "**Action embeddings** of one seed after pre-training, coloured by the direction of each action's motion.",
            wide=True,
        )
    )


def quality_rows():
    """A heading for each environment, below it a row for each representation."""
    for (environment, unit), here in measured.group_by("environment", "unit", maintain_order=True):
        yield (f"{names.environment(environment)} ({unit})",)
        for (embedding,), rows in here.group_by("embedding", maintain_order=True):
            if embedding in names.CONTROLS:
                continue  # measured are the points as learnt, not as dealt
            yield (
                names.embedding(embedding),
                known("rank_correlation", rows),
                known("loss", rows),
                known("least_loss", rows.head(1)),
                known("guess", rows.head(1)),
                known("action_gain", rows),
                known("action_error", rows),
                known("spread", rows),
            )


if not measured.is_empty():
    show(
        document.table(
            ["Representation", "ρ", "Loss", "Least", "Guess", "Gain", "Error of f", "Spread"],
            quality_rows(),
            "Pre-trained embeddings on fresh transitions: mean ± standard deviation over the seeds {{seeds}}; beside "
            "each environment the unit of its losses.",
            numbers=["ρ", "Loss", "Least", "Guess", "Gain", "Error of f", "Spread"],
            name="quality",
            wide=True,
        )
    )
else:
    show(document.note("The embeddings of this study have not been measured."))

# %% [markdown]
# ## What agents make of the gridworld
#
# Maps of the trained agents, means over their seeds: above, what the critic thinks the centre of every bin is worth;
# below, the share of all steps that begin in it, over episodes of the policy as it was trained, with its chance. Where
# an agent never is, its critic has learnt nothing, and its values there are guesses.

# %%
maps = sorted(Path(figures).glob("figure_maps_*.svg"))
for path in maps:
    environment, agent = path.stem.removeprefix("figure_maps_").rsplit("-", 1)
    rows = read_table("maps").filter((pl.col("environment") == environment) & (pl.col("agent") == agent))
    said = [
        f"{names.embedding(embedding)}: values from {number(of['value'].min())} to {number(of['value'].max())}, "
        f"{of.filter(pl.col('visits') > 0).height:,} of {len(of):,} bins visited"
        for (embedding,), of in rows.group_by("embedding", maintain_order=True)
    ]
    show(
        document.figures(
            [(str(path), f"Maps of the square, {names.environment(environment)}. " + "; ".join(said) + ".", "")],
            f"**{names.environment(environment)} ({names.agent(agent)}):** values and visits. Walls white, goal and "
            "start red; what was never visited is white.",
            wide=True,
        )
    )
if not maps:
    show(document.note("No agent of the gridworlds has been mapped in this study."))

# %% [markdown]
# ## Ablations
#
# What each part of JSAE is worth: states and actions embedded each by an auto-encoder of its own, without a transition
# model; one of the two embedded only; and embeddings that go on learning or stay as pre-training left them, against
# what the paper does. In the recommender system there is a control besides: the points that JSAE has learnt, dealt to
# the items in order of price, which Eq. (5) never sees. What it reaches beyond JSAE, frozen, is not the agent's doing
# but that order's. None of them has a search of its own.

# %%
no_ablations = (*names.PAPER, *names.TRANSFER)
beyond = final.filter(~pl.col("embedding").is_in(no_ablations))
lost = [row for row in missing if row["embedding"] not in no_ablations]
if len(beyond):
    show(
        document.figures(
            [
                (
                    f"{figures}/figure_ablations.svg",
                    "Final returns: "
                    + "; ".join(
                        f"{names.environment(row[0])}, {names.agent(row[1])}, {names.embedding(row[2])} "
                        + level("final_return", seeds)
                        for row, seeds in final.group_by("environment", "agent", "embedding", maintain_order=True)
                        if row[0] in set(beyond["environment"])
                    )
                    + ".",
                    "",
                )
            ],
            "**Ablations** beside what the paper compares. A dot is a seed; the bar is the {{usual}} interval of "
            "the mean (Student's t).",
            wide=True,
        )
    )
else:
    show(document.note("No ablation has run in this study."))
if parts:
    show(
        document.table(
            ["Environment", "Agent", "Representation", "Minus", "n", "At the end", "Over all epochs"],
            [
                (
                    names.environment(record["first"][0]),
                    names.agent(record["first"][1]),
                    names.embedding(record["first"][2]),
                    names.embedding(record["second"][2]),
                    seeds_of(record),
                    difference(record["final"]),
                    difference(record["over_epochs"]),
                )
                for record in parts
            ],
            "What sets ablations, controls and transfers apart from what they vary: differences of final return and "
            f"of mean return over all epochs with {confidence} intervals (Welch), not adjusted. The paper makes no "
            "claim on most of them, so there is no verdict.",
            numbers=["n"],
            name="ablations",
            wide=True,
        )
    )
if lost:
    cells_lost = dict.fromkeys((row["environment"], row["agent"], row["embedding"]) for row in lost)
    show(
        document.note(
            "Without a run, or without all of its seeds: "
            + "; ".join(f"{names.environment(e)}, {names.agent(a)}, {names.embedding(x)}" for e, a, x in cells_lost)
            + "."
        )
    )

# %% [markdown]
# ## Search over hyper-parameters
#
# The paper reports the best of a grid and lists no setting. Each setting that this study tried has a score, the mean
# final return over seeds that the runs above do not use ({{searching_seeds}}). The best of many scores of so few seeds
# owes something to chance: beside it stands what the seeds of the study return after as many epochs with that setting.
# Where returns spread as much from episode to episode as in the recommender system, a cut after few epochs may owe much
# to chance, for every representation alike.


# %%
def of_cell(row):
    """Rows of any table that belong to the cell of `row`."""
    return pl.all_horizontal(pl.col(name) == row[name] for name in cell_of)


def after(row):
    """What the runs of a searched cell would end at, had they as many epochs as its search; empty if they had fewer."""
    runs = curves.filter(of_cell(row))
    if runs.is_empty() or runs["epoch"].to_numpy().max() < row["epochs"]:
        return ""
    return number(tables.final(runs.filter(pl.col("epoch") <= row["epochs"]), {})["final_return"].to_numpy().mean())


def minutes(searches):
    """What searches took, as text; empty where there is none."""
    return number(searches["seconds"].sum() / 60) if len(searches) else ""


if tried.is_empty():
    show(
        document.note(
            "**Missing.** The search has not run: `search/settings.csv` is empty, and every cell uses the values that "
            "the parameters below state.",
            "warning",
        )
    )
else:
    varied = [name for name in names.SEARCHED if tried[name].drop_nulls().n_unique() > 1]
    show(
        document.figures(
            [
                (
                    f"{figures}/figure_sensitivity.svg",
                    "Score against each hyper-parameter. Best: "
                    + "; ".join(
                        f"{names.environment(row['environment'])}, {names.agent(row['agent'])}, "
                        f"{names.embedding(row['embedding'])} {number(row['score'])}"
                        for row in best
                    )
                    + ".",
                    "",
                )
            ],
            "**Sensitivity.** A circle is a setting, open where it was given up early; a line joins the best settings "
            "with each value.",
            wide=True,
        )
    )
    show(
        document.table(
            [
                "Environment",
                "Agent",
                "Embedding",
                *(names.SEARCHED[name] for name in varied),
                "Tried",
                "Minutes",
                "Epochs",
                "Score",
                "Study",
            ],
            [
                (
                    names.environment(row["environment"]),
                    names.agent(row["agent"]),
                    names.embedding(row["embedding"]),
                    *("–" if row[name] is None else row[name] for name in varied),
                    len(tried.filter(of_cell(row))),
                    minutes(took.filter(of_cell(row))),
                    f"{row['epochs']:,}",
                    number(row["score"]),
                    after(row),
                )
                for row in best
            ],
            "The setting that each cell is trained with: the best of those trained longest. Tried: settings; a "
            "representation with a Gaussian policy has a standard deviation to try besides. Minutes: of one worker, "
            f"all settings together; {minutes(took)} in all, of which {minutes(took.filter(kernels='plain')) or 0} "
            "without compiled code. Steps an epoch are one value for all representations, sizes of embeddings one for "
            "all agents. Study: final return of the study's seeds, had they ended at that epoch.",
            numbers=["Tried", "Minutes", "Epochs", "Score", "Study"],
            wide=True,
        )
    )

# %% [markdown]
# ## Claims that were not tested

# %%
untested = [claim for claim in verdicts if claim["verdict"] == "not tested"]
if untested:
    show(
        document.table(
            ["Section", "Figure", "Claim", "Why it is not tested"],
            [(claim["section"], claim["figure"], claim["aspect"], claim["reason"]) for claim in untested],
            "Claims of the paper that these runs cannot judge.",
            wide=True,
        )
    )
else:
    show(document.note("Every claim was tested."))

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
absent = [name.removeprefix("figure_") for name in names.PANELS if name not in drawn]
if absent:
    show(document.note("Panels of the paper's Figure 2 that have no run here: " + ", ".join(absent) + "."))

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
        wide=True,
    )
)

# %% [markdown]
# ## Data
#
# The recommender system draws from an n-gram model of a store's purchases, after Shani et al. `data/README.md`
# has each store's publisher, licence, columns and units. No raw row of any store is redistributed with this report.

# %%
many = {
    "purchases of product": "each of the most bought products",
    "purchases in": "each category",
    "purchases of brand": "each brand",
    "purchases at": "purchases in each hour of the day",
    "views at": "views in each hour of the day",
    "sessions with a purchase on day": "sessions with a purchase, each day",
}


def kind_of(measure):
    """The kind of a measure of which there is one for each product, hour and so on; the measure itself otherwise."""
    return next((said for start, said in many.items() if measure.startswith(f"{start} ")), measure)


def calibrated(said, rows):
    """A row of the table of the calibration: a measure, or the range of the ratio over many of a kind."""
    ratios = [row["ratio"] for row in rows]
    if len(rows) > 1:
        return f"{said} ({len(rows)})", "", "", f"{number(min(ratios))} to {number(max(ratios))}"
    return said, *(number(rows[0][name], 4) for name in ("published", "synthetic")), number(ratios[0])


def rules_table(store, summary):
    """What the filter left of a store's purchases."""
    return document.table(
        ["Rule", "Rows", "Items", "Users"],
        [tuple(f"{v:,}" if isinstance(v, int) else v for v in rule.values()) for rule in summary["rules"]],
        f"Purchases before and after each rule; the file of {store} has {summary['rows']:,} rows.",
        numbers=["Rows", "Items", "Users"],
    )


def calibration_table(calibration):
    """A synthetic log beside what is published of the real one."""
    of_kind = {said: [row for row in calibration if kind_of(row["measure"]) == said]
               for said in dict.fromkeys(kind_of(row["measure"]) for row in calibration)}  # fmt: skip
    return document.table(
        ["Measure", "Published", "Synthetic", "Ratio"],
        [calibrated(said, rows) for said, rows in of_kind.items()],
        "The synthetic log beside the published aggregates of the paper's store (`data/calibration`), counts brought "
        "to the size of the log; of what there are many, the range. Which item follows which is not published and is "
        "assumed.",
        numbers=["Published", "Synthetic", "Ratio"],
        name="calibration",
    )


def perplexity_table(store, model):
    """How well the parts of a store's n-gram model foretell purchases that it has not seen."""
    return document.table(
        ["Model", "Skipping", "Similarity", "Perplexity", "Never seen"],
        [
            (
                row["component"],
                f"{row['skip_window']} ahead" if row["skip_window"] else "no",
                "yes" if row["similarity"] else "no",
                number(row["perplexity"]),
                f"{number(100 * row['never_seen'], 2)} %",
            )
            for row in model["components"]
        ],
        f"How well parts of the n-gram model foretell {model['held_out_purchases']:,} purchases of "
        f"{model['held_out_users']:,} users of {store} that were left out of the counts; a guess without any knowledge "
        f"has a perplexity of {model['items']:,}. Never seen: purchases to which the counts alone give no chance.",
        numbers=["Perplexity", "Never seen"],
        name=f"perplexity-{store}",
    )


for store in purchases:
    summary, model = purchases[store], models[store]
    drawing = "; ".join(names.environment(name) for name in shops if shops[name] == store)
    show(document.heading(f"The store {store}", 3))
    show(document.note(f"From it draw: {drawing}."))
    if summary:
        show(rules_table(store, summary))
        if summary.get("calibration"):
            show(calibration_table(summary["calibration"]))
    else:
        show(document.note("The summary of the purchases is missing: the stage filter has not run here."))
    if model and "components" in model:
        show(perplexity_table(store, model))
    elif model:
        show(document.note("The n-gram model has not been measured on users left out of its counts."))

# %% [markdown]
# ## How to rerun any curve
#
# With `scale: {{scale}}` in params.yaml, one command makes a cell and everything that it needs, and nothing else; what
# is already there and up to date is not computed again (`--force --single-item` trains it again). `make reproduce`
# makes all of it. [Every run can be browsed](runs.html) with its curve, parameters and command.

# %%
show(
    document.table(
        ["Cell", "Command"],
        [(cell.replace("/", ", "), f"`{command}`") for cell, command in commands],
        "The exact command behind each curve.",
        prose=["Command"],
        wide=True,
    )
)

# %% [markdown]
# ## Parameters
#
# Everything that params.yaml holds, with where it came from.


# %%
def in_sections(rows):
    """Rows of parameters with a heading before each section, and their names inside it."""
    section = ""
    for name, *rest in rows:
        if rest[0] == "{}":  # nothing is set
            continue
        parts = name.split(".")
        depth = min(2 if parts[0] in ("agents", "data", "environments") else 1, len(parts) - 1)
        if ".".join(parts[:depth]) != section:
            section = ".".join(parts[:depth])
            yield (section,)
        yield (".".join(parts[depth:]), *rest)


show(
    document.table(
        ["Name", "Value", "Meaning", "Source"],
        in_sections(parameters.table(settings)),
        "All parameters of the study.",
        name="parameters-table",
        wide=True,
    )
)

# %% [markdown]
# ## Provenance
#
# What decides the numbers is the code, the parameters above and the locked packages. What one machine did, and when,
# differs from run to run: it lies in `provenance.html` beside this report.

# %%
lock_files = [Path(lock) for lock in locks]
versions = provenance.locked_versions(lock_files)
show(document.values(lock=provenance.lock_digest(lock_files), packages=len(versions)))
show(document.note("Digest of the lock files: `{{lock}}` ({{packages}} packages)."))
show(
    document.table(
        ["Package", "Locked version"],
        [(name, versions[name]) for name in provenance.PACKAGES if name in versions],
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

# %% [markdown]
# ## References

# %%
show(document.note("\n".join(f"- {reference}" for reference in paper["references"]), "references"))
