# What a checkpoint costs, for machines that were restored: `--argstr count N`.
{ count ? "1" }:
let
  names = builtins.genList (number: "m${toString (number + 1)}") (builtins.fromJSON count);
in
{ lib, ... }:
{
  name = "checkpoint-${count}";
  defaults.virtualisation.memorySize = 512;
  nodes = lib.genAttrs names (_: { });
  testScript = ''
    start_all()
    for machine in machines:
        machine.succeed("true")
    checkpoint("one")
    restore("one")
    for machine in machines:
        machine.succeed("true")
  '';
}
