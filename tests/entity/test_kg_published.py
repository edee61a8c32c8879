"""The published record: its values and marks, no number of SEA-KGC, an own file beside it; the example in the docs."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from anchors.companion import recorded
from anchors.companion.errors import InputError
from anchors.companion.paths import ROOT
from anchors.companion.published import paper
from anchors.companion.results import Run
from anchors.entity import landscape_plots
from anchors.entity.studies import landscape

TAB = "tab_published"
# model, data set: MRR / H@1 / H@3 / H@10 and confidence, as LibKGE, SimKGC, CSProm-KG and the literature have them
EXPECTED = {
    ("TransE (original)", "WN18RR"): ("24.3/4.3/44.1/53.2", "recalled"),
    ("TransE (LibKGE)", "WN18RR"): ("22.8/5.3/36.8/52.0", "published"),
    ("TransE (LibKGE)", "FB15k-237"): ("31.3/22.1/34.7/49.7", "published"),
    ("DistMult (original)", "FB15k-237"): ("28.1/19.9/30.1/44.6", "recalled"),
    ("DistMult (LibKGE)", "WN18RR"): ("45.2/41.3/46.6/53.0", "published"),
    ("ComplEx (LibKGE)", "FB15k-237"): ("34.8/25.3/38.4/53.6", "published"),
    ("ComplEx (LibKGE)", "Wikidata5M-trans"): ("30.1/24.5/33.1/39.7", "published"),
    ("RESCAL (LibKGE)", "FB15k-237"): ("35.6/26.3/39.3/54.1", "published"),
    ("ConvE (LibKGE)", "WN18RR"): ("44.2/41.1/45.1/50.4", "published"),
    ("RotatE (paper)", "WN18RR"): ("47.6/42.8/49.2/57.1", "recalled"),
    ("RotatE (LibKGE)", "FB15k-237"): ("33.3/24.0/36.8/52.2", "published"),
    ("TuckER", "FB15k-237"): ("35.8/26.6/39.4/54.4", "recalled"),
    ("HAKE (quoted)", "WN18RR"): ("49.6/45.2/51.3/58.0", "secondary"),
    ("HAKE (quoted)", "FB15k-237"): ("34.9/25.2/38.5/54.5", "secondary"),
    ("HAKE (paper)", "FB15k-237"): ("34.6/25.0/38.1/54.2", "recalled"),
    ("CompGCN", "WN18RR"): ("47.9/44.3/49.4/54.6", "secondary"),
    ("HittER", "FB15k-237"): ("37.3/27.9/40.9/55.8", "recalled"),
    ("NBFNet", "WN18RR"): ("55.1/49.7/57.3/66.6", "recalled"),
    ("NBFNet", "FB15k-237"): ("41.5/32.1/45.4/59.9", "recalled"),
    ("NodePiece + RotatE", "WN18RR"): ("40.3/-/-/51.5", "recalled"),
    ("KG-BERT", "FB15k-237"): ("-/-/-/42.0", "recalled"),
    ("MTL-KGC", "WN18RR"): ("33.1/20.3/38.3/59.7", "recalled"),
    ("StAR", "WN18RR"): ("40.1/24.3/49.1/70.9", "recalled"),
    ("StAR + RotatE", "FB15k-237"): ("36.5/26.6/40.4/56.2", "recalled"),
    ("KG-S2S", "WN18RR"): ("57.4/53.1/59.5/66.1", "recalled"),
    ("CSProm-KG (paper)", "FB15k-237"): ("35.8/26.9/39.3/53.8", "recalled"),
    ("CSProm-KG (rerun)", "WN18RR"): ("57.27/52.06/59.00/67.79", "published"),
    ("CSProm-KG (rerun)", "Wikidata5M-trans"): ("37.98/34.32/39.91/44.57", "published"),
    ("SimKGC", "WN18RR"): ("66.6/58.7/71.7/80.0", "published"),
    ("SimKGC", "FB15k-237"): ("33.6/24.9/36.2/51.1", "published"),
    ("SimKGC", "Wikidata5M-ind"): ("71.4/60.9/78.5/91.7", "published"),
    ("SimKGC (IB)", "WN18RR"): ("67.1/58.5/73.1/81.7", "recalled"),
    ("SimKGC (IB+SN)", "Wikidata5M-ind"): ("71.3/60.7/78.7/91.3", "recalled"),
    ("SimKGC (file)", "WN18RR"): ("66.55/58.65/71.65/80.01", "published"),
    ("SimKGC (file, forward)", "WN18RR"): ("71.16/63.08/76.64/85.26", "published"),
    ("SimKGC (file, backward)", "WN18RR"): ("61.94/54.21/66.66/74.76", "published"),
    ("SimKGC (file)", "FB15k-237"): ("33.55/24.91/36.23/51.06", "published"),
    ("SimKGC (file, forward)", "FB15k-237"): ("42.51/33.73/45.74/60.35", "published"),
    ("SimKGC (file, backward)", "FB15k-237"): ("24.59/16.09/26.73/41.76", "published"),
    ("SimKGC (file)", "Wikidata5M-trans"): ("35.81/31.34/37.60/44.13", "published"),
    ("SimKGC (file, backward)", "Wikidata5M-trans"): ("8.67/-/-/-", "published"),
    ("SimKGC (file)", "Wikidata5M-ind"): ("71.40/60.85/78.49/91.66", "published"),
    ("GHN", "WN18RR"): ("67.8/59.6/71.9/82.1", "recalled"),
}
CSV = "model,dataset,MRR,H@1,H@3,H@10\nSEA-KGC,FB15k-237,12.5,6,,20\nMine,WN18RR,1.25,,,\n"
YAML = "- {model: SEA-KGC, dataset: WN18RR, MRR: 12.5, H@1: 6, H@3: null, H@10: 20}\n"


@pytest.fixture(scope="module")
def table():
    return landscape.compute()


@pytest.mark.parametrize(("place", "expected"), EXPECTED.items(), ids=lambda p: "-".join(p) if len(p[0]) > 1 else "")
def test_values_and_marks(place, expected):
    record, (numbers, confidence) = paper("entity"), expected
    for metric, number in zip(landscape.METRICS, numbers.split("/"), strict=True):
        value = record.value(TAB, f"{place[0]}, {place[1]}: {metric}")
        if number == "-":
            assert value is None
        else:
            assert value.value == pytest.approx(float(number), abs=1e-9)
            assert (value.confidence, value.unit) == (confidence, "%")
            assert value.source


def test_the_two_directions_of_simkgc_average_to_its_files(table):
    files = table[table.model.str.startswith("SimKGC (file")].pivot(index="dataset", columns="model", values="MRR")
    mean = files[["SimKGC (file, forward)", "SimKGC (file, backward)"]].mean(axis=1)
    assert np.abs(mean - files["SimKGC (file)"]).max() < 0.011  # each is rounded to four digits


def test_there_is_no_number_of_sea_kgc(table):
    record = paper("entity")
    assert record.reconstructed
    for name, figure in record.figures.items():
        assert figure.why, name
        assert not [v for v in figure.values if "SEA" in v.quantity]
        assert name == TAB or not figure.values
    own = table[table.model == landscape.SEA]
    assert own.dataset.tolist() == list(landscape.MAIN)
    assert own[list(landscape.METRICS)].isna().all(axis=None)
    assert set(own.confidence) == {"not available"}
    assert all(claim.confidence == "published" and claim.source == "abstract" for claim in record.claims)
    assert {name for claim in record.claims for name in claim.tested_by} <= set(record.figures)


def test_every_value_is_in_the_table_once_and_every_model_has_a_kind(table):
    values = paper("entity").figures[TAB].values
    assert len({v.quantity for v in values}) == len(values)
    assert table[list(landscape.METRICS)].notna().sum().sum() == len(values)
    assert "other" not in set(table.kind)
    assert list(table.columns) == list(landscape.COLUMNS)
    unconfirmed = table[table.source.str.contains("unconfirmed")]
    assert set(unconfirmed.confidence) == {"recalled"} == set(table.confidence[table.source.isin(unconfirmed.source)])
    assert not table.source[table.confidence == "published"].str.contains("unconfirmed|quoted").any()


def test_the_gaps_are_differences_of_quoted_values(table):
    gaps = landscape.gaps(table)
    assert "KG-S2S" not in set(gaps["first"]), "SimKGC has the same MRR on FB15k-237 and was seen"
    found = gaps.set_index(["values", "dataset", "one", "other"]).gap
    assert found["all", "WN18RR", "text", "lookup"] == pytest.approx(66.6 - 49.6)
    assert found["all", "WN18RR", "text", "graph network"] == pytest.approx(66.6 - 55.1)
    assert found["all", "FB15k-237", "text", "lookup"] == pytest.approx(33.6 - 35.8)
    assert found["all", "FB15k-237", "text", "graph network"] == pytest.approx(33.6 - 41.5)
    assert found["seen", "FB15k-237", "text", "lookup"] == pytest.approx(33.6 - 35.6)
    rows, verdict = landscape.summarise(table, pd.DataFrame(columns=list(landscape.OURS)))
    assert verdict.kind == "measured"
    assert {r.source for r in rows if "best" in r.quantity} == {"quoted"}
    compared = Run("entity/tab_published", profile="laptop", seed=0, own="").compared(rows)
    assert {r.status for r in compared} == {"not available"}
    assert all(np.isnan(r.measured) for r in rows if r.quantity.startswith(landscape.SEA))


@pytest.mark.parametrize(("name", "text"), [("own.csv", CSV), ("own.yml", YAML), ("own.yaml", YAML)])
def test_an_own_file_is_laid_beside(tmp_path, table, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    merged = landscape.compute(str(path))
    own = merged[merged.confidence == "own file"]
    dataset = "FB15k-237" if name == "own.csv" else "WN18RR"
    sea = own[own.model == landscape.SEA].iloc[0]
    assert (sea.dataset, sea.MRR, sea["H@1"], sea["H@10"], sea.kind) == (dataset, 12.5, 6, 20, "text+structure")
    assert np.isnan(sea["H@3"])
    open_row = merged[(merged.model == landscape.SEA) & (merged.confidence == "not available")]
    assert open_row.dataset.tolist() == [d for d in landscape.MAIN if d != dataset]
    assert len(merged) == len(table) + len(own) - 1
    assert landscape.gaps(merged).equals(landscape.gaps(table))
    words = {cells["model"]: cells for cells in landscape.shown(merged).cells}
    assert words[landscape.SEA][dataset] == "12.5 / 6.0 / – / 20.0 (own file)"
    if name == "own.csv":
        assert words["Mine"]["WN18RR"] == "1.25 / – / – / – (own file)"
        assert words["Mine"]["kind"] == "other"


ROW = "SEA-KGC,WN18RR,{}\n"
HEAD = "model,dataset,MRR,H@1,H@3,H@10\n"
BAD = {
    "missing.csv": (None, "found no such file"),
    "kind.json": ("[]", "of kind '.json'"),
    "empty.csv": ("", "no rows"),
    "empty.yml": ("", "no rows"),
    "mapping.yml": ("model: x", "no rows"),
    "scalar.yml": ("- 3", "row 1: found 3"),
    "broken.yml": ("- {model: [", "own|UTF-8 text in that format"),
    "column.csv": ("model,dataset,MRR\nx,WN18RR,3\n", "H@10"),
    "wide.csv": (HEAD + ROW.format("50,40,50,60,70"), "row 1"),
    "dataset.csv": (HEAD + "SEA-KGC,WN18,50,40,50,60\n", "'WN18'"),
    "model.csv": (HEAD + ",WN18RR,50,40,50,60\n", "no model"),
    "word.csv": (HEAD + ROW.format("high,40,50,60"), "'high'"),
    "nan.csv": (HEAD + ROW.format("nan,40,50,60"), "'nan'"),
    "bool.yml": (YAML.replace("12.5", "true"), "True"),
    "percent.csv": (HEAD + ROW.format("150,40,50,60"), "'150'"),
    "negative.csv": (HEAD + ROW.format("-1,40,50,60"), "'-1'"),
    "share.csv": (HEAD + ROW.format("0.5,0.4,0.5,0.6"), "shares"),
    "blank.csv": (HEAD + ROW.format(",,,"), "no value"),
    "hits.csv": (HEAD + ROW.format("50,60,50,40"), "hits"),
    "twice.csv": (HEAD + 2 * ROW.format("50,40,50,60"), "twice"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_own_file_is_refused_in_one_line(tmp_path, name):
    text, words = BAD[name]
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words) as caught:
        landscape.compute(str(tmp_path / name))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_an_own_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "latin.csv").write_bytes((HEAD + "Modèle,WN18RR,50,40,50,60\n").encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        landscape.compute(str(tmp_path / "latin.csv"))


def runs(graph):
    level = {"wn18rr": 0.2, "fb15k-237": 0.3}[graph]
    return pd.DataFrame(
        {"graph": graph, "variant": v, "seed": seed, **dict.fromkeys(landscape.METRICS, level + seed / 100)}
        for v in ("simkgc_ib", "sea", "permuted")
        for seed in range(3)
    )


def recorded_runs(monkeypatch):
    names = {landscape.RUN.format(graph): graph for graph in landscape.GRAPHS}
    monkeypatch.setattr(recorded, "names", lambda: ["hashing/tuning", *names])
    monkeypatch.setattr(recorded, "load", lambda name: (runs(names[name]), {}))


def test_our_runs_stand_beside_when_there_are_any(monkeypatch, table):
    monkeypatch.setattr(recorded, "names", lambda: ["hashing/tuning"])
    assert landscape.ours().empty
    recorded_runs(monkeypatch)
    own = landscape.ours()
    assert set(own.dataset) == {"WN18RR", "FB15k-237"}
    assert set(own.variant) == {"simkgc_ib", "sea"}, "controls are not shown beside published models"
    assert own.MRR.max() == pytest.approx(32)
    rows = [r for r in landscape.summarise(table, own)[0] if r.quantity.startswith("ours")]
    assert len(rows) == 4
    assert {r.source for r in rows} == {"recorded"}
    assert rows[0].measured == pytest.approx(21)
    assert rows[0].low < 21 < rows[0].high


def test_the_shipped_runs_are_those_that_stand_beside():
    assert set(landscape.ours().graph) == {g for g in landscape.GRAPHS if landscape.RUN.format(g) in recorded.names()}


@pytest.mark.parametrize("with_runs", [False, True])
def test_the_figure_marks_what_is_recalled(monkeypatch, table, with_runs):
    recorded_runs(monkeypatch)
    own = landscape.ours()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = landscape_plots.landscape(table, own if with_runs else own[:0])
        figure.draw_without_rendering()
    left = figure.axes[0]
    names = [label.get_text() for label in left.get_yticklabels()]
    assert len(set(names)) == len(names)
    assert any(name.startswith("ours") for name in names) == with_runs
    marks = {}
    for line in (line for line in left.lines if line.get_linestyle() == "None" and len(line.get_xdata()) == 1):
        marks[names[int(line.get_ydata()[0])]] = line.get_marker(), line.get_markerfacecolor() != "white"
    assert marks["SimKGC"] == ("o", True)
    assert marks["NBFNet"] == ("o", False)
    assert marks["CompGCN"] == ("D", True)
    assert landscape.SEA not in marks
    assert "not available" in {text.get_text() for text in left.texts}
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


def test_the_examples_of_the_docs_run():
    text = (ROOT / "docs" / "entity.md").read_text(encoding="utf-8")
    first, second, third = re.findall(r"```python\n(.*?)```", text, re.S)
    names: dict = {}
    exec(compile(first, "docs/entity.md", "exec"), names)
    assert len(names["ranks"].realistic) == 2 * len(names["graph"].splits["test"])
    assert names["metrics"]["MRR"] > 0.4  # chance is about 0.24
    exec(compile(second, "docs/entity.md", "exec"), names)
    assert names["box"].query == ("usa", "embassy")
    compile(third, "docs/entity.md", "exec")


def test_the_docs_name_switches_that_exist_with_their_defaults():
    from dataclasses import fields

    from anchors.entity.settings import VARIANTS, Settings

    text = (ROOT / "docs" / "entity.md").read_text(encoding="utf-8")
    table = text.split("## The open choices are switches")[1].split("## The full model")[0]
    defaults = {field.name: field.default for field in fields(Settings)}
    switches = re.findall(r'`(\w+)=("?[\w.-]+"?)`', table)
    assert len(switches) > 15
    for name, value in switches:
        assert value.strip('"') == str(defaults[name]), name
    assert all(f"`{variant}`" in text for variant in VARIANTS)
