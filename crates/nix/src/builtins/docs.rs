//! What the functions of the language do, for people: the text of `:doc`.

/// Arguments and description of a builtin.
pub fn of(name: &str) -> Option<(&'static str, &'static str)> {
    ALL.iter()
        .find(|entry| entry.0 == name)
        .map(|&(_, arguments, text)| (arguments, text))
}

/// Name, arguments, description.
const ALL: &[(&str, &str, &str)] = &[
    (
        "abort",
        "message",
        "Ends the evaluation with an error that `tryEval` does not catch.",
    ),
    ("add", "a b", "The sum of two numbers."),
    (
        "addDrvOutputDependencies",
        "string",
        "The string, whose context is one derivation, with a context that means the derivation and all its outputs.",
    ),
    (
        "addErrorContext",
        "message value",
        "The value; an error while it is evaluated gets the message as a step of its trace.",
    ),
    (
        "all",
        "predicate list",
        "Whether the predicate holds for every element.",
    ),
    (
        "any",
        "predicate list",
        "Whether the predicate holds for at least one element.",
    ),
    (
        "appendContext",
        "string context",
        "The string with more context, given in the form that `getContext` returns.",
    ),
    ("attrNames", "set", "The names of the attributes, sorted."),
    (
        "attrValues",
        "set",
        "The values of the attributes, in the order of their names.",
    ),
    (
        "baseNameOf",
        "path",
        "What follows the last slash of a path or string.",
    ),
    ("bitAnd", "a b", "The bits that both integers have."),
    ("bitOr", "a b", "The bits that either integer has."),
    (
        "bitXor",
        "a b",
        "The bits that one of the two integers has.",
    ),
    (
        "break",
        "value",
        "The value. CppNix stops in its debugger here; there is none in this evaluator.",
    ),
    (
        "catAttrs",
        "name list",
        "The attribute `name` of each set in the list that has it.",
    ),
    (
        "ceil",
        "number",
        "The smallest integer that is not below the number.",
    ),
    (
        "compareVersions",
        "a b",
        "-1, 0 or 1: whether version `a` is older than, equal to or newer than `b`.",
    ),
    ("concatLists", "lists", "The lists, joined to one."),
    (
        "concatMap",
        "function list",
        "`function`, which gives a list, applied to every element, and the results joined.",
    ),
    (
        "concatStringsSep",
        "separator list",
        "The strings of the list with the separator between them.",
    ),
    (
        "convertHash",
        "{ hash, hashAlgo ?, toHashFormat }",
        "The hash in another notation: `base16`, `nix32`, `base64` or `sri`.",
    ),
    (
        "deepSeq",
        "a b",
        "Evaluates `a` to the bottom, then gives `b`.",
    ),
    (
        "derivation",
        "{ name, system, builder, args ?, outputs ?, … }",
        "A description of a build; its attributes `outPath` and `drvPath` are what other derivations refer to.",
    ),
    (
        "derivationStrict",
        "attributes",
        "The primitive below `derivation`: registers the build and gives its paths.",
    ),
    (
        "dirOf",
        "path",
        "What precedes the last slash of a path or string.",
    ),
    (
        "div",
        "a b",
        "The quotient of two numbers; of integers, without the remainder.",
    ),
    (
        "elem",
        "value list",
        "Whether the list has an element equal to the value.",
    ),
    ("elemAt", "list index", "The element at an index, from 0."),
    (
        "fetchGit",
        "arguments",
        "Not available in Snowglobe; fails by name.",
    ),
    (
        "fetchMercurial",
        "arguments",
        "Not available in Snowglobe; fails by name.",
    ),
    (
        "fetchTarball",
        "url | { url, sha256 ?, name ? }",
        "The unpacked archive. Sources of nixpkgs stand for the embedded package set.",
    ),
    (
        "fetchTree",
        "arguments",
        "Not available in Snowglobe; fails by name.",
    ),
    (
        "fetchurl",
        "url | { url, sha256 ?, name ? }",
        "The path of the downloaded file.",
    ),
    (
        "filter",
        "predicate list",
        "The elements for which the predicate holds.",
    ),
    (
        "filterSource",
        "predicate path",
        "A copy of the path in the store, with the files for which `predicate path type` holds.",
    ),
    (
        "findFile",
        "searchPath name",
        "What `<name>` leads to in a search path, a list of `{ prefix, path }`.",
    ),
    (
        "flakeRefToString",
        "attributes",
        "A flake reference as text.",
    ),
    (
        "floor",
        "number",
        "The largest integer that is not above the number.",
    ),
    (
        "foldl'",
        "function start list",
        "Combines the elements from the left: `function (function start e0) e1 …`, each step evaluated at once.",
    ),
    ("fromJSON", "text", "The value that a JSON text describes."),
    ("fromTOML", "text", "The set that a TOML text describes."),
    (
        "functionArgs",
        "function",
        "For a function with a pattern: its names, and whether each has a default.",
    ),
    (
        "genList",
        "function n",
        "The list `[ (function 0) … (function (n - 1)) ]`.",
    ),
    (
        "genericClosure",
        "{ startSet, operator }",
        "All sets that the operator leads to from the start set; sets are told apart by their attribute `key`.",
    ),
    (
        "getAttr",
        "name set",
        "The attribute of that name; an error if there is none.",
    ),
    (
        "getContext",
        "string",
        "The context of a string as a set, by store path.",
    ),
    (
        "getEnv",
        "name",
        "The environment variable, or an empty string.",
    ),
    (
        "getFlake",
        "reference",
        "Not available in Snowglobe; fails by name.",
    ),
    (
        "groupBy",
        "function list",
        "A set of lists: the elements by the string that the function gives for them.",
    ),
    ("hasAttr", "name set", "Whether the set has the attribute."),
    (
        "hasContext",
        "string",
        "Whether the string refers to store objects.",
    ),
    (
        "hashFile",
        "algorithm path",
        "The hash of a file in base 16; the algorithm is `md5`, `sha1`, `sha256` or `sha512`.",
    ),
    (
        "hashString",
        "algorithm string",
        "The hash of a string in base 16; the algorithm is `md5`, `sha1`, `sha256` or `sha512`.",
    ),
    (
        "head",
        "list",
        "The first element; an error if there is none.",
    ),
    (
        "import",
        "path",
        "The value of the Nix file, evaluated once for each path.",
    ),
    (
        "intersectAttrs",
        "a b",
        "The attributes of `b` whose names `a` has, too.",
    ),
    ("isAttrs", "value", "Whether the value is a set."),
    ("isBool", "value", "Whether the value is a Boolean."),
    (
        "isFloat",
        "value",
        "Whether the value is a number with fraction.",
    ),
    (
        "isFunction",
        "value",
        "Whether the value is a function; sets with `__functor` are not.",
    ),
    ("isInt", "value", "Whether the value is an integer."),
    ("isList", "value", "Whether the value is a list."),
    ("isNull", "value", "Whether the value is `null`."),
    ("isPath", "value", "Whether the value is a path."),
    ("isString", "value", "Whether the value is a string."),
    ("length", "list", "The number of elements."),
    (
        "lessThan",
        "a b",
        "Whether `a` is less than `b`: numbers, strings, paths or lists.",
    ),
    (
        "listToAttrs",
        "list",
        "A set from a list of `{ name, value }`; the first of equal names stays.",
    ),
    (
        "map",
        "function list",
        "The function applied to every element.",
    ),
    (
        "mapAttrs",
        "function set",
        "The set with `function name value` in place of each value.",
    ),
    (
        "match",
        "regex string",
        "The groups of an extended regular expression that matches the whole string, or `null`.",
    ),
    ("mul", "a b", "The product of two numbers."),
    (
        "parseDrvName",
        "name",
        "`{ name, version }`: the version begins at the first dash that no letter follows.",
    ),
    ("parseFlakeRef", "text", "A flake reference taken apart."),
    (
        "partition",
        "predicate list",
        "`{ right, wrong }`: the elements for which the predicate holds, and the others.",
    ),
    (
        "path",
        "{ path, name ?, filter ?, recursive ?, sha256 ? }",
        "A copy of the path in the store, under a name and with a filter.",
    ),
    ("pathExists", "path", "Whether the path exists."),
    (
        "placeholder",
        "output",
        "A string that is replaced by the path of that output while the derivation is built.",
    ),
    (
        "readDir",
        "path",
        "The entries of a directory and their types.",
    ),
    ("readFile", "path", "The contents of a file as a string."),
    (
        "readFileType",
        "path",
        "`regular`, `directory`, `symlink` or `unknown`.",
    ),
    (
        "removeAttrs",
        "set names",
        "The set without the attributes of these names.",
    ),
    (
        "replaceStrings",
        "from to string",
        "The string in which each text of `from` is replaced by the one of `to` at the same place.",
    ),
    (
        "scopedImport",
        "scope path",
        "As `import`, with the attributes of `scope` as variables; not remembered.",
    ),
    ("seq", "a b", "Evaluates `a`, then gives `b`."),
    (
        "sort",
        "lessThan list",
        "The list in order; equal elements keep theirs.",
    ),
    (
        "split",
        "regex string",
        "The pieces of the string between matches, and between them a list of the groups of each match.",
    ),
    (
        "splitVersion",
        "version",
        "The components that `compareVersions` compares.",
    ),
    (
        "storePath",
        "path",
        "An existing store path as a string that refers to it.",
    ),
    ("stringLength", "string", "The number of bytes."),
    ("sub", "a b", "The difference of two numbers."),
    (
        "substring",
        "start length string",
        "Bytes of a string from `start`; a negative length means up to its end.",
    ),
    ("tail", "list", "All elements but the first."),
    (
        "throw",
        "message",
        "Ends the evaluation with an error, which `tryEval` catches.",
    ),
    (
        "toFile",
        "name text",
        "The path of a file with that text in the store.",
    ),
    ("toJSON", "value", "The value as JSON text."),
    (
        "toPath",
        "string",
        "The path, in normal form, as a string. Outdated: write `/. + string`.",
    ),
    (
        "toString",
        "value",
        "The value as a string: `true` is `\"1\"`, `false` and `null` are empty, lists have spaces between their elements.",
    ),
    ("toXML", "value", "The value as XML text."),
    (
        "trace",
        "message value",
        "The value; the message is printed when it is evaluated.",
    ),
    (
        "traceVerbose",
        "message value",
        "As `trace`, but only with `--trace-verbose`.",
    ),
    (
        "tryEval",
        "value",
        "`{ success, value }`: whether the value, at its top, can be evaluated without `throw` or a failed `assert`.",
    ),
    (
        "typeOf",
        "value",
        "`int`, `bool`, `string`, `path`, `null`, `set`, `list`, `lambda` or `float`.",
    ),
    (
        "unsafeDiscardOutputDependency",
        "string",
        "The string, referring to the derivation file alone where it meant the derivation with everything it needs.",
    ),
    (
        "unsafeDiscardStringContext",
        "string",
        "The string, without the store objects that it refers to.",
    ),
    (
        "unsafeGetAttrPos",
        "name set",
        "`{ file, line, column }`: where the attribute was defined, or `null`.",
    ),
    (
        "warn",
        "message value",
        "The value; the message is printed as a warning when it is evaluated.",
    ),
    (
        "zipAttrsWith",
        "function sets",
        "For each name in any of the sets: `function name values`.",
    ),
];

#[cfg(test)]
mod tests {
    use crate::{LocalHost, Options, Value, evaluate};

    #[test]
    fn every_builtin_function_is_described() {
        let host = LocalHost::default();
        let options = Options {
            flakes: true,
            ..Options::default()
        };
        evaluate(&host, options, |nix| {
            let Ok(Value::Attrs(builtins)) = nix.expression("builtins", "«test»") else {
                panic!("builtins is a set");
            };
            for name in nix.names(builtins) {
                let value = nix
                    .attr(builtins, &name)
                    .map_err(|_| ())
                    .expect("evaluated");
                if matches!(value, Some(Value::Primop(_))) {
                    assert!(super::of(&name).is_some(), "{name} is not described");
                }
            }
            for (name, ..) in super::ALL {
                assert!(
                    nix.attr(builtins, name).is_ok_and(|v| v.is_some()),
                    "{name}"
                );
            }
        })
        .expect("a thread can be started");
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(super::ALL.is_sorted_by(|a, b| a.0 < b.0));
    }
}
