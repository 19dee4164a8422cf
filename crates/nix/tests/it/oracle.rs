//! The same expressions in CppNix, if `SNOWGLOBE_NIX_ORACLE` names its `nix-instantiate`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{crate_folder, eval};

fn oracle() -> Option<PathBuf> {
    let oracle = std::env::var_os("SNOWGLOBE_NIX_ORACLE").map(PathBuf::from);
    if oracle.is_none() {
        eprintln!("skipped: SNOWGLOBE_NIX_ORACLE does not name a nix-instantiate");
    }
    oracle
}

fn ask(oracle: &Path, args: &[&str]) -> Result<String, String> {
    let store = std::env::temp_dir().join("snowglobe-oracle-store");
    let output = Command::new(oracle)
        .args(["--eval", "--strict", "--read-write-mode"])
        .args(args)
        .env("NIX_REMOTE", format!("local?root={}", store.display()))
        .env("NIX_PATH", "")
        .output()
        .expect("the oracle can be started");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn our_files() {
    let Some(oracle) = oracle() else { return };
    for entry in std::fs::read_dir(crate_folder().join("tests/lang")).expect("the folder exists") {
        let file = entry.expect("it can be listed").path();
        let Ok(expected) = std::fs::read_to_string(file.with_extension("exp")) else {
            continue;
        };
        if file.extension().is_some_and(|extension| extension == "nix") {
            let theirs = ask(&oracle, &[file.to_str().expect("a plain name")]);
            assert_eq!(
                theirs.as_deref(),
                Ok(expected.trim_end()),
                "{}",
                file.display()
            );
        }
    }
}

/// Small expressions that both sides refuse, or both sides accept with the same value.
const EXPRESSIONS: &[&str] = &[
    "1 / 0",
    "1 + \"a\"",
    "\"a\" + 1",
    "[ ] + 1",
    "{ } + \"a\"",
    "null + 1",
    "/a + \"b\"",
    "1 < \"a\"",
    "{ } < { }",
    "builtins.substring (-1) 1 \"a\"",
    "builtins.elemAt [ 1 ] 1",
    "builtins.head [ ]",
    "builtins.match \"(\" \"a\"",
    "builtins.match \"a{2}\" \"aa\"",
    "builtins.split \"\" \"ab\"",
    "builtins.fromJSON \"{\"",
    "builtins.fromJSON \"01\"",
    "builtins.toJSON (x: x)",
    "toString (x: x)",
    "toString { }",
    "toString { outPath = 1; }",
    "builtins.typeOf (1 ? a)",
    "let a = a; in a",
    "(x: x) 1 2",
    "{ a = 1; a = 2; }",
    "rec { a = 1; b = a; }.b",
    "1 2",
    "x: x",
    "builtins.map",
    "builtins.seq (throw \"a\") 1",
    "builtins.deepSeq { a = throw \"a\"; } 1",
    "assert 1 == 2; 3",
    "if 1 then 2 else 3",
    "!1",
    "1 && true",
    "builtins.length { }",
    "with 1; a",
    "with { a = 1; }; a",
    "builtins.listToAttrs [ { name = 1; } ]",
    "builtins.sort (a: b: 1) [ 1 2 ]",
    "builtins.genList (x: x) (-1)",
    "builtins.concatStringsSep 1 [ ]",
    "builtins.replaceStrings [ \"a\" ] [ ] \"a\"",
    "builtins.compareVersions \"1.0pre\" \"1.0\"",
    "1.0 * 3",
    "0.1 + 0.2",
    "1.0e10",
    "100000.0 * 100",
    "builtins.toJSON 1.0e10",
    "toString 1.0e10",
    "builtins.ceil 1.0e30",
    "9223372036854775807",
    "9223372036854775808",
    "(-9223372036854775807) - 2",
    "''\n  a\n b''",
    "builtins.hashString \"x\" \"a\"",
    "builtins.parseDrvName \"a-b-1.2-c\"",
    "builtins.functionArgs ({ a ? 1, b }: 1)",
    "builtins.tryEval (abort \"a\")",
    "builtins.tryEval (1 + \"a\")",
    "[ (1 + 1) -1 ]",
    "[ a: 1 ]",
    "{ a.b = 1; a.c = 2; }",
    "{ a = { b = 1; }; a.c = 2; }",
    "{ a = 1; a.c = 2; }",
    "let inherit ({ a = 1; }) a; in a",
    "{ inherit ({ a = 1; }) b; }.b",
    "({ a, ... }@b: b) { a = 1; c = 2; }",
    "({ a }: a) { a = 1; b = 2; }",
    "({ a ? b, b ? 1 }: a) { }",
    "a@{ a }: 1",
    "builtins.zipAttrsWith (n: v: v) [ { a = 1; } { a = 2; } ]",
    "builtins.genericClosure { startSet = [ ]; operator = 1; }",
    "builtins.genericClosure { startSet = [ { key = 1; } { key = \"a\"; } ]; operator = x: [ ]; }",
    "builtins.fromTOML \"a = 1979-05-27\"",
    "builtins.toFile \"a b\" \"c\"",
    "builtins.storePath /tmp",
    "<nowhere>",
    "builtins.splitVersion \"1..2\"",
    "builtins.baseNameOf \"/\"",
    "builtins.dirOf \"//a\"",
    "builtins.attrNames 1",
    "derivation { name = \"a\"; }",
    "(derivation { name = \"a\"; builder = \"b\"; system = \"c\"; outputs = [ \"x\" \"x\" ]; }).x",
    "(derivation { name = \"a/b\"; builder = \"b\"; system = \"c\"; }).outPath",
    "builtins.placeholder 1",
    "builtins.getContext \"a\"",
    "builtins.appendContext \"a\" { x = { }; }",
    "\"\\${a}\"",
    "\"a\" == ''a''",
    "{ } ? \"a b\"",
    "{ \"a b\" = 1; }.\"a b\"",
    "{ a = 1; }.${\"a\"}",
    "{ ${null} = 1; }",
    "{ ${1} = 1; }",
    "let ${\"a\"} = 1; in a",
    "builtins.convertHash { hash = \"x\"; toHashFormat = \"sri\"; }",
    "builtins.bitAnd 12 10",
    "builtins.lessThan 1 2",
    "builtins.isFunction { __functor = 1; }",
    "{ __functor = x: y: y; } 3",
    "builtins.toXML (a: a)",
    "__sub 3 1",
];

#[test]
fn small_expressions() {
    let Some(oracle) = oracle() else { return };
    let mut wrong = Vec::new();
    for text in EXPRESSIONS {
        match (ask(&oracle, &["-E", text]), eval(text)) {
            (Ok(theirs), Ok(ours)) if theirs == ours => {}
            (Err(theirs), Err(_)) if !theirs.contains("unrecognised flag") => {}
            (theirs, ours) => {
                wrong.push(format!("{text}\n  theirs: {theirs:?}\n  ours:   {ours:?}"))
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A generator of expressions that have a value, reproducible from its seed.
struct Generator(u64);

impl Generator {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn int(&mut self, depth: u64) -> String {
        if depth == 0 {
            return self.below(100).to_string();
        }
        let d = depth - 1;
        match self.below(12) {
            0 => format!("({} + {})", self.int(d), self.int(d)),
            1 => format!("({} - {})", self.int(d), self.int(d)),
            2 => format!("({} * {})", self.below(9), self.int(d)),
            3 => format!(
                "(if {} then {} else {})",
                self.bool(d),
                self.int(d),
                self.int(d)
            ),
            4 => format!("(let x = {}; in x + {})", self.int(d), self.int(d)),
            5 => format!("((x: x + {}) {})", self.int(d), self.int(d)),
            6 => format!("((x: y: x - y) {} {})", self.int(d), self.int(d)),
            7 => format!("{}.a", self.set(d)),
            8 => format!("(builtins.length {})", self.list(d)),
            9 => format!("(builtins.foldl' (a: b: a + b) 0 {})", self.list(d)),
            10 => format!("(with {}; a + b)", self.set(d)),
            _ => format!("(builtins.stringLength {})", self.text(d)),
        }
    }

    fn bool(&mut self, depth: u64) -> String {
        if depth == 0 {
            return if self.below(2) == 0 { "true" } else { "false" }.to_owned();
        }
        let d = depth - 1;
        match self.below(7) {
            0 => format!("({} < {})", self.int(d), self.int(d)),
            1 => format!("({} == {})", self.list(d), self.list(d)),
            2 => format!("({} && {})", self.bool(d), self.bool(d)),
            3 => format!("({} -> {})", self.bool(d), self.bool(d)),
            4 => format!("({} ? c)", self.set(d)),
            5 => format!("({} <= {})", self.text(d), self.text(d)),
            _ => format!("(!{})", self.bool(d)),
        }
    }

    fn text(&mut self, depth: u64) -> String {
        if depth == 0 {
            return format!(
                "\"{}\"",
                ["", "a", "b c", "\\n", "é", "$", "\\\""][self.below(7) as usize]
            );
        }
        let d = depth - 1;
        match self.below(7) {
            0 => format!("({} + {})", self.text(d), self.text(d)),
            1 => format!("\"x${{{}}}y\"", self.text(d)),
            2 => format!("(toString {})", self.int(d)),
            3 => format!(
                "(builtins.substring {} {} {})",
                self.below(5),
                self.below(9),
                self.text(d)
            ),
            4 => format!(
                "(builtins.concatStringsSep {} (map toString {}))",
                self.text(d),
                self.list(d)
            ),
            5 => format!(
                "(builtins.replaceStrings [ \"a\" \"\" ] [ {} \"z\" ] {})",
                self.text(d),
                self.text(d)
            ),
            _ => format!("(builtins.toJSON {})", self.set(d)),
        }
    }

    fn list(&mut self, depth: u64) -> String {
        if depth == 0 {
            return "[ 3 1 2 ]".to_owned();
        }
        let d = depth - 1;
        match self.below(8) {
            0 => format!("[ {} {} ]", self.int(d), self.int(d)),
            1 => format!("({} ++ {})", self.list(d), self.list(d)),
            2 => format!("(map (x: x + {}) {})", self.int(d), self.list(d)),
            3 => format!(
                "(builtins.filter (x: x > {}) {})",
                self.int(d),
                self.list(d)
            ),
            4 => format!("(builtins.sort (a: b: a < b) {})", self.list(d)),
            5 => format!(
                "(builtins.genList (x: x * {}) {})",
                self.int(d),
                self.below(5)
            ),
            6 => format!(
                "(builtins.concatMap (x: [ x {} ]) {})",
                self.int(d),
                self.list(d)
            ),
            _ => format!("(builtins.attrValues {})", self.set(d)),
        }
    }

    fn set(&mut self, depth: u64) -> String {
        if depth == 0 {
            return "{ a = 1; b = 2; }".to_owned();
        }
        let d = depth - 1;
        match self.below(6) {
            0 => format!(
                "{{ a = {}; b = {}; c = {}; }}",
                self.int(d),
                self.int(d),
                self.int(d)
            ),
            // Nothing deep inside a scope that has `a`: `with` would not see past it.
            1 => format!("(rec {{ a = b + {}; b = {}; }})", self.int(0), self.int(0)),
            2 => format!("({} // {{ c = {}; }})", self.set(d), self.int(d)),
            3 => format!(
                "(builtins.mapAttrs (n: v: v + builtins.stringLength n) {})",
                self.set(d)
            ),
            4 => format!("(let s = {}; in {{ inherit (s) a b; }})", self.set(d)),
            _ => format!(
                "(({{ a ? {}, b, ... }}@all: all // {{ inherit a; }}) {})",
                self.int(0),
                self.set(d)
            ),
        }
    }
}

#[test]
fn generated_expressions() {
    let Some(oracle) = oracle() else { return };
    let mut generator = Generator(0x5eed_0f5e_ed01);
    for _ in 0..20 {
        let batch: Vec<String> = (0..50)
            .map(|_| match generator.below(4) {
                0 => generator.int(5),
                1 => generator.text(4),
                2 => generator.list(4),
                _ => generator.set(4),
            })
            .collect();
        let all = format!("map builtins.toJSON [\n{}\n]", batch.join("\n"));
        // One that fails on both sides (say, by overflow) spoils its batch.
        if ask(&oracle, &["-E", &all]).ok() != eval(&all).ok() || eval(&all).is_err() {
            for text in &batch {
                let text = format!("builtins.toJSON {text}");
                assert_eq!(
                    ask(&oracle, &["-E", &text]).ok(),
                    eval(&text).ok(),
                    "{text}"
                );
            }
        }
    }
}
