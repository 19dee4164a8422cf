//! Signatures of archives: what we trust.
//!
//! rPGP answers whether a signature is right. Whether it should be trusted is decided here: the
//! signer must be one of the pinned keys or a signing subkey bound to it, neither expired nor
//! revoked, and the hash function one that nobody can forge.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, VerifyingKey};

use crate::{Error, Result};

/// A clock may be wrong by this much before a signature counts as coming from the future.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(24 * 3600);

/// Public keys of Debian's archive for trixie: automatic signing keys of the archive and of its
/// security archive, the release key, and the automatic keys of bookworm, which sign as well.
const DEBIAN: [&[u8]; 5] = [
    include_bytes!("../keys/debian-archive-trixie-automatic.gpg"),
    include_bytes!("../keys/debian-archive-trixie-security-automatic.gpg"),
    include_bytes!("../keys/debian-archive-trixie-stable.gpg"),
    include_bytes!("../keys/debian-archive-bookworm-automatic.gpg"),
    include_bytes!("../keys/debian-archive-bookworm-security-automatic.gpg"),
];

/// The keys that may sign an archive.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

impl Keyring {
    /// The embedded keys of Debian.
    pub fn debian() -> Self {
        let keys = DEBIAN
            .iter()
            .flat_map(|bytes| SignedPublicKey::from_bytes_many(*bytes));
        Self {
            keys: keys.flatten().flatten().collect(),
        }
    }

    /// Keys in OpenPGP's binary or armoured form, as in `/usr/share/keyrings`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bad = |error: pgp::errors::Error| Error::malformed("keyring", error.to_string());
        let keys = if bytes.starts_with(b"-----BEGIN") {
            let (keys, _) = SignedPublicKey::from_armor_many(bytes).map_err(bad)?;
            keys.collect::<Result<Vec<_>, _>>().map_err(bad)?
        } else {
            let keys = SignedPublicKey::from_bytes_many(bytes).map_err(bad)?;
            keys.collect::<Result<Vec<_>, _>>().map_err(bad)?
        };
        Ok(Self { keys })
    }

    /// Checks a clear-signed text and returns it without signature and escapes. `what` names it
    /// in errors. One good signature of a trusted key is enough; further ones are not looked at.
    pub fn verify(&self, what: &str, text: &str, now: SystemTime) -> Result<String> {
        let refused = |reason: String| Error::Signature {
            what: what.to_owned(),
            reason,
        };
        let (message, _) = CleartextSignedMessage::from_string(text)
            .map_err(|error| refused(format!("not a clear-signed file ({error})")))?;
        let signed = message.signed_text();
        let now = seconds(now);
        let mut reasons = Vec::new();
        for signature in message.signatures() {
            match self.check(signature, signed.as_bytes(), now) {
                Ok(()) => return Ok(signed.replace("\r\n", "\n")),
                Err(reason) => reasons.push(reason),
            }
        }
        reasons.dedup();
        Err(refused(if reasons.is_empty() {
            "no signature".into()
        } else {
            reasons.join("; ")
        }))
    }

    fn check(&self, signature: &Signature, data: &[u8], now: u64) -> Result<(), String> {
        check_signature(signature, now)?;
        let issuers: Vec<String> = signature
            .issuer_key_id()
            .iter()
            .map(|id| format!("{id}"))
            .collect();
        let mut reason = format!("unknown key {}", issuers.join(", "));
        for key in &self.keys {
            let primary = &key.primary_key;
            if is_right(signature, primary, data) {
                match usable(key, now) {
                    Ok(()) => return Ok(()),
                    Err(why) => reason = why,
                }
            }
            for subkey in &key.public_subkeys {
                if !is_right(signature, &subkey.key, data) {
                    continue;
                }
                let bound = usable(key, now).and_then(|()| {
                    let fail = || format!("subkey {} is not valid", subkey.key.fingerprint());
                    let may_sign = subkey.signatures.iter().any(|s| s.key_flags().sign());
                    let revoked = subkey
                        .signatures
                        .iter()
                        .any(|s| s.typ() == Some(SignatureType::SubkeyRevocation));
                    if revoked || !may_sign || subkey.verify_bindings(primary).is_err() {
                        return Err(fail());
                    }
                    not_expired(&subkey.key, &subkey.signatures, now)
                });
                match bound {
                    Ok(()) => return Ok(()),
                    Err(why) => reason = why,
                }
            }
        }
        Err(reason)
    }
}

/// The signature's own properties.
fn check_signature(signature: &Signature, now: u64) -> Result<(), String> {
    match signature.hash_alg() {
        Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512) => {}
        other => return Err(format!("hash function {other:?} is not accepted")),
    }
    if !matches!(
        signature.typ(),
        Some(SignatureType::Text | SignatureType::Binary)
    ) {
        return Err(format!(
            "signature type {:?} is not accepted",
            signature.typ()
        ));
    }
    let created = signature
        .created()
        .map_or(0, |time| u64::from(time.as_secs()));
    if created > now + CLOCK_TOLERANCE.as_secs() {
        return Err("signed in the future; is the clock right?".into());
    }
    match signature.signature_expiration_time() {
        Some(duration)
            if duration.as_secs() != 0 && created + u64::from(duration.as_secs()) < now =>
        {
            Err("the signature has expired".into())
        }
        _ => Ok(()),
    }
}

fn is_right(signature: &Signature, key: &impl VerifyingKey, data: &[u8]) -> bool {
    // A cheap look at the announced issuer first: RSA is slow, and a keyring has many keys.
    let ids = signature.issuer_key_id();
    let announced = ids.is_empty() || ids.iter().any(|id| **id == key.legacy_key_id());
    announced && signature.verify(key, data).is_ok()
}

/// Whether a certificate as a whole may be used: self-signed, not revoked, not expired.
fn usable(key: &SignedPublicKey, now: u64) -> Result<(), String> {
    let fingerprint = key.primary_key.fingerprint();
    if !key.details.revocation_signatures.is_empty() {
        return Err(format!("key {fingerprint} is revoked"));
    }
    let own: Vec<Signature> = key
        .details
        .users
        .iter()
        .flat_map(|user| {
            user.signatures.iter().filter(|s| {
                s.verify_certification(&key.primary_key, pgp::types::Tag::UserId, &user.id)
                    .is_ok()
            })
        })
        .chain(
            key.details
                .direct_signatures
                .iter()
                .filter(|s| s.verify_key(&key.primary_key).is_ok()),
        )
        .cloned()
        .collect();
    if own.is_empty() {
        return Err(format!("key {fingerprint} has no self-signature"));
    }
    not_expired(&key.primary_key, &own, now)
}

/// Checks the life time that the newest of the binding signatures gives to a key.
fn not_expired(key: &impl KeyDetails, bindings: &[Signature], now: u64) -> Result<(), String> {
    let newest = bindings
        .iter()
        .max_by_key(|s| s.created().map_or(0, |time| time.as_secs()));
    let life = newest
        .and_then(|s| s.key_expiration_time())
        .map_or(0, |d| u64::from(d.as_secs()));
    if life != 0 && u64::from(key.created_at().as_secs()) + life < now {
        return Err(format!("key {} has expired", key.fingerprint()));
    }
    Ok(())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |duration| duration.as_secs())
}
