// Reward waterfall and rollout reader. The first part is the arithmetic of anchors.rubric.aggregate, number for number.
const ROUNDING = 1e-9; // scores that miss a threshold by less are on it; rewards that differ by less are equal
const TINY = 1e-12; // a curvature below this is none
const STEPS = ["saturation", "interaction", "shaping", "veto"]; // the order in which they are applied
const FORMS = ["exponential", "cap", "logistic"];
const DEFAULTS = {
  saturation: { kappa: 3, form: "exponential" }, interaction: { pairs: [] }, shaping: { beta: 4 }, veto: { value: 0 },
};

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** φ(u): diminishing returns on one criterion. */
function saturate(u, { kappa, form }) {
  if (form === "cap") return Math.min(u, 1 / Math.max(kappa, 1)) * Math.max(kappa, 1);
  if (kappa < TINY) return u;
  if (form === "logistic") return Math.tanh((kappa / 2) * u) / Math.tanh(kappa / 2);
  return Math.expm1(-kappa * u) / Math.expm1(-kappa);
}

/** ψ(z): differences among high totals magnified. */
function shape(z, { beta, theta, slope }) {
  if (beta === undefined) return (z + (slope - 1) * Math.max(z - theta, 0)) / (1 + (slope - 1) * (1 - theta));
  if (beta < TINY) return z;
  return (Math.exp(beta * (z - 1)) * Math.expm1(-beta * z)) / Math.expm1(-beta);
}

/** Σ ŵ φ and Σ γ φ φ over their greatest value; pairs with a criterion that was not judged count for nothing. */
function interact(z, phi, u, pairs) {
  let top = 1;
  for (const [one, other, gamma] of pairs) {
    z += gamma * phi[one] * phi[other];
    if (gamma > 0 && u[one] !== null && u[other] !== null) top += gamma;
  }
  return Math.min(Math.max(z / top, 0), 1);
}

/** Indices of the critical criteria below their thresholds; one that was not judged does not veto. */
function failed(u, { critical, thresholds }) {
  return u.flatMap((value, k) => (critical[k] && value !== null && value < thresholds[k] - ROUNDING ? [k] : []));
}

/** Reward of scores u (K numbers in [0, 1] or null) with the steps `active`; NaN where it cannot be had. */
function reward(u, setting, active = STEPS) {
  if (setting.missing === "refuse" && u.includes(null)) return NaN;
  const on = (name) => (active.includes(name) ? setting[name] : null);
  const saturation = on("saturation");
  const phi = u.map((value) => (value === null ? 0 : saturation ? saturate(value, saturation) : value));
  const weight = sum(setting.weights.filter((_, k) => u[k] !== null));
  let z = sum(phi.map((value, k) => value * setting.weights[k])) / weight;
  if (on("interaction")) z = interact(z, phi, u, setting.interaction.pairs);
  if (on("shaping")) z = shape(z, setting.shaping);
  return on("veto") && failed(u, setting).length ? setting.veto.value : z;
}

/** The waterfall: shares of the weighted mean (K), the mean, and value and change of each step that is on. */
function explain(u, setting) {
  const weight = sum(setting.weights.filter((_, k) => u[k] !== null));
  const shares = u.map((value, k) => (value === null ? 0 : (value * setting.weights[k]) / weight));
  const linear = reward(u, setting, []);
  let before = linear;
  const steps = STEPS.filter((name) => setting[name]).map((name) => {
    const value = reward(u, setting, STEPS.slice(0, STEPS.indexOf(name) + 1));
    const step = { name, value, change: value - before };
    before = value;
    return step;
  });
  return { shares, linear, steps, reward: before };
}

/** GRPO: rewards less their group's mean, over its deviation (n - 1); NaN stays NaN, equal rewards give exactly 0. */
function advantages(rewards) {
  const judged = rewards.filter((value) => !Number.isNaN(value));
  if (!(Math.max(...judged) - Math.min(...judged) > ROUNDING)) return rewards.map((r) => (Number.isNaN(r) ? NaN : 0));
  const mean = sum(judged) / judged.length;
  const deviation = Math.sqrt(sum(judged.map((r) => (r - mean) ** 2)) / (judged.length - 1));
  return rewards.map((r) => (r - mean) / deviation);
}

/** Ranks from 1, equal rewards sharing theirs; NaN has none (null). */
function ranks(rewards) {
  return rewards.map((r) => (Number.isNaN(r) ? null : 1 + rewards.filter((other) => other > r + ROUNDING).length));
}

/** Sum of |γ| of the negative pairs of each criterion (K): its share of the weights must not be below. */
function losses(setting) {
  const lost = setting.weights.map(() => 0);
  for (const [one, other, gamma] of setting.interaction?.pairs ?? []) {
    if (gamma < 0) [one, other].forEach((k) => { lost[k] -= gamma; });
  }
  return lost;
}

/** Whether no better score can lower the reward, and the weights add up to something. */
function monotone(setting) {
  const total = sum(setting.weights);
  const lost = losses(setting);
  return total > 0 && total < Infinity && setting.weights.every((w, k) => lost[k] <= w / total + TINY);
}

/** The weights [low, high] that a criterion may have beside the others; `least` stands for "more than nothing". */
function weightRange(setting, k, least) {
  const lost = losses(setting);
  const rest = sum(setting.weights.filter((_, j) => j !== k));
  const low = lost[k] > 0 && lost[k] < 1 ? (lost[k] * rest) / (1 - lost[k]) : rest > 0 ? 0 : least;
  const high = Math.min(...setting.weights.map((w, j) => (j !== k && lost[j] > 0 ? w / lost[j] - rest : Infinity)));
  return [low, high];
}

