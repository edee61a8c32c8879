"""The published record: every number of the tables and of figure 2, their marks, and the arithmetic between them."""

from collections import Counter

import pytest

from anchors.companion.published import paper

RECORD = paper("rubric")
TAB1, TAB2, FIG2 = "tab1_open_ended", "tab2_reasoning_and_general", "fig2_seesaw"
BASE, RUBICON, DEEPSEEK = "Qwen3-30B-A3B", "Rubicon-preview", "DeepSeek-V3-671B"
OPEN = ("Creative Writing v3", "WritingBench", "Judgemark v2", "EQ-Bench3", "IFEval", "Collie", "IFScale")
REASONING = ("AIME24", "AIME25", "Math500", "GPQA-D", "LCBv5")
GENERAL = ("MMLU", "IQ-EQ", "HellaSwag", "StoryCloze", "CoQA", "SocialIQA")
AGAIN = ("HealthBench-500", "LLMEval-Med", "MedQA", "MedMCQA", "WritingBench", "CreativeWriting", "IFEval", "IFBench")
ROWS = {
    (TAB1, f"{BASE}: ", (*OPEN, "average")): "77.82 75.65 56.20 73.35 83.55 35.77 54.68 65.29",
    (TAB1, f"{RUBICON}: ", (*OPEN, "average")): "81.89 80.11 69.20 79.55 81.70 40.27 60.79 70.50",
    (TAB1, "difference: ", (*OPEN, "average")): "4.07 4.46 13.00 6.20 -1.85 4.50 6.11 5.21",
    (TAB1, f"{DEEPSEEK}: ", (*OPEN, "average")): "80.10 74.08 61.30 75.60 81.89 42.69 60.92 68.08",
    (TAB2, f"reasoning, {BASE}: ", (*REASONING, "average")): "77.50 70.00 94.75 63.00 63.77 73.80",
    (TAB2, f"reasoning, {RUBICON}: ", (*REASONING, "average")): "81.67 70.83 94.55 60.35 59.43 73.37",
    (TAB2, f"general, {BASE}: ", (*GENERAL, "average as printed")): "79.53 68.75 77.55 77.72 79.52 73.64 78.16",
    (TAB2, f"general, {RUBICON}: ", (*GENERAL, "average as printed")): "79.83 75.00 77.75 78.17 80.70 75.79 78.85",
    (TAB1, f"re-evaluated, {RUBICON}: ", AGAIN): "50.8 73.2 85.1 70.7 73.0 66.4 82.4 33.4",
    (TAB1, f"re-evaluated, {BASE}-Instruct, another base: ", AGAIN): "46.9 71.5 84.2 71.3 78.1 74.4 83.0 31.9",
    (TAB1, f"re-evaluated, {BASE}-Instruct with RuscaRL: ", AGAIN): "61.1 73.2 84.8 71.9 79.2 74.3 84.5 32.1",
}
CREATIVE, INSTRUCTION = "creative and empathy only", "instruction following only"
# baseline, creative only and its change, instruction only and its change; * is a printed label, ~ a digitised baseline
SEESAW = {
    "CoQA": "79.52 80.8 1.3 81.9 2.3*",
    "HellaSwag": "77.55 76.7 -0.8 77.5 -0.1",
    "Humanities (MMLU)": "71.5~ 71.4 -0.1 71.8 0.3",
    "StoryCloze": "77.72 77.6 -0.1 77.9 0.2",
    "Social Sciences (MMLU)": "87.7~ 87.6 -0.1 87.9 0.2",
    "MMLU": "79.53 79.4 -0.1 79.7 0.1",
    "SocialIQA": "73.64 77.9 4.2* 76.6 3.0*",
    "Collie": "35.77 29.8 -6.0* 48.8 13.0*",
    "Judgemark v2": "56.20 56.4 0.2 68.8 12.6*",
    "IFEval": "83.55 77.65 -5.9* 84.5 1.0",
    "WritingBench": "75.65 78.6 3.0* 75.7 0.1",
    "Creative Writing v3": "77.82 82.2 4.4* 77.3 -0.5",
    "IQuiz-EQ": "68.75 75.0 6.2* 70.0 1.3",
    "EQ-Bench3": "73.35 76.8 3.5* 71.1 -2.2*",
}


