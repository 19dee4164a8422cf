//! `InRelease`: the signed table of contents of an archive.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDateTime, Utc};

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
    let text = text.split_once(',').map_or(text, |(_, rest)| rest).trim();
    let clock = ["UTC", "GMT", "+0000"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone))
        .unwrap_or(text);
    let date = NaiveDateTime::parse_from_str(clock.trim_end(), "%d %b %Y %H:%M:%S").ok()?;
    u64::try_from(date.and_utc().timestamp()).ok()
}

/// `2026-11-21T02:10:46Z`.
pub(crate) fn format_date(seconds: u64) -> String {
    let date = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let date = date.unwrap_or(DateTime::<Utc>::MAX_UTC);
    date.format("%Y-%m-%dT%H:%M:%SZ").to_string()
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
