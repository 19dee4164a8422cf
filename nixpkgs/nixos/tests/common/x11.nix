# A graphical session: X with IceWM, logged in as root unless the test says otherwise.
{ lib, ... }:
{
  imports = [ ./auto.nix ];
  services.xserver.enable = true;
  services.xserver.windowManager.icewm.enable = true;
  services.displayManager.defaultSession = lib.mkDefault "none+icewm";
  test-support.displayManager.auto.enable = true;
}
