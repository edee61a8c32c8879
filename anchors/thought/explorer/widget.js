// The thought-anchor explorer: one trace of reasoning, the importance of its sentences and the links between them.
// Sections: names · store · bundle · links · statistics · TeX · text · drawing helpers · circle · tree · heat maps ·
// strips · heads · comparison · transitions · text pane · detail · files · exports · controls · put together.
// The format it reads is described in docs/explorer.md. Every text of a bundle is data and enters as text nodes only.

// ---------------------------------------------------------------------------------------------------------- names
const FORMAT = "anchors-explorer/1";
const CATEGORIES = {
  problem_setup: ["PS", "Problem setup", "--c0"],
  plan_generation: ["PG", "Plan generation", "--c1"],
  fact_retrieval: ["FR", "Fact retrieval", "--c5"],
  active_computation: ["AC", "Active computation", "--c2"],
  uncertainty_management: ["UM", "Uncertainty management", "--c6"],
  result_consolidation: ["RC", "Result consolidation", "--c4"],
  self_checking: ["SC", "Self checking", "--c3"],
  final_answer_emission: ["FAE", "Final answer emission", "--c7"],
};
const MOST = { perNode: 10, treeLinks: 5, treeDepth: 4, transitions: 100, alternatives: 6, linked: 6, answers: 6,
  heads: 64 };
let instances = 0;

/** Returns initials, title and colour variable of a category; names of one's own get grey. */
function categoryOf(name) {
  const known = Object.hasOwn(CATEGORIES, name) ? CATEGORIES[name] : null;
  const initials = name.split(/[\s_-]+/).map((word) => [...word][0] ?? "").join("").slice(0, 3).toUpperCase() || "?";
  const [short, title, colour] = known ?? [initials, name || "unknown", "--muted"];
  return { name, initials: short, title, colour };
}

/** Returns a number in three digits (or as many as asked) with a real minus sign; a dash when it is not known. */
function fmt(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value), short = size > 0 &&
    size < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(digits)));
  return (size >= 1000 ? value.toFixed(0) : short).replaceAll("-", "−");
}

/** Returns "value [low, high]" as far as they are known. */
function withInterval(value, low, high) {
  return Number.isFinite(low) && Number.isFinite(high) ? `${fmt(value)} [${fmt(low)}, ${fmt(high)}]` : fmt(value);
}

/** Text after a lead, nothing when there is no text. */
const after = (lead, text) => (text || text === 0 ? `${lead}${text}` : "");

const percent = (share) => `${share > 0 && share < 0.005 ? "< 1" : Math.round(100 * share)} %`;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const px = (value) => value.toFixed(1);
const range = (count) => Array.from({ length: count }, (_, i) => i);

// ---------------------------------------------------------------------------------------------------------- store
/** Holds what is shown; set() tells those who watch one of the changed names. */
function createStore(values) {
  const watchers = [];
  return {
    values,
    set(patch) {
      const changed = Object.keys(patch).filter((name) => values[name] !== patch[name]);
      Object.assign(values, patch);
      for (const { names, run } of watchers) if (changed.some((name) => names.includes(name))) run();
    },
    watch(names, run) {
      watchers.push({ names, run });
    },
  };
}

/** Returns a function that runs `run` once before the next frame, however often it is called. */
function onFrame(run) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      run();
    });
  };
}

/** Returns a function that runs `run` at once, but within `rest` ms of the last time only after a pause. */
function calmly(run, rest = 120) {
  let last = -Infinity, timer = 0;
  const now = () => ((last = performance.now()), run());
  return () => {
    clearTimeout(timer);
    if (performance.now() - last > rest) now();
    else timer = setTimeout(now, rest);
  };
}

/** Sentences that pass the filters: Uint8Array (M,). */
function visibleSentences({ trace, metric, minimum, hidden }) {
  const { values, most } = trace.importances[metric];
  return Uint8Array.from(trace.sentences, (sentence, i) =>
    !hidden.has(sentence.category.name) && (minimum === 0 || Math.abs(values[i]) >= minimum * most) ? 1 : 0);
}

/** Keeps what follows from other values up to date: the visible sentences and the links drawn between them. */
function deriveValues(store) {
  store.watch(["trace", "metric", "minimum", "hidden"], () => store.set({ visible: visibleSentences(store.values) }));
  store.watch(["visible", "kind", "perNode"], () => {
    const { trace, kind, visible, perNode } = store.values;
    store.set({ drawn: trace.links.length ? strongestLinks(trace.links[kind], visible, perNode) : [] });
  });
}

// --------------------------------------------------------------------------------------------------------- bundle
/** What is wrong with something a reader gave us, in one line. */
class Fault extends Error {
  constructor(name, found, expected, cure = "") {
    super(`${name}: found ${found}; expected ${expected}. ${cure}`.replace(/\s+/g, " ").trim());
  }
}

/** Returns a short description of a JSON value. */
function described(value) {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value !== "object") return JSON.stringify(value).slice(0, 60);
  return `an object with ${Object.keys(value).slice(0, 4).join(", ").slice(0, 60) || "nothing in it"}`;
}

function listOf(value, length, name) {
  const lengths = [length].flat();
  if (Array.isArray(value) && (length === null || lengths.includes(value.length))) return value;
  throw new Fault(name, described(value), length === null ? "a list" : `a list of ${lengths.join(" or ")}`);
}

function textOf(value, name) {
  if (value === null || value === undefined) return "";
  if (typeof value === "string" || typeof value === "number") return String(value);
  throw new Fault(name, described(value), "a text");
}

/** Returns a Float64Array; unknown numbers are NaN. */
function numbersOf(value, length, name) {
  const list = listOf(value, length, name);
  const strange = list.find((one) => one !== null && typeof one !== "number");
  if (strange !== undefined) throw new Fault(name, described(strange), "numbers or null");
  return Float64Array.from(list, (one) => one ?? NaN);
}

function optionalNumbers(value, length, name) {
  return value === null || value === undefined ? null : numbersOf(value, length, name);
}

/** Checks a bundle's frame and returns its traces as they came. */
function tracesOf(bundle, name) {
  if (bundle?.format !== FORMAT) throw new Fault(name, `the format ${described(bundle?.format)}`, `"${FORMAT}"`);
  const traces = listOf(bundle.traces, null, `${name}, traces`);
  if (!traces.length) throw new Fault(name, "no traces", "at least one trace");
  const ids = traces.map((trace, i) => idOf(trace, i));
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) throw new Fault(name, `the trace id ${described(twice)} twice`, "ids that are unique");
  return traces;
}

const idOf = (trace, place) => String(trace?.id ?? `trace ${place + 1}`);

/** Returns a trace made ready to be drawn; Fault says what is wrong with it. */
function readTrace(raw, place, name) {
  const id = idOf(raw, place), at = `${name}, ${id.slice(0, 60)}`;
  const rows = listOf(raw?.sentences, null, `${at}, sentences`), M = rows.length;
  if (!M) throw new Fault(at, "no sentences", "at least one sentence");
  const trace = { id, M, raw };
  for (const part of ["model", "problem", "title", "solution", "question", "answer", "given", "made_by"])
    trace[part] = textOf(raw[part], `${at}, ${part}`);
  trace.sentences = rows.map((row, i) => readSentence(row, M, `${at}, sentence ${i}`));
  trace.links = optionalList(raw.links).map((link, i) => readLink(link, M, `${at}, links ${i}`));
  trace.importances = readImportances(raw, trace, at);
  for (const part of ["accuracy", "forced"]) trace[part] = raw[part] ? readCurve(raw[part], M, `${at}, ${part}`) : null;
  trace.answers = raw.answers ? readAnswers(raw.answers, M, `${at}, answers`) : null;
  trace.alternatives = raw.alternatives ? readAlternatives(raw.alternatives, M, `${at}, alternatives`) : null;
  trace.heads = optionalList(raw.heads).map((head, i) => readHead(head, M, `${at}, heads ${i}`));
  trace.heads.sort((a, b) => (b.kurtosis || -Infinity) - (a.kurtosis || -Infinity));
  trace.notes = optionalList(raw.notes).map((note) => textOf(note, `${at}, notes`));
  return trace;
}

const optionalList = (value) => (Array.isArray(value) ? value : []);

function readSentence(row, M, name) {
  if (typeof row?.text !== "string") throw new Fault(name, described(row?.text ?? row), "a text");
  const depends = optionalList(row.depends).filter((one) => Number.isInteger(one) && one >= 0 && one < M);
  return { text: row.text, category: categoryOf(textOf(row.category, `${name}, category`)), depends };
}

function readImportances(raw, trace, name) {
  const given = optionalList(raw.importances).map((one, i) => {
    const at = `${name}, importances ${i}`, low = optionalNumbers(one?.low, trace.M, `${at}, low`);
    const values = numbersOf(one?.values, trace.M, `${at}, values`),
      high = optionalNumbers(one.high, trace.M, `${at}, high`);
    return sized({ ...named(one, i, at), values, low, high });
  });
  if (given.length) return given;
  if (trace.links.length) return trace.links.map(outgoingImportance);
  const none = { key: "none", label: "none given", unit: "", origin: "" };
  return [sized({ ...none, values: new Float64Array(trace.M).fill(NaN), low: null, high: null })];
}

function named(one, place, name) {
  const key = textOf(one.key, `${name}, key`) || `#${place}`, unit = textOf(one.unit, `${name}, unit`);
  return { key, label: textOf(one.label, `${name}, label`) || key, unit,
    origin: textOf(one.origin, `${name}, origin`) };
}

function sized(importance) {
  const most = importance.values.reduce((top, value) => (Math.abs(value) > top ? Math.abs(value) : top), 0);
  return { ...importance, most };
}

/** Stands in where a trace has links and no importances: the mean |score| of a sentence's links to later ones. */
function outgoingImportance(link) {
  const values = Float64Array.from(range(link.M), (i) => {
    const scores = range(link.M - 1 - i).map((k) =>
      Math.abs(link.flat[packed(link.M, i, i + 1 + k)])).filter(Number.isFinite);
    return scores.length ? scores.reduce((a, b) => a + b) / scores.length : NaN;
  });
  return sized({ ...link, key: `outgoing-${link.key}`, label: `Mean effect on later sentences: ${link.label}`, values,
    low: null, high: null });
}

function readLink(one, M, name) {
  const flat = triangle(one?.rows, M, `${name}, rows`);
  const low = one.low ? triangle(one.low, M, `${name}, low`) : null,
    high = one.high ? triangle(one.high, M, `${name}, high`) : null;
  return { ...named(one, 0, name), M, flat, low, high, ...magnitudes(flat) };
}

/** Packs rows[i][k], the score of i → i + 1 + k, one row after the other: Float64Array (M (M − 1) / 2,). */
function triangle(rows, M, name) {
  const flat = new Float64Array((M * (M - 1)) / 2);
  listOf(rows, M, name).forEach((row, i) => {
    if (i < M - 1) flat.set(numbersOf(row, M - 1 - i, `${name} ${i}`), packed(M, i, i + 1));
  });
  return flat;
}

/** Place of i → j (j > i) in a packed triangle. */
const packed = (M, i, j) => i * (M - 1) - (i * (i - 1)) / 2 + (j - i - 1);

/** Least |score| and the 99th percentile of |score|, the end of the colour and opacity scales. */
function magnitudes(flat) {
  const sizes = flat.filter((score) => Number.isFinite(score) && score !== 0).map(Math.abs).sort();
  if (!sizes.length) return { least: 0, limit: 1, beyond: 0, signed: false };
  const limit = sizes[Math.ceil(0.99 * (sizes.length - 1))],
    beyond = sizes.filter((size) => size > limit).length / sizes.length;
  return { least: sizes[0], limit, beyond, signed: flat.some((score) => score < 0) };
}

function readCurve(one, M, name) {
  const curve = { values: numbersOf(one?.values, [M, M + 1], `${name}, values`) }, length = curve.values.length;
  for (const part of ["low", "high", "n"]) curve[part] = optionalNumbers(one[part], length, `${name}, ${part}`);
  return curve;
}

function readAnswers(rows, M, name) {
  return listOf(rows, [M, M + 1], name).map((row, i) =>
    listOf(row ?? [], null, `${name} ${i}`).map((pair) => {
      const [answer, share] = listOf(pair, 2, `${name} ${i}`);
      if (typeof share !== "number") throw new Fault(`${name} ${i}`, described(share), "a share in 0 to 1");
      return [textOf(answer, `${name} ${i}`), share];
    }));
}

function readAlternatives(rows, M, name) {
  return listOf(rows, M, name).map((row, i) =>
    listOf(row ?? [], null, `${name} ${i}`).map((one) => ({
      text: textOf(one?.text, `${name} ${i}, text`),
      answer: textOf(one?.answer, `${name} ${i}, answer`),
      right: typeof one?.right === "boolean" ? one.right : null,
      different: typeof one?.different === "boolean" ? one.different : null,
      similarity: typeof one?.similarity === "number" ? one.similarity : NaN,
      count: Number.isInteger(one?.count) ? one.count : 1,
    })));
}

function readHead(one, M, name) {
  const received = numbersOf(one?.received, M, `${name}, received`);
  const flat = one.rows ? triangle(one.rows, M, `${name}, rows`) : null;
  const kurtosis = typeof one.kurtosis === "number" ? one.kurtosis : NaN;
  const title = `Layer ${textOf(one.layer, name)}, head ${textOf(one.head, name)}`;
  return { title, kurtosis, receiver: one.receiver === true, received, flat, M, ...magnitudes(flat ?? received) };
}

// ---------------------------------------------------------------------------------------------------------- links
/** Returns the links among visible sentences that are among the k strongest, by |score|, of their source or target.
 * A list of { from, to, score, at }, the strongest last; scores of 0 are no links. */
function strongestLinks(link, visible, k) {
  const { M, flat } = link, sources = range(M).map(() => []), targets = range(M).map(() => []);
  if (k < 1) return [];
  for (let from = 0, at = 0; from < M; from += 1) {
    for (let to = from + 1; to < M; to += 1, at += 1) {
      if (!visible[from] || !visible[to] || !flat[at]) continue; // NaN and 0 alike
      keepStrongest(sources[from], k, Math.abs(flat[at]), at, to);
      keepStrongest(targets[to], k, Math.abs(flat[at]), at, from);
    }
  }
  const kept = new Map();
  sources.forEach((list, from) => list.forEach(({ at, other }) =>
    kept.set(at, { from, to: other, score: flat[at], at })));
  targets.forEach((list, to) => list.forEach(({ at, other }) =>
    kept.set(at, { from: other, to, score: flat[at], at })));
  return [...kept.values()].sort((a, b) => Math.abs(a.score) - Math.abs(b.score) || a.at - b.at);
}

/** Keeps a list of at most k in falling size; of equals the first stays first. */
function keepStrongest(list, k, size, at, other) {
  if (list.length === k && size <= list[k - 1].size) return;
  let place = list.length;
  while (place > 0 && list[place - 1].size < size) place -= 1;
  list.splice(place, 0, { size, at, other });
  if (list.length > k) list.pop();
}

/** Returns the k strongest links that leave (or enter) a sentence: list of { index, score, at }. */
function linksOf(link, index, outgoing, k, visible = null) {
  const list = [];
  for (const other of outgoing ? range(link.M).slice(index + 1) : range(index)) {
    const at = outgoing ? packed(link.M, index, other) : packed(link.M, other, index), size = Math.abs(link.flat[at]);
    if (size > 0 && (!visible || visible[other])) keepStrongest(list, k, size, at, other);
  }
  return list.map(({ at, other }) => ({ index: other, score: link.flat[at], at }));
}

/** Strength of a score between 0 (the weakest link of the trace) and 1. */
function weightOf(link, score) {
  const span = link.limit - link.least;
  return span > 0 ? clamp((Math.abs(score) - link.least) / span, 0, 1) : 1;
}

/** Returns the sentence a reader should see first: the most important, by the first importance. */
function mostInfluential(trace) {
  const { values } = trace.importances[0];
  return values.reduce((best, value, i) => (Math.abs(value) > Math.abs(values[best]) ||
    Number.isNaN(values[best]) ? i : best), 0);
}

// ----------------------------------------------------------------------------------------------------- statistics
/** Ranks from 1, equal values share their mean rank. */
function ranks(values) {
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => values[a] - values[b]);
  const rank = new Float64Array(values.length);
  for (let start = 0, end = 0; start < order.length; start = end) {
    while (end < order.length && values[order[end]] === values[order[start]]) end += 1;
    for (let k = start; k < end; k += 1) rank[order[k]] = (start + 1 + end) / 2;
  }
  return rank;
}

