# A system without what only people at a screen need.
{ lib, options, ... }:
let
  off = path: lib.optionalAttrs (lib.hasAttrByPath path options) (lib.setAttrByPath path (lib.mkDefault false));
in
{
  config = lib.mkMerge ([
    { environment.defaultPackages = lib.mkDefault [ ]; }
  ] ++ map off [
    [ "documentation" "enable" ]
    [ "documentation" "doc" "enable" ]
    [ "documentation" "info" "enable" ]
    [ "documentation" "man" "enable" ]
    [ "documentation" "nixos" "enable" ]
    [ "environment" "stub-ld" "enable" ]
    [ "programs" "command-not-found" "enable" ]
    [ "services" "logrotate" "enable" ]
    [ "services" "udisks2" "enable" ]
    [ "xdg" "autostart" "enable" ]
    [ "xdg" "icons" "enable" ]
    [ "xdg" "mime" "enable" ]
    [ "xdg" "sounds" "enable" ]
  ]);
}