/** The least γ that a pair may have beside the other pairs. */
function pairBound(setting, number) {
  const [one, other, gamma] = setting.interaction.pairs[number];
  const lost = losses(setting);
  const total = sum(setting.weights);
  return -Math.max(0, Math.min(...[one, other].map((k) => setting.weights[k] / total - lost[k] - Math.min(gamma, 0))));
}

/** Whether a setting that came from outside has the right form and can be used. */
function admissible(found, count) {
  const number = (x, low, high = Infinity) => typeof x === "number" && Number.isFinite(x) && x >= low && x <= high;
  const list = (x, test) => Array.isArray(x) && x.length === count && x.every(test);
  const index = (k) => Number.isInteger(k) && k >= 0 && k < count;
  const pairs = (all) => Array.isArray(all) && all.every((p) => Array.isArray(p) && p.length === 3 && index(p[0])
    && index(p[1]) && p[0] !== p[1] && number(p[2], -Infinity))
    && new Set(all.map((p) => [p[0], p[1]].sort().join())).size === all.length;
  const shaping = (x) => (x.beta !== undefined ? number(x.beta, 0)
    : number(x.theta, 0, 1 - 1e-15) && number(x.slope, 1));
  const right = {
    saturation: (x) => number(x.kappa, 0) && FORMS.includes(x.form), interaction: (x) => pairs(x.pairs), shaping,
    veto: (x) => number(x.value, -Infinity, 0),
  };
  return Boolean(found) && list(found.weights, (w) => number(w, 0)) && list(found.thresholds, (t) => number(t, 0, 1))
    && list(found.critical, (c) => typeof c === "boolean") && ["refuse", "renormalise"].includes(found.missing)
    && STEPS.every((name) => found[name] === null || (typeof found[name] === "object" && right[name](found[name])))
    && monotone(found);
}

// ---- texts and tiers ------------------------------------------------------------------------------------------------

/** Cuts a text at the ends of evidence: [{ text, marks: [criteria] }]. Offsets count code points, as Python's do. */
function segments(text, evidence, shown) {
  const characters = [...text];
  const cuts = new Set([0, characters.length]);
  const spans = shown.flatMap((k) => evidence[k].map(([start, end]) => ({ k, start, end })));
  spans.forEach(({ start, end }) => cuts.add(start).add(end));
  const places = [...cuts].sort((a, b) => a - b);
  return places.slice(0, -1).map((start, number) => ({
    text: characters.slice(start, places[number + 1]).join(""),
    marks: shown.filter((k) => spans.some((one) => one.k === k && one.start <= start && places[number + 1] <= one.end)),
  }));
}

/** Number of the tier that a score reaches. */
function tierOf(criterion, u) {
  const met = criterion.avoid ? 1 - u : u;
  return criterion.positions.findLastIndex((position) => position <= met + ROUNDING);
}

/** The score of the next better tier, or null at the best; a criterion to avoid improves downwards. */
function nextTier(criterion, u) {
  const scores = criterion.positions.map((position) => (criterion.avoid ? 1 - position : position));
  const better = scores.filter((score) => score > (u ?? -1) + ROUNDING);
  return better.length ? Math.min(...better) : null;
}

// ---- what the reader takes away -------------------------------------------------------------------------------------

/** The rubric that is dialled in, in the form of its file. */
function dialled(data, setting) {
  const criteria = data.rubric.criteria.map((one, k) => ({
    ...one, weight: setting.weights[k], critical: setting.critical[k], threshold: setting.thresholds[k],
  }));
  return { ...data.rubric, criteria };
}

