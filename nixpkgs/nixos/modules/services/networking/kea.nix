# `services.kea`: DHCP servers, dynamic DNS for them, and their control agent.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkOption;
  inherit (import ../short.nix { inherit lib; }) enable maybe option package;
  cfg = config.services.kea;
  json = pkgs.formats.json { };

  # By the name of its options: what Debian's program is called, the key that its configuration
  # stands below, and what it may do without being root.
  servers = {
    dhcp4 = { what = "the DHCP server for IPv4"; program = "kea-dhcp4"; unit = "kea-dhcp4-server"; key = "Dhcp4"; rights = [ "CAP_NET_BIND_SERVICE" "CAP_NET_RAW" ]; };
    dhcp6 = { what = "the DHCP server for IPv6"; program = "kea-dhcp6"; unit = "kea-dhcp6-server"; key = "Dhcp6"; rights = [ "CAP_NET_BIND_SERVICE" ]; };
    dhcp-ddns = { what = "the server that enters leases in DNS"; program = "kea-dhcp-ddns"; unit = "kea-dhcp-ddns-server"; key = "DhcpDdns"; rights = [ "CAP_NET_BIND_SERVICE" ]; };
    ctrl-agent = { what = "the agent that controls Kea's servers over HTTP"; program = "kea-ctrl-agent"; unit = "kea-ctrl-agent"; key = "Control-agent"; rights = [ ]; };
  };

  enabled = lib.filterAttrs (name: _: cfg.${name}.enable) servers;
  fileOf = name: server:
    if cfg.${name}.configFile != null then cfg.${name}.configFile
    else json.generate "${server.program}.conf" { ${server.key} = cfg.${name}.settings; };

  service = name: server: lib.nameValuePair server.unit {
    description = "Kea: ${server.what}";
    documentation = [ "man:${server.program}(8)" ];
    wantedBy = [ "multi-user.target" ];
    wants = [ "network-online.target" ];
    after = [ "network-online.target" "time-sync.target" ];
    environment = {
      KEA_PIDFILE_DIR = "/run/kea";
      KEA_LOCKFILE_DIR = "/run/kea";
    };
    # A lease that was given stays valid while the server is restarted with another configuration.
    restartTriggers = [ (fileOf name server) ];
    serviceConfig = {
      ExecStart = "/usr/sbin/${server.program} -c ${fileOf name server} ${lib.escapeShellArgs cfg.${name}.extraArgs}";
      User = "kea";
      Group = "kea";
      AmbientCapabilities = server.rights;
      CapabilityBoundingSet = server.rights;
      ProtectSystem = "strict";
      ProtectHome = true;
      PrivateTmp = true;
      UMask = "0077";
      RuntimeDirectory = "kea";
      RuntimeDirectoryMode = "0750";
      # The folder is shared by all of Kea's servers.
      RuntimeDirectoryPreserve = true;
      StateDirectory = "kea";
      ConfigurationDirectory = "kea";
    };
  };
in
{
  options.services.kea = { package = package "kea" pkgs.kea; } // lib.mapAttrs (_: server: {
    enable = enable server.what;
    extraArgs = option (types.listOf types.str) [ ] "Further arguments.";
    settings = mkOption {
      type = json.type;
      default = { };
      description = "What stands below `${server.key}` in the configuration.";
    };
    configFile = maybe types.path "The whole configuration, instead of `settings`.";
  }) servers;

  config = lib.mkIf (enabled != { }) {
    assertions = lib.mapAttrsToList (name: _: {
      assertion = (cfg.${name}.settings != { }) != (cfg.${name}.configFile != null);
      message = "services.kea.${name}: exactly one of settings and configFile is to be set";
    }) enabled;

    environment.systemPackages = [ cfg.package ];
    users.users.kea = { isSystemUser = true; group = "kea"; description = "Kea daemon user"; };
    users.groups.kea = { };
    systemd.services = lib.mapAttrs' service enabled;
  };
}
