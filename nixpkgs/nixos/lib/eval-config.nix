# A NixOS configuration from modules.
{ system ? null
, pkgs ? null
, lib ? import ../../lib
, baseModules ? null
, extraArgs ? { }
, specialArgs ? { }
, modules
, modulesLocation ? null
, extraModules ? [ ]
, check ? true
, prefix ? [ ]
}:
let
  located = if modulesLocation == null then modules
    else map (lib.setDefaultModuleLocation modulesLocation) modules;
  own = {
    _file = ./eval-config.nix;
    key = ":eval-config";
    config._module.args = {
      utils = import ./utils.nix { inherit lib; inherit (evaluated) config pkgs; };
      inherit extraModules modules;
      baseModules = if baseModules == null then import ../modules/module-list.nix else baseModules;
    } // extraArgs;
    config.nixpkgs = lib.mkMerge [
      (lib.mkIf (pkgs != null) { pkgs = lib.mkDefault pkgs; })
      (lib.mkIf (system != null) { system = lib.mkDefault system; })
    ];
  };
  evaluation = lib.modules.evalPreloaded {
    preloaded = lib.modules.joinPreloaded
      (if baseModules == null then import ./base-modules.nix else lib.modules.preloadWith ":base" baseModules)
      (lib.modules.preload ([ own ] ++ extraModules ++ located));
    inherit prefix check;
    class = "nixos";
    specialArgs = { modulesPath = toString ../modules; } // specialArgs;
  };
  evaluated = evaluation // { inherit (evaluation._module.args) pkgs; inherit lib extraArgs; };
in
evaluated
