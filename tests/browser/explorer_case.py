"""Bundles for the explorer's tests, small enough to check by hand, and files in the official layout."""

import json
import random

CATEGORIES = (
    "problem_setup",
    "plan_generation",
    "active_computation",
    "uncertainty_management",
    "final_answer_emission",
)
TEXTS = (
    "We need \\(a^2\\) for the first triangle.",
    "Let us try the plan with $5 and $6 coins.",
    "Then \\[ \\frac{1}{2} + x = 3 \\] follows.",
    "Wait, is that right?",
    "The answer is \\boxed{7}.",
)
KL = [0.1, 0.2, 0.6, 0.05, 0.0]
# |score| in falling order: 0-2, 2-3, 2-4, 0-3, 3-4, 1-3, 1-2, 0-1, 1-4; 0-4 is 0 and no link
ROWS = [[0.1, 0.9, -0.5, 0.0], [0.2, 0.3, 0.05], [0.8, -0.6], [0.4], []]
SUPPRESSED = [[1.0, 4.0, None, 0.5], [2.0, -1.5, 0.25], [3.0, -2.0], [0.75], []]
TRUTH = [[0, 1, 0, 0], [0, 0, 1], [1, 0], [0], []]


def pairs(rows):
    """The scores of a triangle by (source, target)."""
    return {(i, i + 1 + k): score for i, row in enumerate(rows) for k, score in enumerate(row)}


def trace(**changes):
    """A trace of five sentences with everything a bundle can hold."""
    size = len(TEXTS)
    whole = {
        "id": "model a/p 1/correct", "model": "model a", "problem": "p 1", "title": "Triangles", "solution": "correct",
        "question": "How large is $x^2$?", "answer": "7", "given": "\\frac{14}{2}", "made_by": "hand",
        "notes": ["Five sentences only."],
        "sentences": [{"text": text, "category": category, "depends": [i - 1] if i else []}
                      for i, (text, category) in enumerate(zip(TEXTS, CATEGORIES, strict=True))],
        "importances": [
            {"key": "counterfactual_kl", "label": "counterfactual importance, KL", "unit": "nats", "origin": "measured",
             "values": KL, "low": [0.05, 0.1, 0.5, 0, 0], "high": [0.15, 0.3, 0.7, 0.1, 0]},
            {"key": "resampling_accuracy", "label": "resampling importance, accuracy", "unit": "share, + helps",
             "origin": "exact", "values": [0.05, -0.4, 0.3, None, 0]},
        ],
        "links": [
            {"key": "counterfactual", "label": "resampling", "unit": "share", "origin": "measured", "rows": ROWS,
             "low": [[s - 0.1 for s in row] for row in ROWS], "high": [[s + 0.1 for s in row] for row in ROWS]},
            {"key": "suppression", "label": "suppression", "unit": "log units", "origin": "measured",
             "rows": SUPPRESSED},
            {"key": "truth", "label": "true links", "unit": "", "origin": "exact", "rows": TRUTH},
        ],
        "accuracy": {"values": [0.5, 0.5, 0.4, 0.8, 0.8, 1.0], "low": [0.3, 0.3, 0.2, 0.6, 0.6, 0.9],
                     "high": [0.7, 0.7, 0.6, 0.9, 0.9, 1.0], "n": [10] * (size + 1)},
        "forced": {"values": [0.1, 0.2, 0.3, 0.4, 0.5]},
        "answers": [[["7", 0.5], ["8", 0.3], ["\\frac{1}{2}", 0.2]]] * 2 + [[["8", 0.6], ["7", 0.4]]]
                   + [[["7", 0.8], ["8", 0.2]]] * 2 + [[["7", 1.0]]],
        "alternatives": [
            [{"text": f"Instead {i}.{k} with $y_{k}$.", "answer": "7" if k == 0 else "\\frac{1}{2}", "right": k == 0,
              "different": k == 1, "similarity": 0.25 * k, "count": k + 1} for k in range(3)]
            for i in range(size)
        ],
        "heads": [
            {"layer": 1, "head": 0, "kurtosis": 2.5, "receiver": False, "received": [0.1, 0.2, 0.1, 0.1, None]},
            {"layer": 3, "head": 1, "kurtosis": 9.0, "receiver": True, "received": [0.1, 0.7, 0.1, 0.1, None],
             "rows": [[0.1] * (size - 1 - i) for i in range(size)]},
        ],
    }  # fmt: skip
    return whole | changes


