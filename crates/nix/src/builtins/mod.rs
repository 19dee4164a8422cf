//! The functions that the language comes with.

mod attrs;
mod context;
mod control;
mod derivation;
pub(crate) mod docs;
mod fetch;
mod files;
mod flakes;
mod growing;
mod hashes;
mod json;
mod lists;
mod numbers;
mod regex;
mod strings;
mod toml;
mod versions;
mod xml;

use crate::error::Fault;
use crate::eval::{Evaluator, Map, R};
use crate::host::{Data, Function};
use crate::source::Pos;
use crate::symbol::{Symbol, names};
use crate::value::{AttrsBuilder, Slot, Value};

pub(crate) use json::{JsonMode, json_of};
pub(crate) use xml::xml_of;

/// A function of the language, or of the host.
pub struct Primop<'a> {
    body: Body<'a>,
}

enum Body<'a> {
    Builtin(&'static Builtin),
    Host(&'a Function),
}

/// The Rust side of a builtin. Strict arguments are evaluated when it runs; each of the others
/// may be evaluated or stored once (see [`Evaluator::sharable`]).
pub type Run = for<'a> fn(&Evaluator<'a>, &[Value<'a>], Pos) -> R<'a>;

/// A function of the language.
pub struct Builtin {
    name: &'static str,
    arity: u8,
    /// Bit i: argument i is evaluated before the call.
    strict: u8,
    run: Run,
}

impl Builtin {
    const fn new(name: &'static str, arity: u8, strict: u8, run: Run) -> Self {
        Self {
            name,
            arity,
            strict,
            run,
        }
    }
}

impl<'a> Primop<'a> {
    /// Its name, without leading underscores.
    pub fn name(&self) -> &str {
        match &self.body {
            Body::Builtin(builtin) => builtin.name,
            Body::Host(function) => &function.name,
        }
    }

    /// How many arguments it takes.
    #[inline]
    pub fn arity(&self) -> usize {
        match &self.body {
            Body::Builtin(builtin) => usize::from(builtin.arity),
            Body::Host(function) => usize::from(function.arity),
        }
    }

    #[inline]
    pub(crate) fn is_strict(&self, index: usize) -> bool {
        match &self.body {
            Body::Builtin(builtin) => builtin.strict & (1 << index) != 0,
            Body::Host(_) => true,
        }
    }

    #[inline]
    pub(crate) fn run(&self, evaluator: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
        match &self.body {
            Body::Builtin(builtin) => (builtin.run)(evaluator, args, pos),
            Body::Host(function) => run_host(evaluator, function, args, pos),
        }
    }
}

/// What builtins remember between calls.
#[derive(Default)]
pub struct Caches<'a> {
    pub(crate) growing: growing::Growing,
    pub(crate) regexes: regex::Cache,
    pub(crate) copied: std::cell::RefCell<Map<Vec<u8>, &'a crate::value::Text<'a>>>,
}

/// Names that are global without `__` before them.
const GLOBAL: &[&str] = &[
    "abort",
    "baseNameOf",
    "break",
    "derivation",
    "derivationStrict",
    "dirOf",
    "fetchGit",
    "fetchMercurial",
    "fetchTarball",
    "fetchTree",
    "fromTOML",
    "import",
    "isNull",
    "map",
    "placeholder",
    "removeAttrs",
    "scopedImport",
    "throw",
    "toString",
];

/// All global names.
pub(crate) fn globals<'a>(evaluator: &Evaluator<'a>) -> Map<Symbol, Value<'a>> {
    let mut globals = Map::default();
    let mut builtins = AttrsBuilder::with_capacity(160);
    let tables = [
        attrs::ALL,
        context::ALL,
        control::ALL,
        derivation::ALL,
        fetch::ALL,
        files::ALL,
        hashes::ALL,
        json::ALL,
        lists::ALL,
        numbers::ALL,
        regex::ALL,
        strings::ALL,
        toml::ALL,
        versions::ALL,
        xml::ALL,
    ];
    let mut add = |name: &str, value: Value<'a>| {
        let symbol = evaluator.symbols.intern(name.as_bytes());
        builtins.push(symbol, Pos::NONE, value);
        let global = if GLOBAL.contains(&name) || matches!(name, "true" | "false" | "null") {
            symbol
        } else {
            evaluator.symbols.intern(format!("__{name}").as_bytes())
        };
        globals.insert(global, value);
    };
    let flakes: &[Builtin] = if evaluator.options.flakes {
        flakes::ALL
    } else {
        &[]
    };
    for builtin in tables.into_iter().chain([flakes]).flatten() {
        add(
            builtin.name,
            evaluator.primop_value(Primop {
                body: Body::Builtin(builtin),
            }),
        );
    }
    add("true", Value::Bool(true));
    add("false", Value::Bool(false));
    add("null", Value::Null);
    add("langVersion", Value::Int(6));
    add("nixVersion", evaluator.text(crate::NIX_VERSION.as_bytes()));
    add(
        "storeDir",
        evaluator.text(crate::store::STORE_DIR.as_bytes()),
    );
    add(
        "currentSystem",
        evaluator.text(evaluator.host.current_system().as_bytes()),
    );
    add("currentTime", Value::Int(evaluator.host.current_time()));
    add("nixPath", nix_path(evaluator));
    for (name, data) in evaluator.host.extra_builtins() {
        let symbol = evaluator.symbols.intern(name.as_bytes());
        let value = from_data(evaluator, &data);
        builtins.push(symbol, Pos::NONE, value);
    }
    // Written in Nix, in terms of the others.
    let derivation = evaluator.bootstrap(
        include_str!("derivation.nix"),
        "«derivation.nix»",
        &Table(&globals),
    );
    builtins.push(
        evaluator.symbols.intern(b"derivation"),
        Pos::NONE,
        derivation,
    );
    globals.insert(evaluator.symbols.intern(b"derivation"), derivation);
    // `builtins` contains itself.
    let place = evaluator.arena.alloc(Slot::new(Value::Null));
    builtins.push(names::BUILTINS, Pos::NONE, Value::Ref(place));
    let set = Value::Attrs(builtins.build(evaluator.arena));
    place.set(set);
    globals.insert(names::BUILTINS, set);
    globals
}

