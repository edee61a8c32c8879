// Ask a trained model: the tails of a head and a relation, with its anchors, without them, or with some taken away.
// Where there is no Python the query tower is computed here (Tower); all names are data.
const NONE = -1, FAR = 127, FURTHEST = 5;
const OFFERED = 60, ROW = 34; // suggestions at most; height of an answer, px
const ANSWERING = ["head", "relation", "reads", "without", "top"];

function floats({ shape, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const all = new Float32Array(bytes.buffer), width = shape[1];
  return Array.from({ length: shape[0] }, (_, row) => all.subarray(row * width, (row + 1) * width));
}

/** The error function, by a series of positive terms. */
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n += 1) sum += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
const gelu = (x) => (x / 2) * (1 + erf(x / Math.SQRT2));
const dot = (one, other) => { let sum = 0; for (let i = 0; i < one.length; i += 1) sum += one[i] * other[i]; return sum; };
/** Returns W x + b; each row of the matrix ends with its b. */
const affine = (matrix, x) => matrix.map((row) => dot(x, row) + row[x.length]);

/** The query tower of a model over a frozen language model (anchors.entity.encoder.Fusion, pooled inputs). */
class Tower {
  constructor(made) {
    for (const [name, part] of Object.entries(made)) this[name] = name === "epsilon" ? part : floats(part);
  }

  /** Returns the unit vector of a query whose head has these anchors: [[row of the table, hops], …], or null: none read. */
  query(head, relation, anchors) {
    const hidden = this.text ? Array.from(this.text[head]) : new Array(this.norm[0].length).fill(0);
    if (this.bag) this.addAnchors(hidden, anchors);
    this.normalise(hidden);
    const width = hidden.length, own = this.relation[relation];
    const first = hidden.map((value, i) => gelu(value * (1 + own[width + i]) + own[i]));
    const second = affine(this.middle, first).map((value, i) => first[i] + gelu(value));
    const made = affine(this.out, second).map((value, i) => value + (this.through ? this.through[head][i] : 0));
    const length = Math.sqrt(dot(made, made));
    return made.map((value) => value / length);
  }

  addAnchors(hidden, anchors) {
    const hops = this.bag.length - FURTHEST - 3; // rows of the bag: anchors, then hops 0 … further, out of reach, "none"
    const rows = anchors?.length ? anchors.flatMap(([row, hop]) => [this.bag[row], this.bag[hops + (hop >= FAR ? FURTHEST + 1 : Math.min(hop, FURTHEST))]]) : [this.bag.at(-1)];
    const share = 1 / (anchors?.length || 1);
    for (const row of rows) for (let i = 0; i < hidden.length; i += 1) hidden[i] += share * row[i];
  }

  normalise(hidden) {
    const mean = hidden.reduce((a, b) => a + b) / hidden.length;
    const spread = Math.sqrt(hidden.reduce((a, b) => a + (b - mean) ** 2, 0) / hidden.length + this.epsilon);
    hidden.forEach((value, i) => { hidden[i] = ((value - mean) / spread) * this.norm[0][i] + this.norm[1][i]; });
  }
}

/** Returns entities from the best score to the worst, ties by number. */
function sorted(scores) {
  return Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
}

/** Returns the anchors that a head is read with, nearest first: [[row of the table, hops], …]. */
function anchorsOf(data, head, without = []) {
  if (!data) return [];
  const near = data.nearest[head].map((row, place) => [row, data.hops[head][place]]);
  const kept = near.filter(([row]) => row !== NONE && !without.includes(data.chosen[row])).slice(0, data.k);
  return [...kept, ...(data.types[head] ?? []).filter((row) => row !== NONE).map((row) => [row, 1])];
}

/** Returns the answer to a question, as link_box.answer gives it. */
function answered(tower, data, { head, relation, reads, without, top }) {
  const scored = (candidates, anchors) => {
    const query = tower.query(head, relation, anchors);
    return candidates.map((one) => dot(one, query));
  };
  const own = scored(tower.with, anchorsOf(data, head)), none = scored(tower.none, null);
  const some = reads && without.length && data ? scored(tower.with, anchorsOf(data, head, without)) : null;
  const now = reads ? some ?? own : none;
  const places = new Map(sorted(now === own ? none : own).map((entity, place) => [entity, place + 1]));
  const tails = sorted(now).slice(0, top);
  const answer = { tails, scores: tails.map((tail) => now[tail]), other: tails.map((tail) => places.get(tail)) };
  return data ? { ...answer, ...gains(tower, data, head, relation, tails, own, scored) } : answer;
}

