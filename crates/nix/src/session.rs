//! Running an evaluation.

use std::thread;

use bumpalo::Bump;

use crate::builtins::{JsonMode, from_data, json_of, to_data, xml_of};
use crate::error::{Fault, FaultData, Kind};
use crate::eval::{Coerce, Evaluator, Options, R};
use crate::host::{Data, Host};
use crate::path;
use crate::source::{Origin, Pos};
use crate::value::{Attrs, AttrsBuilder, Value};

/// Sizes of the stack that are tried, largest first. Memory is only taken as it is used; the first
/// is a bound for programs that never end, since a value without end is walked on the stack.
const STACK_SIZES: [usize; 4] = [1 << 30, 256 << 20, 64 << 20, 16 << 20];

/// Part of the stack that is kept for what does not check: the host, printing, error reports.
const STACK_RESERVE: usize = 1 << 20;

/// Runs `body` with a new evaluator, on a thread with a very large stack. Everything that the
/// evaluation made is gone when this returns.
pub fn evaluate<T: Send>(
    host: &dyn Host,
    options: Options,
    body: impl for<'a> FnOnce(&Evaluator<'a>) -> T + Send,
) -> std::io::Result<T> {
    let mut body = Some(body);
    let mut last_error = None;
    for size in STACK_SIZES {
        // The closure is only taken by the thread that really starts.
        let slot = std::sync::Mutex::new(body.take());
        let run = || {
            let body = slot.lock().ok()?.take()?;
            let marker = 0u8;
            let top = (&raw const marker).addr();
            let usable = size - STACK_RESERVE.min(size / 4);
            // What is on the stack is memory, too.
            let usable = options.max_memory.map_or(usable, |most| usable.min(most));
            let limit = top.saturating_sub(usable);
            let arena = Bump::new();
            let evaluator = Evaluator::new(&arena, host, options.clone(), limit);
            Some(body(&evaluator))
        };
        let started = thread::scope(|scope| {
            let thread = thread::Builder::new()
                .name("nix".to_owned())
                .stack_size(size)
                .spawn_scoped(scope, run)?;
            match thread.join() {
                Ok(result) => Ok(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        match started {
            Ok(Some(result)) => return Ok(result),
            Ok(None) => break,
            Err(error) => {
                last_error = Some(error);
                body = slot.into_inner().ok().flatten();
            }
        }
    }
    Err(last_error.unwrap_or_else(|| std::io::Error::other("the evaluation thread did not run")))
}

impl<'a> Evaluator<'a> {
    /// The value of a file (or of `default.nix` in a directory).
    pub fn file(&self, file: &str) -> R<'a> {
        let file = path::canonical(&path::join(
            self.options.base_path.as_bytes(),
            file.as_bytes(),
        ));
        self.import(&file, Pos::NONE)
    }

    /// The value of an expression. `name` stands for its file in messages, such as `«string»`.
    pub fn expression(&self, text: &str, name: &str) -> R<'a> {
        let base = self.options.base_path.clone();
        let expr = self.parse(
            text.as_bytes(),
            Origin::Text(name.to_owned()),
            base.as_bytes(),
            None,
        )?;
        self.eval(expr, self.empty_env())
    }

    /// Checks the syntax of a text, and its variables, without evaluating it.
    pub fn check(&self, text: &[u8], origin: Origin) -> Result<(), Fault> {
        let base = match &origin {
            Origin::File(file) => path::parent(file.as_bytes()).to_vec(),
            Origin::Text(_) => self.options.base_path.clone().into_bytes(),
        };
        self.parse(text, origin, &base, None).map(|_| ())
    }

    /// What a path of attributes leads to, as `nix-instantiate -A` takes it: functions on the way
    /// are called with `args` where they can be, list elements are chosen by number.
    pub fn select_path(&self, value: Value<'a>, path: &[String], args: &Attrs<'a>) -> R<'a> {
        let value = self.find_along(value, path, args)?;
        self.auto_call(value, args)
    }

    /// As [`Evaluator::select_path`], without calling what is found at the end.
    pub(crate) fn find_along(&self, value: Value<'a>, path: &[String], args: &Attrs<'a>) -> R<'a> {
        let mut value = self.force_value(value)?;
        for (depth, name) in path.iter().enumerate() {
            value = match self.auto_call(value, args)? {
                Value::List(list) => {
                    let whole = path.join(".");
                    let Ok(index) = name.parse::<usize>() else {
                        let message = format!(
                            "the expression selected by the selection path '{whole}' should be a set but is a list"
                        );
                        return Err(FaultData::new(Kind::Type, Pos::NONE, message));
                    };
                    match list.items.get(index) {
                        Some(slot) => self.force(slot)?,
                        None => {
                            let message = format!(
                                "list index {index} in selection path '{whole}' is out of range"
                            );
                            return Err(FaultData::new(Kind::MissingAttribute, Pos::NONE, message));
                        }
                    }
                }
                Value::Attrs(attrs) => {
                    let slot = self
                        .symbols
                        .get(name.as_bytes())
                        .and_then(|symbol| attrs.get(symbol));
                    match slot {
                        Some(slot) => self.force(slot)?,
                        None => {
                            let whole = path[..=depth].join(".");
                            let message =
                                format!("attribute '{name}' in selection path '{whole}' not found");
                            let fault = FaultData::new(Kind::MissingAttribute, Pos::NONE, message);
                            let hint =
                                crate::hint::nearest(name, self.attr_names(value).into_iter());
                            return Err(match hint {
                                Some(hint) => fault.hint(hint),
                                None => fault,
                            });
                        }
                    }
                }
                other => {
                    let message = format!(
                        "the expression selected by the selection path '{}' should be a set but is {}",
                        path[..depth].join("."),
                        crate::eval::type_name(other)
                    );
                    return Err(FaultData::new(Kind::Type, Pos::NONE, message));
                }
            };
        }
        Ok(value)
    }

    /// An attribute of a set, evaluated; `None`: there is none.
    pub fn attr(&self, attrs: &Attrs<'a>, name: &str) -> Result<Option<Value<'a>>, Fault> {
        match self
            .symbols
            .get(name.as_bytes())
            .and_then(|symbol| attrs.get(symbol))
        {
            Some(slot) => self.force(slot).map(Some),
            None => Ok(None),
        }
    }

    /// The names of a set in alphabetical order; of anything else, none.
    pub fn attr_names(&self, value: Value<'a>) -> Vec<String> {
        match value {
            Value::Attrs(attrs) => self.names(attrs),
            _ => Vec::new(),
        }
    }

    /// The names of a set in alphabetical order.
    pub fn names(&self, attrs: &Attrs<'a>) -> Vec<String> {
        let order = attrs.shape.alphabetical(self.arena, &self.symbols);
        order
            .iter()
            .map(|&index| self.symbols.display(attrs.shape.names[index as usize]))
            .collect()
    }

    /// Evaluates one element of a list; `None`: the list is shorter, or no list.
    pub fn element(&self, list: Value<'a>, index: usize) -> Result<Option<Value<'a>>, Fault> {
        match list {
            Value::List(list) => list
                .items
                .get(index)
                .map(|slot| self.force(slot))
                .transpose(),
            _ => Ok(None),
        }
    }

    /// A set of values by name.
    pub fn attrs_from(&self, entries: &[(String, Value<'a>)]) -> &'a Attrs<'a> {
        let mut builder = AttrsBuilder::with_capacity(entries.len());
        for (name, value) in entries {
            builder.push(
                self.symbols.intern(name.as_bytes()),
                Pos::NONE,
                self.sharable(*value),
            );
        }
        builder.build(self.arena)
    }

    /// Where an attribute was defined: file, line and column.
    pub fn attr_location(&self, attrs: &Attrs<'a>, name: &str) -> Option<crate::source::Location> {
        let symbol = self.symbols.get(name.as_bytes())?;
        self.sources.location(attrs.position(symbol)?)
    }

    /// A value as JSON text, evaluated to the bottom, and what all strings in it refer to, sorted:
    /// `/nix/store/…`, `!OUTPUT!/nix/store/….drv` or `=/nix/store/….drv`. With `copy_paths`, paths
    /// become paths of copies in the store.
    pub fn json(&self, value: Value<'a>, copy_paths: bool) -> Result<(String, Vec<String>), Fault> {
        let (text, context) = json_of(self, value, JsonMode { copy: copy_paths }, Pos::NONE)?;
        Ok((text, self.context_texts(context)))
    }

    /// A value as XML text.
    pub fn xml(&self, value: Value<'a>, strict: bool, location: bool) -> Result<Vec<u8>, Fault> {
        Ok(xml_of(self, value, strict, location, Pos::NONE)?.0)
    }

    /// A value as `nix-instantiate --eval` prints it, without a line end.
    pub fn print(&self, value: Value<'a>, strict: bool) -> Result<Vec<u8>, Fault> {
        let value = self.force_value(value)?;
        if strict {
            self.force_deep(value)?;
        }
        Ok(crate::print::eval_form(self, value))
    }

    /// A value as a string, and its context, encoded as in [`Evaluator::json`].
    pub fn string(&self, value: Value<'a>) -> Result<(Vec<u8>, Vec<String>), Fault> {
        let text = self.coerce(value, Coerce::INTERPOLATE, Pos::NONE)?;
        Ok((text.bytes.to_vec(), self.context_texts(text.context)))
    }

    /// Plain data as a value.
    pub fn value_of(&self, data: &Data) -> Value<'a> {
        from_data(self, data)
    }

    /// A value as plain data, evaluated to the bottom.
    pub fn data(&self, value: Value<'a>) -> Result<Data, Fault> {
        to_data(self, value, Pos::NONE)
    }
}
