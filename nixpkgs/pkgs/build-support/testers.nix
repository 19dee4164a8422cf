# `pkgs.testers`: tests with machines are made by the framework in nixos/lib/testing.
{ final, lib, simple }:
{
  testers = (import ../../nixos/lib/testing { inherit lib; }).testersFor final;
  nixosTest = final.testers.nixosTest;
}
