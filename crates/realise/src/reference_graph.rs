//! `exportReferencesGraph`: what objects refer to, as files that a builder reads.

use std::collections::BTreeSet;
use std::path::Path;

use fs_err as fs;
use serde_json::{Map, Value, json};
use sha2::Digest as _;
use snowglobe_plan::{Derivation, StorePath};
use snowglobe_store::Store;

use crate::builders::BuilderError;
use crate::process::{base32, nar};
use crate::{Error, failed, object_of};

/// Writes one file for each pair of a name and a path, in the form of Nix's registrations: the
/// object, an empty line for what made it, the number of its references, the references.
pub(crate) fn write_files(
    derivation: &Derivation,
    store: &Store,
    build: &Path,
) -> Result<(), Error> {
    let wanted = derivation.env.get("exportReferencesGraph");
    let words: Vec<&str> = wanted
        .map_or("", String::as_str)
        .split_whitespace()
        .collect();
    for pair in words.chunks(2) {
        let [name, path] = pair else {
            return Err(failed(derivation)(BuilderError::MissingParameter(
                "exportReferencesGraph",
            )));
        };
        let plain = !name.is_empty() && !name.contains('/') && *name != "." && *name != "..";
        let root = object_of(path).filter(|_| plain);
        let root = root.ok_or_else(|| failed(derivation)(BuilderError::Path((*path).into())))?;
        let mut text = String::new();
        for object in store.closure([&root])? {
            let references = store.info(&object)?.references;
            text.push_str(&format!("{object}\n\n{}\n", references.len()));
            for reference in references {
                text.push_str(&format!("{reference}\n"));
            }
        }
        fs::write(build.join(name), text)?;
    }
    Ok(())
}

/// The same for structured attributes: `exportReferencesGraph.NAME = [paths]` becomes the list `NAME`
/// of everything that can be reached, with sizes and hashes.
pub(crate) fn expand(
    derivation: &Derivation,
    store: &Store,
    attributes: &mut Map<String, Value>,
) -> Result<(), Error> {
    let Some(Value::Object(graphs)) = attributes.get("exportReferencesGraph").cloned() else {
        return Ok(());
    };
    for (name, paths) in graphs {
        let texts: Vec<&str> = match &paths {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            Value::String(text) => vec![text.as_str()],
            _ => Vec::new(),
        };
        let mut roots = BTreeSet::new();
        for text in texts {
            let root = object_of(text);
            roots.insert(
                root.ok_or_else(|| failed(derivation)(BuilderError::Path(text.to_owned())))?,
            );
        }
        let mut list = Vec::new();
        for object in store.closure(&roots)? {
            list.push(describe(store, &object)?);
        }
        attributes.insert(name, Value::Array(list));
    }
    Ok(())
}

fn describe(store: &Store, object: &StorePath) -> Result<Value, Error> {
    let mut bytes = Vec::new();
    nar(&store.object(object), &mut bytes)?;
    let mut closure_size = 0;
    for path in store.closure([object])? {
        let mut bytes = Vec::new();
        nar(&store.object(&path), &mut bytes)?;
        closure_size += bytes.len();
    }
    Ok(json!({
        "path": object.as_str(),
        "narHash": format!("sha256:{}", base32(&sha2::Sha256::digest(&bytes))),
        "narSize": bytes.len(),
        "closureSize": closure_size,
        "references": store.info(object)?.references,
        "valid": true,
    }))
}
