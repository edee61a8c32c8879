"""The reward widget in a real headless Chromium: its arithmetic against Python's, evidence, sliders, files, access."""

import json
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from rubric.reward_case import (
    HOSTILE,
    RESPONSES,
    box_of_words,
    explained,
    random_aggregator,
    random_scores,
    rubric_of_words,
)

from anchors.companion import widgets
from anchors.companion.errors import InputError
from anchors.rubric import rubric as files
from anchors.rubric.aggregate import Aggregator, Interaction, Veto
from anchors.rubric.formulas import group_advantages
from anchors.rubric.reward_box import SOURCE, RewardBox, setting_of
from anchors.rubric.rubric import Criterion, Rubric

pytestmark = pytest.mark.slow
WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
NAMES = "explain, advantages, ranks, pairBound, weightRange, monotone, admissible, reward, segments, tierOf, nextTier"
NEAR = {"rtol": 0, "atol": 1e-9}


@pytest.fixture(scope="module")
def arithmetic(chromium):
    """A page that holds the widget's functions as ``window.own``."""
    page = chromium.new_page()
    page.add_script_tag(type="module", content=f"{widgets.module(SOURCE)}\nwindow.own = {{ {NAMES} }};")
    page.wait_for_function("window.own")
    yield page
    page.close()


@pytest.fixture
def opened(chromium, tmp_path):
    """Open the page of a box and watch it; trouble is asked for at the end."""
    contexts, trouble = [], []

    def go(box, fragment="", width="desktop"):
        w, h = WIDTHS[width]
        context = chromium.new_context(viewport={"width": w, "height": h}, offline=True)
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or trouble.append(r.url))
        tab.on("console", lambda m: m.type in ("error", "warning") and trouble.append(m.text))
        tab.on("pageerror", lambda e: trouble.append(str(e)))
        tab.on("dialog", lambda d: trouble.append("dialog"))
        path = tmp_path / "box.html"
        path.write_text(box.page(), encoding="utf-8", newline="\n")
        tab.goto(path.as_uri() + fragment)
        tab.wait_for_selector(".reward-box .row.total")
        return tab

    yield go
    for context in contexts:
        context.close()
    assert trouble == []


def found_setting(page):
    """Return the setting as the address of the page holds it, once it has been written."""
    page.wait_for_timeout(300)
    return page.evaluate("JSON.parse(new URLSearchParams(location.hash.slice(1)).get('setting'))")


def number(text):
    return float(text.replace("−", "-"))


def reward_shown(page):
    return number(page.locator('[data-total="reward"] .value').inner_text())


# ---- arithmetic -----------------------------------------------------------------------------------------------------


def test_every_step_is_that_of_python_on_random_rubrics(arithmetic):
    """300 aggregators with 5 rollouts each: shares, weighted mean, each step, reward, to 1e-9."""
    rng = np.random.default_rng(0)
    aggregators = [random_aggregator(rng) for _ in range(300)]
    scores = [random_scores(rng, one, 5) for one in aggregators]
    cases = [{"setting": setting_of(one), "rows": listed(rows)} for one, rows in zip(aggregators, scores, strict=True)]
    found = arithmetic.evaluate("cases => cases.map(c => c.rows.map(u => own.explain(u, c.setting)))", cases)
    compared = 0
    for aggregator, rows, answers in zip(aggregators, scores, found, strict=True):
        for row, answer in zip(rows, answers, strict=True):
            parts = explained(aggregator, row)
            assert (parts is None) == (np.isnan(row).any() and aggregator.missing == "refuse")
            if parts is None:
                assert answer["reward"] is None or np.isnan(answer["reward"])
                continue
            compared += same(parts, answer, len(row))
    assert compared > 800


def listed(rows):
    return [[None if np.isnan(u) else u for u in row] for row in rows.tolist()]


