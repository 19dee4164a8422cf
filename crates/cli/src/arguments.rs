//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Run NixOS VM integration tests on any Linux machine, with or without Nix, QEMU or KVM.
#[derive(Debug, Parser)]
#[command(
    name = "snowglobe",
    version,
    after_help = "Examples:\n  snowglobe run test.nix\n  snowglobe run tests/ -A login --rerun\n  snowglobe interactive test.nix\n\nExit status: 0 passed; 1 a test failed; 2 a test cannot be used as it is written; 3 the host or the network failed; 130 interrupted."
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
        after_help = "Examples:\n  snowglobe run test.nix\n  snowglobe run all.nix -A login.default\n  snowglobe run test.nix --cold -v"
    )]
    Run(Run),
    /// Open a Python shell with the machines of a test
    Interactive(Interactive),
    /// Print what a Nix expression evaluates to, as nix-instantiate --eval does
    #[command(
        after_help = "Examples:\n  snowglobe eval -E '1 + 2'\n  snowglobe eval test.nix -A nodes.server.services.nginx.enable\n  snowglobe eval test.nix --plan"
    )]
    Eval(Eval),
    /// Check the syntax of Nix files
    Parse(Parse),
    /// Build a derivation and link its output
    #[command(
        after_help = "Examples:\n  snowglobe build test.nix                       runs the test\n  snowglobe build test.nix -A driverInteractive\n  snowglobe build default.nix -A hello -o hello"
    )]
    Build(Build),
    /// List the tests of files
    List(List),
    /// Check test scripts without running them
    Lint(Lint),
    /// Look at and clean the cache
    Cache {
        /// What to do with it.
        #[command(subcommand)]
        command: Cache,
    },
    /// Look at and clean kept runs
    Runs {
        /// What to do with them.
        #[command(subcommand)]
        command: Runs,
    },
    /// Make the reports of a run again from its events
    Report(Report),
    /// Move to the newest state of the package archives
    Update,
    /// Say what this host offers, and what to do about what is missing
    Doctor,
    /// Run a conformance suite from a public checkout
    Conformance(Conformance),
    /// Print a completion script for a shell
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
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
    /// Test files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Which tests, and with what arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// How machines run.
    #[command(flatten)]
    pub machines: Machines,
    /// Run tests that passed before with the same plan
    #[arg(long)]
    pub rerun: bool,
    /// Show what machines write to their consoles
    #[arg(short, long)]
    pub verbose: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Folder for what scripts write; default: in the run folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Write a JUnit report to this file too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Stop after the first failure
    #[arg(long)]
    pub fail_fast: bool,
    /// Run each test so many times
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub repeat: u32,
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

/// `interactive`.
#[derive(Args, Debug)]
pub struct Interactive {
    /// Test file
    pub file: PathBuf,
    /// Which test, and with what arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// How machines run.
    #[command(flatten)]
    pub machines: Machines,
}

/// `eval`.
#[derive(Args, Debug)]
pub struct Eval {
    /// File to evaluate; `-` is standard input
    #[arg(required_unless_present = "expr")]
    pub file: Option<PathBuf>,
    /// Expression to evaluate
    #[arg(short = 'E', long, conflicts_with = "file")]
    pub expr: Option<String>,
    /// Selection and arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// Evaluate to the bottom
    #[arg(long)]
    pub strict: bool,
    /// Print JSON
    #[arg(long, conflicts_with_all = ["xml", "raw"])]
    pub json: bool,
    /// Print XML
    #[arg(long, conflicts_with = "raw")]
    pub xml: bool,
    /// Print a string as it is
    #[arg(long)]
    pub raw: bool,
    /// Print the plan of the tests in the file
    #[arg(long)]
    pub plan: bool,
    /// Print what traceVerbose says
    #[arg(long)]
    pub trace_verbose: bool,
}

/// `parse`.
#[derive(Args, Debug)]
pub struct Parse {
    /// Nix files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// `build`.
#[derive(Args, Debug)]
pub struct Build {
    /// Nix file
    pub file: PathBuf,
    /// Selection and arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// How machines run.
    #[command(flatten)]
    pub machines: Machines,
    /// Name of the link to the output
    #[arg(short, long, value_name = "LINK", default_value = "result")]
    pub output: PathBuf,
    /// Make no link
    #[arg(long)]
    pub no_out_link: bool,
    /// Keep the folder of a failed build
    #[arg(short = 'K', long)]
    pub keep_failed: bool,
}

/// `list`.
#[derive(Args, Debug)]
pub struct List {
    /// Test files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Selection and arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `lint`.
#[derive(Args, Debug)]
pub struct Lint {
    /// Test files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Selection and arguments.
    #[command(flatten)]
    pub selection: Selection,
}

/// `cache …`.
#[derive(Debug, Subcommand)]
pub enum Cache {
    /// Say where the cache is and how much of what it holds
    Info,
    /// List every entry
    List,
    /// Remove entries, the longest unused first
    Gc {
        /// Keep at most so much, such as 10G
        #[arg(long, value_name = "SIZE")]
        max_size: Option<String>,
        /// Remove what was not used for so long, such as 30d
        #[arg(long, value_name = "AGE")]
        older_than: Option<String>,
    },
    /// Remove one entry
    Rm {
        /// Its key, as `cache list` shows it
        key: String,
    },
}

/// `runs …`.
#[derive(Debug, Subcommand)]
pub enum Runs {
    /// List kept runs
    List,
    /// Remove runs
    Rm {
        /// Their names
        #[arg(required = true)]
        runs: Vec<String>,
    },
    /// Remove all runs but the newest
    Gc {
        /// How many to keep
        #[arg(long, default_value_t = 20)]
        keep: usize,
    },
}

/// `report`.
#[derive(Args, Debug)]
pub struct Report {
    /// Name or folder of a run; default: the newest
    pub run: Option<String>,
}

/// `conformance`.
#[derive(Args, Debug)]
pub struct Conformance {
    /// Which suite
    #[arg(value_enum)]
    pub suite: Suite,
    /// The checkout
    pub dir: PathBuf,
}

/// Conformance suites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// The language tests of NixOS/nix
    Nix,
    /// Tests of NixOS/nixpkgs
    Nixos,
}
