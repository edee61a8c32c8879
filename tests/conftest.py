"""Which tests run where: on a machine without data sets those that need none, with ``--data`` those that need some.

Without ``--data`` no test sees a data mirror or a download, whatever lies beside the checkout, and nothing can be
fetched: a test that needs a data set and does not say so with ``@pytest.mark.needs("name", ...)`` fails. Only
``-m built`` sees the data that ``make figures`` saw, since it asks what that command made of them.
"""

import socket
import tempfile
from collections import Counter

import pytest

from anchors.companion import datasets
from anchors.companion.errors import InputError

LEFT_OUT = pytest.StashKey[list]()  # the missing data sets of each test that was left out
REFUSED = pytest.StashKey[str]()  # why no test runs
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "", None)


def pytest_addoption(parser):
    parser.addoption("--data", action="store_true", help="run only the tests marked with needs, on the data mirror")


def pytest_configure(config):
    config.stash[LEFT_OUT], config.stash[REFUSED] = [], ""
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    for name in ("ANCHORS_OFFLINE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        patch.setenv(name, "1")
    patch.setattr(socket, "getaddrinfo", refusing(socket.getaddrinfo))
    if not (config.option.data or config.option.markexpr == "built"):
        patch.setenv("ANCHORS_DATA_MIRROR", "")
        empty = tempfile.TemporaryDirectory(prefix="no_downloads_")
        config.add_cleanup(empty.cleanup)
        patch.setenv("ANCHORS_DOWNLOADS", empty.name)


def refusing(real):
    """Return the look-up of addresses without the network: only names of this machine are known."""

    def look_up(host, *arguments, **options):
        if (host.decode() if isinstance(host, bytes) else host) in LOOPBACK:
            return real(host, *arguments, **options)
        raise socket.gaierror(f"a test asked for the address of {host!r}; tests use no network")

    return look_up


def pytest_collection_modifyitems(config, items):
    try:
        missing = {item: lacking(needed(item)) for item in items}
    except InputError as error:
        return refuse(config, items, str(error))
    if not config.option.data:
        config.stash[LEFT_OUT] = [names for names in missing.values() if names]
        return deselect(config, items, [item for item in items if missing[item]])
    if absent := ", ".join(sorted({name for names in missing.values() for name in names})):
        cure = "Set ANCHORS_DATA_MIRROR to a folder that holds them; see make doctor."
        return refuse(config, items, str(InputError("--data", f"no {absent}", "all that these tests need", cure)))
    return deselect(config, items, [item for item in items if not needed(item)])


def needed(item):
    """Return the names of the data sets that a test needs, as its marks name them."""
    marks = list(item.iter_markers("needs"))
    if any(not mark.args or mark.kwargs for mark in marks):
        raise InputError(item.nodeid, "needs() without a name", "needs('name of a data set', ...)", "Name it.")
    return list(dict.fromkeys(name for mark in marks for name in mark.args))


def lacking(names):
    """Return those of the named data sets that are not here; an unknown name is an InputError."""
    return [name for name in names if not datasets.available(name)]


def deselect(config, items, others):
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]


def refuse(config, items, reason):
    """Run nothing and say why at the end: an error raised here would end other processes without its words."""
    config.stash[REFUSED] = reason
    items.clear()


# ---- what the other processes of xdist left out or refused is told by the first -------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    stash = session.config.stash
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput |= {"left_out": stash[LEFT_OUT], "refused": stash[REFUSED]}
    elif stash[REFUSED]:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    told = getattr(node, "workeroutput", {})
    node.config.stash[LEFT_OUT], node.config.stash[REFUSED] = told.get("left_out", []), told.get("refused", "")


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[REFUSED]:
        terminalreporter.write_line(f"ERROR: {config.stash[REFUSED]}", red=True)
    if left := config.stash[LEFT_OUT]:
        counts = Counter(name for names in left for name in names)
        shown = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        tests = "1 test" if len(left) == 1 else f"{len(left)} tests"
        terminalreporter.write_line(f"{tests} left out: need {shown}; make test-data runs them with the data mirror")
