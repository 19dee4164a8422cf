//! Lines from a terminal (with editing, history, completion) or from a pipe.

use std::cell::RefCell;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use snowglobe_nix::repl::Repl;

use super::session::{Command, completed_file};
use crate::error::{CliError, Result};

/// The session, as the line editor asks it.
pub type Shared<'e, 'a> = RefCell<Repl<'e, 'a>>;

const PROMPT: &str = "snowglobe> ";
/// Inputs that are remembered.
const KEPT: usize = 5000;

/// Where inputs come from.
pub struct Lines<'r, 'e, 'a> {
    repl: &'r Shared<'e, 'a>,
    /// `None`: a pipe or a file, whose lines are collected until they are a whole expression.
    terminal: Option<Terminal<'r, 'e, 'a>>,
}

struct Terminal<'r, 'e, 'a> {
    editor: Editor<Language<'r, 'e, 'a>, FileHistory>,
    history: PathBuf,
}

impl<'r, 'e, 'a> Lines<'r, 'e, 'a> {
    /// The program's standard input.
    pub fn open(repl: &'r Shared<'e, 'a>, history: &Path) -> Result<Self> {
        let person = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let terminal = person.then(|| Terminal::open(repl, history)).transpose()?;
        Ok(Self { repl, terminal })
    }

    /// Whether a person types the lines.
    pub fn interactive(&self) -> bool {
        self.terminal.is_some()
    }

    /// The next input, perhaps several lines; `None` at the end.
    pub fn read(&mut self) -> Result<Option<String>> {
        match &mut self.terminal {
            Some(terminal) => terminal.read(),
            None => piped(self.repl),
        }
    }
}

impl<'r, 'e, 'a> Terminal<'r, 'e, 'a> {
    fn open(repl: &'r Shared<'e, 'a>, history: &Path) -> Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(KEPT)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(CliError::environment)?
            .history_ignore_space(true)
            .build();
        let mut editor = Editor::with_config(config).map_err(CliError::environment)?;
        editor.set_helper(Some(Language(repl)));
        if let Some(parent) = history.parent() {
            fs_err::create_dir_all(parent)?;
        }
        // The first session has none.
        let _ = editor.load_history(history);
        Ok(Self {
            editor,
            history: history.to_owned(),
        })
    }

    fn read(&mut self) -> Result<Option<String>> {
        loop {
            match self.editor.readline(PROMPT) {
                Ok(line) => {
                    let kept = self.editor.add_history_entry(line.trim()).and_then(|new| {
                        if new {
                            self.editor.append_history(&self.history)
                        } else {
                            Ok(())
                        }
                    });
                    if let Err(error) = kept {
                        anstream::eprintln!("note: the history is not kept: {error}");
                    }
                    return Ok(Some(line));
                }
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(CliError::environment(error)),
            }
        }
    }
}

fn piped(repl: &Shared<'_, '_>) -> Result<Option<String>> {
    let mut input = String::new();
    while std::io::stdin().lock().read_line(&mut input)? > 0 {
        if whole(repl, &input) {
            return Ok(Some(input));
        }
    }
    Ok((!input.trim().is_empty()).then_some(input))
}

/// Whether an input needs no further line.
fn whole(repl: &Shared<'_, '_>, text: &str) -> bool {
    Command::parse(text).is_some() || !repl.borrow().unfinished(text)
}

/// What the line editor has to know of the language.
struct Language<'r, 'e, 'a>(&'r Shared<'e, 'a>);

impl Completer for Language<'_, '_, '_> {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let files = completed_file(line, cursor);
        Ok(files.unwrap_or_else(|| self.0.borrow().complete(line, cursor)))
    }
}

impl Validator for Language<'_, '_, '_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        // An empty line ends an expression in any case: whoever is stuck gets out.
        let done = text.ends_with('\n') || whole(self.0, text);
        Ok(if done {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Hinter for Language<'_, '_, '_> {
    type Hint = String;
}
impl Highlighter for Language<'_, '_, '_> {}
impl Helper for Language<'_, '_, '_> {}
