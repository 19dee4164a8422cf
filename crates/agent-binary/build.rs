//! Builds the agent as a static program of its own, to be embedded in this one.
//!
//! `SNOWGLOBE_AGENT=/path` names one that was built before, as distributions want it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

fn main() {
    println!("cargo::rerun-if-env-changed=SNOWGLOBE_AGENT");
    let agent = match env::var_os("SNOWGLOBE_AGENT") {
        Some(path) => PathBuf::from(path),
        None => build(),
    };
    println!("cargo::rerun-if-changed={}", agent.display());
    println!(
        "cargo::rustc-env=SNOWGLOBE_AGENT_BINARY={}",
        agent.display()
    );
}

fn build() -> PathBuf {
    let crates = variable("CARGO_MANIFEST_DIR").join("..");
    for watched in ["agent", "agent-protocol", "agent-tree"] {
        println!(
            "cargo::rerun-if-changed={}",
            crates.join(watched).join("src").display()
        );
        println!(
            "cargo::rerun-if-changed={}",
            crates.join(watched).join("Cargo.toml").display()
        );
    }
    println!(
        "cargo::rerun-if-changed={}",
        crates.join("../Cargo.lock").display()
    );
    // A folder beside those of the profiles: the cargo that runs us holds the lock of its own.
    let target = target_folder(&variable("OUT_DIR")).join("agent-build");
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .current_dir(&crates)
        .args([
            "rustc",
            "--profile",
            "agent",
            "-p",
            "snowglobe-agent",
            "--bin",
            "snowglobe-agent",
        ])
        .args(["--locked", "--target-dir"])
        .arg(&target)
        // For this crate only: procedural macros must stay dynamic.
        .args(["--", "-C", "target-feature=+crt-static"]);
    for meant_for_us in [
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "CARGO_TARGET_DIR",
    ] {
        cargo.env_remove(meant_for_us);
    }
    match cargo.status() {
        Ok(status) if status.success() => target.join("agent/snowglobe-agent"),
        Ok(status) => fail(&format!("building the agent: {status}")),
        Err(error) => fail(&format!("running cargo for the agent: {error}")),
    }
}

/// `OUT_DIR` is `<target>/<profile>/build/<crate>/out`, with a triple in between when one was asked for.
fn target_folder(out: &Path) -> PathBuf {
    let marked = out
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists());
    marked
        .or_else(|| out.ancestors().nth(4))
        .unwrap_or(out)
        .to_path_buf()
}

fn variable(name: &str) -> PathBuf {
    match env::var_os(name) {
        Some(value) => value.into(),
        None => fail(&format!("{name} is not set: this runs under cargo only")),
    }
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(1)
}
