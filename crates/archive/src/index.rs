//! The index of a snapshot: every package, found by name without parsing anything else.
//!
//! A file of buckets. A name's hash says which bucket holds its records; the bucket is read and its
//! check compared, so that looking up one package costs a few hundred bytes however large the
//! archive is, and a damaged file is noticed where it is used. All numbers are little-endian.
//!
//! | part | content |
//! | --- | --- |
//! | header, 56 bytes | magic `SGDEBIX1`; buckets, packages (u32 each); offset and length of the name list (u64 each); length of the file (u64); check of the name list, check of the header up to here (8 bytes each) |
//! | table | per bucket: offset (u64), length (u64), check (8 bytes) |
//! | buckets | records: kind (u8: 0 package, 1 providers), origin (u8), length of name (u16) and text (u32), name, text |
//! | name list | names of all packages, sorted, each ended by a line feed |
//!
//! A check is the start of BLAKE3 over the part, and for buckets over its number as well.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use debversion::Version;
use fs_err as fs;

use crate::control::stanzas;
use crate::{Alternative, Error, Origin, Package, Result, VersionRelation, parse_relations};

const MAGIC: &[u8; 8] = b"SGDEBIX1";
const HEADER: usize = 56;
const ENTRY: usize = 24;
/// No bucket or name list is larger; a damaged length must not make us allocate without bound.
const LIMIT: u64 = 64 << 20;

/// Fields of a stanza that the index keeps.
const KEPT: [&str; 22] = [
    "Package",
    "Source",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Essential",
    "Important",
    "Protected",
    "Priority",
    "Section",
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Conflicts",
    "Breaks",
    "Replaces",
    "Provides",
    "Installed-Size",
    "Homepage",
    "Filename",
    "Size",
    "SHA256",
];

/// An opened index.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    file: File,
    buckets: u32,
    packages: u32,
    names: (u64, u64, [u8; 8]),
}

/// What a bucket says about one name.
#[derive(Clone, Debug, Default)]
struct Entry {
    package: Option<Package>,
    /// `Provides` of others: name of the provider and version of what is provided.
    providers: Vec<(String, Option<String>)>,
}

impl Index {
    /// Opens an index; only its header is read and checked.
    pub fn open(path: &Path) -> Result<Self> {
        let file = fs::File::open(path)?.into_parts().0;
        let damaged = |reason: &str| Error::Index {
            path: path.to_owned(),
            reason: reason.into(),
        };
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)
            .map_err(|_| damaged("no header"))?;
        if &header[..8] != MAGIC {
            return Err(damaged("not an index of this version"));
        }
        if check(None, &header[..HEADER - 8]) != header[HEADER - 8..] {
            return Err(damaged("header"));
        }
        let index = Self {
            path: path.to_owned(),
            buckets: u32_at(&header, 8),
            packages: u32_at(&header, 12),
            names: (
                u64_at(&header, 16),
                u64_at(&header, 24),
                header[40..48].try_into().unwrap_or_default(),
            ),
            file,
        };
        let length = index
            .file
            .metadata()
            .map_err(|error| io_error(path, error))?
            .len();
        if length != u64_at(&header, 32) || index.buckets == 0 {
            return Err(damaged("its length"));
        }
        Ok(index)
    }

    /// Number of packages.
    pub fn len(&self) -> usize {
        self.packages as usize
    }

    /// Whether there is no package at all.
    pub fn is_empty(&self) -> bool {
        self.packages == 0
    }

    /// A package by its name: of several versions the newest.
    pub fn package(&self, name: &str) -> Result<Option<Package>> {
        Ok(self.entry(name)?.package)
    }

    /// Packages that provide a virtual name in a version that is allowed, sorted by name.
    pub fn providers(&self, wanted: &Alternative) -> Result<Vec<String>> {
        let entry = self.entry(&wanted.name)?;
        let mut names: Vec<_> = entry
            .providers
            .into_iter()
            .filter(|(_, version)| match version {
                Some(version) => wanted.allows(version),
                // An unversioned provision satisfies only unversioned relations.
                None => wanted.version.is_none(),
            })
            .map(|(name, _)| name)
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Names of all packages, sorted.
    pub fn names(&self) -> Result<Vec<String>> {
        let (offset, length, expected) = self.names;
        let bytes = self.read(offset, length, "name list")?;
        if check(None, &bytes) != expected {
            return Err(self.damaged("name list"));
        }
        let text = String::from_utf8(bytes).map_err(|_| self.damaged("name list"))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Checks the whole file.
    pub fn verify(&self) -> Result<()> {
        self.names()?;
        (0..self.buckets).try_for_each(|bucket| self.bucket(bucket).map(drop))
    }

    fn entry(&self, name: &str) -> Result<Entry> {
        let bytes = self.bucket(bucket_of(name, self.buckets))?;
        let mut entry = Entry::default();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let record = Record::split(&mut rest).ok_or_else(|| self.damaged("bucket"))?;
            if record.name != name {
                continue;
            }
            if record.kind == 0 {
                let origin =
                    Origin::from_byte(record.origin).ok_or_else(|| self.damaged("bucket"))?;
                entry.package = Some(Package::new(record.text.to_owned(), origin));
            } else {
                entry.providers.extend(record.text.lines().map(
                    |line| match line.split_once(' ') {
                        Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
                        None => (line.to_owned(), None),
                    },
                ));
            }
        }
        Ok(entry)
    }

    fn bucket(&self, number: u32) -> Result<Vec<u8>> {
        let at = HEADER as u64 + u64::from(number) * ENTRY as u64;
        let table = self.read(at, ENTRY as u64, "table")?;
        let bytes = self.read(u64_at(&table, 0), u64_at(&table, 8), "bucket")?;
        if check(Some(number), &bytes) != table[16..24] {
            return Err(self.damaged("bucket"));
        }
        Ok(bytes)
    }

    fn read(&self, offset: u64, length: u64, what: &str) -> Result<Vec<u8>> {
        if length > LIMIT {
            return Err(self.damaged(what));
        }
        let mut bytes = vec![0; length as usize];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|_| self.damaged(what))?;
        Ok(bytes)
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Index {
            path: self.path.clone(),
            reason: what.to_owned(),
        }
    }
}

