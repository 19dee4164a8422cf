# The derivation that runs a test, and what hangs on it.
{ config, options, lib, extendModules, ... }:
let
  inherit (lib) mkOption types;

  # Arguments as `mkDerivation` takes them; the builder is a part of this program.
  build = arguments:
    let
      final = arguments final;
      plain = removeAttrs final [ "meta" "passthru" "buildCommand" "requiredSystemFeatures" ];
    in
    derivation plain // {
      meta = final.meta or { };
      passthru = final.passthru or { };
    } // final.passthru or { };

  extend = { modules ? [ ], specialArgs ? { } }: (extendModules { inherit modules specialArgs; }).config.result;
in
{
  options = {
    passthru = mkOption {
      type = types.lazyAttrsOf types.raw;
      default = { };
      description = "Further attributes of the test.";
    };
    rawTestDerivationArg = mkOption {
      type = types.functionTo types.raw;
      internal = true;
      description = "What the test's derivation is made from, as a function of itself.";
    };
    rawTestDerivation = mkOption {
      type = types.package;
      internal = true;
      default = build config.rawTestDerivationArg;
      description = "The test's derivation.";
    };
    test = mkOption {
      type = types.package;
      description = "The test: building it runs it.";
    };
  };

  config = {
    rawTestDerivationArg = _: {
      name = "vm-test-run-${config.name}";
      system = "x86_64-linux";
      builder = "builtin:test";
      plan = builtins.toJSON config.plan;
      interactive = "";
      inherit (config) meta passthru;
    };

    # Its attributes can be had without making the derivation.
    test = {
      type = "derivation";
      name = "vm-test-run-${config.name}";
      system = "x86_64-linux";
      inherit (config.rawTestDerivation) drvPath outPath out outputName all drvAttrs;
      outputs = [ "out" ];
      inherit (config) meta;
    } // config.passthru // {
      inherit (config) passthru;
      snowglobe = { test = config.plan; };
    };

    passthru = {
      inherit (config) driver test;
      inherit config;
      nodes = config.nodesCompat;
      containers = { };
      inherit extend;
      extendNixOS = { module, specialArgs ? { } }: extend {
        modules = [{
          extraBaseModules = module;
          node.specialArgs = lib.mkIf (specialArgs != { })
            (lib.mkOverride ((options.node.specialArgs.highestPrio or 100) - 1) (config.node.specialArgs // specialArgs));
        }];
      };
      overrideTestDerivation = change: extend {
        modules = [{
          rawTestDerivationArg = lib.mkForce (lib.extends (lib.toExtension change) config.rawTestDerivationArg);
        }];
      };
    };
  };
}
