"""The registry: cache, mirror, downloads from a server on the loopback, and what happens when they fail."""

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from anchors.companion import datasets, doctor
from anchors.companion.errors import AnchorsError, InputError, MissingData
from anchors.companion.paths import ROOT

CONTENT = bytes(range(256)) * 400
BOMB = gzip.compress(bytes(10**8))[: len(CONTENT)]
HALF_SENT, LET_GO = threading.Event(), threading.Event()
HITS = []


def drip_header(handler):
    """Send a header a letter at a time, without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        handler.wfile.write(b"a")
        time.sleep(0.02)


def redirect(to, body=b""):
    """Return what answers with a redirect, whose body goes on as long as somebody reads it."""

    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()
        while body:
            handler.wfile.write(body)

    return answer


def status(handler):
    handler.send_response(500)
    handler.end_headers()
    while True:
        handler.wfile.write(CONTENT)


def bomb(handler):
    """Send a few bytes that become a hundred megabytes, by whatever encoding."""
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(BOMB)))
    handler.end_headers()
    handler.wfile.write(BOMB)


def many_headers(handler):
    handler.send_response(200)
    for number in range(100_000):
        handler.send_header(f"X-{number}", "a" * 90)
    handler.end_headers()


ODD = {
    "/dripping-header": drip_header,
    "/loop": redirect("/loop"),
    "/chain": redirect("/loop"),
    "/endless-redirect": redirect("/good", CONTENT),
    "/redirect": redirect("/good"),
    "/to-a-file": redirect("file:///etc/passwd"),
    "/to-nothing": redirect("http://"),
    "/to-a-bad-port": redirect("http://127.0.0.1:99999/"),
    "/endless-error": status,
    "/bomb": bomb,
    "/many-headers": many_headers,
    "/no-http": lambda handler: handler.wfile.write(b"hello\r\n\r\n"),
    "/nothing": lambda handler: None,
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        HITS.append(self.path)
        if self.path == "/missing" or (self.path == "/flaky" and len(HITS) == 1):
            self.send_error(404 if self.path == "/missing" else 503)
            return
        if self.path in ODD:
            with suppress(ConnectionError):
                ODD[self.path](self)
            return
        self.send_response(200)
        if self.path not in ("/nolength", "/endless"):
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        half = len(CONTENT) // 2
        if self.path in ("/truncated", "/nolength"):
            self.wfile.write(CONTENT[:half])
        elif self.path == "/endless":
            self.endless()
        elif self.path == "/drip":
            self.drip()
        elif self.path == "/slow":
            self.wfile.write(CONTENT[:half])
            self.wfile.flush()
            HALF_SENT.set()
            LET_GO.wait(30)
        else:
            self.wfile.write(CONTENT[::-1] if self.path == "/wrong" else CONTENT)

    def endless(self):
        """Serve on after the registered bytes, however long the other side listens."""
        with suppress(ConnectionError):
            while True:
                self.wfile.write(CONTENT)

    def drip(self):
        """Serve a byte at a time, each long before the limit between two packets."""
        with suppress(ConnectionError):
            for byte in CONTENT:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.02)

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
    """Return a function that registers one data set ``toy`` with the given addresses, in empty folders."""
    for variable in ("CACHE", "DOWNLOADS", "DATA_MIRROR"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(f"ANCHORS_{variable}", str(tmp_path / variable))
    monkeypatch.delenv("ANCHORS_OFFLINE", raising=False)
    monkeypatch.setenv("ANCHORS_HEADLESS", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(datasets, "REGISTRY", tmp_path / "datasets.yml")
    monkeypatch.setattr(datasets, "RETRIES", 0)
    monkeypatch.setattr(datasets, "_FAILED", {})
    monkeypatch.setattr(datasets, "_SILENT", {})
    HITS.clear()

    def register(*urls):
        file = {"path": "toy/a.bin", "bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
        entry = {"title": "a toy", "use": "tests", "licence": "CC0", "citation": "none", "without": "nothing"}
        whole = [url if "//" in url else f"{server}/{url}" for url in urls]
        entry["files"] = [file | ({"url": whole[0]} if len(urls) == 1 else {"urls": whole})]
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


FAILURES = {
    "missing": ("answers 404", "answers 404"),
    "wrong": ("other bytes", f"expected sha256 {hashlib.sha256(CONTENT).hexdigest()}"),
    "nolength": ("other bytes", "found sha256"),
    "truncated": ("breaks off", "RemoteProtocolError"),
    "endless": ("too many bytes", "expected 102,400"),
    "drip": ("too slow", "of 102,400 bytes when its time was over"),
    "dripping-header": ("too slow", "0 of 102,400 bytes when its time was over"),
    "loop": ("redirects on and on", "5 were followed"),
    "chain": ("redirects on and on", "5 were followed"),
    "to-a-file": ("breaks off", "UnsupportedProtocol"),
    "to-nothing": ("cannot be reached", ""),
    "to-a-bad-port": ("cannot be reached", "ConnectError"),
    "endless-error": ("answers 500", "answers 500"),
    "bomb": ("other bytes", "found sha256"),
    "many-headers": ("breaks off", "RemoteProtocolError"),
    "no-http": ("breaks off", "RemoteProtocolError"),
    "nothing": ("breaks off", "RemoteProtocolError"),
}


@pytest.mark.parametrize("url", FAILURES)
def test_a_failed_download_is_said_in_one_line_and_the_doctor_knows_more(place, url, monkeypatch, server):
    folder = place(url)
    monkeypatch.setattr(datasets, "GRACE", 0.2)
    monkeypatch.setattr(datasets, "SLOWEST", 1e6)
    reason, more = FAILURES[url]
    begun = time.monotonic()
    with pytest.raises(MissingData) as caught:
        datasets.fetch("toy")
    assert time.monotonic() - begun < 5
    assert str(caught.value) == (
        f"data set 'toy' is not available: download failed ({reason}). "
        "Set ANCHORS_DATA_MIRROR to a folder that holds it; see make doctor."
    )
    assert not downloaded(folder)
    told = datasets.details("toy")
    assert told[0] == "not here: toy/a.bin"
    assert f"address: {server}/{url}" in told
    assert "without it: nothing" in told
    assert told[-1].startswith(f"last failure: toy/a.bin: {server}/{url}: {reason}")
    assert more in told[-1]


@pytest.mark.parametrize("url", ["redirect", "endless-redirect"])
def test_a_redirect_is_followed_whatever_comes_with_it(place, url):
    place(url)
    assert datasets.fetch("toy")["a.bin"].read_bytes() == CONTENT
    assert [f"/{url}", "/good"] == HITS


def test_the_doctor_says_of_each_missing_file_where_it_is_from_and_where_it_belongs(place, server):
    folder = place("missing", "wrong")
    with pytest.raises(MissingData):
        datasets.fetch("toy")
    first, *more = doctor.data_sets()
    assert first.split()[:3] == ["toy", "to", "download"]
    assert [line.strip() for line in more] == datasets.details("toy")
    assert f"{folder / 'DOWNLOADS' / 'toy' / 'a.bin'}, or toy/a.bin in the folder ANCHORS_DATA_MIRROR names" in more[1]
    assert [line.split()[-1] for line in more[2:4]] == [f"{server}/missing", f"{server}/wrong"]
    assert sum("last failure" in line for line in more) == 2
    put(folder / "DATA_MIRROR")
    assert len(doctor.data_sets()) == 1


def test_addresses_are_asked_in_order_until_one_serves_the_file(place, monkeypatch):
    monkeypatch.setattr(datasets, "RETRIES", 1)
    folder = place("missing", "wrong", "good", "never")
    assert datasets.dataset("toy").files[0].url.endswith("/missing")
    assert datasets.fetch("toy")["a.bin"].read_bytes() == CONTENT
    assert HITS == ["/missing", "/wrong", "/good"]
    assert downloaded(folder) == ["a.bin"]
    assert datasets.details("toy") == []


def test_only_failures_that_may_pass_are_tried_again(place, monkeypatch):
    monkeypatch.setattr(datasets, "RETRIES", 1)
    place("missing", "wrong", "truncated")
    with pytest.raises(MissingData, match="answers 404"):
        datasets.fetch("toy")
    assert HITS == ["/missing", "/wrong", "/truncated", "/truncated"]


def test_what_failed_is_not_asked_again_for_a_while(place, monkeypatch):
    folder = place("missing")
    lines = set()
    for _ in range(53):
        assert not datasets.available("toy")
        with pytest.raises(MissingData) as caught:
            datasets.fetch("toy")
        lines.add(str(caught.value))
    assert len(lines) == 1
    assert HITS == ["/missing"]
    put(folder / "DATA_MIRROR")
    assert datasets.fetch("toy")["a.bin"].read_bytes() == CONTENT
    (folder / "DATA_MIRROR" / "toy" / "a.bin").unlink()
    monkeypatch.setattr(datasets, "FORGET", 0)
    with pytest.raises(MissingData):
        datasets.fetch("toy")
    assert HITS == ["/missing"] * 2


def test_a_host_that_cannot_be_reached_is_asked_once(place, monkeypatch):
    asked = []

    def unknown(host, *_arguments, **_options):
        asked.append(host)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    place("http://data.example/a.bin", "http://data.example/b.bin")
    with pytest.raises(MissingData, match="cannot be reached"):
        datasets.fetch("toy")
    place("http://data.example/c.bin")
    with pytest.raises(MissingData, match="cannot be reached"):
        datasets.fetch("toy")
    assert asked == ["data.example"]
    assert "no such name" not in datasets.details("toy")[-1], "that was said of the first address"


def test_nobody_answers(place):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        folder = place(f"http://127.0.0.1:{unused.getsockname()[1]}/a.bin")
        with pytest.raises(MissingData, match="cannot be reached"):
            datasets.fetch("toy")
    assert "ConnectError" in datasets.details("toy")[-1]
    assert not downloaded(folder)


def test_a_file_without_an_address_is_not_asked_for(place):
    folder = place("good")
    entries = yaml.safe_load((folder / "datasets.yml").read_text())
    del entries["toy"]["files"][0]["url"]
    (folder / "datasets.yml").write_text(yaml.safe_dump(entries))
    datasets._parse.cache_clear()
    with pytest.raises(MissingData, match="not all its files have an address"):
        datasets.fetch("toy")
    assert datasets.status()[0]["state"] == "mirror only"
    assert "address: none, it was made for the mirror" in datasets.details("toy")


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


@pytest.mark.parametrize("url", ["", "http://data.example/a.bin"])
def test_no_message_is_long(monkeypatch, url):
    """Names and reasons are as long as they can be: less than two lines of a terminal."""
    monkeypatch.setenv("ANCHORS_OFFLINE", "1" if not url else "")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("an address was looked up"))
    for name in datasets.registry():
        monkeypatch.setattr(datasets, "_FAILED", {(name, datasets.dataset(name).files): (time.monotonic(), LONGEST)})
        with pytest.raises(MissingData) as caught:
            datasets.fetch(name)
        assert len(str(caught.value)) < 160
        assert "\n" not in str(caught.value)


LONGEST = "download failed (cannot be reached)"
NO_NETWORK = """
import socket, sys, time
def refuse(*question, **options):
    raise SystemExit(f"asked for the address of {question}")
