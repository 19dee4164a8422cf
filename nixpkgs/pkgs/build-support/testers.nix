# `pkgs.testers`: machines, and small checks of derivations.
{ final, lib, simple }:
let
  machines = (import ../../nixos/lib/testing { inherit lib; }).testersFor final;
in
{
  inherit (machines) nixosTest;

  # A NixOS configuration with this package set.
  nixos =
    configuration:
    let
      system = import ../../nixos/lib/eval-config.nix {
        inherit lib;
        system = null;
        modules = [ { nixpkgs.pkgs = lib.mkDefault final; } ] ++ lib.toList configuration;
      };
    in
    system // system.config.system.build;

  testers = {
    inherit (machines) runNixOSTest nixosTest;

    testVersion =
      {
        package,
        command ? "${package.meta.mainProgram or package.pname} --version",
        version ? package.version,
        ...
      }:
      final.runCommand "${package.name}-test-version" { nativeBuildInputs = [ package ]; } ''
        if output=$(${command} 2>&1); then :; else echo "$output" >&2; exit 1; fi
        if [[ " ''${output//$'\n'/ } " != *${lib.escapeShellArg version}* ]]; then
          printf 'expected version %s in:\n%s\n' ${lib.escapeShellArg version} "$output" >&2
          exit 1
        fi
        printf '%s\n' "$output" >$out
      '';

    testEqualContents =
      {
        assertion,
        actual,
        expected,
        ...
      }:
      final.runCommand "equal-contents-${lib.strings.toLower (lib.strings.sanitizeDerivationName assertion)}"
        { inherit assertion actual expected; }
        ''
          if ! diff -U5 -r "$actual" "$expected" --color=always; then
            echo "contents are not equal: $assertion" >&2
            exit 1
          fi
          echo "$assertion" >$out
        '';

    runCommand =
      {
        name,
        script,
        hash ? null,
        nativeBuildInputs ? [ ],
        ...
      }@args:
      final.runCommand name (
        removeAttrs args [
          "name"
          "script"
          "hash"
        ]
        // {
          inherit nativeBuildInputs;
        }
        // lib.optionalAttrs (hash != null) {
          outputHash = hash;
          outputHashMode = "recursive";
        }
      ) script;

    testBuildFailure = _: throw "testers.testBuildFailure is not supported";
    invalidateFetcherByDrvHash = _: throw "testers.invalidateFetcherByDrvHash is not supported";
    hasPkgConfigModules = _: throw "testers.hasPkgConfigModules is not supported";
    lycheeLinkCheck = _: throw "testers.lycheeLinkCheck is not supported";
    shellcheck =
      { name ? "source", src }:
      final.runCommand "shellcheck-${name}" { nativeBuildInputs = [ final.shellcheck ]; inherit src; } ''
        find "$src" -type f -print0 | xargs -0 shellcheck
        touch $out
      '';
  };
}
