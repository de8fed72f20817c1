# ---
# jupyter:
#   jupytext: {text_representation: {extension: .py, format_name: percent}}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# The report of the study as one notebook, kept as text: prose and calls only. What is shown is read from files by
# jsae/reporting/context.py and laid out by jsae/reporting/sections/. A number in prose is a {{name}} of
# jsae/reporting/values.py. The stage `report` runs the notebook and makes pages of it. What stands below the heading
# Supplement goes to a PDF of its own and is folded in the page. This cell is not shown.

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
# A study of the first version of the paper by {{paper.authors}} (arXiv {{paper.arxiv}}, {{paper.year}}).

# %% [markdown]
# ## Summary

# %%
show(summary.cautions(study))

# %% [markdown]
# ### Scope of reproducibility
#
# The paper trains an embedding of states and an embedding of actions together, by predicting the next state, and lets a
# policy-gradient agent act in the embedded spaces (JSAE). It says that this learns faster and better than the same
# agent without embeddings, and than one with embeddings of actions alone (RA), where states and actions are many and
# discrete. The study judges {{sentences}} sentences of the paper: all of Figure 2, and the theory. Two curves are
# compared by their return at the end, by speed, and where the paper speaks of convergence by the epochs to a level.
# Each of these is a claim below: {{of_jsae}} on JSAE, {{of_others}} on the baselines alone, {{facts}} on the theory.
#
# ### Methodology
#
# We use no code of the authors. We wrote environments, embeddings and agents from the paper's text, which leaves much
# open. A *reading* fills one gap in one way. The *primary reading* takes the paper's text; where it is silent,
# Spinning Up's defaults; then a public re-implementation. The recommender has two exceptions: its data set and its
# bonus, which makes the recommended item more likely ([deviations](#deviations-from-the-paper)). A *cell* is one
# curve: environment × agent × embedding, under a reading. A *run* is a cell with one seed. This study has {{runs}}
# runs in {{cells}} of its {{expected_cells}} cells, with the seeds {{seeds}}, at the scale “{{scale}}”. {{standing}}
#
# ### Results

# %%
show(summary.found(study))

# %% [markdown]
# ### What was easy
#
# The idea and Algorithm 1 are described well: each fits in a few lines of code. The games (gridworlds and slot
# machine) are small, so CPUs are enough. The theory can be checked exactly on small random problems.
#
# ### What was difficult
#
# The paper does not give the settings that won its search, the gradient steps of an epoch, the rewards and layout of
# the gridworld, the reels of the slot machine, or the form of RA. Its data set needs a download that we could not
# make. In exploratory runs no agent without embeddings learnt in the recommender as the text describes it. The
# supplement lists all [deviations](#deviations-from-the-paper).

# %% [markdown]
# ## Method
#
# An environment model learns the state embedding $\phi$ and the action embedding $g$ (Figure 1). An internal policy
# $\pi_i$ sees $X_t = \phi(S_t)$ and draws $E_t \sim \pi_i(\cdot \mid X_t)$. The action is $A_t = f(E_t)$: for discrete
# actions the one whose embedding is nearest to $E_t$, for continuous ones the output of a small network. So the overall
# policy is
# $$
# \pi_o(a \mid s) = \int_{\{e\} = f^{-1}(a)} \pi_i(e \mid x = \phi(s))\, de . \tag{1}
# $$
# The environment model estimates transition probabilities through the embeddings,
# $$
# \hat{P}(S_{t+1} \mid S_t, A_t) = \hat{T}(S_{t+1} \mid X_t, E_t)\, \hat{g}(E_t \mid A_t)\,
# \hat{\phi}(X_t \mid S_t) , \tag{3}
# $$
# and is trained on transitions of random actions by Eq. (5). A network $f$, where there is one, is trained by Eq. (6)
# and changes none of the other three:
# $$
# L(\hat{\phi}, \hat{g}, \hat{T}) = -\mathbb{E} [ \ln \hat{P}(S_{t+1} \mid S_t, A_t) ] , \tag{5}
# $$
# $$
# L(\hat{f}) = -\mathbb{E} [ \ln \hat{f}(A_t \mid E_t) ] . \tag{6}
# $$
# Where states or actions are continuous, a mean squared error replaces both. Embeddings pass through a tanh. Then the
# agent learns in the embedded spaces (Algorithm 1). In the recommender system every epoch's transitions train the
# environment model further; elsewhere it stays as pre-training left it.

