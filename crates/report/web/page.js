"use strict";
// The page over a folded run: time line, list of steps, details.

const $ = (id) => document.getElementById(id);
const run = new Run();
const pictures = new Map();

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

function duration(micros) {
  const s = micros / 1e6;
  if (s < 0.0995) return `${Math.round(s * 1000)} ms`;
  if (s < 9.995) return `${s.toFixed(2)} s`;
  if (s < 99.95) return `${s.toFixed(1)} s`;
  return `${Math.floor(s / 60)} min ${String(Math.round(s) % 60).padStart(2, "0")} s`;
}
const seconds = (micros) => (micros / 1e6).toFixed(2);
const text = (bounded) => {
  if (!bounded) return "";
  const head = bounded.head || "";
  return bounded.omitted ? `${head}\n… ${bounded.omitted} bytes left out …\n${bounded.tail || ""}` : head;
};
const spanEnd = (span) => span.end ?? run.end;

// ---- State of the page

const view = { from: 0, to: 1, picked: null, query: "", hidden: new Set(), machinesOff: new Set(), severity: "info", tab: "step", fitted: true };
const KINDS = {
  steps: { title: "steps", kinds: ["call", "wait", "subtest", "nested", "phase"] },
  commands: { title: "commands", kinds: ["command"] },
  log: { title: "log and prints", kinds: ["log", "print", "state", "network", "screen"] },
  journal: { title: "journal", kinds: ["journal"] },
  console: { title: "console", kinds: ["console"] },
  evidence: { title: "evidence", kinds: ["evidence"] },
};
view.hidden.add("console");
view.hidden.add("journal");
const groupOf = {};
for (const [group, { kinds }] of Object.entries(KINDS)) for (const kind of kinds) groupOf[kind] = group;

let shown = [];
function filter() {
  const query = view.query.toLowerCase();
  shown = run.rows.filter((row) => {
    if (row.kind === "failure") return true;
    if (row.machine && view.machinesOff.has(row.machine)) return false;
    if (view.severity === "bad" && row.severity !== "bad") return false;
    if (view.severity === "warn" && row.severity === "info") return false;
    // What one searches for is found wherever it is.
    if (query) return row.text.toLowerCase().includes(query);
    const group = groupOf[row.kind];
    if (view.hidden.has(group)) return view.severity !== "info" && row.severity !== "info";
    return true;
  });
  $("found").textContent = query ? `${shown.length} found` : "";
}

// ---- Header and filters

function header() {
  document.title = `${run.title}: ${run.outcome || "running"}`;
  $("title").textContent = run.title;
  const badge = $("outcome");
  badge.textContent = (run.outcome || "running").replace("-", " ");
  badge.className = "badge " + (run.outcome === "passed" ? "passed" : run.outcome === "failed" || run.outcome === "timed-out" ? "failed" : "other");
  const facts = [duration(run.end), `${run.machines.size} machine${run.machines.size === 1 ? "" : "s"}`];
  if (run.accelerator) facts.push(run.accelerator.kind === "tcg" ? "emulated" : run.accelerator.kind.toUpperCase());
  if (run.wall) facts.push(new Date(run.wall / 1000).toLocaleString());
  if (run.file) facts.push(run.file);
  $("facts").textContent = facts.join(" · ");
}

function filters() {
  const nav = $("filters");
  nav.replaceChildren();
  const toggle = (label, on, click, color) => {
    const button = el("button", { "aria-pressed": String(on), onclick: () => { click(); filters(); refresh(); } }, label);
    if (color) button.style.color = color;
    nav.append(button);
  };
  const flip = (set, key) => () => { set.has(key) ? set.delete(key) : set.add(key); };
  for (const name of run.machines.keys()) toggle(name, !view.machinesOff.has(name), flip(view.machinesOff, name), machineColor(name));
  nav.append(el("span", { class: "gap" }));
  for (const [group, { title }] of Object.entries(KINDS)) toggle(title, !view.hidden.has(group), flip(view.hidden, group));
  nav.append(el("span", { class: "gap" }));
  const next = { info: "warn", warn: "bad", bad: "info" };
  const words = { info: "everything", warn: "warnings and errors", bad: "errors only" };
  toggle(words[view.severity], true, () => { view.severity = next[view.severity]; });
  nav.append(el("span", { class: "gap" }));
  nav.append(el("button", { onclick: () => show("network") }, "networks"), el("button", { onclick: () => show("script") }, "script"));
}