def same(parts, answer, count):
    """Compare a waterfall of Python with one of the browser; a criterion that was not judged shares nothing."""
    shares, steps = [part.change for part in parts[:count]], parts[count:]
    if np.isfinite(sum(shares)) and any(shares):
        np.testing.assert_allclose(numbers(answer["shares"]), shares, **NEAR)
        np.testing.assert_allclose(answer["linear"], sum(shares), **NEAR)
    assert [one["name"] for one in answer["steps"]] == [part.name for part in steps]
    np.testing.assert_allclose(numbers([one["value"] for one in answer["steps"]]), [p.value for p in steps], **NEAR)
    np.testing.assert_allclose(numbers([one["change"] for one in answer["steps"]]), [p.change for p in steps], **NEAR)
    last = steps[-1].value if steps else sum(shares)
    np.testing.assert_allclose(numbers([answer["reward"]]), [last], **NEAR)
    return 1


def numbers(values):
    return [np.nan if value is None else value for value in values]


def test_advantages_and_ranks_are_those_of_python(arithmetic):
    rng = np.random.default_rng(1)
    groups = [np.round(rng.random(int(rng.integers(1, 9))), int(rng.integers(0, 4))) for _ in range(300)]
    groups = [np.where(rng.random(len(one)) < 0.15, np.nan, one) for one in groups]
    groups += [np.array([0.5, 0.5 + 5e-10]), np.array([0.5, 0.5 + 5e-9]), np.array([np.nan]), np.array([0.25])]
    sent = [listed(one[None])[0] for one in groups]
    found = arithmetic.evaluate(
        "all => all.map(g => g.map(r => r === null ? NaN : r)).map(g => [own.advantages(g), own.ranks(g)])", sent
    )
    for group, (advantages, ranks) in zip(groups, found, strict=True):
        np.testing.assert_allclose(numbers(advantages), group_advantages(group[None])[0], **NEAR)
        places = [None if np.isnan(r) else 1 + int((group > r + 1e-9).sum()) for r in group]
        assert ranks == places


def test_bounds_are_pythons_and_tight(arithmetic):
    """At its bound a setting is accepted by Python, a little beyond it is refused."""
    rng = np.random.default_rng(2)
    aggregators = [one for one in (random_aggregator(rng) for _ in range(600)) if len(one.rubric.criteria) > 1][:300]
    settings = [setting_of(one) | {"interaction": {"pairs": pairs_of(one, rng)}} for one in aggregators]
    found = arithmetic.evaluate(
        "all => all.map(s => ({ok: own.monotone(s), b: own.pairBound(s, 0), w: own.weightRange(s, 0, 0.05)}))", settings
    )
    checked = 0
    for one, setting, answer in zip(aggregators, settings, found, strict=True):
        assert answer["ok"] == accepted(one.rubric, setting)
        if not answer["ok"]:
            continue
        first, *others = setting["interaction"]["pairs"]
        assert accepted(one.rubric, with_pairs(setting, [[*first[:2], answer["b"]], *others]))
        assert not accepted(one.rubric, with_pairs(setting, [[*first[:2], answer["b"] - 1e-6], *others]))
        low, high = answer["w"]
        for weight, beyond in ((low, low - 1e-6), (high, (high or 0) + 1e-6)):
            if weight not in (None, np.inf) and weight > 1e-6:
                checked += 1
                assert accepted(one.rubric, with_weight(setting, weight))
                assert not accepted(one.rubric, with_weight(setting, beyond)) or not is_bound(setting, weight, low)
    assert checked > 50


def pairs_of(aggregator, rng):
    """Return one to three distinct pairs by index, mostly negative, not always allowed."""
    count, pairs = len(aggregator.rubric.criteria), {}
    for _ in range(int(rng.integers(1, 4))):
        one, other = sorted(rng.choice(count, 2, replace=False).tolist())
        pairs[one, other] = float(rng.uniform(-0.3, 0.1))
    return [[*pair, gamma] for pair, gamma in pairs.items()]


def with_pairs(setting, pairs):
    return setting | {"interaction": {"pairs": pairs}}


def with_weight(setting, weight):
    return setting | {"weights": [weight, *setting["weights"][1:]]}


