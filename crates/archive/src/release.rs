//! `InRelease`: the signed table of contents of an archive.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::control::Stanza;
use crate::{Algorithm, Digest, Error, Keyring, Result};

/// A file that a release lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// SHA-256 of the file.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// A verified release.
#[derive(Clone, Debug)]
pub struct Release {
    /// `Codename` or, without one, `Suite`.
    pub codename: String,
    /// `Date`, in seconds since 1970.
    pub date: u64,
    /// `Valid-Until`, in seconds since 1970.
    pub valid_until: Option<u64>,
    /// Whether files can be fetched by their digest.
    pub by_hash: bool,
    files: HashMap<String, Listed>,
}

impl Release {
    /// Verifies the text of an `InRelease` file and reads it. `what` names it in errors. The caller
    /// decides whether an expired release is good enough: see [`Release::check_fresh`].
    pub fn read(what: &str, text: &str, keys: &Keyring, now: SystemTime) -> Result<Self> {
        let signed = keys.verify(what, text, now)?;
        let stanza = Stanza::new(&signed);
        let field = |name: &str| {
            stanza
                .get(name)
                .ok_or_else(|| Error::malformed(what, format!("no field {name}")))
        };
        let date = |text: &str| {
            parse_date(text).ok_or_else(|| Error::malformed(what, format!("bad date '{text}'")))
        };
        let mut files = HashMap::new();
        for line in field("SHA256")?.lines() {
            let mut words = line.split_whitespace();
            let (Some(digest), Some(size), Some(path)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let bad = || Error::malformed(what, format!("bad line '{line}'"));
            let digest = Digest::from_hex(Algorithm::Sha256, digest).ok_or_else(bad)?;
            let size = size.parse().map_err(|_| bad())?;
            files.insert(path.to_owned(), Listed { digest, size });
        }
        Ok(Self {
            codename: field("Codename").or_else(|_| field("Suite"))?.to_owned(),
            date: date(field("Date")?)?,
            valid_until: stanza.get("Valid-Until").map(date).transpose()?,
            by_hash: stanza.get("Acquire-By-Hash") == Some("yes"),
            files,
        })
    }

    /// Fails if the release says of itself that it is too old, or if it comes from the future.
    pub fn check_fresh(&self, what: &str, now: SystemTime) -> Result<()> {
        let now = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs();
        match self.valid_until {
            Some(until) if until < now => Err(Error::Expired {
                what: what.to_owned(),
                until: format_date(until),
            }),
            _ => Ok(()),
        }
    }

    /// A listed file, by its path below the suite.
    pub fn file(&self, path: &str) -> Option<&Listed> {
        self.files.get(path)
    }
}

/// Reads `Sat, 21 Nov 2026 02:10:46 UTC` (also `GMT` and `+0000`).
fn parse_date(text: &str) -> Option<u64> {
    let rest = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = rest.split_whitespace();
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|name| *name == month)? as i64 + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<i64>);
    let mut next = || clock.next()?.ok();
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    if !matches!(words.next(), None | Some("UTC" | "GMT" | "+0000")) {
        return None;
    }
    if !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    u64::try_from(days * 86400 + hours * 3600 + minutes * 60 + seconds).ok()
}

/// Days since 1970-01-01 in the Gregorian calendar; years start in March, so that the leap day is
/// the last of a year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `2026-11-21T02:10:46Z`.
pub(crate) fn format_date(seconds: u64) -> String {
    let days = (seconds / 86400) as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let clock = seconds % 86400;
    let (hours, minutes, seconds) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        let rows = [
            ("Thu, 01 Jan 1970 00:00:00 UTC", "1970-01-01T00:00:00Z"),
            ("Sat, 21 Nov 2026 02:10:46 UTC", "2026-11-21T02:10:46Z"),
            ("Thu, 29 Feb 2024 23:59:59 GMT", "2024-02-29T23:59:59Z"),
            ("Fri, 1 Mar 2024 00:00:00 +0000", "2024-03-01T00:00:00Z"),
        ];
        for (text, expected) in rows {
            assert_eq!(format_date(parse_date(text).unwrap()), expected);
        }
        for text in [
            "",
            "Sat, 21 Foo 2026 02:10:46 UTC",
            "Sat, 21 Nov 2026 02:10:46 CET",
            "x",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
