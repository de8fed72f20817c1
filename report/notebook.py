# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# The report of the study as one notebook, kept as text: prose and calls only. What is shown is read from files by
# jsae/reporting/context.py and laid out by jsae/reporting/sections/. A number in prose is a {{name}} of
# jsae/reporting/values.py. The stage `report` runs the notebook and makes pages of it. This cell is not shown.

# %% tags=["parameters"]
# ruff: noqa: E402, F403, F405
inputs = {
    "scale": "preview",
    "results": "results/preview",
    "data": "data/processed",
    "search": "search",
    "parameters_file": "params.yaml",
    "sources": "report",
    "commands": [],
    "locks": [],
}

# %%
from jsae.reporting import context, document, values
from jsae.reporting.sections import *

study = context.read(**inputs)
show([document.values(values.named(study))])

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
show(summary.cautions(study))
show(summary.verdict_counts(study))

# %% [markdown]
# ## Method
#
# An environment model learns the state embedding $\phi$ and the action embedding $g$. An internal policy $\pi_i$ sees
# $X_t = \phi(S_t)$, draws $E_t \sim \pi_i(\cdot \mid X_t)$, and the action is $A_t = f(E_t)$: for discrete actions the
# one whose embedding is nearest to $E_t$, for continuous ones the output of a small network.

# %%
show(method.architecture(study))

# %% [markdown]
# The overall policy is the internal one summed over the points that map to an action,
# $$
# \pi_o(a \mid s) = \int_{\{e\} = f^{-1}(a)} \pi_i(e \mid x = \phi(s))\, de , \tag{1}
# $$
# and Lemma 1 writes the value of a policy in the same way:
# $$
# v^\pi(s) = \sum_{a \in \mathcal{A}} \int_{\{e\} = f^{-1}(a)} \pi_i(e \mid x = \phi(s))\, Q^\pi(s, a)\, de .
# $$
# The environment model estimates the transition probabilities through the embeddings,
# $$
# \hat{P}(S_{t+1} \mid S_t, A_t) = \hat{T}(S_{t+1} \mid X_t, E_t)\, \hat{g}(E_t \mid A_t)\,
# \hat{\phi}(X_t \mid S_t) , \tag{3}
# $$
# and is trained on transitions of random actions by Eq. (5); a network $f$, where there is one, by Eq. (6), without
# moving the other three:
# $$
# L(\hat{\phi}, \hat{g}, \hat{T}) = -\mathbb{E} [ \ln \hat{P}(S_{t+1} \mid S_t, A_t) ] , \tag{5}
# $$
# $$
# L(\hat{f}) = -\mathbb{E} [ \ln \hat{f}(A_t \mid E_t) ] , \tag{6}
# $$
# both replaced by a mean squared error where states or actions are continuous. Embeddings pass through a tanh. Then the
# agent learns in the embedded spaces (Algorithm 1): in the recommender system every epoch's transitions train the
# environment model further by Eq. (5), elsewhere it stays as pre-training has left it. The overall policy is judged by
# $$
# J_o(\phi, \theta, f) = \sum_{s \in \mathcal{S}} d_0(s) \sum_{a \in \mathcal{A}} \pi_o(a \mid s)\,
# Q^{\pi_o}(s, a) , \tag{7}
# $$
# $$
# J_i(\theta) = \int_{x \in \mathcal{X}} d_0(x) \int_{e \in \mathcal{E}} \pi_i(e \mid x)\,
# Q^{\pi_i}(x, e)\, de\, dx , \tag{8}
# $$
# and Lemma 2 says that both have the same gradient with respect to the internal policy's parameters, if no two states
# share an embedding (Assumption 3):
# $$
# \frac{\partial J_i(\theta)}{\partial \theta} = \frac{\partial J_o(\phi, \theta, f)}{\partial \theta} .
# $$

# %%
show(method.policy_of_the_proof(study))

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
#
# ## Environments and their bounds

# %%
show(environments.overview(study))
show(environments.gridworld(study))

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
show(results.panels(study))

# %% [markdown]
# ## Variants that the paper does not have
#
# The paper's comparisons, made in environments of this study's own: they judge no claim of the paper and stand in no
# count of verdicts.

# %%
show(results.variants(study))

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
show(theory.checks(study))

# %% [markdown]
# ## All comparisons

# %%
show(comparisons.tested(study))
show(comparisons.over_environments(study))
show(comparisons.final_returns(study))

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
show(embeddings.quality(study))

# %% [markdown]
# ## What agents make of the gridworld
#
# Maps of the trained agents, means over their seeds: above, what the critic thinks the centre of every bin is worth;
# below, the share of all steps that begin in it, over episodes of the policy as it was trained, with its chance. Where
# an agent never is, its critic has learnt nothing, and its values there are guesses.

# %%
show(embeddings.maps(study))

# %% [markdown]
# ## Ablations
#
# What each part of JSAE is worth: states and actions embedded each by an auto-encoder of its own, without a transition
# model; one of the two embedded only; and embeddings that go on learning or stay as pre-training left them, against
# what the paper does. In the recommender system there is a control besides: the points that JSAE has learnt, dealt to
# the items in order of price, which Eq. (5) never sees. What it reaches beyond JSAE, frozen, is not the agent's doing
# but that order's. None of them has a search of its own.

# %%
show(ablations.differences(study))

# %% [markdown]
# ## Search over hyper-parameters
#
# The paper reports the best of a grid and lists no setting. Each setting that this study tried has a score, the mean
# final return over seeds that the runs above do not use ({{searching_seeds}}). The best of many scores of so few seeds
# owes something to chance: beside it stands what the seeds of the study return after as many epochs with that setting.
# Where returns spread as much from episode to episode as in the recommender system, a cut after few epochs may owe much
# to chance, for every representation alike.

# %%
show(search.outcome(study))

# %% [markdown]
# ## Claims that were not tested

# %%
show(gaps.untested_claims(study))

# %% [markdown]
# ## Missing runs

# %%
show(gaps.missing_runs(study))

# %% [markdown]
# ## Deviations from the paper

# %%
show(gaps.deviations(study))

# %% [markdown]
# ## Data
#
# The recommender system draws from an n-gram model of a store's purchases, after Shani et al. `data/README.md`
# has each store's publisher, licence, columns and units. No raw row of any store is redistributed with this report.

# %%
show(data.stores(study))

# %% [markdown]
# ## How to rerun any curve
#
# With `scale: {{scale}}` in params.yaml, one command makes a cell and everything that it needs, and nothing else; what
# is already there and up to date is not computed again (`--force --single-item` trains it again). `make reproduce`
# makes all of it. [Every run can be browsed](runs.html) with its curve, parameters and command.

# %%
show(appendix.commands(study))

# %% [markdown]
# ## Parameters
#
# Everything that params.yaml holds, with where it came from.

# %%
show(appendix.all_parameters(study))

# %% [markdown]
# ## Provenance
#
# What decides the numbers is the code, the parameters above and the locked packages. What one machine did, and when,
# differs from run to run: it lies in `provenance.html` beside this report.

# %%
show(appendix.packages(study))

# %% [markdown]
# ## References

# %%
show(appendix.references(study))
