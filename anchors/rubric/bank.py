"""A bank of distinct criteria: those of published benchmarks, program families, and hybrids of the two (ours).

The paper speaks of over 10,000 rubrics and released none (section 1.1). The benchmarks' criteria were written by people
(BiGGen-Bench, HealthBench, IFEval, EQ-Bench 3); the families need no data and are always there; a hybrid is one prompt
with a criterion of a person and one that a program checks.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from anchors.companion import datasets
from anchors.companion.codehash import digest
from anchors.companion.errors import InputError
from anchors.rubric import bank_search, families, readers
from anchors.rubric.rubric import Criterion, Rubric

BENCHMARKS = ("biggen", "healthbench", "ifeval", "eqbench")
SOURCES = (*BENCHMARKS, "families", "hybrids")
PER_PROMPT, FEW = 2, 3  # hybrids of a prompt, and words that one may ask for
MIXED = ("lengths", "counts", "marks", "include_words", "formats", "beginnings_and_ends")  # families of hybrids
_VERBS = ("Has ", "Includes ", "Begins ", "Ends ")  # programs that read well as a condition of a prompt
_QUOTES = str.maketrans("“”‘’", "\"\"''")


class Hit(NamedTuple):
    """A result of a search; the higher the score the better, and scores of two ways of searching do not compare."""

    score: float
    entry: "Entry"


@dataclass(frozen=True)
class Entry:
    """One entry: a criterion, or two of a hybrid, with where it comes from.

    Attributes
    ----------
    id : ``<source>/<rubric or family>/<criterion>``.
    source : one of :data:`SOURCES`.
    task : of the benchmark, or the family.
    prompt : of an instance; None for what fits any.
    provenance, licence : what it is from, and its licence.
    """

    id: str
    source: str
    criteria: tuple[Criterion, ...]
    task: str
    provenance: str
    licence: str
    prompt: str | None = None

    @property
    def description(self) -> str:
        """The descriptions, one a line."""
        return "\n".join(criterion.description for criterion in self.criteria)

    def rubric(self) -> Rubric:
        """Return the entry as a rubric."""
        return Rubric(
            id=self.id, criteria=self.criteria, task=self.task, prompt=self.prompt, source=self.provenance,
            licence=self.licence,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bank:
    """Distinct entries in a fixed order.

    Attributes
    ----------
    entries : in the order of :data:`SOURCES`, and of the files.
    dropped : ``{(source, reason): count}``; the reasons are ``same text`` and ``same content``.
    missing : ``{source: why}`` of sources that were not asked for by name and are not here.
    """

    entries: tuple[Entry, ...]
    dropped: dict[tuple[str, str], int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __getitem__(self, id: str) -> Entry:
        """Return the entry of an id; InputError for an unknown one."""
        if id not in self._places:
            raise InputError("bank entry", repr(id), f"an id of one of {len(self)} entries", "See table().")
        return self.entries[self._places[id]]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {entry.id: k for k, entry in enumerate(self.entries)}

    @cached_property
    def _index(self) -> bank_search.Index:
        return bank_search.Index(f"{e.description}\n{e.task}\n{e.prompt or ''}" for e in self.entries)

    def search(self, text: str, n: int = 10, how: str = "words", folder: Any = None) -> list[Hit]:
        """Return the ``n`` best entries for a text, best first, ties by the bank's order.

        Parameters
        ----------
        how : ``words``: BM25 over descriptions, tasks and prompts; entries that share no word are no hits.
            ``meaning``: cosine of all-MiniLM-L6-v2 embeddings of the descriptions, which takes minutes the first time.
        folder : keeps the embeddings between processes; None computes them once in each.

        Raises
        ------
        InputError
            Another ``how``, or no blank-free text.
        """
        if not text.strip():
            raise InputError("search", "a blank text", "some words")
        if how not in ("words", "meaning"):
            raise InputError("search: how", repr(how), "words | meaning")
        scores = self._index.scores(text) if how == "words" else self.vectors(folder) @ bank_search.embedded([text])[0]
        order = np.argsort(-scores, kind="stable")[: max(0, n)]
        return [Hit(float(scores[k]), self.entries[k]) for k in order if how == "meaning" or scores[k] > 0]

    def vectors(self, folder: Any = None) -> np.ndarray:
        """Return embeddings (n, 384) of the descriptions; computed once, and kept in ``folder`` if there is one."""
        return bank_search.kept([entry.description for entry in self.entries], folder)

    def select(self, source: str | None = None, kind: str | None = None, task: str | None = None) -> list[Entry]:
        """Return the entries of a source, with a criterion of a kind, whose task holds a text."""
        return [
            entry for entry in self.entries
            if source in (None, entry.source)
            and (kind is None or any(criterion.kind == kind for criterion in entry.criteria))
            and (task is None or task in entry.task)
        ]  # fmt: skip

    def rubric(self, ids: Iterable[str], id: str = "chosen") -> Rubric:
        """Return one rubric of the criteria of entries, named by the entries' ids; InputError for an unknown one."""
        criteria = [
            c.model_copy(update={"id": entry.id if len(entry.criteria) == 1 else f"{entry.id}#{k}"})
            for entry in map(self.__getitem__, ids)
            for k, c in enumerate(entry.criteria)
        ]
        return Rubric(id=id, criteria=tuple(criteria))

    def table(self) -> pd.DataFrame:
        """Return one row for each entry; of hybrids, kind, check, weight and so on are those of the program."""
        rows = [
            {
                "id": entry.id, "source": entry.source, "task": entry.task, "criteria": len(entry.criteria),
                "kind": last.kind, "check": last.check, "scope": last.scope, "weight": last.weight,
                "avoid": last.avoid, "tiers": len(last.tiers), "licence": entry.licence,
                "provenance": entry.provenance, "description": entry.description, "prompt": entry.prompt,
            }
            for entry in self.entries
            for last in entry.criteria[-1:]
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def summary(self) -> pd.DataFrame:
        """Return one row for each source: entries, prompts, same text, same content (both dropped), licence."""
        rows = []
        for source in SOURCES:
            of = [entry for entry in self.entries if entry.source == source]
            rows.append([source, len(of), len({e.prompt for e in of if e.prompt}),
                         *(self.dropped.get((source, reason), 0) for reason in ("same text", "same content")),
                         " | ".join(sorted({entry.licence for entry in of}))])  # fmt: skip
        return pd.DataFrame(rows, columns=["source", "entries", "prompts", "same text", "same content", "licence"])


def load(sources: Sequence[str] | None = None) -> Bank:
    """Return the bank; in seconds.

    Parameters
    ----------
    sources : some of :data:`SOURCES`, which are then fetched if they are not here. None takes those that are here,
        without asking the network: with the data mirror all of them, more than 10,000 entries; without it the families.

    Raises
    ------
    InputError
        An unknown source, or a file with the wrong checksum.
    MissingData
        A source that was asked for is not here and cannot be downloaded.
    """
    asked = SOURCES if sources is None else tuple(dict.fromkeys(sources))
    if unknown := set(asked) - set(SOURCES):
        raise InputError("bank: sources", ", ".join(sorted(unknown)), " | ".join(SOURCES))
    missing = {}
    if sources is None:
        missing = {name: "not here" for name in BENCHMARKS if not datasets.available(f"rubric_{name}")}
        if {"biggen", "healthbench"} <= set(missing):
            missing["hybrids"] = "neither BiGGen-Bench nor HealthBench is here"
    wanted = [name for name in SOURCES if name in asked and name not in missing]
    rubrics = {name: getattr(readers, name)() for name in BENCHMARKS if name in wanted}
    found: list[Entry] = []
    for name in wanted:
        found.extend(
            _families() if name == "families" else _hybrids(rubrics, missing) if name == "hybrids"
            else _single(name, rubrics[name])
        )  # fmt: skip
    entries, dropped = distinct(found)
    return Bank(entries, dropped, missing)


def _single(source: str, rubrics: Iterable[Rubric]) -> Iterator[Entry]:
    for rubric in rubrics:
        for c in rubric.criteria:
            name = f"{source}/{rubric.id}/{c.id}"
            yield Entry(name, source, (c,), rubric.task, f"{c.source}, {rubric.id}", c.licence, rubric.prompt)


def _families() -> Iterator[Entry]:
    for name in families.names():
        for c in families.criteria(name):
            yield Entry(f"families/{c.id}", "families", (c,), name, c.source, c.licence)


def _hybrids(rubrics: dict[str, list[Rubric]], missing: dict[str, str]) -> Iterator[Entry]:
    """Yield prompts with a criterion of a person (the heaviest that is to be met) and one of a program."""
    pools = [[c for c in families.criteria(name) if _fits(c)] for name in MIXED]
    for source in ("biggen", "healthbench"):
        if source in missing:
            continue
        for rubric in rubrics.get(source) or getattr(readers, source)():
            people = [c for c in rubric.criteria if not c.avoid and "level:cluster" not in c.source]
            if people and rubric.prompt is not None:
                human = max(people, key=lambda c: c.weight)
                yield from (_hybrid(source, rubric, human, pools, k) for k in range(PER_PROMPT))


def _fits(program: Criterion) -> bool:
    """Return whether a program reads well as a condition and may go with any prompt."""
    few = len(program.options.get("words", ())) <= FEW
    return program.description.startswith(_VERBS) and program.snap and few


def _hybrid(source: str, rubric: Rubric, human: Criterion, pools: list[list[Criterion]], draw: int) -> Entry:
    number = int(digest(rubric.id, rubric.prompt, draw)[:15], 16)
    pool = pools[number % len(pools)]
    program = pool[number // len(pools) % len(pool)]
    condition = program.description[0].lower() + program.description[1:]
    return Entry(
        f"hybrids/{source}/{rubric.id}/{program.id}", "hybrids",
        (human, program.model_copy(update={"scope": "instance"})), rubric.task,
        f"{human.source}, {rubric.id}; {program.source}", " and ".join(dict.fromkeys((human.licence, program.licence))),
        f"{rubric.prompt}\n\nOne more condition: the answer {condition}",
    )  # fmt: skip


def distinct(entries: Iterable[Entry]) -> tuple[tuple[Entry, ...], dict[tuple[str, str], int]]:
    """Return the first of each, and how many were dropped: ``{(source, reason): count}``.

    Two entries are the same when their descriptions are (:func:`normal`), whatever their prompts, tiers and weights, or
    when the same check with the same options says the same of them. Hybrids compare as pairs.
    """
    texts, contents, kept, dropped = set(), set(), [], Counter()
    for entry in entries:
        text, content = normal(entry.description), _content(entry)
        if text in texts or content in contents:
            dropped[entry.source, "same text" if text in texts else "same content"] += 1
            continue
        texts.add(text)
        contents.add(content)
        kept.append(entry)
    return tuple(kept), dict(dropped)


def normal(text: str) -> str:
    """Return a text without what says nothing: case, kinds of blanks, quotes and letters, marks at the end."""
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold()
    return " ".join(plain.split()).rstrip(" .!;:")


def _content(entry: Entry) -> tuple:
    """Return what decides: of a program check, options and direction, of a judge the words."""
    return tuple(
        (c.check, digest(c.options), c.avoid) if c.check else (normal(c.description), "", c.avoid)
        for c in entry.criteria
    )  # fmt: skip
