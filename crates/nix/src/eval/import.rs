//! Files as expressions.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Evaluator, R};
use crate::error::{Fault, FaultData, Kind};
use crate::host::{FileType, HostError};
use crate::ir::Expr;
use crate::path;
use crate::source::{Origin, Pos};
use crate::symbol::Symbol;
use crate::syntax::{Globals, LowerOptions, end_comments, lower, raw};
use crate::value::{Context, Env, Slot, Value};

/// Bytes of syntax trees that are kept for the next file.
const KEPT_SYNTAX: usize = 4 << 20;

/// Links followed before giving up.
const MAX_LINKS: usize = 64;

/// Bytes as a path.
pub(crate) fn as_os_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

impl<'a> Evaluator<'a> {
    #[cold]
    pub(crate) fn host_fault(&self, error: HostError, pos: Pos) -> Fault {
        let fault = FaultData::new(Kind::Host, pos, error.message);
        match error.hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }

    /// What a path is, with the host's redirection of missing files.
    pub(crate) fn locate(
        &self,
        file: &[u8],
        pos: Pos,
    ) -> Result<(Vec<u8>, Option<FileType>), Fault> {
        let found = self
            .host
            .file_type(as_os_path(file))
            .map_err(|error| self.host_fault(error, pos))?;
        if found.is_none()
            && let Some(other) = self.host.redirect_missing(as_os_path(file))
        {
            let other = path::canonical(other.as_bytes());
            let found = self
                .host
                .file_type(as_os_path(&other))
                .map_err(|error| self.host_fault(error, pos))?;
            return Ok((other, found));
        }
        Ok((file.to_vec(), found))
    }

    /// The file that `import` of a path reads: links followed, `default.nix` in a directory.
    fn resolve_import(&self, file: &[u8], pos: Pos) -> Result<Vec<u8>, Fault> {
        let mut current = file.to_vec();
        for _ in 0..MAX_LINKS {
            let (located, kind) = self.locate(&current, pos)?;
            current = located;
            match kind {
                Some(FileType::Symlink) => {
                    let target = self
                        .host
                        .read_link(as_os_path(&current))
                        .map_err(|error| self.host_fault(error, pos))?;
                    current = path::canonical(&path::join(path::parent(&current), &target));
                }
                Some(FileType::Directory) => {
                    current.extend_from_slice(b"/default.nix");
                    return Ok(path::canonical(&current));
                }
                Some(_) => return Ok(current),
                None => {
                    let message = format!(
                        "path '{}' does not exist",
                        String::from_utf8_lossy(&current)
                    );
                    return Err(FaultData::new(Kind::Host, pos, message));
                }
            }
        }
        Err(FaultData::new(
            Kind::Host,
            pos,
            format!(
                "too many symbolic links at '{}'",
                String::from_utf8_lossy(file)
            ),
        ))
    }

    /// The content of a file.
    pub(crate) fn read(&self, file: &[u8], pos: Pos) -> Result<Vec<u8>, Fault> {
        if let Some(text) = crate::builtins::core_file(file) {
            return Ok(text.as_bytes().to_vec());
        }
        let (located, _) = self.locate(file, pos)?;
        self.host
            .read_file(as_os_path(&located))
            .map_err(|error| self.host_fault(error, pos))
    }

