"use strict";
// Drop examples into classes, drop queries, ask. Images go as files, everything else as JSON.

const by = id => document.getElementById(id);
const state = { model: null, token: "", zones: [], query: null };

async function call(path, options = {}) {
  const headers = new Headers(options.headers);
  if (state.token) headers.set("Authorization", `Bearer ${state.token}`);
  const response = await fetch(path, { ...options, headers });
  const kind = response.headers.get("Content-Type") || "";
  const content = kind.startsWith("application/json") ? await response.json() : {};
  if (response.ok) return content;
  const error = new Error(content.error || `the service answered ${response.status}; ask again`);
  error.status = response.status;
  throw error;
}

function say(text, wrong = false) {
  by("message").textContent = text;
  by("message").classList.toggle("wrong", wrong);
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// A place for examples: a list of files where the model takes images, else lines of text.
class Zone {
  constructor(label, named) {
    this.files = [];
    this.element = element("div", { className: "zone" });
    if (named) {
      this.name = element("input", { value: label, ariaLabel: `Name of ${label}` });
      this.element.append(this.name);
    }
    if (takesFiles()) this.addFiles(label);
    else this.addLines(label);
    this.takeDrops();
  }

  addFiles(label) {
    const choose = element("input", { type: "file", multiple: true, accept: "image/*" });
    choose.ariaLabel = `Images of ${label}`;
    choose.addEventListener("change", () => { this.add(choose.files); choose.value = ""; });
    this.list = element("ul");
    this.element.append(element("p", { className: "hint", textContent: "Drop images here, or" }));
    this.element.append(choose, this.list);
  }

  addLines(label) {
    const parts = { texts: "one text a line", numbers: "one example a line: 0.5, 1.2" };
    const values = state.model.targets === "classes" || label === "queries" ? "" : ", its value last";
    const hint = isText() ? parts.texts : `${parts.numbers}${values}; or drop a file`;
    this.lines = element("textarea", { ariaLabel: `Examples of ${label}`, spellcheck: false });
    this.element.append(element("p", { className: "hint", textContent: hint }), this.lines);
  }

  takeDrops() {
    const over = on => event => { event.preventDefault(); this.element.classList.toggle("over", on); };
    this.element.addEventListener("dragover", over(true));
    this.element.addEventListener("dragleave", over(false));
    this.element.addEventListener("drop", event => {
      over(false)(event);
      this.add(event.dataTransfer.files);
    });
  }

  async add(files) {
    for (const file of files) {
      if (this.lines) this.lines.value += await file.text();
      else { this.files.push(file); this.show(file); }
    }
  }

  show(file) {
    const url = URL.createObjectURL(file);
    const image = element("img", { src: url, alt: file.name });
    const remove = element("button", { type: "button", title: `Remove ${file.name}` }, image);
    const item = element("li", {}, remove);
    remove.addEventListener("click", () => {
      this.files.splice(this.files.indexOf(file), 1);
      URL.revokeObjectURL(url);
      item.remove();
    });
    this.list.append(item);
  }

  rows() {
    return this.lines.value.split("\n").map(line => line.trim()).filter(Boolean);
  }
}

const takesFiles = () => state.model.bodies.includes("multipart/form-data");
const isText = () => state.model.inputs.includes("texts");
const classifies = () => state.model.targets === "classes";

function numbersOf(row) {
  return row.split(/[,;\s]+/).filter(Boolean).map(word => {
    const value = Number(word);
    if (!Number.isFinite(value)) throw new Error(`${word} is no number; write numbers with a point`);
    return value;
  });
}

function shaped(values, shape) {
  if (shape.length <= 1) return values;
  const size = values.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) =>
    shaped(values.slice(i * size, (i + 1) * size), shape.slice(1)));
}

const inputOf = row => isText() ? row : shaped(numbersOf(row), state.model.input_shape);

function support() {
  const inputs = [], targets = [];
  for (const zone of state.zones) {
    for (const row of zone.rows()) {
      if (classifies()) { inputs.push(inputOf(row)); targets.push(zone.name.value); continue; }
      const size = state.model.input_shape.reduce((a, b) => a * b, 1), values = numbersOf(row);
      inputs.push(shaped(values.slice(0, size), state.model.input_shape));
      targets.push(values.slice(size));
    }
  }
  return { inputs, targets };
}

function request() {
  if (!takesFiles()) {
    const query = { inputs: state.query.rows().map(inputOf) };
    const body = JSON.stringify({ support: support(), query });
    return { body, headers: { "Content-Type": "application/json" } };
  }
  const body = new FormData();
  for (const zone of state.zones)
    for (const file of zone.files) body.append(`support:${zone.name.value}`, file);
  for (const file of state.query.files) body.append("query", file);
  return { body };
}

function bar(probability) {
  const meter = element("meter", { min: 0, max: 1, value: probability, ariaLabel: "probability" });
  return element("td", {}, meter, ` ${(100 * probability).toFixed(1)} %`);
}

const shown = value => Array.isArray(value) ? value.map(shown).join(", ")
  : typeof value === "number" ? Number(value.toPrecision(6)).toString() : String(value);

function show(rows) {
  const classes = rows[0].classes;
  const names = ["query", "prediction", ...(classes || (rows[0].deviation === undefined ? [] : ["±"]))];
  const head = by("answer").querySelector("thead tr"), body = by("answer").querySelector("tbody");
  head.replaceChildren(...names.map(name => element("th", { textContent: name, scope: "col" })));
  body.replaceChildren(...rows.map(row => element("tr", {},
    element("td", { textContent: row.query }),
    element("td", { textContent: shown(row.prediction) }),
    ...(classes ? row.probabilities.map(bar) : []),
    ...(row.deviation === undefined ? [] : [element("td", { textContent: shown(row.deviation) })]),
  )));
  by("answer").hidden = false;
}

async function ask() {
  by("ask").disabled = true;
  say("Asking ...");
  try {
    const began = performance.now();
    const answer = await call("predict", { method: "POST", ...request() });
    show(answer.predictions);
    say(`Answered in ${Math.round(performance.now() - began)} ms.`);
  } catch (error) {
    say(error.message, true);
  } finally {
    by("ask").disabled = false;
  }
}

function addClass(name) {
  const zone = new Zone(name, classifies());
  state.zones.push(zone);
  by("classes").append(zone.element);
}

async function start() {
  try {
    state.model = await call("model");
  } catch (error) {
    by("login").hidden = error.status !== 401;
    by("about").textContent = error.message;
    return;
  }
  const { task, protocol, inner_steps: steps } = state.model;
  by("about").textContent =
    `A run of ${task}, ${protocol.method || ""}; it adapts by ${steps} inner step${steps === 1 ? "" : "s"}.`;
  by("login").hidden = true;
  by("work").hidden = false;
  const fixed = state.model.classes;
  if (fixed) fixed.forEach(addClass);
  else if (classifies()) ["class 1", "class 2"].forEach(addClass);
  else addClass("the support set");
  by("more").hidden = !classifies() || Boolean(fixed);
  state.query = new Zone("queries", false);
  by("query").append(state.query.element);
}

by("more").addEventListener("click", () => addClass(`class ${state.zones.length + 1}`));
by("ask").addEventListener("click", ask);
by("login").addEventListener("submit", event => {
  event.preventDefault();
  state.token = by("token").value;
  start();
});
start();