def number(figure, quantity):
    return RECORD.value(figure, quantity).value


def row(figure, prefix, columns):
    return [number(figure, prefix + column) for column in columns]


def mean(values):
    return sum(values) / len(values)


@pytest.mark.parametrize("place", ROWS, ids=lambda place: place[1])
def test_rows_of_the_tables(place):
    assert row(*place) == [float(value) for value in ROWS[place].split()]
    for column in place[2]:
        value = RECORD.value(place[0], place[1] + column)
        assert value.confidence == "published"
        assert ("RuscaRL" in value.source) == place[1].startswith("re-evaluated")


@pytest.mark.parametrize("task", SEESAW)
def test_the_seesaw_and_its_marks(task):
    names = (": baseline", f": {CREATIVE}", f": change, {CREATIVE}", f": {INSTRUCTION}", f": change, {INSTRUCTION}")
    for name, text in zip(names, SEESAW[task].split(), strict=True):
        value = RECORD.value(FIG2, task + name)
        assert value.value == float(text.strip("*~"))
        exact = "*" in text or (name == ": baseline" and "~" not in text)
        assert value.confidence == ("published" if exact else "digitised")
        assert ("reading error 0.15" in value.source) == (not exact)


def test_nothing_else_is_in_the_record():
    counts = {name: len(entry.values) for name, entry in RECORD.figures.items() if entry.values}
    assert counts == {TAB1: 4 * 8 + 2 + 3 * 8, TAB2: 2 * 6 + 1 + 2 * 7, FIG2: 14 * 5 + 1}
    for entry in RECORD.figures.values():
        assert len({value.quantity for value in entry.values}) == len(entry.values)
        assert entry.values or entry.why
    marks = Counter(value.confidence for entry in RECORD.figures.values() for value in entry.values)
    assert set(marks) == {"published", "digitised"}


def test_every_claim_is_tested_by_a_figure_of_the_record():
    assert [claim.text[:3] for claim in RECORD.claims] == [f"C{n}:" for n in range(1, 8)]
    assert all(claim.tested_by for claim in RECORD.claims)
    assert {name for claim in RECORD.claims for name in claim.tested_by} <= set(RECORD.figures)
    assert RECORD.reconstructed
    assert RECORD.arxiv == "2508.12790"


@pytest.mark.parametrize(
    ("figure", "prefix", "columns", "printed"),
    [
        (TAB1, f"{BASE}: ", OPEN, 65.29),
        (TAB1, f"{RUBICON}: ", OPEN, 70.50),
        (TAB1, f"{DEEPSEEK}: ", OPEN, 68.08),
        (TAB2, f"reasoning, {BASE}: ", REASONING, 73.80),
        (TAB2, f"reasoning, {RUBICON}: ", REASONING, 73.37),
    ],
)
def test_printed_averages_are_means_of_their_columns(figure, prefix, columns, printed):
    assert number(figure, prefix + "average") == printed
    assert mean(row(figure, prefix, columns)) == pytest.approx(printed, abs=0.005 + 1e-9)


def test_printed_differences_are_differences():
    for task in OPEN:
        found = number(TAB1, f"{RUBICON}: {task}") - number(TAB1, f"{BASE}: {task}")
        assert found == pytest.approx(number(TAB1, f"difference: {task}"), abs=1e-9)
    gain = number(TAB1, f"{RUBICON}: average") - number(TAB1, f"{BASE}: average")
    assert round(gain, 2) == number(TAB1, "difference: average") == 5.21
    assert round(gain, 1) == number(TAB1, "gain over the base model, as the abstract says") == 5.2
    lead = number(TAB1, f"{RUBICON}: average") - number(TAB1, f"{DEEPSEEK}: average")
    assert round(lead, 2) == 2.42
    assert round(lead, 1) == number(TAB1, f"lead over {DEEPSEEK}, as the abstract says") == 2.4