struct Record<'a> {
    kind: u8,
    origin: u8,
    name: &'a str,
    text: &'a str,
}

impl<'a> Record<'a> {
    /// Takes a record from the front of a bucket; `None` if there is none.
    fn split(bytes: &mut &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(8)?;
        let name_length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let (name, rest) = rest.split_at_checked(name_length)?;
        let (text, rest) = rest.split_at_checked(u32_at(head, 4) as usize)?;
        *bytes = rest;
        let name = std::str::from_utf8(name).ok()?;
        let text = std::str::from_utf8(text).ok()?;
        Some(Self {
            kind: head[0],
            origin: head[1],
            name,
            text,
        })
    }

    fn write(&self, bucket: &mut Vec<u8>) {
        bucket.extend([self.kind, self.origin]);
        bucket.extend((self.name.len() as u16).to_le_bytes());
        bucket.extend((self.text.len() as u32).to_le_bytes());
        bucket.extend(self.name.as_bytes());
        bucket.extend(self.text.as_bytes());
    }
}

/// Collects `Packages` files and writes an index.
#[derive(Default)]
pub(crate) struct Builder {
    packages: BTreeMap<String, (Origin, Version, String)>,
}

impl Builder {
    /// Adds the stanzas of a `Packages` file. `what` names it in errors.
    pub(crate) fn add(&mut self, what: &str, text: &str, origin: Origin) -> Result<()> {
        for stanza in stanzas(text) {
            let (mut name, mut version) = (None, None);
            let mut kept = String::with_capacity(stanza.text().len());
            let mut synopsis = None;
            for (field, value) in stanza.fields() {
                match field {
                    "Package" => name = Some(value),
                    "Version" => version = Some(value),
                    "Description" => synopsis = value.lines().next(),
                    _ => {}
                }
                if KEPT.contains(&field) {
                    kept.push_str(field);
                    kept.push_str(": ");
                    kept.push_str(value);
                    kept.push('\n');
                }
            }
            if let Some(synopsis) = synopsis {
                kept.push_str("Description: ");
                kept.push_str(synopsis);
                kept.push('\n');
            }
            let (Some(name), Some(version)) = (name, version) else {
                return Err(Error::malformed(
                    what,
                    "a stanza without Package or Version",
                ));
            };
            let valid = |c: u8| c.is_ascii_alphanumeric() || b"+-.".contains(&c);
            if name.is_empty() || name.len() > 200 || !name.bytes().all(valid) {
                return Err(Error::malformed(what, format!("bad package name '{name}'")));
            }
            let version: Version = version.parse().map_err(|_| {
                Error::malformed(what, format!("bad version '{version}' of {name}"))
            })?;
            let newer = self
                .packages
                .get(name)
                .is_none_or(|(_, old, _)| *old < version);
            if newer {
                self.packages
                    .insert(name.to_owned(), (origin, version, kept));
            }
        }
        Ok(())
    }

    /// Writes the index to a new file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let buckets = (self.packages.len() / 4).max(1) as u32;
        let mut parts = vec![Vec::new(); buckets as usize];
        let mut providers: BTreeMap<String, String> = BTreeMap::new();
        for (name, (origin, version, text)) in &self.packages {
            let record = Record {
                kind: 0,
                origin: *origin as u8,
                name,
                text,
            };
            record.write(&mut parts[bucket_of(name, buckets) as usize]);
            // A package provides itself, which spares every caller a special case.
            let own = format!("{name} {version}\n");
            providers.entry(name.clone()).or_default().push_str(&own);
            let provides = crate::control::Stanza::new(text)
                .get("Provides")
                .unwrap_or_default();
            for relation in parse_relations(provides) {
                for provided in relation.alternatives {
                    let line = match &provided.version {
                        Some((VersionRelation::Equal, version)) => format!("{name} {version}\n"),
                        _ => format!("{name}\n"),
                    };
                    providers.entry(provided.name).or_default().push_str(&line);
                }
            }
        }
        for (name, text) in &providers {
            let record = Record {
                kind: 1,
                origin: 0,
                name,
                text,
            };
            record.write(&mut parts[bucket_of(name, buckets) as usize]);
        }
        let mut names = String::new();
        for name in self.packages.keys() {
            names.push_str(name);
            names.push('\n');
        }

