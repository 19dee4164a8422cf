//! Hashes.

use data_encoding::{BASE64, HEXLOWER};

use super::Builtin;
use crate::error::Fault;
use crate::eval::{Evaluator, R};
use crate::source::Pos;
use crate::store::base32;
use crate::store::hash::{self, Algorithm};
use crate::symbol::names;
use crate::value::{Value, share};

pub const ALL: &[Builtin] = &[
    Builtin::new("convertHash", 1, 0b1, convert_hash),
    Builtin::new("hashFile", 2, 0b11, hash_file),
    Builtin::new("hashString", 2, 0b11, hash_string),
];

fn algorithm<'a>(ev: &Evaluator<'a>, value: Value<'a>, pos: Pos) -> Result<Algorithm, Fault> {
    let name = String::from_utf8_lossy(ev.as_plain(value, pos)?);
    Algorithm::parse(&name).ok_or_else(|| ev.fail(pos, hash::unknown(&name)))
}

fn hash_string<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let algorithm = algorithm(ev, args[0], pos)?;
    let text = ev.as_text(args[1], pos)?;
    Ok(ev.text(hash::hex(&algorithm.hash(text.bytes)).as_bytes()))
}

fn hash_file<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let algorithm = algorithm(ev, args[0], pos)?;
    let file = ev.as_readable(args[1], pos)?;
    let contents = ev.read(&file, pos)?;
    Ok(ev.text(hash::hex(&algorithm.hash(&contents)).as_bytes()))
}

fn convert_hash<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let attrs = ev.as_attrs(args[0], pos)?;
    let get = |name| {
        attrs.get(name).ok_or_else(|| {
            ev.missing(attrs, name, pos).while_doing(
                pos,
                "while locating the attribute of the set passed to builtins.convertHash",
            )
        })
    };
    let text = String::from_utf8_lossy(ev.as_plain(share(get(names::HASH)?), pos)?);
    let wanted = match attrs.get(names::HASH_ALGO) {
        Some(slot) => Some(algorithm(ev, share(slot), pos)?),
        None => None,
    };
    let format = ev.as_plain(share(get(names::TO_HASH_FORMAT)?), pos)?;
    let (algorithm, digest) =
        hash::parse(&text, wanted).map_err(|message| ev.fail(pos, message))?;
    let result = match format {
        b"base16" => HEXLOWER.encode(&digest),
        b"nix32" | b"base32" => base32::encode(&digest),
        b"base64" => BASE64.encode(&digest),
        b"sri" => hash::sri(algorithm, &digest),
        other => {
            let other = String::from_utf8_lossy(other);
            return Err(ev.fail(
                pos,
                format!(
                    "unknown hash format '{other}', expect 'base16', 'base32', 'base64', or 'sri'"
                ),
            ));
        }
    };
    Ok(ev.text(result.as_bytes()))
}
