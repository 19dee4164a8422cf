# What the other modules say about the machine, in the form of `plan::System`. The options are
# lists and sets of plain data; `nixpkgs/snowglobe/plan.nix` reads them.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;

  list = description: mkOption {
    type = types.listOf types.raw;
    default = [ ];
    internal = true;
    inherit description;
  };

  cfg = config.snowglobe.system;
in
{
  options.snowglobe = {
    system = {
      etc = list "`plan::EtcEntry`.";
      users = list "`plan::User`.";
      groups = list "`plan::Group`.";
      wrappers = list "`plan::Wrapper`.";
      fileSystems = list "`plan::FileSystem`, in mount order.";
      kernel = {
        params = mkOption {
          type = types.listOf types.str;
          default = [ ];
          internal = true;
          description = "Kernel parameters.";
        };
        initrdModules = mkOption {
          type = types.listOf types.str;
          default = [ ];
          internal = true;
          apply = lib.unique;
          description = "Modules that the first process loads.";
        };
      };
      initrdCommands = mkOption {
        type = types.lines;
        default = "";
        internal = true;
        description = "Shell commands before anything is mounted.";
      };
      activation = mkOption {
        type = types.nullOr types.raw;
        default = null;
        internal = true;
        description = "A program run before systemd.";
      };
      debianPackages = mkOption {
        type = types.listOf types.str;
        default = [ ];
        internal = true;
        apply = lib.unique;
        description = "Debian packages whose files the machine needs, although no store path names them.";
      };
    };

    # A place where a module that cannot do what an option says refuses it.
    refused = mkOption {
      type = types.attrsOf types.str;
      default = { };
      internal = true;
      description = "Why an option that the configuration sets cannot be honoured, by option.";
    };
  };

  config.assertions = lib.mapAttrsToList (option: reason: {
    assertion = false;
    message = "The option '${option}' is not supported: ${reason}.";
  }) config.snowglobe.refused;
}
