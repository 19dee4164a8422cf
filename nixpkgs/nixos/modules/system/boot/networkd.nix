# `systemd.network.*`: systemd-networkd. Debian's is in the base system.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.systemd.network;
  units = import ./systemd/lib.nix { inherit lib pkgs; };
  inherit (units.options) section;

  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  names = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };

  # A section that may occur several times. Upstream's older form wraps each in `NAMEConfig`.
  repeated = description: mkOption {
    type = types.listOf (types.attrsOf types.anything);
    default = [ ];
    inherit description;
  };
  unwrap =
    one:
    let
      keys = lib.attrNames one;
    in
    if lib.length keys == 1 && lib.hasSuffix "Config" (lib.head keys) && lib.isAttrs one.${lib.head keys} then one.${lib.head keys} else one;

  # Options that are sections of a file, and how systemd names them.
  networkSections = {
    linkConfig = "Link";
    dhcpV4Config = "DHCPv4";
    dhcpV6Config = "DHCPv6";
    dhcpPrefixDelegationConfig = "DHCPPrefixDelegation";
    ipv6AcceptRAConfig = "IPv6AcceptRA";
    dhcpServerConfig = "DHCPServer";
    ipv6SendRAConfig = "IPv6SendRA";
    bridgeConfig = "Bridge";
    lldpConfig = "LLDP";
    canConfig = "CAN";
    ipoIBConfig = "IPoIB";
    qdiscConfig = "QDisc";
    networkEmulatorConfig = "NetworkEmulator";
    tokenBucketFilterConfig = "TokenBucketFilter";
    pieConfig = "PIE";
    flowQueuePIEConfig = "FlowQueuePIE";
    stochasticFairBlueConfig = "StochasticFairBlue";
    stochasticFairnessQueueingConfig = "StochasticFairnessQueueing";
    bfifoConfig = "BFIFO";
    pfifoConfig = "PFIFO";
    pfifoHeadDropConfig = "PFIFOHeadDrop";
    pfifoFastConfig = "PFIFOFast";
    cakeConfig = "CAKE";
    controlledDelayConfig = "ControlledDelay";
    fairQueueingConfig = "FairQueueing";
    fairQueueingControlledDelayConfig = "FairQueueingControlledDelay";
  };
  networkLists = {
    addresses = "Address";
    routes = "Route";
    routingPolicyRules = "RoutingPolicyRule";
    nexthops = "NextHop";
    neighbors = "Neighbor";
    ipv6Prefixes = "IPv6Prefix";
    ipv6RoutePrefixes = "IPv6RoutePrefix";
    ipv6PREF64Prefixes = "IPv6PREF64Prefix";
    dhcpServerStaticLeases = "DHCPServerStaticLease";
    bridgeFDBs = "BridgeFDB";
    bridgeMDBs = "BridgeMDB";
    bridgeVLANs = "BridgeVLAN";
    ipv6AddressLabels = "IPv6AddressLabel";
    mobilityAdvertisements = "MobileNetwork";
  };
  netdevSections = {
    vlanConfig = "VLAN";
    ipvlanConfig = "IPVLAN";
    ipvtapConfig = "IPVTAP";
    macvlanConfig = "MACVLAN";
    macvtapConfig = "MACVTAP";
    vxlanConfig = "VXLAN";
    geneveConfig = "GENEVE";
    bareUDPConfig = "BareUDP";
    bridgeConfig = "Bridge";
    bondConfig = "Bond";
    tunnelConfig = "Tunnel";
    fooOverUDPConfig = "FooOverUDP";
    peerConfig = "Peer";
    vxcanConfig = "VXCAN";
    tunConfig = "Tun";
    tapConfig = "Tap";
    l2tpConfig = "L2TP";
    wireguardConfig = "WireGuard";
    vrfConfig = "VRF";
    wlanConfig = "WLAN";
    batmanAdvancedConfig = "BatmanAdvanced";
    xfrmConfig = "Xfrm";
  };
  netdevLists = {
    l2tpSessions = "L2TPSession";
    wireguardPeers = "WireGuardPeer";
  };

  sectionOptions = lib.mapAttrs (_: name: section "Directives of the section `[${name}]`.");
  listOptions = lib.mapAttrs (_: name: repeated "Sections `[${name}]`.");

  common = {
    enable = flag true "Whether the file exists.";
    matchConfig = section "Directives of the section `[Match]`.";
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Text at the end of the file.";
    };
  };

  # Interfaces that a network's own section names.
  links = {
    address = "Address";
    gateway = "Gateway";
    dns = "DNS";
    ntp = "NTP";
    bridge = "Bridge";
    bond = "Bond";
    vrf = "VRF";
    vlan = "VLAN";
    macvlan = "MACVLAN";
    macvtap = "MACVTAP";
    vxlan = "VXLAN";
    ipvlan = "IPVLAN";
    tunnel = "Tunnel";
    xfrm = "Xfrm";
  };

  network = { config, ... }: {
    options =
      common
      // sectionOptions networkSections
      // listOptions networkLists
      // lib.mapAttrs (_: directive: names "Values of the directive `${directive}=` of the section `[Network]`.") links
      // {
        networkConfig = section "Directives of the section `[Network]`.";
        name = mkOption { type = types.nullOr types.str; default = null; description = "Name of the interfaces that the file is for."; };
        DHCP = mkOption { type = types.nullOr types.str; default = null; description = "Which addresses are asked for: `yes`, `no`, `ipv4`, `ipv6`."; };
        domains = mkOption { type = types.nullOr (types.listOf types.str); default = null; description = "Domains in which names are looked for."; };
      };
    config = {
      matchConfig = lib.mkIf (config.name != null) { Name = lib.mkDefault config.name; };
      networkConfig = {
        DHCP = lib.mkIf (config.DHCP != null) (lib.mkDefault config.DHCP);
        Domains = lib.mkIf (config.domains != null) (lib.mkDefault (lib.concatStringsSep " " config.domains));
      };
    };
  };

  netdev = {
    options =
      builtins.removeAttrs common [ "matchConfig" ]
      // sectionOptions netdevSections
      // listOptions netdevLists
      // { netdevConfig = section "Directives of the section `[NetDev]`."; matchConfig = section "Directives of the section `[Match]`."; };
  };

  link = {
    options = common // { linkConfig = section "Directives of the section `[Link]`."; };
  };

  ifNotEmpty = name: values: lib.optionalString (values != { }) "[${name}]\n${units.directives values}\n";
  listText = name: lib.concatMapStrings (one: "[${name}]\n${units.directives (unwrap one)}\n");

  networkText =
    net:
    ifNotEmpty "Match" net.matchConfig
    + ifNotEmpty "Link" net.linkConfig
    + "[Network]\n${units.directives net.networkConfig}${
      lib.concatStrings (lib.mapAttrsToList (option: directive: lib.concatMapStrings (value: "${directive}=${value}\n") net.${option}) links)
    }\n"
    + lib.concatStrings (lib.mapAttrsToList (option: name: ifNotEmpty name net.${option}) (builtins.removeAttrs networkSections [ "linkConfig" ]))
    + lib.concatStrings (lib.mapAttrsToList (option: name: listText name net.${option}) networkLists)
    + net.extraConfig;

  netdevText =
    dev:
    ifNotEmpty "Match" dev.matchConfig
    + ifNotEmpty "NetDev" dev.netdevConfig
    + lib.concatStrings (lib.mapAttrsToList (option: name: ifNotEmpty name dev.${option}) netdevSections)
    + lib.concatStrings (lib.mapAttrsToList (option: name: listText name dev.${option}) netdevLists)
    + dev.extraConfig;

  linkText = link: ifNotEmpty "Match" link.matchConfig + ifNotEmpty "Link" link.linkConfig + link.extraConfig;

  files = suffix: text: set:
    lib.mapAttrs' (name: value: lib.nameValuePair "systemd/network/${name}.${suffix}" {
      # Keys of WireGuard stand in .netdev files by path; the files themselves hold no secret.
      text = text value;
    }) (lib.filterAttrs (_: value: value.enable) set);

  wait = cfg.wait-online;
