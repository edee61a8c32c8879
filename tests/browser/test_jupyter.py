"""The explorer in a real JupyterLab: what the reader clicks is in Python, what Python sets is on the screen."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from playwright.sync_api import expect, sync_playwright

from anchors.companion.browser import browser
from anchors.companion.paths import ROOT
from anchors.companion.picture import CHROMIUM_FLAGS

pytestmark = pytest.mark.slow
SENTENCES = ("We need the sum.", "Let us add 1 and 2.", "That makes 3.", "Wait, is that right?", "The answer is 3.")
SETTINGS = {  # no news, no updates, no catalogue of extensions: nothing leaves the machine
    "LabApp": {"check_for_updates_class": "jupyterlab.NeverCheckForUpdate", "news_url": None,
               "extension_manager": "readonly"},
    "ServerApp": {"open_browser": False, "allow_root": True, "port_retries": 0, "ip": "127.0.0.1"},
}  # fmt: skip
FILES = {
    "jupyter_server_config.json": SETTINGS,
    "labconfig/page_config.json": {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}},
    "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},  # keeps all cells
}
CELLS = (
    "from anchors.thought.explorer.widget import Explorer\n"
    "seen = []\n"
    "explorer = Explorer('traces.json')\n"
    "explorer.observe(lambda name, value: seen.append((name, value)))\n"
    "explorer",
    "print('selected', explorer.selected, 'seen', ('selected', explorer.selected) in seen)",
    "explorer.selected = 4",
    "print('now', explorer.trace, explorer.traces)",
)


def traces(*ids):
    """Return a bundle with one small trace per id."""
    rows = [{"text": text, "category": "active_computation", "depends": []} for text in SENTENCES]
    size = len(rows)
    about = {"label": "Effect", "unit": "nats", "origin": "measured"}
    one = {
        "sentences": rows, "model": "tiny", "problem": "sum",
        "importances": [about | {"key": "size", "values": [1] * size}],
        "links": [about | {"key": "counterfactual", "rows": [[0.5] * (size - 1 - i) for i in range(size)]}],
    }  # fmt: skip
    return {"format": "anchors-explorer/1", "traces": [one | {"id": id, "title": id} for id in ids]}


def written(folder):
    """Write settings, data and the notebook of a server into a folder."""
    for name, content in FILES.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    work = folder / "work"
    work.mkdir()
    (work / "traces.json").write_text(json.dumps(traces("tiny/sum/correct", "tiny/sum/incorrect")))
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    node.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(node, work / "explore.ipynb")
    return work


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab on loopback with a token; yields its address."""
    folder = tmp_path_factory.mktemp("lab")
    work, token = written(folder), secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: str(folder / name) for name in ("config", "runtime", "ipython", "home")}
    env = {key: value for key, value in os.environ.items() if key != "ANCHORS_HEADLESS"} | {
        "JUPYTER_CONFIG_DIR": own["config"], "JUPYTER_RUNTIME_DIR": own["runtime"], "IPYTHONDIR": own["ipython"],
        "HOME": own["home"], "JUPYTERLAB_WORKSPACES_DIR": own["home"], "PYTHONPATH": str(ROOT),
        "JUPYTERLAB_SETTINGS_DIR": f"{own['config']}/settings",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }  # fmt: skip
    words = [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={work}"]
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words], env=env, cwd=work, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/api/status?token={token}", server)
        yield address, token
    finally:
        shut_down(address, token, server)


def wait_for(url, server, seconds=120):
    """Wait until the server answers."""
    for _ in range(4 * seconds):
        assert server.poll() is None, "the server has ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the server does not answer")


def shut_down(address, token, server):
    """End the server and its kernels: it is asked to, which ends the kernels as well, then made to."""
    request = urllib.request.Request(
        f"{address}/api/shutdown", method="POST", headers={"Authorization": f"token {token}"}
    )
    try:
        urllib.request.urlopen(request, timeout=20).close()
        server.wait(30)
    except (OSError, subprocess.TimeoutExpired):
        server.kill()
        server.wait(10)


@pytest.fixture(scope="module")
def page(lab):
    """The notebook, open in Chromium; ``trouble`` collects what must not happen."""
    address, token = lab
    assert browser(), "make test installs Chromium"
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser(), args=list(CHROMIUM_FLAGS))
        tab = chromium.new_page(viewport={"width": 1500, "height": 1300})
        tab.trouble, local = [], (address, address.replace("http", "ws"), "data:", "blob:")
        tab.on("request", lambda r: r.url.startswith(local) or tab.trouble.append(f"request {r.url}"))
        tab.on("websocket", lambda w: w.url.startswith(local) or tab.trouble.append(f"socket {w.url}"))
        tab.on("pageerror", lambda e: tab.trouble.append(f"error {e}"))
        tab.on("console", lambda m: m.type == "error" and tab.trouble.append(f"console {m.text} {m.location}"))
        tab.goto(f"{address}/lab/tree/explore.ipynb?token={token}")
        expect(tab.locator(".jp-Notebook .jp-CodeCell")).to_have_count(len(CELLS), timeout=120_000)
        tab.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=120_000)
        yield tab
        chromium.close()


def run(page, number):
    """Run a cell and wait for its end."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=120_000)
    return cell


def said(page, number):
    """Run a cell and return what it prints."""
    output = run(page, number).locator(".jp-OutputArea-output").last
    output.wait_for(timeout=30_000)
    return output.inner_text().strip()


@pytest.fixture(scope="module")
def explorer(page):
    """The explorer, made by the first cell."""
    run(page, 0)
    root = page.locator(".jp-OutputArea .anchors.explorer").first
    root.wait_for(timeout=60_000)
    return root


def sentence(explorer, index):
    return explorer.locator(f".text [data-index='{index}']").first


def test_a_click_arrives_in_python(page, explorer):
    sentence(explorer, 2).click()
    expect(explorer.locator(".detail")).to_contain_text("That makes 3.")
    assert said(page, 1) == "selected 2 seen True"
    assert page.trouble == []


def test_the_browser_follows_python(page, explorer):
    run(page, 2)
    expect(explorer.locator(".detail")).to_contain_text("The answer is 3.", timeout=10_000)
    assert page.trouble == []


def test_another_trace_arrives_in_python(page, explorer):
    explorer.locator("select").first.select_option(index=1)
    assert said(page, 3).startswith("now tiny/sum/incorrect")


def test_a_dropped_file_is_read_by_python(page, explorer):
    drop(page, explorer, "mine.json", json.dumps(traces("mine/only/correct")))
    expect(explorer).to_contain_text("mine", timeout=20_000)
    assert said(page, 3) == "now mine/only/correct ['mine/only/correct']"
    assert page.trouble == []


def test_a_file_that_is_no_bundle_is_refused_in_one_line(page, explorer):
    drop(page, explorer, "other.json", '{"format": "else"}')
    notice = explorer.get_by_role("alert")
    expect(notice).to_contain_text("other.json, bundle: found 'else'", timeout=20_000)
    assert said(page, 3) == "now mine/only/correct ['mine/only/correct']"
    assert page.trouble == []


def drop(page, explorer, name, text):
    """Drop a file with this text on the explorer, as a file manager does."""
    data = page.evaluate_handle(
        "([name, text]) => { const data = new DataTransfer(); data.items.add(new File([text], name)); return data; }",
        [name, text],
    )
    for event in ("dragenter", "dragover", "drop"):
        explorer.dispatch_event(event, {"dataTransfer": data})
