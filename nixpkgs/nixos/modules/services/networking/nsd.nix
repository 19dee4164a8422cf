# `services.nsd`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf optionalString concatMapStrings;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package;
  cfg = config.services.nsd;
  state = "/var/lib/nsd";
  yes = value: if value then "yes" else "no";
  each = key: concatMapStrings (value: "  ${key}: ${value}\n");

  zoneOptions = {
    data = option types.lines "" "Records of the zone.";
    notify = option (types.listOf types.str) [ ] "Servers that are told of changes, as `ADDRESS KEY`.";
    provideXFR = option (types.listOf types.str) [ ] "Who may fetch the zone, as `ADDRESS KEY`.";
    requestXFR = option (types.listOf types.str) [ ] "Servers that the zone is fetched from, as `ADDRESS KEY`.";
    allowNotify = option (types.listOf types.str) [ ] "Servers that may tell of changes, as `ADDRESS KEY`.";
    allowAXFRFallback = flag true "Whether the zone may be fetched whole.";
    outgoingInterface = maybe types.str "Address that requests come from.";
    notifyRetry = option types.ints.positive 5 "How often notices are repeated.";
    multiMasterCheck = flag false "Whether all masters are asked.";
  };
  zones = lib.attrValues (lib.mapAttrs (name: zone: zone // { inherit name; }) cfg.zones);
  fileOf = zone: "${builtins.replaceStrings [ "/" ] [ "_" ] zone.name}.zone";
  zoneDirectory = pkgs.linkFarm "nsd-zones" (map (zone: { name = fileOf zone; path = pkgs.writeText "nsd-zone" zone.data; }) zones);

  keyText = name: key: ''
    key:
      name: "${name}"
      algorithm: "${key.algorithm}"
      include: "${state}/private/${name}"
  '';

  configFile = pkgs.writeText "nsd.conf" (
    ''
      server:
        chroot: ""
        username: "nsd"
        zonesdir: "${state}"
        logfile: ""
        pidfile: "/run/nsd/nsd.pid"
        xfrdfile: "${state}/xfrd.state"
        xfrdir: "${state}/tmp"
        zonelistfile: "${state}/zone.list"
        hide-version: ${yes cfg.hideVersion}
        ${optionalString (cfg.identity != "") "identity: \"${cfg.identity}\""}
        ip-transparent: ${yes cfg.ipTransparent}
        do-ip4: ${yes cfg.ipv4}
        do-ip6: ${yes cfg.ipv6}
        port: ${toString cfg.port}
        server-count: ${toString cfg.serverCount}
        tcp-count: ${toString cfg.tcpCount}
        tcp-timeout: ${toString cfg.tcpTimeout}
        verbosity: ${toString cfg.verbosity}
    ''
    + each "ip-address" cfg.interfaces
    + cfg.extraConfig
    + "\nremote-control:\n  control-enable: no\n"
    + lib.concatStrings (lib.mapAttrsToList keyText cfg.keys)
    + concatMapStrings (zone: ''
      zone:
        name: "${zone.name}"
        zonefile: "${if zone.requestXFR == [ ] then "${zoneDirectory}/" else ""}${fileOf zone}"
        notify-retry: ${toString zone.notifyRetry}
        multi-master-check: ${yes zone.multiMasterCheck}
        ${optionalString (zone.requestXFR != [ ]) "allow-axfr-fallback: ${yes zone.allowAXFRFallback}"}
        ${optionalString (zone.outgoingInterface != null) "outgoing-interface: ${zone.outgoingInterface}"}
    ''
    + each "notify" zone.notify + each "provide-xfr" zone.provideXFR + each "request-xfr" zone.requestXFR + each "allow-notify" zone.allowNotify) zones
  );
in
{
  options.services.nsd = {
    enable = enable "the name server NSD";
    package = package "nsd" pkgs.nsd;
    interfaces = option (types.listOf types.str) [ "127.0.0.0" "::1" ] "Addresses to listen at.";
    port = option types.port 53 "Port.";
    ipv4 = flag true "Whether IPv4 is spoken.";
    ipv6 = flag true "Whether IPv6 is spoken.";
    ipTransparent = flag false "Whether addresses may be listened at that the machine does not have yet.";
    identity = option types.str "unidentified server" "Answer to `id.server`.";
    hideVersion = flag true "Whether the version is a secret.";
    rootServer = flag false "Whether the root zone may be served.";
    serverCount = option types.int 1 "Processes.";
    tcpCount = option types.int 100 "Most TCP connections at a time.";
    tcpTimeout = option types.int 120 "Seconds before a TCP connection is closed.";
    verbosity = option types.int 0 "How much is logged.";
    extraConfig = lines "Further text of the section `server`.";
    keys = option (types.attrsOf (types.submodule {
      options.algorithm = option types.str "hmac-sha256" "Algorithm.";
      options.keyFile = lib.mkOption { type = types.path; description = "File with the key."; };
    })) { } "Keys of transfers.";
    zones = option (types.attrsOf (types.submodule { options = zoneOptions; })) { } "Zones, by name.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = lib.any (zone: zone.name == ".") zones -> cfg.rootServer;
        message = "services.nsd serves the root zone only with services.nsd.rootServer";
      }
    ];
    environment.systemPackages = [ cfg.package ];
    environment.etc."nsd/nsd.conf".source = configFile;
    users.users.nsd = {
      description = "NSD service user";
      home = state;
      createHome = true;
      isSystemUser = true;
      group = "nsd";
    };
    users.groups.nsd = { };

    systemd.services.nsd = {
      description = "NSD authoritative only domain name service";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      startLimitBurst = 4;
      startLimitIntervalSec = 5 * 60;
      preStart = ''
        install -d -m 0700 -o nsd -g nsd ${state} ${state}/tmp ${state}/private
        ${lib.concatStrings (lib.mapAttrsToList (name: key: ''
          (umask 077; printf 'secret: "%s"\n' "$(cat ${lib.escapeShellArg key.keyFile})" >${state}/private/${lib.escapeShellArg name})
          chown nsd ${state}/private/${lib.escapeShellArg name}
        '') cfg.keys)}
        ${cfg.package}/bin/nsd-checkconf ${configFile}
      '';
      serviceConfig = {
        Type = "simple";
        ExecStart = "${cfg.package}/bin/nsd -d -c ${configFile}";
        RuntimeDirectory = "nsd";
        Restart = "always";
        RestartSec = "4s";
        PrivateTmp = true;
      };
    };
  };
}