const HUES = [205, 285, 30, 160, 340, 60, 120, 250];
function machineColor(name) {
  const index = [...run.machines.keys()].indexOf(name);
  const dark = document.documentElement.classList.contains("dark");
  return `hsl(${HUES[Math.max(index, 0) % HUES.length]} 55% ${dark ? 68 : 36}%)`;
}

// ---- Failure

function failurePanel() {
  const panel = $("failure");
  const failure = run.failures[0];
  panel.hidden = !failure;
  if (!failure) return;
  const go = el("button", { class: "go", onclick: () => { view.tab = "step"; pick(failure.row, true); } }, "all about it (f)");
  panel.replaceChildren(go, ...failureParts(failure, true));
  if (run.failures.length > 1) panel.append(el("div", { class: "facts" }, `and ${run.failures.length - 1} more`));
}

function failureParts(failure, brief) {
  const evaluation = failure.class === "EvaluationError" && failure.details;
  const parts = [el("h2", {}, evaluation ? failure.message.split("\n")[0] : `${failure.class}: ${failure.message}`)];
  if (failure.subtests) parts.push(el("div", { class: "facts" }, `in subtest ${failure.subtests.join(" / ")}`));
  const frames = failure.frames || (failure.location ? [{ function: "<module>", location: failure.location }] : []);
  if (!failure.details || !/^(EvaluationError|LintError|TypeCheckError)$/.test(failure.class)) {
    for (const frame of brief ? frames.slice(-1) : frames) {
      const where = frame.location;
      const within = frame.function === "<module>" ? "" : ` in ${frame.function}()`;
      parts.push(el("div", {}, `${where.file}:${where.line}${within}`), excerpt(where, brief ? 1 : 3));
    }
  }
  const command = failure.command;
  if (command) {
    const status = command.status >= 0 ? ` → exit status ${command.status}` : "";
    parts.push(el("div", { class: "facts" }, `${command.machine} $ ${command.command}${status}`));
    const out = text(command.stdout), err = text(command.stderr);
    if (out && !brief) parts.push(el("h3", {}, "stdout"), el("pre", {}, out));
    if (err && !brief) parts.push(el("h3", {}, "stderr"), el("pre", {}, err));
    if (brief && (err || out)) parts.push(el("pre", {}, (err || out).split("\n").slice(-12).join("\n").trim()));
    if (!out && !err) parts.push(el("div", { class: "facts" }, "it wrote nothing"));
  }
  if (failure.details) parts.push(el("pre", {}, failure.details));
  for (const hint of failure.hints || []) parts.push(el("div", { class: "hint" }, `hint: ${hint}`));
  return parts;
}

// Lines of the script around a place.
function excerpt(where, around) {
  const pre = el("pre", {});
  const first = Math.max(1, where.scriptLine - around), last = Math.min(run.script.length, where.scriptLine + around);
  if (!run.script.join("") || where.scriptLine > run.script.length) {
    pre.append(el("span", { class: "here" }, `${where.line} | ${where.source || ""}`));
    return pre;
  }
  for (let line = first; line <= last; line++) {
    // Of a script in one line of its file, only the line that is meant has a known place.
    const known = line === where.scriptLine || where.line >= where.scriptLine;
    const number = el("span", { class: "number" }, `${(known ? String(where.line + line - where.scriptLine) : "").padStart(4)} | `);
    pre.append(el("span", { class: line === where.scriptLine ? "here" : "" }, number, run.script[line - 1] + (line === where.scriptLine ? "" : "\n")));
  }
  return pre;
}

// ---- List: only the rows that can be seen exist

const ROW = 22;
function list() {
  const box = $("list"), rows = $("rows");
  rows.style.height = `${shown.length * ROW}px`;
  const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 5);
  const last = Math.min(shown.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + 5);
  const nodes = [];
  for (let index = first; index < last; index++) nodes.push(rowNode(shown[index], index));
  rows.replaceChildren(...nodes);
}

