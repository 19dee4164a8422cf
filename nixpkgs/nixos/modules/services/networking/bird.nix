# `services.bird` and its older name `services.bird2`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable package;
  cfg = config.services.bird;
in
{
  imports = map (name: lib.mkRenamedOptionModule [ "services" "bird2" name ] [ "services" "bird" name ]) [
    "enable"
    "package"
    "config"
    "autoReload"
    "checkConfig"
    "preCheckConfig"
  ];

  options.services.bird = {
    enable = enable "the routing daemon BIRD";
    package = package "bird2" pkgs.bird2;
    config = lines "The configuration.";
    autoReload = flag true "Whether a changed configuration is loaded without a restart.";
    checkConfig = flag true "Harmless: the daemon checks its configuration whenever it starts, whatever this says.";
    preCheckConfig = lines "Harmless: the configuration is not checked while it is built.";
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    environment.etc."bird/bird.conf".source = pkgs.writeText "bird.conf" cfg.config;
    users.users.bird = {
      description = "BIRD Internet Routing Daemon user";
      group = "bird";
      isSystemUser = true;
    };
    users.groups.bird = { };

    systemd.services.bird = {
      description = "BIRD Internet Routing Daemon";
      aliases = [ "bird2.service" ];
      wantedBy = [ "multi-user.target" ];
      reloadTriggers = lib.optional cfg.autoReload config.environment.etc."bird/bird.conf".source;
      restartTriggers = lib.optional (!cfg.autoReload) config.environment.etc."bird/bird.conf".source;
      serviceConfig = {
        Type = "forking";
        Restart = "on-failure";
        User = "bird";
        Group = "bird";
        ExecStartPre = "${cfg.package}/bin/bird -c /etc/bird/bird.conf -p";
        ExecStart = "${cfg.package}/bin/bird -c /etc/bird/bird.conf -s /run/bird/bird.ctl";
        ExecReload = "${cfg.package}/bin/birdc -s /run/bird/bird.ctl configure";
        ExecStop = "${cfg.package}/bin/birdc -s /run/bird/bird.ctl down";
        RuntimeDirectory = "bird";
        CapabilityBoundingSet = [ "CAP_NET_ADMIN" "CAP_NET_BIND_SERVICE" "CAP_NET_RAW" ];
        AmbientCapabilities = [ "CAP_NET_ADMIN" "CAP_NET_BIND_SERVICE" "CAP_NET_RAW" ];
        ProtectSystem = "full";
        ProtectHome = true;
        PrivateTmp = true;
        PrivateDevices = true;
        MemoryDenyWriteExecute = true;
      };
    };
  };
}
