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
