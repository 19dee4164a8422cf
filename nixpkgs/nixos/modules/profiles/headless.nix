# A machine without a screen.
{ lib, options, ... }:
let
  declared = path: value: lib.optionalAttrs (lib.hasAttrByPath path options) (lib.setAttrByPath path value);
in
{
  config = lib.mkMerge [
    (declared [ "systemd" "services" ] { "serial-getty@ttyS0".enable = lib.mkDefault false; "getty@tty1".enable = false; "autovt@".enable = false; })
    (declared [ "systemd" "enableEmergencyMode" ] false)
    (declared [ "boot" "kernelParams" ] [ "panic=1" "boot.panic_on_fail" ])
    (declared [ "virtualisation" "graphics" ] (lib.mkDefault false))
  ];
}
