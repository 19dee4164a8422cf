//! The tests that `nixpkgs/` brings, run by our evaluator: they are in Nix and end as a list of
//! failures. They exercise the evaluator as much as the library.

use std::path::Path;

use snowglobe_nix::{LocalHost, Options, RenderOptions, evaluate};

/// `expression` as JSON, or what its error says.
fn json(expression: &str) -> Result<serde_json::Value, String> {
    let host = LocalHost::default();
    let result = evaluate(&host, Options::default(), |nix| {
        let run = || nix.json(nix.expression(expression, "«test»")?, true);
        run().map_err(|fault| nix.report(fault).render(RenderOptions::default()))
    })
    .expect("the evaluator starts");
    result.map(|(text, _)| serde_json::from_str(&text).expect("the evaluator writes JSON"))
}

fn nixpkgs(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nixpkgs");
    let root = root.canonicalize().expect("nixpkgs/ is in the repository");
    root.join(file).display().to_string()
}

fn no_failures(file: &str) {
    let failures = json(&format!("import {}", nixpkgs(file))).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(failures, serde_json::json!([]), "{file}");
}

#[test]
fn functions_of_lib() {
    no_failures("lib/tests/run.nix");
}

#[test]
fn tests_become_plans() {
    no_failures("nixos/lib/tests/run.nix");
}

#[test]
fn errors_say_what_they_should() {
    let file = nixpkgs("lib/tests/errors.nix");
    let says = json(&format!(
        "builtins.mapAttrs (_: case: case.says) (import {file})"
    ))
    .unwrap_or_else(|e| panic!("{e}"));
    let cases = says.as_object().expect("a set of cases");
    assert!(cases.len() > 10);
    for (name, texts) in cases {
        let Err(message) = json(&format!("(import {file}).{name}.expr")) else {
            panic!("{name} is no error");
        };
        for text in texts.as_array().expect("a list of texts") {
            let text = text.as_str().expect("a text");
            assert!(
                message.contains(text),
                "{name} does not say {text:?}:\n{message}"
            );
        }
    }
}

#[test]
fn package_set() {
    no_failures("pkgs/tests/run.nix");
}

#[test]
fn services() {
    no_failures("nixos/modules/services/tests/run.nix");
}

#[test]
fn sets_answer_for_what_they_do_not_have() {
    let set =
        r#"let s = { a = 1; __missing = name: if name == "no" then null else name + "!"; }; in "#;
    for (expression, expected) in [
        ("[ s.a s.b s.c.d or 2 ]", serde_json::json!([1, "b!", 2])),
        (
            "[ (s ? a) (s ? b) (s ? no) ]",
            serde_json::json!([true, true, false]),
        ),
        ("s.no or 3", serde_json::json!(3)),
        ("with s; [ a b ]", serde_json::json!([1, "b!"])),
        ("with { b = 4; }; with s; b", serde_json::json!(4)),
        (
            "let inherit (s) a b; in [ a b ]",
            serde_json::json!([1, "b!"]),
        ),
        ("(s // { b = 5; }).b", serde_json::json!(5)),
        ("(s // { x = 5; }).y", serde_json::json!("y!")),
        (r#"builtins.getAttr "z" s"#, serde_json::json!("z!")),
        (r#"builtins.hasAttr "no" s"#, serde_json::json!(false)),
    ] {
        let value = json(&format!("{set}{expression}"));
        assert_eq!(value, Ok(expected), "{expression}");
    }
    for expression in ["s.no", "with s; no", r#"builtins.getAttr "no" s"#] {
        let message = json(&format!("{set}{expression}")).expect_err(expression);
        assert!(message.contains("no"), "{expression}: {message}");
    }
}
