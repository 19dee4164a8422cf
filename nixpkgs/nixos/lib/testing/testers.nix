# The part of `pkgs.testers` that runs machines.
{ lib, pkgs, runTest }:
rec {
  # For makeTest: a test that says itself what its package sets are.
  runTestModule = runTest;

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

  # -- tests without machines -------------------------------------------------------------------

  # Whether a program says the version of its package.
  testVersion = { package, command ? "${lib.getExe package} --version", version ? package.version }:
    pkgs.runCommand "${lib.getName package}-test-version" { nativeBuildInputs = [ package ]; inherit version; } ''
      output=$(${command} 2>&1) || true
      case $output in
        *"$version"*) touch "$out" ;;
        *)
          echo "version $version is not in the output of: ${command}" >&2
          printf '%s\n' "$output" >&2
          exit 1
          ;;
      esac
    '';

  testEqualContents = { assertion, expected, actual }:
    pkgs.runCommand "equal-contents" { inherit assertion expected actual; } ''
      if diff -r "$expected" "$actual" >&2; then
        touch "$out"
      else
        printf 'these should be equal: %s\n' "$assertion" >&2
        exit 1
      fi
    '';
}
// lib.genAttrs [ "testBuildFailure" "testBuildFailure'" "testMetaPkgConfig" "hasPkgConfigModules" "hasCmakeConfigModules" "invalidateFetcherByDrvHash" "lycheeLinkCheck" "runCommand" "shellcheck" "nixosOptionsDoc" ]
  (name: throw "pkgs.testers.${name} is not supported: it tests packages, not machines.")
