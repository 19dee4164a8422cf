# Test-level options of nixpkgs that mean nothing here: setting one is an error that names it.
{ config, options, lib, ... }:
let
  inherit (lib) mkOption types;
  refuse = name: reason: value:
    if value then throw "The test option `${name}' is not supported: ${reason}." else value;
  refusedFlag = name: reason: mkOption {
    type = types.bool;
    default = false;
    apply = refuse name reason;
    description = "Not supported: ${reason}.";
  };
  noDebugger = "a failed run is looked at with `snowglobe run --interactive', which keeps its machines";
in
{
  options = {
    sshBackdoor.enable = refusedFlag "sshBackdoor.enable" "machines are entered through their agent (`machine.shell_interact()'), and no port is open to others";
    sshBackdoor.vsockOffset = mkOption {
      type = types.ints.between 2 4294967296;
      default = 2;
      description = "Harmless: only says something with `sshBackdoor.enable`, which is not supported.";
    };
    enableDebugHook = refusedFlag "enableDebugHook" noDebugger;
    containers = mkOption {
      type = types.lazyAttrsOf types.raw;
      default = { };
      apply = value:
        if value != { } then throw "The test option `containers' is not supported: machines are virtual machines; write `nodes.${lib.head (lib.attrNames value)}' instead."
        else value;
      description = "Not supported: machines are virtual machines.";
    };
    containerDefaults = mkOption {
      type = types.deferredModule;
      default = { };
      description = "Harmless: says something about `containers` only, which are not supported.";
    };
  };
}