/** Plain data as one line of YAML: strings with JSON's escapes, numbers as YAML 1.1 reads them. */
function flow(value) {
  if (typeof value === "string") {
    const odd = /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;
    return JSON.stringify(value).replace(odd, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
  }
  if (typeof value === "number") return String(value).replace(/^(-?\d+)e/, "$1.0e");
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (value === null || typeof value !== "object") return String(value);
  return `{${Object.entries(value).map(([name, one]) => `${flow(name)}: ${flow(one)}`).join(", ")}}`;
}

/** A rubric as YAML: a criterion's fields one a line. */
function yaml(rubric) {
  const lines = Object.entries(rubric).filter(([name]) => name !== "criteria").map(([n, v]) => `${n}: ${flow(v)}`);
  const criteria = rubric.criteria.flatMap((one) => Object.entries(one).map(([name, value], number) =>
    `${number ? "    " : "  - "}${name}: ${flow(value)}`));
  return [...lines, "criteria:", ...criteria, ""].join("\n");
}

/** The aggregation as Python has it. */
function python(data, setting) {
  const id = (k) => JSON.stringify(data.criteria[k].id);
  const said = {
    saturation: ({ kappa, form }) => `Saturation(${kappa}, "${form}")`,
    interaction: ({ pairs }) => `Interaction({${pairs.map(([a, b, g]) => `(${id(a)}, ${id(b)}): ${g}`).join(", ")}})`,
    shaping: ({ beta, theta, slope }) =>
      beta === undefined ? `Shaping(theta=${theta}, slope=${slope})` : `Shaping(${beta})`,
    veto: ({ value }) => `Veto(${value})`,
  };
  const steps = STEPS.filter((name) => setting[name]).map((name) => `${said[name](setting[name])},`);
  return `Aggregator(rubric, (${steps.join(" ")}), missing="${setting.missing}")`;
}

// ---- pieces of the page ---------------------------------------------------------------------------------------------

const fixed = (x) => (Number.isNaN(x) || x === null ? "–" : x.toFixed(3).replace("-", "−"));
const signed = (x) => (Number.isNaN(x) ? "–" : (x < -5e-4 ? "−" : "+") + Math.abs(x).toFixed(3));
const short = (x) => String(Number(x.toFixed(4))).replace("-", "−");
const look = (k) => `p${k % 5} k${k % 8}`; // forty different underlines

/** A slider with its name and value; what `write` refuses springs back when the page is refreshed. */
function slider(name, label, range, read, write) {
  const value = h("span", { class: "value" });
  const input = h("input", {
    type: "range", min: range.min, max: range.max, step: range.step, "aria-label": label,
    oninput: () => write(Number(input.value)),
  });
  const refresh = () => {
    const now = read();
    if (now > Number(input.max)) input.max = now;
    if (now < Number(input.min)) input.min = now;
    input.value = now;
    value.textContent = short(now);
    input.setAttribute("aria-valuetext", short(now));
  };
  return { node: h("label", { class: "slider" }, h("span", {}, name, " ", value), input), refresh };
}

function check(name, label, read, write) {
  const input = h("input", { type: "checkbox", "aria-label": label, onchange: () => write(input.checked) });
  return { node: h("label", { class: "check" }, input, " ", name), refresh: () => { input.checked = read(); } };
}

function select(label, options, read, write) {
  const input = h("select", { "aria-label": label, onchange: () => write(input.value) },
    options.map(([value, text]) => h("option", { value }, text)));
  return { node: input, refresh: () => { input.value = read(); } };
}

/** A bar from `start` to `end` on the common axis of the waterfall. */
function bar(app) {
  const place = (x) => `${((x - app.low()) / (1 - app.low())) * 100}%`;
  const drawn = s("svg", { class: "bar", "aria-hidden": "true", height: 22, width: "100%" });
  return {
    node: drawn,
    refresh(start, end, kind) {
      const lines = [0, 0.25, 0.5, 0.75, 1].map((x) => s("line", { x1: place(x), x2: place(x), y1: 0, y2: 22,
        class: "grid" }));
      const known = !Number.isNaN(start + end);
      const width = `${(Math.abs(end - start) / (1 - app.low())) * 100}%`;
      drawn.replaceChildren(...lines, ...(known ? [
        s("rect", { x: place(Math.min(start, end)), y: 4, width, height: 14, class: kind }),
        s("line", { x1: place(end), x2: place(end), y1: 1, y2: 21, class: "end" }),
      ] : []));
    },
  };
}

/** Search, filter and the list of all rollouts: one stop of the keyboard, arrows move. */
function rolloutList(app) {
  const search = h("input", { type: "search", placeholder: "search prompts and texts",
    "aria-label": "Search prompts and texts", oninput: () => draw() });
  const filter = h("select", { "aria-label": "Show which rollouts", onchange: () => draw() },
    h("option", { value: "all" }, "all rollouts"), h("option", { value: "vetoed" }, "vetoed"),
    h("option", { value: "moved" }, "rank changed"),
    app.data.criteria.map((one, k) => h("option", { value: k }, `fails: ${one.id}`)));
  const list = h("div", { role: "listbox", tabindex: 0, class: "list", "aria-label": "Rollouts", onkeydown: move });
  const count = h("p", { class: "muted count", role: "status" });
  let order = [];
  let seen = "";

  function wanted(g, r) {
    const { prompt, label, rollouts } = app.data.groups[g];
    const words = `${prompt}\n${label}\n${rollouts[r].text}`.toLowerCase();
    if (!words.includes(search.value.toLowerCase())) return false;
    if (filter.value === "all") return true;
    const u = app.scores(g, r);
    if (filter.value === "vetoed") return Boolean(app.setting().veto) && failed(u, app.setting()).length > 0;
    if (filter.value === "moved") return app.results[g].ranks[r] !== app.results[g].before[r];
    const k = Number(filter.value);
    return u[k] !== null && u[k] < app.setting().thresholds[k] - ROUNDING;
  }
  function option(g, r) {
    const [chosen, found] = [app.selected(), app.results[g]];
    const vetoed = app.setting().veto && failed(app.scores(g, r), app.setting()).length;
    return h("div", {
      role: "option", id: `${app.uid}-${g}-${r}`, "aria-selected": String(chosen[0] === g && chosen[1] === r),
      onclick: () => app.choose(g, r),
    }, h("span", { class: "number" }, `${r + 1}`),
    h("span", { class: "start" }, app.data.groups[g].rollouts[r].text.trim().slice(0, 90) || "(empty)"),
    vetoed ? h("span", { class: "flag" }, "veto") : null, found.ranks[r] === 1 ? h("span", { class: "flag" },
      "wins") : null,
    h("span", { class: "value" }, fixed(found.rewards[r])));
  }
  function draw() {
    order = app.data.groups.flatMap((group, g) => group.rollouts.flatMap((_, r) => (wanted(g, r) ? [[g, r]] : [])));
    const groups = [...new Set(order.map(([g]) => g))];
    list.replaceChildren(...groups.map((g) => {
      const { prompt, label } = app.data.groups[g];
      return h("div", { role: "group", "aria-label": [label, prompt].filter(Boolean).join(": ") },
        h("div", { class: "prompt-of", role: "presentation" }, label ? h("b", {}, label) : null, label ? " · " : "",
          prompt.slice(0, 160)),
        order.filter(([other]) => other === g).map(([, r]) => option(g, r)));
    }));
    if (!order.length) list.append(h("div", { role: "option", "aria-disabled": "true", "aria-selected": "false" },
      "none"));
    const total = sum(app.data.groups.map((group) => group.rollouts.length));
    count.textContent = `${order.length} of ${total} rollouts`;
    point();
  }
  function point() {
    const node = list.querySelector('[aria-selected="true"]');
    if (!node) return list.removeAttribute("aria-activedescendant");
    list.setAttribute("aria-activedescendant", node.id);
    if (node.id !== seen) reveal(node);
    seen = node.id;
    return undefined;
  }
  function reveal(node) {
    const [top, height] = [node.offsetTop, node.offsetHeight];
    const inside = top >= list.scrollTop && top + height <= list.scrollTop + list.clientHeight;
    if (!inside) list.scrollTop = top - list.clientHeight / 3;
  }
  function move(event) {
    const [g, r] = app.selected();
    const at = order.findIndex((one) => one[0] === g && one[1] === r);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: order.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (order[to]) app.choose(...order[to]);
  }
  const tools = h("div", { class: "tools controls" }, search, filter);
  return { node: h("section", { "aria-label": "Choose a rollout" }, tools, list, count), refresh: draw };
}

/** Prompt and response with the evidence of the criteria underlined. */
function reader(app) {
  const prompt = h("p", { class: "prompt" });
  const about = h("p", { class: "about muted" });
  const response = h("div", { class: "response" });
  const hint = h("p", { class: "muted hint" });

  function marked({ text, marks }) {
    return marks.reduce((inside, k, depth) => h("span", {
      class: `mark ${look(k)} d${Math.min(marks.length - 1 - depth, 3)}${app.active === k ? " active" : ""}`,
        "data-k": k,
      title: marks.map((one) => app.data.criteria[one].id).join(", "),
    }, inside), text);
  }
  function refresh() {
    const [g, r] = app.selected();
    const group = app.data.groups[g];
    const rollout = group.rollouts[r];
    prompt.replaceChildren(h("b", {}, "Prompt "), group.prompt || "(none)");
    about.textContent = `rollout ${r + 1} of ${group.rollouts.length}${group.label ? `, ${group.label}` : ""}`;
    const shown = app.data.criteria.map((_, k) => k)
      .filter((k) => k === app.active || (app.pinned.size ? app.pinned.has(k) : true));
    response.replaceChildren(...segments(rollout.text, rollout.evidence, shown).map(marked));
    hint.textContent = app.active === null
      ? (app.pinned.size ? "Underlined: the pinned criteria."
        : "Underlined: what the criteria found. Point at one to see its places, press it to pin it.")
      : `Marked: ${app.data.criteria[app.active].id}`;
  }
  return { node: h("section", { "aria-label": "The rollout" }, prompt, about, response, hint), refresh };
}

/** The rollouts of one prompt: reward against the plain weighted mean, ranks, advantages. */
function ranking(app) {
  const title = h("p", { class: "winner", role: "status" });
  const body = h("tbody");
  const head = ["no.", "weighted mean ○, reward ◆", "reward", "rank", "advantage"];
  const low = () => app.low();
  const place = (x) => `${3 + ((x - low()) / (1 - low())) * 94}%`;

  function dots(linear, now) {
    const marks = Number.isNaN(linear + now) ? [] : [
      s("line", { x1: place(linear), x2: place(now), y1: 11, y2: 11, class: "move" }),
      s("circle", { cx: place(linear), cy: 11, r: 4.5, class: "plain" }),
      s("svg", { x: place(now), y: 11, overflow: "visible" }, s("path", { d: "M-6 0 0-6 6 0 0 6z", class: "now" })),
    ];
    return s("svg", { class: "dots", width: "100%", height: 22, "aria-hidden": "true" },
      [0, 0.5, 1].map((x) => s("line", { x1: place(x), x2: place(x), y1: 0, y2: 22, class: "grid" })), marks);
  }
  function advantage(value, most) {
    const half = Number.isNaN(value) || !most ? 0 : (Math.abs(value) / most) * 48;
    return h("td", {}, s("svg", { class: "dots", width: "100%", height: 14, "aria-hidden": "true" },
      s("rect", { x: `${value < 0 ? 50 - half : 50}%`, y: 2, width: `${half}%`, height: 10,
        class: value < 0 ? "down" : "up" }),
      s("line", { x1: "50%", x2: "50%", y1: 0, y2: 14, class: "end" })), h("span", { class: "value" }, signed(value)));
  }
  function line(g, r, most) {
    const found = app.results[g];
    const [before, after] = [found.before[r], found.ranks[r]];
    const chosen = app.selected()[1] === r;
    return h("tr", { class: chosen ? "chosen" : null },
      h("th", { scope: "row" }, h("button", { type: "button", "aria-pressed": String(chosen), "data-r": r,
        "aria-label": `Rollout ${r + 1}`, onclick: () => app.choose(g, r) }, `${r + 1}`)),
      h("td", {}, dots(found.linear[r], found.rewards[r])), h("td", { class: "value" }, fixed(found.rewards[r])),
      h("td", { class: "value" }, before === after ? `${after ?? "–"}` : `${before ?? "–"} → ${after ?? "–"}`),
      advantage(found.advantages[r], most));
  }
  function refresh() {
    const [g] = app.selected();
    const found = app.results[g];
    const held = body.contains(document.activeElement) ? document.activeElement.dataset.r : null;
    const most = Math.max(...found.advantages.filter((x) => !Number.isNaN(x)).map(Math.abs), 0);
    const key = (r) => (Number.isNaN(found.rewards[r]) ? -Infinity : found.rewards[r]);
    const order = found.rewards.map((_, r) => r).sort((a, b) => key(b) - key(a) || a - b);
    body.replaceChildren(...order.map((r) => line(g, r, most)));
    if (held !== null) body.querySelector(`[data-r="${held}"]`)?.focus();
    title.textContent = `${names(found.ranks)} (weighted mean alone: ${names(found.before, "")}). `
      + `The setting changes the winner in ${app.changed()} of ${app.data.groups.length} groups.`;
  }
  function names(places, verb = "wins") {
    const first = places.flatMap((rank, r) => (rank === 1 ? [r + 1] : []));
    if (!first.length) return verb ? "No rollout has a reward" : "none";
    if (first.length > 1) return `${verb && "Rollouts "}${first.join(", ")} tie`;
    return verb ? `Rollout ${first[0]} ${verb}` : `${first[0]}`;
  }
  const table = h("table", {}, h("caption", {}, "Rollouts of this prompt, best first"),
    h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), body);
  return { node: h("section", { class: "ranking", "aria-label": "Ranks and advantages" }, title, table), refresh };
}

