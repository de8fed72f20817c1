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
settings = "results/settings/report.json"

# %%
from jsae.reporting import context, document, values
from jsae.reporting.sections import *

study = context.read(settings)
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
# (environment × agent × embedding × reading), with the seeds {{seeds}}, at the scale “{{scale}}”. {{sentences}}
# sentences of the paper come to {{claims}} comparisons and checks, here called claims. {{outcome}}

# %%
show(summary.cautions(study))
show(summary.verdict_counts(study))

# %% [markdown]
# ## Results
#
# The panels are those of Figure 2 of the paper: the average return over the last {{paper.episodes_of_the_measure}}
# episodes against epochs. The thick line is the mean over the n seeds of a cell, the band one standard deviation around
# it, each thin line one seed. Curves are not smoothed. Where a run has more epochs than a plot can show, a point is the
# mean of as many as the axis says. Dashed and dotted horizontal lines are the expected returns of the best and of the
# uniform random policy, where they are known. Under each panel stand the paper's sentences.

# %%
show(results.how_judged(study))

# %%
show(results.panels(study))

# %% [markdown]
# ## Method
#
# An environment model learns the state embedding $\phi$ and the action embedding $g$. An internal policy $\pi_i$ sees
# $X_t = \phi(S_t)$, draws $E_t \sim \pi_i(\cdot \mid X_t)$, and the action is $A_t = f(E_t)$: for discrete actions the
# one whose embedding is nearest to $E_t$, for continuous ones the output of a small network.

# %%
show(method.architecture(study))

# %% [markdown]
# The overall policy is the internal one summed over the embedding vectors that map to an action,
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
# changing the other three:
# $$
# L(\hat{\phi}, \hat{g}, \hat{T}) = -\mathbb{E} [ \ln \hat{P}(S_{t+1} \mid S_t, A_t) ] , \tag{5}
# $$
# $$
# L(\hat{f}) = -\mathbb{E} [ \ln \hat{f}(A_t \mid E_t) ] , \tag{6}
# $$
# both replaced by a mean squared error where states or actions are continuous. Embeddings pass through a tanh. Then the
# agent learns in the embedded spaces (Algorithm 1): in the recommender system every epoch's transitions train the
# environment model further by Eq. (5), elsewhere it stays as pre-training left it. The overall policy's objective is
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
# **The baseline RA** embeds actions alone: a network predicts from two successive states the action between them, and
# the policy acts in the space of those embeddings, on raw states. **Without embedding** the agent acts on raw states
# and actions: for discrete actions its policy is a softmax over all of them, where the other two have a Gaussian in few
# dimensions. All three have the same number of environment steps, and the same limit of gradient steps an epoch. How
# many of these an actor takes before the divergence stops it differs; the table of final returns shows it. SAC
# without embedding is the form for discrete actions (Christodoulou). {{search.same}} In the recommender system
# RA's embeddings go on learning during training as JSAE's do. RA and JSAE are pre-trained on transitions of random
# actions, the agent without embedding on none; no axis of epochs counts them. Their number, and in brackets the epochs
# that have as many: {{samples}}.
#
# ## Environments and their reference returns

# %%
show(environments.overview(study))
show(environments.gridworld(study))

# %% [markdown]
# ## Other readings
#
# The paper leaves much open. A reading fills one gap in one way. The primary reading takes the paper's text; where it
# is silent, Spinning Up; then the public re-implementation. Each other reading changes one thing. No count of verdicts
# includes them.

# %%
show(results.readings(study))

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
# whole episodes estimate), or as if x were itself a Markov state (*markov*: what a bootstrapping critic tends
# to). *∂Ji* and *∂Jo* are the two sides of Lemma 2, *policy gradient in E* is what an agent follows; each
# is shown as its relative difference from ∂Jo. Of an error over an injective φ only the largest was kept.
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
# motions. The loss is that of Eq. (5). It lies between the least possible loss, the entropy of the environment itself,
# and the chance loss, that of a model that knows neither state nor action. The gain is how much the loss rises when
# transitions get one another's actions: what T, and with it E, knows of actions at all. The spread is the standard
# deviation of the coordinates of actions in E: the initial standard deviation of a policy over E is in the same unit.

# %%
show(embeddings.pretraining(study))
show(embeddings.probes(study))

# %% [markdown]
# ## What agents make of the gridworld
#
# Maps of the trained agents, means over their seeds: above, what the critic thinks the centre of every bin is worth;
# below, the share of all steps that begin in it, over episodes of the trained, random policy. Where an agent never is,
# its critic has learnt nothing, and its values there are guesses.

# %%
show(embeddings.maps(study))

# %% [markdown]
# ## Ablations
#
# What each part of JSAE is worth: states and actions embedded each by an auto-encoder of its own, without a transition
# model; or only one of the two embedded. In the recommender system there is a control as well: the action embeddings
# that JSAE has learnt, given to the items in order of price, which Eq. (5) never sees. What it reaches beyond JSAE with
# frozen embeddings is due to that order and not to the agent. None of them has a search of its own.

# %%
show(ablations.differences(study))

# %% [markdown]
# ## Search over hyper-parameters
#
# The paper reports the best of a grid and lists no setting. Each setting that this study tried has a score, the mean
# final return over seeds that the runs above do not use ({{searching_seeds}}). The best of many scores of so few seeds
# is partly luck: next to it stands what the seeds of the study return after as many epochs with that setting.
# Where returns vary as much from episode to episode as in the recommender system, a cut after few epochs may be mostly
# luck, for every representation alike.

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
# The recommender system draws from an n-gram model of purchases, after Shani et al. `data/README.md` has each data
# set's publisher, licence, columns and units. No raw row of any data set is redistributed with this report.

# %%
show(data.data_sets(study))

# %% [markdown]
# ## How to rerun any curve
#
# After `python -m tools.runs {{scale}}`, one command makes a cell and everything that it needs, and nothing else. What
# is already there and up to date is not computed again (`--force --single-item` trains it again). `make {{scale}}`
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
# differs from run to run: it lies in `provenance.html` next to this report.

# %%
show(appendix.packages(study))

# %% [markdown]
# ## References

# %%
show(appendix.references(study))
