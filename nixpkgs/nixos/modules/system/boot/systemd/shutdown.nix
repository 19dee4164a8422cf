# `systemd.shutdown`: programs run at the very end.
{ config, lib, ... }:
{
  options.systemd.shutdown = lib.mkOption {
    type = lib.types.attrsOf lib.types.path;
    default = { };
    description = "Programs run at the very end of a shutdown, by name.";
  };

  config.environment.etc = lib.mapAttrs' (
    name: program: lib.nameValuePair "systemd/system-shutdown/${name}" { source = program; }
  ) config.systemd.shutdown;
}
