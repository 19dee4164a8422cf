//! Log lines and what groups them.

use std::time::Instant;

use serde_json::json;
use snowglobe_events::{Kind, Level, SpanId};

use super::{Call, Result, micros, null};
use crate::error::Raise;
use crate::session::{OpenSpan, Session, lock};
use crate::world::Observer;

pub(super) fn log(call: &Call) -> Result {
    let level = match call.args.maybe_text("level") {
        Some("debug") => Level::Debug,
        Some("warning") => Level::Warning,
        Some("error") => Level::Error,
        _ => Level::Info,
    };
    call.scope.emit(Kind::Log {
        level,
        message: call.args.text("message")?.to_owned(),
    });
    Ok(null())
}

pub(super) fn log_serial(session: &Session, call: &Call) -> Result {
    let name = call.machine()?.machine.name().to_owned();
    for line in call.args.text("message")?.lines() {
        Observer::console(session.feed.as_ref(), &name, line.as_bytes());
    }
    Ok(null())
}

pub(super) fn show_console(call: &Call) -> Result {
    call.scope.emit(Kind::ConsoleShown {
        shown: call.args.flag("enable"),
    });
    Ok(null())
}

pub(super) fn enter(session: &Session, call: &Call) -> Result {
    let kind = match call.method.as_str() {
        "subtest_enter" => Kind::SubtestStarted {
            name: call.args.text("name")?.to_owned(),
        },
        "nested_enter" => Kind::NestedStarted {
            message: call.args.text("message")?.to_owned(),
        },
        _ => Kind::WaitStarted {
            what: call.args.text("what")?.to_owned(),
            limit: call
                .args
                .maybe_seconds("limit")
                .map(|limit| micros(session.scaled(limit))),
        },
    };
    let span = call.scope.open(kind);
    lock(&session.left).clear();
    let open = OpenSpan {
        since: Instant::now(),
        parent: call.scope.parent(),
    };
    lock(&session.spans).insert(span, open);
    Ok(json!(span).into())
}

fn span(call: &Call) -> std::result::Result<SpanId, Raise> {
    call.args.number("span").map(SpanId)
}

pub(super) fn progress(call: &Call) -> Result {
    let state = call.args.text("state")?.to_owned();
    let tries = call.args.number("tries").unwrap_or(0);
    call.scope
        .on(span(call)?, Kind::WaitProgress { state, tries });
    Ok(null())
}

pub(super) fn leave(session: &Session, call: &Call) -> Result {
    let span = span(call)?;
    let Some(open) = lock(&session.spans).remove(&span) else {
        return Err(Raise::machine(
            "a block of the log was left that was not entered",
        ));
    };
    let duration = micros(open.since.elapsed());
    let error = call.args.maybe_text("error").map(str::to_owned);
    let kind = match call.method.as_str() {
        "subtest_leave" => {
            let name = call.args.text("name")?.to_owned();
            if error.is_some() {
                lock(&session.left).push(name.clone());
            }
            Kind::SubtestFinished {
                name,
                ok: error.is_none(),
                error,
                duration,
            }
        }
        "nested_leave" => Kind::NestedFinished {
            message: call.args.text("message")?.to_owned(),
            ok: error.is_none(),
            duration,
        },
        _ => Kind::WaitFinished {
            ok: call.args.flag("done"),
            state: None,
            duration,
        },
    };
    call.scope.within(open.parent).on(span, kind);
    Ok(null())
}
