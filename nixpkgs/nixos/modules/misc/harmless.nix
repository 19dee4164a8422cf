# Options that say nothing about how a machine behaves, so that accepting them pretends nothing.
# Each has its reason; everything else is implemented or refused.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  free = reason: mkOption {
    type = types.submodule { freeformType = types.attrsOf types.anything; };
    default = { };
    description = "Without effect: ${reason}.";
  };
in
{
  options = {
    documentation = free "manuals are those of Debian's packages";
    nix = free "there is no Nix in a machine, so that nothing reads its settings";
    powerManagement = free "a virtual machine's processor is the host's";
    gtk.iconCache = free "Debian's packages make caches of icons when a layer is built";
    fonts.fontDir = free "fonts lie in /usr/share/fonts";
  };
}