const DOT = { call: "--call", wait: "--wait", command: "--command", phase: "--phase", subtest: "--subtest", nested: "--subtest", failure: "--bad", evidence: "--warn", screen: "--unit", state: "--good" };
function rowNode(row, index) {
  const quiet = row.kind === "journal" || row.kind === "console" || row.kind === "print";
  const node = el("div", {
    class: `row ${row.severity === "info" ? "" : row.severity} ${quiet ? "quiet" : ""} ${row.kind === "subtest" || row.kind === "failure" ? "title" : ""} ${row === view.picked ? "picked" : ""}`,
    role: "option", "aria-selected": String(row === view.picked), onclick: () => pick(row, false),
  });
  node.style.top = `${index * ROW}px`;
  const dot = el("span", { class: "dot" });
  dot.style.background = DOT[row.kind] ? `var(${DOT[row.kind]})` : "transparent";
  dot.style.marginLeft = `${Math.min(row.depth, 8) * 14}px`;
  node.append(el("span", { class: "time" }, seconds(row.at)), dot);
  const named = row.machine && !row.text.startsWith(row.machine + ".");
  if (named) {
    const machine = el("span", { class: "machine" }, row.machine);
    machine.style.color = machineColor(row.machine);
    node.append(machine);
  }
  const title = row.kind === "subtest" ? `subtest: ${row.text}` : row.kind === "phase" ? `phase: ${row.text}` : row.kind === "command" ? `$ ${row.text}` : row.text;
  node.append(el("span", { class: "what" }, marked(title.split("\n")[0].slice(0, 400))));
  if (row.span && row.span.end !== null) node.append(el("span", { class: "took" }, duration(row.span.end - row.span.start)));
  else if (row.span) node.append(el("span", { class: "took" }, "not ended"));
  return node;
}

function marked(line) {
  const query = view.query.toLowerCase();
  if (!query) return [line];
  const at = line.toLowerCase().indexOf(query);
  if (at < 0) return [line];
  return [line.slice(0, at), el("mark", {}, line.slice(at, at + query.length)), line.slice(at + query.length)];
}

// ---- Details

function show(tab) { view.tab = tab; details(); }

function details() {
  const box = $("details");
  const row = view.picked;
  const tabs = el("div", { class: "tabs", role: "tablist" });
  const add = (tab, title) => tabs.append(el("button", { role: "tab", "aria-selected": String(view.tab === tab), onclick: () => show(tab) }, title));
  add("step", "step");
  add("journal", "journal");
  add("console", "console");
  if (run.screens.length) add("screens", "screens");
  add("network", "networks");
  add("script", "script");
  const parts = { step: stepPart, journal: () => linesPart(run.journal, true), console: () => linesPart(run.console, false), screens: screensPart, network: networkPart, script: scriptPart }[view.tab](row);
  box.replaceChildren(tabs, ...[parts].flat());
  box.scrollTop = 0;
  if (view.tab === "script") { const here = box.querySelector(".here"); if (here) here.scrollIntoView({ block: "center" }); }
}

function stepPart(row) {
  if (!row) return el("p", { class: "facts" }, "Pick a step in the list or on the time line.");
  if (row.failure) return [...failureParts(row.failure, false), ...evidenceParts()];
  if (row.evidence) return [el("h2", {}, `${row.machine} ${row.evidence.title}`), el("pre", {}, text(row.evidence.text))];
  if (row.screen) return [el("h2", {}, row.text), picture(row.screen)];
  const span = row.span;
  if (!span) return [el("h2", {}, row.text), el("p", { class: "facts" }, `${row.kind} at ${seconds(row.at)} s${row.machine ? " on " + row.machine : ""}`)];
  const parts = [el("h2", {}, span.kind === "command" ? `$ ${span.text}` : span.text)];
  const facts = [`${seconds(span.start)} s`, span.end === null ? "not ended" : `took ${duration(span.end - span.start)}`];
  if (span.limit) facts.push(`limit ${duration(span.limit)}`);
  if (span.machine) facts.push(`on ${span.machine}`);
  parts.push(el("div", { class: "facts" }, facts.join(" · ")));
  if (span.error) parts.push(el("p", { class: "bad" }, span.error));
  let place = span;
  while (place && !place.location) place = run.spans.get(place.parent);
  if (place) parts.push(el("h3", {}, `${place.location.file}:${place.location.line}`), excerpt(place.location, 3));
  parts.push(...commandParts(span));
  let commands = 0;
  const walk = (span) => { for (const child of span.children) {
    if (child.kind === "command" && commands++ < 20) parts.push(el("h3", {}, "command"), el("pre", {}, `$ ${child.text}`), ...commandParts(child));
    else if (child.kind === "wait") parts.push(el("h3", {}, child.text), states(child));
    if (child.kind !== "call") walk(child);
  } };
  walk(span);
  if (span.kind === "wait" || span.states.length) parts.push(states(span));
  const journal = nearby(run.journal, row);
  if (journal.length) parts.push(el("h3", {}, "journal meanwhile"), journalNodes(journal.slice(-40), true));
  return parts;
}

function commandParts(span) {
  if (span.kind !== "command") return [];
  const parts = [];
  if (span.status !== undefined) parts.push(el("div", { class: span.status === 0 ? "facts" : "bad" }, `exit status ${span.status ?? "unknown"}`));
  const out = text(span.stdout) || (span.end === null ? span.out : ""), err = text(span.stderr);
  if (out) parts.push(el("h3", {}, "stdout"), el("pre", {}, out));
  if (err) parts.push(el("h3", {}, "stderr"), el("pre", {}, err));
  if (!out && !err && span.end !== null) parts.push(el("div", { class: "facts" }, "it wrote nothing"));
  return parts;
}

