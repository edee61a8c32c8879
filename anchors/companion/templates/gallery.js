// Search and filters of the gallery. They live in the address after "#", so that every view has a permalink;
// "#paper/figure" without "=" is a card. Without this script all cards are shown.
const form = document.getElementById("filters");
const cards = [...document.querySelectorAll("article.card")];
const texts = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));

/** Returns the filters in force, without the empty ones. */
function chosen() {
  return new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim()));
}

function fits(card, filters) {
  const words = (filters.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const kept = ["paper", "verdict", "status", "state", "compared", "play"].every((key) => !filters.get(key) || card.dataset[key] === filters.get(key));
  return kept && words.every((word) => texts.get(card).includes(word));
}

/** Shows the cards that fit, says how many they are, hides papers without any. */
function show() {
  const filters = chosen();
  for (const card of cards) card.hidden = !fits(card, filters);
  for (const section of document.querySelectorAll("section.paper")) section.hidden = !section.querySelector("article.card:not([hidden])");
  const count = cards.filter((card) => !card.hidden).length;
  document.getElementById("shown").textContent = count === cards.length ? `${count} figures` : `${count} of ${cards.length} figures`;
  document.getElementById("nothing").hidden = count > 0;
  return filters;
}

/** Writes the filters into the address; a view without filters keeps the plain one. */
function note() {
  const filters = show().toString();
  history.replaceState(null, "", filters ? `#${filters}` : location.href.split("#")[0]);
}

/** Follows the address: filters, or one card, which is shown whatever was filtered. */
function follow() {
  const words = location.hash.slice(1);
  const target = document.getElementById(words);
  if (target && !target.closest("[hidden]")) return;
  const filters = new URLSearchParams(words.includes("=") ? words : "");
  for (const field of form.elements) {
    if (field.type === "checkbox") field.checked = filters.has(field.name);
    else if (field.name) field.value = filters.get(field.name) ?? "";
    if (field.selectedIndex === -1) field.value = ""; // an address with a value that no card has
  }
  show();
  if (target) target.scrollIntoView();
}

form.hidden = false;
form.addEventListener("input", note);
form.addEventListener("reset", () => setTimeout(note));
form.addEventListener("submit", (event) => {
  event.preventDefault(); // Enter leads from the words to the first card
  document.querySelector("article.card:not([hidden]) h3 a")?.focus();
});
addEventListener("hashchange", follow);
show();
follow();
