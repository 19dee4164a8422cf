# The back end of `networking.*` that needs no daemon: one call of `ip -batch` for each interface.
# A shell script with a program per step, as one would write it, costs seconds under emulation.
{ config, lib, pkgs, utils, ... }:
let
  cfg = config.networking;
  interfaces = lib.attrValues cfg.interfaces;
  ip = "${pkgs.iproute2}/bin/ip";
  enabled = !cfg.useNetworkd;

  lines = lib.concatMapStrings (line: "${line}\n");

  # One call of `ip` for all. It tells the family of a route by its addresses; options such as -6
  # cannot stand in a batch.
  batch = name: commands: "${ip} -force -batch ${pkgs.writeText "network-${lib.strings.sanitizeDerivationName name}" (lines commands)}";

  # What is made rather than found, each by a service NAME-netdev.
  virtual = lib.filter (interface: interface.virtual) interfaces;
  made =
    lib.attrNames (cfg.bridges // cfg.vlans // cfg.bonds // cfg.macvlans // cfg.ipvlans // cfg.sits // cfg.greTunnels // cfg.ipips)
    ++ map (interface: interface.name) virtual;
  isMade = lib.genAttrs made (_: true);

  # Cards that have a name of their own get it from udev.
  isRenamed = lib.listToAttrs (
    lib.concatLists (
      lib.imap1 (n: card: lib.optional (card.name != "eth${toString n}") (lib.nameValuePair card.name true)) (config.snowglobe.interfaces or [ ])
    )
  );

  # Other cards exist before systemd runs: they need not be waited for.
  deviceOf =
    name:
    lib.optional (isMade ? ${name}) "${name}-netdev.service"
    ++ lib.optional (isRenamed ? ${name}) "sys-subsystem-net-devices-${utils.escapeSystemdPath name}.device";

  stop = commands: lib.optionals (commands != [ ]) [ "-${batch "stop" commands}" ];

  netdev = name: { members ? [ ], start, end ? [ "link delete dev ${name}" ], description ? "Makes the interface ${name}", extra ? { } }:
    lib.nameValuePair "${name}-netdev" (
      lib.recursiveUpdate {
        inherit description;
        wantedBy = [ "network-setup.service" "multi-user.target" ];
        before = [ "network-setup.service" "network-addresses-${name}.service" ];
        after = [ "network-pre.target" ] ++ lib.concatMap deviceOf members ++ map (member: "network-addresses-${member}.service") members;
        bindsTo = lib.concatMap deviceOf members;
        partOf = [ "network-setup.service" ];
        unitConfig.DefaultDependencies = false;
        conflicts = [ "shutdown.target" ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = batch "${name}-netdev" start;
          ExecStop = stop end;
        };
      } extra
    );

  option = name: value: lib.optionalString (value != null) " ${name} ${toString value}";

  bondOptions =
    bond:
    bond.driverOptions
    // lib.filterAttrs (_: value: value != null) {
      lacp_rate = bond.lacp_rate;
      miimon = if bond.miimon == null then null else toString bond.miimon;
      mode = bond.mode;
      xmit_hash_policy = bond.xmit_hash_policy;
    };

  netdevs =
    lib.mapAttrsToList (
      name: bridge:
      netdev name {
        members = bridge.interfaces;
        start =
          [ "link add name ${name} type bridge" ]
          ++ lib.concatMap (member: [ "link set dev ${member} master ${name}" "link set dev ${member} up" ]) bridge.interfaces
          ++ [ "link set dev ${name} up" ];
      }
    ) cfg.bridges
    ++ lib.mapAttrsToList (
      name: vlan:
      netdev name {
        members = [ vlan.interface ];
        start = [
          "link set dev ${vlan.interface} up"
          "link add link ${vlan.interface} name ${name} type vlan id ${toString vlan.id}"
          "link set dev ${name} up"
        ];
      }
    ) cfg.vlans
    ++ lib.mapAttrsToList (
      name: bond:
      netdev name {
        members = bond.interfaces;
        start =
          [ "link add name ${name} type bond${lib.concatStrings (lib.mapAttrsToList (key: value: " ${key} ${value}") (bondOptions bond))}" ]
          ++ lib.concatMap (member: [ "link set dev ${member} down" "link set dev ${member} master ${name}" ]) bond.interfaces
          ++ [ "link set dev ${name} up" ];
      }
    ) cfg.bonds
    ++ lib.mapAttrsToList (
      name: vlan:
      netdev name {
        members = [ vlan.interface ];
        start = [
          "link set dev ${vlan.interface} up"
          "link add link ${vlan.interface} name ${name} type macvlan${option "mode" vlan.mode}"
          "link set dev ${name} up"
        ];
      }
    ) cfg.macvlans
    ++ lib.mapAttrsToList (
      name: vlan:
      netdev name {
        members = [ vlan.interface ];
        start = [
          "link set dev ${vlan.interface} up"
          "link add link ${vlan.interface} name ${name} type ipvlan${option "mode" vlan.mode}"
          "link set dev ${name} up"
        ];
      }
    ) cfg.ipvlans
    ++ lib.mapAttrsToList (
      name: tunnel:
      netdev name {
        members = lib.optional (tunnel.dev != null) tunnel.dev;
        start = [
          "link add name ${name} type sit${option "remote" tunnel.remote}${option "local" tunnel.local}${option "ttl" tunnel.ttl}${option "dev" tunnel.dev}${
            lib.optionalString (tunnel.encapsulation != null)
              " encap ${tunnel.encapsulation.type}${
                if tunnel.encapsulation.sourcePort == null then " encap-sport auto" else " encap-sport ${toString tunnel.encapsulation.sourcePort}"
              } encap-dport ${toString tunnel.encapsulation.port}"
          }"
          "link set dev ${name} up"
        ];
      }
    ) cfg.sits
    ++ lib.mapAttrsToList (
      name: tunnel:
      netdev name {
        members = lib.optional (tunnel.dev != null) tunnel.dev;
        start = [
          "link add name ${name} type ${tunnel.type}${option "remote" tunnel.remote}${option "local" tunnel.local}${
            option (if lib.hasPrefix "ip6" tunnel.type then "hoplimit" else "ttl") tunnel.ttl
          }${option "dev" tunnel.dev}"
          "link set dev ${name} up"
        ];
      }
    ) cfg.greTunnels
    ++ lib.mapAttrsToList (
      name: tunnel:
      netdev name {
        members = lib.optional (tunnel.dev != null) tunnel.dev;
        start = [
          "link add name ${name} type ipip${option "remote" tunnel.remote}${option "local" tunnel.local}${option "ttl" tunnel.ttl}${option "dev" tunnel.dev}"
          "link set dev ${name} up"
        ];
      }
    ) cfg.ipips
    ++ map (
      interface:
      netdev interface.name {
        start = [
          "tuntap add dev ${interface.name} mode ${interface.virtualType}${option "user" interface.virtualOwner}"
          "link set dev ${interface.name} up"
        ];
      }
    ) virtual;

  receiver = name: fou:
    lib.nameValuePair "${name}-fou-encap" {
      description = "Receives ${name} in UDP";
      wantedBy = [ "network-setup.service" "multi-user.target" ];
      before = [ "network-setup.service" ];
      after = [ "network-pre.target" ] ++ lib.optionals (fou.local != null && fou.local.dev != null) (deviceOf fou.local.dev);
      partOf = [ "network-setup.service" ];
      unitConfig.DefaultDependencies = false;
      conflicts = [ "shutdown.target" ];
      serviceConfig =
        let
          where =
            "port ${toString fou.port}"
            + (if fou.protocol == null then " gue" else " ipproto ${toString fou.protocol}")
            + lib.optionalString (fou.local != null) " local ${fou.local.address}${option "dev" fou.local.dev}";
        in
        {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${ip} fou add ${where}";
          ExecStop = "${ip} fou del ${where}";
        };
    };

  route =
    interface: route:
    let
      network = "${route.address}/${toString route.prefixLength}";
      kind = lib.optionalString (route.type != null) "${route.type} ";
    in
    "route replace ${kind}${network}${option "via" route.via}"
    + lib.concatStrings (lib.mapAttrsToList (key: value: " ${key} ${value}") route.options)
    + " dev ${interface.name} proto static";

  bare =
    interface: kind:
    "route delete ${kind.address}/${toString kind.prefixLength} dev ${interface.name}";

  fullAddress = address: "${address.address}/${toString address.prefixLength}";

  addresses =
    interface:
    let
      all = interface.ipv4.addresses ++ lib.optionals cfg.enableIPv6 interface.ipv6.addresses;
      slave = lib.any (bond: lib.elem interface.name bond.interfaces) (lib.attrValues cfg.bonds);
    in
    lib.optional (interface.macAddress != null && !interface.virtual) "link set dev ${interface.name} address ${interface.macAddress}"
    ++ lib.optional (interface.mtu != null) "link set dev ${interface.name} mtu ${toString interface.mtu}"
    ++ lib.optional (!slave) "link set dev ${interface.name} up"
    ++ map (address: "address replace ${fullAddress address} dev ${interface.name}") all
    ++ map (route interface) interface.ipv4.routes
    ++ lib.optionals cfg.enableIPv6 (map (route interface) interface.ipv6.routes);

  removal =
    interface:
    map (bare interface) interface.ipv4.routes
    ++ lib.optionals cfg.enableIPv6 (map (bare interface) interface.ipv6.routes)
    ++ map (address: "address delete ${fullAddress address} dev ${interface.name}") (
      interface.ipv4.addresses ++ lib.optionals cfg.enableIPv6 interface.ipv6.addresses
    );

  addressService = interface:
    lib.nameValuePair "network-addresses-${interface.name}" {
      description = "Address configuration of ${interface.name}";
      wantedBy = [ "network-setup.service" "network.target" ];
      before = [ "network-setup.service" "network.target" ];
      after = [ "network-pre.target" ] ++ deviceOf interface.name;
      bindsTo = deviceOf interface.name;
      partOf = [ "network-setup.service" ];
      unitConfig.DefaultDependencies = false;
      conflicts = [ "shutdown.target" ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = batch "addresses-${interface.name}" (addresses interface);
        ExecStop = stop (removal interface);
      };
    };

  gateway =
    family: gateway:
    let
      device = option "dev" gateway.interface;
    in
    # A router outside all networks of its interface has to be reached by a route of its own.
    lib.optional (gateway.interface != null) "route replace ${gateway.address}${device} proto static"
    ++ [
      "route replace default${option "metric" gateway.metric} via ${gateway.address}${device}${option "src" gateway.source}${
        lib.optionalString (family == "4") (option "window" cfg.defaultGatewayWindowSize)
      } proto static"
    ];

  gateways =
    lib.optionals (cfg.defaultGateway != null && cfg.defaultGateway.address != "") (gateway "4" cfg.defaultGateway)
    ++ lib.optionals (cfg.enableIPv6 && cfg.defaultGateway6 != null && cfg.defaultGateway6.address != "") (
      gateway "6" cfg.defaultGateway6
    );
