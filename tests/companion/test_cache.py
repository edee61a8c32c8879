"""Cached results and code hashes: what changes a key, what does not, and what survives."""

import os
import subprocess
import sys
import textwrap
from importlib import import_module

import pytest

from anchors.companion import cache, codehash
from anchors.companion.errors import AnchorsError
from anchors.companion.paths import ROOT

CALLS = []


def double(x: int) -> dict:
    CALLS.append(x)
    return {"twice": 2 * x, "list": (x, x)}


def fails_on_three(x: int) -> int:
    CALLS.append(x)
    if x == 3:
        raise ValueError("three")
    return x


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path))
    cache._store.cache_clear()
    cache._locks.cache_clear()
    CALLS.clear()
    yield
    cache._store().close()
    cache._store.cache_clear()
    cache._locks.cache_clear()


def test_a_result_is_computed_once_and_looks_the_same_fresh_and_stored():
    fresh, stored = cache.cached(double, x=4), cache.cached(double, x=4)
    assert fresh == stored == {"twice": 8, "list": [4, 4]}
    assert CALLS == [4]


def test_arguments_and_salt_enter_the_key():
    for salt in ("a", "b"):
        for x in (1, 2):
            cache.cached(double, salt=salt, x=x)
    assert CALLS == [1, 2, 1, 2]


def test_an_interrupted_grid_continues_where_it_stopped():
    jobs = [{"x": x} for x in range(5)]
    with pytest.raises(ValueError, match="three"):
        cache.cached_grid(fails_on_three, jobs)
    assert CALLS == [0, 1, 2, 3]
    CALLS.clear()
    with pytest.raises(ValueError, match="three"):
        cache.cached_grid(fails_on_three, jobs)
    assert CALLS == [3]


def test_grid_keeps_the_order_of_its_jobs():
    assert [r["twice"] for r in cache.cached_grid(double, [{"x": x} for x in (3, 1, 2, 1)])] == [6, 2, 4, 2]
    assert CALLS == [3, 1, 2]


def test_a_store_that_cannot_be_written_is_one_line(monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache._store(), "set", refuse, raising=False)
    with pytest.raises(AnchorsError, match=r"No space left on device.*ANCHORS_CACHE") as error:
        cache.cached(double, x=9)
    assert "\n" not in str(error.value)


def test_a_foreign_store_is_one_line(tmp_path):
    cache._store().close()
    cache._store.cache_clear()
    for path in (tmp_path / "results").glob("*"):
        path.unlink()
    (tmp_path / "results" / "cache.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(AnchorsError, match="cannot be opened"):
        cache.cached(double, x=1)
    (tmp_path / "results" / "cache.db").unlink()


def test_comments_docstrings_and_layout_do_not_change_the_code_hash():
    plain = "def f(x):\n    return x + 1\n"
    dressed = '"""Doc."""\n# comment\ndef f(x):\n    """Doc."""\n    return (x\n            + 1)\n'
    assert codehash.text_hash(plain) == codehash.text_hash(dressed)
    assert codehash.text_hash(plain) != codehash.text_hash(plain.replace("1", "2"))


def test_the_closure_follows_imports_inside_functions():
    names = codehash.closure(["anchors.hashing.studies.pairing_ratio"])
    assert {"anchors.hashing.trials", "anchors.hashing.rreh", "anchors.hashing.metrics"} <= set(names)
    assert "anchors.companion.report" not in names
    assert not [name for name in names if name.endswith("plots")]


def test_imports_are_found_in_every_form():
    source = textwrap.dedent("""
        import anchors.models
        from anchors.companion import stats
        def f():
            from anchors.hashing.metrics import evaluate
    """)
    assert set(codehash.imports(source)) == {
        "anchors.models", "anchors.companion", "anchors.companion.stats",
        "anchors.hashing.metrics", "anchors.hashing.metrics.evaluate",
    }  # fmt: skip


def test_threads_are_limited_while_a_result_is_computed():
    import_module("numpy")  # its pool of threads is the one to limit, whichever test runs first
    assert cache.cached(threads) <= 1
    assert "numpy" in sys.modules


def test_a_library_that_a_computation_loads_has_one_thread_and_the_environment_is_as_before():
    code = """
        import os
        from anchors.companion import cache
        def count():
            import torch
            return torch.get_num_threads()
        print(cache.limited(count, {}), {name: os.environ.get(name) for name in cache.ONE_THREAD})
    """
    environment = {k: v for k, v in os.environ.items() if k not in cache.ONE_THREAD} | {"MKL_NUM_THREADS": "2"}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.split(" ", 1)[0] == "1"
    assert run.stdout.count("None") == 2
    assert "'MKL_NUM_THREADS': '2'" in run.stdout


def threads() -> int:
    from threadpoolctl import threadpool_info

    return max((pool["num_threads"] for pool in threadpool_info()), default=1)


def test_a_function_of_the_module_that_runs_is_known_by_the_module_s_name(monkeypatch):
    import sys
    from types import ModuleType, SimpleNamespace

    from anchors.companion.cache import key_of, module_of
    from anchors.companion.files import sha256

    imported, key = module_of(sha256), key_of(sha256, {})
    main = ModuleType("__main__")
    main.__spec__ = SimpleNamespace(name="anchors.companion.files")
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sha256, "__module__", "__main__")
    assert module_of(sha256) == imported == "anchors.companion.files"
    assert key_of(sha256, {}) == key
