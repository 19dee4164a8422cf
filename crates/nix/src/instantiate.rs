//! What `nix-instantiate` does with its options, as a function.

use crate::error::Fault;
use crate::eval::{Evaluator, Options};
use crate::host::{Data, SearchPathEntry};
use crate::source::{Origin, Pos};
use crate::symbol::names;
use crate::value::Value;

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// In the language.
    #[default]
    Nix,
    /// JSON, evaluated to the bottom.
    Json,
    /// XML.
    Xml,
    /// A string as it is.
    Raw,
}

/// Where an expression comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(String),
    /// A text, and how messages name it.
    Text(String, String),
}

/// An argument for functions that are called automatically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// `--arg`: an expression.
    Expression(String),
    /// `--argstr`: a string.
    Text(String),
}

/// One call of `nix-instantiate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Expressions, in order.
    pub inputs: Vec<Input>,
    /// `-A`; with several, each is printed.
    pub attr_paths: Vec<String>,
    /// `--arg`, `--argstr`.
    pub arguments: Vec<(String, Argument)>,
    /// `--eval`; without, derivations are instantiated and their paths printed.
    pub eval: bool,
    /// `--parse`.
    pub parse: bool,
    /// `--strict`.
    pub strict: bool,
    /// `--json`, `--xml`, `--raw`.
    pub form: Form,
    /// XML without positions.
    pub no_location: bool,
    /// `-E`.
    pub expressions: bool,
    /// `--show-trace`.
    pub show_trace: bool,
    /// `-I`, first wins.
    pub search_path: Vec<SearchPathEntry>,
}

/// An option that `nix-instantiate` does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unrecognised flag '{0}'")]
pub struct UnknownFlag(pub String);

impl Request {
    /// Takes a command line apart; switches of the evaluation itself are set in `options`.
    pub fn parse_args(
        words: impl IntoIterator<Item = String>,
        options: &mut Options,
    ) -> Result<Self, UnknownFlag> {
        let mut request = Self::default();
        let mut inputs = Vec::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut next = || words.next().ok_or_else(|| UnknownFlag(word.clone()));
            match word.as_str() {
                "--eval" | "--eval-only" => request.eval = true,
                // Of builds, which this does not do.
                "--timeout" => {
                    next()?;
                }
                "--option" => match (next()?.as_str(), next()?.as_str()) {
                    ("abort-on-warn", value) => options.abort_on_warn = value == "true",
                    (name, _) => return Err(UnknownFlag(format!("--option {name}"))),
                },
                "--parse" => request.parse = true,
                "--strict" => request.strict = true,
                "--json" => request.form = Form::Json,
                "--xml" => request.form = Form::Xml,
                "--raw" => request.form = Form::Raw,
                "--no-location" => request.no_location = true,
                "-E" | "--expr" => request.expressions = true,
                "--show-trace" => request.show_trace = true,
                "--no-show-trace" => request.show_trace = false,
                "--read-write-mode" | "--readonly-mode" | "--impure" => {}
                "--trace-verbose" => options.trace_verbose = true,
                "--abort-on-warn" => options.abort_on_warn = true,
                "--max-call-depth" => {
                    options.max_call_depth =
                        next()?.parse().map_err(|_| UnknownFlag(word.clone()))?;
                }
                "--extra-experimental-features" | "--experimental-features" => {
                    for feature in next()?.split_ascii_whitespace() {
                        options.pipe_operators |= feature == "pipe-operators";
                        options.toml_timestamps |= feature == "parse-toml-timestamps";
                        options.flakes |= feature == "flakes";
                    }
                }
                "-A" | "--attr" => request.attr_paths.push(next()?),
                "--arg" => request
                    .arguments
                    .push((next()?, Argument::Expression(next()?))),
                "--argstr" => request.arguments.push((next()?, Argument::Text(next()?))),
                "-I" => request.search_path.push(SearchPathEntry::parse(&next()?)),
                flag if flag.starts_with('-') && flag != "-" => return Err(UnknownFlag(word)),
                _ => inputs.push(word),
            }
        }
        let expressions = request.expressions;
        request.inputs = inputs
            .into_iter()
            .map(|input| {
                if expressions {
                    Input::Text(input, "«string»".to_owned())
                } else {
                    Input::File(input)
                }
            })
            .collect();
        Ok(request)
    }
}

