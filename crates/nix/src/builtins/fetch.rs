//! Downloads.

use super::Builtin;
use crate::error::{FaultData, Kind};
use crate::eval::{Evaluator, R};
use crate::host::Fetch;
use crate::path;
use crate::source::Pos;
use crate::store::hash::{self, Algorithm};
use crate::store::paths;
use crate::symbol::names;
use crate::value::{Value, share};

pub const ALL: &[Builtin] = &[
    Builtin::new("fetchGit", 1, 0, |ev, _, pos| {
        unsupported(ev, "fetchGit", pos)
    }),
    Builtin::new("fetchMercurial", 1, 0, |ev, _, pos| {
        unsupported(ev, "fetchMercurial", pos)
    }),
    Builtin::new("fetchTarball", 1, 0b1, |ev, args, pos| {
        fetch(ev, args[0], true, pos)
    }),
    Builtin::new("fetchTree", 1, 0b1, |ev, args, pos| {
        if let Value::Attrs(_) = args[0] {
            super::flakes::attributes(ev, args[0], "fetchTree", pos)?;
        }
        unsupported(ev, "fetchTree", pos)
    }),
    Builtin::new("fetchurl", 1, 0b1, |ev, args, pos| {
        fetch(ev, args[0], false, pos)
    }),
    Builtin::new("getFlake", 1, 0, |ev, _, pos| {
        unsupported(ev, "getFlake", pos)
    }),
];

fn unsupported<'a>(_: &Evaluator<'a>, name: &str, pos: Pos) -> R<'a> {
    Err(FaultData::new(
        Kind::Unsupported,
        pos,
        format!("builtins.{name} is not supported by Snowglobe"),
    ))
}

fn fetch<'a>(ev: &Evaluator<'a>, argument: Value<'a>, unpack: bool, pos: Pos) -> R<'a> {
    let who = if unpack { "fetchTarball" } else { "fetchurl" };
    let (mut url, mut name, mut sha256) = (None, None, None);
    match argument {
        Value::Attrs(attrs) => {
            for (attr, attr_pos, slot) in attrs.iter() {
                let text = || -> Result<String, crate::error::Fault> {
                    Ok(
                        String::from_utf8_lossy(ev.as_plain(share(slot), attr_pos.or(pos))?)
                            .into_owned(),
                    )
                };
                match attr {
                    names::URL => url = Some(text()?),
                    names::NAME => name = Some(text()?),
                    names::SHA256 => sha256 = Some(text()?),
                    other => {
                        let message = format!(
                            "unsupported argument '{}' to '{who}'",
                            ev.symbols.display(other)
                        );
                        return Err(ev.fail(attr_pos.or(pos), message));
                    }
                }
            }
        }
        value => url = Some(String::from_utf8_lossy(ev.as_plain(value, pos)?).into_owned()),
    }
    let Some(url) = url else {
        return Err(ev.fail(pos, "'url' argument required"));
    };
    let named = match (argument, &name) {
        (_, Some(_)) => Named::Name,
        (Value::Attrs(_), None) => Named::Set,
        _ => Named::Url,
    };
    let name = name.unwrap_or_else(|| {
        if unpack {
            "source".to_owned()
        } else {
            String::from_utf8_lossy(path::file_name(url.as_bytes())).into_owned()
        }
    });
    let sha256 = match sha256 {
        None => None,
        Some(text) if text.is_empty() => Some(vec![0; 32]),
        Some(text) => Some(
            hash::parse(&text, Some(Algorithm::Sha256))
                .map_err(|message| ev.fail(pos, message))?
                .1,
        ),
    };
    check_name(ev, &name, &url, named, who, pos)?;
    let request = Fetch {
        url,
        name,
        unpack,
        sha256: sha256.map(|digest| hash::hex(&digest)),
    };
    let fetched = ev
        .host
        .fetch(&request)
        .map_err(|error| ev.host_fault(error, pos))?;
    let context = match paths::split(&fetched.path) {
        Some((object, _)) => ev.context(&[object]),
        None => &[],
    };
    Ok(ev.text_with(fetched.path.as_bytes(), context))
}

/// Where the name of what is fetched comes from.
#[derive(Clone, Copy)]
enum Named {
    Url,
    Set,
    Name,
}

fn check_name(
    ev: &Evaluator<'_>,
    name: &str,
    url: &str,
    named: Named,
    who: &str,
    pos: Pos,
) -> Result<(), crate::error::Fault> {
    paths::check_name(name).map_err(|message| {
        let advice = match named {
            Named::Url => format!("Please pass an attribute set with 'url' and 'name' attributes to '{who}'"),
            Named::Set => format!("Please add a valid 'name' attribute to the argument for '{who}'"),
            Named::Name => format!("Please change the value for the 'name' attribute passed to '{who}'"),
        };
        ev.fail(
            pos,
            format!(
                "invalid store path name when fetching URL '{url}': {message}. {advice}, so that it can create a valid store path."
            ),
        )
    })
}
