# `meta` of modules: harmless, nothing reads it.
{ lib, ... }:
let
  any = lib.mkOption {
    type = lib.types.anything;
    internal = true;
    default = [ ];
    description = "Says something about a module to people; without effect on a machine.";
  };
in
{
  options.meta = {
    maintainers = any // { type = lib.types.listOf lib.types.unspecified; };
    teams = any // { type = lib.types.listOf lib.types.unspecified; };
    doc = any // { type = lib.types.unspecified; default = null; };
    buildDocsInSandbox = any // { type = lib.types.bool; default = true; };
  };
}
