// Words find pictures and pictures find words: codes are compared here, bit by bit; all text is data.
const FEW = 24; // answers shown before "more"; groups of one distance are not split below this
const SUGGESTED = 10;
const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/** Returns rows of packed codes as views of one buffer. */
function rowsOf(base64, width) {
  const all = bytesOf(base64);
  return Array.from({ length: all.length / width }, (_, row) => all.subarray(row * width, (row + 1) * width));
}

/** Returns the bit of a packed code; bit 0 is the highest of the first byte, as numpy packs. */
function bitOf(code, place) {
  return (code[place >> 3] >> (7 - (place & 7))) & 1;
}

/** Returns the Hamming distance of two packed codes over their first `length` bits. */
function hamming(one, other, length) {
  let sum = 0;
  for (let byte = 0; byte * 8 < length; byte += 1) {
    const rest = length - byte * 8;
    sum += ONES[(one[byte] ^ other[byte]) & (rest < 8 ? (0xff00 >> rest) & 0xff : 0xff)];
  }
  return sum;
}

/** Returns [{ distance, rows }], nearest first; rows of one distance are in the order of the database. */
function ranked(query, database, length) {
  const groups = Array.from({ length: length + 1 }, (_, distance) => ({ distance, rows: [] }));
  database.forEach((code, row) => groups[hamming(query, code, length)].rows.push(row));
  return groups.filter((group) => group.rows.length);
}

function plain(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean).join(" ");
}

/** Returns positions of names that begin with the text, then of names with a word that does, then of all others. */
function suggested(names, text) {
  if (!text) return [];
  const parts = [[], [], []];
  for (let place = 0; place < names.length; place += 1) {
    const at = names[place].indexOf(text);
    if (at >= 0) parts[at === 0 ? 0 : names[place][at - 1] === " " ? 1 : 2].push(place);
  }
  parts[0].sort((a, b) => names[a].length - names[b].length);
  return parts.flat().slice(0, SUGGESTED);
}

let widgets = 0; // how many were drawn: ids differ between them

