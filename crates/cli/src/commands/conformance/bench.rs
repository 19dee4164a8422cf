//! Speed and memory of evaluations, beside CppNix's, for `./x bench eval`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Args;

use crate::error::{CliError, Kind, Result};

/// `conformance bench`.
#[derive(Args, Debug)]
pub struct Bench {
    /// Folder with CppNix's nix-instantiate; without, only our figures are printed
    #[arg(long)]
    nix: Option<PathBuf>,
    /// The tree of Snowglobe's own library
    #[arg(long)]
    library: PathBuf,
    /// A real nixpkgs with NixOS (of 2014): its packages and a system are evaluated, too
    #[arg(long)]
    tree: Option<PathBuf>,
    /// Runs of each
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Only cases whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

/// Name and expression; `library` and `tree` are variables in it.
const CASES: &[(&str, &str)] = &[
    ("fib 27", "let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); in fib 27"),
    (
        "sets of 10^5 names",
        "with builtins; let
           set = k: listToAttrs (genList (i: { name = \"n${toString (i * k)}\"; value = i; }) 100000);
           a = set 1; b = set 2;
         in length (attrNames (a // b // mapAttrs (n: v: v + 1) a)) + length (attrValues (intersectAttrs a b))",
    ),
    (
        "// one by one",
        "with builtins; length (attrNames (foldl' (set: i: set // { \"n${toString i}\" = i; }) { } (genList (i: i) 4000)))",
    ),
    ("fold 10^6", "with builtins; foldl' (a: b: a + b) 0 (map (x: x * 2) (genList (i: i) 1000000))"),
    (
        "sort 10^6",
        "with builtins; length (sort (a: b: a < b) (genList (i: bitAnd (i * 7919) 1048575) 1000000))",
    ),
    (
        "strings of 50 MB",
        "with builtins; stringLength (concatStringsSep \"\" (genList (i: \"line ${toString i} of a text that is put together\\n\") 1100000))",
    ),
    (
        "string 50 MB by folding",
        "with builtins; let block = concatStringsSep \"\" (genList (i: \"0123456789\") 100); in stringLength (foldl' (a: i: a + block) \"\" (genList (i: i) 1000)) + stringLength (foldl' (a: i: a + a) block (genList (i: i) 15))",
    ),
    (
        "genericClosure 10^5",
        "with builtins; length (genericClosure { startSet = [ { key = 0; } ]; operator = item: if item.key < 50000 then [ { key = item.key * 2 + 1; } { key = item.key * 2 + 2; } ] else [ ]; })",
    ),
    (
        "plan of client and server",
        "import (library + \"/snowglobe/plan.nix\") {
           value = (import library { config = { }; overlays = [ ]; system = \"x86_64-linux\"; }).testers.runNixOSTest {
             name = \"two\";
             nodes.server = { services.nginx.enable = true; services.nginx.virtualHosts.server = { }; networking.firewall.allowedTCPPorts = [ 80 ]; };
             nodes.client = { pkgs, ... }: { environment.systemPackages = [ pkgs.hello ]; };
             testScript = \"\";
           };
         }",
    ),
    (
        "plan of ten nodes",
        "import (library + \"/snowglobe/plan.nix\") {
           value = (import library { config = { }; overlays = [ ]; system = \"x86_64-linux\"; }).testers.runNixOSTest {
             name = \"ten\";
             nodes = builtins.listToAttrs (builtins.genList (i: {
               name = \"node${toString i}\";
               value = { services.openssh.enable = true; networking.firewall.allowedTCPPorts = [ (80 + i) ]; };
             }) 10);
             testScript = \"\";
           };
         }",
    ),
    (
        "NixOS system of 2014",
        "(import (tree + \"/nixos\") { configuration = {
           fileSystems.\"/\".device = \"/dev/sda1\"; boot.loader.grub.device = \"/dev/sda\";
           services.openssh.enable = true; 
           services.httpd = { enable = true; adminAddr = \"root@localhost\"; };
         }; }).system.drvPath",
    ),
    (
        "all packages of 2014",
        "let
           packages = import tree { };
           safe = x: let r = builtins.tryEval x; in if r.success then r.value else null;
           path = p: safe (if builtins.isAttrs p && p.type or null == \"derivation\" then p.drvPath else null);
           # These end the evaluation with errors that tryEval does not catch.
           names = builtins.filter (n: builtins.match \"[a-c].*\" n != null) (builtins.attrNames packages);
         in builtins.length (builtins.filter (p: p != null) (map (n: path packages.${n}) names))",
    ),
];

/// Time and memory of one run.
#[derive(Clone, Copy, Debug)]
struct Figures {
    wall: f64,
    processor: f64,
    mib: f64,
}

/// Runs both in turns and prints medians.
pub fn run(bench: &Bench) -> Result {
    let work = std::env::temp_dir().join(format!("snowglobe-bench-{}", std::process::id()));
    fs_err::create_dir(&work)?;
    let result = compare(bench, &work);
    fs_err::remove_dir_all(&work)?;
    result
}

fn compare(bench: &Bench, work: &Path) -> Result {
    let ours = std::env::current_exe()?;
    let theirs = bench
        .nix
        .as_ref()
        .map(|folder| folder.join("nix-instantiate"));
    println!(
        "medians of {} runs: wall time, processor time, peak memory",
        bench.runs
    );
    println!(
        "{:26} {:>26}   {:>26}   {:>6} {:>6} {:>6}",
        "", "snowglobe", "CppNix", "wall", "cpu", "memory"
    );
    for (name, text) in CASES {
        if !name.contains(bench.only.as_str()) || text.contains("tree") && bench.tree.is_none() {
            continue;
        }
        // A file: positions in expressions of the command line have other names.
        let file = work.join("case.nix");
        fs_err::write(&file, format!("{{ library ? null, tree ? null }}: {text}"))?;
        let mut arguments: Vec<OsString> = ["--eval", "--strict", "--json"]
            .map(OsString::from)
            .to_vec();
        arguments.push(file.into());
        let mut variable = |name: &str, path: &Path| -> Result<()> {
            let path = std::path::absolute(path)?;
            arguments.extend(["--arg".into(), name.into(), path.into()]);
            Ok(())
        };
        variable("library", &bench.library)?;
        if let Some(tree) = &bench.tree {
            variable("tree", tree)?;
        }
        let mut own = Vec::new();
        let mut other = Vec::new();
        for _ in 0..bench.runs.max(1) {
            let (figures, printed) = measure(&ours, &["conformance", "instantiate"], &arguments)?;
            own.push(figures);
            if let Some(theirs) = &theirs {
                let (figures, expected) = measure(theirs, &[], &arguments)?;
                other.push(figures);
                if printed != expected {
                    return Err(CliError::unusable(format!("{name}: the results differ")));
                }
            }
        }
        let own = median(&own);
        let show = |figures: Figures| {
            format!(
                "{:7.3} s {:7.3} s {:5.0} M",
                figures.wall, figures.processor, figures.mib
            )
        };
        if other.is_empty() {
            println!("{name:26} {}", show(own));
            continue;
        }
        let other = median(&other);
        println!(
            "{name:26} {}   {}   {:5.2}x {:5.2}x {:5.2}x",
            show(own),
            show(other),
            other.wall / own.wall,
            other.processor / own.processor,
            own.mib / other.mib
        );
    }
    Ok(Kind::Passed)
}

fn median(all: &[Figures]) -> Figures {
    let of = |field: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = all.iter().map(field).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Figures {
        wall: of(|figures| figures.wall),
        processor: of(|figures| figures.processor),
        mib: of(|figures| figures.mib),
    }
}

/// Runs a program to its end; gives its figures and what it printed.
fn measure(program: &Path, first: &[&str], arguments: &[OsString]) -> Result<(Figures, Vec<u8>)> {
    let begin = Instant::now();
    let mut child = Command::new(program)
        .args(first)
        .args(arguments)
        .env_remove("NIX_PATH")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let stderr = child.stderr.take();
        scope.spawn(|| stderr.map(|mut pipe| std::io::Read::read_to_end(&mut pipe, &mut errors)));
        child
            .stdout
            .take()
            .map(|mut pipe| std::io::Read::read_to_end(&mut pipe, &mut out))
    });
    let pid = libc::pid_t::try_from(child.id()).map_err(CliError::environment)?;
    let mut status = 0;
    // SAFETY: all zeros is a value of this C structure of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are ours and live through the call; the child is ours and not waited for
    // by anybody else: `child` is not used after this.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    let wall = begin.elapsed().as_secs_f64();
    if waited != pid || status != 0 {
        return Err(CliError::unusable(format!(
            "{} failed: {}",
            program.display(),
            String::from_utf8_lossy(&errors)
        )));
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let figures = Figures {
        wall,
        processor: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        mib: usage.ru_maxrss as f64 / 1024.0,
    };
    Ok((figures, out))
}