function pearson(x, y) {
  const n = x.length, mx = x.reduce((a, b) => a + b, 0) / n, my = y.reduce((a, b) => a + b, 0) / n;
  let xy = 0, xx = 0, yy = 0;
  for (let i = 0; i < n; i += 1) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) ** 2;
    yy += (y[i] - my) ** 2;
  }
  return xy / Math.sqrt(xx * yy);
}

/** Spearman's rank correlation of two packed triangles over pairs known in both, at most `reach` sentences apart. */
function spearman(a, b, M, reach = Infinity) {
  const x = [], y = [];
  for (let from = 0, at = 0; from < M; from += 1)
    for (let to = from + 1; to < M; to += 1, at += 1)
      if (to - from <= reach && Number.isFinite(a[at]) && Number.isFinite(b[at])) {
        x.push(a[at]);
        y.push(b[at]);
      }
  return { n: x.length, rho: x.length > 2 ? pearson(ranks(x), ranks(y)) : NaN };
}

// ------------------------------------------------------------------------------------------------------------ TeX
const MATHML = "http://www.w3.org/1998/Math/MathML";
const m = (tag, attributes = {}, ...children) => filled(document.createElementNS(MATHML, tag), attributes, children);
const pairs = (text) => Object.fromEntries(text.trim().split(/\s+/).map((one) => one.split("=")).map(([a, ...b]) =>
  [a, b.join("=") || "="]));

const LETTERS = pairs(`
  alpha=α beta=β gamma=γ delta=δ epsilon=ϵ varepsilon=ε zeta=ζ eta=η theta=θ vartheta=ϑ iota=ι kappa=κ lambda=λ mu=μ
  nu=ν xi=ξ pi=π varpi=ϖ rho=ρ varrho=ϱ sigma=σ varsigma=ς tau=τ upsilon=υ phi=ϕ varphi=φ chi=χ psi=ψ omega=ω Gamma=Γ
  Delta=Δ Theta=Θ Lambda=Λ Xi=Ξ Pi=Π Sigma=Σ Upsilon=Υ Phi=Φ Psi=Ψ Omega=Ω infty=∞ ell=ℓ hbar=ℏ imath=ı jmath=ȷ
  partial=∂ nabla=∇ emptyset=∅ varnothing=∅ aleph=ℵ Re=ℜ Im=ℑ ldots=… dots=… dotsc=… dotsb=⋯ cdots=⋯ vdots=⋮ ddots=⋱
  degree=° top=⊤ bot=⊥ square=□ Box=□ blacksquare=■ triangle=△ angle=∠ checkmark=✓ prime=′ dagger=† star=⋆`);
const OPERATORS = pairs(`
  cdot=· times=× div=÷ pm=± mp=∓ ast=∗ circ=∘ bullet=• oplus=⊕ otimes=⊗ leq=≤ le=≤ leqslant=⩽ geq=≥ ge=≥ geqslant=⩾
  neq=≠ ne=≠ approx=≈ equiv=≡ cong=≅ sim=∼ simeq=≃ propto=∝ ll=≪ gg=≫ in=∈ notin=∉ ni=∋ subset=⊂ subseteq=⊆ supset=⊃
  supseteq=⊇ cup=∪ cap=∩ setminus=∖ to=→ rightarrow=→ leftarrow=← Rightarrow=⇒ Leftarrow=⇐ leftrightarrow=↔
  Leftrightarrow=⇔ iff=⟺ implies=⟹ mapsto=↦ longrightarrow=⟶ uparrow=↑ downarrow=↓ forall=∀ exists=∃ neg=¬ lnot=¬
  land=∧ wedge=∧ lor=∨ vee=∨ mid=∣ nmid=∤ parallel=∥ perp=⟂ therefore=∴ because=∵ colon=: lt=< gt=> langle=⟨ rangle=⟩
  lfloor=⌊ rfloor=⌋ lceil=⌈ rceil=⌉ lvert=| rvert=| vert=| Vert=‖ lVert=‖ rVert=‖ lbrace={ rbrace=} lbrack=[ rbrack=]
  backslash=\\ |=‖ {={ }=} %=% $=$ #=# &=& _=_`);
const BIG = pairs("sum=∑ prod=∏ coprod=∐ bigcup=⋃ bigcap=⋂ bigoplus=⨁ bigotimes=⨂ bigvee=⋁ bigwedge=⋀");
const INTEGRALS = pairs("int=∫ iint=∬ iiint=∭ oint=∮");
const FUNCTIONS = new Set(`
  sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln lg exp det dim ker deg arg hom gcd lcm Pr
  mod`.trim().split(/\s+/));
const LIMITS = new Set("lim max min sup inf limsup liminf argmax argmin".split(" "));
const SPACES = pairs(`
  ,=0.17em :=0.22em >=0.22em ;=0.28em !=0em quad=1em qquad=2em ~=0.3em thinspace=0.17em enspace=0.5em`);
const ACCENTS = pairs(`
  bar=¯ overline=‾ hat=^ widehat=^ vec=→ overrightarrow=→ tilde=~ widetilde=~ dot=˙ ddot=¨ overbrace=⏞ overarc=⌒`);
const SILENT = new Set(`
  displaystyle textstyle scriptstyle limits nolimits hline hfill allowbreak nonumber notag big Big bigg Bigg bigl bigr
  Bigl Bigr biggl biggr Biggl Biggr relax`.trim().split(/\s+/));
const TEXTS = new Set(`
  text textbf textit textrm textsf texttt textnormal mbox hbox emph operatorname tag label`.trim().split(/\s+/));
// where an alphabet of Unicode begins: capitals, small letters, digits; some letters are elsewhere
const ALPHABETS = {
  mathbb: [0x1d538, 0x1d552, 0x1d7d8], mathbf: [0x1d400, 0x1d41a, 0x1d7ce], boldsymbol: [0x1d400, 0x1d41a, 0x1d7ce],
  mathcal: [0x1d49c, 0x1d4b6], mathscr: [0x1d49c, 0x1d4b6], mathfrak: [0x1d504, 0x1d51e],
  mathsf: [0x1d5a0, 0x1d5ba, 0x1d7e2], mathtt: [0x1d670, 0x1d68a, 0x1d7f6],
};
const ELSEWHERE = {
  0x1d53a: "ℂ", 0x1d53f: "ℍ", 0x1d545: "ℕ", 0x1d547: "ℙ", 0x1d548: "ℚ", 0x1d549: "ℝ", 0x1d551: "ℤ",
  0x1d49d: "ℬ", 0x1d4a0: "ℰ", 0x1d4a1: "ℱ", 0x1d4a3: "ℋ", 0x1d4a4: "ℐ", 0x1d4a7: "ℒ", 0x1d4a8: "ℳ", 0x1d4ad: "ℛ",
  0x1d4ba: "ℯ", 0x1d4bc: "ℊ", 0x1d4c4: "ℴ",
  0x1d506: "ℭ", 0x1d50b: "ℌ", 0x1d50c: "ℑ", 0x1d515: "ℜ", 0x1d51d: "ℨ",
};
const FENCES = { pmatrix: ["(", ")"], bmatrix: ["[", "]"], Bmatrix: ["{", "}"], vmatrix: ["|", "|"],
  Vmatrix: ["‖", "‖"], cases: ["{", ""] };
const BARE = "matrix smallmatrix array align aligned split gather gathered eqnarray equation alignat multline";
for (const name of BARE.split(" ")) FENCES[name] = ["", ""];
const SCRIPTS = new Set(["^", "_", "'", "\\limits", "\\nolimits"]);
const DEEPEST = 40;
const LONGEST = 4000;

/** Returns a math element for TeX; null when it is malformed, too deep or too long. Builds nodes, parses no HTML. */
function mathOf(source, display = false) {
  if (source.length > LONGEST) return null;
  try {
    const reader = new TexReader(source), row = reader.row();
    if (reader.peek() !== undefined) return null;
    return m("math", display ? { display: "block", alttext: source } : { alttext: source }, m("mrow", {}, row));
  } catch (error) {
    if (error instanceof TexFault) return null;
    throw error;
  }
}

// a command, an escape, a number with or without thousands, space, or any other character
const TOKENS = /\\[A-Za-z]+\*?|\\[^]|[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+(?:\.[0-9]+)?|\s+|[^]/gu;

class TexFault extends Error {}

/** Reads TeX from left to right; each method consumes what it names and returns MathML nodes. */
class TexReader {
  constructor(source) {
    this.tokens = source.match(TOKENS) ?? [];
    this.at = 0;
    this.depth = 0;
  }

  peek() {
    while (this.at < this.tokens.length && /^\s+$/.test(this.tokens[this.at])) this.at += 1;
    return this.tokens[this.at];
  }

  next() {
    const token = this.peek();
    if (token === undefined) throw new TexFault("the end");
    this.at += 1;
    return token;
  }

  expect(wanted) {
    if (this.next() !== wanted) throw new TexFault(`no ${wanted}`);
  }

  /** Nodes up to a token in `ends`, which is not consumed, or to the end. */
  row(ends = ["}"]) {
    this.depth += 1;
    if (this.depth > DEEPEST) throw new TexFault("too deep");
    const nodes = [];
    for (let token = this.peek(); token !== undefined && !ends.includes(token);
      token = this.peek()) nodes.push(...this.scripted());
    this.depth -= 1;
    return nodes;
  }

  /** An atom with its subscript, superscript and primes. */
  scripted() {
    const base = ["^", "_", "'"].includes(this.peek()) ? m("mrow") : this.atom();
    let sub = null, sup = null, primes = "";
    for (let token = this.peek(); SCRIPTS.has(token); token = this.peek()) {
      this.at += 1;
      if (token.startsWith("\\")) continue; // \limits after a sum
      if (token === "'") primes += "′";
      else if (token === "^" ? sup : sub) throw new TexFault("two scripts");
      else if (token === "^") sup = this.argument();
      else sub = this.argument();
    }
    if (primes) sup = m("mrow", {}, m("mo", {}, primes), sup);
    if (!base) return sub || sup ? [withScripts(m("mrow"), sub, sup)] : [];
    return [sub || sup ? withScripts(base, sub, sup) : base];
  }

  /** A group in braces, or one token: of a number its first digit only. */
  argument() {
    const token = this.peek();
    if (token === undefined || ["}", "&", "^", "_"].includes(token)) throw new TexFault("no argument");
    if (/^[0-9]./.test(token)) {
      this.tokens.splice(this.at, 1, token[0], token.slice(1));
    }
    return this.atom() ?? m("mrow");
  }

  optional() {
    if (this.peek() !== "[") return null;
    this.at += 1;
    const nodes = this.row(["]", "}"]);
    this.expect("]");
    return m("mrow", {}, nodes);
  }

  group() {
    const nodes = this.row();
    this.expect("}");
    return m("mrow", {}, nodes);
  }

  /** Text in braces as it stands, with the escapes resolved. */
  raw() {
    this.expect("{");
    let depth = 1, text = "";
    while (depth) {
      const token = this.tokens[this.at];
      if (token === undefined) throw new TexFault("unclosed text");
      this.at += 1;
      depth += token === "{" ? 1 : token === "}" ? -1 : 0;
      if (depth && token !== "{" && token !== "}") text += /^\\[^A-Za-z]$/.test(token) ? token[1] : token;
    }
    return text.replace(/\s+/g, " ").replace(/^ | $/g, "\u00a0");
  }

  atom() {
    const token = this.next();
    if (token === "{") return this.group();
    if (token === "}" || token === "&") throw new TexFault(token);
    if (token.startsWith("\\")) return this.command(token.slice(1));
    if (/^[0-9]/.test(token)) return m("mn", {}, token);
    if (/^\p{L}$/u.test(token)) return m("mi", {}, token);
    if (token === "~") return m("mspace", { width: SPACES["~"] });
    if (/^[()[\]|/]$/.test(token)) return m("mo", { stretchy: "false" }, token);
    return m("mo", {}, { "-": "−", "*": "∗" }[token] ?? token);
  }

  command(name) {
    const own = (table) => Object.hasOwn(table, name);
    if (own(LETTERS)) return m("mi", {}, LETTERS[name]);
    if (own(OPERATORS)) return m("mo", { stretchy: "false" }, OPERATORS[name]);
    if (own(BIG)) return Object.assign(m("mo", { movablelimits: "true" }, BIG[name]), { limits: true });
    if (own(INTEGRALS)) return m("mo", {}, INTEGRALS[name]);
    if (own(SPACES)) return m("mspace", { width: SPACES[name] });
    if (own(ACCENTS)) return m("mover", { accent: "true" }, this.argument(), m("mo", {}, ACCENTS[name]));
    if (own(ALPHABETS)) return inAlphabet(this.argument(), ALPHABETS[name]);
    if (FUNCTIONS.has(name)) return m("mrow", {}, m("mi", {}, name), this.functionSpace());
    if (LIMITS.has(name)) return Object.assign(m("mo", { movablelimits: "true" }, name), { limits: true });
    if (TEXTS.has(name.replace("*", ""))) return m("mtext", {}, this.raw());
    if (SILENT.has(name)) return null;
    if (Object.hasOwn(TEX_COMMANDS, name)) return TEX_COMMANDS[name](this);
    return m("mtext", { class: "unknown" }, `\\${name}`);
  }

  functionSpace() {
    return /^[A-Za-z0-9\\]/.test(this.peek() ?? "") &&
      !["\\right", "\\end"].includes(this.peek()) ? m("mspace", { width: "0.17em" }) : null;
  }

  /** \left … \right with fences that grow. */
  fenced() {
    const open = this.fence(), nodes = this.row(["\\right", "}"]);
    this.expect("\\right");
    return m("mrow", {}, open, nodes, this.fence());
  }

  fence() {
    const token = this.next(), name = token.startsWith("\\") ? token.slice(1) : token;
    if (token === ".") return null;
    return m("mo", { stretchy: "true", fence: "true" },
      token.startsWith("\\") && Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : token);
  }

  /** \begin{…} … \end{…} as a table between fences. */
  environment() {
    const name = this.raw().replace("*", "");
    if (!Object.hasOwn(FENCES, name)) throw new TexFault(name);
    if (name === "array" || name === "alignat") this.raw();
    const rows = [[]];
    for (;;) {
      rows.at(-1).push(m("mtd", {}, this.row(["&", "\\\\", "\\end", "}"])));
      const token = this.next();
      if (token === "\\end") break;
      if (token === "}") throw new TexFault("}");
      if (token === "\\\\") rows.push([]);
    }
    if (this.raw().replace("*", "") !== name) throw new TexFault("another end");
    const table = m("mtable", { class: name },
      rows.filter((row) => row.some((cell) => cell.childNodes.length)).map((row) => m("mtr", {}, row)));
    return m("mrow", {}, ...FENCES[name].map((one) => one &&
      m("mo", { stretchy: "true", fence: "true" }, one)).toSpliced(1, 0, table).filter(Boolean));
  }
}

const fraction = (tex) => m("mfrac", {}, tex.argument(), tex.argument());
const inParentheses = (node) => m("mrow", {}, m("mo", {}, "("), node, m("mo", {}, ")"));
const binomial = (tex) => inParentheses(m("mfrac", { linethickness: "0" }, tex.argument(), tex.argument()));
const boxed = (tex) => m("mrow", { class: "boxed" }, tex.argument());
const upright = (tex) => uprightLetters(tex.argument());
const over = (tex) => {
  const top = tex.argument();
  return m("mover", {}, tex.argument(), top);
};
const TEX_COMMANDS = {
  frac: fraction, dfrac: fraction, tfrac: fraction, cfrac: fraction, binom: binomial, dbinom: binomial,
    tbinom: binomial, boxed, fbox: boxed,
  mathrm: upright, mathit: (tex) => tex.argument(), overset: over, stackrel: over, left: (tex) => tex.fenced(),
    begin: (tex) => tex.environment(),
  sqrt: (tex) => {
    const index = tex.optional(), inside = tex.argument();
    return index ? m("mroot", {}, inside, index) : m("msqrt", {}, inside);
  },
  underset: (tex) => {
    const below = tex.argument();
    return m("munder", {}, tex.argument(), below);
  },
  underline: (tex) => m("munder", {}, tex.argument(), m("mo", {}, "_")),
  underbrace: (tex) => m("munder", {}, tex.argument(), m("mo", {}, "⏟")),
  substack: (tex) => tex.argument(), cancel: (tex) => tex.argument(),
    phantom: (tex) => m("mphantom", {}, tex.argument()),
  middle: (tex) => tex.fence(), "\\": () => m("mspace", { width: "1em" }),
    " ": () => m("mspace", { width: SPACES["~"] }),
  pmod: (tex) => m("mrow", {}, m("mspace", { width: "1em" }),
    inParentheses(m("mrow", {}, m("mi", {}, "mod"), m("mspace", { width: "0.3em" }), tex.argument()))),
  bmod: () => m("mo", {}, "mod"),
  not: (tex) => m("mo", {}, `${tex.argument().textContent}\u0338`),
  color: (tex) => (tex.raw(), null), textcolor: (tex) => (tex.raw(), tex.argument()),
};

function withScripts(base, sub, sup) {
  const [both, below, above] = base.limits ? ["munderover", "munder", "mover"] : ["msubsup", "msub", "msup"];
  if (sub && sup) return m(both, {}, base, sub, sup);
  return sub ? m(below, {}, base, sub) : m(above, {}, base, sup);
}

/** Replaces letters and digits by those of another alphabet of Unicode. */
function inAlphabet(node, starts) {
  for (const leaf of node.childNodes.length && node.firstElementChild ? node.querySelectorAll("mi, mn") : [node])
    leaf.textContent = leaf.textContent.replace(/[A-Za-z0-9]/g, (letter) => {
      const [start, from] = /[A-Z]/.test(letter) ? [starts[0], "A"] : /[a-z]/.test(letter) ? [starts[1], "a"]
        : [starts[2], "0"];
      const code = start + letter.charCodeAt(0) - from.charCodeAt(0);
      return start ? ELSEWHERE[code] ?? String.fromCodePoint(code) : letter;
    });
  return node;
}

function uprightLetters(node) {
  for (const leaf of node.matches("mi") ? [node] : node.querySelectorAll("mi")) leaf.setAttribute("mathvariant",
    "normal");
  return node;
}

// ----------------------------------------------------------------------------------------------------------- text
// \(…\), \[…\], $$…$$, $…$ without space inside the dollars and no digit after them, and a \boxed{…} by itself
const DELIMITERS = new RegExp([
  /\\\(([^]{1,4000}?)\\\)/, /\\\[([^]{1,4000}?)\\\]/, /\$\$([^$]{1,4000}?)\$\$/,
  /(\\boxed\{[^{}$]{1,200}\})/, /\$(?![\s$])((?:\\.|[^$\\\n]|\n(?!\s*\n)){0,2000}?[^\s\\$]|[^\s\\$])\$(?!\d)/,
].map((one) => one.source).join("|"), "g");

/** Returns nodes for a text with TeX between $…$, $$…$$, \(…\) or \[…\]; amounts of dollars stay text. */
function rich(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(DELIMITERS)) {
    const [whole, inline, display, double, box, single] = match;
    const math = isMoney(text, match.index, single) ? null
      : mathOf(inline ?? display ?? double ?? box ?? single, Boolean(display ?? double));
    if (!math) continue;
    nodes.push(text.slice(end, match.index), math);
    end = match.index + whole.length;
  }
  return [...nodes, text.slice(end)];
}

