# How long until restored machines have answered their agents' first request: `--argstr count N`.
{ count ? "1" }:
let
  names = builtins.genList (number: "m${toString (number + 1)}") (builtins.fromJSON count);
in
{ lib, ... }:
{
  name = "restore-${count}";
  defaults.virtualisation.memorySize = 512;
  nodes = lib.genAttrs names (_: { });
  testScript = ''
    import time
    # Snapshots that are missing are made now, and are not measured.
    start_all()
    print("BENCH machines: ${count}")
  '';
}
