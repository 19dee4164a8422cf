//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Run NixOS VM integration tests on any Linux machine, with or without Nix, QEMU or KVM.
#[derive(Debug, Parser)]
#[command(
    name = "snowglobe",
    version,
    after_help = "Examples:\n  snowglobe run test.nix\n  snowglobe run all.nix -A login --cold\n\nExit status: 0 passed; 1 a test failed; 2 a test cannot be used as it is written; 3 the host or the network failed; 130 interrupted."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run tests
    #[command(
        after_help = "Examples:\n  snowglobe run test.nix\n  snowglobe run all.nix -A login.default\n  snowglobe run test.nix --cold -v\n  snowglobe run tests/ -j auto --junit results.xml\n  snowglobe run flaky.nix --repeat 20 -j 4"
    )]
    Run(Run),
    /// Drive a test's machines from a Python shell
    Interactive(crate::commands::interactive::Interactive),
    /// Take up a failed run where it failed, in a Python shell
    Resume(crate::commands::resume::Resume),
    /// Open a shell in a machine of a test, or of a run that is under way or has failed
    Shell(crate::commands::shell::Shell),
    /// List the tests of files and folders
    List(crate::commands::list::List),
    /// Check test scripts for mistakes; no machine starts
    Lint(crate::commands::lint::Lint),
    /// Tell what this host offers, and what to do about what is missing
    Doctor(crate::commands::doctor::Doctor),
    /// Print what a Nix expression evaluates to, as nix-instantiate --eval does
    #[command(
        after_help = "Examples:\n  snowglobe eval -E '1 + 2'\n  snowglobe eval test.nix -A nodes.server.services.nginx.enable\n  snowglobe eval test.nix --plan"
    )]
    Eval(commands::eval::Eval),
    /// Build a derivation, or run a test by building it, as nix-build does
    Build(crate::commands::build::Build),
    /// Look into the cache, or make it smaller
    Cache(crate::commands::cache::Cache),
    /// Take Debian's archives as they are now
    #[command(
        after_help = "Example:\n  snowglobe update\n\nTests go on with the state of the archives that was chosen first until it is moved by this command.\nPackages that changed are downloaded and installed when tests need them."
    )]
    Update,
    /// Make everything that the tests of a file need, and run nothing
    Realise(crate::commands::realise::Realise),
    /// Write nix-build and other commands of Nix as links to this program
    Compat(crate::commands::compat::Compat),
    /// What nix-instantiate does
    #[command(hide = true)]
    Instantiate(crate::commands::instantiate::Instantiate),
    /// Run the driver of a test that was built
    #[command(hide = true)]
    Driver(crate::commands::driver::Driver),
    /// Check the syntax of Nix files
    #[command(
        after_help = "Example:\n  snowglobe parse tests/*.nix\n\nAll mistakes are shown, each with its line."
    )]
    Parse(Parse),
    /// Make a run's report again, or show the run in another form
    Report(crate::commands::report::Report),
    /// List the runs that were kept, or remove some
    Runs(crate::commands::runs::Runs),
    /// Look at Nix values interactively
    #[command(
        after_help = "Examples:\n  snowglobe repl\n  snowglobe repl test.nix\n  > nodes.server.services.nginx.enable\n  > :b driver\n  > :doc builtins.foldl'"
    )]
    Repl(commands::repl::Repl),
    /// Compare the evaluator with CppNix; see `./x conformance nix`
    #[command(hide = true)]
    Conformance {
        /// What is compared.
        #[command(subcommand)]
        what: commands::conformance::Conformance,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  snowglobe completions bash >~/.local/share/bash-completion/completions/snowglobe\n  snowglobe completions zsh >/usr/local/share/zsh/site-functions/_snowglobe\n  snowglobe completions fish >~/.config/fish/completions/snowglobe.fish"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages
    Man(commands::man::Man),
}

/// Which tests of a file.
#[derive(Args, Clone, Debug, Default)]
pub struct Selection {
    /// Attribute path of a test in the file's value; may be given several times
    #[arg(short = 'A', long = "attr", value_name = "PATH")]
    pub attr: Vec<String>,
    /// Pass an argument to the file's function, as a Nix expression
    #[arg(long, num_args = 2, value_names = ["NAME", "EXPR"])]
    pub arg: Vec<String>,
    /// Pass an argument to the file's function, as a string
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"])]
    pub argstr: Vec<String>,
    /// Add to the search path of <...>
    #[arg(short = 'I', value_name = "NAME=PATH")]
    pub include: Vec<String>,
    /// Evaluate another nixpkgs tree instead of the embedded one
    #[arg(long, value_name = "PATH")]
    pub nixpkgs: Option<PathBuf>,
    /// Show every step of how an error of the evaluation came about
    #[arg(long)]
    pub show_trace: bool,
}

/// How machines run.
#[derive(Args, Clone, Debug, Default)]
pub struct Machines {
    /// How machines are accelerated
    #[arg(long, value_enum, default_value_t)]
    pub accel: Accel,
    /// Let machines reach the internet through eth0
    #[arg(long)]
    pub internet: bool,
    /// Boot every machine; restore none from a snapshot
    #[arg(long)]
    pub cold: bool,
    /// Do not use the network on the host
    #[arg(long)]
    pub offline: bool,
    /// Keep the machines' disks for the next run of the test with this option; every machine boots
    #[arg(long, visible_alias = "keep-machine-state", alias = "keep-vm-state")]
    pub keep_state: bool,
}

/// Accelerators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    /// KVM if a probe proves that it works, else emulation
    #[default]
    Auto,
    /// KVM or nothing
    Kvm,
    /// Emulation
    Tcg,
}

/// `run`.
#[derive(Args, Debug)]
pub struct Run {
    /// Test files, or folders that are searched for them
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
    /// Which tests, and with what arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// How machines run.
    #[command(flatten)]
    pub machines: Machines,
    /// Show what machines write to their consoles
    #[arg(short, long)]
    pub verbose: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Folder for what scripts write; default: in the run folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Stop after the first failure
    #[arg(long)]
    pub fail_fast: bool,
    /// Run each test so many times
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub repeat: u32,
    /// Run up to N tests at once, as memory and processors allow; `auto`: one for each processor.
    /// Failures are shown whole at the end
    #[arg(short, long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Write a JUnit report of all tests
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Run a test even if it has passed before and nothing that it is made of has changed; -o and
    /// --repeat do so too
    #[arg(long)]
    pub rerun: bool,
    /// Do not save the machines of a run that fails, for `snowglobe resume`
    #[arg(long)]
    pub no_capture: bool,
}

/// `auto` is 0.
fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        _ if text == "auto" => Ok(0),
        Ok(0) | Err(_) => Err("a number from 1, or `auto`".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Forms of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Steps with durations; failures at the end
    #[default]
    Human,
    /// As upstream's driver writes
    Classic,
    /// One event a line
    Json,
}

/// `parse`.
#[derive(Args, Debug)]
pub struct Parse {
    /// Nix files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}
