//! What the lines of an interactive session do.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process;

use snowglobe_evaluate::Session;
use snowglobe_nix::repl::{Repl as Scope, Reply};
use snowglobe_nix::{Attrs, Evaluator, Fault, Value};

use super::Repl;
use super::editor::{Lines, Shared};
use crate::amounts::print;
use crate::error::{CliError, Result};
use crate::workshop::{attr_path, evaluation_error};

/// A line that begins with a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'t> {
    /// Its name, without the colon.
    pub name: &'t str,
    /// What follows.
    pub argument: &'t str,
}

impl<'t> Command<'t> {
    /// Takes a line apart; `None`: it is an expression.
    pub fn parse(line: &'t str) -> Option<Self> {
        let rest = line.trim().strip_prefix(':')?;
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        Some(Self {
            name,
            argument: argument.trim(),
        })
    }
}

const HELP: &str = "\
<expression>      evaluate and print
<name> = <expr>   bring a value into scope
:a <expr>         bring the attributes of a set into scope
:b <expr>         build a derivation and print where its outputs are
:doc <expr>       say what a function does
:e <expr>         edit the file where a value was written, then :r
:l <file>         load a file and bring its attributes into scope; a test has driver, nodes, ...
:p <expr>         evaluate to the bottom and print
:q                leave (as Ctrl-D)
:r                forget everything, and load the files again
:s <expr>         print a string as it is
:t <expr>         say what kind of value it is
:? or :help       this text

Tab completes names. An expression may take several lines; an empty line ends it.
Ctrl-C ends an evaluation, or drops the line.";

/// How a session ends or goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Line,
    End,
}

/// What goes wrong in a line; the session goes on.
enum Wrong {
    Evaluation(Fault),
    Other(CliError),
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self::Evaluation(fault)
    }
}

impl From<CliError> for Wrong {
    fn from(error: CliError) -> Self {
        Self::Other(error)
    }
}

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.into())
    }
}

/// An interactive session.
pub struct Interactive<'e, 'a> {
    nix: &'e Evaluator<'a>,
    session: &'e Session,
    command: &'e Repl,
    arguments: &'a Attrs<'a>,
    loaded: RefCell<Vec<PathBuf>>,
}

impl<'e, 'a> Interactive<'e, 'a> {
    pub fn new(
        nix: &'e Evaluator<'a>,
        session: &'e Session,
        command: &'e Repl,
        arguments: &'a Attrs<'a>,
    ) -> Self {
        Self {
            nix,
            session,
            command,
            arguments,
            loaded: RefCell::new(command.files.clone()),
        }
    }

    /// Goes on until the input ends.
    pub fn run(&self, history: &Path) -> Result<()> {
        let repl = RefCell::new(Scope::new(self.nix));
        let mut lines = Lines::open(&repl, history)?;
        if lines.interactive() {
            let version = env!("CARGO_PKG_VERSION");
            print(&format!(
                "Snowglobe {version}, Nix language {}. :? for help, :q to leave.",
                snowglobe_nix::NIX_VERSION
            ))?;
        }
        self.reload(&repl);
        while let Some(line) = lines.read()? {
            match self.line(&repl, &line) {
                Ok(Next::Line) => {}
                Ok(Next::End) => break,
                Err(wrong) => self.complain(wrong),
            }
        }
        Ok(())
    }

    fn complain(&self, wrong: Wrong) {
        match wrong {
            Wrong::Evaluation(fault) => {
                let error = self.nix.report(fault);
                evaluation_error(&error, self.command.selection.show_trace).print();
            }
            Wrong::Other(error) => error.print(),
        }
    }

    fn line(&self, repl: &Shared<'e, 'a>, line: &str) -> std::result::Result<Next, Wrong> {
        let Some(command) = Command::parse(line) else {
            let reply = repl.borrow_mut().line(line)?;
            if let Reply::Value(value) = reply {
                print(&repl.borrow().show(value, false))?;
            }
            return Ok(Next::Line);
        };
        let argument = command.argument;
        let needed = || {
            if argument.is_empty() {
                Err(
                    CliError::unusable(format!(":{} needs an argument", command.name))
                        .hint(":? lists the commands"),
                )
            } else {
                Ok(())
            }
        };
        match command.name {
            "q" | "quit" => return Ok(Next::End),
            "?" | "help" => print(HELP)?,
            "a" | "add" => {
                needed()?;
                let value = repl.borrow().value(argument)?;
                self.add(repl, value)?;
            }
            "b" | "build" => {
                needed()?;
                let value = repl.borrow().value(argument)?;
                for (output, path) in self.nix.build(value)? {
                    print(&format!("{output} -> {path}"))?;
                }
            }
            "doc" => {
                needed()?;
                let text = repl.borrow().doc(argument)?;
                print(text.trim_end())?;
            }
            "e" | "edit" => {
                needed()?;
                self.edit(repl, argument)?;
            }
            "l" | "load" => {
                needed()?;
                let file = PathBuf::from(argument);
                self.load(repl, &file)?;
                self.loaded.borrow_mut().push(file);
            }
            "p" | "print" => {
                needed()?;
                let value = repl.borrow().value(argument)?;
                let text = repl.borrow().show(value, true);
                print(&text)?;
            }
            "r" | "reload" => {
                self.nix.forget_files();
                repl.borrow_mut().forget();
                self.reload(repl);
            }
            "s" | "string" => {
                needed()?;
                let value = repl.borrow().value(argument)?;
                let (bytes, _) = self.nix.string(value)?;
                print(&String::from_utf8_lossy(&bytes))?;
            }
            "t" | "type" => {
                needed()?;
                let kind = repl.borrow().kind(argument)?;
                print(&kind)?;
            }
            other => {
                let error = CliError::unusable(format!("there is no command ':{other}'"));
                return Err(error.hint(":? lists the commands").into());
            }
        }
        Ok(Next::Line)
    }