function states(span) {
  const box = el("div", { class: "journal" });
  const all = span.states, some = all.length > 60 ? [...all.slice(0, 30), { at: span.start, state: `… ${all.length - 60} more …` }, ...all.slice(-30)] : all;
  for (const { at, state, tries } of some) box.append(el("div", {}, el("span", { class: "t" }, `+${seconds(at - span.start)} `), state, tries ? el("span", { class: "t" }, ` (try ${tries})`) : ""));
  return box;
}

// Lines of the step's machine during the step, or of all machines around its moment.
function nearby(lines, row) {
  if (!row) return lines;
  const from = (row.span ? row.span.start : row.at) - 500000;
  const to = (row.span ? spanEnd(row.span) : row.at) + (row.failure ? 0 : 500000);
  const start = row.failure ? row.at - 10000000 : from;
  return lines.filter((line) => line.at >= start && line.at <= to && (!row.machine || line.machine === row.machine));
}

function journalNodes(lines, prefix) {
  const box = el("div", { class: "journal" });
  for (const line of lines) {
    const machine = el("b", {}, `${line.machine} `);
    machine.style.color = machineColor(line.machine);
    const severity = line.priority <= 3 ? "bad" : line.priority === 4 ? "warn" : "";
    box.append(el("div", { class: severity }, el("span", { class: "t" }, `${seconds(line.at)} `), machine, prefix ? `${line.who}: ` : "", line.text));
  }
  return box;
}

function linesPart(lines, prefix) {
  const row = view.picked, found = nearby(lines, row);
  const where = row ? `during the picked step${row.machine ? " on " + row.machine : ""}` : "of the whole run";
  const most = 600;
  return [el("div", { class: "facts" }, `${found.length} lines ${where}${found.length > most ? `, the last ${most} shown` : ""}`), journalNodes(found.slice(-most), prefix)];
}

function picture(path) {
  const data = pictures.get(path);
  return data ? el("img", { src: data, alt: path }) : el("p", { class: "facts" }, `${path} lies in the run folder`);
}

function screensPart(row) {
  const at = row ? row.at : Infinity, end = row && row.span ? spanEnd(row.span) : at;
  const mine = run.screens.filter((screen) => !row || !row.machine || screen.machine === row.machine);
  const before = mine.filter((screen) => screen.at <= at).slice(-1), after = mine.filter((screen) => screen.at > at).slice(0, 1);
  const chosen = row ? [...before, ...mine.filter((screen) => screen.at > at && screen.at <= end), ...after] : mine;
  return [...new Set(chosen)].map((screen) => el("figure", {}, el("figcaption", {}, `${screen.machine} at ${seconds(screen.at)} s: ${screen.why}`), picture(screen.path)));
}

function evidenceParts() {
  const parts = [];
  // A unit that failed a wait was asked about again at the end.
  const last = new Map(run.evidence.map((event) => [`${event.machine}/${event.title}`, event]));
  for (const event of last.values()) parts.push(el("h3", {}, `${event.machine || ""} ${event.title}`), el("pre", {}, text(event.text)));
  return parts;
}

function scriptPart(row) {
  let place = row && (row.failure ? row.failure : row.span);
  while (place && !place.location) place = run.spans.get(place.parent);
  const here = place && place.location ? place.location.scriptLine : 0;
  const pre = el("pre", {});
  pre.style.maxHeight = "none";
  run.script.forEach((line, index) => {
    pre.append(el("span", { class: index + 1 === here ? "here" : "" }, el("span", { class: "number" }, `${String(index + 1).padStart(4)} | `), line + (index + 1 === here ? "" : "\n")));
  });
  return pre;
}

// ---- Networks: a bus for each, machines hanging on them

