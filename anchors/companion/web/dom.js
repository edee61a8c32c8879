// What every widget uses. Text only ever enters the page as text: h() has no way to parse HTML.
const SVG = "http://www.w3.org/2000/svg";

/** Returns an element: h("p", { class: "note", onclick: f }, "text", child, …); attributes that are null are left out. */
function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Returns an SVG element, as h() does. */
function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value); // an object: a style attribute is forbidden
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Saves a text or blob as a file of the reader. */
function download(name, content, type = "text/plain") {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Returns a button that goes through system, light, dark and high contrast; root gets data-theme. */
function themeButton(root) {
  const themes = ["system", "light", "dark", "contrast"];
  let at = 0;
  const button = h("button", { type: "button", class: "theme", onclick: () => show(at + 1) });
  function show(next) {
    at = next % themes.length;
    root.dataset.theme = themes[at];
    button.textContent = `Theme: ${themes[at]}`;
    root.dispatchEvent(new CustomEvent("theme", { detail: themes[at] }));
  }
  show(0);
  return button;
}

/**
 * Makes a text input (role combobox) offer items in a list (role listbox): arrows move, Enter takes, Escape closes.
 *
 * hits() gives the items that the arrows offer, drawn(item) the children of an option; take(item) gets the chosen one,
 * typed() is called for Enter when none is marked. Returns { open(items), close }.
 */
function offering(input, list, { hits, drawn, take, typed }) {
  let offered = [], active = -1;

  function show(there) {
    list.hidden = !there;
    input.setAttribute("aria-expanded", String(there));
    mark(-1);
  }

  function mark(place) {
    active = place;
    [...list.children].forEach((option, k) => option.setAttribute("aria-selected", String(k === place)));
    if (place < 0) return input.removeAttribute("aria-activedescendant");
    list.children[place].scrollIntoView({ block: "nearest" });
    return input.setAttribute("aria-activedescendant", list.children[place].id);
  }

  function open(items) {
    offered = items;
    list.replaceChildren(...items.map((item, k) => h("li", {
      id: `${list.id}-${k}`, role: "option",
      onpointerdown: (event) => { event.preventDefault(); chosen(item); },
    }, drawn(item))));
    show(items.length > 0);
  }

  const close = () => show(false);

  function chosen(item) {
    close();
    take(item);
  }

  function move(step) {
    if (list.hidden) open(hits());
    if (!offered.length) return;
    mark((active + step + offered.length + (active < 0 && step < 0 ? 1 : 0)) % offered.length);
  }

  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") move(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Escape") close();
    else if (event.key === "Enter") active >= 0 ? chosen(offered[active]) : typed();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return { open, close };
}
