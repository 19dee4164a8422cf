//! QEMU's monitor, keyboard, consoles and screen.

use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use serde_json::{Value, json};
use snowglobe_events::Kind;

use super::commands::repeat;
use super::{Answer, Call, Result, named, null};
use crate::error::Raise;
use crate::session::{Handle, Session, lock};
use crate::tools::Job;
use crate::world::{Exec, Picture};

/// The machine, running.
fn started<'a>(session: &Session, call: &'a Call) -> Result<&'a Arc<Handle>> {
    let handle = call.machine()?;
    let limit = call.within(session.scaled(900.0));
    session
        .need(handle, &limit)
        .map_err(|fault| named(handle, fault))?;
    Ok(handle)
}

pub(super) fn qmp(session: &Session, call: &Call) -> Result {
    let handle = started(session, call)?;
    let command = call.args.text("command")?;
    let value = handle.machine.qmp(command, call.args.raw("arguments"));
    Ok(value.map_err(|fault| named(handle, fault))?.into())
}

pub(super) fn qmp_event(session: &Session, call: &Call) -> Result {
    let handle = call.machine()?;
    let limit = call.within(session.scaled(call.args.seconds("timeout")?));
    let events = lock(&handle.qmp_events);
    let Some(events) = events.as_ref() else {
        let message = "QMP API is not ready yet, is the VM ready?";
        return Err(Raise::new("RuntimeError", message));
    };
    loop {
        match events.recv_timeout(Duration::from_millis(20)) {
            Ok(event) => return Ok(event.into()),
            Err(RecvTimeoutError::Timeout) if !limit.over() => {}
            Err(RecvTimeoutError::Timeout) => {
                return Err(Raise::new("TimeoutError", "no QMP event came in time"));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Raise::new("TimeoutError", "the machine has ended"));
            }
        }
    }
}

/// Runs a command of the human monitor.
fn human(handle: &Handle, command: &str) -> Result<String> {
    let arguments = json!({"command-line": command});
    let value = handle.machine.qmp("human-monitor-command", arguments);
    match value.map_err(|fault| named(handle, fault))? {
        Value::String(text) => Ok(text.replace("\r\n", "\n")),
        other => Ok(other.to_string()),
    }
}

pub(super) fn monitor(session: &Session, call: &Call) -> Result {
    let handle = started(session, call)?;
    // Upstream reads up to the next prompt, which some scripts look for.
    let text = human(handle, call.args.text("command")?)?;
    Ok(json!(format!("{text}(qemu) ")).into())
}

pub(super) fn monitor_prompt(session: &Session, call: &Call) -> Result {
    started(session, call).map(|_| json!("").into())
}

/// Presses a chord in QEMU's words.
pub(super) fn press(_session: &Session, handle: &Handle, key: &str) -> Result<()> {
    let complaint = human(handle, &format!("sendkey {key}"))?;
    if complaint.trim().is_empty() {
        Ok(())
    } else {
        Err(
            Raise::machine(format!("cannot press '{key}': {}", complaint.trim()))
                .with("machine", handle.machine.name()),
        )
    }
}

/// The key, or chord, that types a character on a US keyboard; other text is a key's own name.
fn key_of(text: &str) -> String {
    let mut chars = text.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else {
        return text.to_owned();
    };
    // Pairs of a key: alone and with shift.
    const PAIRS: &[(char, char, u8)] = &[
        ('-', '_', 0x0C),
        ('=', '+', 0x0D),
        ('[', '{', 0x1A),
        (']', '}', 0x1B),
        (';', ':', 0x27),
        ('\'', '"', 0x28),
        ('`', '~', 0x29),
        ('\\', '|', 0x2B),
        (',', '<', 0x33),
        ('.', '>', 0x34),
        ('/', '?', 0x35),
    ];
    match c {
        'A'..='Z' => format!("shift-{}", c.to_ascii_lowercase()),
        ' ' => "spc".to_owned(),
        '\n' => "ret".to_owned(),
        c => {
            if let Some(index) = "!@#$%^&*()".find(c) {
                return format!("shift-0x{:02X}", index + 2);
            }
            for (plain, shifted, code) in PAIRS {
                if c == *plain {
                    return format!("0x{code:02X}");
                }
                if c == *shifted {
                    return format!("shift-0x{code:02X}");
                }
            }
            c.to_string()
        }
    }
}

