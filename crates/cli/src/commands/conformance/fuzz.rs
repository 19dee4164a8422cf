//! Random inputs for everything that reads texts of others: `snowglobe conformance fuzz`.
//!
//! Inputs are changed copies of seeds. They run in a second process, which writes each one down
//! before it tries it: whatever ends the process, the input is there to be looked at.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use fs_err as fs;
use snowglobe_nix::host::{HostError, HostResult, Message};
use snowglobe_nix::store::Tree;
use snowglobe_nix::{Derivation, FileType, Host, Options, Origin, RenderOptions, evaluate};

use crate::error::{Kind, Result};

/// `conformance fuzz`.
#[derive(Args, Debug)]
pub struct Fuzz {
    /// What gets the inputs
    target: Target,
    /// How long
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Makes a run the same as another one
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Files that inputs are made from, besides those built in
    #[arg(long)]
    corpus: Vec<PathBuf>,
    /// Where inputs that were found are kept
    #[arg(long, default_value = "fuzz-found")]
    found: PathBuf,
    /// Try one file instead
    #[arg(long)]
    input: Option<PathBuf>,
    #[arg(long, hide = true)]
    child: bool,
}

/// What gets the inputs.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    /// The parser, and lowering
    Parser,
    /// The whole evaluator: evaluation, printing in all forms, error reports
    Evaluator,
    /// `fromJSON`, and back
    Json,
    /// `fromTOML`
    Toml,
    /// Texts of derivations
    Aterm,
}

/// Memory of the second process before an input counts as found.
const MEMORY: u64 = 2 << 30;

/// Time for one input before it counts as found.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a target until the time is over; exit status 1: something was found.
pub fn run(fuzz: &Fuzz) -> Result {
    if let Some(input) = &fuzz.input {
        attempt(fuzz.target, &fs::read(input)?)?;
        return Ok(Kind::Passed);
    }
    if fuzz.child {
        return child(fuzz);
    }
    fs::create_dir_all(&fuzz.found)?;
    let end = Instant::now() + Duration::from_secs(fuzz.seconds);
    let (mut seed, mut found) = (fuzz.seed, 0);
    let current = fuzz.found.join(format!("current-{}", std::process::id()));
    while let Some(left) = end.checked_duration_since(Instant::now())
        && left >= Duration::from_secs(1)
    {
        let why = watch(fuzz, seed, left, &current)?;
        if let Some(why) = why {
            found += 1;
            let name = fuzz.target.to_possible_value();
            let name = name.as_ref().map_or("input", |value| value.get_name());
            let kept = fuzz.found.join(format!("{name}-{seed}"));
            fs::rename(&current, &kept)?;
            println!("{}: {why}", kept.display());
        }
        seed += 1;
    }
    let _ = fs::remove_file(&current);
    println!("{found} found");
    Ok(if found == 0 {
        Kind::Passed
    } else {
        Kind::Failed
    })
}

/// Runs the second process until its time is over or it finds something: what.
fn watch(fuzz: &Fuzz, seed: u64, left: Duration, current: &Path) -> Result<Option<String>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["conformance", "fuzz", "--child"]);
    if let Some(target) = fuzz.target.to_possible_value() {
        command.arg(target.get_name());
    }
    command.args(["--seed", &seed.to_string()]);
    command.args(["--seconds", &left.as_secs().to_string()]);
    command.arg("--found").arg(current);
    for file in &fuzz.corpus {
        command.arg("--corpus").arg(file);
    }
    // Its last words are all that is of interest.
    let words = current.with_extension("log");
    command.stderr(fs::File::create(&words)?.into_parts().0);
    let mut child = command.stdin(Stdio::null()).spawn()?;
    let mut last = (Instant::now(), None);
    let why = loop {
        if let Some(status) = child.try_wait()? {
            break match (status.success(), status.signal()) {
                (true, _) => None,
                (false, Some(signal)) => Some(format!("ended by signal {signal}")),
                (false, None) => Some("panicked".to_owned()),
            };
        }
        std::thread::sleep(Duration::from_millis(100));
        let changed = fs::metadata(current).and_then(|meta| meta.modified()).ok();
        if changed != last.1 {
            last = (Instant::now(), changed);
        }
        let resident = fs::read_to_string(format!("/proc/{}/statm", child.id()))
            .ok()
            .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok())
            .unwrap_or(0);
        let why = if resident * 4096 > MEMORY {
            "takes too much memory"
        } else if last.0.elapsed() > PATIENCE {
            "takes too long"
        } else {
            continue;
        };
        child.kill()?;
        child.wait()?;
        break Some(why.to_owned());
    };
    let said = fs::read_to_string(&words).unwrap_or_default();
    let said = said.lines().find(|line| line.contains("panicked at"));
    let _ = fs::remove_file(&words);
    Ok(why.map(|why| match said {
        Some(said) => format!("{why}: {said}"),
        None => why,
    }))
}

