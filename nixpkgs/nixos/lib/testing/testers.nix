# The part of `pkgs.testers` that runs machines.
{ lib, pkgs, evalTest, runTest }:
rec {
  # A test module: a path, a set or a function.
  runNixOSTest = module: runTest {
    _file = "pkgs.testers.runNixOSTest";
    key = ":runNixOSTest";
    imports = [ (lib.setDefaultModuleLocation "the argument of `runNixOSTest'" module) ];
    hostPkgs = pkgs;
    node.pkgs = pkgs;
  };

  # The older form: a test as `makeTest` takes it, or a function of `pkgs` to one.
  nixosTest = test:
    let
      loaded = if builtins.isPath test || builtins.isString test then import test else test;
      called = if lib.isFunction loaded then loaded (builtins.intersectAttrs (lib.functionArgs loaded) { inherit pkgs lib; } // lib.optionalAttrs (lib.functionArgs loaded == { }) pkgs) else loaded;
    in
    (import ../testing-python.nix { inherit pkgs; inherit (pkgs.stdenv.hostPlatform) system; }).makeTest called;
}