function gains(tower, data, head, relation, tails, own, scored) {
  const asked = tower.query(head, relation, anchorsOf(data, head)), unread = scored(tower.with, null);
  const mine = anchorsOf(data, head).map(([row]) => data.chosen[row]).filter((entity) => entity !== NONE);
  const less = mine.map((entity) => scored(tower.with, anchorsOf(data, head, [entity])));
  const found = { head_loss: [], own_loss: [], best: [], cost: [] };
  for (const tail of tails) {
    const losses = less.map((scores) => own[tail] - scores[tail]), cost = losses.length ? Math.max(...losses) : 0;
    found.head_loss.push(own[tail] - unread[tail]);
    found.own_loss.push(own[tail] - dot(tower.none[tail], asked));
    found.best.push(losses.length ? mine[losses.indexOf(cost)] : NONE);
    found.cost.push(cost);
  }
  return found;
}

/** The triples: in which split a fact is, how many tails training knows, and ways through the training graph. */
class Facts {
  constructor(splits, relations, size) {
    this.directions = relations;
    this.split = new Map();
    this.count = new Map();
    this.next = Array.from({ length: size }, () => new Set());
    for (const split of ["train", "valid", "test"]) this.add(split, splits[split]);
  }

  add(split, flat) {
    const half = this.directions / 2;
    for (let at = 0; at < flat.length; at += 3) {
      const [head, relation, tail] = flat.slice(at, at + 3);
      for (const [one, kind, other] of [[head, relation, tail], [tail, relation + half, head]]) {
        const key = `${one} ${kind} ${other}`, asked = `${one} ${kind}`;
        if (!this.split.has(key)) {
          this.split.set(key, split);
          this.count.set(asked, (this.count.get(asked) ?? 0) + 1);
        }
        if (split === "train" && one !== other) this.next[one].add(other);
      }
    }
  }

  kind(head, relation, tail) {
    return this.split.get(`${head} ${relation} ${tail}`) ?? "new";
  }

  /** Returns a shortest way [from, …, to] through training triples, or null. */
  way(from, to) {
    const before = new Map([[from, null]]);
    for (const one of before.keys()) { // keys that are set while this runs are met too: a queue
      if (one === to) break;
      for (const other of this.next[one]) if (!before.has(other)) before.set(other, one);
    }
    if (!before.has(to)) return null;
    const way = [];
    for (let one = to; one !== null; one = before.get(one)) way.unshift(one);
    return way;
  }
}

const plain = (text) => text.toLowerCase().split(/\s+/).filter(Boolean).join(" ");
const short = (text, most) => (text.length <= most ? text : `${text.slice(0, Math.max(1, most - 1))}…`);
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