def is_bound(setting, weight, low):
    """Return whether the end of a range comes from monotonicity (not from weights that must not all be 0)."""
    return not (weight == low and not sum(setting["weights"][1:]))


def accepted(rubric, setting):
    ids = rubric.ids
    changed = [one.model_copy(update={"weight": w}) for one, w in zip(rubric.criteria, setting["weights"], strict=True)]
    pairs = {(ids[a], ids[b]): g for a, b, g in setting["interaction"]["pairs"]}
    try:
        Aggregator(rubric.model_copy(update={"criteria": tuple(changed)}), (Interaction(pairs),))
    except InputError:
        return False
    return True


def test_settings_from_outside_are_checked(arithmetic):
    good = setting_of(box_of_words().aggregator)
    bad = [
        None, [], {}, "x", good | {"weights": [1]}, good | {"weights": ["1"] * 6}, good | {"weights": [-1.0] * 6},
        good | {"weights": [0] * 6}, good | {"critical": [1] * 6}, good | {"thresholds": [2.0] * 6},
        good | {"missing": "x"}, good | {"saturation": {"kappa": -1, "form": "cap"}},
        good | {"saturation": {"kappa": 1, "form": "<b>"}}, good | {"saturation": 3}, good | {"veto": {"value": 1}},
        good | {"shaping": {"theta": 1, "slope": 2}}, good | {"shaping": {}}, good | {"veto": {}},
        with_pairs(good, [[0, 0, 1.0]]), with_pairs(good, [[0, 9, 1.0]]), with_pairs(good, [[0, 1, -9.0]]),
        with_pairs(good, [[0, 1, 0.1], [1, 0, 0.1]]), {k: v for k, v in good.items() if k != "veto"},
    ]  # fmt: skip
    assert arithmetic.evaluate("all => all.map(s => own.admissible(s, 6))", [good, *bad]) == [True] + [False] * len(bad)


# ---- the reader -----------------------------------------------------------------------------------------------------

PLACES = """() => {
  const found = {}; let at = 0;
  const walker = document.createTreeWalker(document.querySelector('.response'), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const length = [...node.data].length;
    for (let mark = node.parentElement.closest('.mark'); mark; mark = mark.parentElement.closest('.mark')) {
      (found[mark.dataset.k] ??= []).push(...Array.from({ length }, (_, j) => at + j));
    }
    at += length;
  }
  return [document.querySelector('.response').textContent, found];
}"""


def test_the_places_shown_are_those_of_the_scorer(opened):
    """Every response, every criterion: the marked code points are the spans', emoji and combining marks included."""
    box = box_of_words()
    page, marked = opened(box), 0
    for g, (prompt, texts) in enumerate(RESPONSES.items()):
        for r, text in enumerate(texts):
            page.locator(f'[id$="-{g}-{r}"]').click()
            shown, places = page.evaluate(PLACES)
            assert shown == text
            assert page.locator(".prompt").text_content() == f"Prompt {prompt}"
            evidence = box.state["data"]["groups"][g]["rollouts"][r]["evidence"]
            wanted = {
                str(k): sorted({at for start, end, _ in spans for at in range(start, end)})
                for k, spans in enumerate(evidence) if spans
            }  # fmt: skip
            assert {k: sorted(at) for k, at in places.items()} == wanted
            marked += sum(map(len, wanted.values()))
    assert marked > 100


def test_pointing_marks_one_criterion_and_pinning_keeps_it(opened):
    page = opened(box_of_words())
    names = page.locator(".row .name")
    names.nth(0).hover()
    assert page.locator(".mark.active").all_inner_texts() == ["I", "My"]
    page.mouse.move(5, 5)
    assert page.locator(".response .mark.active").count() == 0
    names.nth(5).click()
    page.mouse.move(5, 5)
    assert names.nth(5).get_attribute("aria-pressed") == "true"
    assert page.locator(".response .mark").all_inner_texts() == ["Great question"]
    assert "Great question" in page.locator('.row[data-k="5"] .evidence').inner_text()