def test_without_judgemark_the_gain_is_smaller():
    tasks = [task for task in OPEN if task != "Judgemark v2"]
    base, rubicon, deepseek = (mean(row(TAB1, f"{model}: ", tasks)) for model in (BASE, RUBICON, DEEPSEEK))
    assert rubicon - base == pytest.approx(23.49 / 6)  # 3.915
    assert (round(rubicon, 2), round(deepseek, 2)) == (70.72, 69.21)
    assert rubicon - deepseek == pytest.approx(1.505)


def test_reasoning_falls_a_little():
    changes = {
        task: round(number(TAB2, f"reasoning, {RUBICON}: {task}") - number(TAB2, f"reasoning, {BASE}: {task}"), 2)
        for task in (*REASONING, "average")
    }
    assert changes == {
        "AIME24": 4.17, "AIME25": 0.83, "Math500": -0.2, "GPQA-D": -2.65, "LCBv5": -4.34, "average": -0.43
    }  # fmt: skip
    assert number(TAB2, "reasoning, difference: AIME24, as the text says") == 4.1, "cut, not rounded"


def test_the_printed_general_average_is_not_the_mean_of_its_columns():
    base, rubicon = (row(TAB2, f"general, {model}: ", GENERAL) for model in (BASE, RUBICON))
    assert (round(mean(base), 2), round(mean(rubicon), 2)) == (76.12, 77.87)
    printed = [number(TAB2, f"general, {model}: average as printed") for model in (BASE, RUBICON)]
    assert printed == [78.16, 78.85]
    assert mean(rubicon) - mean(base) == pytest.approx(1.755)
    assert round(printed[1] - printed[0], 2) == 0.69
    groups = [number(FIG2, f"{group} (MMLU): baseline") for group in ("Humanities", "Social Sciences")]
    seven = mean([value for task, value in zip(GENERAL, base, strict=True) if task != "IQ-EQ"] + groups)
    assert round(seven, 2) == 78.17
    assert seven == pytest.approx(printed[0], abs=2 * 0.15 / 7), "within the reading error of two of seven"
    assert RECORD.figures[TAB2].why.count("76.12") == 1


def test_values_of_figure_2_agree_with_tables_and_labels_within_their_reading_error():
    error = number(FIG2, "reading error of digitised values")
    assert error == 0.15
    for task in SEESAW:
        for arm in (CREATIVE, INSTRUCTION):
            found = number(FIG2, f"{task}: {arm}") - number(FIG2, f"{task}: baseline")
            change = RECORD.value(FIG2, f"{task}: change, {arm}")
            assert found == pytest.approx(change.value, abs=error + 0.05), (task, arm)
    for task in OPEN[:6]:
        assert number(FIG2, f"{task}: baseline") == number(TAB1, f"{BASE}: {task}")
    for task in GENERAL:
        name = {"IQ-EQ": "IQuiz-EQ"}.get(task, task)
        assert number(FIG2, f"{name}: baseline") == number(TAB2, f"general, {BASE}: {task}")


def test_staging_keeps_creative_gains_and_a_third_of_collie_s():
    """The staged model beside the two specialists: derived from table 1 and figure 2."""
    staged = {task: number(TAB1, f"{RUBICON}: {task}") for task in OPEN}
    for task in ("EQ-Bench3", "WritingBench"):
        assert staged[task] > number(FIG2, f"{task}: {CREATIVE}")
    assert staged["Creative Writing v3"] == pytest.approx(number(FIG2, f"Creative Writing v3: {CREATIVE}"), abs=0.35)
    share = number(TAB1, "difference: Collie") / number(FIG2, f"Collie: change, {INSTRUCTION}")
    assert 0.3 < share < 0.4
    assert number(TAB1, "difference: IFEval") < 0 < number(FIG2, f"IFEval: change, {INSTRUCTION}")


def test_another_harness_gives_other_scores_for_the_same_weights():
    pairs = {"WritingBench": "WritingBench", "Creative Writing v3": "CreativeWriting", "IFEval": "IFEval"}
    found = {
        task: round(number(TAB1, f"re-evaluated, {RUBICON}: {name}") - number(TAB1, f"{RUBICON}: {task}"), 2)
        for task, name in pairs.items()
    }
    assert found == {"WritingBench": -7.11, "Creative Writing v3": -15.49, "IFEval": 0.7}
