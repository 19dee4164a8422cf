# `system.build.toplevel`: the system as one store path, which becomes /run/current-system.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;

  tree =
    name: entries:
    derivation {
      inherit name;
      system = pkgs.stdenv.hostPlatform.system;
      builder = "builtin:tree";
      entries = builtins.toJSON entries;
      preferLocalBuild = true;
    };

  link = path: target: { type = "link"; inherit path; target = "${target}"; };
  text = path: text: { type = "text"; inherit path text; executable = false; };
  program = path: text: { type = "text"; inherit path text; executable = true; };

  failed = map (check: check.message) (lib.filter (check: !check.assertion) config.assertions);

  checked =
    value:
    if failed == [ ] then
      value
    else
      throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (message: "- ${message}") failed}";

  # The first process. A folder of units of the configuration's own needs systemd to be told.
  systemd =
    if config.boot.extraSystemdUnitPaths == [ ] then
      link "systemd" pkgs.systemd
    else
      program "systemd/lib/systemd/systemd" ''
        #! ${pkgs.runtimeShell}
        export SYSTEMD_UNIT_PATH=${lib.escapeShellArg (lib.concatStringsSep ":" (map toString config.boot.extraSystemdUnitPaths) + ":")}
        exec -a "$0" ${pkgs.systemd}/lib/systemd/systemd "$@"
      '';
in
{
  options = {
    system = {
      build = mkOption {
        type = types.submodule { freeformType = types.lazyAttrsOf types.unspecified; };
        default = { };
        description = "What is made from the configuration.";
      };
      path = mkOption {
        type = types.package;
        internal = true;
        description = "The packages of `environment.systemPackages` as one tree: /run/current-system/sw.";
      };
      extraDependencies = mkOption {
        type = types.listOf types.pathInStore;
        default = [ ];
        description = "Store paths that are in the machine, although nothing else refers to them.";
      };
      includeBuildDependencies = mkOption {
        type = types.bool;
        default = false;
        description = "Not supported: packages come built from Debian.";
      };
      name = mkOption {
        type = types.str;
        default = if config.networking.hostName == "" then "unnamed" else config.networking.hostName;
        defaultText = "the host name";
        description = "Name of the system in the store.";
      };
      systemBuilderCommands = mkOption {
        type = types.lines;
        default = "";
        internal = true;
        description = "Not supported: a system is assembled without running a program.";
      };
      extraSystemBuilderCmds = mkOption {
        type = types.lines;
        default = "";
        internal = true;
        description = "Not supported: a system is assembled without running a program.";
      };
      # Programs of the toplevel, by path.
      toplevelPrograms = mkOption {
        type = types.attrsOf types.str;
        default = { };
        internal = true;
        description = "Programs at the top of the system's store path.";
      };
      # Links of the toplevel, by path; other modules add theirs.
      toplevelLinks = mkOption {
        type = types.attrsOf types.raw;
        default = { };
        internal = true;
        description = "Links at the top of the system's store path.";
      };
    };
    boot.extraSystemdUnitPaths = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Folders in which systemd looks for units first.";
    };
  };

  config = {
    snowglobe.refused =
      lib.optionalAttrs config.system.includeBuildDependencies {
        "system.includeBuildDependencies" = "packages come built from Debian";
      }
      // lib.optionalAttrs (config.system.systemBuilderCommands != "" || config.system.extraSystemBuilderCmds != "") {
        "system.systemBuilderCommands" = "a system is assembled without running a program";
      };

    system.build.toplevel = checked (
      tree "nixos-system-${config.system.name}-${config.system.nixos.version}" (
        [
          (link "etc" "${config.system.build.etc}/etc")
          (link "sw" config.system.path)
          systemd
          (link "init" "${pkgs.systemd}/lib/systemd/systemd")
          (text "kernel-params" (lib.concatStringsSep " " config.boot.kernelParams))
          (text "nixos-version" config.system.nixos.label)
          (text "system" pkgs.stdenv.hostPlatform.system)
          (text "extra-dependencies" (lib.concatMapStrings (path: "${path}\n") config.system.extraDependencies))
        ]
        ++ lib.optional (config.snowglobe.system.activation != null) (link "activate" config.snowglobe.system.activation)
        ++ lib.mapAttrsToList link config.system.toplevelLinks
        ++ lib.mapAttrsToList program config.system.toplevelPrograms
      )
    );
  };
}
