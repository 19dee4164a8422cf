//! What the command line says: help, errors, exit status, and that it takes no harm from who reads.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const COMMANDS: &[&str] = &[
    "",
    "run",
    "interactive",
    "resume",
    "shell",
    "list",
    "lint",
    "doctor",
    "eval",
    "build",
    "cache",
    "cache info",
    "cache list",
    "cache gc",
    "cache rm",
    "update",
    "realise",
    "compat",
    "parse",
    "report",
    "runs",
    "runs list",
    "runs rm",
    "runs gc",
    "repl",
    "completions",
    "man",
];

/// The program in an environment of its own.
fn snowglobe(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_snowglobe"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("SNOWGLOBE_CACHE", home.join("cache"))
        .env("SNOWGLOBE_STATE", home.join("state"))
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

fn output<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(home: &Path, words: I) -> Output {
    snowglobe(home).args(words).output().unwrap()
}

/// What it wrote, with its folder's name taken out.
fn words(home: &Path, bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.replace(&home.display().to_string(), "HOME")
}

#[test]
fn help_texts() {
    let home = tempfile::tempdir().unwrap();
    let mut all = String::new();
    for name in COMMANDS {
        let words_of = name.split_whitespace().chain(["--help"]);
        let output = output(home.path(), words_of);
        assert!(output.status.success(), "{name}");
        let text = words(home.path(), &output.stdout);
        // Where there are commands below, they have the examples.
        let above =
            text.contains("Commands:") || name.starts_with("cache ") || name.starts_with("runs ");
        assert!(above || text.contains("Example"), "{name} has no example");
        let _ = writeln!(all, "$ snowglobe {name} --help\n{text}");
    }
    insta::assert_snapshot!("help", all);
}

#[test]
fn every_command_is_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let output = output(home.path(), ["--help"]);
    let text = words(home.path(), &output.stdout);
    let commands = text.split("Commands:").nth(1).unwrap();
    let commands = commands.split("Options:").next().unwrap();
    let names = commands.lines().filter_map(|line| {
        let begins = line.strip_prefix("  ")?;
        begins
            .split_whitespace()
            .next()
            .filter(|_| !begins.starts_with(' '))
    });
    for name in names.filter(|name| *name != "help") {
        assert!(COMMANDS.contains(&name), "{name}");
    }
}

#[test]
fn errors() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::create_dir(home.join("empty")).unwrap();
    std::fs::write(home.join("test.nix"), "{ nodes.machine = { a = 1 }; }\n").unwrap();
    std::fs::write(home.join("latin.nix"), b"{ name = \"caf\xe9\" }").unwrap();
    std::fs::write(home.join("none.nix"), "").unwrap();
    let mut all = String::new();
    for line in [
        "",
        "rum test.nix",
        "run",
        "run test.nix --accel warp",
        "run test.nix -j 0",
        "run test",
        "run nowhere.nix test.nix",
        "run empty",
        "parse test.nix latin.nix none.nix",
        "lint nowhere.nix",
        "list empty",
        "interactive test.nix",
        "resume",
        "shell nothing machine -- true",
        "shell test.nix machine",
        "report",
        "report --format junit nothing",
        "runs rm nothing",
        "runs gc --older-than soon",
        "cache gc --max-size much",
        "completions tcsh",
    ] {
        let output = output(home, line.split_whitespace());
        let (out, error) = (words(home, &output.stdout), words(home, &output.stderr));
        assert!(!out.contains('\x1b') && !error.contains('\x1b'), "{line}");
        let status = output.status.code().unwrap();
        assert_ne!(status, 0, "{line}");
        let _ = writeln!(all, "$ snowglobe {line}\n{out}{error}[{status}]\n");
    }
    insta::assert_snapshot!("errors", all);
    assert!(
        !home.join("state/runs").exists(),
        "mistakes of the user are no runs"
    );
}

#[test]
fn without_a_home_it_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let mut command = snowglobe(home.path());
    let output = command.env_clear().args(["run", "x.nix"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = words(home.path(), &output.stderr);
    assert!(text.contains("hint: set SNOWGLOBE_CACHE"), "{text}");
}

#[test]
fn nobody_has_to_read_to_the_end() {
    let home = tempfile::tempdir().unwrap();
    for line in [
        "completions bash",
        "man",
        "--help",
        "eval -E 1",
        "doctor --offline",
    ] {
        let mut command = snowglobe(home.path());
        let command = command.args(line.split_whitespace());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let text = words(home.path(), &output.stderr);
        assert_eq!(text, "", "{line}");
        assert!(matches!(output.status.code(), Some(0 | 141)), "{line}");
    }
}

#[test]
fn manual_pages() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("man/man1");
    let output = output(home.path(), [OsStr::new("man"), folder.as_os_str()]);
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("snowglobe.1").contains("snowglobe\\-run(1)"));
    let run = read("snowglobe-run.1");
    assert!(
        run.contains(".SH OPTIONS") && run.contains("\\-\\-fail\\-fast"),
        "{run}"
    );
    assert!(run.contains("snowglobe run flaky.nix"), "{run}");
    assert!(read("snowglobe-cache-gc.1").contains(".TH"));
    assert!(!folder.join("snowglobe-conformance.1").exists(), "hidden");
}