socket.getaddrinfo = socket.create_connection = refuse
begun = time.monotonic()
from anchors.companion import datasets, doctor
from anchors.companion.errors import MissingData
from anchors.models import embed, language
asks = [(datasets.fetch, name) for name in datasets.registry()]
asks += [(load, "nobody/has-this-model") for load in (embed.load, language.load)]
for ask, name in asks:
    try:
        ask(name)
    except MissingData as error:
        print(error)
"""


def test_offline_no_address_is_looked_up_by_data_sets_and_models(tmp_path):
    own = {"ANCHORS_OFFLINE": "1", "ANCHORS_DATA_MIRROR": "", "ANCHORS_CACHE": str(tmp_path), "HF_HOME": str(tmp_path)}
    own |= {"ANCHORS_DOWNLOADS": str(tmp_path / "none"), "PYTHONPATH": str(ROOT)}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK],
        env=inherited | own,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(datasets.registry()) + 2
    assert all("ANCHORS_OFFLINE=1" in line for line in lines)


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


@pytest.mark.parametrize("change", [{"path": "../a"}, {"path": "/a"}, {"sha256": "x"}, {"bytes": 0}, {"extra": 1},
                                    {"urls": ["https://a.example/b"]}, {"url": "ftp://a.example/b"}])  # fmt: skip
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
    assert datasets.dataset("umls_texts").without == "names of entities instead of descriptions"


def test_the_authors_own_address_comes_first_and_a_copy_second():
    for file in datasets.dataset("thought_traces").files:
        first, second = file.urls
        assert first.startswith("https://raw.githubusercontent.com/interp-reasoning/thought-anchors.com/")
        assert first.partition("/data/")[2] == second.partition("/data/")[2] == file.path.removeprefix("thought/")
