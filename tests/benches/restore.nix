# How long until restored machines have answered their agents' first request: `--argstr count N`. `hold`: they stay for so
# many seconds, for whoever measures them from outside.
{ count ? "1", hold ? "0" }:
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
    if ${hold}:
        for machine in machines:
            machine.succeed("true")
        print("BENCH held")
        time.sleep(${hold})
  '';
}
