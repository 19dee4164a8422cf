# Which part of the evaluation is the result of `runTest`.
{ config, lib, ... }:
let inherit (lib) mkOption types; in
{
  options = {
    callTest = mkOption {
      internal = true;
      type = types.functionTo types.raw;
      default = test: test.test;
      defaultText = lib.literalExpression "config: config.test";
      description = "Chooses the result.";
    };
    result = mkOption {
      internal = true;
      type = types.raw;
      default = config.callTest config;
      description = "What `runTest` returns.";
    };
  };
}
