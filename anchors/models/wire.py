"""What goes over the wire to a server and comes back: addresses, keys, bodies, messages; none of it is trusted.

An answer is read up to a size and may hold anything; whatever is wrong with it ends the one request and no other. A key
is never part of a message.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from anchors.companion.errors import InputError, one_line, short
from anchors.models.dispatch import Refusal, Trouble

MOST = 32 * 2**20  # bytes of an answer: a prompt of 100,000 tokens, echoed with its log-probabilities, has about 20 MB
SAID = 10_000  # characters of an answer among which its message is looked for
SHOWN = 8  # letters and digits of a key in a row that no message shows
ESCAPED = re.compile(r"\\(u[0-9a-f]{4}|x[0-9a-f]{2}|[ntrbf])", re.I)  # signs that JSON or Python has written out
PATIENCE = 600.0  # longest wait a server may ask for, seconds
TOO_LONG = re.compile(
    r"context|too (long|large)|longer than|exceed|must be (<=|at least)|max(imum)? (model )?len", re.I
)


def address(url: str) -> str:
    """Return a url without ``/v1`` at its end."""
    base = str(url).strip().rstrip("/").removesuffix("/v1").rstrip("/")
    found = re.fullmatch(
        r"https?://[^\s/?#@:]+(?::(\d{1,5}))?(/[^\s?#@]*)?|https?://\[[\da-fA-F:.]+\](?::(\d{1,5}))?", base
    )
    if found is None or not base.isprintable() or not 0 < int(found[1] or found[3] or 80) < 65_536:
        shown = re.sub(r"[?#].*", "?…", re.sub(r"^(\w+://)?.*@", r"\1…@", base, flags=re.S), flags=re.S)
        raise InputError("url", short(shown), "http(s)://host:port", "Give a key as key=, not in the url.")
    return base


def header_key(key: str | None, variable: str) -> str | None:
    """Return a key as a header may hold it; it is never part of an error."""
    key = (key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError("key", "characters no HTTP header may hold", "printable ASCII", f"Check {variable}.")
    return key or None


def hidden(text: str, key: str | None) -> str:
    """Return a text in one line, without the key or any eight letters of it, also where signs or blanks break it."""
    line = " ".join((ESCAPED.sub(" ", text) if key else text).split())
    secret = "".join(filter(str.isalnum, key or "")).casefold()
    width = min(SHOWN, len(secret))
    if not width:
        return line.replace(key, "…") if key else line
    places = [place for place, c in enumerate(line) if c.isalnum() and len(c.casefold()) == 1]
    letters = "".join(line[place].casefold() for place in places)
    pieces = {secret[start : start + width] for start in range(len(secret) - width + 1)}
    spans: list[list[int]] = []
    for start in range(len(letters) - width + 1):
        if letters[start : start + width] in pieces:
            first, last = places[start], places[start + width - 1]
            if spans and first <= spans[-1][1]:
                spans[-1][1] = last
            else:
                spans.append([first, last])
    for first, last in reversed(spans):
        line = f"{line[:first]}…{line[last + 1 :]}"
    return line


async def post(client: Any, url: str, content: bytes, key: str | None) -> "Answer":
    """Return the answer to a request, at most :data:`MOST` bytes of it; what is longer, or compressed, is refused."""
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    async with client.stream("POST", url, content=content, headers=headers, follow_redirects=False) as response:
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise Refusal("a compressed answer, though none was asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MOST:
                raise Refusal(f"an answer of more than {MOST:,} bytes")
        return Answer(response.status_code, response.headers, bytes(body))


@dataclass(frozen=True)
class Answer:
    """What a server sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def written(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise Refusal(f"a request that cannot be written as JSON ({error})") from error


def read_answer(answer: Answer, read: Callable[[Any], Any], key: str | None) -> Any:
    """Return what ``read`` finds in an answer; Trouble or Refusal when it is none."""
    status = answer.status
    if 200 <= status < 300:
        with suppress(Exception):  # an answer may be of any form, nested beyond Python's depth, hold any number
            return read(json.loads(answer.body))
        raise Trouble(f"an answer that cannot be read ({said(answer, key)})")
    told = said(answer, key)
    if status in (408, 425, 429) or status >= 500:
        raise Trouble(told, pause=_asked_pause(answer.headers.get("retry-after", "")))
    if status == 413 or (status in (400, 422) and TOO_LONG.search(told)):
        raise Refusal(told, "request")
    raise Refusal(told, "way" if status in (400, 422) else "server")


def said(answer: Answer, key: str | None) -> str:
    """Return status and message of an answer in one line, without the key should the server repeat it."""
    told: Any = answer.body[:SAID].decode("utf-8", "replace")
    if 300 <= answer.status < 400:
        told = f"redirects to {answer.headers.get('location', 'nowhere')[:SAID]}, where no request is sent on to"
    with suppress(Exception):  # no JSON, or none that holds a message
        found = json.loads(answer.body)
        found = next(found[name] for name in ("error", "detail", "message") if found.get(name))
        told = found.get("message", found) if isinstance(found, dict) else found
    line = one_line(hidden(str(told)[:SAID], key))
    return f"status {answer.status}: {line[:200] or 'no text'}"


def _asked_pause(value: str) -> float:
    """Return the seconds that a Retry-After header asks for, a number or a date."""
    from email.utils import parsedate_to_datetime

    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), PATIENCE)


def whole(text: str) -> str:
    """Return a text that any store can hold: JSON may hold half a surrogate pair, which becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
