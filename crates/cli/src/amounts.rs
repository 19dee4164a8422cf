//! Sizes and times on the command line, and lines for standard output.

use std::io::Write;
use std::time::Duration;

use crate::error::{CliError, Result};

/// Bytes with three digits or so.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else if value < 10.0 {
        format!("{value:.1} {}", UNITS[unit])
    } else {
        format!("{value:.0} {}", UNITS[unit])
    }
}

/// An age in a column: `45m`.
pub fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `10G` and the like, in bytes.
pub fn size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits
        .parse()
        .map_err(|_| format!("'{text}' is not a size; write 500M or 10G"))?;
    let factor: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        unit => return Err(format!("'{unit}' is no unit of size; write K, M, G or T")),
    };
    if !number.is_finite() || number < 0.0 {
        return Err(format!("'{text}' is not a size"));
    }
    Ok((number * factor as f64) as u64)
}

/// `30d` and the like.
pub fn age(text: &str) -> std::result::Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("'{text}' is not a time; write 12h or 30d"))?;
    let seconds = match &text[digits.len()..] {
        "s" | "" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        unit => {
            return Err(format!(
                "'{unit}' is no unit of time; write s, m, h, d or w"
            ));
        }
    };
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| format!("'{text}' is too long"))
}

/// To standard output, with a line end; a reader that has gone is no failure.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(CliError::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(size("10G"), Ok(10 << 30));
        assert_eq!(size("1.5k"), Ok(1536));
        assert_eq!(size("0"), Ok(0));
        assert!(size("ten").is_err());
        assert!(size("3X").is_err());
        assert_eq!(age("2d"), Ok(Duration::from_secs(172_800)));
        assert_eq!(age("0"), Ok(Duration::ZERO));
        assert!(age("2y").is_err());
        assert!(age("99999999999999999999d").is_err());
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1000), "1.0 KiB");
        assert_eq!(human(5 << 30), "5.0 GiB");
    }
}
