# The machines of a test, each a NixOS configuration.
{ config, lib, extendModules, ... }:
let
  inherit (lib) mkOption types;
  inherit (lib.modules) joinPreloaded preload preloadWith;

  deferred = description: mkOption {
    type = types.deferredModule;
    default = { };
    inherit description;
  };

  # What a machine of a test is without anything that the test says of it.
  bare = preloadWith ":node" ([
    ../../modules/virtualisation/qemu-vm.nix
    ../../modules/testing/test-instrumentation.nix
    ../../modules/testing/test-base.nix
    (args@{ name, ... }: {
      _file = "the test framework";
      key = ":node-arguments";
      config = {
        _module.args = {
          nodes = config.nodesCompat;
          containers = { };
          utils = import ../utils.nix { inherit lib; inherit (args) config pkgs; };
          baseModules = import ../../modules/module-list.nix;
          extraModules = [ ];
          # For specialisations that inherit nothing.
          bareMachine = machineOf bare;
        };
        virtualisation.test.nodeName = name;
        nixpkgs = lib.mkIf (config.node.pkgs != null) { pkgs = config.node.pkgs; };
      };
    })
    config.extraBaseModules
    config.extraBaseNodeModules
  ]);
  common = joinPreloaded bare (preloadWith ":node-defaults" (
    lib.optional config.node.pkgsReadOnly ../../modules/misc/nixpkgs/read-only.nix
    ++ [ config.defaults config.nodeDefaults ]
  ));

  # The modules of NixOS are loaded once, however many tests and machines there are.
  machineOf = preloaded: types.submoduleWithPreloaded {
    preloaded = joinPreloaded (import ../base-modules.nix) preloaded;
    specialArgs = { modulesPath = toString ../../modules; }
      # Someone may have extended the library along with the packages.
      // lib.optionalAttrs (config.node.pkgs != null && config.node.pkgs ? lib) { inherit (config.node.pkgs) lib; }
      // config.node.specialArgs;
    class = "nixos";
  };
in
{
  options = {
    node = {
      type = mkOption {
        type = types.raw;
        internal = true;
        default = machineOf common;
        description = "Type of a machine's configuration.";
      };
      pkgs = mkOption {
        type = types.nullOr types.raw;
        default = null;
        description = "The package set of all machines; it makes their `nixpkgs` options read-only.";
      };
      pkgsReadOnly = mkOption {
        type = types.bool;
        default = config.node.pkgs != null;
        defaultText = lib.literalExpression "node.pkgs != null";
        description = "Whether machines cannot set `nixpkgs` options.";
      };
      specialArgs = mkOption {
        type = types.lazyAttrsOf types.raw;
        default = { };
        description = "Module arguments of all machines that can be used in `imports`.";
      };
    };
    nodes = mkOption {
      type = types.lazyAttrsOf config.node.type;
      default = { };
      visible = true;
      description = "The machines: NixOS configurations by name.";
    };
    nodesCompat = mkOption {
      internal = true;
      type = types.raw;
      readOnly = true;
      default = lib.mapAttrs (_: node: node // { config = node; }) config.nodes;
      description = "The machines' configurations, also under the old `.config`.";
    };
    allMachines = mkOption {
      internal = true;
      type = types.raw;
      readOnly = true;
      default = config.nodes;
      description = "All machines.";
    };
    defaults = deferred "NixOS configuration that every machine gets.";
    nodeDefaults = deferred "NixOS configuration that every virtual machine gets.";
    extraBaseModules = deferred "As `defaults`, for the base of machines; also in specialisations that inherit nothing.";
    extraBaseNodeModules = deferred "As `extraBaseModules`, for virtual machines.";
  };

  config._module.args = {
    nodes = config.nodesCompat;
    containers = { };
    allMachines = config.nodesCompat;
  };
}
