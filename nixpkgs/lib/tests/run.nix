# All tests of the library. Evaluates to the list of failures: `[ ]` when all is well.
#
#     nix-instantiate --eval --strict nixpkgs/lib/tests/run.nix
#
# A test is `{ expr; expected; }`, or `{ expr; fails = true; }` for what must be an error. What an
# error says is in errors.nix, which errors.sh runs.
let
  lib = import ../.;
  suites = {
    attrsets = import ./attrsets.nix { inherit lib; };
    customisation = import ./customisation.nix { inherit lib; };
    lists = import ./lists.nix { inherit lib; };
    modules = import ./modules.nix { inherit lib; };
    strings = import ./strings.nix { inherit lib; };
    texts = import ./texts.nix { inherit lib; };
    trivial = import ./trivial.nix { inherit lib; };
    types = import ./types.nix { inherit lib; };
  };

  check = suite: name: test:
    let
      outcome = builtins.tryEval (builtins.deepSeq test.expr test.expr);
      failure = text: [ "${suite}.${name}: ${text}" ];
      show = lib.generators.toPretty { multiline = false; };
    in
    if test.fails or false then (if outcome.success then failure "should be an error, but is ${show outcome.value}" else [ ])
    else if !outcome.success then failure "is an error"
    else if outcome.value != test.expected then failure "is ${show outcome.value} instead of ${show test.expected}"
    else [ ];
in
lib.concatLists (lib.mapAttrsToList
  (suite: tests: lib.concatLists (lib.mapAttrsToList (check suite) tests))
  suites)
