# `services.radvd`: router advertisements.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.radvd;
  file = pkgs.writeText "radvd.conf" cfg.config;
in
{
  options.services.radvd = {
    enable = mkOption { type = types.bool; default = false; description = "Whether the machine tells others the way out of their network."; };
    package = mkOption { type = types.package; default = pkgs.radvd; description = "radvd: Debian's."; };
    debugLevel = mkOption { type = types.int; default = 0; description = "How much radvd logs."; };
    config = mkOption { type = types.lines; example = "interface eth1 { AdvSendAdvert on; prefix fd00::/64 { }; };"; description = "radvd.conf."; };
  };

  config = lib.mkIf cfg.enable {
    users.users.radvd = { isSystemUser = true; group = "radvd"; description = "Router Advertisement Daemon User"; };
    users.groups.radvd = { };
    environment.systemPackages = [ cfg.package ];
    systemd.services.radvd = {
      description = "IPv6 Router Advertisement Daemon";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = {
        ExecStart = "@/usr/sbin/radvd radvd -n -u radvd -d ${toString cfg.debugLevel} -C ${file}";
        Restart = "always";
      };
    };
  };
}
