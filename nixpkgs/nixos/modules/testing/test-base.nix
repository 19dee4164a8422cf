# What makes a machine of a test different from one that someone owns.
{ config, lib, options, ... }:
let
  declared = path: value: lib.optionalAttrs (lib.hasAttrByPath path options) (lib.setAttrByPath path value);
in
{
  options.virtualisation.test.nodeName = lib.mkOption {
    type = lib.types.str;
    internal = true;
    description = "The machine's name in its test.";
  };
  config = lib.mkMerge [
    (declared [ "documentation" "nixos" "enable" ] (lib.mkOverride 900 false))
    (declared [ "system" "nixos" "revision" ] (lib.mkForce "constant-nixos-revision"))
    (declared [ "system" "nixos" "versionSuffix" ] (lib.mkForce "test"))
    (declared [ "system" "nixos" "label" ] (lib.mkForce "test"))
  ];
}
