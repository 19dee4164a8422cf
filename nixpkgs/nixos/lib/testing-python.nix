# The older way to make tests: `with import ../lib/testing-python.nix { inherit system pkgs; }; makeTest { … }`.
{ system ? builtins.currentSystem
, pkgs ? import ../.. { inherit system; config = { }; overlays = [ ]; }
, minimal ? false
, config ? { }
, specialArgs ? { }
, extraConfigurations ? [ ]
}:
let
  inherit (pkgs) lib;
  testing = import ./testing { lib = import ../../lib; };
in
assert lib.assertMsg (specialArgs == { }) "testing-python.nix: `specialArgs' is not supported; use `node.specialArgs' of the test.";
rec {
  inherit (testing) evalTest runTest;
  inherit pkgs;

  # Attributes of the test are the test's options; nodes get `pkgs` as a default.
  makeTest =
    { machine ? null
    , nodes ? { }
    , testScript
    , enableOCR ? false
    , globalTimeout ? (60 * 60)
    , name ? "unnamed"
    , skipTypeCheck ? false
    , skipLint ? false
    , passthru ? { }
    , meta ? { }
    , pos ? null
    , extraPythonPackages ? (_: [ ])
    , interactive ? { }
    , ...
    }@test:
    (testing.testersFor pkgs).runTestModule {
      _file = "the argument of `makeTest'";
      key = ":makeTest";
      imports = [
        { _file = "the argument of `makeTest'"; key = ":test"; config = removeAttrs (withName test) [ "pos" "machine" "override" "overrideDerivation" ]; }
        {
          _file = "the argument of `makeTest'";
          key = ":machine";
          nodes = lib.optionalAttrs (machine != null) { inherit machine; };
        }
      ];
      hostPkgs = pkgs;
      defaults = { imports = extraConfigurations; };
      extraBaseModules.nixpkgs.pkgs = lib.mkDefault pkgs;
      node.specialArgs = lib.optionalAttrs (pkgs ? lib) { inherit (pkgs) lib; };
    };
  withName = test: { name = "unnamed"; } // test;

  simpleTest = test: (makeTest test).test;
}
