# `services.powerdns`, and its recursor.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable;
  cfg = config.services.powerdns;
  rec' = config.services.pdns-recursor;
  configDir = pkgs.writeTextDir "pdns.conf" cfg.extraConfig;
  # The secrets are put in when the service starts.
  finalDir = if cfg.secretFile == null then configDir else "/run/pdns";
  yaml = pkgs.formats.yaml { };
  recursorDir = pkgs.linkFarm "pdns-recursor" [ { name = "recursor.conf"; path = yaml.generate "recursor.conf" rec'.yaml-settings; } ];
in
{
  options.services = {
    powerdns = {
      enable = enable "the name server PowerDNS";
      extraConfig = option types.lines "launch=bind" "Text of pdns.conf.";
      secretFile = maybe types.path "File with variables that stand in the text as $NAME.";
    };
    pdns-recursor = {
      enable = enable "the PowerDNS recursor";
      dns.address = option (types.either types.str (types.listOf types.str)) [ "::" "0.0.0.0" ] "Addresses.";
      dns.port = option types.port 53 "Port.";
      dns.allowFrom = option (types.listOf types.str) [ "127.0.0.0/8" "10.0.0.0/8" "100.64.0.0/10" "169.254.0.0/16" "192.168.0.0/16" "172.16.0.0/12" "::1/128" "fc00::/7" "fe80::/10" ] "Networks that may ask.";
      api.address = option types.str "0.0.0.0" "Address of the interface over HTTP, once `yaml-settings.webservice.webserver` is on.";
      api.port = option types.port 8082 "Its port.";
      api.allowFrom = option (types.listOf types.str) [ "127.0.0.1" "::1" ] "Networks that may use it.";
      exportHosts = flag false "Whether names of /etc/hosts are answered.";
      forwardZones = option (types.attrsOf types.str) { } "Zones, and who is asked for them.";
      forwardZonesRecurse = option (types.attrsOf types.str) { } "Zones, and which recursor is asked for them.";
      dnssecValidation = option (types.enum [ "off" "process-no-validate" "process" "log-fail" "validate" ]) "validate" "How signatures are checked.";
      serveRFC1918 = flag true "Whether addresses of private networks have no names.";
      yaml-settings = option yaml.type { } "Further settings.";
      luaConfig = lines "Program in Lua.";
    };
  };

  config = lib.mkMerge [
    (mkIf cfg.enable {
      environment.etc.pdns.source = finalDir;
      environment.systemPackages = [ pkgs.pdns ];
      users.users.pdns = { isSystemUser = true; group = "pdns"; description = "PowerDNS"; };
      users.groups.pdns = { };
      systemd.services.pdns = {
        description = "PowerDNS Authoritative Server";
        documentation = [ "man:pdns_server(1)" "man:pdns_control(1)" ];
        wantedBy = [ "multi-user.target" ];
        wants = [ "network-online.target" ];
        after = [ "network-online.target" "mysql.service" "postgresql.service" "openldap.service" ];
        serviceConfig = {
          EnvironmentFile = lib.optional (cfg.secretFile != null) cfg.secretFile;
          ExecStartPre = lib.optional (cfg.secretFile != null) (pkgs.writeShellScript "pdns-pre-start" ''
            umask 077
            ${pkgs.envsubst}/bin/envsubst -i ${configDir}/pdns.conf >/run/pdns/pdns.conf
          '');
          ExecStart = "${pkgs.pdns}/bin/pdns_server --config-dir=${finalDir} --guardian=no --daemon=no --disable-syslog --log-timestamp=no --write-pid=no --socket-dir=/run/pdns";
          Type = "notify";
          Restart = "on-failure";
          RestartSec = 1;
          StartLimitInterval = 0;
          User = "pdns";
          Group = "pdns";
          RuntimeDirectory = "pdns";
          StateDirectory = "pdns";
          AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
          NoNewPrivileges = true;
          PrivateTmp = true;
          ProtectHome = true;
          ProtectSystem = "full";
        };
      };
    })

    (mkIf rec'.enable {
      services.pdns-recursor.yaml-settings = {
        incoming.listen = lib.toList rec'.dns.address;
        incoming.port = mkDefault rec'.dns.port;
        incoming.allow_from = mkDefault rec'.dns.allowFrom;
        webservice.address = mkDefault rec'.api.address;
        webservice.port = mkDefault rec'.api.port;
        webservice.allow_from = mkDefault rec'.api.allowFrom;
        recursor.forward_zones = mkDefault (lib.mapAttrsToList (zone: to: { inherit zone; forwarders = [ to ]; }) rec'.forwardZones);
        recursor.forward_zones_recurse = mkDefault (lib.mapAttrsToList (zone: to: { inherit zone; forwarders = [ to ]; }) rec'.forwardZonesRecurse);
        recursor.export_etc_hosts = mkDefault rec'.exportHosts;
        recursor.serve_rfc1918 = mkDefault rec'.serveRFC1918;
        recursor.lua_config_file = mkIf (rec'.luaConfig != "") (toString (pkgs.writeText "recursor.lua" rec'.luaConfig));
        dnssec.validation = mkDefault rec'.dnssecValidation;
        logging.timestamp = mkDefault false;
        logging.disable_syslog = mkDefault true;
        recursor.daemon = mkDefault false;
        recursor.socket_dir = mkDefault "/run/pdns-recursor";
      };
      environment.etc."pdns-recursor".source = recursorDir;
      environment.systemPackages = [ pkgs.pdns-recursor ];
      networking.resolvconf.useLocalResolver = mkDefault true;
      users.users.pdns-recursor = { isSystemUser = true; group = "pdns-recursor"; description = "PowerDNS Recursor daemon user"; };
      users.groups.pdns-recursor = { };
      systemd.services.pdns-recursor = {
        description = "PowerDNS Recursor";
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        serviceConfig = {
          ExecStart = "${pkgs.pdns-recursor}/bin/pdns_recursor --config-dir=${recursorDir} --write-pid=no";
          Type = "notify";
          User = "pdns-recursor";
          Group = "pdns-recursor";
          RuntimeDirectory = "pdns-recursor";
          AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
          NoNewPrivileges = true;
          ProtectHome = true;
        };
      };
    })
  ];
}
