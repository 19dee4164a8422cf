# `services.firewalld`, and `networking.firewall` made of it: Debian's firewalld.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault concatMapStrings optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package;
  cfg = config.services.firewalld;
  firewall = config.networking.firewall;
  isBackend = firewall.enable && firewall.backend == "firewalld";

  escape = lib.escapeXML;
  attribute = name: value: optionalString (value != null) " ${name}=\"${escape (toString value)}\"";
  file = name: root: attributes: content: pkgs.writeText name ''
    <?xml version="1.0" encoding="utf-8"?>
    <${root}${attributes}>
    ${content}</${root}>
  '';
  yesNo = value: if lib.isBool value then (if value then "yes" else "no") else toString value;

  portRange = types.submodule {
    options = {
      from = mkOption { type = types.port; description = "First port."; };
      to = mkOption { type = types.port; description = "Last port."; };
    };
  };
  port = types.submodule {
    options = {
      port = mkOption { type = types.either types.port portRange; description = "Port, or range of ports."; };
      protocol = mkOption { type = types.enum [ "tcp" "udp" "sctp" "dccp" ]; description = "Protocol."; };
    };
  };
  portText = what: it: "<${what}${attribute "port" (if lib.isAttrs it.port then "${toString it.port.from}-${toString it.port.to}" else it.port)}${attribute "protocol" it.protocol}/>\n";
  words = option (types.listOf types.str) [ ];

  zone = {
    options = {
      target = option (types.enum [ "ACCEPT" "DROP" "%%REJECT%%" "default" ]) "default" "What becomes of packets that nothing else is said of.";
      short = option types.str "" "Short name.";
      description = option types.str "" "What the zone is for.";
      interfaces = words "Interfaces of the zone.";
      sources = words "Addresses of the zone.";
      services = words "Services that are open, by firewalld's names.";
      ports = option (types.listOf port) [ ] "Ports that are open.";
      sourcePorts = option (types.listOf port) [ ] "Ports that may be sent from.";
      protocols = words "Protocols that are let in.";
      icmpBlocks = words "Kinds of ICMP messages that are refused.";
      icmpBlockInversion = flag false "Whether all but `icmpBlocks` are refused.";
      masquerade = flag false "Whether packets that are passed on get the machine's own address.";
      forward = flag false "Whether packets are passed on between interfaces of the zone.";
      rules = option (types.listOf types.str) [ ] "Rich rules: elements of XML.";
    };
  };
  zoneFile = name: it: file "${name}.xml" "zone" (optionalString (it.target != "default") (attribute "target" it.target)) (
    "<short>${escape it.short}</short>\n<description>${escape it.description}</description>\n"
    + concatMapStrings (value: "<interface${attribute "name" value}/>\n") it.interfaces
    + concatMapStrings (value: "<source${attribute "address" value}/>\n") it.sources
    + concatMapStrings (value: "<service${attribute "name" value}/>\n") it.services
    + concatMapStrings (portText "port") it.ports
    + concatMapStrings (value: "<protocol${attribute "value" value}/>\n") it.protocols
    + concatMapStrings (value: "<icmp-block${attribute "name" value}/>\n") it.icmpBlocks
    + optionalString it.icmpBlockInversion "<icmp-block-inversion/>\n"
    + optionalString it.masquerade "<masquerade/>\n"
    + optionalString it.forward "<forward/>\n"
    + concatMapStrings (portText "source-port") it.sourcePorts
    + concatMapStrings (rule: rule + "\n") it.rules
  );

  service = {
    options = {
      version = option types.str "" "Version of the description.";
      short = option types.str "" "Short name.";
      description = option types.str "" "What the service is.";
      ports = option (types.listOf port) [ ] "Its ports.";
      sourcePorts = option (types.listOf port) [ ] "Ports that it sends from.";
      protocols = words "Its protocols.";
      includes = words "Services that belong to it.";
    };
  };
  serviceFile = name: it: file "${name}.xml" "service" (optionalString (it.version != "") (attribute "version" it.version)) (
    "<short>${escape it.short}</short>\n<description>${escape it.description}</description>\n"
    + concatMapStrings (portText "port") it.ports
    + concatMapStrings (value: "<protocol${attribute "value" value}/>\n") it.protocols
    + concatMapStrings (portText "source-port") it.sourcePorts
    + concatMapStrings (value: "<include${attribute "service" value}/>\n") it.includes
  );

  files =
    lib.mapAttrs' (name: it: lib.nameValuePair "firewalld/zones/${name}.xml" { source = zoneFile name it; }) cfg.zones
    // lib.mapAttrs' (name: it: lib.nameValuePair "firewalld/services/${name}.xml" { source = serviceFile name it; }) cfg.services
    // {
      "firewalld/firewalld.conf".source = pkgs.writeText "firewalld.conf" (
        lib.concatStrings (lib.mapAttrsToList (key: value: "${key}=${yesNo value}\n") cfg.settings)
      );
    };

  openPorts = protocol: map (port: { inherit port protocol; }) (
    firewall."allowed${lib.toUpper protocol}Ports" ++ firewall."allowed${lib.toUpper protocol}PortRanges"
  );