/// Global names while they are put together.
struct Table<'t, 'a>(&'t Map<Symbol, Value<'a>>);

impl<'a> crate::syntax::Globals<'a> for Table<'_, 'a> {
    fn global(&self, name: Symbol) -> Option<Value<'a>> {
        self.0.get(&name).copied()
    }
}

fn nix_path<'a>(evaluator: &Evaluator<'a>) -> Value<'a> {
    let entries: Vec<Value<'a>> = evaluator
        .host
        .search_path()
        .iter()
        .map(|entry| {
            evaluator.attrs_of(&[
                (names::PATH, evaluator.text(entry.path.as_bytes())),
                (names::PREFIX, evaluator.text(entry.prefix.as_bytes())),
            ])
        })
        .collect();
    evaluator.list_of(&entries)
}

fn run_host<'a>(
    evaluator: &Evaluator<'a>,
    function: &Function,
    args: &[Value<'a>],
    pos: Pos,
) -> R<'a> {
    let args = args
        .iter()
        .map(|&arg| to_data(evaluator, arg, pos))
        .collect::<Result<Vec<_>, _>>()?;
    let result = (function.call)(&args).map_err(|error| evaluator.host_fault(error, pos))?;
    Ok(from_data(evaluator, &result))
}

/// Host data as a value.
pub(crate) fn from_data<'a>(evaluator: &Evaluator<'a>, data: &Data) -> Value<'a> {
    match data {
        Data::Null => Value::Null,
        Data::Bool(value) => Value::Bool(*value),
        Data::Int(value) => Value::Int(*value),
        Data::Float(value) => Value::Float(*value),
        Data::Text(text) => evaluator.text(text.as_bytes()),
        Data::Path(path) => evaluator.path(&crate::path::canonical(path.as_bytes())),
        Data::List(items) => {
            let items: Vec<Value<'a>> = items
                .iter()
                .map(|item| from_data(evaluator, item))
                .collect();
            evaluator.list_of(&items)
        }
        Data::Attrs(entries) => {
            let mut builder = AttrsBuilder::with_capacity(entries.len());
            for (name, value) in entries {
                builder.push(
                    evaluator.symbols.intern(name.as_bytes()),
                    Pos::NONE,
                    from_data(evaluator, value),
                );
            }
            Value::Attrs(builder.build(evaluator.arena))
        }
        // The function's Rust side lives as long as the evaluation: it is never dropped before.
        Data::Function(function) => {
            let function = &*evaluator.arena.alloc(function.clone());
            evaluator.primop_value(Primop {
                body: Body::Host(function),
            })
        }
    }
}

/// A value as host data, evaluated to the bottom.
pub(crate) fn to_data<'a>(
    evaluator: &Evaluator<'a>,
    value: Value<'a>,
    pos: Pos,
) -> Result<Data, Fault> {
    Ok(match evaluator.force_value(value)? {
        Value::Null => Data::Null,
        Value::Bool(value) => Data::Bool(value),
        Value::Int(value) => Data::Int(value),
        Value::Float(value) => Data::Float(value),
        Value::Text(text) => Data::Text(text.lossy().into_owned()),
        Value::Path(path) => Data::Path(path.lossy().into_owned()),
        Value::List(list) => Data::List(
            list.items
                .iter()
                .map(|slot| to_data(evaluator, crate::value::share(slot), pos))
                .collect::<Result<_, _>>()?,
        ),
        Value::Attrs(attrs) => Data::Attrs(
            attrs
                .iter()
                .map(|(name, _, slot)| {
                    Ok((
                        evaluator.symbols.display(name),
                        to_data(evaluator, crate::value::share(slot), pos)?,
                    ))
                })
                .collect::<Result<_, Fault>>()?,
        ),
        value => return Err(evaluator.expected("plain data", value, pos)),
    })
}

/// The text of a file that comes with the language, below `/__corepkgs__`.
pub(crate) fn core_file(file: &[u8]) -> Option<&'static str> {
    match file {
        b"/__corepkgs__/fetchurl.nix" => Some(include_str!("fetchurl.nix")),
        _ => None,
    }
}
