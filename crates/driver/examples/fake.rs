//! Runs a test script against machines that are fake (their commands run on this host, unconfined),
//! to try the driver and its reports without any image:
//!
//! `cargo run -p snowglobe-driver --features fake --example fake -- SCRIPT FOLDER [-i|--classic] [MACHINE …]`

use std::path::PathBuf;
use std::sync::Arc;

use snowglobe_driver::fake::FakeWorld;
use snowglobe_driver::{Cancel, HostTools, Mode, RunConfig, World, finish, run, started};
use snowglobe_events::{Outcome, Sink};
use snowglobe_plan::{Node, Script, Test};
use snowglobe_report::{Classic, Options, Paint, RunFolder, Terminal, View, follow};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| {
        let place = args.iter().position(|arg| arg == name);
        place.map(|place| args.remove(place)).is_some()
    };
    let (interactive, classic) = (flag("-i"), flag("--classic"));
    let mut args = args.into_iter();
    let script = PathBuf::from(args.next().ok_or("give a script and a folder")?);
    let run_dir = PathBuf::from(args.next().ok_or("give a folder for the run")?);
    let mut machines: Vec<String> = args.collect();
    if machines.is_empty() {
        machines.push("machine".to_owned());
    }
    let out_dir = run_dir.join("out");
    std::fs::create_dir_all(&out_dir)?;
    let run_dir = run_dir.canonicalize()?;
    let out_dir = run_dir.join("out");
    let nodes: Result<Vec<Node>, _> = machines
        .iter()
        .enumerate()
        .map(|(index, name)| {
            serde_json::from_value(serde_json::json!({
                "name": name, "number": index + 1, "hostName": name,
                "system": {
                    "toplevel": "/nix/store/00000000000000000000000000000000-system",
                    "etc": [], "users": [], "groups": [], "kernel": {},
                },
                "hardware": {
                    "memoryMib": 1024, "cores": 1, "diskMib": 1024, "graphics": true,
                    "resolution": {"x": 1024, "y": 768},
                },
                "interfaces": [{"name": "eth1", "vlan": 1, "mac": format!("52:54:00:12:01:{:02x}", index + 1)}],
            }))
        })
        .collect();
    let test = Test {
        name: script
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        attr_path: Vec::new(),
        nodes: nodes?,
        vlans: vec![1],
        script: Script {
            text: std::fs::read_to_string(&script)?,
            position: None,
            skip_lint: false,
            skip_type_check: false,
            python_packages: Vec::new(),
            references: Vec::new(),
        },
        global_timeout: 60,
        enable_ocr: false,
        force_accel: false,
        warnings: Vec::new(),
    };
    if interactive {
        // Ctrl-C belongs to the shell: it ends what the shell waits for.
        signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::default())?;
    }
    let sink = Sink::new();
    let queue = sink.subscribe();
    let view: Box<dyn View> = if classic {
        Box::new(Classic::new(std::io::stderr(), Paint::for_stderr()))
    } else {
        let mut options = Options {
            run_dir: Some(run_dir.clone()),
            ..Options::for_stderr()
        };
        options.live &= !interactive;
        Box::new(Terminal::new(std::io::stderr(), options))
    };
    let mut views: Vec<Box<dyn View>> = vec![view, Box::new(RunFolder::new(&run_dir)?)];
    let reader = std::thread::spawn(move || follow(&queue, &mut views));
    sink.scope().emit(started(
        &test.name,
        Some(script.display().to_string()),
        false,
    ));
    let python = std::env::var("SNOWGLOBE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let root = run_dir.join("fake");
    let config = RunConfig {
        test,
        mode: if interactive {
            Mode::Interactive
        } else {
            Mode::Test
        },
        run_dir,
        out_dir,
        cache_dir: std::env::temp_dir().join("snowglobe-fake-cache"),
        sink: sink.clone(),
        cancel: Cancel::new(),
        tools: Arc::new(HostTools::new(python)),
        time_scale: 1.0,
        keep_state: false,
        python_path: Vec::new(),
        visible: Vec::new(),
        skip_checks: false,
        capture: None,
        resume: None,
        history: None,
    };
    let outcome = run(config, move |observer| {
        let names: Vec<&str> = machines.iter().map(String::as_str).collect();
        Ok(FakeWorld::new(&root, &names, &[1], &observer)? as Arc<dyn World>)
    });
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("error: {error}");
            Outcome::Errored
        }
    };
    finish(&sink, outcome);
    drop(sink);
    let _ = reader.join();
    std::process::exit(i32::from(!outcome.passed()));
}