# %%
show(method.architecture(study))

# %% [markdown]
# **RA**, the first baseline, embeds actions alone: a network predicts the action from two successive states, and the
# policy acts on raw states. **Without embedding**, the second, the agent acts on raw states and actions; its policy
# over discrete actions is a softmax. In training, all three get the same number of environment steps and the same limit
# on gradient steps. {{search.same}}
#
# Before training, RA and JSAE are pre-trained on transitions of random actions. The curves do not show these
# transitions, which favours RA and JSAE in speed. Their number, and in brackets how many epochs have as many:
# {{samples}}. {{counted}}

# %% [markdown]
# ## Environments

# %%
show(environments.pictures(study))
show(environments.overview(study))
show(environments.idlers(study))

# %% [markdown]
# ## Learning curves
#
# Figure 2 repeats the panels of the paper's Figure 2. {{reading_on}} `make {{scale}}` makes it. With `PANEL=` and the
# name of a panel it makes that panel alone. The [page of runs](runs.html) shows every run with its parameters and its
# command.

# %%
show(results.figure_2(study))
show(results.so_far(study))
show([document.left_out()])

# %% [markdown]
# ## Verdicts

# %%
show(results.how_judged(study))
show(results.verdicts(study))
show(summary.no_verdicts(study))

# %% [markdown]
# ## Other readings
#
# A reading other than the primary one changes one thing; only matched-spread-frozen changes two, and undecayed in the
# gridworld, where embeddings are otherwise frozen. It has the hyper-parameters that the search found for the primary
# one, except those that it sets. A policy step is a gradient step of the actor. No verdict above depends on these
# readings. The figures show effects and their intervals under each reading: the primary one, then the others by their
# effect. Grey band: smaller than the margin. Unchanged: the reading changes neither of the two cells.

# %%
show(readings.meanings(study))
show(readings.support(study))
show(readings.specification(study))

# %% [markdown]
# ## Causes
#
# Why would a claim fail? Each cause below predicts something that can turn out otherwise. Causes and tests were fixed
# before the runs, but those that are not in the plan.

# %%
show(readings.causes(study))

# %% [markdown]
# ## Limits
#
# - The paper's curves exist as images only, so we compare orderings, not numbers.

# %%
show(summary.limits(study))
show([document.flush()])

# %% [markdown]
# ## References

# %%
show(appendix.references(study))

# %% [markdown]
# # Supplement
#
# Tables and figures that stand behind the report. Each section can be read alone.

# %%
show([document.left_out()])

# %% [markdown]
# ## All comparisons

# %%
show(comparisons.tested(study))
show(results.successes(study))
show(comparisons.over_environments(study))

# %% [markdown]
# ## Final returns

# %%
show(comparisons.final_returns(study))

# %% [markdown]
# ## Comparisons under each reading

# %%
show(readings.compared(study))
show(readings.successes(study))

# %% [markdown]
# ## Predictions of the causes

# %%
show(readings.predictions(study))

# %% [markdown]
# ## Curves under each reading

# %%
show(readings.curves(study))

