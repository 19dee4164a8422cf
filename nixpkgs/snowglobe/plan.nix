# From the value of a user's file to the plan of its tests.
#
# `attrPath` chooses tests, `arguments` are for functions on the way (`--arg`), `of` is what is wanted
# of each test.
{ value, attrPath ? [ ], arguments ? { }, of ? (test: test.snowglobe.test) }:
let
  inherit (import ./find.nix { inherit attrPath arguments; }) classify select collect lib;
  inherit (builtins) attrNames;

  selected = select attrPath value;
  tests = collect 0 attrPath selected;
  complaint =
    let kind = classify 0 selected; in
    if kind ? set then "an attribute set without a test in it${lib.optionalString (kind.set != { }) " (its attributes: ${lib.concatStringsSep ", " (lib.take 10 (attrNames kind.set))})"}"
    else kind.nothing;
in
if tests == [ ]
then throw "There is no test here: the file's value is ${complaint}. A test is what `pkgs.testers.runNixOSTest' gives, a set with `nodes' and `testScript', a function to one, or a set of those."
else {
  format = 1;
  # Known without evaluating any test.
  paths = map (entry: entry.path) tests;
  tests = map (entry: of entry.test // { attrPath = entry.path; }) tests;
}
