# What a test says about itself.
{ lib, ... }:
let inherit (lib) mkOption types; in
{
  options.meta = mkOption {
    default = { };
    apply = lib.filterAttrs (_: value: value != null);
    description = "Meta attributes of the test and of its driver.";
    type = types.submodule {
      freeformType = types.lazyAttrsOf types.raw;
      options = {
        maintainers = mkOption {
          type = types.listOf types.raw;
          default = [ ];
          description = "Who looks after the test.";
        };
        timeout = mkOption {
          type = types.nullOr types.int;
          default = 3600;
          description = "Seconds that a build farm may give the test.";
        };
        broken = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the test is known to fail.";
        };
      };
    };
  };
}
