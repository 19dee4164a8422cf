# Version strings.
{ lib }:
rec {
  inherit (builtins) compareVersions splitVersion;
  major = version: builtins.elemAt (builtins.splitVersion version) 0;
  minor = version: builtins.elemAt (builtins.splitVersion version) 1;
  patch = version: builtins.elemAt (builtins.splitVersion version) 2;
  majorMinor = version: builtins.concatStringsSep "." (lib.take 2 (builtins.splitVersion version));
  # Exactly `count` numbers: cut, or filled with zeros.
  pad = count: version:
    let
      head = builtins.head (lib.splitString "-" version);
      suffix = lib.removePrefix head version;
      numbers = lib.take count (builtins.splitVersion head);
    in
    builtins.concatStringsSep "." (numbers ++ lib.replicate (count - builtins.length numbers) "0") + suffix;
}