def test_underlines_differ_in_more_than_colour(opened):
    page = opened(box_of_words())
    styles = page.locator(".row .swatch").evaluate_all("all => all.map(n => getComputedStyle(n).textDecorationStyle)")
    assert styles[:5] == ["solid", "dashed", "dotted", "double", "wavy"]


def test_hostile_text_is_shown_and_does_nothing(opened):
    page = opened(box_of_words())
    page.locator('[id$="-1-0"]').click()
    assert page.locator(".response").text_content() == HOSTILE
    assert HOSTILE in page.locator('.row[data-k="2"] .who').text_content()
    assert page.locator(".reward-box script, .reward-box img").count() == 0
    assert page.evaluate("window.pwned") is None


def test_search_and_filter(opened):
    box = box_of_words()
    page = opened(box)
    options = page.get_by_role("option").filter(visible=True)
    shown = page.locator('.list [role="option"]')
    assert shown.count() == 7
    page.get_by_label("Search prompts and texts").fill("KETTLE")
    assert shown.count() == 1
    page.get_by_label("Search prompts and texts").fill("")
    page.get_by_label("Show which rollouts").select_option("vetoed")
    assert "1 of 7" in page.locator(".count").inner_text()
    assert "veto" in shown.first.inner_text()
    page.get_by_label("Show which rollouts").select_option(label="fails: no_bullets")
    assert shown.count() == 1
    page.get_by_label("Search prompts and texts").fill("no such words")
    assert shown.all_inner_texts() == ["none"]
    assert options.count() >= 1


# ---- sliders --------------------------------------------------------------------------------------------------------


def test_what_is_dialled_in_the_browser_is_what_python_computes(opened):
    """κ, a weight, a tier, γ, the veto's value; the rewards shown are those of the box with that setting."""
    box = box_of_words()
    page = opened(box)
    assert reward_shown(page) == 0.0
    slide(page, "κ of the saturation", 6)
    slide(page, "Weight of first_person", 2)
    slide(page, "γ of first_person × brief", 1.25)
    slide(page, "Reward of a vetoed rollout", -0.5)
    page.get_by_label("Form of the saturation").select_option("logistic")
    page.get_by_label("Tier of first_person").select_option(label="what if: some: #1 (0.5)")
    slide(page, "Score of brief", 0.4)
    box.set("setting", found_setting(page))
    box.set("overrides", {"0.0": {"0": 0.5, "4": 0.4}})
    assert box.aggregator.steps[0].kappa == 6
    assert box.rubric.weights[0] == 2
    table = box.table()
    assert reward_shown(page) == -0.5 == table.reward[0]
    rows = page.locator(".ranking tbody tr").all()
    assert len(rows) == 4
    for row in rows:
        cells = row.locator("th, td").all_inner_texts()
        own = table.iloc[int(cells[0]) - 1]
        assert number(cells[2]) == pytest.approx(own.reward, abs=6e-4)
        assert number(cells[4]) == pytest.approx(own.advantage, abs=6e-4)
    assert page.locator('.row[data-k="0"] select.changed').count() == 1
    page.get_by_text("Start again").click()
    page.wait_for_timeout(300)
    assert "setting" not in page.evaluate("location.hash")


