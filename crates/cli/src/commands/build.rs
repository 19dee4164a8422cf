//! `snowglobe build`.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser};
use fs_err as fs;
use snowglobe_evaluate::{Build as Wanted, PlanRequest, Source};
use snowglobe_plan::Plan;

use super::eval::say;
use super::run::planned;
use crate::arguments::{Arguments, Command, Machines, Run, Selection};
use crate::error::{CliError, Kind, Result};
use crate::prepare::{Factory, Runner};
use crate::room;
use crate::session::Session;
use crate::workshop::{absolute_file, arguments, attr_path, plan_error};

/// `build`.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  snowglobe build test.nix\n  snowglobe build -E '(import <nixpkgs> {}).hello'\n  $(snowglobe build test.nix -A driverInteractive)/bin/nixos-test-driver\n\nBuilding a test runs it. The paths that are printed and linked are those of this host; what is built refers\nto itself by its path in machines, /nix/store/..."
)]
pub struct Build {
    /// File to evaluate; default: default.nix
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Expression to evaluate
    #[arg(short = 'E', long, conflicts_with = "file")]
    pub expr: Option<String>,
    /// Selection and arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// Name of the link to what was built; the second is NAME-2, and so on
    #[arg(short, long, value_name = "NAME", default_value = "result")]
    pub out_link: PathBuf,
    /// Make no link
    #[arg(long)]
    pub no_out_link: bool,
    /// Keep the folder of a build that fails
    #[arg(short = 'K', long)]
    pub keep_failed: bool,
    /// How machines of tests run.
    #[command(flatten)]
    pub machines: Machines,
}

/// Builds, links, and prints where it lies.
pub fn run(command: &Build) -> Result {
    let session = Arc::new(Session::open(&command.machines)?);
    session.reporter.speak();
    let mut links = 0;
    let attrs = match command.selection.attr.is_empty() {
        true => vec![String::new()],
        false => command.selection.attr.clone(),
    };
    let (source, home, title) = source(command)?;
    let evaluation = session
        .workshop
        .session(&command.selection, &home, Box::new(say));
    let mut wanted = Vec::new();
    for attr in attrs {
        let request = PlanRequest {
            source: source.clone(),
            attr_path: attr_path(&attr),
            arguments: arguments(&command.selection)?,
            options: snowglobe_nix::Options {
                base_path: home.display().to_string(),
                ..snowglobe_nix::Options::default()
            },
        };
        wanted.extend(
            snowglobe_evaluate::builds(&evaluation, &request)
                .map_err(|error| plan_error(error, command.selection.show_trace))?,
        );
    }
    let runner = TestRunner {
        session: session.clone(),
        title,
    };
    let factory = Factory::new(
        &session.workshop,
        &evaluation.snapshot(),
        session.reporter.clone(),
    )?
    .stop(&session.interrupt)
    .keep_failed(command.keep_failed)
    .runner(Arc::new(runner));
    let roots: BTreeSet<_> = wanted.iter().map(|w| w.path.clone()).collect();
    factory.realise(&evaluation.objects(), &roots)?;
    let mut seen = BTreeSet::new();
    for one in wanted.iter().filter(|w| seen.insert(&w.path)) {
        let object = session.workshop.store.object(&one.path);
        links += 1;
        if !command.no_out_link {
            link(&session.workshop.places.cache, command, one, links, &object)?;
        }
        let line = format!("{}\n", object.display());
        match std::io::stdout().write_all(line.as_bytes()) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {}
            other => other?,
        }
    }
    room::tidy(&session);
    Ok(Kind::Passed)
}

/// What is evaluated, the folder that paths are relative to, and what messages call it.
fn source(command: &Build) -> Result<(Source, PathBuf, PathBuf)> {
    if let Some(expr) = &command.expr {
        let source = Source::Text {
            text: expr.clone(),
            name: "«string»".to_owned(),
        };
        return Ok((
            source,
            std::env::current_dir()?,
            PathBuf::from("expression"),
        ));
    }
    let file = command.file.as_deref().unwrap_or(Path::new("default.nix"));
    // `<nixpkgs/nixos/tests/login.nix>` is looked up as in the language.
    let text = file.display().to_string();
    if text.starts_with('<') && text.ends_with('>') {
        let source = Source::Text {
            text: format!("import {text}"),
            name: text.clone(),
        };
        return Ok((source, std::env::current_dir()?, file.to_owned()));
    }
    let absolute = absolute_file(file)?;
    let home = absolute.parent().unwrap_or(Path::new("/")).to_owned();
    Ok((Source::File(absolute.clone()), home, absolute))
}

/// Makes the link to an object, and remembers it, so that the object is kept as long as the link is.
fn link(cache: &Path, command: &Build, one: &Wanted, number: usize, object: &Path) -> Result<()> {
    let mut name = command.out_link.clone().into_os_string();
    if number > 1 {
        name.push(format!("-{number}"));
    }
    if one.output != "out" {
        name.push(format!("-{}", one.output));
    }
    let link = std::path::absolute(name)?;
    let roots = cache.join("roots");
    fs::create_dir_all(&roots)?;
    let key = blake3::hash(link.as_os_str().as_encoded_bytes());
    replace_link(&link, &roots.join(&key.to_hex()[..20]))?;
    match fs::symlink_metadata(&link) {
        Ok(data) if !data.is_symlink() => {
            return Err(CliError::unusable(format!(
                "'{}' is in the way: it is not a link",
                link.display()
            ))
            .hint("choose another name with --out-link, or make no link with --no-out-link"));
        }
        _ => {}
    }
    replace_link(object, &link)
}

/// Makes a link, in place of one that may be there, in one step.
fn replace_link(target: &Path, link: &Path) -> Result<()> {
    let mut fresh = link.as_os_str().to_owned();
    fresh.push(format!(".new-{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let _ = fs::remove_file(&fresh);
    symlink(target, &fresh).map_err(|e| {
        CliError::environment(format!("cannot make the link {}: {e}", link.display()))
    })?;
    Ok(fs::rename(&fresh, link)?)
}

/// Runs tests with the views and the run folders of `snowglobe run`.
struct TestRunner {
    session: Arc<Session>,
    title: PathBuf,
}

impl Runner for TestRunner {
    fn run(&self, plan: Plan, out: &Path) -> Result<()> {
        let mut command = run_defaults();
        command.files = vec![self.title.clone()];
        command.output = Some(out.to_owned());
        let name = plan.tests.first().map_or("", |test| &test.name).to_owned();
        match planned(&self.session, &command, plan)? {
            Kind::Passed => Ok(()),
            kind => Err(CliError {
                kind,
                ..CliError::unusable(format!("the test '{name}' did not pass"))
            }),
        }
    }
}

/// What `snowglobe run FILE` would do without options.
pub fn run_defaults() -> Run {
    match Arguments::parse_from(["snowglobe", "run", "test"]).command {
        Command::Run(run) => run,
        _ => unreachable!("`run` is that command"),
    }
}
