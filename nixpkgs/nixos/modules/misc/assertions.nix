# Conditions that a configuration must meet, and remarks on it.
{ lib, ... }:
{
  options = {
    assertions = lib.mkOption {
      type = lib.types.listOf lib.types.unspecified;
      internal = true;
      default = [ ];
      example = [{ assertion = false; message = "you can't enable this for that reason"; }];
      description = "What must hold for the system to be built: each `assertion` with its `message`.";
    };
    warnings = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      internal = true;
      default = [ ];
      example = [ "The `foo' service is deprecated." ];
      description = "Remarks that are shown before the test runs.";
    };
  };
}
