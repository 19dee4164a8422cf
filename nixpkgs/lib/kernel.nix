# Wishes for the kernel's configuration.
{ lib }:
let
  tristate = value: { tristate = value; optional = false; };
in
rec {
  unset = tristate null;
  no = tristate "n";
  module = tristate "m";
  yes = tristate "y";
  option = answer: answer // { optional = true; };
  freeform = value: { freeform = value; };
  whenHelpers = version: {
    whenAtLeast = min: lib.mkIf (lib.versionAtLeast version min);
    whenOlder = max: lib.mkIf (lib.versionOlder version max);
    whenBetween = min: max: lib.mkIf (lib.versionAtLeast version min && lib.versionOlder version max);
  };
}
