//! `.deb` files: an `ar` archive with two compressed tar archives in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use fs_err as fs;
use liblzma::read::XzDecoder;

use crate::unpack::inside;
use crate::{Error, Result, Unpacked, unpack_tar};

const MAGIC: &[u8] = b"!<arch>\n";
/// Scripts and lists of a package are far smaller.
const CONTROL_LIMIT: u64 = 64 << 20;

/// A package file.
#[derive(Debug)]
pub struct Deb {
    path: PathBuf,
    control: Member,
    data: Member,
}

#[derive(Clone, Debug)]
struct Member {
    name: String,
    offset: u64,
    length: u64,
}

/// The control part: `control`, maintainer scripts, `conffiles`, … by name, with permissions.
pub type Control = BTreeMap<String, (Vec<u8>, u32)>;

impl Deb {
    /// Opens a package file and finds its parts.
    pub fn open(path: &Path) -> Result<Self> {
        let malformed = |reason: &str| Error::malformed(path.display().to_string(), reason);
        let mut file = fs::File::open(path)?;
        let mut magic = [0; 8];
        file.read_exact(&mut magic)
            .map_err(|_| malformed("not an ar archive"))?;
        if magic != *MAGIC {
            return Err(malformed("not an ar archive"));
        }
        let (mut control, mut data) = (None, None);
        let mut offset = 8;
        loop {
            let mut header = [0; 60];
            file.seek(SeekFrom::Start(offset))?;
            match file.read_exact(&mut header) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error.into()),
            }
            let text = |range: std::ops::Range<usize>| {
                std::str::from_utf8(&header[range]).map(str::trim_end)
            };
            let (Ok(name), Ok(length), b"`\n") = (text(0..16), text(48..58), &header[58..]) else {
                return Err(malformed("bad member header"));
            };
            let length: u64 = length.parse().map_err(|_| malformed("bad member length"))?;
            let name = name.trim_end_matches('/').to_owned();
            let slot = match name.split('.').next() {
                Some("control") => Some(&mut control),
                Some("data") => Some(&mut data),
                _ => None,
            };
            if let Some(slot) = slot {
                *slot = Some(Member {
                    name,
                    offset: offset + 60,
                    length,
                });
            }
            let padded = length
                .checked_add(length % 2)
                .and_then(|n| n.checked_add(offset + 60));
            offset = padded.ok_or_else(|| malformed("bad member length"))?;
        }
        match (control, data) {
            (Some(control), Some(data)) => Ok(Self {
                path: path.to_owned(),
                control,
                data,
            }),
            _ => Err(malformed("not a Debian package")),
        }
    }

    /// Reads the control part.
    pub fn control(&self) -> Result<Control> {
        let context = |error| crate::error::at(error, self.path.display());
        let mut files = Control::new();
        let mut tar = tar::Archive::new(self.stream(&self.control)?.take(CONTROL_LIMIT));
        for entry in tar.entries().map_err(context)? {
            let mut entry = entry.map_err(context)?;
            let name = entry.path().map_err(context)?.into_owned();
            let Some(name) = inside(&self.path, &name, 0)? else {
                continue;
            };
            if !entry.header().entry_type().is_file() || name.components().count() != 1 {
                continue;
            }
            let mode = entry.header().mode().map_err(context)? & 0o777;
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(context)?;
            files.insert(name.display().to_string(), (content, mode));
        }
        Ok(files)
    }

    /// Unpacks the files of the package below a directory; see [`unpack_tar`].
    pub fn unpack(&self, root: &Path, keep: &dyn Fn(&Path) -> bool) -> Result<Unpacked> {
        unpack_tar(self.stream(&self.data)?, &self.path, root, 0, keep)
    }

    fn stream(&self, member: &Member) -> Result<Box<dyn Read>> {
        let mut file = fs::File::open(&self.path)?.into_parts().0;
        file.seek(SeekFrom::Start(member.offset))?;
        let raw: BufReader<Take<File>> =
            BufReader::with_capacity(64 << 10, file.take(member.length));
        let extension = member.name.split_once(".tar").map(|(_, rest)| rest);
        Ok(match extension {
            Some("") => Box::new(raw),
            Some(".xz") => Box::new(XzDecoder::new(raw)),
            Some(".gz") => Box::new(GzDecoder::new(raw)),
            Some(".zst") => Box::new(zstd::Decoder::with_buffer(raw)?),
            _ => {
                let reason = format!("unknown compression of {}", member.name);
                return Err(Error::malformed(self.path.display().to_string(), reason));
            }
        })
    }
}
