//! Digests of content, as archives write them.

use std::fmt;
use std::io::{self, Read, Write};

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// Hash functions that archives promise content with; weaker ones are not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "well known")]
pub enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    /// Lower-case name, as in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The digest of some content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl Digest {
    /// From hexadecimal digits of either case; `None` if they are not a digest.
    pub fn from_hex(algorithm: Algorithm, digits: &str) -> Option<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?;
        (bytes.len() == algorithm.length()).then_some(Self { algorithm, bytes })
    }

    /// From `sha256-…` or `sha512-…` with base 64, as npm and browsers write it (Subresource
    /// Integrity). Of several, the strongest is taken.
    pub fn from_integrity(text: &str) -> Option<Self> {
        let one = |word: &str| {
            let (name, digits) = word.split_once('-')?;
            let algorithm = match name {
                "sha256" => Algorithm::Sha256,
                "sha512" => Algorithm::Sha512,
                _ => return None,
            };
            let bytes = BASE64.decode(digits.split('?').next()?.as_bytes()).ok()?;
            (bytes.len() == algorithm.length()).then_some(Self { algorithm, bytes })
        };
        text.split_whitespace()
            .filter_map(one)
            .max_by_key(|digest| digest.algorithm)
    }

    /// Digest of bytes.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut digester = Digester::new(algorithm);
        digester.update(bytes);
        digester.finish()
    }

    /// SHA-256 of bytes.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    /// The hash function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes a digest piece by piece.
pub struct Digester(State);

enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Digester {
    /// Starts with nothing.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
        })
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of everything added.
    pub fn finish(self) -> Digest {
        let (algorithm, bytes) = match self.0 {
            State::Sha256(state) => (Algorithm::Sha256, state.finalize().to_vec()),
            State::Sha512(state) => (Algorithm::Sha512, state.finalize().to_vec()),
        };
        Digest { algorithm, bytes }
    }

    /// Adds everything that a reader gives; returns the number of bytes.
    pub fn read(&mut self, reader: &mut impl Read) -> io::Result<u64> {
        io::copy(reader, self)
    }
}

impl Write for Digester {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::sha256(b"").hex(), empty);
        let parsed = Digest::from_hex(Algorithm::Sha256, &empty.to_uppercase()).unwrap();
        assert_eq!(parsed, Digest::sha256(b""));
    }

    #[test]
    fn integrity_takes_the_strongest() {
        let weak = format!("sha256-{}", BASE64.encode(&[1; 32]));
        let strong = format!("sha512-{}", BASE64.encode(&[2; 64]));
        let both = Digest::from_integrity(&format!("sha1-AAAA {strong} {weak}")).unwrap();
        assert_eq!(both.algorithm(), Algorithm::Sha512);
        assert_eq!(both.hex(), "02".repeat(64));
    }

    #[test]
    fn nonsense_is_no_digest() {
        for text in [
            "",
            "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            "sha512-AAAA",
            "sha256",
            "md5-xx",
        ] {
            assert!(Digest::from_integrity(text).is_none(), "{text}");
        }
        assert!(Digest::from_hex(Algorithm::Sha256, "12").is_none());
        assert!(Digest::from_hex(Algorithm::Sha512, &"zz".repeat(64)).is_none());
    }
}
