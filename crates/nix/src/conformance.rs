//! Runs CppNix's language test suite, from a checkout that is not ours, as its own script does.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::eval::Options;
use crate::host::SearchPathEntry;
use crate::instantiate::{Form, Input, Request};
use crate::local::LocalHost;
use crate::report::Error;
use crate::session::evaluate;

/// What became of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did exactly what is expected.
    Passed,
    /// It failed as expected, for the same reason in other words: theirs, ours.
    OtherWords(String, String),
    /// It did something else: what.
    Failed(String),
}

/// One case of the suite.
#[derive(Clone, Debug)]
pub struct Case {
    /// File name without `.nix`.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// All cases.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// In the order of their names.
    pub cases: Vec<Case>,
}

impl Summary {
    /// Cases whose name begins with `group`: how many passed (in the same or other words), and
    /// how many there are.
    pub fn count(&self, group: &str) -> (usize, usize) {
        let cases = self
            .cases
            .iter()
            .filter(|case| case.name.starts_with(group));
        let passed = cases
            .clone()
            .filter(|case| !matches!(case.outcome, Outcome::Failed(_)))
            .count();
        (passed, cases.count())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            match &case.outcome {
                Outcome::Passed => {}
                Outcome::OtherWords(theirs, ours) => {
                    writeln!(
                        f,
                        "other words: {}\n    theirs: {theirs}\n    ours:   {ours}",
                        case.name
                    )?;
                }
                Outcome::Failed(why) => writeln!(
                    f,
                    "FAILED: {}\n    {}",
                    case.name,
                    why.replace('\n', "\n    ")
                )?,
            }
        }
        for group in ["parse-okay", "parse-fail", "eval-okay", "eval-fail"] {
            let (passed, all) = self.count(group);
            writeln!(f, "{group}: {passed} of {all}")?;
        }
        Ok(())
    }
}