/** "$5 apples for US$" and "\$5" are no formulas. */
function isMoney(text, at, inside) {
  return inside !== undefined && (text[at - 1] === "\\" || /^\d[\d.,]*\s+(?:\p{L}{2,}|[–-]\s)/u.test(inside));
}

/** Returns nodes for an answer, which is TeX when it looks like it. */
function richAnswer(answer) {
  if (!answer) return ["no answer"];
  const math = /[\\^_]/.test(answer) && !/\$|\\[([]/.test(answer) ? mathOf(answer) : null;
  return math ? [math] : rich(answer);
}

// ------------------------------------------------------------------------------------------------ drawing helpers
/** Label of a sentence: initials of its category and its index. */
const tagOf = (trace, i) => `${trace.sentences[i].category.initials} ${i}`;

/** A link's score in words: number, interval and unit. */
function scoreText(link, score, at) {
  return `${withInterval(score, link.low?.[at], link.high?.[at])}${link.unit ? ` ${link.unit}` : ""}`;
}

/** A button that shows a sentence's label and category colour and selects it, or does what `act` says. */
function sentenceButton(ctx, i, act = () => ctx.select(i)) {
  const { trace } = ctx.store.values, { colour, title } = trace.sentences[i].category;
  const onclick = (event) => (event.stopPropagation(), act());
  return h("button", { type: "button", class: "tag", "data-index": i, style: { borderLeftColor: `var(${colour})` },
    "aria-label": `${tagOf(trace, i)}, ${title}`, onclick }, tagOf(trace, i));
}

/** Value of a CSS colour variable in the theme that is on. */
const cssColour = (ctx, name) => getComputedStyle(ctx.root).getPropertyValue(name).trim();

/** Sets attributes of an SVG element; null removes one. */
function attrs(node, values) {
  for (const [name, value] of Object.entries(values))
    if (value === null || value === undefined) node.removeAttribute(name);
    else node.setAttribute(name, value);
  return node;
}

/** Keeps paths in a group, one for each `at` of a list: update(list, version, draw) draws those that are new or of
 * another version, leaves the others alone and takes away the rest. */
function pathPool(group) {
  const shown = new Map();
  return (list, version, draw) => {
    const wanted = new Set(list.map(({ at }) => at));
    for (const [at, { path }] of shown) if (!wanted.has(at)) (path.remove(), shown.delete(at));
    for (const one of list) {
      const known = shown.get(one.at) ?? { path: group.appendChild(s("path")), version: null };
      if (known.version !== version) draw(known.path, one);
      shown.set(one.at, Object.assign(known, { version }));
    }
  };
}

/** Makes an SVG zoom by wheel, buttons and + − 0, and pan by dragging; `home()` is [width, height] of its viewBox. */
function zoomable(svg, home, zoomed) {
  let view = { x: 0, y: 0, zoom: 1 }, grip = null;
  function show(next) {
    const [width, height] = home(), zoom = clamp(next.zoom, 1, 12);
    view = { zoom, x: clamp(next.x, 0, width - width / zoom), y: clamp(next.y, 0, height - height / zoom) };
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${width / zoom} ${height / zoom}`);
    svg.classList.toggle("zoomed", zoom > 1);
    zoomed(zoom);
  }
  /** Zooms by a factor about a point in the drawing, by default its middle. */
  function by(factor, [px, py] = [view.x + home()[0] / view.zoom / 2, view.y + home()[1] / view.zoom / 2]) {
    const zoom = clamp(view.zoom * factor, 1, 12), ratio = view.zoom / zoom;
    show({ zoom, x: px - (px - view.x) * ratio, y: py - (py - view.y) * ratio });
  }
  svg.addEventListener("wheel", (event) => {
    if (event.deltaY > 0 && view.zoom === 1) return; // nothing left to zoom out of: the page scrolls
    event.preventDefault();
    by(Math.exp(-event.deltaY / 400), pointIn(svg, event));
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => {
    grip = view.zoom > 1 ? { x: event.clientX, y: event.clientY, from: view, moved: false } : null;
  });
  svg.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const scale = home()[0] / view.zoom / svg.clientWidth, dx = event.clientX - grip.x, dy = event.clientY - grip.y;
    if (Math.hypot(dx, dy) > 4) grip.moved = true;
    if (grip.moved) show({ zoom: view.zoom, x: grip.from.x - dx * scale, y: grip.from.y - dy * scale });
  });
  for (const name of ["pointerup", "pointerleave"]) svg.addEventListener(name, () => setTimeout(() => (grip = null)));
  return { by, reset: () => show({ x: 0, y: 0, zoom: 1 }), refresh: () => show(view),
    dragging: () => Boolean(grip?.moved), zoom: () => view.zoom };
}

/** Coordinates of a pointer event in the drawing. */
function pointIn(svg, event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [point.x, point.y];
}

/** Buttons + − and "whole" for what is zoomable. */
function zoomButtons(zoom) {
  const button = (name, sign, run) => h("button", { type: "button", "aria-label": name, title: name, onclick: run },
    sign);
  return h("div", { class: "zoom", role: "group", "aria-label": "Zoom" }, button("Zoom in", "+", () => zoom.by(1.4)),
    button("Zoom out", "−", () => zoom.by(1 / 1.4)), button("Show the whole drawing", "⤢", zoom.reset));
}

// --------------------------------------------------------------------------------------------------------- circle
/** The circle graph: sentences on a circle, lines in reading order, dashed links whose opacity follows the score. */
function circleView(ctx) {
  const { store } = ctx, layer = (name) => s("g", { class: name });
  const layers = { truth: layer("truths"), sequence: s("path", { class: "sequence" }), links: layer("links"),
    nodes: layer("nodes"), focus: layer("focus") };
  const svg = s("svg", { class: "drawing circle", role: "group",
    "aria-label": "Sentences on a circle and the links between them" },
    Object.values(layers));
  const [drawLinks, drawTruth, drawFocus] = [layers.links, layers.truth, layers.focus].map(pathPool);
  let places = null, nodes = [], named = [], pressed = null, focus = {};
  const zoom = zoomable(svg, () => [places?.size ?? 1, places?.size ?? 1], () => label());

  function draw() {
    const { trace, metric, kind, visible, width } = store.values, first = places === null,
      importance = trace.importances[metric];
    if (places?.trace !== trace) nodes = circleNodes(ctx, layers.nodes, trace);
    if (first || places.importance !== importance || places.link !== trace.links[kind] || places.width !== width) {
      places = { ...circlePlaces(trace, importance, clamp(width, 280, 720)), link: trace.links[kind], width };
      nodes.forEach((node, i) => placeNode(node, i, places, trace, importance));
    }
    nodes.forEach((node, i) => node.classList.toggle("off", !visible[i]));
    attrs(layers.sequence, { d: sequencePath(places, visible) });
    lines();
    zoom.refresh();
    mark();
    if (first) requestAnimationFrame(() => setTimeout(() => performance.mark("explorer: circle painted")));
  }

  function lines() {
    const { trace, drawn, truth, visible } = store.values;
    drawLinks(drawn, places, (path, one) => drawChord(path, places, one, one.score < 0 ? "link negative" : "link",
      0.2 + 0.8 * weightOf(places.link, one.score) ** 2));
    const known = truth ? trueLinks(trace).filter(({ from, to }) => visible[from] && visible[to]) : [];
    drawTruth(known, places, (path, one) => drawChord(path, places, one, "truth", 1, 6));
  }

  /** Shows the labels that fit at this zoom, the important first. */
  function label() {
    const { trace, metric, visible } = store.values, scale = zoom.zoom();
    layers.nodes.style.fontSize = `${12 / scale}px`;
    const fits = labelled(trace.importances[metric].values, visible, Math.ceil(13 / (places.gap * scale)));
    nodes.forEach((node, i) => {
      node.classList.toggle("labelled", Boolean(fits[i]));
      node.lastChild.setAttribute("x", px(places.out[i] * (places.radii[i] + 5 / scale)));
    });
  }

  function mark() {
    const { hovered, selected, drawn } = store.values, at = hovered ?? selected;
    const touching = at === null ? [] : drawn.filter(({ from, to }) => from === at || to === at);
    drawFocus(touching, at === focus.at && places === focus.places ? focus : (focus = { at, places }),
      (path, one) => drawChord(path, places, one, one.from === at ? "out" : "in", 1));
    svg.classList.toggle("focused", hovered !== null && touching.length > 0);
    for (const i of named) nodes[i]?.classList.remove("named", "at", "hover");
    named = [...touching.flatMap(({ from, to }) => [from, to]), at, selected].filter((i) => i !== null);
    for (const i of named) nodes[i]?.classList.add("named");
    nodes[selected]?.classList.add("at");
    nodes[hovered]?.classList.add("hover");
    press(nodes[selected ?? 0], selected !== null);
  }

  /** One node at a time takes part in the tab order: the selected, else the first. */
  function press(node, chosen) {
    if (pressed) attrs(pressed, { tabindex: -1, "aria-pressed": "false" });
    pressed = attrs(node, { tabindex: 0, "aria-pressed": String(chosen) });
  }

  svg.addEventListener("pointermove", (event) => {
    if (!zoom.dragging()) ctx.hover(nearestNode(places, store.values.visible, pointIn(svg, event), zoom.zoom()), event);
  });
  svg.addEventListener("pointerleave", () => ctx.hover(null));
  svg.addEventListener("click", (event) => {
    const i = zoom.dragging() ? null : nearestNode(places, store.values.visible, pointIn(svg, event), zoom.zoom());
    if (i !== null) ctx.select(i);
  });
  ctx.zooms.circle = zoom;
  return { key: "circle", title: "Circle", node: h("div", { class: "canvas" }, svg, zoomButtons(zoom)), draw, mark,
    figure: () => svg,
    keys: ["trace", "metric", "kind", "visible", "drawn", "truth", "width"] };
}

/** Makes a focusable node for each sentence; those of the last trace go. */
function circleNodes(ctx, group, trace) {
  const nodes = trace.sentences.map(({ category }, i) =>
    s("g", { class: "node", role: "button", tabindex: -1, "aria-pressed": "false", "data-index": i,
      style: { color: `var(${category.colour})` },
      onkeydown: (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), ctx.select(i)) },
    s("circle"), s("text", { dy: ".35em", "aria-hidden": "true" }, tagOf(trace, i))));
  group.replaceChildren(...nodes);
  return nodes;
}

/** Where the sentences sit in a square of `size` px: from the top, clockwise, with a gap between last and first. */
function circlePlaces(trace, importance, size) {
  const { M } = trace, R = size / 2 - 70, gap = (2 * Math.PI * R) / (M + 1.5);
  const base = clamp(gap * 0.28, 1.8, 7), grow = clamp(gap * 0.25, 1.6, 4.5);
  const places = { trace, importance, size, R, gap, M, x: new Float64Array(M), y: new Float64Array(M),
    angle: new Float64Array(M), radii: new Float64Array(M), out: new Int8Array(M) };
  for (let i = 0; i < M; i += 1) {
    const angle = -Math.PI / 2 + (2 * Math.PI * (i + 1.25)) / (M + 1.5),
      share = Math.abs(importance.values[i]) / importance.most;
    places.angle[i] = angle;
    places.x[i] = size / 2 + R * Math.cos(angle);
    places.y[i] = size / 2 + R * Math.sin(angle);
    places.radii[i] = base + grow * Math.log(1 + 20 * (share || 0));
    places.out[i] = Math.cos(angle) >= 0 ? 1 : -1;
  }
  return places;
}

function placeNode(node, i, places, trace, importance) {
  const [circle, text] = node.childNodes, turn = (places.angle[i] * 180) / Math.PI + (places.out[i] < 0 ? 180 : 0);
  attrs(node, { transform: `translate(${px(places.x[i])} ${px(places.y[i])})`,
    "aria-label": [`Sentence ${i}`, trace.sentences[i].category.title,
      `${importance.label} ${fmt(importance.values[i])}`].join(", ") });
  attrs(circle, { r: px(places.radii[i]) }).classList.toggle("negative", importance.values[i] < 0);
  attrs(text, { transform: `rotate(${px(turn)})`, "text-anchor": places.out[i] < 0 ? "end" : "start" });
}

/** One path through the visible sentences in reading order. */
function sequencePath({ x, y, M }, visible) {
  return range(M).filter((i) => visible[i]).map((i, k) =>
    `${k ? "L" : "M"}${px(x[i])} ${px(y[i])}`).join("");
}

/** Draws a link with its arrow head as one path: lines of 1 px, arms as long as a dash, are painted fastest. */
function drawChord(path, places, { from, to }, kind, opacity, shift = 0) {
  attrs(path, { class: `line ${kind}`, d: chord(places, from, to, shift), "stroke-opacity": opacity.toFixed(2),
    "data-from": from, "data-to": to });
}

/** A curve from one sentence to another that bends to the middle and ends at the rim of the target in an arrow. */
function chord({ x, y, radii, size, R }, from, to, shift) {
  const mx = (x[from] + x[to]) / 2, my = (y[from] + y[to]) / 2,
    far = Math.hypot(x[from] - x[to], y[from] - y[to]) / (2 * R);
  const pull = 0.95 - 0.75 * Math.sqrt(far), cx = mx + (size / 2 - mx) * (1 - pull) + shift,
    cy = my + (size / 2 - my) * (1 - pull) + shift;
  const back = Math.hypot(cx - x[to], cy - y[to]) || 1, ux = (cx - x[to]) / back, uy = (cy - y[to]) / back,
    rim = Math.min(back, radii[to] + 2);
  const ex = px(x[to] + ux * rim), ey = px(y[to] + uy * rim),
    arm = (side) => `${px(5 * ux + 2.5 * side * uy)} ${px(5 * uy - 2.5 * side * ux)}`;
  return `M${px(x[from])} ${px(y[from])}Q${px(cx)} ${px(cy)} ${ex} ${ey}l${arm(1)}M${ex} ${ey}l${arm(-1)}`;
}

/** Which labels fit when neighbours must be `apart` places apart: the most important first. */
function labelled(values, visible, apart) {
  const fits = new Uint8Array(values.length), order = range(values.length).filter((i) => visible[i]);
  order.sort((a, b) => (Math.abs(values[b]) || 0) - (Math.abs(values[a]) || 0));
  for (const i of order) if (!fits.subarray(Math.max(0, i - apart + 1), i + apart).includes(1)) fits[i] = 1;
  return fits;
}

/** The visible sentence under a point, by its disc or, outside the circle, by its label; null when there is none. */
function nearestNode({ x, y, radii, R, size, M, gap }, visible, [px, py], zoom) {
  const out = Math.hypot(px - size / 2, py - size / 2) - R, onLabels = out > 0 && out < 70;
  let best = null, least = onLabels ? Math.max(gap, 8 / zoom) : 8 / zoom;
  const shrink = onLabels ? R / (R + out) : 1, qx = size / 2 + (px - size / 2) * shrink,
    qy = size / 2 + (py - size / 2) * shrink;
  for (let i = 0; i < M; i += 1) {
    if (!visible[i]) continue;
    const distance = Math.min(Math.hypot(px - x[i], py - y[i]) - radii[i],
      onLabels ? Math.hypot(qx - x[i], qy - y[i]) - 1 : Infinity);
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

/** The true links of a trace, where they are known. */
function trueLinks(trace) {
  const known = trace.links.find((link) => link.key === "truth"), list = [];
  if (known) for (let from = 0, at = 0; from < trace.M; from += 1)
    for (let to = from + 1; to < trace.M; to += 1, at += 1) if (known.flat[at] > 0) list.push({ from, to, at });
  return list;
}

// ----------------------------------------------------------------------------------------------------------- tree
/** The attribution tree of the selected sentence: what acts on it, or what it acts on, over several steps. */
function treeView(ctx) {
  const { store } = ctx;
  const svg = s("svg", { class: "drawing tree", role: "group" }), note = h("p", { class: "muted" });
  let box = [1, 1], nodes = [];
  const zoom = zoomable(svg, () => box, () => {});

  function draw() {
    const { trace, kind, selected, direction, treeLinks, treeDepth, visible, width } = store.values,
      link = trace.links[kind];
    const root = attributionTree(link, selected ?? mostInfluential(trace), direction, treeLinks, treeDepth, visible);
    const flat = placeTree(root), column = Math.max(150, width / (treeDepth + 1));
    box = [Math.max(width, column * (1 + Math.max(...flat.map((one) => one.depth)))),
      34 * (1 + Math.max(...flat.map((one) => one.row))) + 8];
    const lines = flat.filter((one) => one.parent).map((one) => treeLine(one, column, direction, link));
    nodes = flat.map((one) => treeNode(ctx, one, column, trace));
    svg.replaceChildren(...lines, ...nodes);
    attrs(svg, { width: box[0], height: box[1], "aria-label": `${direction} links of sentence ${root.index}` });
    const words = direction === "incoming" ? "What acts on" : "What is acted on by";
    note.textContent = `${words} sentence ${root.index}, by ${link.label}: ` +
      `${flat.length - 1} links. Choose a sentence to make it the root.`;
    zoom.reset();
    mark();
  }

  function mark() {
    const { hovered, selected } = store.values;
    for (const node of nodes) {
      node.classList.toggle("at", Number(node.dataset.index) === selected);
      node.classList.toggle("hover", Number(node.dataset.index) === hovered);
    }
  }

  const under = (event) => (zoom.dragging() ? null : event.target.closest(".node")?.dataset.index ?? null);
  svg.addEventListener("pointermove", (event) => ctx.hover(under(event) === null ? null : Number(under(event)), event));
  svg.addEventListener("pointerleave", () => ctx.hover(null));
  svg.addEventListener("click", (event) => under(event) !== null && ctx.select(Number(under(event))));
  ctx.zooms.tree = zoom;
  return { key: "tree", title: "Tree", shown: (trace) => trace.links.length > 0, draw, mark, figure: () => svg,
    node: h("div", {}, h("div", { class: "beside" }, note, zoomButtons(zoom)),
      h("div", { class: "wide", tabindex: 0, role: "group", "aria-label": "Attribution tree" }, svg)),
    keys: ["trace", "kind", "selected", "direction", "treeLinks", "treeDepth", "visible", "width"] };
}

/** Returns { index, score, at, depth, parent, children }: the strongest links of each sentence down to a depth. */
function attributionTree(link, index, direction, count, deepest, visible, depth = 0, parent = null, score = NaN,
  at = null) {
  const node = { index, score, at, depth, parent, children: [] };
  if (depth < deepest) node.children = linksOf(link, index, direction === "outgoing", count, visible).map((one) =>
    attributionTree(link, one.index, direction, count, deepest, visible, depth + 1, node, one.score, one.at));
  return node;
}

/** Gives leaves rows from the top and parents the middle of their children; returns all nodes. */
function placeTree(root) {
  const nodes = [];
  let leaves = 0;
  (function place(node) {
    nodes.push(node);
    node.children.forEach(place);
    node.row = node.children.length ? (node.children[0].row + node.children.at(-1).row) / 2 : leaves++;
  })(root);
  return nodes;
}

const treePoint = (node, column) => [node.depth * column + 14, node.row * 34 + 20];

function treeLine(node, column, direction, link) {
  const [x1, y1] = treePoint(node.parent, column), [x2, y2] = treePoint(node, column),
    outgoing = direction === "outgoing", weight = weightOf(link, node.score);
  const left = x1 + 11, right = x2 - 11, half = (left + right) / 2,
    tip = outgoing ? `M${right} ${y2}l-7 -3v6z` : `M${left} ${y1}l7 -3v6z`;
  const kind = `link${node.score < 0 ? " negative" : ""}`, opacity = (0.4 + 0.6 * weight).toFixed(2);
  return s("g", {}, s("path", { class: `line ${kind}`, d: `M${left} ${y1}C${half} ${y1} ${half} ${y2} ${right} ${y2}`,
    "stroke-opacity": opacity, "stroke-width": px(1 + 2 * weight) }),
    s("path", { class: `head ${kind}`, d: tip, "fill-opacity": opacity }));
}

function treeNode(ctx, node, column, trace) {
  const [x, y] = treePoint(node, column), { category, text } = trace.sentences[node.index],
    room = Math.floor((column - 40) / 6.6);
  const score = node.parent ? ` ${fmt(node.score)}` : "",
    key = (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), ctx.select(node.index));
  return s("g", { class: "node", role: "button", tabindex: 0, "data-index": node.index, "data-depth": node.depth,
    transform: `translate(${x} ${y})`,
    "aria-label": [`Sentence ${node.index}`, category.title, node.parent ? `score ${fmt(node.score)}` : "root",
      text.slice(0, 120)].join(", "),
    style: { color: `var(${category.colour})` }, onkeydown: key },
  s("circle", { r: 8 }), s("text", { x: 12, dy: "-.15em", class: "name" }, `${tagOf(trace, node.index)}${score}`),
  s("text", { x: 12, dy: "1em", class: "snippet" }, clipped(text, room)));
}

const clipped = (text, room) => (text.length > room ? `${text.slice(0, Math.max(1, room - 1))}…` : text);

// ------------------------------------------------------------------------------------------------------ heat maps
const SCALES = {
  light: { negative: [[247, 247, 245], [253, 199, 130], [222, 120, 25], [127, 59, 8]],
    positive: [[247, 247, 245], [163, 201, 228], [52, 124, 187], [5, 48, 97]] },
  dark: { negative: [[38, 43, 49], [112, 70, 30], [214, 125, 42], [255, 214, 150]],
    positive: [[38, 43, 49], [31, 82, 122], [66, 150, 214], [190, 228, 255]] },
};

/** Colour of a score on a scale from −limit to limit: orange below 0, blue above; [r, g, b]. */
function scaleColour(share, dark) {
  const stops = SCALES[dark ? "dark" : "light"][share < 0 ? "negative" : "positive"],
    at = clamp(Math.abs(share), 0, 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  return stops[low].map((value, c) => Math.round(value + (stops[low + 1][c] - value) * (at - low)));
}

/** The colours of 511 steps from −1 to 1. */
const scaleTable = (dark) => Uint8ClampedArray.from(range(511).flatMap((k) =>
  [...scaleColour((k - 255) / 255, dark), 255]));
const isDark = (ctx) => parseInt(cssColour(ctx, "--paper").slice(1, 3), 16) < 128;

/** Paints a packed triangle on a canvas of M × M pixels: source down, target to the right. */
function trianglePicture(link, dark) {
  const { M, flat, limit } = link, picture = new ImageData(M, M), table = scaleTable(dark);
  for (let from = 0, at = 0; from < M; from += 1)
    for (let to = from + 1; to < M; to += 1, at += 1) {
      if (Number.isNaN(flat[at])) continue;
      const step = 4 * (255 + Math.round(255 * clamp(flat[at] / limit, -1, 1)));
      picture.data.set(table.subarray(step, step + 4), 4 * (from * M + to));
    }
  const canvas = h("canvas", { width: M, height: M });
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

/** A heat map of a link kind on a canvas, with axes, categories and a cursor on a second canvas.
 * `on.hover([from, to] | null, event)` and `on.pick([from, to])` tell what the reader does. */
function heatMap(ctx, on) {
  const base = h("canvas"), cursor = h("canvas", { tabindex: 0, role: "img", class: "cursor" });
  const node = h("div", { class: "heat" }, base, cursor);
  let link = null, size = 0, cell = 0, current = null;
  const EDGE = { left: 38, top: 30, right: 8, bottom: 8 };

  function draw(next, trace, side, truth, name) {
    [link, size] = [next, side];
    cell = (side - EDGE.left - EDGE.right) / link.M;
    for (const canvas of [base, cursor]) fitCanvas(canvas, side,
      side - EDGE.left - EDGE.right + EDGE.top + EDGE.bottom);
    const what = `heat map of ${link.M} × ${link.M} sentences, source down, target to the right`;
    attrs(cursor, { "aria-label": `${name}: ${what}. Arrow keys move, Enter selects.` });
    const paint = base.getContext("2d"), span = cell * link.M;
    paint.clearRect(0, 0, size, size);
    paint.imageSmoothingEnabled = false;
    paint.drawImage(trianglePicture(link, isDark(ctx)), EDGE.left, EDGE.top, span, span);
    axes(paint, trace, span);
    if (truth) outline(paint, trueLinks(trace));
  }

  function axes(paint, trace, span) {
    const step = niceStep(link.M, span / 34), colours = trace.sentences.map(({ category }) =>
      cssColour(ctx, category.colour));
    Object.assign(paint, { font: "12px system-ui, sans-serif", textBaseline: "middle" });
    for (let i = 0; i < link.M; i += 1) {
      paint.fillStyle = colours[i];
      paint.fillRect(EDGE.left + i * cell, EDGE.top - 7, Math.max(cell, 1), 5);
      paint.fillRect(EDGE.left - 7, EDGE.top + i * cell, 5, Math.max(cell, 1));
    }
    paint.fillStyle = cssColour(ctx, "--ink");
    for (let i = 0; i < link.M; i += step) {
      paint.textAlign = "center";
      paint.fillText(i, EDGE.left + (i + 0.5) * cell, EDGE.top - 16);
      paint.textAlign = "right";
      paint.fillText(i, EDGE.left - 10, EDGE.top + (i + 0.5) * cell);
    }
  }

  function outline(paint, cells) {
    Object.assign(paint, { strokeStyle: cssColour(ctx, "--ink"), lineWidth: 1.2 });
    for (const { from, to } of cells) paint.strokeRect(EDGE.left + to * cell + 0.5, EDGE.top + from * cell + 0.5,
      Math.max(cell - 1, 1.5), Math.max(cell - 1, 1.5));
  }

  /** Frames a cell, and the row and column of a sentence. */
  function mark(pair, selected) {
    const paint = cursor.getContext("2d"), span = link.M * cell;
    paint.clearRect(0, 0, size, size);
    current = pair;
    Object.assign(paint, { strokeStyle: cssColour(ctx, "--focus"), lineWidth: 1 });
    if (selected !== null) {
      paint.strokeRect(EDGE.left, EDGE.top + selected * cell, span, cell);
      paint.strokeRect(EDGE.left + selected * cell, EDGE.top, cell, span);
    }
    paint.lineWidth = 2.5;
    if (pair) paint.strokeRect(EDGE.left + pair[1] * cell - 2, EDGE.top + pair[0] * cell - 2, cell + 4, cell + 4);
  }

  function cellAt(event) {
    const frame = cursor.getBoundingClientRect(), to = Math.floor((event.clientX - frame.left - EDGE.left) / cell);
    const from = Math.floor((event.clientY - frame.top - EDGE.top) / cell);
    return from >= 0 && to < link.M && from < to ? [from, to] : null;
  }

  function move(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    const [from, to] = current ?? [0, Math.min(1, link.M - 1)];
    if (!step) return current && on.pick(current);
    const next = [clamp(from + step[0], 0, link.M - 2), clamp(to + step[1], 1, link.M - 1)];
    return next[0] < next[1] && on.hover(next, null);
  }

  cursor.addEventListener("pointermove", (event) => on.hover(cellAt(event), event));
  cursor.addEventListener("pointerleave", () => on.hover(null, null));
  cursor.addEventListener("click", (event) => cellAt(event) && on.pick(cellAt(event)));
  cursor.addEventListener("keydown", move);
  return { node, draw, mark, canvas: base, score: (pair) => pair && link.flat[packed(link.M, ...pair)] };
}

/** Sizes a canvas in CSS pixels and makes its context draw in them, sharp on dense screens. */
function fitCanvas(canvas, width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
}

/** A step of 1, 2, 5, 10 … such that at most `most` ticks fit on `count`. */
function niceStep(count, most) {
  for (let power = 1; ; power *= 10) for (const step of [1, 2, 5]) if (count / (step * power) <= Math.max(most,
    1)) return step * power;
}

/** The colour scale of a link kind, with its unit. */
function scaleLegend(ctx, link) {
  const low = fmt(link.signed ? -link.limit : 0), high = fmt(link.limit);
  const canvas = h("canvas", { role: "img", "aria-label": `colours from ${low} to ${high}` });
  fitCanvas(canvas, 180, 14);
  const paint = canvas.getContext("2d"), dark = isDark(ctx);
  for (let x = 0; x < 180; x += 1) {
    paint.fillStyle = `rgb(${scaleColour(link.signed ? x / 90 - 1 : x / 180, dark)})`;
    paint.fillRect(x, 0, 1, 14);
  }
  return h("p", { class: "scale" }, h("span", {}, low), canvas,
    h("span", {}, high),
    h("span", { class: "muted" },
      link.unit + after(" · ", link.beyond && `${percent(link.beyond)} lie beyond and get the last colour`)));
}

/** The heat map of the chosen link kind, linked to the text. */
function matrixView(ctx) {
  const { store } = ctx, legend = h("div"), readout = h("div", { class: "readout" });
  const map = heatMap(ctx, { hover: (pair, event) => ctx.point(pair, event, map.score(pair)),
    pick: (pair) => ctx.choose(pair) });

  function draw() {
    const { trace, kind, truth, width } = store.values, link = trace.links[kind];
    map.draw(link, trace, clamp(width, 260, 720), truth, link.label);
    legend.replaceChildren(scaleLegend(ctx, link));
    mark();
  }

  function mark() {
    const { trace, kind, pair, pointed, selected } = store.values;
    map.mark(pointed ?? pair, selected);
    readout.replaceChildren(...pairReadout(ctx, trace.links[kind], pointed ?? pair));
  }

  return { key: "matrix", title: "Matrix", shown: (trace) => trace.links.length > 0 && trace.M > 1, draw, mark,
    figure: () => map.canvas,
    node: h("div", {}, h("p", { class: "axes muted" }, "Source: row, down. Target: column, to the right."), map.node,
      legend, readout),
    keys: ["trace", "kind", "truth", "width", "theme"] };
}

/** Both sentences of a pair with the score between them. */
function pairReadout(ctx, link, pair) {
  if (!pair) return [h("p", { class: "muted" },
    "Point at a cell, or move with the arrow keys, to see both sentences; click or Enter selects the source.")];
  const [from, to] = pair, { trace } = ctx.store.values, at = packed(trace.M, from, to),
    truth = trace.links.find((one) => one.key === "truth");
  const line = (role, i) => h("p", { class: "clamp" }, h("span", { class: "muted" }, role), " ",
    sentenceButton(ctx, i), " ", rich(trace.sentences[i].text));
  const known = truth && truth !== link ? ` · true link: ${truth.flat[at] > 0 ? "yes" : "no"}` : "";
  return [h("p", {}, h("strong", {}, scoreText(link, link.flat[at], at)), `${known} · ${to - from} apart`),
    line("Source", from), line("Target", to)];
}

// --------------------------------------------------------------------------------------------------------- strips
const STRIP = { left: 46, right: 10, gap: 36 };

/** Scales of a row of charts along the sentences: a slot for each sentence; prefix i ends where sentence i begins. */
function stripScale(M, width) {
  const step = (width - STRIP.left - STRIP.right) / M;
  return { M, width, step, x: (i) => STRIP.left + (i + 0.5) * step, edge: (i) => STRIP.left + i * step,
    at: (x) => clamp(Math.floor((x - STRIP.left) / step), 0, M - 1) };
}

/** Frame of one chart: title, three ticks and grid lines; returns its group and y scale. */
function stripFrame(scale, top, height, title, low, high) {
  const y = (value) => top + height - ((value - low) / (high - low || 1)) * height,
    ticks = [...new Set([low, low < 0 && high > 0 ? 0 : (low + high) / 2, high])].filter((tick, k, all) => k === 1 ||
    all.length < 3 || Math.abs(y(tick) - y(all[1])) > 13);
  const group = s("g", { class: "strip" }, s("text", { x: STRIP.left, y: top - 10, class: "strip-title" },
    clipped(title, Math.floor((scale.width - STRIP.left) / 7))),
    ticks.map((tick) => [s("line", { class: "grid", x1: STRIP.left, x2: scale.width - STRIP.right, y1: y(tick),
      y2: y(tick) }),
      s("text", { class: "tick", x: STRIP.left - 6, y: y(tick), dy: ".35em", "text-anchor": "end" }, fmt(tick, 2))]));
  return { group, y };
}

/** Bars of one importance, coloured by category, with the ends of their intervals as whiskers. */
function importanceStrip(scale, top, height, trace, importance) {
  const ends = [0, ...importance.values, ...(importance.low ?? []), ...(importance.high ?? [])].filter(Number.isFinite);
  const title = `${importance.label}${importance.unit && ` (${importance.unit})`}${after(" · ", importance.origin)}`;
  const { group, y } = stripFrame(scale, top, height, title, Math.min(...ends),
    Math.max(...ends, Math.min(...ends) + 1e-9));
  const byCategory = Map.groupBy(range(trace.M).filter((i) => Number.isFinite(importance.values[i])),
    (i) => trace.sentences[i].category);
  const paths = Map.groupBy([...byCategory], ([category]) => category.colour), half = Math.max(scale.step * 0.4, 0.6);
  for (const [colour, groups] of paths) {
    const bars = groups.flatMap(([, list]) => list).map((i) =>
      `M${px(scale.x(i) - half)} ${px(y(0))}V${px(y(importance.values[i]))}h${px(2 * half)}V${px(y(0))}z`);
    group.append(s("path", { class: "bars", d: bars.join(""), style: { fill: `var(${colour})` } }));
  }
  if (importance.low && importance.high) group.append(s("path",
    { class: "whiskers", d: whiskers(scale, y, importance) }));
  return group;
}

function whiskers(scale, y, { low, high }) {
  const cap = Math.min(2.5, scale.step * 0.3);
  return range(scale.M).filter((i) => Number.isFinite(low[i]) && Number.isFinite(high[i])).map((i) => {
    const x = scale.x(i), [a, b] = [y(low[i]), y(high[i])].map((v) => px(v));
    return `M${px(x)} ${a}V${b}M${px(x - cap)} ${a}h${2 * cap}M${px(x - cap)} ${b}h${2 * cap}`;
  }).join("");
}

/** A line through the known values of a curve, its band below it. */
function curveLine(scale, y, { values, low, high }, kind) {
  const known = range(values.length).filter((i) => Number.isFinite(values[i])),
    banded = low && high ? known.filter((i) => Number.isFinite(low[i] + high[i])) : [];
  const point = (i, value) => `${px(scale.edge(i))} ${px(y(value))}`;
  const edge = [...banded.map((i) => point(i, high[i])), ...banded.toReversed().map((i) => point(i, low[i]))];
  const band = banded.length > 1 ? `M${edge.join("L")}z` : "";
  return [s("path", { class: `band ${kind}`, d: band }),
    s("path", { class: `curve ${kind}`, d: known.length ? `M${known.map((i) => point(i, values[i])).join("L")}`
    : "" })];
}

function accuracyStrip(scale, top, height, trace) {
  const kinds = [["accuracy", "resampled"], ["forced", "forced answer"]].filter(([part]) => trace[part]);
  const { group, y } = stripFrame(scale, top, height,
    scale.width > 560 ? "Accuracy after the first i sentences" : "Accuracy", 0, 1);
  kinds.forEach(([part, words], k) => {
    const x = scale.width - STRIP.right - 112 * (kinds.length - k);
    group.append(s("line", { class: `curve ${part}`, x1: x, x2: x + 24, y1: top - 14, y2: top - 14 }),
      s("text", { x: x + 30, y: top - 10 }, words));
  });
  for (const [part] of kinds) group.append(...curveLine(scale, y, trace[part], part));
  return group;
}

/** The answers of a trace as they are stacked: the right one first, then by total share; the rest is "other". */
function answerSeries(trace) {
  const totals = new Map();
  for (const row of trace.answers) for (const [answer, share] of row) totals.set(answer,
    (totals.get(answer) ?? 0) + share);
  const order = [...totals].sort((a, b) => (b[0] === trace.answer) - (a[0] === trace.answer) ||
    b[1] - a[1]).map(([answer]) => answer);
  const shown = order.slice(0, MOST.answers), place = new Map(shown.map((answer, k) => [answer, k]));
  const series = [...shown, ...(order.length > shown.length ? [null] : [])].map((answer) =>
    ({ answer, shares: new Float64Array(trace.answers.length) }));
  trace.answers.forEach((row, i) => row.forEach(([answer, share]) =>
    (series[place.get(answer) ?? shown.length].shares[i] += share)));
  return series;
}

const ANSWER_COLOURS = ["--c0", "--c5", "--c2", "--c3", "--c4", "--c6", "--line"];

function answersStrip(scale, top, height, trace) {
  const series = answerSeries(trace), below = new Float64Array(trace.answers.length);
  const { group, y } = stripFrame(scale, top, height, "Answers after the first i sentences, stacked shares", 0, 1);
  series.forEach(({ answer, shares }, k) => {
    const bars = Array.from(shares, (share, i) => {
      const left = clamp(scale.edge(i - 0.5), STRIP.left, Infinity),
        right = Math.min(scale.edge(i + 0.5), scale.width - STRIP.right), from = below[i];
      below[i] += share;
      return share > 0 ? `M${px(left)} ${px(y(from))}H${px(right)}V${px(y(below[i]))}H${px(left)}z` : "";
    });
    group.append(s("path", { class: "answer", d: bars.join(""), "data-answer": answer ?? "other answers",
      style: { fill: `var(${answer === null ? "--line" : ANSWER_COLOURS[k]})` } }));
  });
  return { group, series };
}

/** The key of the stacked answers, as text below them; returns its group and height. */
function answerKey(scale, top, series, trace) {
  const words = series.map(({ answer }) => (answer === null ? "other answers"
    : `${clipped(answer || "no answer", 26)}${answer === trace.answer ? " (right)" : ""}`));
  const group = s("g", { class: "key" });
  let x = STRIP.left, y = top;
  words.forEach((text, k) => {
    const wide = 24 + 7.4 * text.length;
    if (x + wide > scale.width && x > STRIP.left) [x, y] = [STRIP.left, y + 20];
    group.append(s("rect", { x, y: y - 10, width: 12, height: 12,
      style: { fill: `var(${series[k].answer === null ? "--line" : ANSWER_COLOURS[k]})` } }),
      s("text", { x: x + 17, y }, text));
    x += wide;
  });
  return { group, height: y - top + 20 };
}

function axisStrip(scale, y) {
  return s("g", { class: "axis" }, range(scale.M).filter((i) =>
    i % niceStep(scale.M, scale.width / 50) === 0).map((i) =>
    s("text", { class: "tick", x: scale.x(i), y, "text-anchor": "middle" }, i)),
      s("text", { class: "tick", x: scale.width - STRIP.right, y: y + 17, "text-anchor": "end" }, "sentence"));
}

/** All charts along the trace: the chosen importance, accuracy, answers, then the other importances. */
function stripsView(ctx) {
  const { store } = ctx, readout = h("div", { class: "readout" });
  const svg = s("svg", { class: "drawing strips", role: "img" });
  let scale = null, cursors = [];

  function draw() {
    const { trace, metric, width } = store.values, parts = [];
    scale = stripScale(trace.M, clamp(width, 280, 1100));
    let top = 26;
    const add = (group, height) => { parts.push(group); top += height + STRIP.gap; };
    add(importanceStrip(scale, top, 110, trace, trace.importances[metric]), 110);
    if (trace.accuracy || trace.forced) add(accuracyStrip(scale, top, 110, trace), 110);
    if (trace.answers) {
      const { group, series } = answersStrip(scale, top, 120, trace),
        key = answerKey(scale, top + 120 + 20, series, trace);
      add(s("g", {}, group, key.group), 120 + key.height);
    }
    trace.importances.forEach((one, k) => k !== metric && add(importanceStrip(scale, top, 60, trace, one), 60));
    cursors = ["cursor at", "cursor"].map((kind) =>
      s("rect", { class: kind, y: 0, height: top - 20, width: Math.max(scale.step, 2), hidden: true }));
    svg.replaceChildren(...cursors, ...parts, axisStrip(scale, top - 14));
    attrs(svg, { viewBox: `0 0 ${scale.width} ${top + 10}`, width: scale.width, height: top + 10,
      "aria-label": `Charts along ${trace.M} sentences` });
    mark();
  }

  function mark() {
    const { trace, selected, hovered } = store.values, at = hovered ?? selected;
    [selected, hovered].forEach((i, k) => {
      cursors[k].toggleAttribute("hidden", i === null);
      if (i !== null) attrs(cursors[k], { x: scale.edge(i) });
    });
    readout.replaceChildren(...(at === null ? [] : stripReadout(ctx, trace, at)));
  }

  svg.addEventListener("pointermove", (event) => ctx.hover(scale.at(pointIn(svg, event)[0]), event));
  svg.addEventListener("pointerleave", () => ctx.hover(null));
  svg.addEventListener("click", (event) => ctx.select(scale.at(pointIn(svg, event)[0])));
  return { key: "strips", title: "Along the trace", node: h("div", {}, readout, svg), draw, mark, figure: () => svg,
    keys: ["trace", "metric", "width"] };
}

/** The numbers at a sentence: what is known before it. */
function stripReadout(ctx, trace, i) {
  const words = [];
  for (const [part, name] of [["accuracy", "accuracy before it"], ["forced", "forced"]]) {
    const curve = trace[part];
    if (!curve || i >= curve.values.length) continue;
    const share = withInterval(curve.values[i], curve.low?.[i], curve.high?.[i]);
    words.push(`${name} ${share}${after(", n = ", curve.n?.[i])}`);
  }
  const answers = (trace.answers?.[i] ?? []).slice(0,
    3).flatMap(([answer, share], k) => [k ? ", " : " · answers before it: ", ...richAnswer(answer),
    ` ${percent(share)}`]);
  return [h("p", {}, sentenceButton(ctx, i), ` ${words.join(" · ")}`, answers)];
}

// ---------------------------------------------------------------------------------------------------------- heads
/** Attention heads by kurtosis; of the chosen one what each sentence receives, and its matrix. */
function headsView(ctx) {
  const { store } = ctx, list = h("div", { class: "heads", role: "group", "aria-label": "Heads by kurtosis" });
  const svg = s("svg", { class: "drawing strips", role: "img" }), title = h("h3"), count = h("h3"), legend = h("div"),
    readout = h("div", { class: "readout" });
  const map = heatMap(ctx, { hover: (pair, event) => ctx.point(pair, event, map.score(pair)),
    pick: (pair) => ctx.choose(pair) });
  const node = h("div", { class: "two" }, h("div", {}, count, list),
    h("div", {}, title, svg, readout, map.node, legend));
  let scale = null;

  function draw() {
    const { trace, head, width } = store.values, chosen = trace.heads[Math.min(head, trace.heads.length - 1)];
    const shown = trace.heads.length > MOST.heads && `${MOST.heads} of ${trace.heads.length}`;
    count.textContent = `Heads by kurtosis (★ receiver)${after(", ", shown)}`;
    list.replaceChildren(...headButtons(ctx, trace.heads, chosen));
    const receiver = after(", ", chosen.receiver && "a receiver head");
    title.textContent = `${chosen.title}: attention received, kurtosis ${fmt(chosen.kurtosis)}${receiver}`;
    const room = clamp(width > 620 ? width - 240 : width, 260, 600);
    scale = stripScale(trace.M, room);
    const one = sized({ label: "Attention each sentence receives from later ones", unit: "", origin: "",
      values: chosen.received, low: null, high: null });
    svg.replaceChildren(importanceStrip(scale, 26, 110, trace, one), axisStrip(scale, 154));
    attrs(svg, { viewBox: `0 0 ${room} 176`, width: room, height: 176,
      "aria-label": `Attention received along ${trace.M} sentences` });
    map.node.hidden = legend.hidden = !chosen.flat;
    if (chosen.flat) {
      map.draw(chosen, trace, Math.min(room, 480), false, chosen.title);
      legend.replaceChildren(scaleLegend(ctx, { ...chosen, unit: "attention, to earlier source from later target" }));
    }
    mark();
  }

  function mark() {
    const { trace, head, pair, pointed, selected, hovered } = store.values,
      chosen = trace.heads[Math.min(head, trace.heads.length - 1)];
    if (chosen.flat) map.mark(pointed ?? pair, selected);
    const i = hovered ?? selected;
    readout.replaceChildren(...(i === null ? []
      : [h("p", {}, sentenceButton(ctx, i), ` receives ${fmt(chosen.received[i])}`)]));
  }

  svg.addEventListener("pointermove", (event) => ctx.hover(scale.at(pointIn(svg, event)[0]), event));
  svg.addEventListener("pointerleave", () => ctx.hover(null));
  svg.addEventListener("click", (event) => ctx.select(scale.at(pointIn(svg, event)[0])));
  return { key: "heads", title: "Heads", shown: (trace) => trace.heads.length > 0, node, draw, mark, figure: () => svg,
    keys: ["trace", "head", "width", "theme"] };
}

function headButtons(ctx, heads, chosen) {
  const most = Math.max(...heads.map((head) => head.kurtosis || 0), 1e-9);
  return heads.slice(0, MOST.heads).map((head, k) =>
    h("button", { type: "button", "aria-pressed": String(head === chosen), onclick: () => ctx.store.set({ head: k }) },
    h("span", { class: "bar", style: { width: `${Math.max(0, ((head.kurtosis || 0) / most) * 100)}%` } }),
    h("span", {}, `${head.title}${head.receiver ? " ★" : ""}`), h("span", { class: "number" }, fmt(head.kurtosis))));
}

/** A measure's words, with where it comes from: the same one may be measured and exact. */
function sourced(one) {
  return `${one.label}${after(" · ", one.origin)}`;
}

// ----------------------------------------------------------------------------------------------------- comparison
/** All link kinds as heat maps side by side, and the rank correlations between them. */
function comparisonView(ctx) {
  const { store } = ctx, grid = h("div", { class: "maps" }), readout = h("div", { class: "readout" }),
    table = h("div", { class: "wide", tabindex: 0, role: "group", "aria-label": "Rank correlations" });
  let maps = [];

  function draw() {
    const { trace, width } = store.values, columns = clamp(Math.floor(width / 280), 1, trace.links.length),
      side = Math.min(460, Math.floor((width - 14 * (columns - 1)) / columns));
    maps = trace.links.map((link) => heatMap(ctx,
      { hover: (pair, event) => ctx.point(pair, event, pair && link.flat[packed(link.M, ...pair)]),
      pick: (pair) => ctx.choose(pair) }));
    grid.replaceChildren(...maps.map((map, k) =>
      h("figure", { style: { width: `${side}px` } }, h("figcaption", {}, sourced(trace.links[k])), map.node,
      scaleLegend(ctx, trace.links[k]))));
    maps.forEach((map, k) => map.draw(trace.links[k], trace, side, false, sourced(trace.links[k])));
    table.replaceChildren(correlationTable(trace));
    mark();
  }

  function mark() {
    const { trace, pair, pointed, selected } = store.values, at = pointed ?? pair;
    for (const map of maps) map.mark(at, selected);
    readout.replaceChildren(...(at ? [h("p", {}, `${at[0]} → ${at[1]}: `, trace.links.map((link) =>
      `${sourced(link)} ${scoreText(link, link.flat[packed(trace.M, ...at)], packed(trace.M, ...at))}`).join(" · "))]
        : []));
  }

  return { key: "compare", title: "Compare", shown: (trace) => trace.links.length > 1 && trace.M > 1, draw, mark,
    figure: () => sideBySide(maps.map((map) => map.canvas)),
    node: h("div", {}, grid, readout, h("h3", {}, "Rank correlation of the pairs"), table),
      keys: ["trace", "width", "theme"] };
}

/** Spearman's ρ of each two link kinds, over all pairs of sentences and over those at most five apart. */
function correlationTable(trace) {
  const two = trace.links.flatMap((a, k) => trace.links.slice(k + 1).map((b) => [a, b]));
  const cells = ([a, b]) => [Infinity, 5].map((reach) => {
    const { rho, n } = spearman(a.flat, b.flat, trace.M, reach);
    return h("td", { class: "number" }, `${fmt(rho)} (n = ${n})`);
  });
  return h("table", {}, h("thead", {}, h("tr", {},
    ["Links", "Spearman’s ρ, all pairs", "within 5 sentences"].map((words) => h("th", { scope: "col" }, words)))),
    h("tbody", {}, two.map((both) => h("tr", {}, h("th", { scope: "row" }, both.map(sourced).join(" – ")),
      cells(both)))));
}

// ---------------------------------------------------------------------------------------------------- transitions
const COLUMNS = [["from", "Source"], ["to", "Target"], ["score", "Score"], ["distance", "Apart"]];

/** The strongest links among the visible sentences, to be sorted and chosen. */
function transitionsView(ctx) {
  const { store } = ctx, note = h("p", { class: "muted" }), body = h("tbody");
  const heads = COLUMNS.map(([key, words]) => h("th", { scope: "col" },
    h("button", { type: "button", onclick: () => sortBy(key) }, words)));
  const node = h("div", {}, note, h("div", { class: "wide", tabindex: 0, role: "group",
    "aria-label": "Strongest links" },
    h("table", { class: "transitions" }, h("thead", {}, h("tr", {}, heads, h("th", { scope: "col" }, "Texts"))),
      body)));

  function sortBy(key) {
    const { sort } = store.values;
    store.set({ sort: { key, down: sort.key === key ? !sort.down : key === "score" } });
  }

  function draw() {
    const { trace, kind, visible, sort } = store.values, link = trace.links[kind];
    const value = { from: (one) => one.from, to: (one) => one.to, score: (one) => Math.abs(one.score),
      distance: (one) => one.to - one.from }[sort.key];
    const rows = strongestOverall(link, visible,
      MOST.transitions).sort((a, b) => (sort.down ? -1 : 1) * (value(a) - value(b)) || a.at - b.at);
    note.textContent = `The ${rows.length} strongest links by |score|: ${link.label}${after(", ", link.unit)}.`;
    COLUMNS.forEach(([key], k) => attrs(heads[k],
      { "aria-sort": key !== sort.key ? "none" : sort.down ? "descending" : "ascending" }));
    body.replaceChildren(...rows.map((one) => transitionRow(ctx, trace, link, one)));
    mark();
  }

  function mark() {
    const { pair } = store.values;
    for (const row of body.rows) row.classList.toggle("at",
      Boolean(pair) && Number(row.dataset.from) === pair[0] && Number(row.dataset.to) === pair[1]);
  }

  return { key: "transitions", title: "Transitions", shown: (trace) => trace.links.length > 0, node, draw, mark,
    figure: null, keys: ["trace", "kind", "visible", "sort"] };
}

function transitionRow(ctx, trace, link, { from, to, score, at }) {
  const text = (i) => trace.sentences[i].text;
  return h("tr", { "data-from": from, "data-to": to, onclick: () => ctx.choose([from, to]) },
    h("td", {}, sentenceButton(ctx, from, () => ctx.choose([from, to]))), h("td", {}, sentenceButton(ctx, to)),
    h("td", { class: "number" }, withInterval(score, link.low?.[at], link.high?.[at])),
      h("td", { class: "number" }, to - from),
    h("td", { class: "texts" }, h("div", { class: "clamp" }, rich(text(from))),
      h("div", { class: "clamp" }, "→ ", rich(text(to)))));
}

/** The k strongest links of all among the visible sentences. */
function strongestOverall(link, visible, k) {
  const rows = [];
  for (let from = 0, at = 0; from < link.M; from += 1)
    for (let to = from + 1; to < link.M; to += 1, at += 1)
      if (visible[from] && visible[to] && link.flat[at]) rows.push({ from, to, score: link.flat[at], at });
  return rows.sort((a, b) => Math.abs(b.score) - Math.abs(a.score) || a.at - b.at).slice(0, k);
}

// ------------------------------------------------------------------------------------------------------ text pane
/** The whole trace as text, scrolled to the selected sentence, with a search. */
function textPane(ctx) {
  const { store } = ctx, pane = h("div", { class: "pane", tabindex: 0, role: "group",
    "aria-label": "Text of the trace" });
  const count = h("span", { class: "muted", role: "status" }),
    search = h("input", { type: "search", placeholder: "Search ( / )", "aria-label": "Search the text", oninput: find,
    onkeydown: keys });
  const node = h("section", { class: "text", "aria-label": "Text" },
    h("div", { class: "bar" }, h("h2", {}, "Text"), search, count), pane);
  let blocks = [], marked = [];

  function draw() {
    const { trace } = store.values;
    blocks = trace.sentences.map(({ text, category }, i) =>
      h("p", { class: "sentence", "data-index": i, style: { borderLeftColor: `var(${category.colour})` } },
      Object.assign(sentenceButton(ctx, i), { tabIndex: -1 }), " ", rich(text)));
    pane.replaceChildren(...blocks);
    marked = [];
    find();
    mark();
  }

  /** Marks the sentence in focus, those it is linked with and the target of the pair. */
  function mark() {
    const { hovered, selected, drawn, pair, pointed, visible } = store.values, at = hovered ?? selected;
    for (const [i, kind] of marked) blocks[i]?.classList.remove(kind);
    marked = [];
    const add = (i, kind) => i !== null && blocks[i] && (blocks[i].classList.add(kind), marked.push([i, kind]));
    for (const { from, to } of drawn) if (at !== null && (from === at || to === at)) add(from === at ? to : from,
      from === at ? "out" : "in");
    add(selected, "at");
    add(hovered, "hover");
    add((pointed ?? pair)?.[1] ?? null, "target");
    blocks.forEach((block, i) => !visible[i] && add(i, "off"));
  }

  /** Scrolls the pane, not the page, so that the selected sentence is in its upper third. */
  function scroll() {
    const block = blocks[store.values.selected];
    if (block) pane.scrollTop = block.offsetTop - pane.clientHeight / 3; // the pane is what offsets count from
  }

  function find() {
    const words = search.value.trim().toLowerCase(), { trace } = store.values;
    const hits = words ? range(trace.M).filter((i) => trace.sentences[i].text.toLowerCase().includes(words)) : [];
    blocks.forEach((block, i) => block.classList.toggle("hit", hits.includes(i)));
    count.textContent = words ? `${hits.length} of ${trace.M}` : "";
    return hits;
  }

  /** Enter goes to the next hit, Shift Enter to the one before. */
  function keys(event) {
    if (event.key !== "Enter") return;
    const hits = find(), at = store.values.selected ?? -1;
    const next = event.shiftKey ? hits.findLast((i) => i < at) ?? hits.at(-1) : hits.find((i) => i > at) ?? hits[0];
    if (next !== undefined) ctx.select(next);
  }

  pane.addEventListener("click", (event) => {
    const block = event.target.closest(".sentence");
    if (block && !getSelection().toString()) ctx.select(Number(block.dataset.index));
  });
  const under = (event) => event.target.closest?.(".sentence")?.dataset.index;
  pane.addEventListener("pointerover", (event) => ctx.hover(under(event) === undefined ? null : Number(under(event))));
  pane.addEventListener("pointerleave", () => ctx.hover(null));
  return { node, draw, mark, scroll, search };
}

// --------------------------------------------------------------------------------------------------------- detail
/** All that is known of the selected sentence, or of the one under the pointer while none is selected. */
function detailPanel(ctx) {
  const { store } = ctx, state = h("span", { class: "muted" });
  const step = (name, words, by) => h("button", { type: "button", "aria-label": name, onclick: () => ctx.step(by) },
    words);
  const unlock = h("button", { type: "button", onclick: () => ctx.select(null) }, "Unlock");
  const body = h("div", { class: "pane", tabindex: 0, role: "group", "aria-label": "Detail of the sentence" });
  const node = h("section", { class: "detail", "aria-label": "Sentence" },
    h("div", { class: "bar" }, h("h2", {}, "Sentence"),
    step("Previous sentence", "←", -1), step("Next sentence", "→", 1), unlock, state), body);

  function draw() {
    const { trace, selected, hovered } = store.values, i = selected ?? hovered;
    unlock.hidden = selected === null;
    state.textContent = selected === null ? (i === null ? "" : "preview") : "locked";
    body.replaceChildren(...(i === null ? [h("p", { class: "muted" },
      "Point at a sentence for a preview; click to lock it.")] : detailParts(ctx, trace, i)));
  }

  return { node, draw, top: () => (body.scrollTop = 0) };
}

function detailParts(ctx, trace, i) {
  const { category, text, depends } = trace.sentences[i], { kind } = ctx.store.values, link = trace.links[kind];
  return [
    h("p", { class: "category", style: { borderLeftColor: `var(${category.colour})` } },
      h("strong", {}, tagOf(trace, i)), ` ${category.title} · ${i} of 0–${trace.M - 1}`),
    h("p", { class: "full" }, rich(text)),
    importanceTable(trace, i),
    depends.length > 0 && h("p", {}, h("span", { class: "muted" }, "Depends on "),
      depends.map((one) => [sentenceButton(ctx, one), " "])),
    link && linkList(ctx, trace, link, i, true), link && linkList(ctx, trace, link, i, false),
    answersAround(trace, i), trace.alternatives && alternativesOf(trace.alternatives[i]),
  ].filter(Boolean);
}

function importanceTable(trace, i) {
  const rows = trace.importances.filter((one) => Number.isFinite(one.values[i]));
  if (!rows.length) return null;
  return h("table", { class: "numbers" }, h("thead", {},
    h("tr", {}, ["Importance", "Value [95 %]", "Unit"].map((words) => h("th", { scope: "col" }, words)))),
    h("tbody", {}, rows.map((one) => h("tr", { "data-key": one.key },
      h("th", { scope: "row" }, one.label, one.origin && h("span", { class: "muted" }, ` · ${one.origin}`)),
      h("td", { class: "number" }, withInterval(one.values[i], one.low?.[i], one.high?.[i])), h("td", {}, one.unit)))));
}

/** The strongest links out of (or into) a sentence, each a button. */
function linkList(ctx, trace, link, i, outgoing) {
  const list = linksOf(link, i, outgoing, MOST.linked);
  const rows = list.map(({ index, score, at }) =>
    h("li", {}, sentenceButton(ctx, index), h("span", { class: "number" },
    ` ${withInterval(score, link.low?.[at], link.high?.[at])} `),
    h("span", { class: "clamp one" }, rich(trace.sentences[index].text))));
  return h("div", { class: outgoing ? "linked outgoing" : "linked incoming" },
    h("h3", {}, outgoing ? "Acts most on" : "Acted on most by",
    link.unit && h("span", { class: "muted unit" }, ` ${link.unit}`)),
    rows.length ? h("ul", {}, rows) : h("p", { class: "muted" }, "no links"));
}

/** How the answers change when the sentence is there: shares before and after it. */
function answersAround(trace, i) {
  const before = new Map(trace.answers?.[i] ?? []), after = new Map(trace.answers?.[i + 1] ?? []);
  const names = [...new Set([...before.keys(), ...after.keys()])].sort((a, b) =>
    Math.max(before.get(b) ?? 0, after.get(b) ?? 0) - Math.max(before.get(a) ?? 0, after.get(a) ?? 0));
  if (!names.length) return null;
  const cell = (shares, name) => h("td", { class: "number" }, shares.size ? percent(shares.get(name) ?? 0) : "–");
  return h("table", { class: "numbers answers" },
    h("thead", {}, h("tr", {}, ["Answer", "before it", "after it"].map((words) => h("th", { scope: "col" }, words)))),
    h("tbody", {}, names.slice(0, MOST.answers).map((name) =>
      h("tr", {}, h("th", { scope: "row" }, richAnswer(name), name === trace.answer && " ✓ right"), cell(before, name),
      cell(after, name)))));
}

/** Sentences sampled in its place, those that say something else first, with the answers that followed. */
function alternativesOf(list) {
  const sorted = [...list].sort((a, b) => (b.different === true) - (a.different === true)),
    total = (some) => some.reduce((sum, one) => sum + one.count, 0);
  const all = total(list), different = total(list.filter((one) => one.different)),
    known = list.length > 0 && list.every((one) => one.different !== null), items = sorted.map(alternativeItem),
    rest = items.slice(MOST.alternatives);
  const more = h("button", { type: "button", onclick: () => more.replaceWith(...rest) }, `Show ${rest.length} more`);
  return h("div", { class: "alternatives" }, h("h3", {}, `Sampled in its place: ${all}`),
    known && h("p", { class: "muted" }, `${different} say something else, ${all - different} the same`),
    h("ul", {}, items.slice(0, MOST.alternatives), rest.length > 0 && more));
}

function alternativeItem({ text, answer, right, different, similarity, count }) {
  const mark = right === null ? "" : right ? " ✓ right" : " ✗ wrong",
    how = different === null ? "" : different ? "says something else" : "says the same";
  const words = [count > 1 ? `${count} times` : "", how,
    Number.isFinite(similarity) ? `similarity ${fmt(similarity)}` : ""].filter(Boolean).join(", ");
  const led = answer || right !== null;
  return h("li", {}, h("div", { class: "clamp" }, rich(text)),
    h("div", { class: "small" }, led && ["→ ", richAnswer(answer),
    h("span", { class: right === false ? "wrong" : "right" }, mark)],
    words && h("span", { class: "muted" }, ` ${words}`)));
}

// ---------------------------------------------------------------------------------------------------------- files
const OFFICIAL = ["chunks_labeled", "base_solution", "problem", "chunks_resampled", "step_importance",
  "step_importance_supp"];
const OFFICIAL_LINKS = [
  ["step_importance", "counterfactual", "Counterfactual, sentence to sentence", "difference of match rates"],
  ["step_importance_supp", "suppression", "Attention suppression", "log units, centred for each target"],
];
const METHODS = { counterfactual: "Counterfactual", resampling: "Resampling", forced: "Forced-answer" };
const OFFICIAL_IMPORTANCES = Object.entries(METHODS).flatMap(([method, words]) => [
  [`${method}_importance_kl`, `${method}_kl`, `${words} importance, KL`, "nats", 1],
  [`${method}_importance_accuracy`, `${method}_accuracy`, `${words} importance, accuracy (+ helps)`,
    "share of right answers", method === "counterfactual" ? -1 : 1],
]).concat([
  ["different_trajectories_fraction", "different_trajectories_fraction", "Rollouts that begin differently", "share", 1],
  ["overdeterminedness", "overdeterminedness", "Overdeterminedness", "share", 1],
]);
const OFFICIAL_SIGN = "Counterfactual accuracy is shown as + helps; the files have the opposite sign.";
const PYTHON_ONLY = "Open it in the notebook, or with python -m anchors.thought.explorer FILE.";

/** All files of a drop, folders walked through: list of { path, file }. */
async function droppedFiles(transfer) {
  const items = [...(transfer.items ?? [])].filter((item) => item.kind === "file");
  const found = items.map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
    // before the first await: items do not outlive the event
  const lists = await Promise.all(found.map(({ entry, file }) =>
    (entry?.isDirectory ? walk(entry) : [{ path: file.name, file }])));
  return lists.length ? lists.flat() : [...transfer.files].map((file) => ({ path: file.name, file }));
}

async function walk(entry) {
  if (entry.isFile) return [{ path: entry.fullPath.slice(1),
    file: await new Promise((done, fail) => entry.file(done, fail)) }];
  const reader = entry.createReader(), inside = [];
  for (let part = null; part === null || part.length;
    inside.push(...part)) part = await new Promise((done, fail) => reader.readEntries(done, fail));
  return (await Promise.all(inside.map(walk))).flat();
}

/** Returns the traces, as in a bundle, of files a reader gave; Fault names the file that is wrong. */
async function tracesOfFiles(files) {
  if (!files.length) throw new Fault("drop", "no file", "a bundle (JSON) or the official files");
  const entries = [], folders = new Map();
  for (const { path, file } of files) {
    const name = file.name.replace(/\.json$/i, ""), folder = path.split("/").slice(0, -1).join("/");
    if (folder && !file.name.endsWith(".json")) continue; // in a folder other files are nobody's fault
    const content = await jsonOf(file);
    if (content?.format !== undefined) entries.push(...checkedTraces(content, file.name));
    else if (OFFICIAL.includes(name)) folders.set(folder, { ...folders.get(folder), [name]: content });
    else if (!folder) throw new Fault(file.name, described(content),
      `a bundle with "format": "${FORMAT}", or chunks_labeled.json, problem.json and base_solution.json together`);
  }
  for (const [folder, contents] of folders) entries.push(...checkedTraces({ format: FORMAT,
    traces: [officialTrace(contents, folder)] }, folder || "official files"));
  if (!entries.length) throw new Fault(files[0].path.split("/")[0], `${files.length} files, none of them known`,
    "a bundle or the official files");
  return entries;
}

function checkedTraces(bundle, name) {
  const traces = tracesOf(bundle, name);
  traces.forEach((trace, i) => readTrace(trace, i, name));
  return traces;
}

async function jsonOf(file) {
  const start = new TextDecoder("latin1").decode(await file.slice(0, 16).arrayBuffer());
  const kind = start.startsWith("SQLite format 3") ? "an SQLite file" : start.startsWith("PAR1") ? "a Parquet file"
    : null;
  if (kind) throw new Fault(file.name, kind, "JSON in this page", PYTHON_ONLY);
  const text = await file.text();
  if (!text.trim()) throw new Fault(file.name, "an empty file", "JSON");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault(file.name, `no JSON (${error.message.slice(0, 90)})`, "a bundle or an official file, as JSON");
  }
}

/** Returns a trace from the files of one folder of the official layout. */
function officialTrace(contents, folder) {
  for (const name of OFFICIAL.slice(0, 2)) if (!contents[name]) throw new Fault(`${name}.json`, "no such file",
    "chunks_labeled.json, base_solution.json and problem.json together");
  const { problem: asked = {}, base_solution: solution, chunks_labeled: rows } = contents,
    M = listOf(rows, null, "chunks_labeled.json").length;
  rows.forEach((row, i) => { if (typeof row?.chunk !== "string") throw new Fault(`chunks_labeled.json, row ${i}`,
    described(row), "a row with a text named chunk"); });
  const parts = folder.split("/"), problem = /^problem_(.+)$/.exec(parts.at(-1))?.[1] ?? "",
    model = /^(in)?correct_base_solution$/.test(parts.at(-2)) ? parts.at(-3) ?? "" : "";
  const right = solution.is_correct ? "correct" : "incorrect",
    column = (name, sign = 1) => rows.map((row) => (typeof row[name] === "number" ? sign * row[name] : null));
  const known = OFFICIAL_IMPORTANCES.filter(([name]) => rows.some((row) => typeof row[name] === "number"));
  return {
    id: [model, problem || asked.nickname || "problem", right].filter(Boolean).join("/"), model, problem,
      title: asked.nickname, solution: right,
    question: asked.problem ?? solution.prompt, answer: asked.gt_answer, given: solution.answer,
      made_by: "files in the official layout, opened in this page",
    sentences: rows.map((row) => ({ text: row.chunk, category: row.function_tags?.[0] ?? "unknown",
      depends: optionalList(row.depends_on).map(Number) })),
    importances: known.map(([name, key, label, unit, sign]) =>
      ({ key, label, unit, origin: "released", values: column(name, sign) })),
    links: OFFICIAL_LINKS.filter(([file]) => contents[file]).map(([file, key, label, unit]) =>
      ({ key, label, unit, origin: "released", rows: officialRows(contents[file], M, `${file}.json`) })),
    accuracy: rows.some((row) => typeof row.accuracy === "number") ? { values: column("accuracy") } : null,
    alternatives: contents.chunks_resampled ? range(M).map((i) => mostFrequent(contents.chunks_resampled[i])) : null,
    notes: known.some(([, , , , sign]) => sign < 0) ? [OFFICIAL_SIGN] : [],
  };
}

/** The most frequent of the released first sentences of rollouts, whose answers are not known. */
function mostFrequent(texts) {
  const counts = Map.groupBy(optionalList(texts).filter((text) => typeof text === "string" && text), (text) => text);
  return [...counts].map(([text, list]) => ({ text, count: list.length })).sort((a, b) => b.count - a.count).slice(0,
    2 * MOST.alternatives);
}

function officialRows(list, M, name) {
  const rows = range(M).map((i) => Array(M - 1 - i).fill(null));
  for (const one of listOf(list, null, name))
    for (const impact of listOf(one?.target_impacts, null, `${name}, target_impacts`)) {
      const from = one.source_chunk_idx, to = impact?.target_chunk_idx;
      if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to < M)) throw new Fault(name,
        `a link ${from} → ${to}`, `source < target < ${M}`);
      rows[from][to - from - 1] = typeof impact.importance_score === "number" ? impact.importance_score : null;
    }
  return rows;
}

// -------------------------------------------------------------------------------------------------------- exports
const KEPT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "paint-order",
  "opacity", "font-size", "font-family", "font-weight", "text-anchor"];

/** Returns a drawing as the text of an SVG file that needs no style sheet; a canvas goes in as a picture. */
function svgText(ctx, figure) {
  if (figure instanceof HTMLCanvasElement) return canvasInSvg(figure);
  const copy = figure.cloneNode(true), box = figure.viewBox.baseVal, originals = figure.querySelectorAll("*"),
    copies = copy.querySelectorAll("*");
  originals.forEach((original, i) => inlineStyle(original, copies[i]));
  attrs(copy, { xmlns: SVG, width: box.width, height: box.height, style: null, tabindex: null });
  copy.prepend(s("rect", { x: box.x, y: box.y, width: box.width, height: box.height,
    fill: cssColour(ctx, "--paper") }));
  return new XMLSerializer().serializeToString(copy);
}

function inlineStyle(original, copy) {
  const style = getComputedStyle(original);
  if (style.display === "none" || style.visibility === "hidden") return copy.remove();
  for (const name of KEPT) if (!(original.localName === "g" && name === "text-anchor")) copy.setAttribute(name,
    style.getPropertyValue(name));
  for (const name of ["style", "class", "tabindex", "role", "aria-pressed"]) copy.removeAttribute(name);
}

function canvasInSvg(canvas) {
  const { width, height } = canvas;
  return new XMLSerializer().serializeToString(s("svg",
    { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` },
    s("image", { href: canvas.toDataURL(), width, height })));
}

