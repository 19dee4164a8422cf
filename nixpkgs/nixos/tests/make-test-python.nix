# What tests of nixpkgs import: `import ./make-test-python.nix ({ pkgs, lib, ... }: { name = …; })`.
test:
{ system ? builtins.currentSystem
, pkgs ? import ../.. { inherit system; config = { }; overlays = [ ]; }
, ...
}@args:
let
  testing = import ../lib/testing-python.nix { inherit system pkgs; };
  evaluated =
    if pkgs.lib.isFunction test
    then test (args // { inherit pkgs system; inherit (pkgs) lib; })
    else if builtins.isPath test then import test
    else test;
in
testing.makeTest evaluated
