//! Files and the store.

use super::Builtin;
use crate::error::{Fault, FaultData, Kind};
use crate::eval::import::as_os_path;
use crate::eval::{Coerce, Evaluator, R};
use crate::host::FileType;
use crate::path;
use crate::source::Pos;
use crate::store::hash::{self, Algorithm};
use crate::store::{Tree, nar, paths};
use crate::symbol::names;
use crate::value::{AttrsBuilder, Text, Value, share};

pub const ALL: &[Builtin] = &[
    Builtin::new("baseNameOf", 1, 0b1, base_name_of),
    Builtin::new("dirOf", 1, 0b1, dir_of),
    Builtin::new("filterSource", 2, 0b11, filter_source),
    Builtin::new("findFile", 2, 0b11, find_file),
    Builtin::new("getEnv", 1, 0b1, get_env),
    Builtin::new("import", 1, 0b1, import),
    Builtin::new("path", 1, 0b1, path_),
    Builtin::new("pathExists", 1, 0b1, path_exists),
    Builtin::new("readDir", 1, 0b1, read_dir),
    Builtin::new("readFile", 1, 0b1, read_file),
    Builtin::new("readFileType", 1, 0b1, read_file_type),
    Builtin::new("scopedImport", 2, 0b11, scoped_import),
    Builtin::new("storePath", 1, 0b1, store_path),
    Builtin::new("toFile", 2, 0b11, to_file),
    Builtin::new("toPath", 1, 0b1, to_path),
];

fn get_env<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let name = String::from_utf8_lossy(ev.as_plain(args[0], pos)?);
    Ok(ev.text(ev.host.env(&name).unwrap_or_default().as_bytes()))
}

fn import<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let file = ev.as_readable(args[0], pos)?;
    let text = String::from_utf8_lossy(&file);
    if text.ends_with(".drv") && paths::is_store_path(&text) {
        return import_derivation(ev, &text, pos);
    }
    ev.import(&file, pos)
}

/// A recipe as what `derivation` would have given for it.
fn import_derivation<'a>(ev: &Evaluator<'a>, file: &str, pos: Pos) -> R<'a> {
    let drv = ev.read_derivation(file, pos)?;
    let drv_path = ev.text_with(file.as_bytes(), ev.context(&[&format!("={file}")]));
    let outputs: Vec<Value<'a>> = drv
        .outputs
        .keys()
        .map(|name| ev.text(name.as_bytes()))
        .collect();
    let mut common = vec![
        (names::TYPE, ev.text(b"derivation")),
        (names::DRV_PATH, drv_path),
        (
            names::NAME,
            ev.text(
                drv.env
                    .get(&b"name"[..])
                    .map_or(drv.name.as_bytes(), Vec::as_slice),
            ),
        ),
        (names::OUTPUTS, ev.list_of(&outputs)),
    ];
    let of_output = |ev: &Evaluator<'a>, common: &[_], name: &str, path: &str| {
        let mut attrs: Vec<_> = common.to_vec();
        let context = ev.context(&[&format!("!{name}!{file}")]);
        attrs.push((names::OUT_PATH, ev.text_with(path.as_bytes(), context)));
        attrs.push((names::OUTPUT_NAME, ev.text(name.as_bytes())));
        ev.attrs_of(&attrs)
    };
    let all: Vec<_> = drv
        .outputs
        .iter()
        .map(|(name, output)| {
            (
                ev.symbols.intern(name.as_bytes()),
                of_output(ev, &common, name, &output.path),
            )
        })
        .collect();
    common.extend(all);
    match drv.outputs.iter().next() {
        Some((name, output)) => Ok(of_output(ev, &common, name, &output.path)),
        None => Err(ev.fail(pos, format!("derivation '{file}' has no outputs"))),
    }
}

fn scoped_import<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let scope = ev.as_attrs(args[0], pos)?;
    let file = ev.as_readable(args[1], pos)?;
    ev.import_scoped(&file, scope, pos)
}

fn find_file<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let entries = ev.as_list(args[0], pos)?;
    let name = ev.as_plain(args[1], pos)?;
    ev.find_file(entries, name, pos)
}

fn no_file(file: &[u8], pos: Pos) -> Fault {
    FaultData::new(
        Kind::Host,
        pos,
        format!("path '{}' does not exist", String::from_utf8_lossy(file)),
    )
}