# %% [markdown]
# ## Theory
#
# Lemma 1, Theorem 1, Lemma 2 and Assumption 3 are statements about exact objects. On small random problems every value
# is the solution of a linear system, so they can be checked with numbers. By the paper's first two assumptions every
# embedded action belongs to one action and every state has one embedding. Lemma 1 writes the value of a policy as
# $$
# v^\pi(s) = \sum_{a \in \mathcal{A}} \int_{\{e\} = f^{-1}(a)} \pi_i(e \mid x = \phi(s))\, Q^\pi(s, a)\, de .
# $$
# Its proof uses Claim 1 of the paper's appendix: given the embedding of a state, the action does not depend on the
# state. Where states share an embedding, this does not follow from the two assumptions, and the lemma can fail.
#
# Theorem 1 says that some overall policy is optimal. With the objectives
# $$
# J_o(\phi, \theta, f) = \sum_{s \in \mathcal{S}} d_0(s) \sum_{a \in \mathcal{A}} \pi_o(a \mid s)\,
# Q^{\pi_o}(s, a) , \tag{7}
# $$
# $$
# J_i(\theta) = \int_{x \in \mathcal{X}} d_0(x) \int_{e \in \mathcal{E}} \pi_i(e \mid x)\,
# Q^{\pi_i}(x, e)\, de\, dx , \tag{8}
# $$
# Lemma 2 says that both have the same gradient, if no two states share an embedding (Assumption 3):
# $$
# \frac{\partial J_i(\theta)}{\partial \theta} = \frac{\partial J_o(\phi, \theta, f)}{\partial \theta} .
# $$
# The paper leaves open how Q(x, e) averages where several states share the embedding x. *Q* in the table names the
# choice: the distribution of states at the *start*, *uniform* weights, the *visits* of the policy (what returns of
# whole episodes estimate), or x as if it were a Markov state (*markov*: what a bootstrapping critic tends to). *∂Ji*
# and *∂Jo* are the two sides of Lemma 2; *policy gradient in E* is what an agent follows. Each is shown as its
# relative difference from ∂Jo.
#
# That no two embeddings are equal does not make them far apart. A bin that random actions never leave gets no gradient;
# its embedding is what weight decay leaves of it, and differs from the next by rounding.

# %%
show(method.policy_of_the_proof(study))
show(theory.checks(study))

# %% [markdown]
# ## What the embeddings hold
#
# Before any agent is trained, embeddings are measured on transitions that they have not seen. ρ is Spearman's rank
# correlation between distances of embedding vectors and distances of the motions of a gridworld's actions. The loss is
# that of Eq. (5). It lies between the least possible loss, the entropy of the environment, and the chance loss, that of
# a model that knows neither state nor action. The gain is how much the loss rises when transitions get one another's
# actions: what the model knows of actions at all. The spread is the standard deviation of the coordinates of actions in
# E. The initial standard deviation of a policy over E is in the same unit.

# %%
show(embeddings.pretraining(study))
show(embeddings.probes(study))

# %% [markdown]
# ## What agents make of the gridworld
#
# Maps of the trained agents, means over their seeds. Above: what the critic thinks the centre of every bin is worth.
# Below: the share of all steps that begin in it. Where an agent never is, its critic has learnt nothing, and its values
# there are guesses.

# %%
show(embeddings.maps(study))

# %% [markdown]
# ## Ablations
#
# What each part of JSAE is worth: states and actions embedded each by an auto-encoder of its own, without a transition
# model; or only one of the two embedded. The recommender system has a control as well: the action embeddings that JSAE
# has learnt, given to the items in order of price, which Eq. (5) never sees. None of them has a search of its own.

# %%
show(ablations.differences(study))

# %% [markdown]
# ## Search over hyper-parameters
#
# The paper reports the best of a grid and lists no setting. Each setting that this study tried has a score, the mean
# final return over seeds that no run above uses ({{searching_seeds}}). The best of many scores of few seeds is partly
# luck.

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
# After `python -m tools.runs {{scale}}`, a command trains a block of seeds, with all that it needs and nothing else.
# What is up to date is not computed again (`--force --single-item` trains it again). `make {{scale}}` makes all of it,
# with figures and report.

# %%
show(appendix.commands(study))

# %% [markdown]
# ## Parameters
#
# Everything that params.yaml holds, with where it came from.

# %%
show(appendix.what_runs(study))
show(appendix.all_parameters(study))

# %% [markdown]
# ## Provenance
#
# The code, the parameters above and the locked packages decide the numbers. What one machine did, and when, differs
# from run to run: it lies in `provenance.html` next to this report.

# %%
show(appendix.packages(study))
