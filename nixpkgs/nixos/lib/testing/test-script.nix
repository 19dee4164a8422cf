# The Python program that drives the machines.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  script = config.testScript;
  arguments = { nodes = config.nodesCompat; containers = { }; };
in
{
  options = {
    testScript = mkOption {
      type = types.either types.str (types.functionTo types.str);
      description = "The test script, or a function from `{ nodes, ... }` to it.";
    };
    testScriptString = mkOption {
      type = types.str;
      readOnly = true;
      internal = true;
      default =
        if lib.isFunction script then
        # Only what it names, so that `{ nodes }:` without an ellipsis is as good.
          (let wanted = lib.functionArgs script; in
          script (if wanted == { } then arguments else builtins.intersectAttrs wanted arguments))
        else script;
      description = "The text of the script.";
    };
    includeTestScriptReferences = mkOption {
      type = types.bool;
      default = true;
      internal = true;
      description = "Whether store paths that the script mentions are in the machines.";
    };
    skipLint = mkOption {
      type = types.bool;
      default = false;
      description = "Do not run the linter on the script.";
    };
    skipTypeCheck = mkOption {
      type = types.bool;
      default = false;
      description = "Do not check the script's types.";
    };
    extraPythonPackages = mkOption {
      type = types.functionTo (types.listOf types.package);
      default = _: [ ];
      defaultText = lib.literalExpression "p: [ ]";
      example = lib.literalExpression "p: [ p.numpy ]";
      description = "Python packages that the script can import.";
    };
  };
}
