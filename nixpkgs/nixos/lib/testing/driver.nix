# How the script is run.
{ config, lib, ... }:
let inherit (lib) mkOption types; in
{
  options = {
    enableOCR = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the script reads text off screens.";
    };
    globalTimeout = mkOption {
      type = types.ints.positive;
      default = 3600;
      description = "Seconds after which the run is stopped and fails.";
    };
    extraDriverArgs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      apply = map (argument:
        if lib.elem argument [ "--interactive" "-I" "--no-interactive" "--keep-vm-state" "--keep-machine-state" "-K" ] then argument
        else throw "The test option `extraDriverArgs' has `${argument}', which is not supported.");
      description = "Further arguments to the driver: `--interactive` and `--keep-vm-state` are known.";
    };
    logLevel = mkOption {
      type = types.enum [ "debug" "info" "warning" "error" ];
      default = "info";
      description = "Harmless: reports keep everything and show what is asked for.";
    };
    driver = mkOption {
      type = types.package;
      description = "The driver of this test: a tree with `bin/nixos-test-driver`.";
    };
    plan = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      description = "The test as data, `plan::Test`.";
    };
  };

  config.driver = derivation {
    name = "nixos-test-driver-${config.name}";
    system = "x86_64-linux";
    builder = "builtin:driver";
    plan = builtins.toJSON config.plan;
    interactive = if lib.elem "--interactive" config.extraDriverArgs then "1" else "";
  } // {
    meta = config.meta // { mainProgram = "nixos-test-driver"; };
    nodes = config.nodesCompat;
    snowglobe = { test = config.plan; interactive = lib.elem "--interactive" config.extraDriverArgs; };
  };
}
