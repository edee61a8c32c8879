"""The examples in the docs run as they are written, with fewer rollouts."""

import re

import pytest

from anchors.companion.paths import ROOT


@pytest.mark.slow
def test_the_first_example_runs(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "thought.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", text, re.S)[0]
    few = code.replace("stop=stop)  # after", "stop=stop, seeds=range(2))  # after")
    assert few != code
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(few, "docs/thought.md", "exec"), names)
    assert len(names["table"]) == 2 * len(names["case"].prefixes)
    assert (tmp_path / "rollouts.db").is_file()
