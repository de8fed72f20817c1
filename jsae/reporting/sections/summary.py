"""The first page: what was found, in lines that can be quoted, and what to know before."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from jsae.reporting import document, wording
from jsae.reporting.context import Context, Record
from jsae.reporting.document import number
from jsae.reporting.looks import Looks
from jsae.reporting.sections import embeddings, readings, search
from jsae.reporting.sections.results import titled
from jsae.training.columns import KEYS


def cautions(study: Context) -> Iterator[document.Block]:
    """What to know before any number is believed."""
    if study.scale == "smoke":
        yield document.note(
            "**Smoke test. Nothing here is a result.** Everything ran, nothing was learnt: each run was stopped after "
            "{{share}} of the paper's epochs. The numbers and curves show only that every part works.",
            "warning",
        )
    if study.scale == "preview":
        yield document.note(
            "**Preview.** Each run was stopped after {{share}} of the paper's epochs. The curves are the first part of "
            "those of Figure 2. They say nothing about final performance, so there is no verdict on whether a claim of "
            "the paper holds.",
            "warning",
        )
    if study.missing:
        yield document.note(
            "**Missing.** {{missing_cells}} of the study's cells have no run yet, or not with all seeds; the "
            "[supplement](#missing-runs) lists them.",
            "warning",
        )


BESIDES = "What else was found:\n"
MEANS = "Means over seeds, normalized (random policy zero, optimal policy one) where no unit is given:\n"


def found(study: Context) -> Iterator[document.Block]:
    """The headline and what each panel shows; in a short study, what is there and what is not."""
    if study.scale == "smoke":
        yield document.prose("There is no result: no run is long enough to learn anything. There are no verdicts.")
    elif not study.judged:
        yield document.prose(
            "There are the [curves](#learning-curves) of the first epochs and a table of which embedding is ahead "
            "[so far](#so-far). Verdicts, other readings and causes need the paper's scale (`make paper`). {{found}}"
        )
    else:
        means = [f"- {line}" for line in panel_lines(study)]
        support = under_readings(study)
        support += " A [table](#support) names the readings." * bool(support)
        lines = (support, ablated(study), theory_line(study.verdicts), "{{explained}}")
        after = [f"- {line}" for line in lines if line]
        first = headline(study)
        yield document.prose("\n".join([*first, "", *([MEANS, *means, "", BESIDES] if means else []), *after]))


WEAK = (
    "Figure 2e is a weak test of embedded states. Our recommender makes the recommended item more likely (the bonus), "
    "so one fixed recommendation is almost optimal, and the best policy hardly needs the state."
)
"""What to know before a verdict on a recommender with a bonus is believed."""
SUBJECTS = {"end": "the end", "speed": "the speed", "epochs": "convergence"}
"""What a claim on each measure is about, in prose."""
COMPARED = {"better": "better than", "faster": "better than", "comparable": "comparable with"}
"""What a claim of each kind says of two embeddings; the measure says in what."""


def has_bonus(environments: Mapping[str, Record]) -> bool:
    """Whether there is a recommender that adds to the probability of the recommended item."""
    return "recommender" in environments and environments["recommender"]["dynamics"]["bonus"] > 0


def headline(study: Context) -> list[str]:
    """What was found, how many of the claims on JSAE hold, and a line for each pair of embeddings, as Markdown."""
    looks, uninformed = study.looks, embeddings.uninformed(study)
    claims = [one for one in study.verdicts if one["kind"] != "fact" and one["first"][2].startswith("jsae")]
    lines = [in_short(looks, claims, uninformed), "", counts(looks, claims), ""]
    pairs: dict[tuple[str, str, str], list[Record]] = {}
    for one in claims:
        pairs.setdefault((one["first"][2], COMPARED[one["kind"]], one["second"][2]), []).append(one)
    for (first, word, second), own in pairs.items():
        parts = []
        for verdict in wording.VERDICTS:
            about: dict[tuple[str, ...], list[str]] = {}
            for measure, name in SUBJECTS.items():
                of = [one for one in own if one["measure"] == measure]
                these = [one for one in of if one["verdict"] == verdict]
                about.setdefault(tuple(_panels(looks, of, these, sides=verdict == "contradicted")), []).append(name)
            places = [f"{wording.listed(names)} in Figure{'s' * (len(at) > 1)} {wording.listed(at)}"
                      for at, names in about.items() if at]  # fmt: skip
            parts += [f"{verdict} on {wording.listed(places)}"] if places else []
        if not parts:
            continue
        knowing: dict[tuple[str, ...], list[str]] = {}
        for panel, environment in dict.fromkeys((one["figure"], one["first"][0]) for one in own):
            names = tuple(name for name in (first, second) if (environment, name) in uninformed)
            knowing.setdefault(names, []).append(panel)
        remarks = "".join(
            f" In {wording.listed(panels)} {embeddings.hardly_know(looks, names)}."
            for names, panels in knowing.items()
            if names
        )
        lines.append(f"- **{looks.embedding(first)} {word} {looks.embedding(second)}**: {'; '.join(parts)}.{remarks}")
    return lines


def in_short(looks: Looks, claims: Sequence[Record], uninformed: Collection[tuple[str, str]]) -> str:
    """Where JSAE clearly differs from another embedding.

    uninformed: environments and embeddings whose model hardly knows what actions do.
    """
    signs = {"higher": 1, "lower": -1}
    said = []
    others = ("none", "ra")
    for other in others:
        own = [one for one in claims if one["second"][2] == other]
        found, places = [], set()
        for measure, name in (("speed", "mean return over training"), ("end", "final return")):
            of = [one for one in own if one["measure"] == measure]
            for word, sign in signs.items():
                beyond = [one for one in of if clear(one, sign)]
                if beyond:
                    found.append(f"a {word} {name} in {wording.listed(_panels(looks, of, beyond))}")
                    places |= {one["first"][0] for one in beyond}
        if any(one["low"] is not None for one in own):
            names = [name for name in (other, "jsae") if all((place, name) in uninformed for place in places)]
            where = f", where {embeddings.hardly_know(looks, names)}" if places and names else ""
            said.append(f"Against {looks.embedding(other)}, JSAE has {wording.listed(found) or 'no lead'}{where}.")
    if not said:
        return "**In short.** No claim has been tested."
    said.append("Every other difference in these two measures is small (within the margin) or uncertain.")
    lacking = sum(one["second"][2] in others and one["measure"] != "epochs" and one["low"] is None for one in claims)
    said += [f"{lacking} {'is' if lacking == 1 else 'are'} not tested."] * bool(lacking)
    return f"**In short.** {' '.join(said)}"


def clear(one: Record, sign: int) -> bool:
    """Whether an effect of this sign is beyond the margin, its interval leaves out zero, and its verdict is settled."""
    settled = one["verdict"] in ("supported", "contradicted")
    return settled and sign * one["effect"] > one["margin"] and min(sign * one["low"], sign * one["high"]) > 0


def counts(looks: Looks, claims: Sequence[Record]) -> str:
    """How many claims got which verdict, and what contradicted ones come to."""
    said = f"**{len(claims)} claims on JSAE: {wording.counted(claims)}.**"
    of_sentence = Counter(one["sentence"] for one in claims)
    (sentence, most), *_ = of_sentence.most_common()
    if len(of_sentence) > 1 and 2 * most > len(claims):
        panels = dict.fromkeys(one["figure"] for one in claims if one["sentence"] == sentence)
        said += f" {most} of them come from one sentence, on Figure {wording.listed([*panels])}."
    no = [one for one in claims if one["verdict"] == "contradicted"]
    if not no:
        return said
    ahead, behind = sum(one["low"] > 0 for one in no), sum(one["high"] < 0 for one in no)
    cramped, at_random = sum(bool(wording.cramped(looks, one)) for one in no), sum(map(wording.at_random, no))
    why = [f"in {cramped} nothing could be better by more than the margin"] * bool(cramped)
    why += [f"in {at_random} both stay at the random policy"] * bool(at_random)
    return (
        f"{said} Contradicted does not mean worse: “better” is contradicted where neither is clearly ahead, and "
        "“comparable” where JSAE is ahead. "
        f"Of these {len(no)}, JSAE is ahead in {ahead}, behind in {behind}, and neither in {len(no) - ahead - behind} "
        "(the interval of the difference contains zero)."
        + f" {wording.listed(why).capitalize()}: notes to the table say where."
        * bool(why)
    )


def _panels(looks: Looks, claims: Sequence[Record], these: Sequence[Record], sides: bool = False) -> list[str]:
    """The panels of some of the claims; with their agents where they are not all of a panel's.

    sides: whether to say who is ahead where the paper says comparable.
    """
    found = []
    for panel in dict.fromkeys(one["figure"] for one in these):
        here = [one for one in these if one["figure"] == panel]
        some = len(here) < sum(one["figure"] == panel for one in claims)
        remarks = [looks.agent(one["first"][1]) for one in here] if some else []
        if sides and {one["kind"] for one in here} == {"comparable"}:
            name = looks.embedding(here[0]["first"][2])
            remarks += [f"{name} is ahead"] * all(one["effect"] > 0 for one in here)
            remarks += [f"{name} is behind"] * all(one["effect"] < 0 for one in here)
        found.append(f"{panel} ({', '.join(remarks)})" if remarks else panel)
    return found


def leads(study: Context) -> str:
    """Where JSAE clearly differs at the end; in short runs, where an interval over all epochs leaves out zero."""
    looks = study.looks
    measure, when = ("end", "At the end") if study.judged else ("speed", "Over the epochs so far")
    sides: dict[str, list[str]] = {"above": [], "below": []}
    looked = [one for one in study.compared if one["measure"] == measure and one["first"][2] == "jsae"]
    for one in looked:
        place = one["figure"] + looks.named_agent(one["figure"], one["first"][1])
        for side, sign in (("above", 1), ("below", -1)):
            if clear(one, sign) if study.judged else min(sign * one["low"], sign * one["high"]) > 0:
                sides[side].append(f"{looks.embedding(one['second'][2])} ({place})")
    said = [f"{side} {wording.listed(names)}" for side, names in sides.items() if names]
    differences = [f"JSAE's mean is {'; it is '.join(said)}"] * bool(said)
    if sum(map(len, sides.values())) < len(looked):
        rest = ("every other difference" if said else "every difference from JSAE's mean") + " that was tested"
        differences.append(
            f"{rest} is small (within the margin) or uncertain"
            if study.judged
            else f"the {study.confidence} interval of {rest} contains zero"
        )
    return f"{when}, {'; '.join(differences)}." if looked else ""


def panel_lines(study: Context) -> Iterator[str]:
    """A line a panel and agent: where each embedding ends and what its mean over training is."""
    looks = study.looks
    means: dict[tuple[str, str, str], dict[str, dict[str, float]]] = {}
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for claim in study.compared:
        if claim["measure"] == "epochs":
            continue
        key = (claim["figure"], claim["first"][1], claim["unit"])
        for place, end in enumerate((claim["first"], claim["second"])):
            name = looks.embedding(end[2])
            means.setdefault(key, {}).setdefault(claim["measure"], {})[name] = claim["means"][place]
            if claim["success"]:
                one = claim["success"][place]
                found.setdefault(key, {})[name] = f"{one['runs']} of {one['of']}"
    for (panel, agent, unit), of in means.items():
        shown = {
            measure: ", ".join(f"{name} {wording.amount(mean, unit)}" for name, mean in ends.items())
            for measure, ends in of.items()
        }
        parts = [f"at the end {shown['end']}"] if "end" in shown else []
        parts += [f"over training {shown['speed']}"] if "speed" in shown else []
        if (panel, agent, unit) in found:
            runs = found[panel, agent, unit]
            parts.append(f"runs that succeed {', '.join(f'{name} {count}' for name, count in runs.items())}")
        in_unit = ", return" if unit == "return" else ""
        yield f"**{titled(study, panel)}{looks.named_agent(panel, agent)}**{in_unit}: {'; '.join(parts)}."


def missing_cells(study: Context) -> int:
    """How many cells have no run, or not with all seeds."""
    return len({tuple(run[name] for name in KEYS) for run in study.missing})


def under_readings(study: Context) -> str:
    """How many supported claims on JSAE are supported under every other reading; empty where none was judged."""
    robust = readings.robust(study)
    if not robust:
        return ""
    kept = sum(all(other["verdict"] == "supported" for other in others) for _, others in robust)
    lost = [{other["reading"] for other in others if other["verdict"] == "contradicted"} for _, others in robust]
    most = Counter(reading for readings_of in lost for reading in readings_of).most_common(1)
    return (
        f"**Other readings**: of {len(robust)} supported claims, {kept} {'is' if kept == 1 else 'are'} supported under "
        f"each reading that was run, and {sum(map(bool, lost))} contradicted under at least one"
        + "".join(f" (most of them under {reading}: {count})" for reading, count in most)
        + "."
    )


def ablated(study: Context) -> str:
    """Which ablations end clearly above or below what they vary; empty where none does."""
    looks, found = study.looks, []
    for record in study.differences:
        end = record["end"]
        if looks.roles[record["first"][2]] == "ablation" and not record["first"][3] and end["low"] * end["high"] > 0:
            environment, agent, embedding = wording.cell(looks, record["first"])
            other = looks.embedding(record["second"][2])
            found.append(f"{environment}, {agent}, {embedding} minus {other} {wording.effect(record | end)}")
    if not found:
        return ""
    return f"**Ablations** that end above or below what they vary, not adjusted for their number: {'; '.join(found)}."


def theory_line(verdicts: Sequence[Record]) -> str:
    """How many statements of the theory hold; empty where none was checked."""
    of_theory = [one for one in verdicts if one["kind"] == "fact"]
    facts = [one for one in of_theory if one["verdict"] != "not tested"]
    fails = [one["aspect"] for one in facts if one["verdict"] == "contradicted"]
    if not facts:
        return ""
    not_so = f" What fails: {'; '.join(fails)}." if fails else ""
    untested = len(of_theory) - len(facts)
    open_ones = f" Not tested: {untested}." if untested else ""
    holding = f"{len(facts) - len(fails)} of {len(of_theory)} statements hold"
    return f"**Theory**: {holding} on every problem that was tried.{not_so}{open_ones}"


def explained(study: Context) -> str:
    """What the runs say of each cause."""
    of = readings.by_cause(study)
    if not of:
        return "**Causes**: none was tested."
    words: dict[str, list[str]] = {}
    for name, records in of.items():
        word = readings.outcome(records)
        remarks = [records[0]["cause"].rstrip(".")] * (word == "supported")
        remarks += ["not in the plan"] * (not records[0]["planned"])
        if word == "supported" and records[0]["caveat"]:
            caveat = re.split(r"[.:](?: |$)", records[0]["caveat"])[0]
            remarks.append(caveat[0].lower() + caveat[1:])
        if word == "not settled":
            came_true = sum(one["verdict"] == "supported" for one in records)
            remarks.append(f"{came_true} of {len(records)} predictions came true")
            remarks += [
                f"{count} not tested" for count in [sum(one["verdict"] == "not tested" for one in records)] if count
            ]
        words.setdefault(word, []).append(f"{name} ({'; '.join(remarks)})" if remarks else name)
    said = [
        f"The runs support {wording.listed(words.get('supported', ['none']))}.",
        *(f"They contradict {wording.listed(names)}." for names in [words.get("contradicted")] if names),
        *(f"Not settled: {wording.listed(names)}." for names in [words.get("not settled")] if names),
        *(f"Nothing to explain: {wording.listed(names)}." for names in [words.get("nothing to explain")] if names),
    ]
    return f"**Causes**: {len(of)} {'was' if len(of) == 1 else 'were'} tested. {' '.join(said)}"


def no_verdicts(study: Context) -> Iterator[document.Block]:
    """Why a study of short runs has none."""
    if not study.judged:
        yield document.empty(wording.SHORT)


def limits(study: Context) -> Iterator[document.Block]:
    """What a sceptical reader should keep in mind."""
    settled = " The supplement says how many seeds would settle a claim." if study.judged else ""
    said = [
        f"Seeds are few. A wide interval may hide a real difference.{settled}",
        "RA and the agents are our own code, written from descriptions. The authors' code may differ.",
        *_at_chance(study),
        *_choices(study),
        *_hyper_parameters(study),
        "Readings may interact. Almost none combines two changes.",
    ]
    if has_bonus(study.environments):
        said.append(
            "Figure 2e: our recommender adds {{environments.recommender.dynamics.bonus}} to the probability of the "
            "recommended item. The paper's text does not mention this; the public re-implementation does it. "
            # the first epochs show no learning with it either
            + (
                "In exploratory runs without it, on an earlier version of the data, no agent without embeddings left "
                "the random policy. "
                if study.judged
                else ""
            )
            + f"The reading no-bonus follows the text. {WEAK}"
        )
    if "recommender" in study.environments:
        said += _unpredictable(study)
        if study.environments["recommender"]["purchases"] != "kechinov":
            said.append(
                "Purchases are those of the data set {{environments.recommender.purchases}}; the paper's are those of "
                "kechinov. Prices differ, so returns cannot be compared with the paper's."
            )
    if study.missing:
        said.append("{{missing_cells}} cells have no run, or not with all seeds.")
    yield document.prose("\n".join(f"- {line}" for line in said))


def _at_chance(study: Context) -> Iterator[str]:
    """Which models of the paper's embeddings predict no better than chance, or know nothing of actions."""
    looks, nothing = study.looks, embeddings.at_chance(study.pretraining)
    for name in ("ra", "jsae"):
        places = [looks.environment(environment) for environment, embedding in nothing if embedding == name]
        if places:
            yield (
                f"In some environments {looks.embedding(name)}'s model predicts no better than chance after "
                f"pre-training ({'; '.join(places)})."
            )
    blind = embeddings.blind_to_actions(study.probes, "jsae")
    if blind:
        places = [f"{looks.environment(environment)}: {number(gain, 2)} nats" for environment, gain in blind.items()]
        yield (
            "In some environments JSAE's model hardly knows what actions do: its loss rises by next to nothing when "
            f"actions are shuffled ({'; '.join(places)}). Whether its action vectors cause the gain or the loss there "
            "is not shown."
        )