/** Returns a drawing as a PNG blob, twice its size on screen. */
async function pngOf(ctx, figure) {
  if (figure instanceof HTMLCanvasElement) return blobOf(figure);
  const address = URL.createObjectURL(new Blob([svgText(ctx, figure)], { type: "image/svg+xml" })), image = new Image();
  await new Promise((done, fail) => Object.assign(image, { onload: done, onerror: fail, src: address }));
  const canvas = h("canvas", { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(address);
  return blobOf(canvas);
}

const blobOf = (canvas) => new Promise((done) => canvas.toBlob(done, "image/png"));

function sideBySide(canvases) {
  const all = h("canvas", { width: canvases.reduce((sum, one) => sum + one.width, 0),
    height: Math.max(...canvases.map((one) => one.height)) });
  let x = 0;
  for (const one of canvases) {
    all.getContext("2d").drawImage(one, x, 0);
    x += one.width;
  }
  return all;
}

const csvCell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
const csvText = (rows) => rows.map((row) => row.map((value) =>
  csvCell(Number.isNaN(value) || value === null || value === undefined ? "" : String(value))).join(",")).join("\r\n") +
  "\r\n";

/** One row for each sentence: index, category, text, importances with intervals, accuracies before it. */
function sentencesCsv(trace) {
  const columns = [["sentence", (i) => i], ["category", (i) => trace.sentences[i].category.name],
    ["text", (i) => trace.sentences[i].text], ["depends", (i) => trace.sentences[i].depends.join(" ")]];
  for (const one of trace.importances) for (const [suffix, part] of [["", "values"], ["_low", "low"],
    ["_high", "high"]]) if (one[part]) columns.push([one.key + suffix, (i) => one[part][i]]);
  for (const name of ["accuracy", "forced"]) for (const part of trace[name] ? ["values", "low", "high", "n"] : [])
    if (trace[name][part]) columns.push([part === "values" ? name : `${name}_${part}`, (i) => trace[name][part][i]]);
  return csvText([columns.map(([name]) => name), ...range(trace.M).map((i) => columns.map(([, value]) => value(i)))]);
}

/** One row for each link that has a score. */
function linksCsv(trace) {
  const rows = [["kind", "source", "target", "score", "low", "high"]];
  for (const link of trace.links)
    for (let from = 0, at = 0; from < trace.M; from += 1)
      for (let to = from + 1; to < trace.M; to += 1, at += 1)
        if (Number.isFinite(link.flat[at])) rows.push([link.key, from, to, link.flat[at], link.low?.[at],
          link.high?.[at]]);
  return csvText(rows);
}

/** Name of a file that tells which trace it is of. */
function fileName(trace, part) {
  const words = trace.id.split(/[^\p{L}\p{N}]+/u).filter(Boolean).join("-").slice(0, 80);
  return `${words || "trace"}-${part}`;
}

/** What the export menu offers: name and what it does with the trace and the view that is on. */
const EXPORTS = {
  "Drawing, SVG": (ctx, trace, view) => download(fileName(trace, `${view.key}.svg`), svgText(ctx, view.figure()),
    "image/svg+xml"),
  "Drawing, PNG": async (ctx, trace, view) => download(fileName(trace, `${view.key}.png`),
    await pngOf(ctx, view.figure())),
  "Sentences, CSV": (ctx, trace) => download(fileName(trace, "sentences.csv"), sentencesCsv(trace), "text/csv"),
  "Links, CSV": (ctx, trace) => download(fileName(trace, "links.csv"), linksCsv(trace), "text/csv"),
  "Bundle, JSON": (ctx, trace) => download(fileName(trace, "bundle.json"), JSON.stringify(ctx.store.values.bundle),
    "application/json"),
};

// ------------------------------------------------------------------------------------------------------- controls
/** A labelled select whose options change with the trace. */
function select(label, change) {
  const box = h("select", { "aria-label": label, onchange: () => change(box.value) }),
    node = h("label", {}, h("span", {}, label), box);
  return { node, show: (options, value) => (box.replaceChildren(...options), (box.value = value)) };
}

const option = (value, words) => h("option", { value }, words);

/** A whole number of the store between low and high. */
function stepper(store, label, name, low, high) {
  const change = () => Number.isInteger(box.valueAsNumber) &&
    store.set({ [name]: clamp(box.valueAsNumber, low, high) });
  const box = h("input", { type: "number", min: low, max: high, value: store.values[name], oninput: change });
  store.watch([name], () => document.activeElement === box || (box.value = store.values[name]));
  return h("label", {}, h("span", {}, label), box);
}

/** The controls above the views; each is shown where it does something. */
function viewControls(ctx) {
  const { store } = ctx;
  const metric = select("Importance", (value) => store.set({ metric: Number(value) })),
    kind = select("Links", (value) => store.set({ kind: Number(value) }));
  const direction = select("Direction", (value) => store.set({ direction: value })), limit = h("output");
  direction.show([option("outgoing", "outgoing: what it acts on"), option("incoming", "incoming: what acts on it")],
    "incoming");
  const slider = h("input", { type: "range", min: 0, max: 100, step: 1, value: 0,
    oninput: () => store.set({ minimum: slider.valueAsNumber / 100 }) });
  const truth = h("input", { type: "checkbox", onchange: () => store.set({ truth: truth.checked }) });
  const parts = [
    [metric.node, "circle strips transitions tree"], [kind.node, "circle tree matrix transitions"],
    [stepper(store, "Links per sentence", "perNode", 0, MOST.perNode), "circle"],
    [direction.node, "tree"], [stepper(store, "Links per sentence", "treeLinks", 1, MOST.treeLinks), "tree"],
    [stepper(store, "Depth", "treeDepth", 1, MOST.treeDepth), "tree"],
    [h("label", {}, h("span", {}, "Least importance"), slider, limit), "circle tree transitions"],
    [h("label", { class: "check" }, truth, h("span", {}, "True links")), "circle matrix"],
  ];

  let listed = null;
  function draw() {
    const { trace, metric: chosen, kind: kept, view, minimum } = store.values, importance = trace.importances[chosen];
    if (listed !== trace) {
      listed = trace;
      metric.show(trace.importances.map((one, k) => option(k, sourced(one))), chosen);
      kind.show(trace.links.map((one, k) => option(k, sourced(one))), kept);
    }
    slider.value = Math.round(100 * minimum);
    limit.textContent = minimum ? `≥ ${fmt(minimum * importance.most)}${importance.unit ? ` ${importance.unit}` : ""}`
      : "all";
    for (const [node, views] of parts) node.hidden = !views.split(" ").includes(view) || !available(node, trace);
  }

  const needsLinks = [kind.node, parts[2][0]];
  const available = (node, trace) => (node.contains(truth) ? trace.links.some((one) => one.key === "truth")
    : !needsLinks.includes(node) || trace.links.length > 0);
  return { node: h("div", { class: "controls", role: "group", "aria-label": "What is drawn" },
    parts.map(([node]) => node)), draw };
}

/** The categories of the trace, each a switch, and what the lines mean. */
function legendOf(ctx) {
  const { store } = ctx, list = h("div", { class: "categories", role: "group",
    "aria-label": "Categories: choose which are shown" }), lines = h("p", { class: "lines muted" });

  function draw() {
    const { trace, hidden, metric, kind } = store.values, counts = new Map();
    for (const { category } of trace.sentences) counts.set(category.name,
      { category, n: (counts.get(category.name)?.n ?? 0) + 1 });
    list.replaceChildren(...[...counts.values()].map(({ category, n }) =>
      h("button", { type: "button", class: "tag", "aria-pressed": String(!hidden.has(category.name)),
      style: { borderLeftColor: `var(${category.colour})` }, onclick: () => toggle(category.name) },
        h("b", {}, category.initials), ` ${category.title} ${n}`)));
    const link = trace.links[kind];
    const unit = link?.unit && ` (${link.unit})`;
    const kinds = link && `Dashed: ${link.label}${unit}, the strongest of each sentence, out and in; ` +
      `darker is stronger${after(", ", link.signed && "dash and dot is negative")}.`;
    lines.textContent = `Disc: |${trace.importances[metric].label}|, broken outline where it is negative. ` +
      `Solid line: next sentence.${after(" ", kinds)}`;
  }

  function toggle(name) {
    const hidden = new Set(store.values.hidden);
    if (!hidden.delete(name)) hidden.add(name);
    store.set({ hidden });
  }

  return { node: h("div", { class: "legend" }, list, lines), lines, draw, keys: ["trace", "hidden", "metric", "kind"] };
}

/** Tabs and panels as ARIA has them: arrow keys, Home and End go from tab to tab. */
function tabsOf(ctx, views) {
  const { store } = ctx, show = (view) => store.set({ view: view.key });
  const tabs = views.map((view) => h("button",
    { type: "button", role: "tab", id: `${ctx.uid}-tab-${view.key}`, "aria-controls": `${ctx.uid}-panel-${view.key}`,
    onclick: () => show(view) }, view.title));
  const panels = views.map((view) => h("div", { role: "tabpanel", id: `${ctx.uid}-panel-${view.key}`,
    "aria-labelledby": `${ctx.uid}-tab-${view.key}`, class: `panel view-${view.key}` }, view.node));
  const list = h("div", { role: "tablist", "aria-label": "Views", onkeydown: keys }, tabs);

  function keys(event) {
    const open = tabs.filter((tab) => !tab.hidden), at = open.indexOf(event.target);
    const to = { ArrowRight: (at + 1) % open.length, ArrowLeft: (at + open.length - 1) % open.length, Home: 0,
      End: open.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    open[to].click();
    open[to].focus();
  }

  function draw() {
    const { trace, view } = store.values;
    views.forEach((one, k) => {
      tabs[k].hidden = one.shown ? !one.shown(trace) : false;
      attrs(tabs[k], { "aria-selected": String(one.key === view), tabindex: one.key === view ? 0 : -1 });
      panels[k].hidden = one.key !== view;
    });
    if (tabs[views.findIndex((one) => one.key === view)].hidden) store.set({ view: "circle" });
  }

  return { list, panels, draw };
}

// --------------------------------------------------------------------------------------------------- put together
/** Choosing, pointing and stepping: what the views call to change what is shown. */
function actionsOf(ctx) {
  const { store } = ctx;
  return {
    select(i) {
      const { pair } = store.values;
      store.set({ selected: i, pair: pair?.[0] === i ? pair : null });
    },
    choose(pair) {
      store.set({ pair, selected: pair[0] });
    },
    hover(i, event = null) {
      store.set({ hovered: i });
      ctx.tip.show(i === null || !event ? null : tipOfSentence(ctx, i), event);
    },
    point(pair, event, score) {
      const { trace } = store.values;
      store.set({ pointed: pair, hovered: pair?.[0] ?? null });
      ctx.tip.show(pair && event ? [h("strong", {}, pair.map((i) => tagOf(trace, i)).join(" → ")), ` ${fmt(score)}`]
        : null, event);
    },
    /** Selects the next visible sentence in a direction. */
    step(by) {
      const { trace, selected, visible } = store.values, start = selected ?? (by > 0 ? -1 : trace.M);
      for (let i = start + by; i >= 0 && i < trace.M; i += by) if (visible[i]) return ctx.select(i);
    },
  };
}

/** A box near the pointer; show(nodes | null, event). */
function tooltip(root) {
  const node = h("div", { class: "tip", hidden: true });
  return {
    node,
    show(content, event) {
      if (content === null) return (node.hidden = true);
      const frame = root.getBoundingClientRect(), x = event.clientX - frame.left, y = event.clientY - frame.top,
        left = x > frame.width / 2;
      node.hidden = false;
      node.replaceChildren(...content);
      Object.assign(node.style, { left: left ? "" : `${x + 16}px`, right: left ? `${frame.width - x + 16}px` : "",
        top: `${y + 14}px` });
    },
  };
}

function tipOfSentence(ctx, i) {
  const { trace, metric } = ctx.store.values, { category, text } = trace.sentences[i], one = trace.importances[metric];
  return [h("strong", {}, tagOf(trace, i)), ` ${category.title}`, h("div", { class: "clamp" }, rich(text)),
    Number.isFinite(one.values[i]) && h("div", { class: "small" },
      `${one.label}: ${withInterval(one.values[i], one.low?.[i], one.high?.[i])} ${one.unit}`)].filter(Boolean);
}

/** Which trace, own files, export, theme. */
function toolbar(ctx) {
  const { store } = ctx, input = h("input", { type: "file", multiple: true, hidden: true,
    "aria-label": "Files to open", onchange: openChosen });
  const trace = select("Trace", (value) => ctx.show(Number(value)));
  let listed = null;
  const drawings = [], buttons = Object.entries(EXPORTS).map(([name, run]) => {
    const button = h("button", { type: "button",
      onclick: () => (run(ctx, store.values.trace, ctx.view()), (menu.open = false)) }, name);
    if (name.startsWith("Drawing")) drawings.push(button);
    return button;
  });
  const menu = h("details", { class: "menu" }, h("summary", {}, "Export"), h("div", { class: "items" }, buttons));

  async function openChosen() {
    await ctx.receive([...input.files].map((file) => ({ path: file.name, file })));
    input.value = "";
  }

  function draw() {
    for (const button of drawings) button.disabled = !ctx.view().figure;
    const { bundle, trace: shown } = store.values;
    if (listed === shown) return;
    listed = shown;
    const groups = Map.groupBy(bundle.traces.map((one, k) => [one, k]), ([one]) => String(one?.model ?? ""));
    trace.show([...groups].map(([model, list]) =>
      h("optgroup", { label: model || "traces" }, list.map(([one, k]) => option(k, traceName(one, k))))),
      bundle.traces.indexOf(shown.raw));
  }

  return { draw, node: h("div", { class: "bar top", role: "group", "aria-label": "Trace and files" }, trace.node,
    h("button", { type: "button", class: "open", onclick: () => input.click() }, "Open files…"), input, menu,
      themeButton(ctx.root)) };
}

/** Name of a trace in the list: its short name, problem and whether it is right. */
function traceName(raw, place) {
  if (!raw?.title && !raw?.problem) return idOf(raw, place);
  const problem = raw.title && raw.problem ? `${raw.title} (${raw.problem})` : raw.title || `problem ${raw.problem}`;
  return `${problem}${after(", ", raw.solution)}`;
}

/** The problem, its answers and where the numbers come from. */
function questionBox(ctx) {
  const body = h("div", { class: "question-body" }), head = h("span"),
    node = h("details", { class: "question", open: true }, h("summary", {}, "Problem ", head), body);
  function draw() {
    const { trace } = ctx.store.values;
    head.textContent = [trace.title, trace.model, trace.solution, `${trace.M} sentences`].filter(Boolean).join(" · ");
    body.replaceChildren(...[trace.question && h("p", {}, rich(trace.question)),
      (trace.answer || trace.given) && h("p", {}, h("b", {}, "Right answer: "), richAnswer(trace.answer), " · ",
        h("b", {}, "answer of the trace: "), richAnswer(trace.given)),
      (trace.made_by || trace.notes.length > 0) &&
        h("p", { class: "muted small" }, [trace.made_by && `Numbers: ${trace.made_by}.`,
        ...trace.notes].filter(Boolean).join(" "))].filter(Boolean));
  }
  return { node, draw };
}

const HELP = [["← →", "previous and next sentence"], ["Esc", "unlock"],
  ["/", "search the text; Enter goes to the next hit"], ["+ − 0", "zoom in, out, whole drawing"],
  ["Tab, Enter", "reach and use every control"],
    ["drop files", "a bundle, or chunks_labeled.json with problem.json and base_solution.json"]];

function helpBox() {
  return h("details", { class: "help" }, h("summary", {}, "Keys"),
    h("dl", {}, HELP.map(([key, words]) => h("div", {}, h("dt", {}, key), h("dd", {}, words)))));
}

/** Keys that work everywhere but in fields. */
function keysOf(ctx, search) {
  const zoom = (run) => run(ctx.zooms[ctx.store.values.view] ?? ctx.zooms.circle);
  const keys = {
    ArrowLeft: () => ctx.step(-1), ArrowRight: () => ctx.step(1), Escape: () => ctx.select(null),
      "/": () => search.focus(),
    "+": () => zoom((one) => one.by(1.4)), "=": () => zoom((one) => one.by(1.4)),
      "-": () => zoom((one) => one.by(1 / 1.4)), 0: () => zoom((one) => one.reset()),
  };
  return (event) => {
    const field = event.target.closest?.("input, select, textarea");
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key) ||
      !ctx.store.values.trace) return;
    if (field && event.key === "Escape") field.blur();
    if (field) return;
    event.preventDefault();
    keys[event.key]();
  };
}

/** Dropping files anywhere on the explorer opens them. */
function acceptDrops(ctx) {
  const over = (on) => ctx.root.classList.toggle("dropping", on);
  ctx.root.addEventListener("dragover", (event) => (event.preventDefault(), over(true)));
  ctx.root.addEventListener("dragleave", (event) => ctx.root.contains(event.relatedTarget) || over(false));
  ctx.root.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    ctx.receive(droppedFiles(event.dataTransfer));
  });
}

