# A test in a file of its own, for run.nix.
{ lib, ... }:
{
  name = "pair-file";
  nodes.one = { };
  testScript = "one.start()";
}
