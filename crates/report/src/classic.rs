//! Upstream's log format, for eyes and scripts that are used to it.

use std::io::Write;

use snowglobe_events::{Event, Kind, Level, SpanId};
use std::collections::HashMap;

use crate::View;
use crate::fold::{Fold, OpenKind};
use crate::paint::Paint;
use crate::words::{harmless, moment};

/// Writes lines as upstream's driver does.
pub struct Classic<W> {
    out: W,
    paint: Paint,
    fold: Fold,
    console: bool,
    /// Messages of blocks that will be closed.
    blocks: HashMap<SpanId, (Option<String>, String)>,
    /// Method of each call.
    methods: HashMap<SpanId, String>,
}

impl<W: Write + Send> Classic<W> {
    /// Writes there.
    pub fn new(out: W, paint: Paint) -> Self {
        Self {
            out,
            paint,
            fold: Fold::new(),
            console: true,
            blocks: HashMap::new(),
            methods: HashMap::new(),
        }
    }

    fn line(&mut self, machine: Option<&str>, text: &str) {
        let head = machine
            .map(|machine| format!("{machine}: "))
            .unwrap_or_default();
        let _ = writeln!(self.out, "{head}{text}");
    }

    fn open(&mut self, event: &Event, text: String) {
        let shown = self.paint.good(&text);
        self.line(event.machine.as_deref(), &shown);
        if let Some(span) = event.span {
            self.blocks.insert(span, (event.machine.clone(), text));
        }
    }

    fn close(&mut self, event: &Event, duration: u64, ok: bool) {
        let Some(span) = event.span else { return };
        if let Some((_, text)) = self.blocks.remove(&span)
            && ok
        {
            // Upstream names no machine here, and says nothing when an exception ended it.
            let seconds = duration as f64 / 1e6;
            self.line(
                None,
                &self
                    .paint
                    .good(&format!("(finished: {text}, in {seconds:.2} seconds)")),
            );
        }
    }

    /// What upstream says when a command begins in a call of this method.
    fn command(&self, event: &Event, command: &str) -> Option<String> {
        let parent = event.parent?;
        let method = self.methods.get(&parent)?;
        match method.as_str() {
            "succeed" => Some(format!("must succeed: {command}")),
            "fail" => Some(format!("must fail: {command}")),
            _ => None,
        }
    }
}

/// What upstream says when a call begins.
fn call(method: &str, arguments: &str) -> Option<String> {
    let first = || -> String {
        let mut stream =
            serde_json::Deserializer::from_str(arguments).into_iter::<serde_json::Value>();
        match stream.next() {
            Some(Ok(serde_json::Value::String(text))) => text,
            Some(Ok(value)) => value.to_string(),
            _ => arguments.to_owned(),
        }
    };
    // `wait_for_open_port(80, address="server")`; the default is left out.
    let address = || {
        let rest = arguments
            .split_once("address=")
            .map_or("", |(_, rest)| rest);
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        stream
            .next()
            .and_then(Result::ok)
            .unwrap_or_else(|| "localhost".to_owned())
    };
    Some(match method {
        "wait_until_succeeds" => format!("waiting for success: {}", first()),
        "wait_until_fails" => format!("waiting for failure: {}", first()),
        "wait_for_unit" => format!("waiting for unit {}", first()),
        "wait_for_file" => format!("waiting for file '{}'", first()),
        "wait_for_open_port" => {
            format!("waiting for TCP port {} on {}", first(), address())
        }
        "wait_for_closed_port" => {
            format!(
                "waiting for TCP port {} on {} to be closed",
                first(),
                address()
            )
        }
        "wait_for_open_unix_socket" => format!("waiting for UNIX-domain socket '{}'", first()),
        "start_all" => "start all VMs".to_owned(),
        "join_all" => "wait for all VMs to finish".to_owned(),
        "wait_for_shutdown" => "waiting for the VM to power off".to_owned(),
        "wait_for_x" => "waiting for the X11 server".to_owned(),
        "send_chars" => format!("sending keys {:?}", first()),
        "crash" => "forced crash".to_owned(),
        _ => return None,
    })
}