/// Runs the suite below `tests/functional` of a checkout (or in its `lang` itself).
pub fn lang(directory: &Path) -> io::Result<Summary> {
    let directory = fs::canonicalize(directory)?;
    let functional = match directory.file_name() {
        Some(name) if name == "lang" => directory
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or(directory),
        _ if directory.join("tests/functional/lang").is_dir() => directory.join("tests/functional"),
        _ => directory,
    };
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(functional.join("lang"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".nix")
            && ["parse-okay-", "parse-fail-", "eval-okay-", "eval-fail-"]
                .iter()
                .any(|group| name.starts_with(group))
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    let suite = Suite { functional };
    let mut summary = Summary::default();
    for name in names {
        if let Some(outcome) = suite.run(&name)? {
            summary.cases.push(Case { name, outcome });
        }
    }
    Ok(summary)
}

struct Suite {
    functional: PathBuf,
}

impl Suite {
    fn expected(&self, name: &str, extension: &str) -> io::Result<Option<String>> {
        match fs::read(self.functional.join(format!("lang/{name}.{extension}"))) {
            Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn run(&self, name: &str) -> io::Result<Option<Outcome>> {
        let file = self.functional.join(format!("lang/{name}.nix"));
        let mut options = Options {
            base_path: self.functional.display().to_string(),
            flakes: true,
            ..Options::default()
        };
        let flags = self.expected(name, "flags")?;
        let words: Vec<String> = flags
            .iter()
            .flat_map(|text| text.lines())
            .flat_map(|line| split_words(line.split('#').next().unwrap_or_default()))
            .collect();
        let mut request = match Request::parse_args(words, &mut options) {
            Ok(request) => request,
            Err(error) => return Ok(Some(Outcome::Failed(error.to_string()))),
        };
        if name.starts_with("parse-") {
            let text = fs::read(&file)?;
            return Ok(Some(self.parse(name, &text, options)?));
        }
        request.inputs = vec![Input::File(file.display().to_string())];
        request.eval |= flags.is_none() || name.starts_with("eval-okay");
        request.strict |= flags.is_none() || name.starts_with("eval-okay");
        let expected_xml = self.expected(name, "exp.xml")?;
        if expected_xml.is_some() {
            request.form = Form::Xml;
            request.no_location = true;
        }
        if self.expected(name, "exp-disabled")?.is_some() {
            return Ok(None);
        }
        let mut search_path = request.search_path.clone();
        search_path.extend(SearchPathEntry::parse_list("lang/dir3:lang/dir4"));
        let mut host = LocalHost::default();
        host.search_path = search_path;
        host.env = [("HOME", "/fake-home"), ("TEST_VAR", "foo")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        host.messages = Some(Mutex::default());
        let result = evaluate(&host, options, |nix| {
            let mut out = Vec::new();
            nix.instantiate(&request, &mut out)
                .map(|()| out)
                .map_err(|fault| nix.report(fault))
        })?;
        let pwd = self.functional.display().to_string();
        Ok(Some(if name.starts_with("eval-okay") {
            let expected = match expected_xml {
                Some(expected) => expected,
                None => self.expected(name, "exp")?.unwrap_or_default(),
            };
            match result {
                Ok(out) => {
                    let out = String::from_utf8_lossy(&out).replace(&pwd, "/pwd");
                    if out == expected {
                        Outcome::Passed
                    } else {
                        Outcome::Failed(format!(
                            "theirs: {}\nours:   {}",
                            expected.trim_end(),
                            out.trim_end()
                        ))
                    }
                }
                Err(error) => Outcome::Failed(error.to_string()),
            }
        } else {
            match result {
                Ok(out) => Outcome::Failed(format!(
                    "it evaluates to {}",
                    String::from_utf8_lossy(&out).trim_end()
                )),
                Err(error) => self.reason(name, &error, &pwd)?,
            }
        }))
    }

    fn parse(&self, name: &str, text: &[u8], options: Options) -> io::Result<Outcome> {
        let host = LocalHost::default();
        let result = evaluate(&host, options, |nix| {
            let origin = crate::source::Origin::Text("«stdin»".to_owned());
            nix.check(text, origin).map_err(|fault| nix.report(fault))
        })?;
        match (name.starts_with("parse-okay"), result) {
            (true, Ok(())) => Ok(Outcome::Passed),
            (true, Err(error)) => Ok(Outcome::Failed(error.to_string())),
            (false, Ok(())) => Ok(Outcome::Failed("it parses".to_owned())),
            (false, Err(error)) => self.reason(name, &error, ""),
        }
    }

    /// Whether an error has the reason that the suite expects.
    fn reason(&self, name: &str, error: &Error, pwd: &str) -> io::Result<Outcome> {
        let Some(expected) = self.expected(name, "err.exp")? else {
            return Ok(Outcome::Failed(
                "the suite does not say how it fails".to_owned(),
            ));
        };
        let theirs = last_error(&expected);
        let mut ours = error.message.clone();
        if !pwd.is_empty() {
            ours = ours.replace(pwd, "/pwd");
        }
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let (theirs, ours) = (words(&theirs), words(&ours));
        if theirs == ours {
            Ok(Outcome::Passed)
        } else if alike(&theirs, &ours) {
            Ok(Outcome::OtherWords(theirs, ours))
        } else {
            Ok(Outcome::Failed(format!("theirs: {theirs}\nours:   {ours}")))
        }
    }
}

/// Words of a flags file; quotes hold words together.
fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut started = false;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                started = true;
            }
            (None, c) if c.is_whitespace() => {
                if started {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            (_, c) => {
                word.push(c);
                started = true;
            }
        }
    }
    if started {
        words.push(word);
    }
    words
}

/// The message of the last `error:` in a report, without what is shown of the source after it.
fn last_error(report: &str) -> String {
    let start = report.rfind("error:").map_or(0, |at| at + "error:".len());
    let mut lines = Vec::new();
    for line in report[start..].lines() {
        let line = line.trim();
        if line.starts_with("at ") && line.ends_with(':') || line.starts_with('…') {
            break;
        }
        lines.push(line);
    }
    lines.join(" ").trim().to_owned()
}

/// Whether two messages have most of their words in common.
fn alike(a: &str, b: &str) -> bool {
    let words = |text: &str| -> std::collections::BTreeSet<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.len() > 2)
            .map(str::to_lowercase)
            .collect()
    };
    let (a, b) = (words(a), words(b));
    let common = a.intersection(&b).count();
    common > 0 && common * 2 >= a.len().min(b.len())
}