/** One criterion: its name, evidence, score, weight, and its share of the weighted mean. */
function criterionRow(app, k) {
  const one = app.data.criteria[k];
  const evidence = h("div", { class: "evidence" });
  const note = h("p", { class: "why", role: "status" });
  const drawn = bar(app);
  const number = h("span", { class: "value" });
  const swatch = h("span", { class: `swatch mark ${look(k)}`, "aria-hidden": "true" }, "abc");
  const name = h("button", { type: "button", class: "name", onclick: () => app.pin(k) }, swatch, " ", one.id);
  const score = one.snap ? tierSelect(app, k) : scoreSlider(app, k);
  const better = h("button", { type: "button", class: "small", onclick: () => app.override(k, app.next(k)) });
  const weight = slider("weight", `Weight of ${one.id}`, app.weights, () => app.setting().weights[k],
    (w) => app.weigh(k, w));
  const critical = check("critical", `${one.id} is critical`, () => app.setting().critical[k],
    (on) => app.put("critical", k, on));
  const threshold = slider("below", `Threshold of ${one.id}`, { min: 0, max: 1, step: 0.05 },
    () => app.setting().thresholds[k], (t) => app.put("thresholds", k, t));

  function refresh(start) {
    const { rollout, u, parts } = app.now();
    name.setAttribute("aria-pressed", String(app.pinned.has(k)));
    swatch.hidden = !rollout.evidence[k].length;
    evidence.replaceChildren(...quotes(rollout, k));
    [score, weight, critical, threshold].forEach((piece) => piece.refresh());
    threshold.node.hidden = !app.setting().critical[k];
    const gain = app.gain(k);
    better.disabled = gain === null;
    better.textContent = gain === null ? "best tier" : `next tier ${signed(gain)}`;
    note.textContent = app.notes[`w${k}`] ?? "";
    drawn.refresh(start, start + parts.shares[k], "share");
    number.textContent = u[k] === null ? "not judged" : signed(parts.shares[k]);
    row.classList.toggle("vetoing", Boolean(app.setting().veto) && failed(u, app.setting()).includes(k));
  }
  const row = h("li", { class: "row", "data-k": k, onpointerenter: () => app.point(k),
    onpointerleave: () => app.point(null),
    onfocusin: () => app.point(k), onfocusout: (event) => row.contains(event.relatedTarget) || app.point(null) },
  h("div", { class: "who" }, name, h("span", { class: "muted" }, ` ${one.description} `),
    one.avoid ? h("span", { class: "flag", title: "to meet it is bad: the score is 1 − met" }, "avoid") : null,
      evidence),
  h("div", { class: "dials controls" }, h("div", { class: "group wide" }, score.node, better),
    h("div", { class: "group wide" }, weight.node, critical.node, threshold.node), note),
  drawn.node, number);
  return { node: row, refresh };
}

