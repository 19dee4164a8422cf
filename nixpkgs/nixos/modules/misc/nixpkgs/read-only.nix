# In place of ../nixpkgs.nix: the package set is given, and the other `nixpkgs` options only say
# what it is.
{ lib, config, ... }:
let
  cfg = config.nixpkgs;
  fixed = name: value: lib.mkOption {
    type = lib.types.raw;
    default = value;
    description = "`${name}` of the package set that is in use; can not be set.";
    readOnly = true;
  };
in
{
  disabledModules = [ ../nixpkgs.nix ];
  options.nixpkgs = {
    pkgs = lib.mkOption {
      type = lib.types.raw // { merge = lib.mergeOneOption; };
      description = "The package set.";
    };
    config = fixed "config" (cfg.pkgs.config or { });
    overlays = fixed "overlays" (cfg.pkgs.overlays or [ ]);
    system = fixed "system" cfg.pkgs.stdenv.hostPlatform.system;
    hostPlatform = fixed "hostPlatform" cfg.pkgs.stdenv.hostPlatform;
    buildPlatform = fixed "buildPlatform" cfg.pkgs.stdenv.buildPlatform;
    localSystem = fixed "localSystem" { system = cfg.pkgs.stdenv.hostPlatform.system; };
  };
  # Whoever sets one of the others learns of it as soon as a package is used.
  config._module.args.pkgs = lib.mkOverride 100
    (lib.foldl' (value: option: lib.seq cfg.${option} value) cfg.pkgs [ "config" "overlays" "system" "hostPlatform" "buildPlatform" "localSystem" ]);
}