fn child(fuzz: &Fuzz) -> Result {
    let end = Instant::now() + Duration::from_secs(fuzz.seconds);
    let mut seeds: Vec<Vec<u8>> = seeds(fuzz.target)
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    for file in &fuzz.corpus {
        seeds.push(fs::read(file)?);
    }
    let mut random = Random(fuzz.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut tried = 0u64;
    while Instant::now() < end {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            change(&mut input, &seeds, words(fuzz.target), &mut random);
        }
        input.truncate(1 << 16);
        // What was given as the folder is the file to write to here.
        fs::write(&fuzz.found, &input)?;
        attempt(fuzz.target, &input)?;
        tried += 1;
    }
    println!("{tried} inputs");
    Ok(Kind::Passed)
}

/// Gives an input to a target. Errors are what most inputs deserve.
fn attempt(target: Target, input: &[u8]) -> Result<()> {
    if let Target::Aterm = target {
        if let Ok(derivation) = Derivation::parse("fuzzed", input) {
            let text = derivation.to_aterm();
            let again = Derivation::parse("fuzzed", &text);
            assert!(
                again.is_ok_and(|again| again.to_aterm() == text),
                "not the same again"
            );
        }
        return Ok(());
    }
    let options = Options {
        max_memory: Some(256 << 20),
        max_time: Some(Duration::from_secs(2)),
        pipe_operators: true,
        toml_timestamps: true,
        flakes: true,
        ..Options::default()
    };
    let text = match target {
        Target::Json => expression("fromJSON", input),
        Target::Toml => expression("fromTOML", input),
        _ => input.to_vec(),
    };
    evaluate(&Nowhere, options, |nix| {
        let report = |fault| {
            let error = nix.report(fault);
            for full_trace in [false, true] {
                let options = RenderOptions {
                    full_trace,
                    ..RenderOptions::default()
                };
                error.render(options);
            }
        };
        if let Target::Parser = target {
            if let Err(fault) = nix.check(&text, Origin::Text("«fuzz»".to_owned())) {
                report(fault);
            }
            return;
        }
        let value = match nix.expression(&String::from_utf8_lossy(&text), "«fuzz»") {
            Ok(value) => value,
            Err(fault) => return report(fault),
        };
        let ends = [
            nix.print(value, false).map(drop),
            nix.print(value, true).map(drop),
            nix.json(value, false).map(drop),
            nix.xml(value, true, true).map(drop),
        ];
        for fault in ends.into_iter().filter_map(std::result::Result::err) {
            report(fault);
        }
    })?;
    Ok(())
}

/// A call of a builtin with a string.
fn expression(builtin: &str, argument: &[u8]) -> Vec<u8> {
    let mut text = format!("builtins.{builtin} \"").into_bytes();
    for &byte in argument {
        match byte {
            b'"' | b'\\' | b'$' => text.extend([b'\\', byte]),
            byte => text.push(byte),
        }
    }
    text.push(b'"');
    text
}

/// A change of an input.
fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let bits = random.below(8);
    let length = 1 + random.below(1 << bits);
    let range = at..(at + length).min(input.len());
    match random.below(9) {
        0 => {
            input.drain(range);
        }
        1 => {
            let copy = input[range].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, copy);
        }
        2 | 3 => {
            let word = words[random.below(words.len())];
            input.splice(at..at, word.bytes());
        }
        4 => {
            let word = words[random.below(words.len())];
            input.splice(range, word.bytes());
        }
        5 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            let piece = other[from..(from + length * 4).min(other.len())].to_vec();
            input.splice(at..at, piece);
        }
        6 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        7 => {
            let word = words[random.below(words.len())];
            let bits = random.below(13);
            let many = word.repeat(1 + random.below(1 << bits));
            input.splice(at..at, many.into_bytes());
        }
        _ => {
            const NUMBERS: &[&str] = &[
                "0",
                "-1",
                "1",
                "9223372036854775807",
                "9223372036854775808",
                "1e308",
                "1e999",
                "1000000000",
                "0.1",
                "-0.0",
                "4294967296",
                "65536",
            ];
            let number = NUMBERS[random.below(NUMBERS.len())];
            input.splice(range, number.bytes());
        }
    }
}