impl<W: Write + Send> View for Classic<W> {
    fn event(&mut self, event: &Event) {
        let waits_in_python = self
            .fold
            .parent(event)
            .is_none_or(|open| open.kind != OpenKind::Call);
        self.fold.event(event);
        let machine = event.machine.as_deref();
        match &event.kind {
            Kind::CallStarted {
                method, arguments, ..
            } => {
                if let Some(span) = event.span {
                    self.methods.insert(span, method.clone());
                }
                if method == "start" {
                    self.line(machine, "starting vm");
                } else if let Some(text) = call(method, arguments) {
                    self.open(event, text);
                }
            }
            Kind::CallFinished { ok, duration, .. } => {
                self.close(event, *duration, *ok);
                if let Some(span) = event.span {
                    self.methods.remove(&span);
                }
            }
            Kind::CommandStarted { command, .. } => {
                if let Some(text) = self.command(event, command) {
                    self.open(event, text);
                }
            }
            Kind::CommandFinished {
                stderr,
                status,
                stdout,
                duration,
            } => {
                let stderr = stderr.to_string();
                for line in harmless(&stderr).lines() {
                    let text = self
                        .paint
                        .dim(&format!("{} # {line}", machine.unwrap_or_default()));
                    self.line(None, &text);
                }
                let must = event.span.is_some_and(|span| {
                    self.blocks
                        .get(&span)
                        .is_some_and(|(_, text)| text.starts_with("must succeed"))
                });
                let ok = !must || *status == Some(0);
                if !ok {
                    self.line(
                        machine,
                        &format!("output: {}", harmless(&stdout.to_string())),
                    );
                }
                self.close(event, *duration, ok);
            }
            Kind::WaitStarted { what, .. } if waits_in_python => {
                self.open(event, format!("waiting for {what}"));
            }
            Kind::WaitFinished { ok, duration, .. } => self.close(event, *duration, *ok),
            Kind::SubtestStarted { name } => self.open(event, format!("subtest: {name}")),
            Kind::SubtestFinished { ok, duration, .. } => self.close(event, *duration, *ok),
            Kind::NestedStarted { message } => self.open(event, harmless(message)),
            Kind::NestedFinished { ok, duration, .. } => self.close(event, *duration, *ok),
            Kind::Log { level, message } => {
                let message = harmless(message);
                match level {
                    Level::Error => {
                        let text = self.paint.bad(&format!("!!! {message}"));
                        self.line(machine, &text);
                    }
                    Level::Debug => {
                        let text = self.paint.dim(&message);
                        self.line(machine, &text);
                    }
                    _ => self.line(machine, &message),
                }
            }
            Kind::ConsoleShown { shown } => self.console = *shown,
            Kind::Console { line } if self.console => {
                let text = self
                    .paint
                    .dim(&format!("{} # {line}", machine.unwrap_or_default()));
                self.line(None, &text);
            }
            Kind::ScriptOutput { text, .. } => {
                let _ = write!(self.out, "{}", harmless(text));
            }
            Kind::Warning { message, .. } => {
                let text = self.paint.warn(&format!("??? Warning: {message}"));
                self.line(machine, &text);
            }
            Kind::Failure {
                class,
                message,
                frames,
                details,
                ..
            } => {
                let mut lines = vec!["Traceback (most recent call last):".to_owned()];
                for frame in frames {
                    lines.push(format!(
                        "  File \"<string>\", line {}, in {}",
                        frame.location.script_line, frame.function
                    ));
                    lines.push(format!("    {}", frame.location.source.trim()));
                }
                lines.push(String::new());
                lines.push(format!("{class}: {message}"));
                if let Some(details) = details {
                    lines = details.lines().map(str::to_owned).collect();
                }
                for line in lines {
                    let text = self.paint.bad(&format!("!!! {}", harmless(&line)));
                    self.line(None, &text);
                }
            }
            Kind::Cached { passed, .. } => {
                let text = format!(
                    "not run: it passed with the same plan at {}",
                    moment(*passed)
                );
                self.line(None, &text);
            }
            Kind::RunFinished { outcome, duration } => {
                let seconds = *duration as f64 / 1e6;
                self.line(
                    None,
                    &format!("test script finished in {seconds:.2}s: {outcome}"),
                );
            }
            _ => {}
        }
    }

    fn end(&mut self) {
        let _ = self.out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::call;

    #[test]
    fn calls_are_told_in_upstreams_words() {
        let cases = [
            (
                "wait_for_open_port",
                "80",
                Some("waiting for TCP port 80 on localhost"),
            ),
            (
                "wait_for_open_port",
                "80, address=\"web\", timeout=5",
                Some("waiting for TCP port 80 on web"),
            ),
            (
                "wait_for_file",
                "\"/a \\\"b\\\"\"",
                Some("waiting for file '/a \"b\"'"),
            ),
            (
                "wait_for_unit",
                "nonsense",
                Some("waiting for unit nonsense"),
            ),
            ("execute", "\"x\"", None),
        ];
        for (method, arguments, expect) in cases {
            assert_eq!(
                call(method, arguments).as_deref(),
                expect,
                "{method}({arguments})"
            );
        }
    }
}
