# `config` of the package set: what it says about packages, with defaults.
{ lib }:
given:
let
  known = {
    # Everything here is free software, so that these allow nothing more.
    allowUnfree = false;
    allowUnfreePredicate = _: false;
    allowBroken = false;
    allowUnsupportedSystem = false;
    allowInsecurePredicate = _: false;
    permittedInsecurePackages = [ ];
    allowlistedLicenses = [ ];
    blocklistedLicenses = [ ];
    allowAliases = true;
    packageOverrides = _: { };
    checkMeta = false;
    warnUndeclaredOptions = false;
    inHydra = false;
    pulseaudio = true;
  };
  # Would need rebuilt packages.
  refused = [
    "cudaSupport"
    "rocmSupport"
    "replaceStdenv"
    "contentAddressedByDefault"
    "enableParallelBuildingByDefault"
    "strictDepsByDefault"
    "doCheckByDefault"
  ];
  wrong = builtins.filter (name: given ? ${name} && given.${name} != false) refused;
in
if wrong != [ ] then
  throw "config.${builtins.head wrong} of the package set would rebuild packages; Snowglobe takes them ready-built from Debian"
else
  known // given