/** Returns { box, input, set }: a labelled combobox over names; `note` tells what stands at an option's end. */
function combobox({ id, label, names, order, note, chosen, refused }) {
  const lowered = names.map(plain);
  let current = 0;
  const input = h("input", {
    type: "text", id, role: "combobox", autocomplete: "off", spellcheck: "false", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`,
  });
  const list = h("ul", { class: "suggestions", id: `${id}-list`, role: "listbox", "aria-label": `Suggestions: ${label}`, hidden: true });

  function like(text) {
    const hits = Array.from(names.keys()).filter((place) => lowered[place].includes(text));
    return hits.sort((a, b) => lowered[b].startsWith(text) - lowered[a].startsWith(text) || order(a, b)).slice(0, OFFERED);
  }

  /** All names while the input still holds the current one, else those like what was typed. */
  const hits = () => like(plain(input.value) === lowered[current] ? "" : plain(input.value));

  function take(place) {
    input.value = names[place];
    chosen(place);
  }

  function typed() {
    const text = plain(input.value), exact = lowered.indexOf(text);
    offer.close();
    if (exact >= 0) return take(exact);
    const near = lowered.filter((name) => text && name.includes(text)).slice(0, 3);
    return refused(`${label}: “${input.value.trim()}” is not in the graph. ${near.length ? `Like it: ${near.join(" | ")}.` : "Type a part of a name and choose from the list."}`);
  }

  const drawn = (place) => [h("span", {}, names[place]), note(place) && h("span", { class: "count" }, note(place))];
  const offer = offering(input, list, { hits, drawn, take, typed });
  input.addEventListener("input", () => offer.open(like(plain(input.value))));
  input.addEventListener("click", () => offer.open(hits()));
  const box = h("div", {}, h("label", { for: id }, label), h("div", { class: "combobox" }, input, list));
  return { box, set: (place) => { current = place; input.value = names[place]; } };
}

let widgets = 0; // how many were drawn: ids differ between them

function render({ model, el }) {
  const id = `graph${(widgets += 1)}`, live = model.get("live");
  const entities = model.get("entities"), relations = model.get("relations"), data = model.get("anchors");
  const facts = new Facts(model.get("facts"), relations.length, entities.length);
  const tower = model.get("tower") && !live ? new Tower(model.get("tower")) : null;
  let answer = null, quiet = false, preview = -1;
  const now = () => Object.fromEntries(ANSWERING.map((name) => [name, model.get(name)]));

  // --- parts that stay -------------------------------------------------------------------------------------------
  const root = h("div", { class: "anchors graph-box" });
  const message = h("p", { class: "message", role: "status" });
  const known = (head, relation) => facts.count.get(`${head} ${relation}`) ?? 0;
  const head = combobox({
    id: `${id}-head`, label: "Head", names: entities, order: (a, b) => a - b, note: () => null, refused: say, chosen: (place) => change({ head: place }),
  });
  const relation = combobox({
    id: `${id}-relation`, label: "Relation", names: relations, refused: say, chosen: (place) => change({ relation: place }),
    order: (a, b) => known(model.get("head"), b) - known(model.get("head"), a) || a - b,
    note: (place) => (known(model.get("head"), place) ? `${known(model.get("head"), place)} known` : null),
  });
  const readings = [[true, "read"], [false, "not read"]].map(([reads, text]) =>
    h("button", { type: "button", onclick: () => change({ reads, without: [] }) }, text));
  const reading = data && h("div", { role: "group", "aria-label": "Anchors" }, h("span", { class: "label", "aria-hidden": "true" }, "Anchors"), readings);
  const buttons = h("div", { class: "anchor-buttons", role: "group", "aria-label": "Anchors of the head; press one to take it away" });
  const buttonsNote = h("p", { class: "note" });
  const heading = h("h2", { id: `${id}-answers` }), moves = h("div"), note = h("p", { class: "note" });
  const list = h("div", { role: "listbox", "aria-labelledby": `${id}-answers` });
  const details = h("div", { class: "details", role: "status" }), drawing = h("div", { class: "drawing" });

  root.append(
    h("div", { class: "controls" }, head.box, relation.box, reading, themeButton(root)), message,
    data && h("div", {}, buttonsNote, buttons),
    h("div", { class: "columns" },
      h("div", {}, heading, note, h("div", { class: data ? "answers" : "answers alone" }, data && moves, list), details),
      h("div", {}, h("h2", {}, "Around the head"), drawing,
        h("p", { class: "note" }, "Left: the head's anchors with their hops in the training graph. Right: the answers; full lines are facts of the graph, dashed ones are not. Grey: the anchors that a training triple links to the chosen answer. Orange: the anchor that helps it most."))),
  );
  el.append(root);

  function say(text) {
    message.textContent = text;
  }

  // --- the question ------------------------------------------------------------------------------------------------
  function change(values) {
    if ("head" in values) values = { ...values, without: [] };
    if ("head" in values || "relation" in values) values = { ...values, selected: -1 };
    quiet = true;
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    quiet = false;
    refresh();
    model.save_changes();
  }

  function refresh() {
    if (quiet) return;
    say("");
    const asked = now();
    head.set(asked.head);
    relation.set(asked.relation);
    readings.forEach((button, place) => button.setAttribute("aria-pressed", String(asked.reads === (place === 0))));
    if (tower) show(answered(tower, data, asked));
    else if (live && !fromPython()) {
      say("Asking the model in Python …");
      model.set("asked", asked);
      model.save_changes();
    } else if (!live) say("This page holds names and facts only: the model is too large for it or reads text anew. Ask it in the notebook own_ask_the_graph (make lab).");
    drawButtons();
    remember();
  }

  /** Shows what Python answered, if it is the answer to what is asked now; returns whether it is. */
  function fromPython() {
    const got = model.get("answer"), spelled = (asked) => JSON.stringify(ANSWERING.map((name) => asked[name]));
    if (!got?.asked || spelled(got.asked) !== spelled(now())) return false;
    say(got.error ?? "");
    if (!got.error) show(got);
    return true;
  }

  function show(made) {
    answer = made;
    preview = model.get("selected") >= 0 && made.tails.includes(model.get("selected")) ? model.get("selected") : made.tails[0];
    const asked = now(), words = !data ? "" : !asked.reads ? "no anchors read" : asked.without.length ? `${asked.without.length} taken from the head` : "all anchors read";
    heading.textContent = `${entities[asked.head]} – ${relations[asked.relation]} – ?`;
    note.textContent = data ? `Now: ${words}. The lines come from the ranks ${words === "all anchors read" ? "when no anchors are read" : "when all anchors are read"}. Scores are cosines; ranks are among all ${entities.length.toLocaleString("en")} entities.` : `Scores are cosines; ranks are among all ${entities.length.toLocaleString("en")} entities.`;
    listAnswers();
    drawMoves();
    drawRest();
  }

  // --- drawing ---------------------------------------------------------------------------------------------------
  function drawButtons() {
    if (!data) return;
    const asked = now(), own = anchorsOf(data, asked.head, asked.without).filter(([row]) => data.chosen[row] !== NONE);
    const gone = asked.without.map((entity) => [data.chosen.indexOf(entity), null]);
    buttonsNote.textContent = !asked.reads ? "Anchors are not read, of any entity." : own.length || gone.length ? "Anchors of the head, nearest first. Press one to take it away; the next nearest, where there is one, comes in." : "The head has no anchors within reach.";
    buttons.replaceChildren(...(asked.reads ? [...own, ...gone] : []).map(([row, hops]) => {
      const entity = data.chosen[row], name = entity === asked.head ? "itself" : entities[entity];
      return h("button", { type: "button", "data-anchor": entity, "aria-pressed": String(hops !== null), onclick: () => toggle(entity) }, hops === null ? name : `${name} · ${hopsOf(hops)}`);
    }));
  }

  const hopsOf = (hops) => (hops >= FAR ? "out of reach" : hops === 1 ? "1 hop" : `${hops} hops`);

  function toggle(entity) {
    const without = model.get("without");
    const had = document.activeElement?.dataset.anchor === String(entity);
    change({ without: without.includes(entity) ? without.filter((one) => one !== entity) : [...without, entity] });
    if (had) buttons.querySelector(`[data-anchor="${entity}"]`)?.focus();
  }

  function listAnswers() {
    const before = new Map([...list.children].map((row) => [row.dataset.tail, row.offsetTop]));
    const asked = now(), most = Math.max(...answer.scores.map(Math.abs), 1e-9);
    list.replaceChildren(...answer.tails.map((tail, place) => {
      const kind = facts.kind(asked.head, asked.relation, tail), score = answer.scores[place], other = answer.other[place];
      const moved = !data || other === place + 1 ? "" : `, ${other > place + 1 ? "up" : "down"} from ${other}`;
      return h("div", {
        class: "row", role: "option", tabindex: tail === preview ? 0 : -1, "aria-selected": String(tail === model.get("selected")), "data-tail": tail, title: entities[tail],
        "aria-label": `${place + 1}: ${entities[tail]}, score ${score.toFixed(3)}, ${kind === "new" ? "not in the graph" : `fact of ${kind}`}${moved}`,
        onclick: () => choose(tail), onfocus: () => look(tail), onpointerenter: () => look(tail),
      },
        h("span", { class: "rank" }, String(place + 1)), h("span", { class: "name" }, entities[tail]),
        h("span", {}, h("span", { class: "score" }, score.toFixed(3)), h("span", { class: "bar", style: { display: "block", width: `${(100 * Math.abs(score)) / most}%` } })),
        h("span", { class: `fact ${kind}` }, kind));
    }));
    for (const row of list.children) glide(row, before.get(row.dataset.tail));
  }

  function glide(row, from) {
    if (from === undefined || from === row.offsetTop) return;
    row.style.transition = "none";
    row.style.transform = `translateY(${from - row.offsetTop}px)`;
    requestAnimationFrame(() => requestAnimationFrame(() => { row.style.transition = ""; row.style.transform = ""; }));
  }

  function drawMoves() {
    if (!data) return;
    const count = answer.tails.length, width = Math.max(40, moves.clientWidth), middle = (place) => (place - .5) * ROW;
    const lines = answer.tails.map((_, place) => {
      const other = answer.other[place], off = other > count;
      const kind = other > place + 1 ? "up" : other < place + 1 ? "down" : "";
      if (off) return s("text", { class: "far", x: width - 6, y: middle(place + 1) + 4, "text-anchor": "end" }, `↑ ${other}`);
      return s("line", { class: kind, x1: 24, x2: width - 4, y1: middle(other), y2: middle(place + 1) });
    });
    const ranks = answer.tails.map((_, place) => answer.other.includes(place + 1) && s("text", { x: 18, y: middle(place + 1) + 4, "text-anchor": "end" }, String(place + 1)));
    moves.replaceChildren(s("svg", { class: "moves", viewBox: `0 0 ${width} ${count * ROW}`, width, height: count * ROW, "aria-hidden": "true" }, ranks, lines));
  }

  function drawRest() {
    drawDetails();
    drawNeighbourhood();
  }

  function drawDetails() {
    const asked = now(), place = answer.tails.indexOf(preview);
    if (place < 0) return details.replaceChildren();
    const kind = facts.kind(asked.head, asked.relation, preview), way = facts.way(asked.head, preview);
    const where = { train: "a fact of training", valid: "a fact of validation", test: "a fact of test: training did not see it", new: "not in the graph" }[kind];
    const hops = way && way.length - 1;
    return details.replaceChildren(
      h("p", {}, h("b", {}, entities[preview]), ` – rank ${place + 1}, score ${answer.scores[place].toFixed(3)}; ${where}.`),
      data && h("p", {}, `Of its score with all anchors read, the head's anchors give ${signed(answer.head_loss[place])} and its own ${signed(answer.own_loss[place])}.`),
      data && answer.best[place] !== NONE && h("p", {}, "The head's anchor that helps it most: ", h("b", {}, answer.best[place] === asked.head ? "itself" : entities[answer.best[place]]), `; without it the score ${answer.cost[place] < 0 ? "rises" : "falls"} by ${Math.abs(answer.cost[place]).toFixed(3)}.`),
      h("p", { class: "note" }, way === null ? "No way leads there through training triples." : hops === 0 ? "It is the head itself." : `Shortest way in training (${hopsOf(hops)}): ${way.map((one) => entities[one]).join(" – ")}`),
    );
  }

  function drawNeighbourhood() {
    const asked = now(), width = Math.max(300, Math.floor(drawing.clientWidth)), step = 27, top = 84;
    const read = data && asked.reads ? anchorsOf(data, asked.head, asked.without).filter(([row]) => data.chosen[row] !== NONE) : [];
    const left = read.map(([row, hops], place) => ({ entity: data.chosen[row], hops, y: top + place * step }));
    const right = answer.tails.map((tail, place) => ({ entity: tail, y: top + place * step }));
    const height = top + Math.max(left.length, right.length, 1) * step;
    const x = { left: width * .4, right: width * .6, head: width / 2 }, letters = Math.floor((width * .4 - 14) / 7.7);
    const best = answer.best?.[answer.tails.indexOf(preview)];
    const goal = right.find((one) => one.entity === preview);
    const linked = goal ? left.filter((one) => facts.next[one.entity].has(preview)) : [];
    drawing.replaceChildren(s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": described(asked, left) },
      linked.map((one) => s("line", { x1: x.left, y1: one.y, x2: x.right, y2: goal.y })),
      left.map((one) => s("line", { class: "reach", x1: x.head, y1: 40, x2: x.left, y2: one.y })),
      right.map((one) => s("line", { class: `answer${facts.kind(asked.head, asked.relation, one.entity) === "new" ? "" : " known"}`, x1: x.head, y1: 40, x2: x.right, y2: one.y })),
      left.filter((one) => goal && one.entity === best).map((one) => s("line", { class: "best", x1: x.left, y1: one.y, x2: x.right, y2: goal.y })),
      s("circle", { class: "filled", cx: x.head, cy: 40, r: 7 }), s("text", { class: "head", x: x.head, y: 22, "text-anchor": "middle" }, short(entities[asked.head], Math.floor(width / 9))),
      left.map((one) => s("g", { class: "node", onclick: () => toggle(one.entity) }, s("title", {}, `${entities[one.entity]}, ${hopsOf(one.hops)}: click to take it away`), s("circle", { cx: x.left, cy: one.y, r: 5 }),
        s("text", { x: x.left - 10, y: one.y + 4, "text-anchor": "end" }, `${short(one.entity === asked.head ? "itself" : entities[one.entity], letters - 4)} `, s("tspan", { class: "muted" }, `· ${one.hops >= FAR ? "–" : one.hops}`)))),
      right.map((one, place) => s("g", { class: `node${one.entity === preview ? " selected" : ""}`, onclick: () => choose(one.entity) }, s("title", {}, entities[one.entity]), s("circle", { class: "filled", cx: x.right, cy: one.y, r: 5 }),
        s("text", { x: x.right + 10, y: one.y + 4 }, short(`${place + 1} ${entities[one.entity]}`, letters))))));
  }

  function described(asked, left) {
    const anchors = left.length ? `anchors ${left.map((one) => `${entities[one.entity]} (${hopsOf(one.hops)})`).join(", ")}` : "no anchors";
    return `${entities[asked.head]}, read with ${anchors}; best answers ${answer.tails.slice(0, 5).map((tail) => entities[tail]).join(", ")}.`;
  }

  // --- choosing an answer --------------------------------------------------------------------------------------------
  function look(tail) {
    if (tail === preview) return;
    preview = tail;
    drawRest();
  }

  function choose(tail) {
    model.set("selected", tail);
    model.save_changes();
  }

  function marked() {
    if (quiet || !answer) return;
    for (const row of list.children) {
      const chosen = Number(row.dataset.tail) === model.get("selected");
      row.setAttribute("aria-selected", String(chosen));
      if (chosen) look(Number(row.dataset.tail));
    }
    remember();
  }

  list.addEventListener("keydown", (event) => {
    const rows = [...list.children], at = rows.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (at < 0) return;
    if (event.key === "Enter" || event.key === " ") choose(Number(rows[at].dataset.tail));
    else if (next === undefined) return;
    else if (rows[next]) {
      rows[at].tabIndex = -1;
      rows[next].tabIndex = 0;
      rows[next].focus();
    }
    event.preventDefault();
  });

  // --- the address of a page holds what is asked -------------------------------------------------------------------
  function remember() {
    if (live) return;
    const asked = now(), parts = new URLSearchParams({ head: entities[asked.head], relation: relations[asked.relation] });
    if (!asked.reads) parts.set("anchors", "off");
    for (const entity of asked.without) parts.append("without", entities[entity]);
    if (model.get("selected") >= 0) parts.set("answer", entities[model.get("selected")]);
    if (location.hash.slice(1) !== `${parts}`) history.replaceState(null, "", `#${parts}`);
  }

  function recall() {
    const parts = new URLSearchParams(location.hash.slice(1)), wrong = [];
    const place = (kind, names, otherwise) => {
      if (!parts.has(kind)) return otherwise;
      const found = names.indexOf(parts.get(kind));
      if (found < 0) wrong.push(`${kind} “${short(parts.get(kind), 60)}” is not in the graph`);
      return found < 0 ? otherwise : found;
    };
    const values = { head: place("head", entities, model.get("head")), relation: place("relation", relations, model.get("relation")), reads: !data || parts.get("anchors") !== "off" };
    const selected = place("answer", entities, -1);
    const mine = data ? data.nearest[values.head].map((row) => data.chosen[row]) : [];
    const without = parts.getAll("without").map((name) => entities.indexOf(name)).filter((entity) => mine.includes(entity));
    if (without.length < parts.getAll("without").length) wrong.push("it takes away what is no anchor of the head");
    change(values);
    change({ without, selected });
    if (wrong.length) say(`Mind the address: ${wrong.join("; ")}.`);
  }

  // --- wiring ----------------------------------------------------------------------------------------------------
  const heard = { "change:selected": marked, "change:answer": fromPython };
  for (const name of ["head", "relation", "reads", "without"]) heard[`change:${name}`] = refresh;
  for (const [event, listener] of Object.entries(heard)) model.on(event, listener);
  if (live) refresh();
  else {
    recall();
    window.addEventListener("hashchange", recall);
  }
  let drawn = 0;
  const resized = new ResizeObserver(() => {
    if (answer && drawing.clientWidth !== drawn) {
      drawn = drawing.clientWidth;
      drawMoves();
      drawNeighbourhood();
    }
  });
  resized.observe(drawing);
  return () => {
    resized.disconnect();
    for (const [event, listener] of Object.entries(heard)) model.off(event, listener);
  };
}

export default { render };