function networkPart(row) {
  const at = row ? (row.span ? spanEnd(row.span) : row.at) : run.end;
  const machines = [...run.machines.values()];
  const parts = [el("div", { class: "facts" }, `at ${seconds(at)} s`)];
  if (!run.vlans.length) return [...parts, el("p", {}, "This test has no virtual networks.")];
  const width = Math.max(320, machines.length * 150), top = 30 + run.vlans.length * 46;
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${top + 90}`);
  svg.setAttribute("width", width);
  const draw = (tag, attributes, content) => {
    const node = document.createElementNS(ns, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (content) node.textContent = content;
    svg.append(node);
  };
  const cut = run.linksAt(at);
  const blocked = (vlan, name) => cut.some((link) => !link.up && link.vlan === vlan && ((!link.from && !link.to) || (link.from === name && !link.to) || (link.to === name && !link.from)));
  run.vlans.forEach((vlan, index) => {
    const y = 26 + index * 46;
    draw("line", { x1: 10, x2: width - 10, y1: y, y2: y, stroke: "var(--call)", "stroke-width": 4, "stroke-linecap": "round" });
    draw("text", { x: 12, y: y - 8 }, `vlan${vlan}`);
  });
  machines.forEach((machine, index) => {
    const x = 20 + index * 150, addresses = (machine.info && machine.info.addresses) || [];
    addresses.forEach((address, place) => {
      const y = 26 + run.vlans.indexOf(address.vlan) * 46, off = blocked(address.vlan, machine.name);
      const cx = x + 20 + place * 30;
      draw("line", { x1: cx, x2: cx, y1: y, y2: top, stroke: off ? "var(--bad)" : "var(--call)", "stroke-width": 2, "stroke-dasharray": off ? "3 4" : "none" });
      draw("text", { x: cx + 3, y: top - 6 }, address.interface);
    });
    draw("rect", { x, y: top, width: 128, height: 40, rx: 6, fill: "var(--panel)", stroke: machineColor(machine.name), "stroke-width": 2 });
    draw("text", { x: x + 10, y: top + 18, "font-weight": 700 }, machine.name);
    const state = machine.states.filter((state) => state.at <= at).slice(-1)[0];
    draw("text", { x: x + 10, y: top + 33 }, state ? state.state : "not started");
  });
  parts.push(el("div", { class: "wide" }, svg));
  const table = el("table", {}, el("tr", {}, el("th", {}, "from \\ to"), machines.map((m) => el("th", {}, m.name))));
  const vlansOf = (m) => new Set(((m.info && m.info.addresses) || []).map((a) => a.vlan));
  for (const a of machines) {
    table.append(el("tr", {}, el("th", {}, a.name), machines.map((b) => {
      if (a === b) return el("td", {}, "");
      const common = [...vlansOf(a)].filter((vlan) => vlansOf(b).has(vlan));
      const words = common.map((vlan) => {
        const pair = cut.filter((link) => link.vlan === vlan && [link.from, link.to].every((end) => !end || end === a.name || end === b.name));
        if (blocked(vlan, a.name) || blocked(vlan, b.name) || pair.some((link) => !link.up)) return `vlan${vlan} cut`;
        return pair.length ? `vlan${vlan}, ${pair.map((link) => link.change).join(", ")}` : `vlan${vlan}`;
      });
      return el("td", { class: words.some((word) => word.endsWith("cut")) ? "bad" : "" }, words.join("; ") || "no way");
    })));
  }
  parts.push(el("h3", {}, "who can reach whom"), el("div", { class: "wide" }, table));
  if (run.links.length) {
    parts.push(el("h3", {}, "changes"));
    const box = el("div", { class: "journal" });
    for (const link of run.links) box.append(el("div", {}, el("span", { class: "t" }, `${seconds(link.at)} `), `vlan${link.vlan}: ${link.from || "all"} – ${link.to || "all"}: ${link.change}`));
    parts.push(box);
  }
  return parts;
}

// ---- Time line

const canvas = $("canvas"), pen = canvas.getContext("2d");
const LEFT = 96, RULER = 20, BAR = 15, GAP = 2;
let boxes = [];   // what can be hit: {x, y, w, h, row, tip}
let lanesCache = null, lanesFor = -1;

// Lays bars into as few rows as possible. Each bar: {start, end, level}.
function pack(bars, most) {
  const ends = [];
  for (const bar of bars) {
    let row = 0;
    while (row < ends.length && ends[row] > bar.start) row++;
    if (row >= most) row = most - 1;
    ends[row] = Math.max(ends[row] || 0, bar.end);
    bar.row = row;
  }
  return Math.max(1, ends.length);
}

function lanes() {
  if (lanesCache && lanesFor === run.rows.length + run.end) return lanesCache;
  lanesFor = run.rows.length + run.end;
  const of = (name) => [...run.spans.values()].filter((span) => span.machine === name);
  const result = [];
  const bars = (spans, kinds, color, most) => {
    const list = spans.filter((span) => kinds.includes(span.kind)).map((span) => ({ start: span.start, end: spanEnd(span), span, label: span.text, bad: span.ok === false, color }));
    return { bars: list, rows: list.length ? pack(list, most) : 0 };
  };
  const script = of("");
  result.push({ name: "run", groups: [bars(script, ["phase"], "--phase", 2)] });
  result.push({ name: "script", groups: [bars(script, ["subtest", "nested"], "--subtest", 4), bars(script, ["call"], "--call", 3), bars(script, ["wait"], "--wait", 2)] });
  for (const machine of run.machines.values()) {
    if (view.machinesOff.has(machine.name)) continue;
    const spans = of(machine.name);
    const units = machine.units.map((unit) => ({ start: unit.start, end: unit.end ?? unit.start + 20000, unit, label: unit.unit, bad: unit.failed, color: "--unit" }));
    result.push({
      name: machine.name, machine,
      groups: [bars(spans, ["call", "nested"], "--call", 4), bars(spans, ["wait"], "--wait", 2), bars(spans, ["command"], "--command", 2), { bars: units, rows: units.length ? pack(units, 3) : 0 }],
    });
  }
  lanesCache = result.filter((lane) => lane.machine || lane.groups.some((group) => group.rows));
  return lanesCache;
}

function colors() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(name).trim();
}

const STATE = { starting: "--booting", booting: "--booting", baking: "--booting", restored: "--ready", ready: "--ready", stopping: "--booting", stopped: "--stopped", crashed: "--crashed" };

function timeline() {
  const color = colors(), all = lanes();
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
  const heights = all.map((lane) => Math.max(BAR + 8, 8 + (lane.machine ? 6 : 0) + lane.groups.reduce((sum, group) => sum + group.rows * (BAR + GAP), 0)));
  const height = RULER + heights.reduce((a, b) => a + b, 0);
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "11px system-ui, sans-serif"; pen.textBaseline = "middle";
  const scale = (width - LEFT) / Math.max(1, view.to - view.from);
  const x = (at) => LEFT + (at - view.from) * scale;
  boxes = [];
  // Ruler.
  const step = niceStep((view.to - view.from) / Math.max(2, (width - LEFT) / 90));
  pen.fillStyle = color("--dim"); pen.strokeStyle = color("--line"); pen.lineWidth = 1;
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
    pen.beginPath(); pen.moveTo(x(at), RULER - 4); pen.lineTo(x(at), height); pen.stroke();
    pen.fillText(step < 1e6 ? `${+(at / 1e6).toFixed(4)} s` : `${Math.round(at / 1e6)} s`, x(at) + 3, RULER / 2);
  }
  let y = RULER;
  all.forEach((lane, index) => {
    const tall = heights[index];
    pen.fillStyle = color(index % 2 ? "--ground" : "--panel"); pen.globalAlpha = 0.5;
    pen.fillRect(0, y, width, tall); pen.globalAlpha = 1;
    let top = y + 4;
    pen.save(); pen.beginPath(); pen.rect(LEFT, y, width - LEFT, tall); pen.clip();
    if (lane.machine) {
      const states = lane.machine.states;
      states.forEach((state, i) => {
        const end = i + 1 < states.length ? states[i + 1].at : run.end;
        const left = Math.max(LEFT, x(state.at)), right = x(end);
        if (right < LEFT || left > width) return;
        pen.fillStyle = color(STATE[state.state] || "--stopped");
        pen.fillRect(left, top, Math.max(1, right - left), 5);
        boxes.push({ x: left, y: top - 2, w: Math.max(3, right - left), h: 8, tip: `${lane.name} ${state.state}${state.why ? ": " + state.why : ""}\n${seconds(state.at)} s, ${duration(end - state.at)}` });
      });
      top += 6;
    }
    for (const group of lane.groups) {
      let lastRight = -1, lastRow = -1;
      for (const bar of group.bars) {
        const left = x(bar.start), right = Math.max(x(bar.end), left + 1.5);
        if (right < LEFT || left > width) continue;
        // Bars that would hide each other within a pixel are drawn once.
        if (right - left < 2 && bar.row === lastRow && left < lastRight && !bar.bad) continue;
        lastRight = right; lastRow = bar.row;
        const by = top + bar.row * (BAR + GAP);
        const picked = bar.span && view.picked && view.picked.span === bar.span;
        pen.fillStyle = bar.bad ? color("--bad") : color(bar.color);
        pen.fillRect(left, by, right - left, BAR);
        if (picked) { pen.strokeStyle = color("--pick-line"); pen.lineWidth = 2; pen.strokeRect(left - 1, by, right - left + 2, BAR); }
        if (right - left > 34) {
          pen.fillStyle = bar.bad ? "#fff" : color("--text");
          const from = Math.max(left, LEFT);
          const room = Math.floor((Math.min(right, width) - from - 6) / 5.6);
          if (room > 3) pen.fillText(cutText(bar.label.replace(/\s+/g, " ").replace(lane.name + ".", ""), room), from + 3, by + BAR / 2 + 0.5);
        }
        const took = bar.span && bar.span.end === null ? "not ended" : duration(bar.end - bar.start);
        boxes.push({ x: left, y: by, w: right - left, h: BAR, row: bar.span && bar.span.row, at: bar.start, tip: `${bar.label.slice(0, 600)}\n${seconds(bar.start)} s, ${took}` });
      }
      top += group.rows * (BAR + GAP);
    }
    if (lane.machine) {
      for (const mark of lane.machine.marks) {
        const at = x(mark.at);
        if (at < LEFT || at > width) continue;
        pen.fillStyle = color(mark.severity === "bad" ? "--bad" : "--warn");
        pen.fillRect(at, y + tall - 4, 2, 4);
      }
      for (const screen of run.screens.filter((screen) => screen.machine === lane.name)) {
        const at = x(screen.at);
        pen.fillStyle = color("--pick-line"); pen.beginPath(); pen.arc(at, y + tall - 6, 4, 0, 7); pen.fill();
        boxes.push({ x: at - 5, y: y + tall - 11, w: 10, h: 10, row: run.rows.find((row) => row.screen === screen.path), tip: `screenshot ${screen.path}` });
      }
    }
    pen.restore();
    pen.fillStyle = lane.machine ? machineColor(lane.name) : color("--dim");
    pen.font = "600 12px system-ui, sans-serif";
    pen.fillText(cutText(lane.name, 14), 10, y + tall / 2);
    pen.font = "11px system-ui, sans-serif";
    y += tall;
  });
  for (const failure of run.failures) line(x(failure.elapsed), color("--bad"), height, width);
  if (view.picked) line(x(view.picked.at), color("--pick-line"), height, width);
}

function line(at, color, height, width) {
  if (at < LEFT || at > width) return;
  pen.strokeStyle = color; pen.lineWidth = 1.5; pen.setLineDash([4, 3]);
  pen.beginPath(); pen.moveTo(at, RULER - 6); pen.lineTo(at, height); pen.stroke(); pen.setLineDash([]);
}
const cutText = (text, room) => (text.length > room ? text.slice(0, Math.max(1, room - 1)) + "…" : text);
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  for (const factor of [1, 2, 5, 10]) if (factor * power >= rough) return factor * power;
  return 10 * power;
}

// ---- Moving about

function zoom(factor, around) {
  const center = around ?? (view.from + view.to) / 2;
  let from = center - (center - view.from) * factor, to = center + (view.to - center) * factor;
  if (to - from < 2000) { from = center - 1000; to = center + 1000; }
  const whole = run.end * 1.02 || 1;
  if (to - from >= whole) { from = 0; to = whole; }
  setView(from, to);
}
function setView(from, to) {
  const whole = run.end * 1.02 || 1, width = to - from;
  if (from < 0) { from = 0; to = width; }
  if (to > whole) { to = whole; from = Math.max(0, whole - width); }
  view.from = from; view.to = to; view.fitted = from === 0 && to === whole;
  later();
}
function fit() { setView(0, run.end * 1.02 || 1); view.fitted = true; }
function zoomToPicked() {
  const row = view.picked;
  if (!row) return;
  const start = row.span ? row.span.start : row.at, end = row.span ? spanEnd(row.span) : row.at;
  const margin = Math.max((end - start) * 0.3, 50000);
  setView(start - margin, end + margin);
}
function pick(row, scroll) {
  if (!row) return;
  view.picked = row;
  if (view.tab === "network" && row.kind !== "network") view.tab = "step";
  let index = shown.indexOf(row);
  if (index < 0) { view.query = ""; $("search").value = ""; view.hidden.delete(groupOf[row.kind]); filters(); filter(); index = shown.indexOf(row); }
  if (scroll && index >= 0) {
    const box = $("list");
    $("rows").style.height = `${shown.length * ROW}px`;
    box.scrollTop = Math.max(0, index * ROW - box.clientHeight / 2);
  }
  const at = row.at;
  if (at < view.from || at > view.to) setView(at - (view.to - view.from) / 2, at + (view.to - view.from) / 2);
  details(); later();
}
function movePick(by) {
  const index = shown.indexOf(view.picked);
  const next = Math.min(shown.length - 1, Math.max(0, index < 0 ? 0 : index + by));
  const box = $("list");
  pick(shown[next], false);
  if (next * ROW < box.scrollTop) box.scrollTop = next * ROW;
  if ((next + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (next + 1) * ROW - box.clientHeight;
}

let waiting = false, stale = false;
function later() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (stale) { stale = false; header(); filters(); failurePanel(); filter(); if (view.fitted) { view.from = 0; view.to = run.end * 1.02 || 1; } }
    list(); timeline();
  });
}
function refresh() { lanesCache = null; filter(); later(); }

const hit = (event) => {
  const box = canvas.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
  for (let i = boxes.length - 1; i >= 0; i--) {
    const b = boxes[i];
    if (px >= b.x - 1 && px <= b.x + b.w + 1 && py >= b.y && py <= b.y + b.h) return b;
  }
  return null;
};
const timeAt = (event) => {
  const box = canvas.getBoundingClientRect();
  return view.from + ((event.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT)) * (view.to - view.from);
};
let drag = null;
canvas.addEventListener("wheel", (event) => {
  if (event.ctrlKey || event.metaKey || Math.abs(event.deltaY) > Math.abs(event.deltaX)) zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event));
  else { const by = (event.deltaX / canvas.clientWidth) * (view.to - view.from); setView(view.from + by, view.to + by); }
  event.preventDefault();
}, { passive: false });
canvas.addEventListener("pointerdown", (event) => { drag = { x: event.clientX, from: view.from, to: view.to, moved: false }; canvas.setPointerCapture(event.pointerId); });
canvas.addEventListener("pointermove", (event) => {
  const tip = $("tip");
  if (drag) {
    const by = ((drag.x - event.clientX) / Math.max(1, canvas.clientWidth - LEFT)) * (drag.to - drag.from);
    if (Math.abs(drag.x - event.clientX) > 3) drag.moved = true;
    if (drag.moved) setView(drag.from + by, drag.to + by);
    return;
  }
  const found = hit(event);
  tip.hidden = !found;
  if (found) {
    tip.textContent = found.tip;
    tip.style.left = `${Math.min(event.clientX + 12, window.innerWidth - 300)}px`; tip.style.top = `${event.clientY + 14}px`;
  }
});
canvas.addEventListener("pointerup", (event) => {
  const moved = drag && drag.moved;
  drag = null;
  if (moved) return;
  const found = hit(event);
  if (found && found.row) { view.tab = "step"; pick(found.row, true); }
});
canvas.addEventListener("pointerleave", () => { $("tip").hidden = true; });
canvas.addEventListener("dblclick", fit);
$("list").addEventListener("scroll", () => list());
window.addEventListener("resize", later);
$("search").addEventListener("input", (event) => { view.query = event.target.value; refresh(); });
function theme() { document.documentElement.classList.toggle("dark"); filters(); later(); }
$("theme").addEventListener("click", theme);
$("help").addEventListener("click", () => $("keys").showModal());
$("split").addEventListener("pointerdown", (event) => {
  const split = event.target;
  split.setPointerCapture(event.pointerId);
  const move = (event) => { $("list").style.flexBasis = `${event.clientX}px`; later(); };
  split.addEventListener("pointermove", move);
  split.addEventListener("pointerup", () => split.removeEventListener("pointermove", move), { once: true });
});
document.addEventListener("keydown", (event) => {
  if (event.target === $("search")) {
    if (event.key === "Escape") { event.target.value = ""; view.query = ""; event.target.blur(); refresh(); }
    if (event.key === "Enter") { event.target.blur(); pick(shown[0], true); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  const pan = (by) => setView(view.from + by * (view.to - view.from), view.to + by * (view.to - view.from));
  const actions = {
    j: () => movePick(1), ArrowDown: () => movePick(1), k: () => movePick(-1), ArrowUp: () => movePick(-1),
    ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1.6), 0: fit,
    z: zoomToPicked, f: () => pick(run.failedRow, true), "/": () => $("search").focus(), n: () => show("network"), s: () => show("script"),
    t: theme, "?": () => $("keys").showModal(),
  };
  const action = actions[event.key];
  if (action) { action(); event.preventDefault(); }
});

// ---- Feeding

// A live view calls this for every event; a saved report does so now.
window.snowglobe = { run, push(event) { run.push(event); stale = true; later(); } };

if (window.matchMedia && matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.classList.add("dark");
for (const line of $("pictures").textContent.split("\n")) {
  if (line.trim()) { const { path, data } = JSON.parse(line); pictures.set(path, data); }
}
for (const line of $("events").textContent.split("\n")) if (line.trim()) run.push(JSON.parse(line));
stale = true;
header(); filters(); failurePanel(); filter(); fit();
if (run.failedRow) pick(run.failedRow, true); else details();
later();
document.documentElement.dataset.ready = String(run.rows.length);
