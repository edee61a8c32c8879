// Stands in for Jupyter's model in a page of its own: the same get, set, on and save_changes, and nobody behind them.
const state = { live: false, ...JSON.parse(document.getElementById("state").textContent) };
const listeners = {};
const model = {
  get: (name) => state[name],
  set(name, value) {
    state[name] = value;
    for (const listener of listeners[`change:${name}`] ?? []) listener();
  },
  on: (name, listener) => (listeners[name] ??= []).push(listener),
  off: (name, listener) => (listeners[name] = (listeners[name] ?? []).filter((one) => one !== listener)),
  save_changes() {},
  send() {},
};
render({ model, el: document.getElementById("widget") });
