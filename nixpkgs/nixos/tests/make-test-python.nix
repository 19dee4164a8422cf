# What tests of nixpkgs import: `import ./make-test-python.nix ({ pkgs, lib, ... }: { name = …; })`.
test:
let
  lib = import ../../lib;

  make =
    { system ? builtins.currentSystem
    , pkgs ? import ../.. { inherit system; config = { }; overlays = [ ]; }
    , ...
    }@args:
    let
      testing = import ../lib/testing-python.nix { inherit system pkgs; };
      evaluated =
        if lib.isFunction test then test (args // { inherit pkgs system; inherit (pkgs) lib; })
        else if builtins.isPath test then import test
        else test;
    in
    testing.makeTest evaluated;
in
# Arguments that the test wants besides these are the caller's to give.
lib.setFunctionArgs make
  ((if lib.isFunction test then lib.functionArgs test else { }) // { pkgs = true; system = true; lib = true; config = true; })