/** The evidence of a criterion in words: what was found, quoted. */
function quotes(rollout, k) {
  const characters = [...rollout.text];
  const found = rollout.evidence[k];
  const said = found.slice(0, 3).map(([start, end, label]) => {
    const text = characters.slice(start, end).join("");
    return h("span", { class: "quote" }, `${label}: “${text.length > 60 ? `${text.slice(0, 59)}…` : text}” `);
  });
  return found.length > 3 ? [...said, `and ${found.length - 3} more`] : said;
}

function tierSelect(app, k) {
  const one = app.data.criteria[k];
  const input = h("select", { "aria-label": `Tier of ${one.id}`,
    onchange: () => app.override(k, input.value === "" ? undefined : Number(input.value)) });
  const refresh = () => {
    const { rollout, u } = app.now();
    const judged = rollout.scores[k];
    const told = judged === null ? "not judged" : `${one.tiers[tierOf(one, judged)]} (${short(judged)})`;
    input.replaceChildren(h("option", { value: "" }, `as judged: ${told}`), ...one.tiers.map((text, j) =>
      h("option", { value: app.tierScore(k, j) }, `what if: ${text} (${short(app.tierScore(k, j))})`)));
    input.value = app.overridden(k) ? String(u[k]) : "";
    input.classList.toggle("changed", app.overridden(k));
  };
  return { node: input, refresh };
}

function scoreSlider(app, k) {
  const one = app.data.criteria[k];
  const found = slider("score", `Score of ${one.id}`, { min: 0, max: 1, step: 0.05 }, () => app.now().u[k] ?? 0,
    (u) => app.override(k, u));
  const back = h("button", { type: "button", class: "small", onclick: () => app.override(k, undefined) }, "as judged");
  const tier = h("span", { class: "muted" });
  const refresh = () => {
    found.refresh();
    const { u } = app.now();
    tier.textContent = u[k] === null ? "not judged" : `tier: ${one.tiers[tierOf(one, u[k])]}`;
    back.hidden = !app.overridden(k);
  };
  return { node: h("span", { class: "graded" }, found.node, tier, back), refresh };
}

