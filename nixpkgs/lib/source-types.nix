# What packages were made from, for `meta.sourceProvenance`.
{ lib }:
let
  make = isSource: shortName: { inherit shortName isSource; };
in
{
  fromSource = make true "fromSource";
  binaryNativeCode = make false "binaryNativeCode";
  binaryBytecode = make false "binaryBytecode";
  binaryFirmware = make false "binaryFirmware";
}