fn read_file<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let file = ev.as_readable(args[0], pos)?;
    let contents = ev.read(&file, pos)?;
    if contents.contains(&0) {
        let file = String::from_utf8_lossy(&file);
        let message =
            format!("the contents of the file '{file}' cannot be represented as a Nix string");
        return Err(ev.fail(pos, message));
    }
    // What a file of the store refers to and really mentions.
    let mut context: Vec<String> = Vec::new();
    if let Some((object, _)) = paths::split(&String::from_utf8_lossy(&file)) {
        for reference in ev.store.references(object) {
            let needle = reference.as_bytes().get(11..43).unwrap_or_default();
            if contents
                .windows(needle.len().max(1))
                .any(|window| window == needle)
            {
                context.push(reference);
            }
        }
    }
    let context: Vec<&str> = context.iter().map(String::as_str).collect();
    Ok(ev.text_with(&contents, ev.context(&context)))
}

fn read_dir<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let directory = ev.as_readable(args[0], pos)?;
    let (directory, _) = ev.locate(&directory, pos)?;
    let entries = ev
        .host
        .read_dir(as_os_path(&directory))
        .map_err(|error| ev.host_fault(error, pos))?;
    let mut builder = AttrsBuilder::with_capacity(entries.len());
    for (name, kind) in entries {
        builder.push(
            ev.symbols.intern(&name),
            Pos::NONE,
            ev.text(kind.name().as_bytes()),
        );
    }
    Ok(Value::Attrs(builder.build(ev.arena)))
}

fn read_file_type<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let file = ev.as_readable(args[0], pos)?;
    match ev.locate(&file, pos)?.1 {
        Some(kind) => Ok(ev.text(kind.name().as_bytes())),
        None => Err(no_file(&file, pos)),
    }
}

fn path_exists<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let as_directory = match args[0] {
        Value::Text(text) => text.bytes.ends_with(b"/") || text.bytes.ends_with(b"/."),
        _ => false,
    };
    let file = ev.as_readable(args[0], pos)?;
    let mut current = file;
    for _ in 0..64 {
        // A path below something that is no directory does not exist either.
        let Ok((located, kind)) = ev.locate(&current, pos) else {
            return Ok(Value::Bool(false));
        };
        match kind {
            None => return Ok(Value::Bool(false)),
            Some(FileType::Directory) => return Ok(Value::Bool(true)),
            Some(FileType::Symlink) if as_directory => {
                let target = ev
                    .host
                    .read_link(as_os_path(&located))
                    .map_err(|error| ev.host_fault(error, pos))?;
                current = path::canonical(&path::join(path::parent(&located), &target));
            }
            Some(_) => return Ok(Value::Bool(!as_directory)),
        }
    }
    Ok(Value::Bool(false))
}

fn to_path<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let (file, context) = ev.as_path(args[0], pos)?;
    Ok(ev.text_with(&file, context))
}

fn dir_of<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    if let Value::Path(file) = args[0] {
        return Ok(ev.path(path::parent(file.bytes)));
    }
    let text = ev.coerce(args[0], Coerce::PATH_PART, pos)?;
    let parent: &[u8] = match text.bytes.iter().rposition(|&byte| byte == b'/') {
        None => b".",
        Some(0) => b"/",
        Some(end) => &text.bytes[..end],
    };
    Ok(ev.text_with(parent, text.context))
}

fn base_name_of<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = ev.coerce(args[0], Coerce::PATH_PART, pos)?;
    let mut bytes = text.bytes;
    if bytes.len() > 1 {
        bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
    }
    let name = if bytes == b"/" {
        b""
    } else {
        path::file_name(bytes)
    };
    Ok(ev.text_with(name, text.context))
}

fn to_file<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let name = String::from_utf8_lossy(ev.as_plain(args[0], pos)?).into_owned();
    let contents = ev.as_text(args[1], pos)?;
    let mut references = Vec::new();
    for element in ev.context_texts(contents.context) {
        if element.starts_with('!') || element.starts_with('=') {
            let message = format!(
                "files created by builtins.toFile may not reference derivations, but '{name}' references '{element}'"
            );
            return Err(ev.fail(pos, message));
        }
        references.push(element);
    }
    paths::check_name(&name).map_err(|message| ev.fail(pos, message))?;
    let path = paths::text(&name, contents.bytes, &references);
    if ev.store.add_object(&path, references.clone()) {
        ev.host
            .store_text(&path, contents.bytes, &references)
            .map_err(|error| ev.host_fault(error, pos))?;
    }
    Ok(ev.text_with(path.as_bytes(), ev.context(&[&path])))
}

