# What test expressions outside nixpkgs import: `(import <nixpkgs/nixos/lib> { }).runTest module`.
{ lib ? import ../../lib, featureFlags ? { }, ... }:
let
  testing = import ./testing { inherit lib; };
in
{
  inherit (testing) evalTest runTest;
  # A NixOS configuration with nothing but what is given.
  evalModules = { prefix ? [ ], modules ? [ ], specialArgs ? { } }:
    lib.evalModules {
      inherit prefix modules;
      specialArgs = { modulesPath = toString ../modules; } // specialArgs;
      class = "nixos";
    };
}
