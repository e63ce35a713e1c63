// Shows each route of the OpenAPI document, and sends requests to this node. Everything that comes
// from elsewhere is set as text, never as markup.
"use strict";

const SHOWN_MAX = 200000;

/** An element with properties and children. */
function el(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Follows a reference within the document. */
function resolve(api, schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((at, key) => at && at[key], api) || {};
}

/** A value that a schema describes: its example, or the first of its enumeration. */
function example(api, schema) {
  const { examples, example, enum: values } = resolve(api, schema);
  const found = examples ? examples[0] : example ?? (values && values[0]);
  return found === undefined ? "" : String(found);
}

/** What a value has to be, in a few words. */
function kind(api, schema) {
  const { type, format, minimum, maximum, description } = resolve(api, schema);
  const range = minimum !== undefined && maximum !== undefined ? `${minimum} to ${maximum}` : "";
  return [description, format || type, range].filter(Boolean).join(" · ");
}

let fields = 0;

/** A labelled field; `input` is what is typed into. */
function field(label, input, hint) {
  input.id = `field-${fields += 1}`;
  const made = el("div", {}, el("label", { htmlFor: input.id, textContent: label }), input);
  if (hint) {
    const text = el("p", { className: "hint", id: `${input.id}-hint`, textContent: hint });
    input.setAttribute("aria-describedby", text.id);
    made.append(text);
  }
  return made;
}

function parameterField(api, parameter) {
  const input = el("input", { type: "text", name: parameter.name, spellcheck: false });
  const needed = parameter.required;
  input.placeholder = needed ? "" : example(api, parameter.schema);
  input.value = needed ? example(api, parameter.schema) : "";
  input.required = needed;
  const where = parameter.in === "path" ? "" : " (may be left out)";
  const hint = [parameter.description, kind(api, parameter.schema)].filter(Boolean).join(" ");
  return [input, field(parameter.name + where, input, hint)];
}

/** Fields of the body: its media type and its text, or a file. */
function bodyFields(body) {
  const types = Object.keys(body.content);
  const type = el("select", {}, ...types.map((name) => el("option", { textContent: name })));
  const text = el("textarea", { spellcheck: false });
  const file = el("input", { type: "file" });
  const nodes = [field("Media type", type), field("Body", text), field("… or a file", file)];
  return { type, text, file, nodes };
}

/** The URL of a request: segments filled in, the query behind. */
function address(path, inputs) {
  const query = new URLSearchParams();
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") {
      const whole = parameter.name === "path" ? encodeURI : encodeURIComponent;
      path = path.replace(`{${parameter.name}}`, whole(input.value));
    } else if (parameter.in === "query" && input.value !== "") {
      query.set(parameter.name, input.value);
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Sends, and writes what comes back. */
async function send(method, url, headers, body, out) {
  out.replaceChildren(el("p", { textContent: `${method} ${url} …` }));
  const begun = performance.now();
  try {
    const answer = await fetch(url, { method, headers, body, credentials: "omit" });
    const type = answer.headers.get("content-type") || "";
    if (type.startsWith("text/event-stream")) {
      await follow(answer, `${method} ${url}: ${answer.status} ${answer.statusText}, ${type}`, out);
      return;
    }
    const bytes = await answer.arrayBuffer();
    const took = Math.round(performance.now() - begun);
    const line = `${method} ${url}: ${answer.status} ${answer.statusText}, ${type}, ` +
      `${bytes.byteLength} bytes, ${took} ms`;
    const text = el("pre", { tabIndex: 0, textContent: shown(type, bytes) });
    out.replaceChildren(el("p", { textContent: line }), text);
  } catch (error) {
    out.replaceChildren(el("p", { className: "bad", textContent: `No answer: ${error.message}` }));
  }
}

/** Shows an answer that does not end as it comes, until somebody stops it. */
async function follow(answer, line, out) {
  const reader = answer.body.getReader();
  const stop = el("button", { type: "button", textContent: "Stop" });
  stop.addEventListener("click", () => reader.cancel());
  const told = el("pre", { tabIndex: 0 });
  out.replaceChildren(el("p", { textContent: line }), stop, told);
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done || told.textContent.length > SHOWN_MAX) break;
    told.append(decoder.decode(value, { stream: true }));
  }
  reader.cancel();
  stop.remove();
}

/** Bytes as text: JSON indented, what is not text as hex. */
function shown(type, bytes) {
  if (!/json|text|xml/.test(type)) {
    const part = new Uint8Array(bytes.slice(0, 4096));
    return Array.from(part, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  }
  const text = new TextDecoder().decode(bytes);
  let told = text;
  if (/json/.test(type)) {
    // Lines of JSON stay as they are.
    try { told = JSON.stringify(JSON.parse(text), null, 2); } catch {}
  }
  return told.length > SHOWN_MAX ? `${told.slice(0, SHOWN_MAX)}\n… cut` : told;
}

/** The answers that a route may give. */
function answers(operation) {
  const rows = Object.entries(operation.responses).flatMap(([status, answer]) => {
    const kinds = Object.keys(answer.content || {}).join(", ");
    const text = `${answer.description}${kinds && ` (${kinds})`}`;
    return [el("dt", { textContent: status }), el("dd", { textContent: text })];
  });
  return el("details", {}, el("summary", { textContent: "Answers" }), el("dl", {}, ...rows));
}

/** One route: what it does, a form, and its answer. */
function route(api, path, method, operation) {
  const parameters = operation.parameters || [];
  const inputs = [];
  const form = el("form");
  for (const parameter of parameters) {
    const [input, node] = parameterField(api, parameter);
    inputs.push([parameter, input]);
    form.append(node);
  }
  const body = operation.requestBody && bodyFields(operation.requestBody);
  if (body) form.append(...body.nodes);
  const token = operation.security && el("input", { type: "text", autocomplete: "off" });
  if (token) form.append(field("Bearer token", token));
  form.append(el("button", { textContent: "Send" }));
  const out = el("div", { role: "status" });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const headers = {};
    // A browser writes the type of a form itself, with its boundary.
    if (body) headers["content-type"] = body.type.value;
    if (token && token.value) headers.authorization = `Bearer ${token.value}`;
    const sent = body ? body.file.files[0] || body.text.value : undefined;
    send(method.toUpperCase(), address(path, inputs), headers, sent, out);
  });
  const verb = el("span", { className: "method", textContent: method.toUpperCase() });
  const code = el("code", { textContent: path });
  const summary = el("summary", {}, verb, " ", code, ` ${operation.summary}`);
  const about = el("p", { textContent: operation.description || "" });
  const parts = [summary, about, form, out, answers(operation)];
  return el("details", { id: operation.operationId }, ...parts);
}

async function main() {
  const place = document.getElementById("routes");
  const answer = await fetch(place.dataset.from);
  const api = await answer.json();
  for (const tag of api.tags) {
    const found = Object.entries(api.paths).flatMap(([path, item]) => Object.entries(item)
      .filter(([, operation]) => operation.tags.includes(tag.name))
      .map(([method, operation]) => route(api, path, method, operation)));
    const about = el("p", { textContent: tag.description });
    place.append(el("h2", { textContent: tag.name }), about, ...found);
  }
}

main();
