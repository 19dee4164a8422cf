# `systemd.coredump`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.systemd.coredump;
in
{
  options.systemd.coredump = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether core dumps are collected. (On by default upstream; here it would add a package to every machine.)";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Text of coredump.conf's section `[Coredump]`.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ (pkgs.snowglobe.debianPackage "systemd-coredump") ];
    environment.etc."systemd/coredump.conf".text = "[Coredump]\n${cfg.extraConfig}";
  };
}