in
{
  options.systemd.network = {
    enable = flag false "Whether systemd-networkd runs.";
    networks = mkOption { type = types.attrsOf (types.submodule network); default = { }; description = "Files `.network`: what interfaces get."; };
    netdevs = mkOption { type = types.attrsOf (types.submodule netdev); default = { }; description = "Files `.netdev`: interfaces that are made."; };
    links = mkOption { type = types.attrsOf (types.submodule link); default = { }; description = "Files `.link`: cards as udev finds them."; };
    config = {
      networkConfig = section "Directives of the section `[Network]` of networkd.conf.";
      dhcpV4Config = section "Directives of the section `[DHCPv4]` of networkd.conf.";
      dhcpV6Config = section "Directives of the section `[DHCPv6]` of networkd.conf.";
      dhcpServerConfig = section "Directives of the section `[DHCPServer]` of networkd.conf.";
      ipv6AcceptRAConfig = section "Directives of the section `[IPv6AcceptRA]` of networkd.conf.";
      addRouteTablesToIPRoute2 = flag true "Whether names of routing tables are known to `ip`.";
      routeTables = mkOption { type = types.attrsOf types.int; default = { }; description = "Names of routing tables."; };
    };
    units = mkOption { type = types.attrsOf types.unspecified; default = { }; internal = true; description = "Unused: files are made of the other options."; };
    wait-online = {
      enable = flag true "Whether the network counts as online only when networkd says so.";
      anyInterface = flag config.networking.useDHCP "Whether one interface is enough.";
      ignoredInterfaces = names "Interfaces that are not waited for.";
      timeout = mkOption { type = types.ints.unsigned; default = 120; description = "Seconds after which waiting fails; 0: never."; };
      extraArgs = names "Arguments of systemd-networkd-wait-online.";
    };
  };

  config = lib.mkMerge [
    {
      # Files of links are udev's: they count without networkd.
      environment.etc = files "link" linkText cfg.links;
    }
    (lib.mkIf cfg.enable {
      environment.etc =
        files "network" networkText cfg.networks
        // files "netdev" netdevText cfg.netdevs
        // {
          "systemd/networkd.conf".text =
            ifNotEmpty "Network" (
              cfg.config.networkConfig
              // lib.optionalAttrs (cfg.config.routeTables != { }) {
                RouteTable = lib.mapAttrsToList (name: number: "${name}:${toString number}") cfg.config.routeTables;
              }
            )
            + ifNotEmpty "DHCPv4" cfg.config.dhcpV4Config
            + ifNotEmpty "DHCPv6" cfg.config.dhcpV6Config
            + ifNotEmpty "DHCPServer" cfg.config.dhcpServerConfig
            + ifNotEmpty "IPv6AcceptRA" cfg.config.ipv6AcceptRAConfig;
          "iproute2/rt_tables.d/networkd.conf" = lib.mkIf (cfg.config.addRouteTablesToIPRoute2 && cfg.config.routeTables != { }) {
            text = lib.concatStrings (lib.mapAttrsToList (name: number: "${toString number} ${name}\n") cfg.config.routeTables);
          };
        };

      # networkd waits for udev to have seen each card.
      snowglobe.devices = [ "net" ];

      systemd.units = {
        "systemd-networkd.service" = {
          overrideStrategy = "asDropin";
          wantedBy = [ "multi-user.target" ];
          aliases = [ "dbus-org.freedesktop.network1.service" ];
        };
        "systemd-networkd.socket" = {
          overrideStrategy = "asDropin";
          wantedBy = [ "sockets.target" ];
        };
      };

      systemd.services.systemd-networkd-wait-online = lib.mkIf wait.enable {
        wantedBy = [ "network-online.target" ];
        serviceConfig.ExecStart = [
          ""
          "/usr/lib/systemd/systemd-networkd-wait-online${lib.optionalString wait.anyInterface " --any"}${
            lib.concatMapStrings (name: " --ignore=${name}") wait.ignoredInterfaces
          } --timeout=${toString wait.timeout}${lib.concatMapStrings (arg: " ${arg}") wait.extraArgs}"
        ];
      };
      systemd.suppressedSystemUnits = lib.mkIf (!wait.enable) [ "systemd-networkd-wait-online.service" ];
      services.resolved.enable = lib.mkDefault true;
    })
  ];
}