/** One step of the aggregation: switch, dials, bar. */
function stepRow(app, name, symbol, dials) {
  const on = check(name, `Step ${name}`, () => Boolean(app.setting()[name]), (wanted) => app.toggle(name, wanted));
  const drawn = bar(app);
  const number = h("span", { class: "value" });
  const told = h("p", { class: "why", role: "status" });
  const row = h("li", { class: "row step", "data-step": name }, h("div", { class: "who" }, on.node, h("span",
    { class: "muted" }, ` ${symbol}`)),
    h("div", { class: "dials controls" }, dials.node, told), drawn.node, number);
  function refresh(before) {
    on.refresh();
    const active = Boolean(app.setting()[name]);
    dials.node.hidden = !active;
    if (active) dials.refresh();
    told.textContent = app.notes[name] ?? "";
    const step = app.now().parts.steps.find((one) => one.name === name);
    drawn.refresh(before, step ? step.value : before, step && step.change < 0 ? "down" : "up");
    number.textContent = step ? signed(step.change) : "off";
    return step ? step.value : before;
  }
  return { node: row, refresh };
}

function saturationDials(app) {
  const now = () => app.setting().saturation;
  const parts = [
    slider("κ", "κ of the saturation", { min: 0, max: 10, step: 0.1 }, () => now().kappa,
      (kappa) => app.change({ saturation: { ...now(), kappa } })),
    select("Form of the saturation", FORMS.map((form) => [form, form]), () => now().form,
      (form) => app.change({ saturation: { ...now(), form } })),
  ];
  return { node: h("div", { class: "group" }, parts.map((part) => part.node)),
    refresh: () => parts.forEach((part) => part.refresh()) };
}

function shapingDials(app) {
  const now = () => app.setting().shaping;
  const put = (change) => app.change({ shaping: { ...now(), ...change } });
  const beta = slider("β", "β of the shaping", { min: 0, max: 10, step: 0.1 }, () => now().beta ?? 0,
    (x) => put({ beta: x }));
  const theta = slider("θ", "θ of the shaping", { min: 0, max: 0.95, step: 0.05 }, () => now().theta ?? 0,
    (x) => put({ theta: x }));
  const slope = slider("slope", "Slope of the shaping", { min: 1, max: 10, step: 0.1 }, () => now().slope ?? 1,
    (x) => put({ slope: x }));
  const curve = select("Curve of the shaping", [["beta", "exponential"], ["theta", "bent at θ"]],
    () => (now().beta === undefined ? "theta" : "beta"),
    (kind) => app.change({ shaping: kind === "beta" ? { beta: 4 } : { theta: 0.5, slope: 3 } }));
  const refresh = () => {
    [beta, theta, slope, curve].forEach((part) => part.refresh());
    beta.node.hidden = now().beta === undefined;
    theta.node.hidden = slope.node.hidden = !beta.node.hidden;
  };
  return { node: h("div", { class: "group" }, beta.node, theta.node, slope.node, curve.node), refresh };
}

function vetoDials(app) {
  const value = slider("value", "Reward of a vetoed rollout", { min: -1, max: 0, step: 0.05 },
    () => app.setting().veto.value,
    (x) => app.change({ veto: { value: x } }));
  const told = h("span", { class: "muted" });
  const refresh = () => {
    value.refresh();
    const { u } = app.now();
    const found = failed(u, app.setting());
    const none = app.setting().critical.some(Boolean) ? "no critical criterion fails" : "no criterion is critical";
    const why = (k) => `${app.data.criteria[k].id} ${short(u[k])} < ${short(app.setting().thresholds[k])}`;
    told.textContent = found.length ? `vetoed: ${found.map(why).join(", ")}` : none;
  };
  return { node: h("div", { class: "group" }, value.node, told), refresh };
}

/** The pairs with their γ, and a form for one more. */
function pairDials(app) {
  const list = h("div", { class: "pairs" });
  const options = () => app.data.criteria.map((one, k) => h("option", { value: k }, one.id));
  const [one, other] = ["First", "Second"].map((place) => h("select",
    { "aria-label": `${place} criterion of a new pair` }, options()));
  other.value = "1";
  const add = h("button", { type: "button", class: "small", onclick: () => app.addPair(Number(one.value),
    Number(other.value)) }, "add pair");
  let drawn = [];
  let shown = "";

  function line([a, b], number) {
    const names = `${app.data.criteria[a].id} × ${app.data.criteria[b].id}`;
    const gamma = slider(`γ ${names}`, `γ of ${names}`, { min: -0.5, max: 2, step: 0.01 },
      () => app.setting().interaction.pairs[number][2], (x) => app.bend(number, x));
    const drop = h("button", { type: "button", class: "small", "aria-label": `Remove the pair ${names}`,
      onclick: () => app.dropPair(number) }, "×");
    return { node: h("div", { class: "pair" }, gamma.node, drop), refresh: gamma.refresh };
  }
  function refresh() {
    const { pairs } = app.setting().interaction;
    const key = pairs.map(([a, b]) => `${a},${b}`).join(" ");
    if (key !== shown || drawn.length !== pairs.length) {
      drawn = pairs.map(line);
      list.replaceChildren(...drawn.map((piece) => piece.node));
      shown = key;
    }
    drawn.forEach((piece) => piece.refresh());
  }
  return { node: h("div", { class: "group wide" }, list, h("div", { class: "pair" }, one, other, add)), refresh };
}

