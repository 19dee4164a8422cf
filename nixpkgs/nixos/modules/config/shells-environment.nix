# The environment of shells: variables, aliases, and what shells run when they start.
{ config, lib, pkgs, utils, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.environment;

  lines = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };

  value = types.oneOf [
    (types.listOf (types.oneOf [ types.int types.str types.path ]))
    types.int
    types.str
    types.path
  ];

  text = value: if lib.isList value then lib.concatMapStringsSep ":" toString value else toString value;

  variables = description: mkOption {
    type = types.attrsOf (types.nullOr value);
    default = { };
    apply = set: lib.mapAttrs (_: text) (lib.filterAttrs (_: value: value != null) set);
    inherit description;
  };

  # NAME="suffix of each profile, joined by colons".
  relative =
    lib.mapAttrs (_: suffixes: lib.concatMap (profile: map (suffix: "${profile}${suffix}") suffixes) cfg.profiles)
      cfg.profileRelativeEnvVars;

  all = lib.zipAttrsWith (_: values: lib.concatStringsSep ":" values) [
    (lib.mapAttrs (_: paths: lib.concatStringsSep ":" paths) relative)
    cfg.variables
  ];

  exported = lib.concatStrings (lib.mapAttrsToList (name: value: "export ${name}=\"${value}\"\n") all);
in
{
  options = {
    environment = {
      variables = variables "Variables of every shell.";
      profiles = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Folders in which programs and data are looked for, first to last.";
      };
      profileRelativeEnvVars = mkOption {
        type = types.attrsOf (types.listOf types.str);
        default = { };
        example = { PATH = [ "/bin" ]; };
        description = "Variables that hold a folder of every profile.";
      };
      extraInit = lines "Shell commands after the variables were set, in every shell.";
      shellInit = lines "Shell commands of every shell.";
      loginShellInit = lines "Shell commands of login shells.";
      interactiveShellInit = lines "Shell commands of interactive shells.";
      shellAliases = mkOption {
        type = types.attrsOf (types.nullOr (types.either types.str types.path));
        default = { };
        example = { ll = "ls -l"; l = null; };
        description = "Aliases of all shells; null removes one.";
      };
      homeBinInPath = mkOption {
        type = types.bool;
        default = false;
        description = "Whether ~/bin is in PATH.";
      };
      localBinInPath = mkOption {
        type = types.bool;
        default = false;
        description = "Whether ~/.local/bin is in PATH.";
      };
      binsh = mkOption {
        type = types.path;
        default = "/bin/sh";
        internal = true;
        description = "The shell behind /bin/sh: Debian's.";
      };
      shells = mkOption {
        type = types.listOf (types.either types.shellPackage types.path);
        default = [ ];
        description = "Shells that users may choose, for /etc/shells.";
      };
    };
    users.defaultUserShell = mkOption {
      type = types.either types.path types.shellPackage;
      default = pkgs.bashInteractive;
      defaultText = lib.literalExpression "pkgs.bashInteractive";
      description = "Login shell of normal users.";
    };
  };

  config = {
    environment = {
      shells = [ "/run/current-system/sw/bin/bash" "/run/current-system/sw/bin/sh" "/bin/sh" ];

      shellAliases = lib.mapAttrs (_: lib.mkDefault) {
        ls = "ls --color=tty";
        ll = "ls -l";
        l = "ls -alh";
      };

      etc."shells".text = lib.concatLines (lib.unique (map utils.toShellPath cfg.shells));

      etc."set-environment".source = config.system.build.setEnvironment;
    };

    system.build.setEnvironment = pkgs.writeText "set-environment" ''
      # Sets the variables of the system's configuration; read once by each login session.
      export __NIXOS_SET_ENVIRONMENT_DONE=1

      ${exported}
      ${cfg.extraInit}
      ${lib.optionalString cfg.homeBinInPath "export PATH=\"$HOME/bin:$PATH\""}
      ${lib.optionalString cfg.localBinInPath "export PATH=\"$HOME/.local/bin:$PATH\""}
    '';
  };
}