    /// The value of a file, evaluated once.
    pub fn import(&self, file: &[u8], pos: Pos) -> R<'a> {
        if let Some(&slot) = self.files.borrow().get(file) {
            return self.force(slot);
        }
        let resolved = if crate::builtins::core_file(file).is_some() {
            file.to_vec()
        } else {
            self.resolve_import(file, pos)?
        };
        let known = self.files.borrow().get(&resolved).copied();
        let slot = match known {
            Some(slot) => slot,
            None => {
                let expr = self.parse_file(&resolved, pos)?;
                let site = self.sites.add(expr);
                let slot = &*self
                    .arena
                    .alloc(Slot::new(Value::Delayed(site, self.empty_env())));
                self.files.borrow_mut().insert(resolved.clone(), slot);
                slot
            }
        };
        self.files.borrow_mut().insert(file.to_vec(), slot);
        self.force(slot).map_err(|fault| {
            fault.while_doing(
                pos,
                format!(
                    "while evaluating the file '{}'",
                    String::from_utf8_lossy(&resolved)
                ),
            )
        })
    }

    /// The value of a file in a scope of further variables; never cached.
    pub(crate) fn import_scoped(
        &self,
        file: &[u8],
        scope: &crate::value::Attrs<'a>,
        pos: Pos,
    ) -> R<'a> {
        let resolved = self.resolve_import(file, pos)?;
        let names: Vec<(Symbol, u32)> = scope.shape.names.iter().copied().zip(0..).collect();
        let text = self.read(&resolved, pos)?;
        let expr = self.parse(
            &text,
            Origin::File(String::from_utf8_lossy(&resolved).into_owned()),
            path::parent(&resolved),
            Some(names),
        )?;
        let env = Env::new(self.arena, None, scope.len());
        for (slot, from) in env.slots().iter().zip(scope.slots) {
            slot.set(crate::value::share(from));
        }
        self.eval(expr, env)
    }

    fn parse_file(&self, file: &[u8], pos: Pos) -> Result<&'a Expr<'a>, Fault> {
        let text = self.read(file, pos)?;
        self.parse(
            &text,
            Origin::File(String::from_utf8_lossy(file).into_owned()),
            path::parent(file),
            None,
        )
    }

    /// Parses and lowers a text.
    pub(crate) fn parse(
        &self,
        text: &[u8],
        origin: Origin,
        base: &[u8],
        scope: Option<Vec<(Symbol, u32)>>,
    ) -> Result<&'a Expr<'a>, Fault> {
        let text = match std::str::from_utf8(text) {
            Ok(text) => std::borrow::Cow::Borrowed(text),
            Err(_) => raw::encode(text).into(),
        };
        let raw_bytes = matches!(text, std::borrow::Cow::Owned(_));
        let text = if text.contains('\r') {
            end_comments(&text).into()
        } else {
            text
        };
        let (text, start, _) = self
            .sources
            .add(origin, &text)
            .map_err(|error| self.fail(Pos::NONE, error.to_string()))?;
        self.lower(text, start, raw_bytes, base, scope, self)
            .map_err(|mut fault| {
                fault.message = self.fill_positions(&fault.message);
                for (_, message) in &mut fault.also {
                    *message = self.fill_positions(message);
                }
                fault
            })
    }

    fn lower(
        &self,
        text: &str,
        start: u32,
        raw_bytes: bool,
        base: &[u8],
        scope: Option<Vec<(Symbol, u32)>>,
        globals: &dyn Globals<'a>,
    ) -> Result<&'a Expr<'a>, Fault> {
        let home = self.host.home();
        let options = LowerOptions {
            arena: self.arena,
            symbols: &self.symbols,
            sites: &self.sites,
            globals,
            base,
            home: home.as_deref().map(str::as_bytes),
            pipe_operators: self.options.pipe_operators,
            raw_bytes,
            start,
            scope,
        };
        // Memory that was touched before costs less than new memory.
        let mut syntax = self.syntax.take();
        let result = lower(text, options, &syntax);
        if syntax.allocated_bytes() <= KEPT_SYNTAX {
            syntax.reset();
            self.syntax.replace(syntax);
        }
        result
    }

    /// The value of a text of ours, while the globals are not complete yet; it is right.
    pub(crate) fn bootstrap(&self, text: &str, name: &str, globals: &dyn Globals<'a>) -> Value<'a> {
        let value = self
            .sources
            .add(Origin::Text(name.to_owned()), text)
            .map_err(|error| self.fail(Pos::NONE, error.to_string()))
            .and_then(|(text, start, _)| self.lower(text, start, false, b"/", None, globals))
            .and_then(|expr| self.eval(expr, self.empty_env()));
        match value {
            Ok(value) => value,
            Err(fault) => unreachable!("{name} is part of this program: {}", fault.message),
        }
    }

    /// Replaces the positions that lowering left in a message as numbers.
    fn fill_positions(&self, message: &str) -> String {
        let mut parts = message.split('\u{1}');
        let mut result = parts.next().unwrap_or_default().to_owned();
        while let (Some(number), Some(rest)) = (parts.next(), parts.next()) {
            result.push_str(&self.position_text(Pos(number.parse().unwrap_or(0))));
            result.push_str(rest);
        }
        result
    }

    /// Builds what a path's context needs, and says where the path can be read then.
    pub(crate) fn realise(
        &self,
        file: Vec<u8>,
        context: Context<'a>,
        pos: Pos,
    ) -> Result<Vec<u8>, Fault> {
        let mut file = file;
        for element in context {
            let element = self.symbols.display(*element);
            let Some((output, drv)) = element
                .strip_prefix('!')
                .and_then(|rest| rest.split_once('!'))
            else {
                continue;
            };
            let outputs = [output.to_owned()];
            let built = self
                .host
                .realise(drv, &outputs)
                .map_err(|error| self.host_fault(error, pos))?;
            let Some(real) = built.get(output) else {
                continue;
            };
            let Some(declared) = self.store.output_path(drv, output) else {
                continue;
            };
            if file.starts_with(declared.as_bytes()) && *real != declared {
                file = [real.as_bytes(), &file[declared.len()..]].concat();
            }
        }
        Ok(file)
    }

    /// A path argument of a builtin that reads: with its context built.
    pub(crate) fn as_readable(&self, value: Value<'a>, pos: Pos) -> Result<Vec<u8>, Fault> {
        let (file, context) = self.as_path(value, pos)?;
        if context.is_empty() {
            Ok(file)
        } else {
            self.realise(file, context, pos)
        }
    }
}