def slide(page, label, value):
    page.get_by_label(label, exact=True).evaluate(
        "(node, v) => { node.value = v; node.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )


def test_gamma_stops_at_the_bound_and_says_why(opened):
    rubric = Rubric(id="r", criteria=[Criterion(id=i, description=i, check="regex", weight=w, options={"pattern": i})
                                      for i, w in (("a", 1), ("b", 2), ("c", 4))])  # fmt: skip
    box = RewardBox(rubric, ["a b", "b c"], Aggregator(rubric, (Interaction({("a", "c"): 0.0}),)))
    page = opened(box)
    slide(page, "γ of a × c", -0.4)
    box.set("setting", found_setting(page))
    (gamma,) = box.aggregator.steps[0].pairs.values()
    assert gamma == pytest.approx(-1 / 7)
    assert float(page.get_by_label("γ of a × c", exact=True).input_value()) == pytest.approx(-1 / 7, abs=0.006)
    why = page.inner_text('[data-step="interaction"]')
    assert "γ stops at −0.1429: below it a better score would lower the reward" in why
    slide(page, "Weight of a", 0.5)
    assert "Stops at 1: beyond it a better score would lower" in page.inner_text('.row[data-k="0"]')
    slide(page, "Weight of c", 6)
    assert "Stops at 4" in page.inner_text('.row[data-k="2"]')
    box.set("setting", found_setting(page))
    assert box.aggregator.rubric.weights.tolist() == pytest.approx([1, 2, 4])


def test_steps_come_and_go_and_pairs_are_added_and_removed(opened):
    box = box_of_words()
    page = opened(box)
    page.get_by_label("Step interaction").uncheck()
    assert page.locator('[data-step="interaction"] .value').last.inner_text() == "off"
    assert found_setting(page)["interaction"] is None
    slide(page, "Weight of no_bullets", 0.1)  # γ = -0.1 does not fit beside it any more
    page.get_by_label("Step interaction").check()
    box.set("setting", found_setting(page))
    assert -0.1 < min(box.aggregator.steps[1].pairs.values()) < 0
    page.get_by_label("First criterion of a new pair").select_option(label="brief")
    page.get_by_label("Second criterion of a new pair").select_option(label="brief")
    page.get_by_text("add pair").click()
    assert "two different criteria" in page.inner_text('[data-step="interaction"]')
    page.get_by_label("Second criterion of a new pair").select_option(label="first_person")
    page.get_by_text("add pair").click()
    assert "there already" in page.inner_text('[data-step="interaction"]')
    page.get_by_label("Second criterion of a new pair").select_option(label="no_praise")
    page.get_by_text("add pair").click()
    assert page.locator(".pairs .pair").count() == 3
    page.get_by_label("Remove the pair no_bullets × brief").click()
    assert page.locator(".pairs .pair").count() == 2


def test_the_next_tier_is_worth_what_is_said(opened):
    rubric = rubric_of_words()
    box = RewardBox(rubric, {"p": ["A man was there. It rained."]}, Aggregator(rubric, (Veto(),)))
    page = opened(box)
    button = page.locator('.row[data-k="0"] button.small')
    before, said = reward_shown(page), number(button.inner_text().removeprefix("next tier "))
    button.click()
    share = rubric.weights[0] / rubric.weights.sum() / 2
    assert said == pytest.approx(share, abs=6e-4)
    assert reward_shown(page) == pytest.approx(before + share, abs=1.1e-3)
    button.click()
    assert button.inner_text() == "best tier"
    assert button.is_disabled()


# ---- files and links ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["YAML", "JSON"])
def test_the_rubric_saved_loads_again_as_it_was_dialled(opened, tmp_path, kind):
    box = box_of_words()
    page = opened(box)
    slide(page, "Weight of first_person", 2.35)
    slide(page, "Threshold of no_praise", 0.25)
    page.get_by_label("first_person is critical").check()
    with page.expect_download() as waiting:
        page.get_by_text(f"Rubric as {kind}").click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    box.set("setting", found_setting(page))
    loaded = files.read(path)
    assert loaded == box.rubric
    assert (loaded.weights[0], loaded.weights[2], loaded.criteria[5].threshold) == (2.35, 1e-7, 0.25)
    assert loaded.criteria[0].critical
    assert loaded.criteria[2].id == HOSTILE


def test_the_aggregation_in_python_is_python(opened):
    box = box_of_words()
    page = opened(box)
    page.get_by_text("This aggregation in Python").click()
    from anchors.rubric import aggregate

    made = eval(page.inner_text(".reward-box code"), vars(aggregate) | {"rubric": box.rubric})
    assert made == box.aggregator


def test_a_link_holds_rollout_and_setting(opened):
    box = box_of_words()
    first = opened(box)
    first.locator('[id$="-0-1"]').click()
    slide(first, "β of the shaping", 7)
    slide(first, "Score of brief", 0.3)
    first.wait_for_timeout(300)
    fragment, reward = first.evaluate("location.hash"), reward_shown(first)
    again = opened(box, fragment)
    assert again.locator('.list [aria-selected="true"] .number').inner_text() == "2"
    assert reward_shown(again) == reward != reward_shown(opened(box, "#rollout=1.2"))


@pytest.mark.parametrize("fragment", [
    "#rollout=9.9&setting=%7B%22weights%22%3A%5B1%5D%7D", "#rollout=<script>&setting=<img>&overrides={", "#%",
    "#overrides=%7B%220.0%22%3A%7B%220%22%3A99%7D%7D", "#overrides=%7B%22__proto__%22%3A1%7D", "#rollout=constructor.1",
])  # fmt: skip
def test_a_link_that_does_not_fit_is_left(opened, fragment):
    page = opened(box_of_words(), fragment)
    assert page.locator('.list [aria-selected="true"] .number').inner_text() == "1"
    assert reward_shown(page) == 0.0


# ---- access ---------------------------------------------------------------------------------------------------------


def test_by_keyboard_alone(opened):
    """Search, choose, mark a criterion, move a weight, undo: no pointer."""
    page = opened(box_of_words())
    tab_to(page, "Search prompts and texts")
    page.keyboard.type("cafe")
    tab_to(page, "Rollouts")
    page.keyboard.press("Home")
    assert page.locator('.list [aria-selected="true"] .number').inner_text() == "2"
    page.keyboard.press("ArrowDown")
    assert page.locator('.list [aria-selected="true"] .number').inner_text() == "3"
    assert page.evaluate("document.activeElement.getAttribute('aria-activedescendant')").endswith("-0-2")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.row')?.dataset.k") == "0":
            break
    assert page.locator(".response .mark.active").all_inner_texts() == ["I"]
    tab_to(page, "Weight of first_person")
    before = reward_shown(page)
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Weight of first_person"
    assert reward_shown(page) != before or found_setting(page)["weights"][0] > 1
    tab_to(page, "Start again", back=True)
    page.keyboard.press("Enter")
    assert reward_shown(page) == before


def tab_to(page, name, back=False):
    for _ in range(80):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        said = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
        if page.evaluate(said) == name:
            return
    raise AssertionError(f"{name} cannot be reached with Tab")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
def test_access_rules_and_width(opened, theme, width):
    page = opened(box_of_words(), width=width)
    for _ in range(["system", "light", "dark", "contrast"].index(theme)):
        page.locator("button.theme").click()
    page.get_by_text("This aggregation in Python").click()
    page.locator('[id$="-0-2"]').click()
    slide(page, "γ of no_bullets × brief", -0.5)
    page.locator(".row .name").nth(3).click()
    found = Axe().run(page).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in grave] == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    sizes = page.locator(".reward-box *").evaluate_all(
        """all => all.filter(n => n.offsetParent && n.innerText?.trim())
        .map(n => parseFloat(getComputedStyle(n).fontSize))"""
    )
    assert min(sizes) >= 12


def test_moving_a_slider_is_quick(opened):
    """160 rollouts of 6 criteria: one movement is computed and drawn well within a blink."""
    rubric = rubric_of_words()
    page = opened(RewardBox(rubric, {f"p{k}": RESPONSES["Tell me about your morning."] * 4 for k in range(10)}))
    slide(page, "Weight of brief", 0.5)
    spent = page.get_by_label("Weight of brief", exact=True).evaluate(
        """node => { const begun = performance.now();
        for (let k = 0; k < 20; k++) { node.value = 0.5 + k / 20; node.dispatchEvent(new Event('input')); }
        document.body.offsetHeight; return (performance.now() - begun) / 20; }"""
    )
    assert spent < 100, f"{spent:.0f} ms a movement"


def test_the_page_forbids_requests(tmp_path):
    html = box_of_words().page()
    assert "default-src &#39;none&#39;" in html
    assert not re.search(r"(src|href)=[\"']?https?:", html.split('<script type="application/json"')[0])
    assert json.loads(html.split('id="state">')[1].split("</script>")[0])["selected"] == [0, 0]
