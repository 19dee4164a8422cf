//! Numbers and texts as people read them.

use chrono::{DateTime, Utc};

/// Microseconds: `0.12 s`, `12.3 s`, `2 min 03 s`.
pub(crate) fn duration(micros: u64) -> String {
    let seconds = micros as f64 / 1e6;
    if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 99.95 {
        format!("{seconds:.1} s")
    } else {
        let whole = seconds.round() as u64;
        if whole < 3600 {
            format!("{} min {:02} s", whole / 60, whole % 60)
        } else {
            format!("{} h {:02} min", whole / 3600, whole % 3600 / 60)
        }
    }
}

/// Microseconds since 1970 as `2026-11-23 01:45 UTC`.
pub(crate) fn moment(micros: u64) -> String {
    let date = i64::try_from(micros)
        .ok()
        .and_then(DateTime::from_timestamp_micros);
    let date = date.unwrap_or(DateTime::<Utc>::MAX_UTC);
    date.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// One line of at most so many characters.
pub(crate) fn short(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if count > 0 {
            line.push(' ');
            count += 1;
        }
        if count + length > most {
            let room = most.saturating_sub(count + 1);
            line.extend(word.chars().take(room));
            line.push('…');
            return line;
        }
        line.push_str(word);
        count += length;
    }
    line
}

/// `1 machine`, `2 machines`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

/// Every line indented.
pub(crate) fn indent(text: &str, by: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if !line.is_empty() {
            out.push_str(by);
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

/// Without what would steer a terminal; tabs and line ends stay.
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // The common sequences are known whole; of others only the escape goes.
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
                chars.next_if(|c| ('@'..='~').contains(c));
            }
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            (0, "0.00 s"),
            (123_456, "0.12 s"),
            (9_990_000, "9.99 s"),
            (9_996_000, "10.0 s"),
            (99_960_000, "1 min 40 s"),
            (123_000_000, "2 min 03 s"),
            (3_720_000_000, "1 h 02 min"),
        ];
        for (micros, expect) in cases {
            assert_eq!(duration(micros), expect);
        }
    }

    #[test]
    fn texts() {
        assert_eq!(short("a  b\n c", 10), "a b c");
        assert_eq!(short("aaaa bbbb", 7), "aaaa b…");
        assert_eq!(short("äääääääää", 4), "äää…");
        assert_eq!(harmless("a\x1b[31;1mb\r\n\tc\x1b[2"), "ab\n\tc");
        assert_eq!(harmless("\x1b]0;x\x07\x1b"), "]0;x");
        assert_eq!(indent("a\n\nb", "  "), "  a\n\n  b\n");
    }
}
