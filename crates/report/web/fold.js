"use strict";
// Folds the event stream, one event at a time; knows nothing of the page. A saved report feeds all
// events at once, a live view feeds them as they come.

const ENDS = {
  "phase-finished": 1, "call-finished": 1, "command-finished": 1, "wait-finished": 1,
  "subtest-finished": 1, "nested-finished": 1,
};

class Run {
  constructor() {
    this.title = ""; this.file = ""; this.script = []; this.outcome = null; this.end = 0;
    this.accelerator = null; this.limit = null;
    this.machines = new Map();   // name → {name, info, states: [{at, state, why}], units: [...], marks: []}
    this.vlans = [];
    this.spans = new Map();      // id → span
    this.rows = [];              // what the list shows, by time
    this.failures = []; this.evidence = []; this.links = []; this.screens = [];
    this.journal = [];           // {at, machine, priority, who, text}
    this.console = [];
    this.failedRow = null;
  }

  machine(name) {
    let machine = this.machines.get(name);
    if (!machine) {
      machine = { name, info: null, states: [], units: [], open: new Map(), marks: [] };
      this.machines.set(name, machine);
    }
    return machine;
  }

  depth(parent) {
    let depth = 0;
    for (let span = this.spans.get(parent); span; span = this.spans.get(span.parent)) {
      if (span.kind === "subtest" || span.kind === "nested" || span.kind === "call" || span.kind === "wait") depth++;
    }
    return depth;
  }

  row(event, kind, text, more) {
    const row = { seq: event.seq, at: event.elapsed, machine: event.machine || "", kind, text,
      depth: this.depth(event.parent), severity: "info", span: null, ...more };
    this.rows.push(row);
    return row;
  }

  open(event, kind, text, more) {
    const span = { id: event.span, kind, text, machine: event.machine || "", parent: event.parent,
      start: event.elapsed, end: null, ok: null, states: [], children: [], out: "", ...more };
    this.spans.set(event.span, span);
    const parent = this.spans.get(event.parent);
    if (parent) parent.children.push(span);
    span.row = this.row(event, kind, text, { span });
    return span;
  }

  close(event, ok) {
    const span = this.spans.get(event.span);
    if (!span) return null;
    span.end = event.elapsed; span.ok = ok;
    if (!ok) span.row.severity = "bad";
    return span;
  }