fn store_path<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let (file, context) = ev.as_path(args[0], pos)?;
    let mut text = String::from_utf8_lossy(&file).into_owned();
    if paths::split(&text).is_none()
        && let Ok(target) = ev.host.read_link(as_os_path(&file))
    {
        text = String::from_utf8_lossy(&path::canonical(&path::join(path::parent(&file), &target)))
            .into_owned();
    }
    let Some((object, _)) = paths::split(&text) else {
        return Err(ev.fail(pos, format!("path '{text}' is not in the Nix store")));
    };
    if !ev.store.knows(object) && !ev.host.store_path_exists(object) {
        return Err(FaultData::new(
            Kind::Host,
            pos,
            format!("path '{object}' is not valid"),
        ));
    }
    let context = ev.join_contexts(context, ev.context(&[object]));
    Ok(ev.text_with(text.as_bytes(), context))
}

fn filter_source<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let file = ev.as_readable(args[1], pos).map_err(|fault| {
        fault.while_doing(pos, "while evaluating the second argument (the path to filter) passed to 'builtins.filterSource'")
    })?;
    let filter = ev.as_function(args[0], pos)?;
    let name = String::from_utf8_lossy(path::file_name(&file)).into_owned();
    add_path(ev, &file, &name, Some(filter), true, None, pos)
}

fn path_<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let attrs = ev.as_attrs(args[0], pos)?;
    let (mut file, mut name, mut filter, mut recursive, mut sha256) =
        (None, None, None, true, None);
    for (attr, attr_pos, slot) in attrs.iter() {
        match attr {
            names::PATH => file = Some(ev.as_readable(share(slot), attr_pos.or(pos))?),
            names::NAME => {
                name =
                    Some(String::from_utf8_lossy(ev.as_plain(share(slot), attr_pos)?).into_owned())
            }
            names::FILTER => filter = Some(ev.as_function(share(slot), attr_pos)?),
            names::RECURSIVE => recursive = ev.as_bool(share(slot), attr_pos)?,
            names::SHA256 => {
                let text = String::from_utf8_lossy(ev.as_plain(share(slot), attr_pos)?);
                let (_, digest) = hash::parse(&text, Some(Algorithm::Sha256))
                    .map_err(|message| ev.fail(attr_pos, message))?;
                sha256 = Some(digest);
            }
            other => {
                let message = format!(
                    "unsupported argument '{}' to 'builtins.path'",
                    ev.symbols.display(other)
                );
                return Err(ev.fail(attr_pos, message));
            }
        }
    }
    let Some(file) = file else {
        return Err(ev.fail(
            pos,
            "missing required 'path' attribute in the first argument to builtins.path",
        ));
    };
    let name = name.unwrap_or_else(|| String::from_utf8_lossy(path::file_name(&file)).into_owned());
    add_path(ev, &file, &name, filter, recursive, sha256, pos)
}

/// Copies a tree to the store (as far as the host does that), perhaps not all of it.
fn add_path<'a>(
    ev: &Evaluator<'a>,
    file: &[u8],
    name: &str,
    filter: Option<Value<'a>>,
    recursive: bool,
    expected: Option<Vec<u8>>,
    pos: Pos,
) -> R<'a> {
    paths::check_name(name).map_err(|message| ev.fail(pos, message))?;
    if let Some(digest) = &expected {
        let path = paths::fixed(name, recursive, Algorithm::Sha256, digest);
        if ev.store.knows(&path) || ev.host.store_path_exists(&path) {
            return Ok(ev.text_with(path.as_bytes(), ev.context(&[&path])));
        }
    }
    let (file, _) = ev.locate(file, pos)?;
    let tree = collect(ev, &file, filter, pos)?;
    let nar_hash = ev.hash_tree(&tree, pos)?;
    let digest: Vec<u8> = if recursive {
        nar_hash.to_vec()
    } else {
        let contents = ev.read(&file, pos)?;
        hash::sha256(&contents).to_vec()
    };
    let path = paths::fixed(name, recursive, Algorithm::Sha256, &digest);
    if let Some(expected) = expected
        && expected != digest
    {
        let file = String::from_utf8_lossy(&file);
        return Err(ev.fail(
            pos,
            format!("store path mismatch in (possibly filtered) path added from '{file}'"),
        ));
    }
    if ev.store.add_object(&path, Vec::new()) {
        ev.host
            .store_source(&path, &tree, &nar_hash)
            .map_err(|error| ev.host_fault(error, pos))?;
    }
    Ok(ev.text_with(path.as_bytes(), ev.context(&[&path])))
}

