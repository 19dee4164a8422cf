//! References to flakes, as sets and as URLs. Flakes themselves are not evaluated.

use std::collections::BTreeMap;

use super::Builtin;
use crate::error::{Fault, FaultData, Kind};
use crate::eval::{Evaluator, R};
use crate::source::Pos;
use crate::value::{AttrsBuilder, Value, share};

/// Only with the feature `flakes`.
pub const ALL: &[Builtin] = &[
    Builtin::new("flakeRefToString", 1, 0b1, to_string),
    Builtin::new("parseFlakeRef", 1, 0b1, parse),
];

/// The attributes of a reference; negative numbers are refused in `who`'s name.
pub(super) fn attributes<'a>(
    ev: &Evaluator<'a>,
    value: Value<'a>,
    who: &str,
    pos: Pos,
) -> Result<BTreeMap<String, String>, Fault> {
    let mut all = BTreeMap::new();
    for (name, at, slot) in ev.as_attrs(value, pos)?.iter() {
        let name = ev.symbols.display(name);
        let text = match ev.force(slot)? {
            Value::Int(number) if number < 0 => {
                return Err(ev.fail(
                    at.or(pos),
                    format!("negative value given for {who} attr {name}: {number}"),
                ));
            }
            Value::Int(number) => number.to_string(),
            Value::Bool(value) => (if value { "1" } else { "0" }).to_owned(),
            _ => String::from_utf8_lossy(ev.as_plain(share(slot), at.or(pos))?).into_owned(),
        };
        all.insert(name, text);
    }
    Ok(all)
}

fn to_string<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let mut attrs = attributes(ev, args[0], "flake ref", pos)?;
    let kind = attrs.remove("type").unwrap_or_default();
    let mut take = |name: &str| attrs.remove(name);
    let base = match kind.as_str() {
        "github" | "gitlab" | "sourcehut" => {
            let (Some(owner), Some(repo)) = (take("owner"), take("repo")) else {
                return Err(ev.fail(
                    pos,
                    format!("a flake reference of type '{kind}' needs 'owner' and 'repo'"),
                ));
            };
            let version = take("rev")
                .or_else(|| take("ref"))
                .map(|version| format!("/{version}"))
                .unwrap_or_default();
            format!("{kind}:{owner}/{repo}{version}")
        }
        "path" => format!("path:{}", take("path").unwrap_or_default()),
        "indirect" => format!("flake:{}", take("id").unwrap_or_default()),
        "git" | "tarball" | "file" => {
            let url = take("url").unwrap_or_default();
            if kind == "git" && !url.starts_with("git:") {
                format!("git+{url}")
            } else {
                url
            }
        }
        other => {
            return Err(ev.fail(
                pos,
                format!("flake references of type '{other}' are not supported"),
            ));
        }
    };
    let query: Vec<String> = attrs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let text = if query.is_empty() {
        base
    } else {
        format!("{base}?{}", query.join("&"))
    };
    Ok(ev.text(text.as_bytes()))
}

fn parse<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = String::from_utf8_lossy(ev.as_plain(args[0], pos)?).into_owned();
    let unsupported = || {
        FaultData::new(
            Kind::Unsupported,
            pos,
            format!("flake reference '{text}' is not supported by Snowglobe"),
        )
    };
    let (base, query) = text.split_once('?').unwrap_or((&text, ""));
    let mut attrs: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut set = |name: &str, value: &str| attrs.insert(name.to_owned(), value.to_owned());
    match base.split_once(':') {
        Some((kind @ ("github" | "gitlab" | "sourcehut"), rest)) => {
            let mut parts = rest.splitn(3, '/');
            let (Some(owner), Some(repo)) = (parts.next(), parts.next()) else {
                return Err(unsupported());
            };
            set("type", kind);
            set("owner", owner);
            set("repo", repo);
            if let Some(version) = parts.next() {
                let is_revision =
                    version.len() == 40 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
                set(if is_revision { "rev" } else { "ref" }, version);
            }
        }
        Some(("path", path)) => {
            set("type", "path");
            set("path", path);
        }
        Some(("flake", id)) => {
            set("type", "indirect");
            set("id", id);
        }
        None if !base.is_empty()
            && base
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) =>
        {
            set("type", "indirect");
            set("id", base);
        }
        _ => return Err(unsupported()),
    }
    let mut builder = AttrsBuilder::with_capacity(attrs.len());
    for (name, value) in &attrs {
        builder.push(
            ev.symbols.intern(name.as_bytes()),
            Pos::NONE,
            ev.text(value.as_bytes()),
        );
    }
    Ok(Value::Attrs(builder.build(ev.arena)))
}
