//! Scripts run on the host's Python against fake machines. `SNOWGLOBE_PYTHON` names the Python;
//! without it `python3` of the PATH is taken, and without that the tests say why they skip.

mod bounds;
mod checks;
mod failures;
mod methods;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use snowglobe_driver::fake::FakeWorld;
use snowglobe_driver::{Cancel, HostTools, Mode, RunConfig, World, finish, run, started};
use snowglobe_events::{Event, Kind, Outcome, Sink};
use snowglobe_plan::{Position, Script, Test};

/// A run to be, with defaults.
pub(crate) struct Setup {
    script: String,
    machines: Vec<&'static str>,
    global_timeout: u64,
    checked: bool,
    time_scale: f64,
    position: Option<Position>,
    cancel: Cancel,
}

/// What a run left.
pub(crate) struct Done {
    outcome: Outcome,
    events: Vec<Arc<Event>>,
    folder: tempfile::TempDir,
}

fn python() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("SNOWGLOBE_PYTHON") {
        return Some(python.into());
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join("python3"))
        .find(|p| p.exists());
    if found.is_none() {
        eprintln!("skipped: no python3, and SNOWGLOBE_PYTHON is not set");
    }
    found
}

fn node(name: &str) -> snowglobe_plan::Node {
    serde_json::from_value(serde_json::json!({
        "name": name,
        "number": 1,
        "hostName": name,
        "system": {
            "toplevel": "/nix/store/00000000000000000000000000000000-system",
            "etc": [], "users": [], "groups": [], "kernel": {},
        },
        "hardware": {
            "memoryMib": 1024, "cores": 1, "diskMib": 1024, "graphics": true,
            "resolution": {"x": 1024, "y": 768},
        },
        "interfaces": [{"name": "eth1", "vlan": 1, "mac": "52:54:00:12:01:01"}],
    }))
    .unwrap()
}

pub(crate) fn script(text: &str) -> Setup {
    Setup {
        script: text.to_owned(),
        machines: vec!["a", "b"],
        global_timeout: 60,
        checked: false,
        time_scale: 1.0,
        position: None,
        cancel: Cancel::new(),
    }
}

impl Setup {
    /// Runs it; `None` where there is no Python.
    fn run(self) -> Option<Done> {
        let python = python()?;
        let folder = tempfile::tempdir().unwrap();
        let (run_dir, out_dir) = (folder.path().join("run"), folder.path().join("run/out"));
        std::fs::create_dir_all(&out_dir).unwrap();
        let sink = Sink::new();
        let queue = sink.subscribe();
        sink.scope().emit(started("t", None, false));
        let test = Test {
            name: "t".to_owned(),
            attr_path: Vec::new(),
            nodes: self.machines.iter().map(|name| node(name)).collect(),
            vlans: vec![1],
            script: Script {
                text: self.script,
                position: self.position,
                skip_lint: false,
                skip_type_check: false,
                python_packages: Vec::new(),
                references: Vec::new(),
            },
            global_timeout: self.global_timeout,
            enable_ocr: false,
            force_accel: false,
            warnings: Vec::new(),
        };
        // Shared between tests, so that Python's package is compiled once.
        let cache_dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache");
        std::fs::create_dir_all(&cache_dir).unwrap();
        let config = RunConfig {
            test,
            mode: Mode::Test,
            run_dir,
            out_dir,
            cache_dir,
            sink: sink.clone(),
            cancel: self.cancel,
            tools: Arc::new(HostTools::new(python)),
            time_scale: self.time_scale,
            keep_state: false,
            python_path: Vec::new(),
            visible: Vec::new(),
            skip_checks: !self.checked,
            capture: None,
            resume: None,
            history: None,
        };
        let root = folder.path().join("machines");
        let machines = self.machines;
        let outcome = run(config, move |observer| {
            let world = FakeWorld::new(&root, &machines, &[1], &observer)?;
            Ok(world as Arc<dyn World>)
        })
        .unwrap();
        finish(&sink, outcome);
        Some(Done {
            outcome,
            events: queue.iter().collect(),
            folder,
        })
    }

    /// Runs a script that must pass.
    #[track_caller]
    fn passes(self) -> Option<Done> {
        let done = self.run()?;
        assert_eq!(done.outcome, Outcome::Passed, "{:#?}", done.failure());
        Some(done)
    }
}

impl Done {
    fn failure(&self) -> Option<&Kind> {
        self.events
            .iter()
            .map(|e| &e.kind)
            .find(|kind| matches!(kind, Kind::Failure { .. }))
    }

    /// What the script printed.
    fn printed(&self) -> String {
        let text = |event: &Arc<Event>| match &event.kind {
            Kind::ScriptOutput { text, .. } => Some(text.clone()),
            _ => None,
        };
        self.events.iter().filter_map(text).collect()
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join("run/out").join(name)
    }
}

/// Longer than any test takes, shorter than anyone's patience.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