in
{
  options.services.firewalld = {
    enable = enable "the firewall daemon firewalld";
    package = package "firewalld" pkgs.firewalld;
    extraArgs = option (types.listOf types.str) [ ] "Further arguments.";
    settings = mkOption {
      type = types.submodule { freeformType = types.attrsOf (types.oneOf [ types.bool types.int types.str ]); };
      default = { };
      description = "Settings of firewalld.conf.";
    };
    zones = option (types.attrsOf (types.submodule zone)) { } "Zones, by name.";
    services = option (types.attrsOf (types.submodule service)) { } "Services, by name.";
  };

  config = lib.mkMerge [
    (mkIf cfg.enable {
      services.firewalld.settings = lib.mapAttrs (_: lib.mkOptionDefault) {
        DefaultZone = "public";
        CleanupOnExit = true;
        CleanupModulesOnExit = false;
        IPv6_rpfilter = "yes";
        IndividualCalls = false;
        LogDenied = "off";
        FirewallBackend = "nftables";
        FlushAllOnReload = true;
        RFC3964_IPv4 = true;
        StrictForwardPorts = false;
      };
      environment.systemPackages = [ cfg.package ];
      environment.etc = files;
      security.polkit.enable = true;
      services.dbus.packages = [ cfg.package ];
      boot.kernelModules = [ "nf_tables" "nft_ct" "nft_fib_inet" "nft_log" "nft_reject_inet" "nf_conntrack" ];
      systemd.services.firewalld = {
        description = "firewalld - dynamic firewall daemon";
        documentation = [ "man:firewalld(1)" ];
        before = [ "network-pre.target" ];
        wants = [ "network-pre.target" ];
        after = [ "dbus.service" "polkit.service" "nftables.service" ];
        wantedBy = [ "multi-user.target" ];
        conflicts = [ "iptables.service" "ebtables.service" "ipset.service" ];
        path = [ pkgs.kmod pkgs.nftables pkgs.iptables ];
        reloadTriggers = lib.mapAttrsToList (_: entry: entry.source) files;
        serviceConfig = {
          Type = "dbus";
          BusName = "org.fedoraproject.FirewallD1";
          ExecStart = "/usr/sbin/firewalld --nofork --nopid ${lib.escapeShellArgs cfg.extraArgs}";
          ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
          KillMode = "mixed";
          ConfigurationDirectory = "firewalld";
        };
      };
    })

    (mkIf isBackend {
      assertions = [
        {
          assertion = cfg.enable;
          message = "networking.firewall.backend = \"firewalld\" needs services.firewalld.enable.";
        }
        {
          assertion = firewall.interfaces == { };
          message = "networking.firewall.interfaces cannot be used with firewalld: use services.firewalld.zones.";
        }
        {
          assertion = firewall.extraCommands == "" && firewall.extraStopCommands == "" && firewall.extraInputRules == "" && firewall.extraForwardRules == "";
          message = "networking.firewall's extra commands and rules cannot be used with firewalld: use services.firewalld.zones.";
        }
        {
          assertion = firewall.pingLimit == null && firewall.extraReversePathFilterRules == "";
          message = "networking.firewall.pingLimit and extraReversePathFilterRules cannot be used with firewalld.";
        }
      ];
      services.firewalld = {
        settings = {
          DefaultZone = mkDefault "nixos-fw-default";
          LogDenied = mkDefault (
            if firewall.logRefusedPackets then (if firewall.logRefusedUnicastsOnly then "unicast" else "all") else "off"
          );
          IPv6_rpfilter = mkDefault (
            if firewall.checkReversePath == false then "no" else if firewall.checkReversePath == "loose" then "loose" else "strict"
          );
        };
        zones.nixos-fw-default = {
          target = mkDefault (if firewall.rejectPackets then "%%REJECT%%" else "DROP");
          ports = openPorts "tcp" ++ openPorts "udp";
          # Neighbours of IPv6 find each other by ICMP.
          protocols = [ "ipv6-icmp" ];
          rules = lib.optional firewall.allowPing "<rule family=\"ipv4\"><icmp-type name=\"echo-request\"/><accept/></rule>";
        };
        zones.trusted = mkIf (firewall.trustedInterfaces != [ ]) {
          target = "ACCEPT";
          interfaces = firewall.trustedInterfaces;
        };
      };
    })
  ];
}