  push(event) {
    this.end = Math.max(this.end, event.elapsed);
    const name = event.machine;
    switch (event.type) {
      case "run-started":
        this.title = event.title; this.file = event.file || ""; this.wall = event.wall; break;
      case "planned":
        this.title = event.test; this.vlans = event.vlans || []; this.limit = event.limit;
        this.script = (event.script || "").split("\n");
        for (const info of event.machines || []) this.machine(info.name).info = info;
        break;
      case "run-finished": this.outcome = event.outcome; break;
      case "accelerator": this.accelerator = { kind: event.accelerator, why: event.why }; break;
      case "phase-started": this.open(event, "phase", event.phase); break;
      case "phase-finished": {
        const span = this.close(event, event.ok);
        if (span && event.note) span.row.text = `${span.text}, ${event.note}`;
        break;
      }
      case "phase-progress": {
        const span = this.spans.get(event.span);
        if (span) span.states.push({ at: event.elapsed, state: `${event.what} ${event.done}${event.total ? " of " + event.total : ""} ${event.unit}` });
        break;
      }
      case "machine-state": {
        const machine = this.machine(name);
        machine.states.push({ at: event.elapsed, state: event.state, why: event.why || "" });
        this.row(event, "state", `is ${event.state}${event.why ? ": " + event.why : ""}`,
          { severity: event.state === "crashed" ? "bad" : "info" });
        break;
      }
      case "call-started":
        this.open(event, "call", `${name ? name + "." : ""}${event.method}(${event.arguments})`, { location: event.location });
        break;
      case "call-finished": {
        const span = this.close(event, event.ok);
        if (span) span.error = event.error;
        break;
      }
      case "command-started": this.open(event, "command", event.command, { limit: event.limit }); break;
      case "command-output": {
        const span = this.spans.get(event.span);
        if (span) span.out += event.text;
        break;
      }
      case "command-finished": {
        const parent = this.spans.get((this.spans.get(event.span) || {}).parent);
        const span = this.close(event, event.status === 0 || (parent && parent.text.includes(".fail(")));
        if (span) { span.status = event.status; span.stdout = event.stdout || {}; span.stderr = event.stderr || {}; }
        if (span && event.status !== 0) span.row.text = `${span.text}   → status ${event.status ?? "unknown"}`;
        break;
      }
      case "wait-started": this.open(event, "wait", `waits for ${event.what}`, { limit: event.limit }); break;
      case "wait-progress": {
        const span = this.spans.get(event.span);
        if (span) span.states.push({ at: event.elapsed, state: event.state, tries: event.tries });
        break;
      }
      case "wait-finished": {
        const span = this.close(event, event.ok);
        if (span && event.state) span.states.push({ at: event.elapsed, state: event.state });
        break;
      }
      case "subtest-started": this.open(event, "subtest", event.name); break;
      case "subtest-finished": {
        const span = this.close(event, event.ok);
        if (span) span.error = event.error;
        break;
      }
      case "nested-started": this.open(event, "nested", event.message); break;
      case "nested-finished": this.close(event, event.ok); break;
      case "log":
        this.row(event, "log", event.message, { severity: event.level === "error" ? "bad" : event.level === "warning" ? "warn" : "info" });
        break;
      case "script-output":
        for (const line of event.text.replace(/\n$/, "").split("\n")) this.row(event, "print", line);
        break;
      case "console":
        this.console.push({ at: event.elapsed, machine: name, text: event.line });
        this.row(event, "console", event.line);
        break;
      case "journal": {
        const who = event.identifier || event.unit || "?";
        const entry = { at: event.elapsed, machine: name, priority: event.priority, who, unit: event.unit || "", text: event.message };
        this.journal.push(entry);
        const severity = event.priority <= 3 ? "bad" : event.priority === 4 ? "warn" : "info";
        this.row(event, "journal", `${who}: ${event.message}`, { severity });
        if (severity !== "info") this.machine(name).marks.push({ at: event.elapsed, severity });
        if (who === "systemd") this.unit(name, event);
        break;
      }
      case "unit-state": {
        const open = this.machine(name).open;
        this.unitStep(this.machine(name), open, event.unit, event.active, event.elapsed);
        break;
      }
      case "link-changed": {
        const end = (x) => x || "all";
        this.links.push({ at: event.elapsed, vlan: event.vlan, from: event.from, to: event.to, change: event.change, up: event.up });
        this.row(event, "network", `vlan${event.vlan}: ${end(event.from)} – ${end(event.to)}: ${event.change}`, { severity: event.up ? "info" : "warn" });
        break;
      }
      case "screenshot":
        this.screens.push({ at: event.elapsed, machine: name, path: event.path, why: event.why });
        this.row(event, "screen", `screenshot ${event.path} (${event.why})`, { screen: event.path });
        break;
      case "checkpoint": this.row(event, "state", `checkpoint ${event.name} ${event.action}`); break;
      case "artefact": this.row(event, "log", `${event.path}: ${event.what}`); break;
      case "warning": this.row(event, "log", `warning: ${event.message}`, { severity: "warn" }); break;
      case "failure": {
        const failure = { ...event };
        this.failures.push(failure);
        failure.row = this.row(event, "failure", `${event.class}: ${event.message}`, { severity: "bad", failure });
        this.failedRow = this.failedRow || failure.row;
        break;
      }
      case "evidence":
        this.evidence.push(event);
        this.row(event, "evidence", event.title, { evidence: event });
        break;
    }
  }

  // systemd's own journal lines tell when units start.
  unit(name, event) {
    const machine = this.machine(name);
    let match = /^Starting (\S+\.\w+)( - .*)?\.\.\.$/.exec(event.message) || /^Starting (.+)\.\.\.$/.exec(event.message);
    if (match) return this.unitStep(machine, machine.open, match[1], "activating", event.elapsed);
    match = /^(?:Started|Finished|Reached target|Listening on|Mounted) (\S+\.\w+)( - .*)?\.$/.exec(event.message)
      || /^(?:Started|Finished) (.+)\.$/.exec(event.message);
    if (match) return this.unitStep(machine, machine.open, match[1], "active", event.elapsed);
    match = /^Failed to start (\S+)( - .*)?\.$/.exec(event.message);
    if (match) this.unitStep(machine, machine.open, match[1], "failed", event.elapsed);
  }

  unitStep(machine, open, unit, state, at) {
    if (state === "activating") {
      const step = { unit, start: at, end: null, failed: false };
      open.set(unit, step); machine.units.push(step);
    } else {
      const step = open.get(unit);
      if (step) { step.end = at; step.failed = state === "failed"; open.delete(unit); }
      else if (state === "failed") machine.units.push({ unit, start: at, end: at, failed: true });
    }
  }

  // Links that do not pass at a moment: "vlan/from/to" → change.
  linksAt(at) {
    const now = new Map();
    for (const link of this.links) {
      if (link.at > at) break;
      const key = [link.vlan, link.from || "*", link.to || "*"].join("/");
      if (link.change === "healed" || link.change === "unblocked") {
        if (!link.from && !link.to) for (const k of [...now.keys()]) { if (k.startsWith(link.vlan + "/")) now.delete(k); }
        now.delete(key); now.delete([link.vlan, link.to || "*", link.from || "*"].join("/"));
      } else now.set(key, link);
    }
    return [...now.values()];
  }
}

if (typeof module !== "undefined") module.exports = { Run };