/** Reads and writes #model/problem/solution/sentence, each part encoded. */
const deepLink = {
  write: ({ id }, i) => `#${[...id.split("/"), i ?? ""].map(encodeURIComponent).join("/")}`,
  read(hash) {
    try {
      const parts = hash.slice(1).split("/").map(decodeURIComponent), last = parts.pop();
      return hash.length > 1 ? { id: parts.join("/"), sentence: /^\d+$/.test(last) ? Number(last) : null } : null;
    } catch {
      return null; // a malformed escape
    }
  },
};

/** Opening bundles, traces and files; what is wrong is said in one line and what is shown stays. */
function loadingOf(ctx, model, notice) {
  const { store } = ctx;
  const say = (text = "") => ((notice.textContent = text), (notice.hidden = !text));

  /** Runs what may meet a fault of the input; says it in one line. */
  function guarded(run) {
    try {
      run();
      say();
      return true;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      say(error.message);
      return false;
    }
  }

  /** Shows a trace of a bundle, and of it a sentence: the given one, else the most influential. */
  function show(place, sentence = null, bundle = store.values.bundle) {
    return guarded(() => {
      const trace = readTrace(bundle.traces[place], place, "bundle"),
        { trace: last, metric, kind, perNode } = store.values;
      const same = (list, before) => Math.max(0, list.findIndex((one) => one.key === before?.key));
      const known = Number.isInteger(sentence) && sentence >= 0 && sentence < trace.M;
      store.set({ bundle, trace, metric: last ? same(trace.importances, last.importances[metric]) : 0,
        kind: last ? same(trace.links, last.links[kind]) : 0,
        selected: known ? sentence : mostInfluential(trace), hovered: null, pair: null, pointed: null, minimum: 0,
          head: 0,
        perNode: last ? perNode : trace.M > 120 ? 1 : 2 });
    });
  }

  function load(bundle, wanted = null) {
    let place = 0;
    if (guarded(() => { place = Math.max(0, tracesOf(bundle,
      "bundle").findIndex((one, i) => idOf(one, i) === wanted?.id)); })) show(place, wanted?.sentence, bundle);
  }

  /** Opens files: in Jupyter Python reads them, elsewhere this page does; new traces join those that are there. */
  async function open(files) {
    if (model.get("live")) return model.send({ kind: "files", names: files.map(({ path }) => path) }, undefined,
      await Promise.all(files.map(({ file }) => file.arrayBuffer())));
    try {
      const traces = await tracesOfFiles(files), fresh = new Set(traces.map(idOf)), { bundle } = store.values;
      const kept = (bundle?.traces ?? []).filter((one, i) => !fresh.has(idOf(one, i)));
      const next = { format: FORMAT, traces: [...traces, ...kept] };
      guarded(() => tracesOf(next, "files")) && show(0, null, next);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      say(error.message);
    }
  }

  /** Opens files that may still have to be found; the explorer is marked as busy until it has them. */
  async function receive(files) {
    ctx.root.setAttribute("aria-busy", "true");
    try {
      await open(await files);
    } finally {
      ctx.root.removeAttribute("aria-busy");
    }
  }
  return { show, load, receive, say };
}