/// Xorshift: the same numbers for the same seed everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * limit as u128) >> 64) as usize
    }
}

fn words(target: Target) -> &'static [&'static str] {
    match target {
        Target::Parser | Target::Evaluator => &[
            "{ ",
            " }",
            "[ ",
            " ]",
            "(",
            ")",
            "${",
            "''",
            "\"",
            "let ",
            " in ",
            "rec ",
            "with ",
            "; ",
            "inherit ",
            "assert ",
            "if ",
            " then ",
            " else ",
            ": ",
            "@",
            "...",
            "?",
            " or ",
            "//",
            "++",
            "->",
            "&&",
            "||",
            "!",
            "==",
            "<",
            "-",
            "*",
            "/",
            ".",
            ",",
            "=",
            "|>",
            "<|",
            "a",
            "x: x",
            "builtins",
            "builtins.",
            "genList ",
            "map ",
            "foldl' ",
            "genericClosure ",
            "toJSON ",
            "fromJSON ",
            "fromTOML ",
            "match ",
            "split ",
            "replaceStrings ",
            "substring ",
            "concatStringsSep ",
            "derivation ",
            "sort ",
            "elemAt ",
            "listToAttrs ",
            "mapAttrs ",
            "zipAttrsWith ",
            "groupBy ",
            "toString ",
            "toXML ",
            "tryEval ",
            "throw ",
            "deepSeq ",
            "functionArgs ",
            "hashString ",
            "convertHash ",
            "appendContext ",
            "getContext ",
            "compareVersions ",
            "parseDrvName ",
            "placeholder ",
            "toFile ",
            "ceil ",
            "floor ",
            "./x",
            "<nixpkgs>",
            "~/x",
            "http://x.y",
            "1.5",
            "__functor",
            "__toString",
            "__overrides",
            "__curPos",
            "/*",
            "*/",
            "#",
            "\n",
            "\\",
            "ü",
            "''$",
            "null",
            "true",
        ],
        Target::Json => &[
            "{", "}", "[", "]", ":", ",", "\"", "\\u", "\\ud800", "\\n", "null", "true", "-", "e",
            ".", "1", " ", "\n", "ü",
        ],
        Target::Toml => &[
            "[",
            "]",
            "[[",
            "]]",
            "=",
            ".",
            "\"",
            "\"\"\"",
            "'",
            "'''",
            "{",
            "}",
            ",",
            "\n",
            "#",
            "0x",
            "inf",
            "nan",
            "1979-05-27T07:32:00Z",
            "07:32:00",
            "a",
            "-",
            "_",
            "\\u0000",
        ],
        Target::Aterm => &[
            "Derive(",
            "[",
            "]",
            "(",
            ")",
            ",",
            "\"",
            "\\",
            "\\n",
            "/nix/store/",
            "out",
            "r:sha256",
            "DrvWithVersion(",
            "\"xp-dyn-drv\"",
        ],
    }
}