    /// Loads all files; what cannot be loaded does not keep the others from it.
    fn reload(&self, repl: &Shared<'e, 'a>) {
        let files = self.loaded.borrow().clone();
        for file in files {
            if let Err(wrong) = self.load(repl, &file) {
                self.complain(wrong);
            }
        }
    }

    fn load(&self, repl: &Shared<'e, 'a>, file: &Path) -> std::result::Result<(), Wrong> {
        let text = file.display().to_string();
        let value = if text.starts_with('<') {
            self.nix.expression(&format!("import {text}"), "«repl»")?
        } else {
            let file = crate::workshop::absolute_file(file)?;
            self.nix.file(&file.display().to_string())?
        };
        let wanted = &self.command.selection.attr;
        let value = match wanted.first() {
            Some(path) => self
                .nix
                .select_path(value, &attr_path(path), self.arguments)?,
            None => value,
        };
        let value = snowglobe_evaluate::loaded(self.nix, self.session, value, self.arguments)?;
        self.add(repl, value)
    }

    fn add(&self, repl: &Shared<'e, 'a>, value: Value<'a>) -> std::result::Result<(), Wrong> {
        let none = self.nix.attrs_from(&[]);
        match self.nix.auto_call(value, none)? {
            Value::Attrs(attrs) => {
                let count = repl.borrow_mut().bind_all(attrs);
                let noun = if count == 1 { "name" } else { "names" };
                print(&format!("{count} {noun} in scope"))?;
                Ok(())
            }
            other => {
                let kind = snowglobe_nix::type_name(other);
                let error = CliError::unusable(format!("a set is needed, and this is {kind}"));
                Err(error.into())
            }
        }
    }

    fn edit(&self, repl: &Shared<'e, 'a>, argument: &str) -> std::result::Result<(), Wrong> {
        let Some((file, line)) = repl.borrow().place(argument)? else {
            let error = CliError::unusable("it is not known where this was written");
            return Err(error
                .hint("a path, a function, or an attribute has a place")
                .into());
        };
        if !Path::new(&file).exists() {
            let error = CliError::unusable(format!("'{file}' is no file of this host"));
            return Err(error
                .hint("it is part of the package set built into snowglobe")
                .into());
        }
        let editor = ["VISUAL", "EDITOR"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .unwrap_or_else(|| "vi".to_owned());
        // As a shell has it: the variable may hold options.
        let status = process::Command::new("sh")
            .args(["-c", &format!("exec {editor} \"$@\""), "sh"])
            .arg(format!("+{line}"))
            .arg(&file)
            .status()?;
        if !status.success() {
            let error = CliError::environment(format!("the editor '{editor}' ended with {status}"));
            return Err(error.into());
        }
        self.nix.forget_files();
        repl.borrow_mut().forget();
        self.reload(repl);
        Ok(())
    }
}

/// Names of files for `:l`; `None`: the cursor is not in its argument.
pub fn completed_file(line: &str, cursor: usize) -> Option<(usize, Vec<String>)> {
    let before = line.get(..cursor)?;
    let command = Command::parse(before)?;
    if !matches!(command.name, "l" | "load") {
        return None;
    }
    let word = command.argument;
    let start = cursor - word.len();
    let (folder, beginning) = match word.rfind('/') {
        Some(slash) => word.split_at(slash + 1),
        None => ("", word),
    };
    let looked_at = if folder.is_empty() { "." } else { folder };
    let mut found: Vec<String> = std::fs::read_dir(looked_at)
        .ok()?
        .filter_map(std::result::Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let folder_entry = entry.path().is_dir();
            let fits = name.starts_with(beginning)
                && (folder_entry || name.ends_with(".nix"))
                && (beginning.starts_with('.') || !name.starts_with('.'));
            fits.then(|| format!("{folder}{name}{}", if folder_entry { "/" } else { "" }))
        })
        .collect();
    found.sort();
    Some((start, found))
}

#[cfg(test)]
mod tests {
    use super::{Command, completed_file};

    #[test]
    fn commands_are_lines_with_a_colon() {
        let parsed = Command::parse("  :l  a b.nix \n").map(|c| (c.name, c.argument));
        assert_eq!(parsed, Some(("l", "a b.nix")));
        assert_eq!(
            Command::parse(":q").map(|c| (c.name, c.argument)),
            Some(("q", ""))
        );
        assert_eq!(Command::parse("a: a"), None);
    }

    #[test]
    fn files_are_completed_only_for_load() {
        assert_eq!(completed_file("1 + sr", 6), None);
        let (start, found) = completed_file(":l sr", 5).expect("it is a file's place");
        assert_eq!((start, found), (3, vec!["src/".to_owned()]));
    }
}