/** Keeps the model (Jupyter or the page) and the address in step with the store. */
function connect(ctx, model) {
  const { store } = ctx, live = model.get("live");
  let timer = 0; // browsers slow pages down that change their address too often
  const wanted = () => ({ id: model.get("trace"), sentence: model.get("selected") });
  const placeOf = (id) => store.values.bundle.traces.findIndex((one, i) => idOf(one, i) === id);
  const follow = {
    "change:bundle": () => ctx.load(model.get("bundle"), wanted()),
    "change:selected": () => model.get("selected") !== store.values.selected &&
      ctx.select(knownSentence(model.get("selected"))),
    "change:trace": () => store.values.trace && model.get("trace") !== store.values.trace.id &&
      placeOf(model.get("trace")) >= 0 && ctx.show(placeOf(model.get("trace"))),
    "msg:custom": (message) => message?.kind === "error" && ctx.say(String(message.text)),
  };
  const knownSentence = (i) => (Number.isInteger(i) && i >= 0 && i < (store.values.trace?.M ?? 0) ? i : null);
  const tell = onFrame(() => {
    const { trace, selected } = store.values;
    if (model.get("selected") !== selected) model.set("selected", selected);
    if (model.get("trace") !== trace.id) model.set("trace", trace.id);
    model.save_changes();
    clearTimeout(timer);
    if (!live) timer = setTimeout(() => deepLink.write(trace, selected) !== location.hash &&
      history.replaceState(null, "", deepLink.write(trace, selected)), 150);
  });
  store.watch(["trace", "selected"], tell);
  for (const [name, run] of Object.entries(follow)) model.on(name, run);
  const fromAddress = () => {
    const link = deepLink.read(location.hash);
    if (!link || !store.values.bundle) return;
    const example = deepLink.write(store.values.trace, 0).slice(0, 120);
    if (placeOf(link.id) < 0) ctx.say(new Fault("address", described(link.id),
      `a trace of this page, such as ${example}`).message);
    else if (link.id !== store.values.trace.id) ctx.show(placeOf(link.id), link.sentence);
    else ctx.select(knownSentence(link.sentence));
  };
  ctx.load(model.get("bundle") ?? null, wanted());
  if (!live && store.values.trace) fromAddress();
  if (!live) addEventListener("hashchange", fromAddress);
  return () => {
    clearTimeout(timer);
    for (const [name, run] of Object.entries(follow)) model.off(name, run);
    removeEventListener("hashchange", fromAddress);
  };
}

