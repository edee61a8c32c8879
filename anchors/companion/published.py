"""What the papers say: ``data/published/<paper>.yml``, each value with its source and its confidence."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from anchors.companion.errors import InputError
from anchors.companion.paths import PUBLISHED, relative
from anchors.companion.used import remembered

Confidence = Literal["published", "secondary", "recalled", "digitised"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Value(_Strict):
    """One number of a paper. Only ``confidence: published`` is shown without a mark."""

    quantity: str
    value: float
    unit: str = ""
    source: str
    confidence: Confidence


class Claim(_Strict):
    """A sentence of the paper that figures of the companion test."""

    id: str
    text: str
    source: str
    confidence: Confidence
    tested_by: list[str] = []


class FigureEntry(_Strict):
    """What the paper shows for one figure id; ``why`` is said when there is no value."""

    values: list[Value] = []
    why: str = ""


class Paper(_Strict):
    """Everything the companion shows as coming from one paper."""

    key: str
    title: str
    short: str
    authors: str
    arxiv: str
    venue: str
    bibtex: str
    reconstructed: bool
    sourced: list[str]
    reconstruction: list[str]
    claims: list[Claim] = []
    figures: dict[str, FigureEntry] = {}

    def value(self, figure: str, quantity: str) -> Value | None:
        """Return the published value of ``quantity`` in ``figure``, or None when it could not be had."""
        entry = self.figures.get(figure, FigureEntry())
        return next((v for v in entry.values if v.quantity == quantity), None)


@remembered()
def paper(key: str) -> Paper:
    """Return the published record of one paper; InputError when its file is missing or ill-formed."""
    import yaml

    path = PUBLISHED / f"{key}.yml"
    if not path.is_file():
        raise InputError(relative(path), "no such file", "a record of the paper", "See data/published for examples.")
    try:
        return Paper.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    except (ValidationError, yaml.YAMLError) as error:
        first = str(error).splitlines()
        raise InputError(relative(path), "; ".join(first[1:3] or first), "the fields of Paper", "Mend it.") from error


def papers() -> list[Paper]:
    """Return all papers that have a record, by key."""
    return [paper(path.stem) for path in sorted(PUBLISHED.glob("*.yml"))]