/** Criteria, steps and the total, as one waterfall. */
function waterfall(app) {
  const criteria = app.data.criteria.map((_, k) => criterionRow(app, k));
  const steps = [
    stepRow(app, "saturation", "φ_κ of each score", saturationDials(app)),
    stepRow(app, "interaction", "γ φ_i φ_j of pairs", pairDials(app)),
    stepRow(app, "shaping", "ψ_β of the total", shapingDials(app)),
    stepRow(app, "veto", "by critical criteria", vetoDials(app)),
  ];
  const [mean, total] = ["weighted mean", "reward"].map((name) => totalRow(app, name));
  const missing = select("Criteria that were not judged", [["renormalise", "not judged: the others stand for all"],
    ["refuse", "not judged: no reward"]],
    () => app.setting().missing, (value) => app.change({ missing: value }));
  function refresh() {
    const { parts } = app.now();
    let at = 0;
    criteria.forEach((row, k) => { row.refresh(at); at += parts.shares[k] || 0; });
    mean.refresh(parts.linear);
    let value = parts.linear;
    steps.forEach((row) => { value = row.refresh(value); });
    total.refresh(value);
    missing.refresh();
  }
  const node = h("section", { class: "waterfall", "aria-label": "Waterfall" }, h("p", { class: "muted hint" },
    "Each criterion adds its share of the weighted mean; each step then moves the reward. Bars run from 0 to 1 "
    + "(from the veto’s value where that is below 0)."),
  h("ul", {}, criteria.map((row) => row.node), mean.node, steps.map((row) => row.node), total.node),
  h("div", { class: "controls" }, missing.node));
  return { node, refresh };
}

function totalRow(app, name) {
  const drawn = bar(app);
  const number = h("span", { class: "value" });
  const row = h("li", { class: "row total", "data-total": name }, h("div", { class: "who" }, h("b", {}, name)),
    h("div", { class: "dials" }), drawn.node, number);
  return { node: row, refresh(value) { drawn.refresh(0, value, "whole"); number.textContent = fixed(value); } };
}

function toolbar(app, root) {
  const code = h("code", { tabindex: 0 });
  const save = (kind, text) => download(`${app.fileName()}.${kind}`, text());
  const reset = h("button", { type: "button", onclick: () => app.reset() }, "Start again");
  const files = [["yml", yaml], ["json", (rubric) => `${JSON.stringify(rubric, null, 2)}\n`]].map(([kind, text]) =>
    h("button", { type: "button", onclick: () => save(kind, () => text(dialled(app.data, app.setting()))) },
      `Rubric as ${kind === "yml" ? "YAML" : "JSON"}`));
  const node = h("div", { class: "bar-of-tools" }, h("div", { class: "tools controls" }, reset, files,
    themeButton(root)),
    h("details", {}, h("summary", {}, "This aggregation in Python"), h("pre", {}, code)));
  return { node, refresh: () => { code.textContent = python(app.data, app.setting()); } };
}

// ---- state ----------------------------------------------------------------------------------------------------------

/** Everything that the pieces ask and do; the state itself is the model's. */
function makeApp(model) {
  const data = model.get("data");
  const count = data.criteria.length;
  const first = JSON.stringify({ setting: model.get("setting"), overrides: model.get("overrides") });
  const largest = Math.max(...model.get("setting").weights, 1e-6) * 1.5;
  const step = 10 ** Math.floor(Math.log10(largest)) / 20;
  const kept = {};
  const app = {
    data, active: null, pinned: new Set(), notes: {}, results: [], uid: `r${Math.random().toString(36).slice(2)}`,
    weights: { min: 0, max: largest, step },
    setting: () => model.get("setting"),
    selected: () => model.get("selected"),
    low: () => Math.min(0, app.setting().veto?.value ?? 0),
    overridesOf: ([g, r]) => model.get("overrides")[`${g}.${r}`] ?? {},
    scores: (g, r) => data.groups[g].rollouts[r].scores.map((u, k) => app.overridesOf([g, r])[k] ?? u),
    overridden: (k) => app.overridesOf(app.selected())[k] !== undefined,
    tierScore: (k, j) => (data.criteria[k].avoid ? 1 - data.criteria[k].positions[j] : data.criteria[k].positions[j]),
    next: (k) => nextTier(data.criteria[k], app.now().u[k]),
    fileName: () => data.rubric.id.replace(/[^\w-]+/g, "_").slice(0, 60) || "rubric",
  };
  app.now = () => {
    const [g, r] = app.selected();
    const u = app.scores(g, r);
    return { rollout: data.groups[g].rollouts[r], u, parts: explain(u, app.setting()) };
  };
  app.gain = (k) => {
    const { u, parts } = app.now();
    const to = app.next(k);
    return to === null ? null : reward(u.map((value, j) => (j === k ? to : value)), app.setting()) - parts.reward;
  };
  app.compute = () => {
    app.results = data.groups.map((group, g) => {
      const all = group.rollouts.map((_, r) => app.scores(g, r));
      const [linear, rewards] = [[], STEPS].map((active) => all.map((u) => reward(u, app.setting(), active)));
      return { linear, rewards, before: ranks(linear), ranks: ranks(rewards), advantages: advantages(rewards) };
    });
  };
  app.changed = () => app.results.filter(({ before, ranks: after }) => before.some((rank,
    r) => rank === 1 && after[r] !== 1)).length;
  app.change = (part, note = {}) => {
    app.notes = note;
    store(model, { setting: { ...app.setting(), ...part } });
  };
  app.put = (name, k, value) => app.change({ [name]: app.setting()[name].map((old, j) => (j === k ? value : old)) });
  app.weigh = (k, wanted) => weigh(app, k, wanted, step);
  app.bend = (number, wanted) => bend(app, number, wanted);
  app.override = (k, value) => {
    const [key, own] = [app.selected().join("."), { ...app.overridesOf(app.selected()) }];
    if (value === undefined) delete own[k]; else own[k] = value;
    store(model, { overrides: { ...model.get("overrides"), [key]: own } });
  };
  app.choose = (g, r) => store(model, { selected: [g, r] });
  app.toggle = (name, on) => {
    if (!on) kept[name] = app.setting()[name];
    if (name === "interaction" && on) return app.change({ interaction: { pairs: fitting(app.setting(),
      kept[name]?.pairs ?? []) } });
    return app.change({ [name]: on ? kept[name] ?? DEFAULTS[name] : null });
  };
  app.addPair = (a, b) => {
    const pairs = app.setting().interaction.pairs;
    const there = pairs.some(([c, d]) => (c === a && d === b) || (c === b && d === a));
    const why = a === b ? "A pair needs two different criteria." : there ? "This pair is there already." : null;
    if (why) return app.tell("interaction", why);
    return app.change({ interaction: { pairs: [...pairs, [a, b, 0]] } });
  };
  app.dropPair = (number) => app.change({ interaction: { pairs: app.setting().interaction.pairs.filter((_,
    j) => j !== number) } });
  app.tell = (name, why) => { app.notes = { [name]: why }; app.refresh(); };
  app.reset = () => { app.notes = {}; app.pinned.clear(); store(model, JSON.parse(first)); };
  let waiting;
  app.link = () => { // browsers forbid to write the address too often
    clearTimeout(waiting);
    waiting = setTimeout(() => link(app, model, JSON.parse(first)), 200);
  };
  app.follow = () => follow(model, data, count, JSON.parse(first));
  return app;
}

