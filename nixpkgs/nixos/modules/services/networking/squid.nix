# `services.squid`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package;
  cfg = config.services.squid;
  local = [ "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" "169.254.0.0/16" "fc00::/7" "fe80::/10" ];
  safe = [ "80" "21" "443" "70" "210" "1025-65535" "280" "488" "591" "777" ];
  configFile = pkgs.writeText "squid.conf" (
    if cfg.configText != null then
      cfg.configText
    else
      ''
        ${lib.concatMapStrings (network: "acl localnet src ${network}\n") local}
        acl SSL_ports port 443
        ${lib.concatMapStrings (port: "acl Safe_ports port ${port}\n") safe}
        http_access deny !Safe_ports
        http_access deny CONNECT !SSL_ports
        http_access allow localhost manager
        http_access deny manager
        http_access deny to_localhost
        cache_log syslog
        access_log stdio:/var/log/squid/access.log
        cache_store_log stdio:/var/log/squid/store.log
        pid_filename /run/squid.pid
        cache_effective_user squid squid
        ${cfg.extraConfig}
        http_access allow localnet
        http_access allow localhost
        http_access deny all
        http_port ${lib.optionalString (cfg.proxyAddress != null) "${cfg.proxyAddress}:"}${toString cfg.proxyPort}
        coredump_dir /var/cache/squid
        refresh_pattern ^ftp: 1440 20% 10080
        refresh_pattern -i (/cgi-bin/|\?) 0 0% 0
        refresh_pattern . 0 20% 4320
      ''
  );
in
{
  options.services.squid = {
    enable = enable "the web proxy Squid";
    validateConfig = flag true "Whether the configuration is checked before the service starts.";
    package = package "squid" pkgs.squid;
    proxyAddress = maybe types.str "Address; default: all.";
    proxyPort = option types.port 3128 "Port.";
    extraConfig = lines "Further text of the configuration, before the rules that allow local networks.";
    configText = maybe types.lines "The whole configuration; default: what these options say.";
  };

  config = mkIf cfg.enable {
    users.users.squid = { isSystemUser = true; group = "squid"; home = "/var/cache/squid"; createHome = true; };
    users.groups.squid = { };
    systemd.services.squid = {
      description = "Squid caching proxy";
      documentation = [ "man:squid(8)" ];
      after = [ "network.target" "nss-lookup.target" ];
      wantedBy = [ "multi-user.target" ];
      preStart = ''
        install -d -o squid -g squid /var/log/squid
        ${lib.optionalString cfg.validateConfig "${cfg.package}/bin/squid -k parse -f ${configFile}"}
        ${cfg.package}/bin/squid --foreground -z -f ${configFile}
      '';
      serviceConfig = {
        PIDFile = "/run/squid.pid";
        ExecStart = "${cfg.package}/bin/squid --foreground -YCs -f ${configFile}";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        KillMode = "mixed";
        NotifyAccess = "all";
      };
    };
  };
}
