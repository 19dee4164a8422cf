//! Packages of the Python Package Index.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use fs_err as fs;

use crate::unpack::{Tree, inside};
use crate::{Algorithm, Digest, Downloads, Error, Result, Wanted};

const INDEX: &str = "https://pypi.org";
const METADATA_LIMIT: u64 = 16 << 20;
/// No file in a wheel is larger.
const FILE_LIMIT: u64 = 1 << 30;

impl Downloads {
    /// A file of a PyPI release, chosen by its SHA-256 in hexadecimal or `sha256-…` form. Returns its
    /// path and its name. `SNOWGLOBE_PYPI_INDEX` names another index.
    pub fn pypi(&self, name: &str, version: &str, sha256: &str) -> Result<(PathBuf, String)> {
        let what = format!("PyPI package {name} {version}");
        let bad = |reason: String| Error::malformed(&what, reason);
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.+!".contains(&c);
        if !name.bytes().chain(version.bytes()).all(plain) {
            return Err(bad("its name or version".into()));
        }
        let digest = Digest::from_hex(Algorithm::Sha256, sha256)
            .or_else(|| Digest::from_integrity(sha256))
            .ok_or_else(|| bad("its sha256".into()))?;
        // The name of the file is known only to the index, so it is kept beside the file.
        let path = self.path(&digest);
        let label = path.with_extension("name");
        if let (true, Ok(file)) = (self.has(&digest), fs::read_to_string(&label)) {
            let wanted = Wanted {
                name: what.clone(),
                urls: vec![],
                digest: digest.clone(),
                size: None,
            };
            if let Ok(path) = self.get(&wanted) {
                return Ok((path, file));
            }
        }
        if self.fetcher().is_offline() {
            return Err(Error::Offline {
                missing: vec![what.clone()],
            });
        }
        let index = std::env::var("SNOWGLOBE_PYPI_INDEX").unwrap_or(INDEX.to_owned());
        // The index as every mirror has it: a page with a link for each file.
        let project = normalized(name);
        let page = format!("{}/simple/{project}/", index.trim_end_matches('/'));
        let bytes = self.fetcher().bytes(&page, METADATA_LIMIT)?;
        let text = String::from_utf8_lossy(&bytes);
        let wanted = digest.hex();
        let (url, filename) = find_link(&text, &page, &wanted)
            .ok_or_else(|| bad(format!("{page} lists no file with SHA-256 {wanted}")))?;
        // The digest decides what is downloaded; the version only has to be what was meant.
        if !filename.contains(&format!("-{version}")) {
            return Err(bad(format!("the file with that SHA-256 is {filename}")));
        }
        let path = self.get(&Wanted {
            name: what.clone(),
            urls: vec![url],
            digest,
            size: None,
        })?;
        fs::write(&label, &filename)?;
        Ok((path, filename))
    }

    /// Unpacks a wheel (a zip archive) into a directory. Files that its creator marked executable
    /// are executable.
    pub fn unpack_wheel(&self, wheel: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
        let bytes = fs::read(wheel)?;
        let malformed = |reason: &str| Error::malformed(wheel.display().to_string(), reason);
        let mut tree = Tree::new(wheel, directory)?;
        let mut paths = Vec::new();
        for member in central_directory(&bytes).ok_or_else(|| malformed("bad zip directory"))? {
            let Some(path) = inside(wheel, Path::new(&member.name), 0)? else {
                continue;
            };
            if member.name.ends_with('/') {
                tree.directory(&path)?;
                continue;
            }
            if member.mode & 0o170000 != 0 && member.mode & 0o170000 != 0o100000 {
                return Err(Error::member(wheel, &path, "not a regular file"));
            }
            let data = member
                .data(&bytes)
                .ok_or_else(|| malformed("bad zip member"))?;
            let mut content: Box<dyn Read> = match member.method {
                0 => Box::new(Cursor::new(data)),
                8 => Box::new(DeflateDecoder::new(data)),
                _ => return Err(malformed("unknown zip compression")),
            };
            let mode = if member.mode & 0o111 != 0 {
                0o755
            } else {
                0o644
            };
            tree.file(&path, mode, &mut (&mut content).take(FILE_LIMIT))?;
            paths.push(path);
        }
        Ok(paths)
    }
}