/// The files below a path that a filter lets through. The path itself is not asked about.
fn collect<'a>(
    ev: &Evaluator<'a>,
    file: &[u8],
    filter: Option<Value<'a>>,
    pos: Pos,
) -> Result<Tree, Fault> {
    let kind = ev
        .host
        .file_type(as_os_path(file))
        .map_err(|error| ev.host_fault(error, pos))?;
    collect_as(ev, file, kind, filter, pos)
}

fn collect_as<'a>(
    ev: &Evaluator<'a>,
    file: &[u8],
    kind: Option<FileType>,
    filter: Option<Value<'a>>,
    pos: Pos,
) -> Result<Tree, Fault> {
    ev.check_stack()?;
    Ok(match kind {
        None => return Err(no_file(file, pos)),
        Some(FileType::Unknown) => {
            return Err(ev.fail(
                pos,
                format!(
                    "file '{}' has an unsupported type",
                    String::from_utf8_lossy(file)
                ),
            ));
        }
        Some(FileType::Regular { executable }) => Tree::File {
            path: file.to_vec(),
            executable,
        },
        Some(FileType::Symlink) => Tree::Symlink {
            target: ev
                .host
                .read_link(as_os_path(file))
                .map_err(|error| ev.host_fault(error, pos))?,
        },
        Some(FileType::Directory) => {
            let mut listed = ev
                .host
                .read_dir(as_os_path(file))
                .map_err(|error| ev.host_fault(error, pos))?;
            listed.sort_by(|a, b| a.0.cmp(&b.0));
            let mut entries = Vec::with_capacity(listed.len());
            for (name, kind) in listed {
                let inner = path::canonical(&[file, b"/", &name].concat());
                if let Some(filter) = filter {
                    let args = [ev.text(&inner), ev.text(kind.name().as_bytes())];
                    let keep = ev.call(filter, &args, pos)?;
                    if !ev.as_bool(keep, pos).map_err(|fault| {
                        fault.while_doing(
                            pos,
                            "while evaluating the return value of the path filter function",
                        )
                    })? {
                        continue;
                    }
                }
                let tree = collect_as(ev, &inner, Some(kind), filter, pos)?;
                entries.push((name, tree));
            }
            Tree::Directory { entries }
        }
    })
}

impl<'a> Evaluator<'a> {
    /// A path as the store path of a copy of it.
    pub(crate) fn copy_to_store(&self, file: &'a [u8], pos: Pos) -> Result<&'a Text<'a>, Fault> {
        if let Some(&known) = self.caches.copied.borrow().get(file) {
            return Ok(known);
        }
        if file.ends_with(b".drv") {
            let file = String::from_utf8_lossy(file);
            return Err(self.fail(
                pos,
                format!("file names are not allowed to end in '.drv': '{file}'"),
            ));
        }
        let name = String::from_utf8_lossy(path::file_name(file)).into_owned();
        let Value::Text(text) = add_path(self, file, &name, None, true, None, pos)? else {
            return Err(self.fail(pos, "a copied path is a string"));
        };
        self.caches.copied.borrow_mut().insert(file.to_vec(), text);
        Ok(text)
    }

    fn hash_tree(&self, tree: &Tree, pos: Pos) -> Result<[u8; 32], Fault> {
        let mut read = |file: &[u8]| -> Result<Vec<u8>, ReadError> { Ok(self.read(file, pos)?) };
        nar::sha256(tree, &mut read).map_err(|error| match error {
            ReadError::Fault(fault) => fault,
            ReadError::Io(error) => self.fail(pos, error.to_string()),
        })
    }
}

/// What may go wrong while a tree is hashed.
enum ReadError {
    Fault(Fault),
    Io(std::io::Error),
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
