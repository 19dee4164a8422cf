//! What most commands need: caches, archives, the evaluator's session.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snowglobe_archive::{Archive, Known, Progress, Settings as ArchiveSettings, Snapshot};
use snowglobe_evaluate::{Argument, Note, PlanError, PlanRequest, Session, Settings, Source};
use snowglobe_events::Location;
use snowglobe_images::{Cache, Use};
use snowglobe_nix::{Options, Origin, RenderOptions, SearchPathEntry, evaluate};
use snowglobe_plan::Plan;
use snowglobe_store::Store;

use crate::arguments::Selection;
use crate::builder::OnDemand;
use crate::error::{CliError, Evaluation, Result, chain};
use crate::packages::ArchivePackages;
use crate::places::Places;
use crate::prepare::image_error;

/// Caches and archives of one invocation.
#[derive(Clone)]
pub struct Workshop {
    /// Where everything lies.
    pub places: Places,
    /// Store objects.
    pub store: Store,
    /// Package archives.
    pub archive: Archive,
    /// The same, as the evaluator asks.
    pub packages: Arc<ArchivePackages>,
    /// Nothing that is used from now on is collected.
    _use: Arc<Use>,
}

impl Workshop {
    /// Opens caches; nothing is fetched.
    pub fn open(offline: bool, progress: Arc<dyn Progress>) -> Result<Self> {
        let places = Places::from_environment()?;
        let cache = Cache::open(&places.cache).map_err(image_error)?;
        let in_use = cache.begin_use().map_err(image_error)?;
        let store = Store::open(places.store()).map_err(|e| match e {
            snowglobe_store::Error::Io(e) => CliError::from(e),
            other => CliError::environment(chain(&other)),
        })?;
        let settings = ArchiveSettings {
            offline,
            progress,
            ..ArchiveSettings::default()
        };
        let archive = Archive::new(&places.cache, settings);
        let packages = Arc::new(ArchivePackages::new(archive.clone()));
        Ok(Self {
            places,
            store,
            archive,
            packages,
            _use: Arc::new(in_use),
        })
    }

    /// The state of the archives in use; the first time, it is fetched.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>> {
        self.packages.open().map_err(archive_error)
    }

    /// A session for files of a folder.
    pub fn session(
        &self,
        selection: &Selection,
        home: &Path,
        notes: Box<dyn Fn(Note) + Send + Sync>,
    ) -> Session {
        Session::new(Settings {
            store: self.store.clone(),
            packages: self.packages.clone(),
            builder: Some(Arc::new(OnDemand::new(self))),
            search_path: selection
                .include
                .iter()
                .map(|text| SearchPathEntry::parse(text))
                .collect(),
            home: home.to_owned(),
            nixpkgs: selection
                .nixpkgs
                .as_ref()
                .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            notes,
        })
    }

    /// Adds to an error about a name that `pkgs` does not have which Debian package has a program of that
    /// name. Nothing is said if that cannot be known.
    pub fn with_program(&self, error: CliError) -> CliError {
        let Some(name) = error.evaluation.as_ref().and_then(|evaluation| {
            let line = evaluation.location.as_ref().map(|at| at.source.as_str());
            unknown_package(&error.message, line.unwrap_or_default())
        }) else {
            return error;
        };
        let Ok(snapshot) = self.snapshot() else {
            return error;
        };
        let found = self.archive.contents(&snapshot);
        let packages = found.map(|contents| contents.packages(Known::Program, &name));
        let mut packages = packages.unwrap_or_default();
        packages.retain(|package| snapshot.package(package).is_ok_and(|found| found.is_some()));
        packages.truncate(3);
        if packages.is_empty() {
            return error;
        }
        let names: Vec<String> = packages.iter().map(|name| format!("pkgs.{name}")).collect();
        error.hint(format!("the program '{name}' is in {}", names.join(", ")))
    }

    /// The plan of a file's tests, as far as they can be evaluated.
    pub fn plan(
        &self,
        file: &Path,
        selection: &Selection,
        notes: Box<dyn Fn(Note) + Send + Sync>,
    ) -> Result<Planned> {
        let file = absolute_file(file)?;
        let home = file.parent().unwrap_or(Path::new("/")).to_owned();
        let session = self.session(selection, &home, notes);
        let mut all: Option<Planned> = None;
        let attrs = if selection.attr.is_empty() {
            vec![String::new()]
        } else {
            selection.attr.clone()
        };
        for attr in attrs {
            let request = PlanRequest {
                source: Source::File(file.clone()),
                attr_path: attr_path(&attr),
                arguments: arguments(selection)?,
                options: Options::default(),
            };
            let one = snowglobe_evaluate::plan(&session, &request)
                .map_err(|error| self.with_program(plan_error(error, selection.show_trace)))?;
            let unusable = one.unusable.iter().map(|test| {
                let mut error = evaluation_error(&test.error, selection.show_trace);
                error.test = Some(test.attr_path.join("."));
                self.with_program(error)
            });
            let unusable: VecDeque<_> = unusable.collect();
            match &mut all {
                None => {
                    let plan = one.plan;
                    all = Some(Planned { plan, unusable });
                }
                Some(all) => {
                    all.plan.tests.extend(one.plan.tests);
                    all.plan.store.extend(one.plan.store);
                    all.plan.archive = one.plan.archive;
                    all.unusable.extend(unusable);
                }
            }
        }
        Ok(all.expect("at least one attribute path"))
    }
}

