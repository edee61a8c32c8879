"""The endpoint against a real server, ``transformers serve``, with local folders as models.

What that server does not do: it gives no log-probabilities, seeds the whole process (so that a seed holds for one
request at a time only), samples only where the model's own generation config says so, ignores ``response_format``, and
cannot use stop texts with a word-level tokenizer. It decodes new tokens alone: the blank that begins a continuation is
lost with some tokenizers. Chat needs a template, which the embedded model has and the shipped one has not.
"""

import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from anchors.companion.errors import AnchorsError
from anchors.models import language, sampling
from anchors.models.remote import Endpoint

pytestmark = pytest.mark.slow
SERVE = Path(sys.executable).with_name("transformers")
PROMPT = "e= b *5 ; h= e -4 ; b: 3 ; c= a +5 ; j: 2 ; f: 6 ; a= g *1 ; g= j +7 ; find c ?"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server on a free port, with the folders of the shipped model, of a copy that samples, and of a chat model."""
    home = tmp_path_factory.mktemp("serve")
    reasoner = language._source("reasoner")
    shutil.copytree(reasoner, home / "sampled")
    (home / "sampled" / "generation_config.json").write_text(
        '{"do_sample": true, "top_k": 0, "eos_token_id": 1, "pad_token_id": 0}'
    )
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    command = [str(SERVE), "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with (home / "log").open("wb") as log:
        options = {"stdout": log, "stderr": log, "env": os.environ | quiet, "cwd": home, "start_new_session": True}
        process = subprocess.Popen(command, **options)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process, home / "log")
        chat = language._source("smollm2")
        yield SimpleNamespace(url=url, reasoner=reasoner, sampled=str(home / "sampled"), chat=chat)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its children too
        process.wait()


def _wait(url, process, log):
    import httpx

    for _ in range(240):
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                return
        except httpx.HTTPError:
            assert process.poll() is None, log.read_text()
        time.sleep(0.25)
    raise AssertionError(f"no server after a minute: {log.read_text()}")


def test_greedy_text_is_that_of_the_local_model(served):
    asked = Endpoint(served.url, served.reasoner, concurrency=2)
    model = language.load("reasoner")
    for limit in (12, 120):
        [local] = sampling.continuations(model, PROMPT, [0], limit, greedy=True)
        remote = asked.continuations(PROMPT, [0, 1, 2], limit, temperature=0.0, top_p=1.0)
        assert {" " + c.text for c in remote} == {local.text}, "this server loses the first blank"
        assert {c.finished for c in remote} == {local.finished}
    assert all(math.isnan(c.logprob) and c.error is None for c in remote)


def test_a_seed_gives_the_same_rollout_again(served):
    asked = Endpoint(served.url, served.sampled, concurrency=1)
    first = asked.continuations(PROMPT, range(6), 60, temperature=1.0, top_p=1.0)
    again = asked.continuations(PROMPT, [4, 1], 60, temperature=1.0, top_p=1.0)
    assert [c.text for c in again] == [first[4].text, first[1].text]
    assert len({c.text for c in first}) > 1


def test_a_stop_text_ends_a_rollout(served):
    asked = Endpoint(served.url, served.chat)
    [whole] = asked.continuations("The capital of France is", [0], 24, temperature=0.0)
    [ended] = asked.continuations("The capital of France is", [0], 24, temperature=0.0, stop=(".",))
    assert ended.finished
    assert ended.text == whole.text[: whole.text.index(".") + 1], "this server keeps the stop text, vLLM does not"


def test_chat(served):
    asked = Endpoint(served.url, served.chat)
    messages = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
    reply = asked.chat(messages, max_tokens=12, response_format={"type": "json_object"}, seed=0)
    assert "Paris" in reply
    assert asked.chat(messages, max_tokens=12) == reply


def test_a_model_that_is_not_there_and_a_model_without_a_chat_template(served):
    with pytest.raises(AnchorsError, match="status 500: Internal Server Error"):
        Endpoint(served.url, "nobody/nothing", retries=1, pause=0.01, concurrency=1).continuations(PROMPT, [0], 5)
    with pytest.raises(AnchorsError, match="status 500: Internal Server Error"):
        Endpoint(served.url, served.reasoner, retries=1, pause=0.01).chat([{"role": "user", "content": "Hi"}])
