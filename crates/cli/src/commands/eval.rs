//! `snowglobe eval`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use snowglobe_archive::Silent;
use snowglobe_evaluate::Note;
use snowglobe_nix::instantiate::{Argument, Form, Input, Request};
use snowglobe_nix::{Options, evaluate};

use crate::arguments::Selection;
use crate::error::{CliError, Kind, Result};
use crate::workshop::{Workshop, absolute_file, evaluation_error};

/// `eval`.
#[derive(Args, Debug)]
pub struct Eval {
    /// Files to evaluate; `-` is standard input
    #[arg(required_unless_present = "expr", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Expression to evaluate; may be given several times
    #[arg(short = 'E', long, conflicts_with = "files")]
    pub expr: Vec<String>,
    /// Selection and arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// Evaluate to the bottom (JSON always is)
    #[arg(long)]
    pub strict: bool,
    /// Print JSON
    #[arg(long, conflicts_with_all = ["xml", "raw"])]
    pub json: bool,
    /// Print XML
    #[arg(long, conflicts_with = "raw")]
    pub xml: bool,
    /// Leave positions out of XML
    #[arg(long, requires = "xml")]
    pub no_location: bool,
    /// Print a string as it is
    #[arg(long)]
    pub raw: bool,
    /// Print the plan of the tests in the file
    #[arg(long, conflicts_with = "expr")]
    pub plan: bool,
    /// Print what traceVerbose says
    #[arg(long)]
    pub trace_verbose: bool,
    /// End with an error at the first builtins.warn
    #[arg(long)]
    pub abort_on_warn: bool,
    /// Allow features of the language that CppNix calls experimental: pipe-operators,
    /// parse-toml-timestamps
    #[arg(long, value_name = "NAMES")]
    pub extra_experimental_features: Vec<String>,
    /// Calls within calls before the evaluation is given up
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_call_depth: u32,
    /// Memory for values before the evaluation is given up
    #[arg(long, value_name = "MIB")]
    pub max_memory: Option<usize>,
    /// Time before the evaluation is given up
    #[arg(long, value_name = "SECONDS")]
    pub max_time: Option<u64>,
}

impl Eval {
    fn options(&self, base: &Path) -> Options {
        let mut options = Options {
            trace_verbose: self.trace_verbose,
            abort_on_warn: self.abort_on_warn,
            max_call_depth: self.max_call_depth,
            max_memory: self.max_memory.map(|mib| mib << 20),
            max_time: self.max_time.map(Duration::from_secs),
            base_path: base.display().to_string(),
            ..Options::default()
        };
        for feature in self
            .extra_experimental_features
            .iter()
            .flat_map(|names| names.split_ascii_whitespace())
        {
            options.pipe_operators |= feature == "pipe-operators";
            options.toml_timestamps |= feature == "parse-toml-timestamps";
            options.flakes |= feature == "flakes";
        }
        options
    }

    fn request(&self) -> Result<Request> {
        let mut inputs = Vec::new();
        for file in &self.files {
            inputs.push(if file == Path::new("-") {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                Input::Text(text, "«stdin»".to_owned())
            } else if file.to_string_lossy().starts_with('<') {
                let text = format!("import {}", file.display());
                Input::Text(text, "«string»".to_owned())
            } else {
                Input::File(absolute_file(file)?.display().to_string())
            });
        }
        for text in &self.expr {
            inputs.push(Input::Text(text.clone(), "«string»".to_owned()));
        }
        let pairs = |words: &[String], make: fn(String) -> Argument| {
            words
                .chunks_exact(2)
                .map(|pair| (pair[0].clone(), make(pair[1].clone())))
                .collect::<Vec<_>>()
        };
        let mut arguments = pairs(&self.selection.arg, Argument::Expression);
        arguments.extend(pairs(&self.selection.argstr, Argument::Text));
        Ok(Request {
            inputs,
            attr_paths: self.selection.attr.clone(),
            arguments,
            eval: true,
            strict: self.strict,
            form: match self {
                Self { json: true, .. } => Form::Json,
                Self { xml: true, .. } => Form::Xml,
                Self { raw: true, .. } => Form::Raw,
                _ => Form::Nix,
            },
            no_location: self.no_location,
            ..Request::default()
        })
    }
}

/// Prints values, or the plan of a file's tests.
pub fn run(command: &Eval) -> Result {
    let workshop = Workshop::open(false, Arc::new(Silent))?;
    let selection = &command.selection;
    if command.plan {
        let [file] = &command.files[..] else {
            return Err(CliError::unusable("--plan needs one file"));
        };
        let plan = workshop.plan(file, selection, Box::new(say))?.whole()?;
        let json = serde_json::to_string_pretty(&plan).map_err(CliError::unusable)?;
        write(json.as_bytes())?;
        write(b"\n")?;
        return Ok(Kind::Passed);
    }
    let here = std::env::current_dir()?;
    let request = command.request()?;
    // What a file misses of nixpkgs is looked for from where it lies.
    let home = match request.inputs.first() {
        Some(Input::File(file)) => Path::new(file).parent().unwrap_or(Path::new("/")),
        _ => &here,
    };
    let session = workshop.session(selection, home, Box::new(say));
    let (out, result) = evaluate(&session, command.options(&here), |nix| {
        let mut out = Vec::new();
        let result = nix
            .instantiate(&request, &mut out)
            .map_err(|fault| nix.report(fault));
        (out, result)
    })?;
    write(&out)?;
    match result {
        Ok(()) => Ok(Kind::Passed),
        Err(error) => Err(evaluation_error(&error, selection.show_trace)),
    }
}

/// What a program says while it is evaluated.
pub fn say(note: Note) {
    match note {
        Note::Trace(text) => anstream::eprintln!("trace: {text}"),
        Note::Warning(text) => anstream::eprintln!("warning: {text}"),
        Note::Embedded { asked } => {
            anstream::eprintln!("note: '{asked}' is the package set built into snowglobe");
        }
    }
}

/// To standard output; a reader that has gone is no failure.
fn write(bytes: &[u8]) -> Result<()> {
    match std::io::stdout().write_all(bytes) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.map_err(CliError::from),
    }
}