function render({ model, el }) {
  const id = `search${(widgets += 1)}`;
  const live = model.get("live");
  const bits = model.get("bits"), width = Math.ceil(bits / 8), shelf = model.get("shelf");
  const names = model.get("names"), kinds = model.get("kinds"), subgroups = model.get("subgroups");
  const pictures = rowsOf(model.get("pictures"), width), texts = rowsOf(model.get("texts"), width);
  const vocabulary = model.get("vocabulary"), codes = rowsOf(model.get("codes"), width);
  const known = new Map(vocabulary.map((word, place) => [word, place]));
  const plainNames = names.map(plain);
  const sheet = model.get("sheet");
  const picture = URL.createObjectURL(new Blob([bytesOf(sheet.png)], { type: "image/png" }));
  let shown = FEW, preview = -1, groups = [], query = null, quiet = false;

  const byWords = () => model.get("direction") === "words";
  const length = () => model.get("length");
  const onShelf = pictures.slice(0, shelf), database = () => (byWords() ? onShelf : texts);

  // --- parts that stay -------------------------------------------------------------------------------------------
  const root = h("div", { class: "anchors emoji-search" });
  root.style.setProperty("--sheet", `url("${picture}")`);
  const directions = [["words", "words → pictures"], ["pictures", "pictures → words"]].map(([name, text]) =>
    h("button", { type: "button", "data-direction": name, onclick: () => change({ direction: name }) }, text));
  const input = h("input", {
    type: "text", id: `${id}-query`, role: "combobox", autocomplete: "off", spellcheck: "false", maxlength: 300,
    "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`,
  });
  const label = h("label", { for: `${id}-query` });
  const list = h("ul", { class: "suggestions", id: `${id}-list`, role: "listbox", "aria-label": "Suggestions", hidden: true });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Examples" },
    model.get("examples").map((word) => h("button", { type: "button", onclick: () => ask(word) }, word)));
  const message = h("p", { class: "message", role: "status" });
  const grid = h("div", { class: "shelf", role: "listbox", "aria-label": "Held-out pictures" });
  const browse = h("div", {}, h("p", { class: "note" }, `${(names.length - shelf).toLocaleString("en")} held-out pictures that training did not see:`), grid);
  const asking = h("div", { class: "asking" });
  const slider = h("input", { type: "range", id: `${id}-bits`, min: 1, max: bits, step: 1, oninput: () => change({ length: Number(slider.value) }) });
  const sliderLabel = h("label", { for: `${id}-bits` });
  const sliderNote = h("p", { class: "note" });
  const cells = h("div"), compared = h("div", { class: "compared", role: "status" });
  const heading = h("h2", { id: `${id}-found` });
  const resultsNote = h("p", { class: "note" });
  const results = h("div", { role: "listbox", "aria-labelledby": `${id}-found` });
  const more = h("button", { type: "button", class: "more", onclick: () => { shown += 2 * FEW; listResults(); } }, "Show more");

  root.append(
    h("div", { class: "controls" }, h("div", { role: "group", "aria-label": "Direction of the search", class: "chips" }, directions), themeButton(root)),
    h("div", { class: "columns" },
      h("div", { class: "ask" },
        label, h("div", { class: "combobox" }, input, list), message, chips, browse, asking,
        h("div", { class: "length" }, sliderLabel, slider, sliderNote), cells, compared),
      h("div", { class: "answers" }, heading, resultsNote, results, more)),
    h("p", { class: "credit" }, `${model.get("credit")}. ${shelf.toLocaleString("en")} emoji are searched, `
      + `${vocabulary.length.toLocaleString("en")} words and phrases are known by heart.`),
  );
  el.append(root);

  // --- drawing ---------------------------------------------------------------------------------------------------
  function tile(row, size, hidden = false) {
    const place = { x: row % sheet.columns, y: Math.floor(row / sheet.columns) };
    return h("span", {
      class: "tile", role: hidden ? null : "img", "aria-label": hidden ? null : names[row], "aria-hidden": hidden ? "true" : null,
      style: {
        width: `${size}px`, height: `${size}px`, backgroundSize: `${sheet.columns * size}px auto`,
        backgroundPosition: `${-place.x * size}px ${-place.y * size}px`,
      },
    });
  }

  const across = 16, unit = 18; // cells in a row, and their size
  function codeCells(code, other, top, used) {
    return Array.from({ length: bits }, (_, place) => {
      const x = 66 + (place % across) * unit, y = top + Math.floor(place / across) * (2 * unit + 22);
      const one = bitOf(code, place), differs = other !== null && place < used && one !== bitOf(other, place);
      const kind = `cell${one ? " one" : ""}${differs ? " differs" : ""}${place < used ? "" : " unused"}`;
      const mark = differs && s("line", { class: "mark", x1: x + 3, x2: x + unit - 5, y1: y + unit + 3, y2: y + unit + 3 });
      return [s("rect", { class: kind, "data-bit": place, x, y, width: unit - 3, height: unit - 3, rx: 2 }), mark];
    });
  }

  function drawCells() {
    const answer = preview < 0 ? null : database()[preview], used = length();
    const lines = Math.ceil(bits / across), height = lines * (2 * unit + 22);
    const titles = Array.from({ length: lines }, (_, line) => [
      s("text", { x: 0, y: line * (2 * unit + 22) + 13 }, "query"),
      answer && s("text", { x: 0, y: line * (2 * unit + 22) + unit + 19 }, "answer"),
    ]);
    const differing = answer ? Array.from({ length: used }, (_, place) => place).filter((place) => bitOf(query, place) !== bitOf(answer, place)) : [];
    const words = answer ? `Bits of the query and of the answer; ${differing.length} of ${used} differ${differing.length ? `: ${differing.map((place) => place + 1).join(", ")}` : ""}.` : "Bits of the query.";
    cells.replaceChildren(...(query === null ? [] : [
      s("svg", { class: "cells", viewBox: `0 -2 ${66 + Math.min(bits, across) * unit} ${height}`, role: "img", "aria-label": words },
        titles, s("g", { class: "query-code" }, codeCells(query, null, 0, used)),
        answer && s("g", { class: "answer-code" }, codeCells(answer, query, unit + 6, used))),
      h("p", { class: "note" }, "Filled: 1, empty: 0. Orange and underlined: the answer's bit differs from the query's."),
    ]));
    compared.replaceChildren(...(answer === null ? [] : [
      tile(preview, 56), h("div", {}, h("b", {}, names[preview]),
        h("div", {}, `distance ${differing.length} of ${used} bits, rank ${placeOf(preview)}`),
        h("div", { class: "note" }, `${subgroups[kinds[preview]]}; keywords: ${model.get("about")[preview] || "none"}`))]));
  }

  /** Returns "4" or "4–9 (tied)": the ranks that a row's distance takes. */
  function placeOf(row) {
    let before = 0;
    for (const group of groups) {
      if (group.rows.includes(row)) return group.rows.length === 1 ? `${before + 1}` : `${before + 1}–${before + group.rows.length} (tied)`;
      before += group.rows.length;
    }
    return "–";
  }

  function result(row, distance) {
    const selected = model.get("selected") === row, same = !byWords() && kinds[row] === kinds[model.get("picture")];
    const text = `${names[row]}, distance ${distance}${same ? ", same kind as the picture" : ""}`;
    return h("div", {
      class: byWords() ? "result" : "result text", role: "option", tabindex: -1, "aria-selected": String(selected), "aria-label": text, title: names[row],
      "data-row": row, onclick: () => choose(row), onpointerenter: () => look(row), onfocus: () => look(row),
    }, byWords() ? [tile(row, 56, true), h("span", { class: "name" }, names[row])] : [names[row], same && h("span", { class: "same" }, " ✓")]);
  }

  function listResults() {
    let count = 0, place = 1;
    const parts = [];
    for (const group of groups) {
      if (count >= shown) break;
      const rows = group.rows.slice(0, Math.max(FEW, shown) - count), left = group.rows.length - rows.length;
      const last = place + group.rows.length - 1;
      const ranks = group.rows.length > 1 ? `ranks ${place}–${last}, tied` : `rank ${place}`;
      parts.push(h("div", { class: "group", role: "group", "aria-label": `distance ${group.distance}, ${ranks}`, "data-distance": group.distance, "data-size": group.rows.length },
        h("div", { class: "group-head", "aria-hidden": "true" }, h("b", {}, `distance ${group.distance}`), h("span", { class: "muted" }, ranks), left > 0 && h("span", { class: "muted" }, `${left} more`)),
        h("div", { class: "found", role: "presentation" }, rows.map((row) => result(row, group.distance)))));
      count += rows.length;
      place = last + 1;
    }
    results.replaceChildren(...parts);
    more.hidden = query === null || count >= shelf;
    const first = results.querySelector('[aria-selected="true"]') ?? results.querySelector('[role="option"]');
    if (first) first.tabIndex = 0;
  }

  function look(row) {
    if (row === preview) return;
    preview = row;
    drawCells();
  }

  function choose(row) {
    model.set("selected", row);
    model.save_changes();
  }

  function marked() {
    if (quiet) return;
    const row = model.get("selected");
    if (row >= 0 && !results.querySelector(`[data-row="${row}"]`)) return refresh();
    for (const option of results.querySelectorAll('[role="option"]')) {
      const chosen = Number(option.dataset.row) === row;
      option.setAttribute("aria-selected", String(chosen));
      if (chosen) focusable(results, option);
    }
    if (row >= 0) look(row);
    return remember();
  }

  function focusable(box, option) {
    for (const one of box.querySelectorAll('[role="option"][tabindex="0"]')) one.tabIndex = -1;
    option.tabIndex = 0;
  }

  // Arrow keys move by answers, up and down by rows of the page.
  function moveBy(box, event) {
    const options = [...box.querySelectorAll('[role="option"]')], at = options.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    let next = at;
    if (at < 0) return;
    if (step) next = Math.min(options.length - 1, Math.max(0, at + step));
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") next = lineAway(options, at, event.key === "ArrowDown");
    else if (event.key === "Enter" || event.key === " ") options[at].click();
    else return;
    event.preventDefault();
    focusable(box, options[next]);
    options[next].focus();
  }

  function lineAway(options, at, down) {
    const here = options[at].getBoundingClientRect(), ahead = down ? options.slice(at + 1) : options.slice(0, at).reverse();
    const off = (one) => (down ? one.getBoundingClientRect().top > here.top + 4 : one.getBoundingClientRect().top < here.top - 4);
    const first = ahead.find(off);
    if (!first) return at;
    const line = first.getBoundingClientRect().top;
    const row = ahead.filter((one) => Math.abs(one.getBoundingClientRect().top - line) < 4);
    const far = (one) => Math.abs(one.getBoundingClientRect().left - here.left);
    return options.indexOf(row.reduce((best, one) => (far(one) < far(best) ? one : best)));
  }
  results.addEventListener("keydown", (event) => moveBy(results, event));
  grid.addEventListener("keydown", (event) => moveBy(grid, event));

  // --- what asks -------------------------------------------------------------------------------------------------
  /** Sets values of the state, of this widget's own accord. */
  function change(values) {
    if ("direction" in values || "word" in values || "picture" in values) {
      shown = FEW;
      values = { ...values, selected: -1 };
    }
    quiet = true;
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    quiet = false;
    refresh();
    model.save_changes();
  }

  /** Asks with words, or with the picture of that name. */
  function ask(text) {
    offer.close();
    if (byWords()) return change({ word: text.trim() });
    const row = plainNames.indexOf(plain(text));
    if (row < 0) return say(`No picture is called “${text.trim()}”. Type a part of a name and choose from the list, or pick a picture below.`);
    return change({ picture: row });
  }

  function say(text) {
    message.textContent = text;
  }

  /** Returns the packed code of the query, or null after saying why there is none. */
  function codeNow() {
    if (!byWords()) return pictures[model.get("picture")];
    const text = model.get("word"), place = known.get(plain(text));
    if (place !== undefined) return codes[place];
    const answer = model.get("answer");
    if (answer?.text === text && answer.code) return bytesOf(answer.code);
    if (answer?.text === text && answer.error) say(answer.error);
    else if (!text) say("Type a word or a phrase.");
    else if (live) {
      say(`Asking Python for the code of “${text}” …`);
      model.set("asked", text);
      model.save_changes();
    } else {
      say(`“${text}” is not among the ${vocabulary.length.toLocaleString("en")} words and phrases of this page. In the notebook own_emoji_search (make lab) any text is embedded and hashed.`);
    }
    return null;
  }

  function refresh() {
    if (quiet) return;
    const words = byWords(), row = model.get("picture");
    for (const button of directions) button.setAttribute("aria-pressed", String(button.dataset.direction === model.get("direction")));
    label.textContent = words ? "Words that ask" : "Picture that asks";
    input.placeholder = words ? "a word or a phrase" : "the name of a picture";
    if (document.activeElement !== input) input.value = words ? model.get("word") : names[row];
    chips.hidden = !words;
    browse.hidden = words;
    slider.value = length();
    slider.setAttribute("aria-valuetext", `first ${length()} of ${bits} bits`);
    sliderLabel.textContent = length() === bits ? `Bits compared: all ${bits}` : `Bits compared: the first ${length()} of a ${bits}-bit code`;
    sliderNote.textContent = `The bits are learnt together: a model trained for ${length() === bits ? "fewer" : length()} bits would have others.`;
    say("");
    query = codeNow();
    groups = query === null ? [] : ranked(query, database(), length());
    const order = groups.flatMap((group) => group.rows), selected = order.indexOf(model.get("selected"));
    preview = order[Math.max(0, selected)] ?? -1;
    shown = Math.max(shown, selected + 1);
    asking.replaceChildren(...(words ? [] : [tile(row, 84), h("span", {}, names[row], h("span", { class: "note" }, row < shelf ? " – a training picture" : " – held out"))]));
    if (!words) markPicture(row);
    heading.textContent = query === null ? "No answer" : `${words ? "Pictures" : "Words"} nearest to ${words ? `“${model.get("word")}”` : `the picture “${names[row]}”`}`;
    resultsNote.textContent = query === null ? "" : `Answers at one distance are tied: there is no order among them.${words ? "" : ` ✓: of the picture's own subgroup, ${subgroups[kinds[row]]}.`}`;
    listResults();
    drawCells();
    remember();
  }

  function fillGrid() {
    for (let row = shelf; row < names.length; row += 1) {
      grid.append(h("div", { role: "option", tabindex: -1, "aria-selected": "false", "aria-label": names[row], title: names[row], "data-row": row, onclick: () => change({ picture: row }) }, tile(row, 40, true)));
    }
    grid.firstElementChild.tabIndex = 0;
  }

  function markPicture(row) {
    if (!grid.childElementCount) fillGrid();
    for (const option of grid.children) option.setAttribute("aria-selected", String(Number(option.dataset.row) === row));
    const chosen = grid.querySelector('[aria-selected="true"]');
    if (chosen) {
      focusable(grid, chosen);
      grid.scrollTop = chosen.offsetTop - grid.offsetTop - 80;
    }
  }

  // --- suggestions -----------------------------------------------------------------------------------------------
  const hits = () => suggested(byWords() ? vocabulary : plainNames, plain(input.value));
  const offer = offering(input, list, {
    hits, typed: () => ask(input.value),
    drawn: (place) => (byWords() ? vocabulary[place] : [tile(place, 32, true), `${names[place]}${place < shelf ? " (training)" : ""}`]),
    take: (place) => {
      input.value = byWords() ? vocabulary[place] : names[place];
      ask(input.value);
    },
  });
  input.addEventListener("input", () => {
    offer.open(hits());
    if (byWords() && known.has(plain(input.value))) change({ word: input.value.trim() });
  });

  // --- the address of a page holds what is asked -------------------------------------------------------------------
  function remember() {
    if (live) return;
    const parts = new URLSearchParams({ direction: model.get("direction"), ask: byWords() ? model.get("word") : names[model.get("picture")] });
    if (length() !== bits) parts.set("bits", length());
    if (model.get("selected") >= 0) parts.set("answer", names[model.get("selected")]);
    if (location.hash.slice(1) !== `${parts}`) history.replaceState(null, "", `#${parts}`);
  }

  function recall() {
    const parts = new URLSearchParams(location.hash.slice(1));
    if (!parts.has("ask")) return refresh();
    const wanted = parts.get("ask"), wrong = [];
    const direction = parts.get("direction") === "pictures" ? "pictures" : "words";
    const row = plainNames.indexOf(plain(wanted)), answer = plainNames.indexOf(plain(parts.get("answer") ?? ""));
    const many = Number(parts.get("bits") ?? bits);
    if (direction === "pictures" && row < 0) wrong.push(`the address asks with the picture “${wanted}”, which is not here`);
    if (!(Number.isInteger(many) && many >= 1 && many <= bits)) wrong.push(`bits in the address is “${parts.get("bits")}”, a number from 1 to ${bits} is expected`);
    if (parts.has("answer") && !(answer >= 0 && answer < shelf)) wrong.push(`the address names the answer “${parts.get("answer")}”, which is not searched`);
    change({ direction, ...(direction === "words" ? { word: wanted.slice(0, 300) } : row < 0 ? {} : { picture: row }), length: many >= 1 && many <= bits ? Math.floor(many) : bits });
    if (answer >= 0 && answer < shelf) choose(answer);
    if (wrong.length) say(`Mind the address: ${wrong.join("; ")}.`);
  }

  // --- wiring ----------------------------------------------------------------------------------------------------
  const heard = { "change:direction": refresh, "change:word": refresh, "change:picture": refresh, "change:length": refresh, "change:selected": marked, "change:answer": refresh };
  for (const [event, listener] of Object.entries(heard)) model.on(event, listener);
  if (live) refresh();
  else {
    recall();
    window.addEventListener("hashchange", recall);
  }
  return () => {
    for (const [event, listener] of Object.entries(heard)) model.off(event, listener);
    URL.revokeObjectURL(picture);
  };
}

export default { render };