fn pause(call: &Call) -> Result<Duration> {
    let seconds = call.args.maybe_seconds("delay").unwrap_or(0.0);
    Ok(Duration::try_from_secs_f64(seconds.clamp(0.0, 3600.0)).unwrap_or_default())
}

pub(super) fn send_key(session: &Session, call: &Call) -> Result {
    let handle = started(session, call)?;
    press(session, handle, &key_of(call.args.text("key")?))?;
    call.endless().sleep(pause(call)?);
    Ok(null())
}

pub(super) fn send_chars(session: &Session, call: &Call) -> Result {
    let handle = started(session, call)?;
    let (pause, limit) = (pause(call)?, call.endless());
    for c in call.args.text("chars")?.chars() {
        press(session, handle, &key_of(&c.to_string()))?;
        limit.sleep(pause);
        if limit.over() {
            break;
        }
    }
    Ok(null())
}

pub(super) fn send_console(session: &Session, call: &Call) -> Result {
    let handle = started(session, call)?;
    let chars = call.args.text("chars")?;
    handle
        .machine
        .write_console(chars.as_bytes())
        .map_err(|fault| named(handle, fault))?;
    Ok(null())
}

pub(super) fn console_log(call: &Call) -> Result {
    Ok(json!(call.machine()?.console.text()).into())
}

pub(super) fn console_read(session: &Session, call: &Call) -> Result {
    let handle = started(session, call)?;
    let limit = call.within(Duration::from_secs_f64(
        call.args.seconds("timeout")?.clamp(0.0, 60.0),
    ));
    Ok(json!(handle.console.read(&limit)).into())
}

pub(super) fn tty_text(session: &Session, call: &Call) -> Result {
    let agent = call.agent(session)?;
    let handle = call.machine()?;
    let seconds = call
        .args
        .maybe_seconds("timeout")
        .unwrap_or(0.0)
        .clamp(0.0, 60.0);
    let limit = call.within(Duration::from_secs_f64(seconds));
    let text = agent
        .tty_text(
            call.args.text("tty")?,
            call.args.maybe_text("unlike"),
            &limit,
        )
        .map_err(|fault| named(handle, fault))?;
    Ok(json!(text).into())
}

pub(super) fn screenshot(session: &Session, call: &Call) -> Result {
    let handle = started(session, call)?;
    let picture = handle
        .machine
        .screen(Picture::Png)
        .map_err(|fault| named(handle, fault))?;
    let broken = |error: std::io::Error| Raise::machine(format!("screenshot: {error}"));
    let Some(name) = call.args.maybe_text("name") else {
        // The script's process writes it, where it may.
        let mut file = tempfile::tempfile_in(&session.run_dir).map_err(broken)?;
        file.write_all(&picture)
            .and_then(|()| file.rewind())
            .map_err(broken)?;
        return Ok(Answer {
            value: json!(null),
            descriptor: Some(OwnedFd::from(file)),
        });
    };
    if name.contains('/') || name == ".." {
        return Err(Raise::new(
            "ValueError",
            format!("screenshot: bad name {name:?}"),
        ));
    }
    let path = save(&session.out_dir, name, &picture).map_err(broken)?;
    let path = path
        .strip_prefix(&session.run_dir)
        .unwrap_or(&path)
        .display()
        .to_string();
    call.scope.emit(Kind::Screenshot {
        path,
        why: "screenshot() in the script".to_owned(),
    });
    Ok(null())
}

/// Writes a picture under another name first, so that nobody sees half of it.
pub(crate) fn save(
    directory: &std::path::Path,
    name: &str,
    picture: &[u8],
) -> std::io::Result<std::path::PathBuf> {
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(picture)?;
    let path = directory.join(name);
    let file = file.persist(&path).map_err(|error| error.error)?;
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    Ok(path)
}