/** Draws a part again, once a frame, when a value it depends on has changed and it is in sight. */
function redraw(store, names, draw, inSight = () => true) {
  let stale = true;
  const run = onFrame(() => {
    if (!stale || !store.values.trace || !inSight()) return;
    stale = false;
    draw();
  });
  store.watch(names, () => ((stale = true), run()));
  store.watch(["view"], run);
}

/** Hangs each part of the page on the values it shows. */
function wire(ctx, views, parts) {
  const { store } = ctx, { tabs, controls, legend, text, detail, bar, question, status } = parts,
    focus = ["hovered", "selected", "pair", "pointed", "drawn", "visible"];
  redraw(store, ["trace", "view"], tabs.draw);
  redraw(store, ["trace", "view", "metric", "kind", "minimum"], controls.draw);
  redraw(store, ["trace", "bundle", "view"], bar.draw);
  redraw(store, ["trace"], question.draw);
  redraw(store, legend.keys, legend.draw);
  redraw(store, ["trace", "view"], () => (legend.lines.hidden = store.values.view !== "circle"));
  redraw(store, ["trace"], text.draw);
  for (const view of views) {
    const inSight = () => store.values.view === view.key && store.values.width > 0 &&
      (view.shown?.(store.values.trace) ?? true);
    let drawn = null;
    redraw(store, view.keys, () => (view.draw(), (drawn = store.values.trace)), inSight);
    redraw(store, focus, () => drawn === store.values.trace && view.mark(), inSight);
  }
  redraw(store, [...focus, "trace"], text.mark);
  redraw(store, ["trace", "selected"], () => (text.scroll(), detail.top(), ctx.keepFocus()));
  wireDetail(store, detail);
  redraw(store, ["selected", "trace"], () => {
    const { trace, selected } = store.values, { category, text: words } = trace.sentences[selected ?? 0];
    status.textContent = selected === null ? "No sentence is selected."
      : `Sentence ${selected} of ${trace.M}, ${category.title}: ${words.slice(0, 300)}`;
  });
}

