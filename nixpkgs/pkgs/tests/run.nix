# Tests of the package set. Evaluates to the list of failures.
#
#     nix-instantiate --eval --strict nixpkgs/pkgs/tests/run.nix
let
  nixpkgs = import ../..;
  pkgs = nixpkgs { config = { }; overlays = [ ]; };
  inherit (pkgs) lib;

  # The parameters of a derivation that needs no process, as data.
  fields = {
    view = package: builtins.fromJSON (builtins.unsafeDiscardStringContext package.drvAttrs.debian);
    entries = tree: builtins.fromJSON (builtins.unsafeDiscardStringContext tree.drvAttrs.entries);
    paths = union: map (member: member.path) (builtins.fromJSON (builtins.unsafeDiscardStringContext union.drvAttrs.paths));
  };
  arguments = { inherit nixpkgs pkgs lib fields; };

  groups = {
    packages = import ./packages.nix arguments;
    builders = import ./builders.nix arguments;
    formats = import ./formats.nix arguments;
  };

  check =
    group: name: test:
    let
      outcome = builtins.tryEval (builtins.deepSeq test.expr test.expr);
    in
    if test.fails or false then
      lib.optional outcome.success "${group}.${name}: should have failed"
    else if !outcome.success then
      [ "${group}.${name}: failed" ]
    else
      lib.optional (outcome.value != test.expected) "${group}.${name}: ${lib.generators.toPretty { } outcome.value} instead of ${lib.generators.toPretty { } test.expected}";
in
lib.concatLists (
  lib.mapAttrsToList (group: tests: lib.concatLists (lib.mapAttrsToList (check group) tests)) groups
)
