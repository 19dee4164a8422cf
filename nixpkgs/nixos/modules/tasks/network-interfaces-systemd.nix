# The back end of `networking.*` that uses systemd-networkd: its files, made of the same options.
{ config, lib, pkgs, ... }:
let
  cfg = config.networking;
  interfaces = lib.attrValues cfg.interfaces;
  merge = lib.foldl lib.recursiveUpdate { };

  gatewayOf = gateway: interface: gateway != null && gateway.interface == interface;

  gatewayRoute = gateway:
    { Gateway = gateway.address; GatewayOnLink = false; }
    // lib.optionalAttrs (gateway.metric != null) { Metric = gateway.metric; }
    // lib.optionalAttrs (gateway.source != null) { PreferredSource = gateway.source; };

  # `ip route`'s options that networkd has directives for.
  routeOptions = {
    metric = "Metric";
    mtu = "MTUBytes";
    src = "PreferredSource";
    table = "Table";
    scope = "Scope";
    proto = "Protocol";
    onlink = "GatewayOnLink";
  };
  route = route:
    { Destination = "${route.address}/${toString route.prefixLength}"; }
    // lib.optionalAttrs (route.via != null) { Gateway = route.via; }
    // lib.optionalAttrs (route.type != null) { Type = route.type; }
    // lib.mapAttrs' (
      name: value:
      lib.nameValuePair (routeOptions.${name} or (throw "networking.interfaces.<name>.ipv4.routes.*.options.${name} is not supported with networkd")) value
    ) route.options;

  # A router without an interface is reached by the one whose network holds it: networkd wants to
  # know which. The first with an address is taken, as upstream's check allows no other.
  firstWithAddress = lib.findFirst (interface: interface.ipv4.addresses != [ ]) null interfaces;

  own = interface: {
    name = lib.mkDefault interface.name;
    DHCP = lib.mkForce (
      let
        asks = if interface.useDHCP != null then interface.useDHCP else cfg.useDHCP && interface.ipv4.addresses == [ ];
      in
      if asks then "yes" else "no"
    );
    address =
      map (address: "${address.address}/${toString address.prefixLength}") (
        interface.ipv4.addresses ++ lib.optionals cfg.enableIPv6 interface.ipv6.addresses
      );
    routes =
      map route (interface.ipv4.routes ++ lib.optionals cfg.enableIPv6 interface.ipv6.routes)
      ++ lib.optional (gatewayOf cfg.defaultGateway interface.name || (cfg.defaultGateway != null && cfg.defaultGateway.interface == null && firstWithAddress != null && firstWithAddress.name == interface.name)) (gatewayRoute cfg.defaultGateway)
      ++ lib.optional (gatewayOf cfg.defaultGateway6 interface.name) (gatewayRoute cfg.defaultGateway6);
    networkConfig.IPv6PrivacyExtensions = "kernel";
    linkConfig =
      lib.optionalAttrs (interface.macAddress != null) { MACAddress = interface.macAddress; }
      // lib.optionalAttrs (interface.mtu != null) { MTUBytes = toString interface.mtu; };
  };

  # What a member of a device says of it.
  membership = option: devices: membersOf: lib.concatLists (
    lib.mapAttrsToList (
      name: device:
      map (member: {
        "40-${member}" = {
          name = lib.mkDefault member;
          ${option} = [ name ];
        }
        // lib.optionalAttrs (!(cfg.interfaces ? ${member})) { DHCP = lib.mkOverride 100 "no"; };
      }) (membersOf device)
    ) devices
  );

  # Networks of devices that are made, without addresses of their own.
  bare = names: map (name: { "40-${name}" = { name = lib.mkDefault name; }; }) (lib.filter (name: !(cfg.interfaces ? ${name})) names);

  netdev = name: kind: extra: { "40-${name}" = lib.recursiveUpdate { netdevConfig = { Name = name; Kind = kind; }; } extra; };

  bondDirectives = {
    mode = "Mode";
    miimon = "MIIMonitorSec";
    lacp_rate = "LACPTransmitRate";
    xmit_hash_policy = "TransmitHashPolicy";
    primary = "PrimarySlave";
    primary_reselect = "PrimaryReselectPolicy";
    updelay = "UpDelaySec";
    downdelay = "DownDelaySec";
    min_links = "MinLinks";
    ad_select = "AdSelect";
    fail_over_mac = "FailOverMACPolicy";
    arp_interval = "ARPIntervalSec";
    arp_ip_target = "ARPIPTargets";
    arp_validate = "ARPValidate";
    arp_all_targets = "ARPAllTargets";
    all_slaves_active = "AllSlavesActive";
    num_grat_arp = "GratuitousARP";
    resend_igmp = "ResendIGMP";
    packets_per_slave = "PacketsPerSlave";
    lp_interval = "LearnPacketIntervalSec";
  };
  milliseconds = [ "miimon" "updelay" "downdelay" "arp_interval" ];
  bondConfig = bond:
    let
      all = bond.driverOptions // lib.filterAttrs (_: value: value != null) {
        inherit (bond) lacp_rate mode xmit_hash_policy;
        miimon = if bond.miimon == null then null else toString bond.miimon;
      };
    in
    lib.mapAttrs' (
      name: value:
      lib.nameValuePair (bondDirectives.${name} or (throw "networking.bonds.<name>.driverOptions.${name} is not supported with networkd")) (
        if lib.elem name milliseconds then "${value}ms" else value
      )
    ) all;

  present = lib.filterAttrs (_: value: value != null);

  tunnel = kind: tunnel: {
    tunnelConfig = present {
      Remote = tunnel.remote;
      Local = tunnel.local;
      TTL = if tunnel.ttl == null then null else tunnel.ttl;
    }
    // lib.optionalAttrs (tunnel.dev == null) { Independent = true; }
    // lib.optionalAttrs (tunnel.encapsulation.type or null != null) (
      {
        FooOverUDP = true;
        Encapsulation = { fou = "FooOverUDP"; gue = "GenericUDPEncapsulation"; }.${tunnel.encapsulation.type};
        FOUDestinationPort = tunnel.encapsulation.port;
      }
      // lib.optionalAttrs (tunnel.encapsulation.sourcePort != null) { FOUSourcePort = tunnel.encapsulation.sourcePort; }
    );
  };
  tunnelMembers = tunnels: membership "tunnel" tunnels (tunnel: lib.optional (tunnel.dev != null) tunnel.dev);

  all = made: lib.mkMerge made;
