# Seeing values while they are evaluated, and unit tests.
{ lib }:
let
  inherit (builtins) deepSeq isAttrs isList mapAttrs trace tryEval;
  # Values deeper than `depth` become a placeholder, so that printing them ends.
  cut = depth: value:
    if depth <= 0 then (if isAttrs value then { "…" = null; } else if isList value then [ "…" ] else value)
    else if lib.isDerivation value then "<derivation ${value.name or "?"}>"
    else if isAttrs value then mapAttrs (_: cut (depth - 1)) value
    else if isList value then map (cut (depth - 1)) value
    else value;
in
rec {
  inherit (builtins) addErrorContext unsafeGetAttrPos trace;
  traceIf = condition: message: value: if condition then trace message value else value;
  traceValFn = f: value: trace (f value) value;
  traceVal = traceValFn lib.id;
  traceSeq = shown: value: trace (deepSeq shown shown) value;
  traceSeqN = depth: shown: value:
    let text = lib.generators.toPretty { allowPrettyValues = true; } (cut depth shown); in
    trace (deepSeq text text) value;
  traceValSeqFn = f: value: traceValFn f (deepSeq value value);
  traceValSeq = traceValSeqFn lib.id;
  traceValSeqNFn = f: depth: value: traceSeqN depth (f value) value;
  traceValSeqN = traceValSeqNFn lib.id;
  traceFnSeqN = depth: name: f: argument:
    let result = f argument; in
    traceSeqN depth { fn = name; from = argument; to = result; } result;

  # `{ testName = { expr; expected; } or { expr; expectedError; }; tests = [ names ]? }` to the failures.
  runTests = tests:
    let
      chosen = tests.tests or null;
      relevant = builtins.filter
        (name: if chosen == null then name == "test" || lib.hasPrefix "test" name && name != "tests" else lib.elem name chosen)
        (builtins.attrNames tests);
    in
    lib.concatMap
      (name:
        let test = tests.${name}; in
        if test ? expectedError then
          lib.optional (tryEval (deepSeq test.expr test.expr)).success
            { inherit name; expected = test.expectedError; result = test.expr; }
        else lib.optional (test.expr != test.expected)
          { inherit name; inherit (test) expected; result = test.expr; })
      relevant;

  throwTestFailures = { failures, description ? "tests", ... }:
    if failures == [ ] then null
    else throw "${toString (builtins.length failures)} ${description} failed:\n${
      lib.concatMapStringsSep "\n"
        (f: "- ${f.name}: expected ${lib.generators.toPretty { } f.expected}, got ${lib.generators.toPretty { } f.result}")
        failures}";

  testAllTrue = expr: { inherit expr; expected = map (_: true) expr; };
}
