# `services.dbus`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.dbus;
  # Debian's D-Bus reads /usr/share/dbus-1, where Debian's packages lie; others are joined beside.
  foreign = lib.filter (package: package.builder or "" != "builtin:debian") cfg.packages;
  joined = pkgs.buildEnv {
    name = "dbus-packages";
    ignoreCollisions = true;
    paths = foreign;
    pathsToLink = [ "/share/dbus-1" "/etc/dbus-1" ];
  };
  busConfig = kind: ''
    <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
    <busconfig>
      <servicedir>${joined}/share/dbus-1/${if kind == "system" then "system-services" else "services"}</servicedir>
      <includedir>${joined}/share/dbus-1/${kind}.d</includedir>
      <includedir>${joined}/etc/dbus-1/${kind}.d</includedir>
    </busconfig>
  '';
in
{
  options.services.dbus = {
    enable = mkOption { type = types.bool; default = true; internal = true; description = "Whether there is D-Bus."; };
    packages = mkOption { type = types.listOf types.path; default = [ ]; description = "Packages that bring services of D-Bus."; };
    implementation = mkOption {
      type = types.enum [ "dbus" "broker" ];
      default = "dbus";
      description = "Which D-Bus.";
    };
    apparmor = mkOption { type = types.enum [ "enabled" "disabled" "required" ]; default = "disabled"; description = "Whether AppArmor is asked."; };
    brokerPackage = mkOption { type = types.package; default = pkgs.dbus-broker; description = "dbus-broker."; };
    dbusPackage = mkOption { type = types.package; default = pkgs.dbus; description = "dbus."; };
  };

  config = {
    snowglobe.system.debianPackages = lib.optional (cfg.implementation == "broker") (lib.getName cfg.brokerPackage);
    environment.etc = lib.mkIf (foreign != [ ]) {
      "dbus-1/system-local.conf".text = busConfig "system";
      "dbus-1/session-local.conf".text = busConfig "session";
    };
    environment.systemPackages = [ cfg.dbusPackage ];
    system.toplevelLinks = lib.listToAttrs (lib.imap0 (i: package: lib.nameValuePair "dbus/${toString i}" package) cfg.packages);
    systemd.units = {
      # systemd keeps dbus-daemon from asking it for users of `DynamicUser`, whom it then turns away. NixOS has nsncd answer.
      "dbus.service" = { overrideStrategy = "asDropin"; text = "[Service]\nUnsetEnvironment=SYSTEMD_NSS_DYNAMIC_BYPASS\n"; };
      "dbus-broker.service" = lib.mkIf (cfg.implementation == "broker") { overrideStrategy = "asDropin"; aliases = [ "dbus.service" ]; };
    };
  };
}
