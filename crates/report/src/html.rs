//! The page: one file, readable without anything else.

use std::io::{self, BufReader};
use std::path::{Component, Path};

use snowglobe_events::{Event, Kind, Reader};

const PAGE: &str = include_str!("../web/report.html");
const STYLE: &str = include_str!("../web/report.css");
const FOLD: &str = include_str!("../web/fold.js");
const SCRIPT: &str = include_str!("../web/page.js");

/// Bytes of console and journal lines that are in the page; the rest is in the run folder.
const LINES: usize = 8 << 20;
/// Bytes of pictures that are in the page.
const PICTURES: usize = 6 << 20;

/// Makes the page of a run folder from its `events.jsonl` and pictures.
///
/// # Errors
///
/// When the events cannot be read.
pub fn page(folder: &Path) -> io::Result<String> {
    let file = std::fs::File::open(folder.join("events.jsonl"))?;
    let mut events = String::new();
    let mut pictures = String::new();
    let (mut lines_left, mut pictures_left) = (LINES, PICTURES);
    let mut left_out = 0_u64;
    for event in Reader::new(BufReader::new(file)) {
        let event = event.map_err(io::Error::other)?;
        match &event.kind {
            Kind::Console { line } if !spend(&mut lines_left, line.len() + 100) => {
                left_out += 1;
                continue;
            }
            Kind::Journal { message, .. } if !spend(&mut lines_left, message.len() + 200) => {
                left_out += 1;
                continue;
            }
            Kind::Screenshot { path, .. } => {
                picture(folder, path, &mut pictures_left, &mut pictures)
            }
            // The end is told after the note below.
            Kind::RunFinished { .. } if left_out > 0 => {
                let message = format!(
                    "{left_out} lines of consoles and journals are not in this page; \
                     they lie in the run folder"
                );
                let kind = Kind::Warning {
                    message,
                    hints: Vec::new(),
                };
                push(
                    &mut events,
                    &Event {
                        kind,
                        machine: None,
                        span: None,
                        parent: None,
                        ..event
                    },
                )?;
            }
            _ => {}
        }
        push(&mut events, &event)?;
    }
    Ok(fill(&events, &pictures))
}

fn spend(left: &mut usize, bytes: usize) -> bool {
    let enough = *left >= bytes;
    *left = left.saturating_sub(bytes);
    enough
}

fn push(out: &mut String, event: &Event) -> io::Result<()> {
    let line = serde_json::to_string(event).map_err(io::Error::other)?;
    escape(out, &line);
    out.push('\n');
    Ok(())
}

/// JSON inside of a script element: nothing in it may look like markup.
fn escape(out: &mut String, json: &str) {
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            c => out.push(c),
        }
    }
}

fn picture(folder: &Path, path: &str, left: &mut usize, out: &mut String) {
    // The path is from an event; only what lies in the run folder is read, and no link.
    let inside = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let file = folder.join(path);
    if !inside || !std::fs::symlink_metadata(&file).is_ok_and(|data| data.is_file()) {
        return;
    }
    let Ok(bytes) = std::fs::read(&file) else {
        return;
    };
    if !bytes.starts_with(b"\x89PNG") || !spend(left, bytes.len()) {
        return;
    }
    let data = format!("data:image/png;base64,{}", base64(&bytes));
    escape(
        out,
        &serde_json::json!({"path": path, "data": data}).to_string(),
    );
    out.push('\n');
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place > chunk.len() {
                text.push('=');
            } else {
                let digit = (word >> (18 - 6 * place)) & 63;
                text.push(char::from(DIGITS[digit as usize]));
            }
        }
    }
    text
}

fn fill(events: &str, pictures: &str) -> String {
    let mut page = String::with_capacity(PAGE.len() + SCRIPT.len() + events.len() + pictures.len());
    let mut rest = PAGE;
    let parts = [
        ("/*STYLE*/", STYLE),
        ("/*EVENTS*/", events),
        ("/*PICTURES*/", pictures),
        ("/*FOLD*/", FOLD),
        ("/*PAGE*/", SCRIPT),
    ];
    // One pass in the page's order: what is filled in is never looked at again.
    for (mark, text) in parts {
        let Some((before, after)) = rest.split_once(mark) else {
            continue;
        };
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page.push_str(rest);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648s() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn events_cannot_end_the_script() {
        let folder = tempfile::tempdir().unwrap();
        let line = r#"{"seq":0,"elapsed":0,"wall":0,"type":"log","level":"info","message":"</script><script>alert(1)</script><!-- /*PICTURES*/ &"}"#;
        std::fs::write(folder.path().join("events.jsonl"), format!("{line}\n")).unwrap();
        let page = page(folder.path()).unwrap();
        assert!(!page.contains("alert(1)</script>"));
        assert!(page.contains(r"\u003c/script\u003e\u003cscript\u003ealert(1)"));
        let scripts = page.matches("</script>").count();
        assert_eq!(scripts, 4, "the page's own");
    }

    #[test]
    fn pictures_from_elsewhere_are_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("run");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(folder.path().join("secret.png"), b"\x89PNG secret").unwrap();
        std::fs::write(root.join("good.png"), b"\x89PNG good").unwrap();
        std::os::unix::fs::symlink("../secret.png", root.join("link.png")).unwrap();
        for (path, taken) in [
            ("good.png", true),
            ("../secret.png", false),
            ("link.png", false),
            ("/etc/passwd", false),
        ] {
            let (mut out, mut left) = (String::new(), 1000);
            picture(&root, path, &mut left, &mut out);
            assert_eq!(!out.is_empty(), taken, "{path}");
        }
    }
}