        let mut offset = HEADER as u64 + u64::from(buckets) * ENTRY as u64;
        let mut table = Vec::with_capacity(parts.len() * ENTRY);
        for (number, part) in parts.iter().enumerate() {
            table.extend(offset.to_le_bytes());
            table.extend((part.len() as u64).to_le_bytes());
            table.extend(check(Some(number as u32), part));
            offset += part.len() as u64;
        }
        let mut header = Vec::with_capacity(HEADER);
        header.extend(MAGIC);
        header.extend(buckets.to_le_bytes());
        header.extend((self.packages.len() as u32).to_le_bytes());
        header.extend(offset.to_le_bytes());
        header.extend((names.len() as u64).to_le_bytes());
        header.extend((offset + names.len() as u64).to_le_bytes());
        header.extend(check(None, names.as_bytes()));
        header.extend(check(None, &header));

        let mut file = BufWriter::new(fs::File::create(path)?);
        file.write_all(&header)?;
        file.write_all(&table)?;
        for part in &parts {
            file.write_all(part)?;
        }
        file.write_all(names.as_bytes())?;
        let file = file.into_inner().map_err(|error| error.into_error())?;
        file.sync_all()?;
        Ok(())
    }
}

fn bucket_of(name: &str, buckets: u32) -> u32 {
    let hash = blake3::hash(name.as_bytes());
    u32_at(hash.as_bytes(), 0) % buckets
}

fn check(number: Option<u32>, bytes: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    if let Some(number) = number {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(bytes);
    let mut check = [0; 8];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    check
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

fn io_error(path: &Path, error: std::io::Error) -> Error {
    Error::Io(std::io::Error::new(
        error.kind(),
        format!("{}: {error}", path.display()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: nginx\nVersion: 1.26-3\nArchitecture: amd64\nMaintainer: x\nProvides: httpd, nginx-abi (= 1.26)\nDescription: web server\n more\n\n\
        Package: apache2\nVersion: 2.4-1\nArchitecture: amd64\nProvides: httpd\n\n\
        Package: nginx\nVersion: 1.26-3+deb13u1\nArchitecture: amd64\nProvides: httpd, nginx-abi (= 1.26)\n";

    fn index(directory: &Path) -> PathBuf {
        let mut builder = Builder::default();
        builder.add("Packages", TEXT, Origin::Main).unwrap();
        builder
            .add(
                "security",
                "Package: apache2\nVersion: 2.4-1~bpo\n",
                Origin::Security,
            )
            .unwrap();
        let path = directory.join("index");
        builder.write(&path).unwrap();
        path
    }

    #[test]
    fn finds_the_newest_and_its_providers() {
        let directory = tempfile::tempdir().unwrap();
        let index = Index::open(&index(directory.path())).unwrap();
        index.verify().unwrap();
        assert_eq!(index.len(), 2);
        assert_eq!(index.names().unwrap(), ["apache2", "nginx"]);
        let nginx = index.package("nginx").unwrap().unwrap();
        assert_eq!(nginx.version(), "1.26-3+deb13u1");
        let apache = index.package("apache2").unwrap().unwrap();
        assert_eq!((apache.version(), apache.origin()), ("2.4-1", Origin::Main));
        assert!(index.package("httpd").unwrap().is_none());
        for (relation, expected) in [
            ("httpd", vec!["apache2", "nginx"]),
            ("httpd (>= 1)", vec![]),
            ("nginx-abi (= 1.26)", vec!["nginx"]),
            ("nginx-abi (= 1.27)", vec![]),
            ("nginx (>= 1.26-3+deb13u1)", vec!["nginx"]),
        ] {
            let wanted = &parse_relations(relation)[0].alternatives[0];
            assert_eq!(index.providers(wanted).unwrap(), expected, "{relation}");
        }
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = index(directory.path());
        let good = fs::read(&path).unwrap();
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 0x10;
            fs::write(&path, bad).unwrap();
            let result = Index::open(&path).and_then(|index| index.verify());
            assert!(result.is_err(), "flipped byte {position} of {}", good.len());
        }
        for length in [0, 10, HEADER, good.len() - 1] {
            fs::write(&path, &good[..length]).unwrap();
            assert!(Index::open(&path).is_err(), "cut to {length}");
        }
    }
}
