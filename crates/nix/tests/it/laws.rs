//! Laws that hold for all values.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::support::eval;

/// A value as it is written.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        // A negative number in a list is printed without parentheses and cannot be read back.
        any::<u32>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|value| value.to_string()),
        Just("null".to_owned()),
        "[a-z$ {}\\\\\"]{0,6}".prop_map(|text| literal(&text)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" "))),
            btree_map("[a-e]{1,2}", inner, 0..4).prop_map(|attrs| {
                let attrs: String = attrs
                    .iter()
                    .map(|(name, value)| format!("{name} = {value}; "))
                    .collect();
                format!("{{ {attrs}}}")
            }),
        ]
    })
}

fn literal(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', "\\$");
    format!("\"{escaped}\"")
}

#[track_caller]
fn holds(law: &str, bindings: &[(&str, &str)]) {
    let bindings: String = bindings
        .iter()
        .map(|(name, value)| format!("{name} = {value}; "))
        .collect();
    let text = format!("let {bindings}in {law}");
    let result = eval(&text);
    assert_eq!(result.as_deref().ok(), Some("true"), "{text}\n{result:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equality(a in value(), b in value()) {
        holds("a == a && (a == b) == (b == a) && (a != b) == !(a == b)", &[("a", &a), ("b", &b)]);
    }

    #[test]
    fn json_there_and_back(a in value()) {
        holds("builtins.fromJSON (builtins.toJSON a) == a", &[("a", &a)]);
    }

    #[test]
    fn printing_there_and_back(a in value()) {
        let printed = eval(&a).expect("a value evaluates");
        prop_assert_eq!(eval(&printed).expect("what is printed evaluates"), printed);
    }

    #[test]
    fn sets(a in btree_map("[a-h]", any::<u8>(), 0..8), b in btree_map("[a-h]", any::<u8>(), 0..8)) {
        let set = |map: &std::collections::BTreeMap<String, u8>| {
            format!("{{ {} }}", map.iter().map(|(name, value)| format!("{name} = {value};")).collect::<String>())
        };
        let bindings = [("a", set(&a)), ("b", set(&b))];
        let bindings: Vec<(&str, &str)> = bindings.iter().map(|(name, text)| (*name, text.as_str())).collect();
        holds("(a // b) // b == a // b && a // { } == a && { } // b == b", &bindings);
        holds("removeAttrs (a // b) (builtins.attrNames b) == removeAttrs a (builtins.attrNames b)", &bindings);
        holds("builtins.intersectAttrs a b == builtins.intersectAttrs (builtins.intersectAttrs a b) b", &bindings);
        holds("builtins.attrNames (a // b) == builtins.sort builtins.lessThan (builtins.attrNames (a // b))", &bindings);
        holds("builtins.mapAttrs (n: v: v) a == a", &bindings);
    }

    #[test]
    fn lists(a in vec(any::<i16>(), 0..40), b in vec(any::<i16>(), 0..8)) {
        let list = |items: &[i16]| format!("[ {} ]", items.iter().map(|item| format!("({item}) ")).collect::<String>());
        let mut sorted = a.clone();
        sorted.sort();
        let bindings = [("a", list(&a)), ("b", list(&b)), ("sorted", list(&sorted))];
        let bindings: Vec<(&str, &str)> = bindings.iter().map(|(name, text)| (*name, text.as_str())).collect();
        holds("builtins.sort builtins.lessThan a == sorted && builtins.sort (x: y: x < y) a == sorted", &bindings);
        holds("builtins.length (a ++ b) == builtins.length a + builtins.length b", &bindings);
        holds("builtins.foldl' (x: y: x ++ [ y ]) [ ] a == a", &bindings);
        holds("builtins.concatMap (x: [ x ]) a == a && map (x: x) a == a && builtins.filter (x: true) a == a", &bindings);
    }

    #[test]
    fn strings(a in "[a-c,.]{0,20}", b in "[a-c]{1,2}") {
        let (a, b) = (literal(&a), literal(&b));
        let bindings = [("a", a.as_str()), ("b", b.as_str())];
        holds("builtins.replaceStrings [ b ] [ b ] a == a", &bindings);
        holds("builtins.concatStringsSep b (builtins.filter builtins.isString (builtins.split b a)) == a", &bindings);
        holds("builtins.substring 0 3 a + builtins.substring 3 (-1) a == a", &bindings);
        holds("\"${a}${b}\" == a + b", &bindings);
    }
}
