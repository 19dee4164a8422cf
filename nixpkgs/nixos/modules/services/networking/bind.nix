# `services.bind`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption optionalString concatMapStrings;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable package required;
  cfg = config.services.bind;
  zones = lib.attrValues cfg.zones;
  list = concatMapStrings (entry: " ${entry}; ");

  zoneOptions = { name, config, ... }: {
    options = {
      name = option types.str name "Name of the zone.";
      master = flag true "Whether this server is where the zone is kept.";
      file = option (types.either types.str types.path) "/var/db/bind/${config.name}.zone" "File of the zone.";
      masters = option (types.listOf types.str) [ ] "Servers that the zone is fetched from.";
      slaves = option (types.listOf types.str) [ ] "Addresses that may fetch the zone.";
      allowQuery = option (types.listOf types.str) [ "any" ] "Addresses that may ask.";
      extraConfig = lines "Further text of the zone.";
    };
  };

  zoneText = zone: ''
    zone "${zone.name}" {
      type ${if zone.master then "master" else "slave"};
      file "${zone.file}";
      ${if zone.master then "allow-transfer { ${list zone.slaves} };" else "masters { ${list zone.masters} };"}
      allow-query { ${list zone.allowQuery} };
      ${zone.extraConfig}
    };
  '';

  configFile = pkgs.writeText "named.conf" ''
    include "/etc/bind/rndc.key";
    controls {
      inet 127.0.0.1 allow { localhost; } keys { "rndc-key"; };
    };
    acl cachenetworks { ${list cfg.cacheNetworks} };
    acl badnetworks { ${list cfg.blockedNetworks} };
    options {
      listen-on { ${list cfg.listenOn} };
      listen-on-v6 { ${list cfg.listenOnIpv6} };
      allow-query-cache { cachenetworks; };
      blackhole { badnetworks; };
      ${optionalString (cfg.forwarders != [ ]) "forward ${cfg.forward};"}
      forwarders { ${list cfg.forwarders} };
      directory "${cfg.directory}";
      pid-file "/run/named/named.pid";
      ${cfg.extraOptions}
    };
    ${cfg.extraConfig}
    ${concatMapStrings zoneText zones}
  '';

  # As root: the key of rndc, and the folder of the server.
  prepare = pkgs.writeShellScript "bind-prepare" ''
    set -e
    if ! [ -f /etc/bind/rndc.key ]; then
      ${cfg.package}/bin/rndc-confgen -c /etc/bind/rndc.key -a -A hmac-sha256 2>/dev/null
    fi
    chown named /etc/bind/rndc.key
    chmod 0400 /etc/bind/rndc.key
    if ! [ -d ${cfg.directory} ]; then
      mkdir -p ${cfg.directory}
      chown named:named ${cfg.directory}
    fi
  '';
in
{
  options.services.bind = {
    enable = enable "the name server BIND";
    package = package "bind" pkgs.bind;
    cacheNetworks = option (types.listOf types.str) [ "127.0.0.0/24" "::1/128" ] "Networks that may ask for other servers' names.";
    blockedNetworks = option (types.listOf types.str) [ ] "Networks that get no answer.";
    ipv4Only = flag false "Whether to do without IPv6.";
    forwarders = option (types.listOf types.str) config.networking.nameservers "Servers that are asked for other servers' names.";
    forward = option (types.enum [ "first" "only" ]) "first" "Whether to look further when they do not know.";
    listenOn = option (types.listOf types.str) [ "any" ] "IPv4 addresses to listen at.";
    listenOnIpv6 = option (types.listOf types.str) [ "any" ] "IPv6 addresses to listen at.";
    directory = option types.str "/run/named" "Working directory.";
    zones = mkOption {
      type = types.coercedTo (types.listOf types.attrs) (
        entries: lib.listToAttrs (map (zone: lib.nameValuePair zone.name zone) entries)
      ) (types.attrsOf (types.submodule zoneOptions));
      default = { };
      description = "Zones, by name.";
    };
    extraConfig = lines "Further text of the configuration.";
    extraOptions = lines "Further text of the block `options`.";
    extraArgs = option (types.listOf types.str) [ ] "Further arguments of the server.";
    configFile = mkOption {
      type = types.path;
      default = configFile;
      defaultText = "made from the other options";
      description = "The configuration, instead of what the other options say.";
    };
  };

  config = mkIf cfg.enable {
    networking.resolvconf.useLocalResolver = lib.mkDefault true;

    # NixOS has `host` on every machine; here whoever runs a name server has it.
    environment.systemPackages = [ pkgs.host ];

    users.users.named = {
      group = "named";
      isSystemUser = true;
      description = "BIND daemon user";
    };
    users.groups.named = { };

    environment.etc."bind/named.conf".source = cfg.configFile;
    systemd.tmpfiles.rules = [ "d /etc/bind 0755 named named - -" ];

    systemd.services.bind = {
      description = "BIND Domain Name Server";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      aliases = [ "named.service" ];
      serviceConfig = {
        # The server runs as its user from the start: one that is started by root gives up the right
        # to write in folders of others before it looks at its own.
        Type = "notify";
        User = "named";
        Group = "named";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" "CAP_SYS_RESOURCE" ];
        CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" "CAP_SYS_RESOURCE" "CAP_CHOWN" "CAP_DAC_OVERRIDE" "CAP_FOWNER" ];
        ExecStartPre = "+${prepare}";
        ExecStart = "${cfg.package}/bin/named -f ${lib.escapeShellArgs cfg.extraArgs} ${optionalString cfg.ipv4Only "-4"} -c /etc/bind/named.conf";
        ExecReload = "${cfg.package}/bin/rndc -k /etc/bind/rndc.key reload";
        ExecStop = "${cfg.package}/bin/rndc -k /etc/bind/rndc.key stop";
        RuntimeDirectory = "named";
        RuntimeDirectoryPreserve = "yes";
        ConfigurationDirectory = "bind";
        Restart = "always";
      };
      unitConfig.Documentation = "man:named(8)";
    };
  };
}
