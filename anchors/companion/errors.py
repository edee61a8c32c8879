"""One-line errors that say what was found, what was expected and how to mend it."""


class AnchorsError(Exception):
    """An error a reader can cause and mend; its text is one line."""


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
        text = f"{self.what}: found {self.found}; expected {self.expected}. {cure}".strip()
        super().__init__(" ".join(text.split()))


class MissingData(AnchorsError):
    """A data set that is neither in the cache nor in the mirror and cannot be downloaded."""

    def __init__(self, name: str, reason: str, cure: str):
        self.name = name
        super().__init__(" ".join(f"data set {name!r} is not available: {reason}. {cure}".split()))
