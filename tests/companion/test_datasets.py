"""The registry: cache, mirror, downloads from a server on the loopback, and what happens when they fail."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from anchors.companion import datasets
from anchors.companion.errors import AnchorsError, InputError, MissingData
from anchors.companion.paths import ROOT

CONTENT = bytes(range(256)) * 400
HALF_SENT, LET_GO = threading.Event(), threading.Event()
HITS = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        HITS.append(self.path)
        if self.path == "/missing" or (self.path == "/flaky" and len(HITS) == 1):
            self.send_error(404 if self.path == "/missing" else 503)
            return
        self.send_response(200)
        if self.path != "/nolength":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        half = len(CONTENT) // 2
        if self.path in ("/truncated", "/nolength"):
            self.wfile.write(CONTENT[:half])
        elif self.path == "/slow":
            self.wfile.write(CONTENT[:half])
            self.wfile.flush()
            HALF_SENT.set()
            LET_GO.wait(30)
        else:
            self.wfile.write(CONTENT[::-1] if self.path == "/wrong" else CONTENT)

    def log_message(self, *_args):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        LET_GO.set()
        running.shutdown()


@pytest.fixture
def place(tmp_path, monkeypatch, server):
    """Return a function that registers one data set ``toy`` with the given url, in empty folders."""
    for variable in ("CACHE", "DOWNLOADS", "DATA_MIRROR"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(f"ANCHORS_{variable}", str(tmp_path / variable))
    monkeypatch.delenv("ANCHORS_OFFLINE", raising=False)
    monkeypatch.setenv("ANCHORS_HEADLESS", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(datasets, "REGISTRY", tmp_path / "datasets.yml")
    monkeypatch.setattr(datasets, "RETRIES", 0)
    HITS.clear()

    def register(url):
        file = {"path": "toy/a.bin", "bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
        entry = {"title": "a toy", "use": "tests", "licence": "CC0", "citation": "none"}
        entry["files"] = [file | {"url": url if "//" in url else f"{server}/{url}"}]
        (tmp_path / "datasets.yml").write_text(yaml.safe_dump({"toy": entry}))
        datasets._parse.cache_clear()
        return tmp_path

    return register


def downloaded(folder):
    return sorted(path.name for path in (folder / "DOWNLOADS").rglob("*") if path.is_file() and path.suffix != ".lock")


def put(folder, content=CONTENT):
    (folder / "toy").mkdir()
    (folder / "toy" / "a.bin").write_bytes(content)


def test_good_download_happens_once(place):
    folder = place("good")
    assert not datasets.available("toy")
    assert datasets.status()[0]["state"] == "to download"
    assert datasets.fetch("toy") == {"a.bin": folder / "DOWNLOADS" / "toy" / "a.bin"}
    assert datasets.fetch("toy")["a.bin"].read_bytes() == CONTENT
    assert HITS == ["/good"]
    assert datasets.available("toy")
    assert datasets.status()[0]["state"] == "here"
    assert downloaded(folder) == ["a.bin"]


def test_mirror_is_used_in_place(place):
    folder = place("good")
    put(folder / "DATA_MIRROR")
    assert datasets.available("toy")
    assert datasets.fetch("toy")["a.bin"] == folder / "DATA_MIRROR" / "toy" / "a.bin"
    assert not HITS
    assert not downloaded(folder)


def test_downloads_come_before_the_mirror(place):
    folder = place("good")
    put(folder / "DATA_MIRROR")
    put(folder / "DOWNLOADS")
    assert datasets.fetch("toy")["a.bin"] == folder / "DOWNLOADS" / "toy" / "a.bin"


@pytest.mark.parametrize("where", ["DOWNLOADS", "DATA_MIRROR"])
def test_wrong_checksum_on_disk(place, where):
    folder = place("good")
    put(folder / where, CONTENT[:-1])
    with pytest.raises(InputError) as caught:
        datasets.fetch("toy")
    bad, good = (hashlib.sha256(content).hexdigest() for content in (CONTENT[:-1], CONTENT))
    for part in (f"{where}/toy/a.bin", bad, good, "Delete it"):
        assert part in str(caught.value)
    assert not datasets.available("toy")
    assert datasets.status()[0]["state"] == "damaged"


def test_hash_is_computed_once_and_again_after_a_change(place, monkeypatch):
    folder = place("good")
    put(folder / "DATA_MIRROR")
    calls, real = [], datasets.sha256
    monkeypatch.setattr(datasets, "sha256", lambda path: calls.append(path) or real(path))
    datasets.fetch("toy")
    datasets.fetch("toy")
    assert len(calls) == 1
    path = folder / "DATA_MIRROR" / "toy" / "a.bin"
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputError):
        datasets.fetch("toy")


@pytest.mark.parametrize("memory", ["", "[1, 2]", "{", '{"x": 3}'])
def test_a_damaged_memory_of_verified_files_is_harmless(place, memory):
    folder = place("good")
    put(folder / "DATA_MIRROR")
    (folder / "CACHE" / "verified.json").write_text(memory)
    assert datasets.available("toy")


@pytest.mark.parametrize("url", ["wrong", "nolength"])
def test_wrong_bytes_from_the_server(place, url):
    folder = place(url)
    with pytest.raises(InputError, match=rf"download of .*/{url}: found sha256 .* expected sha256 .*MIRROR"):
        datasets.fetch("toy")
    assert not downloaded(folder)


@pytest.mark.parametrize(("url", "reason"), [("missing", "answers 404"), ("truncated", "cannot be downloaded")])
def test_failed_download_says_how_to_get_the_file(place, url, reason):
    folder = place(url)
    with pytest.raises(MissingData, match=reason) as caught:
        datasets.fetch("toy")
    for part in ("data set 'toy'", "ANCHORS_DATA_MIRROR", "toy/a.bin", f"/{url}"):
        assert part in str(caught.value)
    assert not downloaded(folder)


def test_nobody_answers(place):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        folder = place(f"http://127.0.0.1:{unused.getsockname()[1]}/a.bin")
        with pytest.raises(MissingData, match="ConnectionError"):
            datasets.fetch("toy")
    assert not downloaded(folder)


def test_one_retry(place, monkeypatch):
    place("flaky")
    monkeypatch.setattr(datasets, "RETRIES", 1)
    assert datasets.fetch("toy")["a.bin"].read_bytes() == CONTENT
    assert len(HITS) == 2


def test_offline_switch(place, monkeypatch):
    place("good")
    monkeypatch.setenv("ANCHORS_OFFLINE", "1")
    with pytest.raises(MissingData, match="ANCHORS_OFFLINE=1"):
        datasets.fetch("toy")
    assert not HITS


def test_full_disk(place, monkeypatch):
    folder = place("good")

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(datasets.os, "replace", full)
    with pytest.raises(AnchorsError, match=r"a\.bin: cannot be written \(No space left"):
        datasets.fetch("toy")
    monkeypatch.undo()
    assert not downloaded(folder)


def test_killed_download_is_not_mistaken_for_the_file(place, server):
    folder = place("slow")
    code = (
        "from pathlib import Path; from anchors.companion import datasets; "
        f"datasets.REGISTRY = Path({str(folder / 'datasets.yml')!r}); datasets.fetch('toy')"
    )
    HALF_SENT.clear()
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    assert HALF_SENT.wait(30)
    process.send_signal(signal.SIGKILL)
    process.wait()
    LET_GO.set()
    assert not (folder / "DOWNLOADS" / "toy" / "a.bin").exists()
    assert not datasets.available("toy")
    place("good")
    assert datasets.fetch("toy")["a.bin"].read_bytes() == CONTENT
    assert downloaded(folder) == ["a.bin"]


def test_unknown_name_lists_the_known(place):
    place("good")
    for function in (datasets.fetch, datasets.available, datasets.fingerprint):
        with pytest.raises(InputError, match=r"'tyo'.*expected toy"):
            function("tyo")


def test_fingerprint_is_the_hash_of_hashes(place):
    place("good")
    assert datasets.fingerprint("toy") == hashlib.sha256(hashlib.sha256(CONTENT).hexdigest().encode()).hexdigest()


@pytest.mark.parametrize("change", [{"path": "../a"}, {"path": "/a"}, {"sha256": "x"}, {"bytes": 0}, {"extra": 1}])
def test_ill_formed_registry(place, change):
    path = place("good") / "datasets.yml"
    entries = yaml.safe_load(path.read_text())
    entries["toy"]["files"][0].update(change)
    path.write_text(yaml.safe_dump(entries))
    datasets._parse.cache_clear()
    with pytest.raises(InputError, match=r"datasets\.yml"):
        datasets.registry()


def test_the_real_registry_is_well_formed():
    paths = [file.path for entry in datasets.registry().values() for file in entry.files]
    assert "wiki" in datasets.registry()
    assert len(paths) == len(set(paths))