function store(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

/** Sets a weight, or the nearest one at which no better score can lower the reward; says why it stops. */
function weigh(app, k, wanted, least) {
  const [low, high] = weightRange(app.setting(), k, least);
  const weight = Math.min(Math.max(wanted, low), high);
  const weights = app.setting().weights.map((old, j) => (j === k ? weight : old));
  const others = app.setting().weights.some((w, j) => j !== k && w > 0);
  const why = others ? "beyond it a better score would lower the reward, through a pair with negative γ"
    : "the weights must add up to more than 0";
  app.change({ weights }, weight === wanted ? {} : { [`w${k}`]: `Stops at ${short(weight)}: ${why}.` });
}

/** Sets γ of a pair, or its bound, and says why it stops. */
function bend(app, number, wanted) {
  const bound = pairBound(app.setting(), number);
  const gamma = Math.max(wanted, bound);
  const pairs = app.setting().interaction.pairs.map((pair, j) => (j === number ? [pair[0], pair[1], gamma] : pair));
  const why = `γ stops at ${short(bound)}: below it a better score would lower the reward `
    + "(a criterion’s negative γ may not exceed its share of the weights).";
  app.change({ interaction: { pairs } }, gamma === wanted ? {} : { interaction: why });
}

/** Pairs that come back after weights have moved: each γ is lifted to its bound where it is below. */
function fitting(setting, pairs) {
  return pairs.reduce((all, [a, b]) => {
    const wanted = pairs[all.length][2];
    const tried = { ...setting, interaction: { pairs: [...all, [a, b, 0]] } };
    return [...all, [a, b, Math.max(wanted, pairBound(tried, all.length))]];
  }, []);
}

/** Writes the chosen rollout, and a setting that is not the first one, into the address of the page. */
function link(app, model, first) {
  const words = new URLSearchParams({ rollout: app.selected().map((x) => x + 1).join(".") });
  const own = { setting: model.get("setting"), overrides: model.get("overrides") };
  for (const name of ["setting", "overrides"]) {
    if (JSON.stringify(own[name]) !== JSON.stringify(first[name])) words.set(name, JSON.stringify(own[name]));
  }
  history.replaceState(null, "", `#${words}`);
}

/** Takes rollout and setting from the address; what is not there or does not fit is as at first. */
function follow(model, data, count, first) {
  const words = new URLSearchParams(location.hash.slice(1));
  const [g, r] = (words.get("rollout") ?? "").split(".").map((x) => Number(x) - 1);
  const [setting, overrides] = ["setting", "overrides"].map((name) => parsed(words.get(name)));
  store(model, {
    selected: data.groups[g]?.rollouts[r] ? [g, r] : model.get("selected"),
    setting: admissible(setting, count) ? setting : first.setting,
    overrides: overrides && fits(overrides, data, count) ? overrides : first.overrides,
  });
}

function parsed(text) {
  try {
    const found = JSON.parse(text);
    return found && typeof found === "object" && !Array.isArray(found) ? found : null;
  } catch {
    return null;
  }
}

/** Whether overrides name rollouts, criteria and scores that there are. */
function fits(overrides, data, count) {
  return Object.entries(overrides).every(([key, own]) => {
    const [g, r] = key.split(".").map(Number);
    return data.groups[g]?.rollouts[r] && own && typeof own === "object" && Object.entries(own).every(([k, u]) =>
      Number(k) >= 0 && Number(k) < count && typeof u === "number" && u >= 0 && u <= 1);
  });
}

function render({ model, el }) {
  const root = h("div", { class: "anchors reward-box" });
  const app = makeApp(model);
  const linked = !model.get("live");
  if (linked) app.follow();
  const [list, text, table, bars] = [rolloutList(app), reader(app), ranking(app), waterfall(app)];
  const tools = toolbar(app, root);
  app.point = (k) => { if (app.active !== k) { app.active = k; text.refresh(); } };
  app.pin = (k) => { if (!app.pinned.delete(k)) app.pinned.add(k); app.refresh(); };
  app.refresh = () => {
    app.compute();
    [list, text, table, bars, tools].forEach((piece) => piece.refresh());
    if (linked) app.link();
  };
  root.append(tools.node, h("div", { class: "columns" }, h("div", { class: "reading" }, list.node, text.node,
    table.node), bars.node));
  el.append(root);
  const names = ["setting", "overrides", "selected"];
  names.forEach((name) => model.on(`change:${name}`, app.refresh));
  const moved = () => app.follow();
  if (linked) addEventListener("hashchange", moved);
  app.refresh();
  return () => {
    names.forEach((name) => model.off(`change:${name}`, app.refresh));
    removeEventListener("hashchange", moved);
  };
}

export default { render };
