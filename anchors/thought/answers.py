"""Final answers: the box, a normal form and equality, under our rule (``exact``) and as the official code has it.

The official form drops braces and blanks and reads ``1,2`` as ``1.2``, so that different answers become one. The exact
form says in brackets what TeX says in braces (``\\frac12`` and ``\\dfrac{1}{2}`` are both ``((1)/(2))``).
"""

import math
import re
from functools import lru_cache

from anchors.companion.errors import InputError
from anchors.thought.expressions import value

RULES = ("exact", "official")
_BRACE = re.compile(r"\\boxed\s*\{|\\.|[{}]", re.DOTALL)
_BRACES = re.compile(r"[{}]")
_DEPTH = 60
LONGEST = 4096  # characters of an answer; a longer one stands for itself, blanks at its ends apart
_SPACING = re.compile(r"\\[,;:! ]|\\q?quad(?![a-zA-Z])|~|\\(left|right|displaystyle)(?![a-zA-Z])")
_SYMBOLS = {
    r"\\[dt]frac(?![a-zA-Z])": r"\\frac",
    r"\\(cdot|times)(?![a-zA-Z])": "*",
    r"\\div(?![a-zA-Z])": "/",
    r"\\(?:lbrace|\{)": "⟨",
    r"\\(?:rbrace|\})": "⟩",
    r"\^\s*+\{?\s*+\\circ\s*+\}?|\\degree(?![a-zA-Z])|°": "",
    r"\\?\$|\\?%": "",
    "[−–]": "-",
    r"\\pi(?![a-zA-Z])": "π",
}
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\s+|.", re.DOTALL)
_TEXTS = ("text", "textbf", "textit", "textrm", "mathrm", "mathbf", "mbox", "boxed", "operatorname")
_WRAPPERS = {f"\\{name}" for name in _TEXTS}
_UNIT = re.compile(  # possessive: blanks that belong to one place only are not tried at the others
    r"(?<=[\d)}])\s*+\\(?:text|mbox|mathrm|textrm)\s*+\{[^{}\d]*+\}\s*+(?:\^\s*+\{?[23]\}?)?\s*+\.?\s*+$"
)
_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")


def boxed(text: str, which: str = "last") -> str:
    r"""Return what stands in the last ``\boxed{…}``, ``""`` when there is none (ours; sec. 2.3).

    ``which="first"`` is the official choice: the first box that is not empty, taken to the end of the text when it
    never closes. The last one respects self-correction and must be closed. InputError for another ``which``.
    """
    if which not in ("last", "first"):
        raise InputError("which", repr(which), "last | first")
    closed, stack = {}, []
    for match in _BRACE.finditer(text) if which == "last" else ():
        if match[0][-1] == "{" and match[0] != "\\{":
            stack.append(match.end() if match[0] != "{" else None)
        elif match[0] == "}" and stack:
            opened = stack.pop()
            if opened is not None:
                closed[opened] = match.start()
    if closed:
        return text[max(closed) : closed[max(closed)]].strip()
    return _first_box(text) if which == "first" else ""


def _first_box(text: str) -> str:
    """Return the first non-empty box; every brace counts, escaped or not, and the end of the text closes it."""
    for match in re.finditer(r"\\boxed\{", text):
        depth, end = 1, match.end()
        for brace in _BRACES.finditer(text, match.end()):
            depth += 1 if brace[0] == "{" else -1
            end = brace.start()
            if depth == 0:
                break
        content = text[match.end() : end if depth == 0 else len(text)]
        if content:
            return content
    return ""


def normalise(answer: str, rule: str = "exact") -> str:
    """Return the normal form of an answer under a rule of :data:`RULES` (ours; official: sec. 2.3).

    An answer of more than :data:`LONGEST` characters is its own normal form. InputError for another rule.
    """
    form = {"exact": _exact, "official": _official}[_checked(rule)]
    return form(answer) if len(answer) <= LONGEST else answer.strip()


def equal(a: str, b: str, rule: str = "exact") -> bool:
    """Return whether two answers are one: the same normal form, or numbers of the same value (ours; sec. 2.3).

    Ours compares tuples and lists part by part, and a missing answer equals nothing. Under ``official`` commas are
    dropped before values are compared; values stand in for the computer algebra of the official code.
    """
    x, y = normalise(a, rule), normalise(b, rule)
    if rule == "official":
        return x == y or _same_value(*(normalise(text.replace(",", "")) for text in (a, b)))
    return bool(x) and bool(y) and (x == y or _same_value(x, y) or _same_parts(x, y))


def _checked(rule: str) -> str:
    if rule not in RULES:
        raise InputError("rule", repr(rule), " | ".join(RULES))
    return rule


def _same_value(x: str, y: str) -> bool:
    first, second = value(x), value(y)
    if first is None or second is None:
        return False
    if isinstance(first, float) or isinstance(second, float):  # roots and π: to 12 digits
        return math.isclose(first, second, rel_tol=1e-12, abs_tol=1e-12)
    return first == second


