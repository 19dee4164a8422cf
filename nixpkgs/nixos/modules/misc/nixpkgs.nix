# `nixpkgs.*`: which package set a configuration uses.
{ config, options, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.nixpkgs;
  # Without options of its own a machine shares the set of the test; evaluating another takes time.
  changed = cfg.config != { } || cfg.overlays != [ ];
  base = cfg.pkgs;
  final =
    if !options.nixpkgs.pkgs.isDefined
    then import ../../../default.nix { inherit (cfg) config overlays; system = cfg.system; }
    else if !changed then base
    else if cfg.config == { } then base.appendOverlays cfg.overlays
    else import ../../../default.nix {
      config = lib.recursiveUpdate (base.config or { }) cfg.config;
      overlays = (base.overlays or [ ]) ++ cfg.overlays;
      system = cfg.system;
    };
in
{
  options.nixpkgs = {
    pkgs = mkOption {
      type = types.raw // { merge = lib.mergeOneOption; };
      description = "The package set. Its default is made from the other `nixpkgs` options.";
    };
    config = mkOption {
      default = { };
      type = types.attrs // {
        description = "nixpkgs config";
        check = x: lib.isAttrs x || lib.isFunction x;
        merge = _: defs: lib.foldl' (acc: def: lib.recursiveUpdate acc (if lib.isFunction def.value then def.value { pkgs = final; } else def.value)) { } defs;
      };
      description = "Configuration of the package set.";
    };
    overlays = mkOption {
      default = [ ];
      type = types.listOf types.raw;
      description = "Overlays on the package set.";
    };
    system = mkOption {
      type = types.str;
      default = "x86_64-linux";
      description = "The platform of the packages.";
    };
    localSystem = mkOption {
      type = types.raw;
      default = { inherit (cfg) system; };
      defaultText = lib.literalExpression "{ system = config.nixpkgs.system; }";
      description = "Not supported besides its default: nothing is cross-compiled.";
    };
    hostPlatform = mkOption {
      type = types.raw;
      default = { inherit (cfg) system; };
      defaultText = lib.literalExpression "{ system = config.nixpkgs.system; }";
      description = "The platform that the machine runs on; only x86_64-linux.";
    };
    buildPlatform = mkOption {
      type = types.raw;
      default = cfg.hostPlatform;
      defaultText = lib.literalExpression "config.nixpkgs.hostPlatform";
      description = "Not supported besides its default: nothing is cross-compiled.";
    };
    flake = mkOption {
      type = types.raw;
      default = { };
      description = "Harmless: there is no Nix in a machine that would read it.";
    };
  };

  config = {
    _module.args.pkgs = lib.mkOverride 1100 final;
    assertions =
      let
        system = platform: if builtins.isString platform then platform else platform.system or platform.config or "?";
        only = option: platform: {
          assertion = lib.hasPrefix "x86_64-" (system platform) && lib.hasInfix "linux" (system platform);
          message = "The option `nixpkgs.${option}' is ${system platform}; only x86_64-linux is supported.";
        };
      in
      [ (only "hostPlatform" cfg.hostPlatform) (only "localSystem" cfg.localSystem) (only "buildPlatform" cfg.buildPlatform) ];
  };
}
