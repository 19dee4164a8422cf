# `services.lvm` and software RAID.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.lvm;
  flag = default: description: mkOption { type = types.bool; inherit default description; };
in
{
  options.services.lvm = {
    enable = flag false "Whether there is LVM. (On by default upstream; here it would add a package to every machine.)";
    package = mkOption { type = types.package; default = pkgs.lvm2; description = "LVM: Debian's."; };
    dmeventd.enable = flag false "Whether events of volumes are watched.";
    boot.thin.enable = flag false "Whether thin pools can be used.";
    boot.vdo.enable = flag false "Not supported.";
  };

  config = lib.mkMerge [
    {
      services.lvm.enable = lib.mkIf (cfg.dmeventd.enable || cfg.boot.thin.enable) (lib.mkDefault true);
      snowglobe.refused = lib.optionalAttrs cfg.boot.vdo.enable { "services.lvm.boot.vdo.enable" = "Debian has no VDO"; };
    }
    (lib.mkIf cfg.enable {
      environment.systemPackages = [ cfg.package ] ++ lib.optional cfg.boot.thin.enable pkgs.thin-provisioning-tools;
      environment.etc."lvm/lvm.conf".text = ''
        ${lib.optionalString cfg.dmeventd.enable "activation {\n  monitoring = 1\n}"}
        ${lib.optionalString cfg.boot.thin.enable "global {\n  thin_check_executable = \"/usr/sbin/thin_check\"\n}"}
        ${lib.optionalString cfg.dmeventd.enable "dmeventd {\n  executable = \"/usr/sbin/dmeventd\"\n}"}
      '';
      boot.kernelModules = [ "dm_mod" "dm_snapshot" ] ++ lib.optional cfg.boot.thin.enable "dm_thin_pool";
      snowglobe.devices = [ "block" ];
      snowglobe.system.debianPackages = lib.optional cfg.dmeventd.enable "dmeventd";
      systemd.tmpfiles.rules = [ "d /run/lock/lvm 0700 root root -" ];
    })
    (lib.mkIf cfg.dmeventd.enable {
      systemd.units = {
        "dm-event.socket" = { overrideStrategy = "asDropin"; wantedBy = [ "sockets.target" ]; };
        "lvm2-monitor.service" = { overrideStrategy = "asDropin"; wantedBy = [ "sysinit.target" ]; };
      };
    })
    (lib.mkIf config.boot.swraid.enable { environment.systemPackages = [ pkgs.mdadm ]; snowglobe.devices = [ "block" ]; })
  ];
}
