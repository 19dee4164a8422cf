//! Hashes and the ways to write them.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use sha2::Digest;

use super::base32;

/// A hash function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "well known")]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
    Blake3,
}

impl Algorithm {
    /// By its name in the language.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "sha256" => Self::Sha256,
            "sha512" => Self::Sha512,
            "blake3" => Self::Blake3,
            _ => return None,
        })
    }

    /// Its name in the language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    /// Bytes of a hash.
    pub fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The hash of some bytes.
    pub fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => md5::Md5::digest(bytes).to_vec(),
            Self::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
            Self::Blake3 => blake3::hash(bytes).as_bytes().to_vec(),
        }
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// `ALGORITHM-BASE64`, as in subresource integrity.
pub fn sri(algorithm: Algorithm, hash: &[u8]) -> String {
    format!("{}-{}", algorithm.name(), BASE64.encode(hash))
}

/// Takes a written hash apart: `ALGO:TEXT`, `ALGO-BASE64`, or a text whose algorithm is known.
/// Errors are in CppNix's words.
pub fn parse(text: &str, algorithm: Option<Algorithm>) -> Result<(Algorithm, Vec<u8>), String> {
    let (named, rest, is_sri) = match text.split_once(':') {
        Some((name, rest)) => (Some(name), rest, false),
        None => match text.split_once('-') {
            Some((name, rest)) => (Some(name), rest, true),
            None => (None, text, false),
        },
    };
    let named = match named {
        Some(name) => Some(Algorithm::parse(name).ok_or_else(|| unknown(name))?),
        None => None,
    };
    let algorithm = match (named, algorithm) {
        (Some(named), Some(wanted)) if named != wanted => {
            return Err(format!(
                "hash '{text}' should have type '{}'",
                wanted.name()
            ));
        }
        (Some(named), _) => named,
        (None, Some(wanted)) => wanted,
        (None, None) => {
            return Err(format!(
                "hash '{text}' does not include a type, nor is the type otherwise known from context"
            ));
        }
    };
    let size = algorithm.size();
    let wrong = || {
        format!(
            "hash '{text}' has wrong length for hash algorithm '{}'",
            algorithm.name()
        )
    };
    let bytes = if is_sri {
        BASE64
            .decode(rest.as_bytes())
            .map_err(|_| format!("invalid SRI hash '{text}'"))?
    } else if rest.len() == size * 2 {
        HEXLOWER_PERMISSIVE
            .decode(rest.as_bytes())
            .map_err(|_| format!("invalid base-16 hash '{rest}'"))?
    } else if rest.len() == (size * 8).div_ceil(5) {
        base32::decode(rest, size).ok_or_else(|| format!("invalid base-32 hash '{rest}'"))?
    } else if rest.len() == size.div_ceil(3) * 4 {
        BASE64
            .decode(rest.as_bytes())
            .map_err(|_| format!("invalid base-64 hash '{rest}'"))?
    } else {
        return Err(wrong());
    };
    if bytes.len() == size {
        Ok((algorithm, bytes))
    } else {
        Err(wrong())
    }
}

/// What to say about an algorithm that nobody knows.
pub fn unknown(name: &str) -> String {
    format!(
        "unknown hash algorithm '{name}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'"
    )
}