/** Draws the detail again when what it shows has changed; when sentences are run through, after a pause. */
function wireDetail(store, detail) {
  const draw = calmly(detail.draw);
  let last = [];
  redraw(store, ["trace", "selected", "hovered", "kind"], () => {
    const { trace, selected, hovered, kind } = store.values,
      now = [trace, selected ?? hovered, kind, selected === null];
    if (now.some((value, k) => value !== last[k])) draw();
    last = now;
  });
}

/** Puts the explorer into `el`; returns what takes it away again. */
function render({ model, el }) {
  const root = h("div", { class: "anchors explorer", "data-lm-suppress-shortcuts": "true" });
  const store = createStore({ bundle: null, trace: null, selected: null, hovered: null, pair: null, pointed: null,
    metric: 0, kind: 0, perNode: 2, minimum: 0, hidden: new Set(),
    visible: null, drawn: [], truth: false, direction: "incoming", treeLinks: 3, treeDepth: 2, view: "circle", head: 0,
      sort: { key: "score", down: true }, width: 0, theme: "" });
  const ctx = { store, root, uid: `explorer-${(instances += 1)}`, zooms: {}, tip: tooltip(root) };
  const notice = h("p", { class: "notice", role: "alert", hidden: true }),
    status = h("div", { class: "visually-hidden", "aria-live": "polite" });
  deriveValues(store);
  Object.assign(ctx, actionsOf(ctx), loadingOf(ctx, model, notice));
  const views = [circleView, treeView, matrixView, stripsView, headsView, comparisonView,
    transitionsView].map((make) => make(ctx));
  ctx.view = () => views.find((view) => view.key === store.values.view);
  ctx.keepFocus = () => root.querySelector(".circle .node:focus") &&
    root.querySelector(".circle .node[tabindex='0']")?.focus();
  const parts = { tabs: tabsOf(ctx, views), controls: viewControls(ctx), legend: legendOf(ctx), text: textPane(ctx),
    detail: detailPanel(ctx), bar: toolbar(ctx), question: questionBox(ctx), status };
  const { tabs, controls, legend, text, detail, bar, question } = parts,
    host = h("div", { class: "host" }, tabs.panels);
  const stage = h("section", { class: "stage", "aria-label": "Views" }, tabs.list, controls.node, host, legend.node);
  root.append(bar.node, notice, question.node, h("div", { class: "columns" }, stage, text.node, detail.node),
    helpBox(), status, ctx.tip.node);
  el.append(root);
  wire(ctx, views, parts);
  acceptDrops(ctx);
  root.addEventListener("theme", ({ detail: theme }) => store.set({ theme }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change",
    (event) => store.set({ theme: `system ${event.matches}` }));
  new ResizeObserver(([entry]) => store.set({ width: Math.floor(entry.contentRect.width) })).observe(host);
  const keys = keysOf(ctx, text.search), listening = model.get("live") ? root : document;
  listening.addEventListener("keydown", keys);
  const disconnect = connect(ctx, model);
  return () => {
    listening.removeEventListener("keydown", keys);
    disconnect();
    root.remove();
  };
}

export default { render };
