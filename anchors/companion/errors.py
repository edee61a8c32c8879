"""One-line errors that say what was found, what was expected and how to mend it."""


class AnchorsError(Exception):
    """An error a reader can cause and mend; its text is one line, whatever went into it."""

    def __init__(self, text: object = ""):
        super().__init__(one_line(text))


class InputError(AnchorsError, ValueError):
    """Bad input: a file or a parameter.

    Parameters
    ----------
    what : the file or parameter.
    found, expected : what is there and what should be.
    cure : one sentence that says how to mend it.
    """

    def __init__(self, what: str, found: object, expected: object, cure: str = ""):
        self.what, self.found, self.expected, self.cure = str(what), str(found), str(expected), cure
        super().__init__(f"{self.what}: found {self.found}; expected {self.expected}. {cure}")


class MissingData(AnchorsError):
    """A data set that is neither in the cache nor in the mirror and cannot be downloaded."""

    def __init__(self, name: str, reason: str, cure: str):
        self.name = name
        super().__init__(f"data set {name!r} is not available: {reason}. {cure}")


def one_line(text: object) -> str:
    """Return ``text`` with single blanks; what a terminal would obey and not show is written out (``\\x1b``)."""
    words = " ".join(str(text).split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in words)


def short(value: object, most: int = 80) -> str:
    """Return ``repr(value)``, its middle left out where it is longer than ``most`` characters."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python writes
        text = f"a number of {value.bit_length()} bits"
    return text if len(text) <= most else f"{text[: most - 20]} … {text[-10:]} ({len(text):,} characters)"
