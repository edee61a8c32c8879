"""A training in a process of its own, to be killed, or to be one of several; run as a script by test_kg_processes."""

import json
import sys
from pathlib import Path

from entity.kg_case import small_graph, tiny

from anchors.entity.training import Training, inputs

JOINT = {"k": 3, "random": 10, "self_negative": True, "pre_batch": 1, "refresh": 2, "steps": 6}
LONG = JOINT | {"steps": 60, "evaluate_every": 7}


def training(bert: str, changes: dict, folder: Path | None = None) -> Training:
    """Return a training that saves its state after every step."""
    graph, settings = small_graph(), tiny(bert, **changes)
    return Training(inputs(graph, settings), settings, folder, every=1)


def losses(bert: str, changes: dict, folder: Path | None = None) -> list[float]:
    """Return the losses of all steps."""
    return [entry["loss"] for entry in training(bert, changes, folder).run().log]


if __name__ == "__main__":
    kind, bert, changes, out = sys.argv[1:]
    if kind == "long":
        print("ready", flush=True)
        losses(bert, json.loads(changes), Path(out))
    else:
        from anchors.entity.parts import World

        found = {key: losses(bert, some) for key, some in json.loads(changes).items()}
        world = World()
        Path(out, f"{world.rank}.json").write_text(json.dumps({"of": world.size, "losses": found}))
