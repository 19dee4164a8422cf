//! Interned names.
//!
//! Attribute and variable names are compared by number everywhere; the text is needed only for
//! output and for the rare orderings by name.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};

use bumpalo::Bump;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::value::Text;

/// An interned byte string. Equal symbols are equal texts; the order of symbols is the order in
/// which they were first seen, not that of their texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub(crate) u32);

/// The table of all names of one evaluation.
pub struct Interner<'a> {
    arena: &'a Bump,
    inner: RefCell<Inner<'a>>,
}

struct Inner<'a> {
    table: HashTable<u32>,
    names: Vec<&'a [u8]>,
    /// The same as values, as far as somebody asked; may be shorter.
    values: Vec<Option<&'a Text<'a>>>,
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    hasher.write(text);
    hasher.finish()
}

impl<'a> Interner<'a> {
    /// An interner that knows the names in [`names`] already, under their fixed numbers.
    pub fn new(arena: &'a Bump) -> Self {
        let inner = Inner {
            table: HashTable::with_capacity(4096),
            names: Vec::with_capacity(4096),
            values: Vec::new(),
        };
        let interner = Self {
            arena,
            inner: RefCell::new(inner),
        };
        for (number, name) in names::TEXTS.iter().enumerate() {
            let symbol = interner.intern(name.as_bytes());
            debug_assert_eq!(symbol.0 as usize, number, "fixed symbols are unique");
        }
        interner
    }

    /// The symbol of a text.
    pub fn intern(&self, text: &[u8]) -> Symbol {
        let hash_value = hash(text);
        let inner = &mut *self.inner.borrow_mut();
        let names = &inner.names;
        if let Some(&found) = inner.table.find(hash_value, |&i| names[i as usize] == text) {
            return Symbol(found);
        }
        let number = u32::try_from(names.len()).expect("fewer than 2^32 different names");
        inner.names.push(self.arena.alloc_slice_copy(text));
        let names = &inner.names;
        inner
            .table
            .insert_unique(hash_value, number, |&i| hash(names[i as usize]));
        Symbol(number)
    }

    /// The symbol of a text, if that was ever interned.
    pub fn get(&self, text: &[u8]) -> Option<Symbol> {
        let inner = self.inner.borrow();
        let names = &inner.names;
        inner
            .table
            .find(hash(text), |&i| names[i as usize] == text)
            .map(|&i| Symbol(i))
    }

    /// The text of a symbol.
    pub fn text(&self, symbol: Symbol) -> &'a [u8] {
        self.inner.borrow().names[symbol.0 as usize]
    }

    /// The text of a symbol as the one string value that there is of it.
    pub fn value(&self, symbol: Symbol) -> &'a Text<'a> {
        let inner = &mut *self.inner.borrow_mut();
        let index = symbol.0 as usize;
        if index >= inner.values.len() {
            inner.values.resize(inner.names.len(), None);
        }
        inner.values[index].get_or_insert_with(|| {
            self.arena.alloc(Text {
                bytes: inner.names[index],
                context: &[],
            })
        })
    }

    /// The text of a symbol for messages.
    pub fn display(&self, symbol: Symbol) -> String {
        String::from_utf8_lossy(self.text(symbol)).into_owned()
    }
}

macro_rules! fixed {
    ($($constant:ident = $text:literal),* $(,)?) => {
        /// Symbols that the evaluator itself needs.
        pub mod names {
            use super::Symbol;
            #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "one per constant below")]
            #[repr(u32)]
            enum Number { $($constant),* }
            $(pub const $constant: Symbol = Symbol(Number::$constant as u32);)*
            pub(super) const TEXTS: &[&str] = &[$($text),*];
        }
    };
}

fixed! {
    EMPTY = "", SUB = "__sub", MUL = "__mul", DIV = "__div", LESS_THAN = "__lessThan",
    FIND_FILE = "__findFile", NIX_PATH = "__nixPath", FUNCTOR = "__functor", TO_STRING = "__toString",
    OVERRIDES = "__overrides", BODY = "body", BUILTINS = "builtins", OUT_PATH = "outPath", DRV_PATH = "drvPath",
    TYPE = "type", NAME = "name", VALUE = "value", SUCCESS = "success",
    RIGHT = "right", WRONG = "wrong", FILE = "file", LINE = "line", COLUMN = "column", PATH = "path", PREFIX = "prefix",
    SYSTEM = "system", BUILDER = "builder", ARGS = "args", OUTPUTS = "outputs", OUTPUT_NAME = "outputName",
    OUTPUT_HASH = "outputHash", OUTPUT_HASH_ALGO = "outputHashAlgo", OUTPUT_HASH_MODE = "outputHashMode",
    STRUCTURED_ATTRS = "__structuredAttrs", IGNORE_NULLS = "__ignoreNulls", CONTENT_ADDRESSED = "__contentAddressed",
    IMPURE = "__impure", ALL_OUTPUTS = "allOutputs", VERSION = "version", KEY = "key",
    START_SET = "startSet", OPERATOR = "operator", FILTER = "filter", RECURSIVE = "recursive", SHA256 = "sha256",
    URL = "url", HASH = "hash",
    HASH_ALGO = "hashAlgo", TO_HASH_FORMAT = "toHashFormat", UNDERSCORE_TYPE = "_type", MISSING = "__missing",
}
