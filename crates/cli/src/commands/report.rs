//! `snowglobe report`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use fs_err as fs;
use snowglobe_report::{
    Classic, Fold, JsonLines, Options, Paint, RunFolder, Terminal, View, replay,
};

use crate::error::{CliError, Kind, Result};
use crate::places::Places;

/// `report`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  snowglobe report                       # the latest run: its report.html, made again\n  snowglobe report login                 # the latest run of the test login\n  snowglobe report --format classic      # the run as upstream's driver would have told it\n  snowglobe report --format junit -o results.xml"
)]
pub struct Report {
    /// Name of a run (`snowglobe runs`), path of its folder, or a test's name; default: the latest
    #[arg(value_name = "RUN")]
    pub name: Option<String>,
    /// Print the run in this form; without, the files in the run folder are made again
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE", requires = "format")]
    pub output: Option<PathBuf>,
}

/// Forms of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As `snowglobe run` shows it
    Human,
    /// The same with consoles and what commands wrote
    Verbose,
    /// As upstream's driver writes
    Classic,
    /// One event a line
    Json,
    /// The page
    Html,
    /// JUnit's XML
    Junit,
}

/// Makes the files of a run again, or prints it.
pub fn run(command: &Report) -> Result {
    let runs = Places::from_environment()?.runs();
    let found = snowglobe_report::runs::find(&runs, command.name.as_deref()).map_err(|e| {
        CliError::unusable(e).hint("`snowglobe runs` lists the runs that were kept")
    })?;
    let folder = found.path;
    let Some(format) = command.format else {
        if found.under_way {
            return Err(
                CliError::unusable(format!("the run {} is under way", folder.display()))
                    .hint("its files are made when it ends; `--format` shows how far it is"),
            );
        }
        tell(&folder, vec![Box::new(RunFolder::remake(&folder))])?;
        writeln!(
            std::io::stdout(),
            "{}",
            folder.join("report.html").display()
        )?;
        return Ok(Kind::Passed);
    };
    match &command.output {
        Some(path) => {
            // Another name first: nobody reads half a report.
            let directory = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            print(&folder, format, file.reopen()?, Paint::plain())?;
            file.flush()?;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            file.as_file().set_permissions(mode)?;
            file.persist(path).map_err(|e| CliError::from(e.error))?;
        }
        None => print(&folder, format, std::io::stdout(), Paint::for_stdout())?,
    }
    Ok(Kind::Passed)
}

fn print(
    folder: &Path,
    format: Format,
    mut out: impl Write + Send + 'static,
    paint: Paint,
) -> Result<()> {
    match format {
        Format::Human | Format::Verbose => {
            let options = Options {
                paint,
                verbose: format == Format::Verbose,
                run_dir: Some(folder.to_owned()),
                ..Options::default()
            };
            tell(folder, vec![Box::new(Terminal::new(out, options))])
        }
        Format::Classic => tell(folder, vec![Box::new(Classic::new(out, paint))]),
        Format::Json => tell(folder, vec![Box::new(JsonLines::new(out))]),
        Format::Html => {
            let page = snowglobe_report::page(folder)?;
            Ok(out.write_all(page.as_bytes())?)
        }
        Format::Junit => {
            let mut fold = Fold::new();
            let file = fs::File::open(folder.join("events.jsonl"))?;
            for event in snowglobe_events::Reader::new(std::io::BufReader::new(file)) {
                fold.event(&event.map_err(CliError::environment)?);
            }
            Ok(out.write_all(snowglobe_report::junit(&fold).as_bytes())?)
        }
    }
}

fn tell(folder: &Path, mut views: Vec<Box<dyn View>>) -> Result<()> {
    let events = folder.join("events.jsonl");
    replay(&events, &mut views).map_err(|e| CliError::environment(crate::error::chain(&e)))
}
