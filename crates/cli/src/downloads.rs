//! Downloads of derivations.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use data_encoding::{BASE64, HEXLOWER};
use snowglobe_archive::{Algorithm, Digest, Downloads, Error, Wanted};
use snowglobe_realise::{Download, WorldError};

/// What was downloaded is not what was meant.
#[derive(Debug, thiserror::Error)]
#[error("hash mismatch:\n  specified: {specified}\n  got:       {got}")]
pub struct WrongHash {
    specified: String,
    got: String,
}

/// Downloads a file: into the cache of downloads if its hash is known, else into the folder given.
pub fn download(downloads: &Downloads, wanted: &Download<'_>) -> Result<PathBuf, WorldError> {
    let known = wanted.hash.and_then(|fixed| {
        let algorithm = match fixed.algorithm.as_str() {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return None,
        };
        Digest::from_hex(algorithm, &fixed.hash)
    });
    if let Some(digest) = known {
        let wanted = Wanted {
            name: wanted.name.to_owned(),
            urls: wanted.urls.to_vec(),
            digest,
            size: None,
        };
        return downloads.get(&wanted).map_err(|error| match error {
            Error::Digest {
                expected, found, ..
            } => WrongHash {
                specified: integrity(&expected),
                got: integrity(&found),
            }
            .into(),
            other => other.into(),
        });
    }
    let place = wanted.directory.join("download");
    let mut last = None;
    for url in wanted.urls {
        let mut file = fs_err::File::create(&place)?;
        match fill(downloads, url, file.file_mut()) {
            Ok(()) => return Ok(place),
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => error.into(),
        None => "no address to download from".into(),
    })
}

fn fill(downloads: &Downloads, url: &str, file: &mut File) -> Result<(), Error> {
    downloads.fetcher().read(url, 0, &mut |offset, piece| {
        file.set_len(offset)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file.write_all(piece)?)
    })
}

/// A digest as derivations have it today: `sha256-…`.
fn integrity(digest: &Digest) -> String {
    let bytes = HEXLOWER.decode(digest.hex().as_bytes()).unwrap_or_default();
    format!("{}-{}", digest.algorithm().name(), BASE64.encode(&bytes))
}
