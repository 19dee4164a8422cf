# `services.dnsdist`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option lines enable package;
  cfg = config.services.dnsdist;
  address = if lib.hasInfix ":" cfg.listenAddress && !(lib.hasPrefix "[" cfg.listenAddress) then "[${cfg.listenAddress}]" else cfg.listenAddress;
  configFile = pkgs.writeText "dnsdist.conf" ''
    setLocal('${address}:${toString cfg.listenPort}')
    ${cfg.extraConfig}
  '';
in
{
  options.services.dnsdist = {
    enable = enable "dnsdist, which spreads name queries over servers";
    package = package "dnsdist" pkgs.dnsdist;
    listenAddress = option types.str "0.0.0.0" "Address.";
    listenPort = option types.port 53 "Port.";
    extraConfig = lines "Further text of the configuration, in Lua.";
  };

  config = mkIf cfg.enable {
    users.users.dnsdist = {
      description = "dnsdist daemons user";
      isSystemUser = true;
      group = "dnsdist";
    };
    users.groups.dnsdist = { };

    systemd.services.dnsdist = {
      description = "dnsdist load balancer";
      documentation = [ "man:dnsdist(1)" ];
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      startLimitIntervalSec = 0;
      serviceConfig = {
        Type = "notify";
        User = "dnsdist";
        Group = "dnsdist";
        RuntimeDirectory = "dnsdist";
        StateDirectory = "dnsdist";
        ExecStartPre = "${cfg.package}/bin/dnsdist --check-config --config ${configFile}";
        ExecStart = "${cfg.package}/bin/dnsdist --supervised --disable-syslog --config ${configFile}";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" ];
        LimitNOFILE = 16384;
        Restart = "on-failure";
        RestartSec = 2;
      };
    };
  };
}
