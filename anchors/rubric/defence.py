"""A rubric against reward hacking, mined from rollouts, reviewed by a human, wired as a veto (section 1.6).

The paper's loop: train without a defence, look at rollouts of abnormally high reward, sort the tricks, write a rubric
of them, wire it as a veto in later stages, refine. How tricks are found is not published; here it is by openings and
phrases that are enriched against rollouts of the base model (ours). What nobody accepted is never wired.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write
from anchors.companion.paths import relative
from anchors.companion.plain import read_yaml
from anchors.rubric.mining import Finding, Mining, findings, pattern
from anchors.rubric.rates import Rate, failed, rate
from anchors.rubric.rubric import Criterion, Rubric

LIMIT = 0.02  # false vetoes on human text that a criterion may cause (section 5.4, E3: target 1 to 2 %)
_SAYS = {
    "opening": "The response opens with “{}”.",
    "first clause": "The first clause of the response is “{}”.",
    "anywhere": "The response says “{}”.",
}


def high_reward(rewards: np.ndarray, share: float = 0.1) -> np.ndarray:
    """Return (n,) whether a rollout is in the top ``share`` by reward, ties included; NaN rewards never are (ours)."""
    rewards = np.asarray(rewards, float)
    if not 0 < share <= 1:
        raise InputError("share", share, "a number above 0, at most 1")
    judged = rewards[~np.isnan(rewards)]
    count = int(np.ceil(share * len(judged)))
    return rewards >= np.sort(judged)[-count] if count else np.zeros(len(rewards), bool)


def mine(
    high: Sequence[str],
    base: Sequence[str],
    high_prompts: Sequence[str] | None = None,
    base_prompts: Sequence[str] | None = None,
    mining: Mining | None = None,
) -> list[Criterion]:
    """Return proposed criteria for what is enriched in ``high`` against ``base``: :func:`proposal` of each finding.

    Arguments and errors as :func:`anchors.rubric.mining.findings`. None is wired until someone accepts it, see
    :func:`accepted`.
    """
    return [proposal(finding) for finding in findings(high, base, high_prompts, base_prompts, mining)]


def proposal(finding: Finding) -> Criterion:
    """Return the criterion of a finding: a regular expression, critical, to avoid; ``source`` holds the counts.

    Its weight is 0: it changes nothing but the veto.
    """
    expression = pattern(finding.phrase)
    kind = {"opening": "opening", "first clause": "clause", "anywhere": "phrase"}[finding.where]
    slug = re.sub(r"\W+", "_", finding.text)[:40].strip("_")
    digest = hashlib.sha256(expression.encode()).hexdigest()[:4]
    return Criterion(
        id=f"defence_{kind}_{slug}_{digest}",
        description=_SAYS[finding.where].format(finding.text),
        weight=0.0,
        kind="program",
        check="regex",
        options={"pattern": expression, "flags": "i"},
        critical=True,
        avoid=True,
        source=f"mined: {finding.evidence}",
    )


def table(found: Iterable[Finding]) -> pd.DataFrame:
    """Return one row for each finding: id, where, text, high, high_total, …, log_odds, q, along, examples."""
    names = ["where", "text", "high", "high_total", "base", "base_total", "fresh", "log_odds", "q"]
    rows = [[proposal(f).id, *(getattr(f, name) for name in names), " | ".join(f.along), " | ".join(f.examples)]
            for f in found]  # fmt: skip
    return pd.DataFrame(rows, columns=["id", *names, "along", "examples"])


def write_review(proposals: Sequence[Criterion], path: str | Path) -> Path:
    """Write a YAML list for a human, ``accept: null`` to be set to true or false; decisions already there are kept."""
    import yaml

    path = Path(path)
    known = _decisions(path) if path.is_file() else {}
    rows = [
        {"id": c.id, "says": c.description, "evidence": c.source, "accept": known.get(c.id)} for c in proposals
    ]  # fmt: skip
    text = yaml.safe_dump(rows, allow_unicode=True, sort_keys=False, width=120)
    return atomic_write(path, f"# Set accept to true or false. What is not true is not wired.\n{text}".encode())


def accepted(proposals: Sequence[Criterion], decisions: str | Path | Mapping[str, bool | None]) -> list[Criterion]:
    """Return the proposals that a human accepted; those not decided upon count as refused.

    Parameters
    ----------
    decisions : the file of :func:`write_review`, or ``{id: True | False | None}``.

    Raises
    ------
    InputError
        No such file, no such list, or a decision that is neither true, false nor null.
    """
    known = decisions if isinstance(decisions, Mapping) else _decisions(Path(decisions))
    for name, decision in known.items():
        if decision not in (True, False, None) or not isinstance(decision, bool | None):
            raise InputError(f"decision on {name!r}", repr(decision), "true | false | null")
    return [criterion for criterion in proposals if known.get(criterion.id)]


def _decisions(path: Path) -> dict[str, Any]:
    rows = read_yaml(path) or []
    try:
        return {str(row["id"]): row["accept"] for row in rows}
    except (KeyError, TypeError, IndexError) as error:
        problem = " ".join(str(error).split())[:80]
        raise InputError(relative(path), problem, "a list of {id, says, evidence, accept}") from error


def harmless(
    proposals: Sequence[Criterion], texts: Sequence[str], prompts: Sequence[str] | None = None, limit: float = LIMIT
) -> list[Criterion]:
    """Return the proposals that veto at most a share ``limit`` of human ``texts``: a stand-in for the human (ours)."""
    if not len(texts):
        raise InputError("human texts", "none", "at least one", "False vetoes cannot be measured without.")
    hit = failed(proposals, _prompts(texts, prompts), texts)
    return [criterion for criterion, share in zip(proposals, hit.mean(0), strict=True) if share <= limit]


def wire(rubric: Rubric, accepted: Sequence[Criterion]) -> Rubric:
    """Return the rubric with the accepted criteria as veto (critical); those it already has are left as they are.

    An :class:`anchors.rubric.aggregate.Aggregator` vetoes with its step ``Veto``.

    Raises
    ------
    InputError
        The rubric has another criterion of that id.
    """
    known = {criterion.id: criterion for criterion in rubric.criteria}
    fresh = []
    for criterion in accepted:
        critical = criterion.model_copy(update={"critical": True})
        if criterion.id not in known:
            fresh.append(critical)
            known[criterion.id] = critical
        elif (known[criterion.id].check, known[criterion.id].options) != (criterion.check, criterion.options):
            found = f"another criterion of id {criterion.id!r}"
            raise InputError(f"rubric {rubric.id!r}", found, "distinct ids", "Rename one of them.")
    return rubric.model_copy(update={"criteria": (*rubric.criteria, *fresh)})


def leak(chosen: Sequence[Criterion], hacks: Sequence[str], prompts: Sequence[str] | None = None) -> Rate:
    """Return the share of responses known to be ``hacks`` that no criterion fails, with its interval (section 5.4)."""
    hit = failed(chosen, _prompts(hacks, prompts), hacks)
    return rate(int((~hit.any(1)).sum()), len(hacks))


def false_veto(chosen: Sequence[Criterion], texts: Sequence[str], prompts: Sequence[str] | None = None) -> Rate:
    """Return the share of human ``texts`` that some criterion fails, with its interval (section 5.4)."""
    hit = failed(chosen, _prompts(texts, prompts), texts)
    return rate(int(hit.any(1).sum()), len(texts))


def assess(
    chosen: Sequence[Criterion],
    hacks: Sequence[str],
    human: Sequence[str],
    hack_prompts: Sequence[str] | None = None,
    human_prompts: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return caught and false-veto rates with 95 % intervals, a row for each criterion and one for all, ``any``.

    Columns: criterion, measure (``caught`` | ``false veto``), value, low, high, count, n.
    """
    rows = []
    for measure, texts, prompts in (("caught", hacks, hack_prompts), ("false veto", human, human_prompts)):
        hit = failed(chosen, _prompts(texts, prompts), texts)
        columns = np.concatenate([hit, hit.any(1, keepdims=True)], axis=1)
        names = [*(criterion.id for criterion in chosen), "any"]
        rows += [[name, measure, *rate(int(column.sum()), len(texts))]
                 for name, column in zip(names, columns.T, strict=True)]  # fmt: skip
    return pd.DataFrame(rows, columns=["criterion", "measure", *Rate._fields])


def _prompts(texts: Sequence[str], prompts: Sequence[str] | None) -> Sequence[str]:
    return [""] * len(texts) if prompts is None else prompts
