# Eight machines of 512 MiB on one network: all reach each other by name.
{ lib, ... }:
let
  names = map (number: "m${toString number}") (lib.range 1 8);
in
{
  name = "eight";

  defaults.virtualisation = {
    memorySize = 512;
    graphics = false;
  };
  nodes = lib.genAttrs names (_: { });

  testScript = ''
    start_all()
    for machine in machines:
        machine.wait_for_unit("network-online.target")
    names = [machine.name for machine in machines]
    for machine in machines:
        machine.succeed(" && ".join(f"ping -c 1 -W 20 {name}" for name in names if name != machine.name))
    checkpoint("all")
    restore("all")
    machines[0].succeed("ping -c 1 -W 20 m8")
  '';
}