def _unpredictable(study: Context) -> Iterator[str]:
    """Whether the n-gram model behind Figure 2e predicts purchases at all."""
    model = study.models.get(study.parameters["environments"]["recommender"]["purchases"], {})
    used = {"component": "mixture", "skip_window": study.parameters["data"]["transitions"]["skip_window"],
            "similarity": study.parameters["data"]["transitions"]["similarity"]}  # fmt: skip
    for row in model.get("components", []):
        if used.items() <= row.items() and row["perplexity"] >= model["items"]:
            yield (
                "The n-gram model of purchases predicts purchases that were left out of its counts worse than a "
                f"uniform guess (perplexity {number(row['perplexity'])}, {model['items']:,} items). So a state says "
                "little about purchases that the model has not seen."
            )


def _choices(study: Context) -> Iterator[str]:
    """Choices of this study that bound what its curves can show."""
    if any(one["module"] == "gridworld" for one in study.environments.values()):
        yield (
            "Walls of the gridworlds are thinner than a sub-step, so agents learn to go through them, and the goal is "
            "few steps away. The reading thick-walls closes them."
        )
    if any(one["continual"] for one in study.environments.values()):
        yield (
            "In the recommender system embeddings go on learning. An item that is rarely recommended is then moved by "
            "weight decay alone, towards the origin. The readings frozen and undecayed do without."
        )
    yield from success_depends(study)
    yield "Curves are those of the policy that explores. What it still tries at the end is part of its final return."


