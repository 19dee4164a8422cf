# Package sets: for the machines, for the driver.
{ config, lib, ... }:
let inherit (lib) mkOption types; in
{
  options = {
    hostPkgs = mkOption {
      type = types.raw;
      description = "The package set of the driver.";
    };
    qemu = {
      package = mkOption {
        type = types.raw;
        default = config.hostPkgs.qemu_test or config.hostPkgs.qemu;
        defaultText = lib.literalExpression "hostPkgs.qemu_test";
        description = "Not supported besides its default: machines run in the program's own QEMU.";
      };
      forceAccel = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the test fails rather than run without hardware virtualisation.";
      };
    };
  };
}