in
{
  config = lib.mkIf cfg.useNetworkd {
    systemd.network.enable = true;

    snowglobe.refused =
      lib.optionalAttrs (cfg.localCommands != "") { "networking.localCommands with networking.useNetworkd" = "networkd has no place for commands" ; }
      // lib.optionalAttrs (cfg.defaultGatewayWindowSize != null) { "networking.defaultGatewayWindowSize with networking.useNetworkd" = "networkd has no such directive"; };

    systemd.network.networks = all (
      map (interface: { "40-${interface.name}" = own interface; }) interfaces
      ++ membership "bridge" cfg.bridges (bridge: bridge.interfaces)
      ++ membership "bond" cfg.bonds (bond: bond.interfaces)
      ++ membership "vlan" cfg.vlans (vlan: [ vlan.interface ])
      ++ membership "macvlan" cfg.macvlans (vlan: [ vlan.interface ])
      ++ membership "ipvlan" cfg.ipvlans (vlan: [ vlan.interface ])
      ++ tunnelMembers cfg.sits
      ++ tunnelMembers cfg.greTunnels
      ++ tunnelMembers cfg.ipips
      ++ bare (lib.attrNames (cfg.bridges // cfg.bonds // cfg.vlans // cfg.macvlans // cfg.ipvlans // cfg.sits // cfg.greTunnels // cfg.ipips))
      ++ lib.optional cfg.useDHCP {
        "99-ethernet-default-dhcp" = {
          matchConfig = { Type = "ether"; Kind = "!*"; };
          DHCP = "yes";
          networkConfig.IPv6PrivacyExtensions = "kernel";
        };
      }
    );

    systemd.network.netdevs = all (
      lib.mapAttrsToList (name: _: netdev name "bridge" { }) cfg.bridges
      ++ lib.mapAttrsToList (name: bond: netdev name "bond" { bondConfig = bondConfig bond; }) cfg.bonds
      ++ lib.mapAttrsToList (name: vlan: netdev name "vlan" { vlanConfig.Id = vlan.id; }) cfg.vlans
      ++ lib.mapAttrsToList (name: vlan: netdev name "macvlan" { macvlanConfig = present { Mode = vlan.mode; }; }) cfg.macvlans
      ++ lib.mapAttrsToList (name: vlan: netdev name "ipvlan" { ipvlanConfig = present { Mode = if vlan.mode == null then null else lib.toUpper vlan.mode; }; }) cfg.ipvlans
      ++ lib.mapAttrsToList (name: sit: netdev name "sit" (tunnel "sit" sit)) cfg.sits
      ++ lib.mapAttrsToList (name: gre: netdev name gre.type (tunnel gre.type gre)) cfg.greTunnels
      ++ lib.mapAttrsToList (name: ipip: netdev name "ipip" (tunnel "ipip" (ipip // { encapsulation = null; }))) cfg.ipips
      ++ lib.mapAttrsToList (
        name: fou:
        netdev name "fou" {
          fooOverUDPConfig =
            { Port = fou.port; Encapsulation = if fou.protocol == null then "GenericUDPEncapsulation" else "FooOverUDP"; }
            // lib.optionalAttrs (fou.protocol != null) { Protocol = fou.protocol; }
            // lib.optionalAttrs (fou.local != null) { Local = fou.local.address; };
        }
      ) cfg.fooOverUDP
      ++ map (
        interface:
        netdev interface.name interface.virtualType {
          "${interface.virtualType}Config" = present { User = interface.virtualOwner; };
        }
      ) (lib.filter (interface: interface.virtual) interfaces)
    );
  };
}