pub(super) fn screen_text(session: &Session, call: &Call) -> Result {
    if !session.ocr {
        let message = "OCR requested but enableOCR is false";
        return Err(Raise::machine(message));
    }
    let handle = started(session, call)?;
    let picture = handle
        .machine
        .screen(Picture::Ppm)
        .map_err(|fault| named(handle, fault))?;
    let picture = match call.args.maybe_text("variant") {
        Some("positive") => crate::screen_image::prepare(&picture, false),
        Some("negative") => crate::screen_image::prepare(&picture, true),
        _ => Some(picture),
    };
    let Some(picture) = picture else {
        return Err(Raise::machine("the machine's screen is no picture"));
    };
    let job = Job {
        program: "tesseract".to_owned(),
        args: [
            "stdin",
            "-",
            "--oem",
            "1",
            "-c",
            "debug_file=/dev/null",
            "--psm",
            "11",
        ]
        .map(str::to_owned)
        .to_vec(),
        // One thread: several machines may be read at once, and their emulation needs the cores.
        env: vec![("OMP_THREAD_LIMIT".to_owned(), "1".to_owned())],
        cwd: "/".into(),
        standard: crate::tools::Standard::PipesWithInput,
        ..Job::default()
    };
    let finished = crate::tools::run(session.tools.as_ref(), job, &picture, session.scaled(120.0))
        .map_err(|error| {
            Raise::machine(format!(
                "OCR requested but `tesseract` is not available: {error}"
            ))
        })?;
    if !finished.exit.success() {
        return Err(Raise::machine(format!(
            "OCR failed: tesseract {}: {}",
            finished.exit,
            String::from_utf8_lossy(&finished.stderr).trim()
        )));
    }
    Ok(json!(String::from_utf8_lossy(&finished.stdout)).into())
}

pub(super) fn wait_for_x(session: &Session, call: &Call) -> Result {
    let command = "journalctl -b SYSLOG_IDENTIFIER=systemd | grep -q 'Reached target Current graphical' \
                   && test -e /tmp/.X11-unix/X0";
    let exec = Exec {
        command: command.to_owned(),
        timeout: Some(session.scaled(60.0)),
        ..Exec::default()
    };
    repeat(
        session,
        call,
        "the graphical session".to_owned(),
        &exec,
        |ran| ran.status == 0,
    )?;
    Ok(null())
}

pub(super) fn window_names(session: &Session, call: &Call) -> Result {
    let exec = Exec {
        command: "xwininfo -root -tree".to_owned(),
        timeout: Some(session.scaled(60.0)),
        ..Exec::default()
    };
    let ran = super::shell::run(session, call, &exec)?;
    if ran.status != 0 {
        let message = format!(
            "command `{}` failed (exit code {})",
            exec.command, ran.status
        );
        let name = call.machine()?.machine.name();
        return Err(ran.explain(Raise::assertion(message), name, &exec.command));
    }
    Ok(json!(titles(&ran.stdout)).into())
}

/// Titles in the output of `xwininfo -tree`: `0x40000a "Title": ("class" "Class") …`.
fn titles(tree: &str) -> Vec<&str> {
    tree.lines()
        .filter_map(|line| {
            let (id, rest) = line.trim_start().split_once(' ')?;
            let title = rest.trim_start().strip_prefix('"')?;
            id.starts_with("0x").then(|| title.split('"').next())?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_have_keys() {
        let cases = [
            ("a", "a"),
            ("A", "shift-a"),
            ("\n", "ret"),
            (" ", "spc"),
            ("!", "shift-0x02"),
            (")", "shift-0x0B"),
            ("_", "shift-0x0C"),
            ("/", "0x35"),
            ("ctrl-alt-delete", "ctrl-alt-delete"),
            ("esc", "esc"),
            ("ä", "ä"),
        ];
        for (text, key) in cases {
            assert_eq!(key_of(text), key);
        }
    }

    #[test]
    fn windows_have_titles() {
        let tree = "\nxwininfo: Window id: 0x1e1 (the root window) (has no name)\n\n  Root window id: 0x1e1\n     2 children:\n     0x200003 \"Mozilla Firefox\": (\"Navigator\" \"firefox\")  10x10\n     0x200004 (has no name): ()  1x1\n        0x3 \"say \"hi\"\": ()\n";
        assert_eq!(titles(tree), ["Mozilla Firefox", "say "]);
    }
}