def success_depends(study: Context) -> Iterator[str]:
    """Under which readings JSAE loses its success in the games."""
    lost = readings.lost_success(study)
    if lost:
        yield (
            f"Success in the games depends on the reading. Runs that succeed: {'; '.join(lost)}. "
            "Hyper-parameters were not searched again under a reading."
        )


def _hyper_parameters(study: Context) -> Iterator[str]:
    """Where hyper-parameters come from, and how many cells have no search of their own."""
    cells = study.values["cells"]
    if study.judged and any(cell["found"] and not cell["reading"] for cell in cells):
        yield (
            "Hyper-parameters come from our search over the paper's grid. A setting was tried with few seeds, so the "
            "best one may be the luckiest: the [supplement](#search-over-hyper-parameters) has its score and what the "
            "study's runs then reached."
        )
        yield from search.short_of_score(study)
        largest = study.tried["actor_learning_rate"].max()
        edge = sum(row["actor_learning_rate"] == largest for row in study.chosen)
        if edge:
            yield (
                f"In {edge} of {len(study.chosen)} searched cells the actor's best learning rate is the largest of "
                "the grid. A larger one could be better; in the games, the reading tenfold-rate tries one."
            )
    if not all(cell["found"] for cell in cells):
        yield "{{search.share}} have hyper-parameters that the search found; the others have those of `params.yaml`."