def bundle(*traces):
    """A bundle of these traces; of the small one when none are given."""
    return {"format": "anchors-explorer/1", "traces": list(traces) or [trace()]}


def two():
    """The small trace and another with two sentences and nothing else."""
    bare = {
        "id": "b/2/incorrect",
        "sentences": [{"text": "One.", "category": None}, {"text": "Two.", "category": "odd one"}],
    }
    return bundle(trace(), bare)


def hostile(payload):
    """A bundle with the payload in every text it can hold."""
    small = trace()
    for part in ("model", "problem", "title", "solution", "question", "answer", "given", "made_by"):
        small[part] = payload
    small |= {"id": f"{payload}/1", "notes": [payload]}
    small["sentences"] = [{"text": f"{payload} {i}", "category": f"{payload}{i % 2}", "depends": []} for i in range(5)]
    for part in (*small["importances"], *small["links"]):
        part |= {"label": payload, "unit": payload, "origin": payload}
    small["answers"] = [[[payload, 0.7], ["7", 0.3]]] * 6
    small["alternatives"] = [[{"text": payload, "answer": payload, "right": False, "different": True}]] * 5
    small["heads"] = [head | {"layer": payload, "head": payload} for head in small["heads"]]
    return bundle(small)


def long(size=300, seed=0):
    """A bundle with a long trace and two link kinds of all pairs."""
    rng = random.Random(seed)
    links = [
        {"key": key, "label": key, "unit": "u", "origin": "exact",
         "rows": [[round(rng.gauss(0, 1), 3) for _ in range(size - 1 - i)] for i in range(size)]}
        for key in ("counterfactual", "suppression")
    ]  # fmt: skip
    values = [rng.random() ** 4 for _ in range(size)]
    one = {"key": "kl", "label": "importance", "unit": "nats", "origin": "exact", "values": values}
    sentences = [{"text": f"Step {i}: \\(x_{{{i}}}\\).", "category": CATEGORIES[i % 5]} for i in range(size)]
    return bundle({"id": "long/1/correct", "sentences": sentences, "importances": [one], "links": links})


def official():
    """The text of files in the official layout, by name: three sentences and one matrix."""
    rows = [
        {"chunk": f"Sentence {i}.", "chunk_idx": i, "function_tags": ["plan_generation"],
         "depends_on": ["0"] if i else [], "accuracy": 0.5, "counterfactual_importance_kl": 0.1 * i,
         "counterfactual_importance_accuracy": 0.25, "resampling_importance_accuracy": 0.2}
        for i in range(3)
    ]  # fmt: skip
    effects = {
        i: [{"target_chunk_idx": j, "importance_score": 0.1 * (i + j)} for j in range(i + 1, 3)] for i in range(3)
    }
    matrix = [{"source_chunk_idx": i, "target_impacts": effects[i]} for i in range(3)]
    files = {
        "chunks_labeled.json": rows,
        "problem.json": {"problem": "What is $x$?", "gt_answer": "12", "nickname": "Own problem"},
        "base_solution.json": {"answer": "13", "is_correct": False, "full_cot": ""},
        "step_importance.json": matrix,
        "chunks_resampled.json": {"0": ["Other.", "Other.", "Sentence 0."], "1": [], "2": []},
    }
    return {name: json.dumps(content) for name, content in files.items()}
