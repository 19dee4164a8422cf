{ lib, ... }:
{
  options.name = lib.mkOption {
    type = lib.types.str;
    description = "The name of the test.";
  };
}