/// Name of a project as the index writes it.
fn normalized(name: &str) -> String {
    let words: Vec<&str> = name
        .split(['-', '_', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    words.join("-").to_lowercase()
}

/// Address and name of the file with a digest, from a page of the index.
fn find_link(text: &str, page: &str, sha256: &str) -> Option<(String, String)> {
    let mark = format!("#sha256={sha256}");
    let link = text
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let link = link
        .filter_map(|link| link.strip_suffix(mark.as_str()))
        .next()?;
    let file = link.rsplit('/').next()?.to_owned();
    let url = if link.contains("://") {
        link.to_owned()
    } else if let Some(path) = link.strip_prefix('/') {
        let host = page.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        format!("{host}/{path}")
    } else {
        format!("{page}{link}")
    };
    Some((url, file))
}

struct Member {
    name: String,
    method: u16,
    packed: usize,
    offset: usize,
    mode: u32,
}

impl Member {
    /// The packed bytes, found through the member's own header.
    fn data<'a>(&self, zip: &'a [u8]) -> Option<&'a [u8]> {
        let header = zip.get(self.offset..)?.get(..30)?;
        if header[..4] != *b"PK\x03\x04" {
            return None;
        }
        let skip = 30 + usize::from(u16_at(header, 26)) + usize::from(u16_at(header, 28));
        zip.get(self.offset.checked_add(skip)?..)?
            .get(..self.packed)
    }
}

/// Reads the table at the end of a zip archive; `None` if it is not one. Without the 64-bit
/// extension, which wheels do not need.
fn central_directory(zip: &[u8]) -> Option<Vec<Member>> {
    let earliest = zip.len().saturating_sub(22 + 65535);
    let end = (earliest..=zip.len().checked_sub(22)?)
        .rev()
        .find(|&at| zip[at..].starts_with(b"PK\x05\x06"))?;
    let count = u16_at(&zip[end..], 10);
    let mut at = u32_at(&zip[end..], 16) as usize;
    let mut members = Vec::new();
    for _ in 0..count {
        let header = zip.get(at..)?.get(..46)?;
        if header[..4] != *b"PK\x01\x02" {
            return None;
        }
        let name_length = usize::from(u16_at(header, 28));
        let extra = usize::from(u16_at(header, 30)) + usize::from(u16_at(header, 32));
        let name = zip.get(at + 46..)?.get(..name_length)?;
        members.push(Member {
            name: String::from_utf8(name.to_vec()).ok()?,
            method: u16_at(header, 10),
            packed: u32_at(header, 20) as usize,
            offset: u32_at(header, 42) as usize,
            mode: u32_at(header, 38) >> 16,
        });
        at += 46 + name_length + extra;
    }
    Some(members)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_an_index() {
        let digest = "ab".repeat(32);
        let page = "https://pypi.invalid/simple/x/";
        for (link, url) in [
            (
                "https://files.invalid/p/x-1.0.whl",
                "https://files.invalid/p/x-1.0.whl",
            ),
            ("/p/x-1.0.whl", "https://pypi.invalid/p/x-1.0.whl"),
            (
                "../../p/x-1.0.whl",
                "https://pypi.invalid/simple/x/../../p/x-1.0.whl",
            ),
        ] {
            let text = format!(
                "<a href=\"https://a/x-0.whl#sha256=00\">a</a><a href=\"{link}#sha256={digest}\" data-x=\"y\">x</a>"
            );
            let found = find_link(&text, page, &digest).unwrap();
            assert_eq!(found, (url.to_owned(), "x-1.0.whl".to_owned()));
            assert_eq!(find_link(&text, page, &"cd".repeat(32)), None);
        }
        assert_eq!(normalized("Foo__Bar.baz"), "foo-bar-baz");
    }
}