/// A file's tests.
pub struct Planned {
    /// Those that can be run.
    pub plan: Plan,
    /// What is wrong with the others, each by itself.
    pub unusable: VecDeque<CliError>,
}

impl Planned {
    /// The plan, if every test can be run.
    pub fn whole(self) -> Result<Plan> {
        match self.unusable.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(self.plan),
        }
    }
}

/// Checks the syntax of one file, without what it imports.
pub fn check_syntax(file: &Path) -> Result<()> {
    let file = absolute_file(file)?;
    let text = fs_err::read(&file).map_err(CliError::unusable)?;
    let host = snowglobe_nix::LocalHost::from_env();
    let origin = Origin::File(file.display().to_string());
    let checked = evaluate(&host, Options::default(), |nix| {
        nix.check(&text, origin).map_err(|fault| nix.report(fault))
    })?;
    checked.map_err(|error| evaluation_error(&error, false))
}

/// A file given by the user, as an absolute path; it must exist.
pub fn absolute_file(file: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(file)?;
    if !absolute.exists() {
        return Err(CliError::unusable(format!(
            "there is no file '{}'",
            file.display()
        )));
    }
    Ok(if absolute.is_dir() {
        absolute.join("default.nix")
    } else {
        absolute
    })
}

/// Splits `a.b."c.d"`.
pub fn attr_path(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    if !text.is_empty() {
        parts.push(part);
    }
    parts
}

/// `--arg` and `--argstr`.
pub fn arguments(selection: &Selection) -> Result<BTreeMap<String, Argument>> {
    let mut arguments = BTreeMap::new();
    for pair in selection.arg.chunks_exact(2) {
        arguments.insert(pair[0].clone(), Argument::Expression(pair[1].clone()));
    }
    for pair in selection.argstr.chunks_exact(2) {
        arguments.insert(pair[0].clone(), Argument::Text(pair[1].clone()));
    }
    Ok(arguments)
}

/// An error of an evaluation, told from the user's side: steps inside of the embedded library are
/// left out unless `full_trace`.
pub fn evaluation_error(error: &snowglobe_nix::Error, full_trace: bool) -> CliError {
    let told;
    let error = if full_trace {
        error
    } else {
        told = snowglobe_evaluate::for_user(error);
        &told
    };
    let options = RenderOptions {
        full_trace,
        ..RenderOptions::default()
    };
    let location = error.location.as_ref().map(|location| Location {
        file: location.origin.name().to_owned(),
        line: location.line,
        script_line: location.line,
        source: location.text.clone(),
    });
    let mut failed = CliError::unusable(&error.message);
    failed.evaluation = Some(Box::new(Evaluation {
        location,
        details: error.render(options),
    }));
    failed
}

/// Why there is no plan.
pub fn plan_error(error: PlanError, full_trace: bool) -> CliError {
    match error {
        PlanError::Evaluation(error) => evaluation_error(&error, full_trace),
        PlanError::Start(_) => CliError::environment(error),
        PlanError::Format(_) => CliError::unusable(error)
            .hint("this is an error of Snowglobe; please report it with the test"),
    }
}

/// The name that `pkgs` was asked for and does not have, from the words of an error and the line that it
/// is about.
fn unknown_package(message: &str, line: &str) -> Option<String> {
    let quoted = |before: &str, after: &str| {
        let name = message.strip_prefix(before)?.split_once('\'')?;
        name.1.starts_with(after).then_some(name.0)
    };
    let name = match quoted("attribute '", " missing") {
        Some(name) => Some(name).filter(|name| line.contains(&format!("pkgs.{name}"))),
        None => quoted("undefined variable '", ""),
    };
    name.filter(|name| !name.is_empty()).map(str::to_owned)
}

/// An archive's error is the environment's, unless a package does not exist.
pub fn archive_error(error: snowglobe_archive::Error) -> CliError {
    use snowglobe_archive::Error as Archive;
    let message = chain(&error);
    match error {
        Archive::NoSuchPackage { similar, .. } => {
            let error = CliError::unusable(message);
            if similar.is_empty() {
                error
            } else {
                error.hint(format!("did you mean {}?", similar.join(", ")))
            }
        }
        Archive::Io(error) => error.into(),
        Archive::Network { .. } => CliError::environment(message).hint(
            "is there a network? SNOWGLOBE_MIRROR chooses another mirror, http_proxy a proxy; --offline works with what is in the cache",
        ),
        Archive::Cancelled => CliError::interrupted(),
        _ => CliError::environment(message),
    }
}

#[cfg(test)]
mod tests {
    use super::attr_path;

    #[test]
    fn only_packages_are_looked_for() {
        let rows = [
            ("attribute 'dig2' missing", "[ pkgs.dig2 ]", Some("dig2")),
            ("attribute 'test' missing", "config.test", None),
            (
                "undefined variable 'nslookup'",
                "nslookup",
                Some("nslookup"),
            ),
            ("attribute '' missing", "pkgs.", None),
            ("something else", "pkgs.dig", None),
        ];
        for (message, line, expected) in rows {
            let name = super::unknown_package(message, line);
            assert_eq!(name.as_deref(), expected, "{message}");
        }
    }

    #[test]
    fn attribute_paths_are_split_at_dots_outside_quotes() {
        assert_eq!(attr_path("a.b"), ["a", "b"]);
        assert_eq!(attr_path("a.\"b.c\".d"), ["a", "b.c", "d"]);
        assert!(attr_path("").is_empty());
    }
}