impl<'a> Evaluator<'a> {
    /// Does what a request asks and writes what is printed; when it fails, what was printed before
    /// stays.
    pub fn instantiate(&self, request: &Request, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut arguments = Vec::new();
        for (name, argument) in &request.arguments {
            let value = match argument {
                Argument::Expression(text) => self.expression(text, "«string»")?,
                Argument::Text(text) => self.value_of(&Data::Text(text.clone())),
            };
            arguments.push((name.clone(), value));
        }
        let arguments = self.attrs_from(&arguments);
        for input in &request.inputs {
            if request.parse {
                match input {
                    Input::File(file) => {
                        let text = self.read(self.absolute(file).as_bytes(), Pos::NONE)?;
                        self.check(&text, Origin::File(self.absolute(file)))?;
                    }
                    Input::Text(text, name) => {
                        self.check(text.as_bytes(), Origin::Text(name.clone()))?
                    }
                }
                continue;
            }
            let value = match input {
                Input::File(file) => self.file(file)?,
                Input::Text(text, name) => self.expression(text, name)?,
            };
            let whole = [String::new()];
            let paths = if request.attr_paths.is_empty() {
                &whole[..]
            } else {
                &request.attr_paths
            };
            for path in paths {
                let path: Vec<String> = parse_attr_path(path);
                // Without arguments, a function at the end is a value like others.
                let value = if request.eval && arguments.is_empty() {
                    self.find_along(value, &path, arguments)?
                } else {
                    self.select_path(value, &path, arguments)?
                };
                if request.eval {
                    self.write_value(value, request, out)?;
                } else {
                    let mut seen = Vec::new();
                    self.derivations(value, arguments, &mut seen, 0)?;
                    for path in seen {
                        out.extend_from_slice(path.as_bytes());
                        out.push(b'\n');
                    }
                }
            }
        }
        Ok(())
    }

    /// Builds the derivation that a value is; gives its outputs and where they are.
    pub fn build(&self, value: Value<'a>) -> Result<Vec<(String, String)>, Fault> {
        let no_derivation = || {
            let text = format!(
                "expected a derivation but found {}",
                crate::eval::type_name(value)
            );
            crate::error::type_error(Pos::NONE, text)
        };
        let Value::Attrs(attrs) = value else {
            return Err(no_derivation());
        };
        if !self.is_derivation(attrs)? {
            return Err(no_derivation());
        }
        let text = |value: Option<Value<'a>>| -> Result<Option<String>, Fault> {
            let text = value.map(|value| self.string(value)).transpose()?;
            Ok(text.map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let drv_path = text(self.attr(attrs, "drvPath")?)?.ok_or_else(no_derivation)?;
        let mut outputs = Vec::new();
        if let Some(Value::List(list)) = self.attr(attrs, "outputs")? {
            for slot in list.items {
                outputs.extend(text(Some(self.force(slot)?))?);
            }
        } else {
            outputs.push("out".to_owned());
        }
        let built = self
            .host
            .realise(&drv_path, &outputs)
            .map_err(|error| self.host_fault(error, Pos::NONE))?;
        Ok(built.into_iter().collect())
    }

    /// A path given on the command line.
    fn absolute(&self, file: &str) -> String {
        let joined = crate::path::join(self.options.base_path.as_bytes(), file.as_bytes());
        String::from_utf8_lossy(&crate::path::canonical(&joined)).into_owned()
    }

    fn write_value(
        &self,
        value: Value<'a>,
        request: &Request,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match request.form {
            Form::Nix => {
                out.extend(self.print(value, request.strict)?);
                out.push(b'\n');
            }
            // Without a line end, as CppNix.
            Form::Json => out.extend_from_slice(self.json(value, true)?.0.as_bytes()),
            Form::Xml => out.extend(self.xml(value, request.strict, !request.no_location)?),
            Form::Raw => out.extend(self.string(value)?.0),
        }
        Ok(())
    }

    /// Paths of all derivations in a value, as `nix-instantiate` finds them: in sets that say
    /// `recurseForDerivations`, and in lists.
    pub fn derivations(
        &self,
        value: Value<'a>,
        arguments: &crate::value::Attrs<'a>,
        found: &mut Vec<String>,
        depth: usize,
    ) -> Result<(), Fault> {
        let value = self.auto_call(value, arguments)?;
        match value {
            Value::Attrs(attrs) if self.is_derivation(attrs)? => {
                if let Some(slot) = attrs.get(names::DRV_PATH) {
                    let path =
                        String::from_utf8_lossy(&self.string(self.force(slot)?)?.0).into_owned();
                    if !found.contains(&path) {
                        found.push(path);
                    }
                }
            }
            Value::Attrs(attrs) => {
                let recurse = match self.attr(attrs, "recurseForDerivations")? {
                    Some(value) => self.as_bool(value, Pos::NONE)?,
                    None => depth == 0,
                };
                if recurse {
                    for &index in attrs.shape.alphabetical(self.arena, &self.symbols) {
                        let slot = &attrs.slots[index as usize];
                        self.derivations(self.force(slot)?, arguments, found, depth + 1)?;
                    }
                }
            }
            Value::List(list) => {
                for slot in list.items {
                    self.derivations(self.force(slot)?, arguments, found, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// `a."b.c".d` as its names.
pub fn parse_attr_path(text: &str) -> Vec<String> {
    let mut path = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => path.push(std::mem::take(&mut name)),
            c => name.push(c),
        }
    }
    if !text.is_empty() {
        path.push(name);
    }
    path
}
