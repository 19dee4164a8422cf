# What is different when a person drives the machines.
{ config, lib, moduleType, ... }:
{
  options.interactive = lib.mkOption {
    type = moduleType;
    default = { };
    description = "Any option of the test, for `driverInteractive` only.";
  };
  config = {
    interactive.extraDriverArgs = [ "--interactive" ];
    passthru.driverInteractive = config.interactive.driver;
  };
}
