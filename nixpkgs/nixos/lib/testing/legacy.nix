# `machine`, from the time when a test had one machine.
{ config, options, lib, ... }:
{
  options.machine = lib.mkOption {
    internal = true;
    type = lib.types.raw;
    description = "Deprecated: `nodes.machine`.";
  };
  config.nodes = lib.mkIf options.machine.isDefined {
    machine = { imports = [ config.machine ]; };
  };
}