fn seeds(target: Target) -> &'static [&'static str] {
    match target {
        Target::Parser | Target::Evaluator => &[
            "let f = { a, b ? a + 1, ... }@args: args // { c = b; }; in f { a = 1; d = [ 1 2 ]; }",
            "rec { a.b.c = 1; a.d = a.b // { x = 2; }; \"e${toString 1}\" = a ? b.c; inherit (a) d; }",
            "with builtins; foldl' (a: x: a + x) 0 (map (x: x * 2) (genList (i: i) 20))",
            "with builtins; sort lessThan [ 3 1 2 ] ++ concatMap (x: [ x x ]) (filter (x: x > 1) [ 1 2 3 ])",
            "''\n  a ${toString (1 + 2)}\n    b ''${c} '''\n''",
            "with builtins; fromJSON (toJSON { a = [ 1 2.5 null true \"x\" ]; b = { }; })",
            "with builtins; match \"([a-z]+)-([0-9.]*)\" \"abc-1.2\" ++ split \"[, ]+\" \"a, b,c\"",
            "with builtins; mapAttrs (n: v: n + v) (zipAttrsWith (n: v: head v) [ { a = \"1\"; } { a = \"2\"; b = \"3\"; } ])",
            "with builtins; genericClosure { startSet = [ { key = 0; } ]; operator = x: if x.key < 9 then [ { key = x.key + 1; } ] else [ ]; }",
            "let d = derivation { name = \"x\"; system = \"s\"; builder = \"/b\"; args = [ \"${./y}\" ]; outputs = [ \"out\" \"dev\" ]; }; in [ d.outPath d.dev.outPath (builtins.getContext \"${d}\") ]",
            "(builtins.tryEval (assert 1 == 2; 3)).success || { __functor = s: x: x; } false",
            "with builtins; [ (hashString \"sha256\" \"a\") (convertHash { hash = hashString \"md5\" \"a\"; hashAlgo = \"md5\"; toHashFormat = \"sri\"; }) (compareVersions \"1.2pre\" \"1.2\") (parseDrvName \"a-b-1.2\") (splitVersion \"1.2.3a\") ]",
            "with builtins; [ (replaceStrings [ \"\" \"a\" ] [ \"-\" \"b\" ] \"banana\") (substring 1 (-1) \"abc\") (toXML { a = x: x; b = { x, y ? 1 }: x; }) (ceil 1.5) (bitXor 5 3) ]",
            "let a = { x = a; y = [ a ]; }; in builtins.deepSeq a (a.x.y == a.y)",
            "if -1 < 2.0 -> !true && \"a\" < \"b\" || [ 1 ] == [ 1.0 ] then /a/b + \"/c\" else http://example.org/x",
            "fromTOML \"a.b = 1\\n[x]\\ny = [ 1, 2 ]\\nz = { q = 0x1F }\"",
        ],
        Target::Json => &[
            "{\"a\":[1,2.5e3,-0,null,true,\"x\\u00e9\\n\\ud83d\\ude00\"],\"b\":{\"\":{}}}",
            "[[[[]]],9223372036854775807,-9223372036854775808,18446744073709551616]",
        ],
        Target::Toml => &[
            "a = 1\nb.\"c d\" = [ 1, 2.5, \"x\" ]\n[t]\nd = 1979-05-27T07:32:00.5+01:00\n[[l]]\nx = { y = 'z' }\n[[l]]\ns = \"\"\"\nm\\\n  n\"\"\"\n",
            "i = 0xff\nf = -inf\nt = 07:32:00\nd = 1979-05-27\n",
        ],
        Target::Aterm => &[
            "Derive([(\"out\",\"/nix/store/7rhsm8i393hm1wcsmph782awg1hi2f7x-a\",\"\",\"\")],[(\"/nix/store/4wvvbi4jwn0prsdxb7vs673qa5h9gr7x-b.drv\",[\"dev\",\"out\"])],[\"/nix/store/0i6ryx0a5m3q6nm2zk4xf1dq3vb6q9w1-c\"],\"x86_64-linux\",\"/bin/sh\",[\"-c\",\"a\\n\\\"b\\\"\"],[(\"k\",\"v\\\\\"),(\"out\",\"/nix/store/7rhsm8i393hm1wcsmph782awg1hi2f7x-a\")])",
            "Derive([(\"out\",\"/nix/store/7rhsm8i393hm1wcsmph782awg1hi2f7x-a\",\"r:sha256\",\"00\")],[],[],\"s\",\"b\",[],[])",
        ],
    }
}

/// A host without anything.
struct Nowhere;

impl Host for Nowhere {
    fn read_file(&self, path: &Path) -> HostResult<Vec<u8>> {
        Err(HostError::new(format!(
            "there is no file '{}'",
            path.display()
        )))
    }

    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        Err(HostError::new(format!(
            "there is no folder '{}'",
            path.display()
        )))
    }

    fn file_type(&self, _path: &Path) -> HostResult<Option<FileType>> {
        Ok(None)
    }

    fn read_link(&self, path: &Path) -> HostResult<Vec<u8>> {
        Err(HostError::new(format!(
            "there is no link '{}'",
            path.display()
        )))
    }

    fn store_text(&self, _: &str, _: &[u8], _: &[String]) -> HostResult<()> {
        Ok(())
    }

    fn store_source(&self, _: &str, _: &Tree, _: &[u8; 32]) -> HostResult<()> {
        Ok(())
    }

    fn store_derivation(&self, _: &str, _: &Derivation) -> HostResult<()> {
        Ok(())
    }

    fn message(&self, _: Message<'_>) {}
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::{Random, Target, attempt, change, seeds, words};

    #[test]
    fn some_inputs_of_every_target() {
        for &target in Target::value_variants() {
            let seeds: Vec<Vec<u8>> = seeds(target)
                .iter()
                .map(|text| text.as_bytes().to_vec())
                .collect();
            let mut random = Random(7);
            for turn in 0..300 {
                let mut input = seeds[turn % seeds.len()].clone();
                // The seeds themselves come first.
                for _ in 0..turn / seeds.len() {
                    change(&mut input, &seeds, words(target), &mut random);
                }
                input.truncate(1 << 14);
                attempt(target, &input).expect("errors are values");
            }
        }
    }
}
