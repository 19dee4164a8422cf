//! Machines of a run that failed, kept in its folder for `snowglobe resume`.
//!
//! `capture/` of a run folder holds what the driver saved (see `snowglobe_world`) and `resume.json`, which says what the
//! machines are made of: the images themselves stay in the cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use snowglobe_events::Kind as EventKind;
use snowglobe_images::disk_use;
use snowglobe_machines::{Accelerator, Boot};
use snowglobe_plan::Test;
use snowglobe_report::Failed;
use snowglobe_report::runs::{KeptRun, list};

use crate::arguments::{Accel, Machines};
use crate::error::{CliError, Result};
use crate::prepare::ScriptPackages;

/// Folder below a run's.
const FOLDER: &str = "capture";
const FILE: &str = "resume.json";
const FORMAT: u32 = 1;
/// So many failed runs can be resumed.
const KEPT: usize = 5;
/// Bytes that they may take together; the latest may always.
const MOST: u64 = 8 << 30;

/// What a captured run was made of.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Captured {
    format: u32,
    /// The test.
    pub test: Test,
    /// What each node boots.
    pub boots: BTreeMap<String, Boot>,
    /// What the script's process sees.
    pub visible: Vec<PathBuf>,
    /// Packages of the script's process.
    #[serde(default)]
    pub packages: ScriptPackages,
    /// Whether machines reach the internet.
    pub internet: bool,
    /// Whether it ran by KVM: a saved machine cannot change that.
    pub kvm: bool,
    /// What went wrong, in words.
    pub failure: String,
    /// Where it is; not in the file.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// Where the machines of a run are saved.
pub fn folder(run: &Path) -> PathBuf {
    run.join(FOLDER)
}

impl Captured {
    /// What goes into the file.
    pub fn new(
        test: &Test,
        boots: &BTreeMap<String, Boot>,
        visible: &[PathBuf],
        packages: &ScriptPackages,
        internet: bool,
        accelerator: Accelerator,
    ) -> Self {
        Self {
            format: FORMAT,
            test: test.clone(),
            boots: boots.clone(),
            visible: visible.to_vec(),
            packages: packages.clone(),
            internet,
            kvm: accelerator == Accelerator::Kvm,
            failure: String::new(),
            folder: PathBuf::new(),
        }
    }

    /// How machines run that are put back.
    pub fn machines(&self) -> Machines {
        Machines {
            accel: if self.kvm { Accel::Kvm } else { Accel::Tcg },
            internet: self.internet,
            ..Machines::default()
        }
    }

    /// Completes a capture that the driver has made, if it has; then older ones may go.
    pub fn complete(mut self, run: &Path, failure: &str) -> Result<()> {
        let folder = folder(run);
        if !folder.is_dir() {
            return Ok(());
        }
        failure.clone_into(&mut self.failure);
        let text = serde_json::to_vec(&self).map_err(CliError::environment)?;
        // Last, and by one rename: without it nothing is resumed.
        let new = folder.join(".new-resume.json");
        fs::write(&new, text)?;
        fs::rename(&new, folder.join(FILE))?;
        if let Some(runs) = run.parent() {
            tidy(runs);
        }
        Ok(())
    }

    /// Reads what a run kept; `None`: it kept nothing.
    pub fn read(run: &Path) -> Result<Option<Self>> {
        let folder = folder(run);
        let text = match fs::read(folder.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let captured: Self = serde_json::from_slice(&text).map_err(CliError::environment)?;
        if captured.format != FORMAT {
            return Err(CliError::environment(format!(
                "the machines of this run were saved in the format {}, not {FORMAT}",
                captured.format
            )));
        }
        for boot in captured.boots.values() {
            let files = boot.layers.iter().chain(&boot.initrd);
            let files = files.chain(&captured.packages.layers);
            for file in files.chain([&boot.kernel]) {
                if !file.exists() {
                    return Err(CliError::environment(format!(
                        "the cache does not hold {} any more, which this run's machines are built on",
                        file.display()
                    ))
                    .hint("run the test again"));
                }
            }
        }
        Ok(Some(Self { folder, ..captured }))
    }
}

/// The latest run of a test, or of any, whose machines were kept.
pub fn latest(runs: &Path, title: Option<&str>) -> Result<Option<KeptRun>> {
    let kept = |run: &KeptRun| {
        let named = title.is_none_or(|title| run.title == title);
        named && folder(&run.path).join(FILE).is_file()
    };
    Ok(list(runs)?.into_iter().find(kept))
}

/// The failure for one who comes back to it.
pub fn words(failed: &Failed) -> String {
    let EventKind::Failure {
        class,
        message,
        location,
        ..
    } = &failed.kind
    else {
        return String::new();
    };
    let place = location.as_ref().map_or_else(String::new, |place| {
        format!("\n  {}:{}: {}", place.file, place.line, place.source.trim())
    });
    format!("{class}: {message}{place}")
}

/// Removes saved machines of older runs; their folders and reports stay.
fn tidy(runs: &Path) {
    let Ok(all) = list(runs) else { return };
    let mut total = 0;
    let kept = all
        .iter()
        .map(|run| folder(&run.path))
        .filter(|folder| folder.is_dir());
    for (number, folder) in kept.enumerate() {
        total += disk_use(&folder);
        if number > 0 && (number >= KEPT || total > MOST) {
            // The word that makes it one goes first.
            let _ = fs::remove_file(folder.join(FILE));
            let _ = fs::remove_dir_all(&folder);
            let _ = fs::remove_dir_all(folder.with_file_name("checkpoints"));
        }
    }
}
