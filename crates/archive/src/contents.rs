//! Which package has a program, a desktop entry or a unit: from the archive's lists of contents.
//!
//! Debian's list for amd64 is 13 MB to download and 170 MB to read, for what only a hint is made of.
//! So it is fetched when a hint is asked for the first time, and what is kept of it is
//! `archive/<id>/contents`: a digest, then a line for each name with its packages, sorted. The list of
//! packages that are the same on all processors, three times as large, is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use flate2::read::GzDecoder;
use fs_err as fs;

use crate::{Archive, Error, Origin, Release, Result, Snapshot, Wanted};

const LIST: &str = "main/Contents-amd64.gz";
const SUITE: &str = "trixie";
/// The list is not larger when it is unpacked.
const LIMIT: u64 = 2 << 30;

/// Something in a package that people know by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A program in a directory of programs.
    Program,
    /// A desktop entry, with `.desktop`.
    Desktop,
    /// A unit of systemd, with its type.
    Unit,
}

impl Known {
    fn prefix(self) -> &'static str {
        match self {
            Self::Program => "bin/",
            Self::Desktop => "applications/",
            Self::Unit => "units/",
        }
    }

    /// What a path of a package is, and its name.
    fn of(path: &str) -> Option<(Self, &str)> {
        let path = path.strip_prefix("usr/").unwrap_or(path);
        let (directory, name) = path.rsplit_once('/')?;
        let known = match directory {
            "bin" | "sbin" | "games" => Self::Program,
            "share/applications" if name.ends_with(".desktop") => Self::Desktop,
            "lib/systemd/system" if name.contains('.') => Self::Unit,
            _ => return None,
        };
        Some((known, name))
    }
}

/// Names, and the packages that have them.
#[derive(Clone, Debug)]
pub struct Contents {
    text: String,
}

impl Contents {
    /// Names of the packages that have something of this name, sorted.
    pub fn packages(&self, known: Known, name: &str) -> Vec<String> {
        let key = format!("{}{name}", known.prefix());
        let mut lines = self.text.lines();
        let found = lines.find_map(|line| line.strip_prefix(key.as_str())?.strip_prefix(' '));
        let packages = found.unwrap_or_default().split_whitespace();
        packages.map(str::to_owned).collect()
    }
}

impl Archive {
    /// The contents of a snapshot's packages. The first time, the list is downloaded.
    pub fn contents(&self, snapshot: &Snapshot) -> Result<Contents> {
        let path = snapshot.directory().join("contents");
        if let Ok(kept) = fs::read_to_string(&path)
            && let Some((digest, text)) = kept.split_once('\n')
            && blake3::hash(text.as_bytes()).to_hex().as_str() == digest
        {
            let text = text.to_owned();
            return Ok(Contents { text });
        }
        let text = self.read_contents(snapshot.directory())?;
        let mut file = tempfile::NamedTempFile::new_in(snapshot.directory())?;
        writeln!(file, "{}", blake3::hash(text.as_bytes()).to_hex())?;
        file.write_all(text.as_bytes())?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(Contents { text })
    }

    fn read_contents(&self, directory: &Path) -> Result<String> {
        let path = directory.join(format!("InRelease.{SUITE}"));
        let what = path.display().to_string();
        let release = Release::read(
            &what,
            &fs::read_to_string(&path)?,
            self.keys(),
            SystemTime::now(),
        )?;
        let listed = release
            .file(LIST)
            .ok_or_else(|| Error::malformed(&what, format!("it does not list {LIST}")))?;
        let base = format!("{}/dists/{SUITE}/main", self.mirrors().base(Origin::Main));
        let list = self.downloads().get(&Wanted {
            name: format!("list of contents of {SUITE}"),
            urls: vec![
                format!("{base}/by-hash/SHA256/{}", listed.digest.hex()),
                format!("{base}/Contents-amd64.gz"),
            ],
            digest: listed.digest.clone(),
            size: Some(listed.size),
        })?;
        let stream = GzDecoder::new(fs::File::open(&list)?).take(LIMIT);
        collect(BufReader::with_capacity(1 << 20, stream))
            .map_err(|error| crate::error::at(error, list.display()))
    }
}

/// Keeps of a list what has a name that people know.
fn collect(mut list: impl BufRead) -> std::io::Result<String> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut line = Vec::new();
    while list.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if let Some((path, owners)) = text.trim_end().rsplit_once([' ', '\t'])
            && let Some((known, name)) = Known::of(path.trim_end())
            && !name.contains(char::is_whitespace)
        {
            let packages = owners
                .split(',')
                .filter_map(|owner| owner.rsplit('/').next());
            found
                .entry(format!("{}{name}", known.prefix()))
                .or_default()
                .extend(packages.map(str::to_owned));
        }
        line.clear();
    }
    let mut text = String::new();
    for (name, packages) in found {
        text.push_str(&name);
        for package in packages {
            text.push(' ');
            text.push_str(&package);
        }
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_know_by_its_name_is_kept() {
        let list = b"bin/ip                    net/iproute2\n\
            usr/bin/dig\t\t\tnet/bind9-dnsutils,net/knot-dnsutils\n\
            usr/bin/digger  misc/digger\n\
            usr/share/applications/firefox-esr.desktop  web/firefox-esr\n\
            usr/lib/systemd/system/nginx.service  httpd/nginx-common\n\
            usr/lib/x/bin/dig  misc/other\n\
            usr/share/doc/dig/readme  doc/dig\n\xff\n\n";
        let text = collect(&list[..]).unwrap();
        let contents = Contents { text };
        let rows: [(_, _, &[&str]); 6] = [
            (Known::Program, "ip", &["iproute2"]),
            (Known::Program, "dig", &["bind9-dnsutils", "knot-dnsutils"]),
            (Known::Desktop, "firefox-esr.desktop", &["firefox-esr"]),
            (Known::Unit, "nginx.service", &["nginx-common"]),
            (Known::Program, "readme", &[]),
            (Known::Program, "di", &[]),
        ];
        for (known, name, expected) in rows {
            assert_eq!(contents.packages(known, name), expected, "{name}");
        }
    }
}