in
{
  config = lib.mkIf enabled {
    systemd.services = lib.listToAttrs (netdevs ++ map addressService interfaces ++ lib.mapAttrsToList receiver cfg.fooOverUDP) // {
      network-setup = {
        description = "Networking setup";
        after = [ "network-pre.target" ];
        before = [ "network.target" "shutdown.target" ];
        wants = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        conflicts = [ "shutdown.target" ];
        unitConfig.DefaultDependencies = false;
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
        }
        # A service must have a command; one that is not run at the start costs nothing.
        // (if gateways == [ ] then { ExecStop = "/bin/true"; } else { ExecStart = batch "gateways" gateways; });
      };
      network-local-commands = lib.mkIf (cfg.localCommands != "") {
        description = "Extra networking commands";
        after = [ "network-pre.target" "network-setup.service" ];
        before = [ "network.target" ];
        wantedBy = [ "network.target" ];
        path = [ pkgs.iproute2 ];
        unitConfig.DefaultDependencies = false;
        conflicts = [ "shutdown.target" ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
        };
        script = cfg.localCommands;
      };
    };

    systemd.targets.network-online = {
      wantedBy = [ "multi-user.target" ];
    };

    boot.kernelModules =
      lib.optional (cfg.bridges != { }) "bridge"
      ++ lib.optional (cfg.vlans != { }) "8021q"
      ++ lib.optional (cfg.bonds != { }) "bonding"
      ++ lib.optional (cfg.macvlans != { }) "macvlan"
      ++ lib.optional (cfg.ipvlans != { }) "ipvlan"
      ++ lib.optional (cfg.sits != { }) "sit"
      ++ lib.optional (cfg.ipips != { }) "ipip"
      ++ lib.optionals (cfg.greTunnels != { }) [ "gre" "ip_gre" "ip6_gre" ]
      ++ lib.optionals (cfg.fooOverUDP != { }) [ "fou" "fou6" ]
      ++ lib.optional (virtual != [ ]) "tun";
  };
}