def _same_parts(x: str, y: str) -> bool:
    """Return whether two tuples or lists agree in brackets and, part by part, in value."""
    left, right = _parts(x), _parts(y)
    if _brackets(x) != _brackets(y) or len(left) != len(right) or len(left) < 2:
        return False
    return all(p == q or _same_value(p, q) for p, q in zip(left, right, strict=True))


def _brackets(text: str) -> str:
    """Return the pair of brackets around everything, ``""`` when there is none."""
    pair = text[:1] + text[-1:]
    return pair if text[:1] in ("(", "[", "⟨") and text[-1:] in (")", "]", "⟩") else ""


def _parts(text: str) -> list[str]:
    """Return what commas of the outermost level separate, without the brackets around everything."""
    body = text[1:-1] if _brackets(text) else text
    parts, start, depth = [], 0, 0
    for place, char in enumerate(body):
        depth += (char in "([⟨") - (char in ")]⟩")
        if char == "," and depth == 0:
            parts.append(body[start:place])
            start = place + 1
    return [*parts, body[start:]]


@lru_cache(maxsize=65_536)
def _exact(answer: str) -> str:
    text = _UNIT.sub("", answer.strip()).strip().rstrip(".").strip().replace("{,}", ",")
    for pattern, symbol in _SYMBOLS.items():
        text = re.sub(pattern, symbol, text)
    text = re.sub(r"(?<=[0-9])\\[,;:!](?=[0-9])", "", text)
    text = _SPACING.sub(" ", text)
    tokens = _TOKEN.findall(re.sub(r"^\s*[a-zA-Z]\s*=(?!=)", "", text))
    flat = "".join(_read(tokens[::-1], 0)) if _depth(tokens) < _DEPTH else text
    form = re.sub(r"(?<=\d)\s+(?=\d)|(?<=[A-Za-z])\s+(?=[A-Za-z])", "␣", flat.strip())  # 1 2 is not 12
    form = re.sub(r"\s", "", form).replace("␣", " ")
    form = re.sub(r"[A-Za-z]{2,}", lambda word: word[0].lower(), form)
    return form.replace(",", "") if _THOUSANDS.fullmatch(form) else form


def _depth(tokens: list[str]) -> int:
    """Return an upper bound of the nesting of braces and commands, and of ``^`` and ``_`` in a row."""
    nested, row, longest = 0, 0, 0
    for token in tokens:
        nested += token == "{" or token in _WRAPPERS or token in ("\\frac", "\\sqrt")
        row = row + 1 if token in ("^", "_") else row * token.isspace()
        longest = max(longest, row)
    return nested + longest


def _read(stack: list[str], depth: int) -> list[str]:
    """Return the tokens up to the closing brace with arguments in brackets; ``stack`` is read from its end."""
    out = []
    while stack:
        token = stack.pop()
        if token == "}":
            return out
        out.append(_command(token, stack, depth))
    return out


def _command(token: str, stack: list[str], depth: int) -> str:
    if token == "{":
        return "".join(_read(stack, depth + 1))
    if token == "\\frac":
        top, bottom = _argument(stack, depth), _argument(stack, depth)
        return f"(({top})/({bottom}))"
    if token == "\\sqrt":
        root = _bracketed(stack)
        return f"√{root}({_argument(stack, depth)})"
    if token in ("^", "_"):
        return f"{token}({_argument(stack, depth)})"
    return _argument(stack, depth) if token in _WRAPPERS else token


def _argument(stack: list[str], depth: int) -> str:
    """Return the next group without its braces, or the next single token."""
    while stack and stack[-1].isspace():
        stack.pop()
    return _command(stack.pop(), stack, depth) if stack else ""


def _bracketed(stack: list[str]) -> str:
    """Return an optional ``[…]``, with its brackets."""
    if not stack or stack[-1] != "[" or "]" not in stack:
        return ""
    taken = ""
    while not taken.endswith("]"):
        taken += stack.pop()
    return taken


def _official(answer: str) -> str:
    """Return the official normal form: braces of the innermost level, all blanks and some commands are dropped."""
    text = answer.strip().lower().replace("dfrac", "frac").replace("tfrac", "frac")
    text = re.sub(r"\s+", "", text)
    for old, new in {"\\%": "", "{,}": "", "\\times": "*", "\\cdot": "*"}.items():
        text = text.replace(old, new)
    text = re.sub(r"(\d)[.,](?=\d)", r"\1.", text)
    text = re.sub(r"\{([^{}]+)\}", r"\1", text).replace("\\pi", "pi")
    text = re.sub(r"\\(?:text|mathrm)\{([^{}]+)\}", r"\1", text)
    return re.sub(r"([a-z])\\+(?=\d)", r"\1", text).replace("\\text", "")
