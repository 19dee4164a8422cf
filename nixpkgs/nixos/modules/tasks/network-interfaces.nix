# `networking.*`: names, addresses and routes. What is common to both back ends: shell commands
# (network-interfaces-scripted.nix) and systemd-networkd (network-interfaces-systemd.nix).
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.networking;

  text = description: mkOption {
    type = types.str;
    inherit description;
  };
  optional = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };

  # `net.ipv6.conf.*.use_tempaddr`: none; made; made and preferred.
  temporary = { disabled = 0; enabled = 1; default = 2; };

  # One service a radio: the interface that the kernel made is kept if it is among those wanted.
  radio = device: interfaces:
    let
      iw = "${pkgs.iw}/bin/iw";
      ip = "${pkgs.iproute2}/bin/ip";
      kept = lib.any (wlan: wlan.name == device) interfaces;
      kind = wlan: if wlan.type == "mesh" then "mp" else wlan.type;
      make = wlan:
        if wlan.name == device then
          "${iw} dev ${device} set type ${kind wlan}"
        else
          "${iw} phy \"$phy\" interface add ${wlan.name} type ${kind wlan}${lib.optionalString (wlan.meshID != null) " mesh_id ${wlan.meshID}"}";
      settings = wlan:
        lib.optional (wlan.flags != null) "${iw} dev ${wlan.name} set monitor ${wlan.flags}"
        ++ lib.optional (wlan.fourAddr != null) "${iw} dev ${wlan.name} set 4addr ${if wlan.fourAddr then "on" else "off"}"
        ++ lib.optional (wlan.mac != null) "${ip} link set dev ${wlan.name} address ${wlan.mac}";
    in
    lib.nameValuePair "wlan-interfaces-${device}" {
      description = "Interfaces of the radio ${device}";
      wantedBy = [ "network-setup.service" "network.target" "multi-user.target" ];
      before = [ "network-setup.service" "network.target" ] ++ map (wlan: "network-addresses-${wlan.name}.service") interfaces;
      after = [ "network-pre.target" ];
      unitConfig.DefaultDependencies = false;
      conflicts = [ "shutdown.target" ];
      serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
      script = ''
        phy=$(${pkgs.coreutils}/bin/cat /sys/class/net/${device}/phy80211/name)
        ${lib.concatMapStrings (wlan: lib.concatMapStrings (line: "${line}\n") ([ (make wlan) ] ++ settings wlan)) interfaces}
        ${lib.optionalString (!kept) "${iw} dev ${device} del"}
      '';
    };

  address = version: types.submodule {
    options = {
      address = text "Address.";
      prefixLength = mkOption {
        type = types.ints.between 0 (if version == 4 then 32 else 128);
        description = "Length of the network's prefix in bits.";
      };
    };
  };

  route = version: types.submodule {
    options = {
      address = text "Network.";
      prefixLength = mkOption {
        type = types.ints.between 0 (if version == 4 then 32 else 128);
        description = "Length of the network's prefix in bits.";
      };
      type = optional (types.enum [ "unicast" "local" "broadcast" "multicast" ]) "Kind of route.";
      via = optional types.str "Router.";
      options = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = { mtu = "1492"; };
        description = "Further options of `ip route`, by name.";
      };
    };
  };

  gateway = types.coercedTo types.str (address: { inherit address; }) (
    types.submodule {
      options = {
        address = text "The router's address.";
        interface = optional types.str "Interface that it is reached by.";
        metric = optional types.int "Metric of the route.";
        source = optional types.str "Source address of what is sent over the route.";
      };
    }
  );

  family = version: {
    addresses = mkOption {
      type = types.listOf (address version);
      default = [ ];
      description = "Addresses of the interface.";
    };
    routes = mkOption {
      type = types.listOf (route version);
      default = [ ];
      description = "Routes over the interface.";
    };
  };

  interface = { name, ... }: {
    imports = [
      (lib.mkRemovedOptionModule [ "ipAddress" ] "Use ipv4.addresses.")
      (lib.mkRemovedOptionModule [ "prefixLength" ] "Use ipv4.addresses.")
      (lib.mkRemovedOptionModule [ "subnetMask" ] "Use ipv4.addresses.")
      (lib.mkRenamedOptionModule [ "ip4" ] [ "ipv4" "addresses" ])
      (lib.mkRenamedOptionModule [ "ip6" ] [ "ipv6" "addresses" ])
    ];
    options = {
      name = mkOption {
        type = types.str;
        default = name;
        description = "Name of the interface.";
      };
      tempAddress = mkOption {
        type = types.enum [ "default" "enabled" "disabled" ];
        default = cfg.tempAddresses;
        description = "Whether temporary IPv6 addresses are made and preferred.";
      };
      useDHCP = optional types.bool "Whether the interface asks a DHCP server; null: `networking.useDHCP` says.";
      ipv4 = family 4;
      ipv6 = family 6;
      macAddress = optional types.str "Hardware address.";
      mtu = optional types.int "Largest packet in bytes.";
      virtual = flag false "Whether the interface is a tap or tun device that is made.";
      virtualOwner = mkOption {
        type = types.nullOr types.str;
        default = "root";
        description = "Who may use a virtual interface.";
      };
      virtualType = mkOption {
        type = types.enum [ "tun" "tap" ];
        default = if lib.hasPrefix "tun" name then "tun" else "tap";
        defaultText = "by the name";
        description = "Kind of a virtual interface.";
      };
      proxyARP = flag false "Whether ARP requests for other hosts are answered.";
      wakeOnLan.enable = flag false "Whether the interface wakes the machine.";
    };
  };

  device = options: description: mkOption {
    type = types.attrsOf (types.submodule { inherit options; });
    default = { };
    inherit description;
  };

  hostLines = lib.concatStrings (
    lib.mapAttrsToList (address: names: lib.optionalString (names != [ ]) "${address} ${lib.concatStringsSep " " names}\n") (
      lib.filterAttrs (_: names: names != [ ]) cfg.hosts
    )
  );

  ownNames = lib.optional (cfg.hostName != "" && cfg.domain != null) "${cfg.hostName}.${cfg.domain}" ++ lib.optional (cfg.hostName != "") cfg.hostName;
in
{
  imports = [
    ./network-interfaces-scripted.nix
    ./network-interfaces-systemd.nix
  ];

  options.networking = {
    hostName = mkOption {
      type = types.strMatching "^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$";
      default = "nixos";
      description = "Name of the machine, without its domain; empty: from DHCP.";
    };
    domain = optional types.str "Domain of the machine.";
    fqdn = mkOption {
      type = types.str;
      default =
        if cfg.hostName != "" && cfg.domain != null then
          "${cfg.hostName}.${cfg.domain}"
        else
          throw "networking.fqdn needs networking.hostName and networking.domain to be set";
      defaultText = "host name and domain";
      description = "Name of the machine with its domain.";
    };
    fqdnOrHostName = mkOption {
      type = types.str;
      readOnly = true;
      default = if cfg.domain == null then cfg.hostName else cfg.fqdn;
      description = "`fqdn` if there is a domain, else `hostName`.";
    };
    hostId = optional types.str "Eight hexadecimal digits, for /etc/hostid.";
    hosts = mkOption {
      type = types.attrsOf (types.listOf types.str);
      default = { };
      example = { "192.168.0.2" = [ "nas" ]; };
      description = "Names of hosts by address, for /etc/hosts.";
    };
    extraHosts = mkOption {
      type = types.lines;
      default = "";
      description = "Text at the end of /etc/hosts.";
    };
    hostFiles = mkOption {
      type = types.listOf types.path;
      default = [ ];
      description = "Files that stand in /etc/hosts as well.";
    };
    enableIPv6 = flag true "Whether IPv6 is in use.";
    tempAddresses = mkOption {
      type = types.enum [ "default" "enabled" "disabled" ];
      default = if cfg.enableIPv6 then "default" else "disabled";
      description = "Whether temporary IPv6 addresses are made and preferred.";
    };
    useDHCP = flag true "Whether every interface without an address asks a DHCP server.";
    useNetworkd = flag false "Whether systemd-networkd configures the network.";
    useHostResolvConf = flag false "Only in containers: whether the host's resolv.conf is used.";
    usePredictableInterfaceNames = flag true "Whether network cards are named after their place.";
    interfaces = mkOption {
      type = types.attrsOf (types.submodule interface);
      default = { };
      description = "Interfaces.";
    };
    defaultGateway = optional gateway "Router for everything that no other route leads to.";
    defaultGateway6 = optional gateway "Router for everything in IPv6 that no other route leads to.";
    defaultGatewayWindowSize = optional types.int "Window size of the default route.";
    nameservers = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "DNS servers.";
    };
    search = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Domains in which names without one are looked for.";
    };
    localCommands = mkOption {
      type = types.lines;
      default = "";
      description = "Shell commands after the network was set up.";
    };

    bridges = device {
      interfaces = mkOption {
        type = types.listOf types.str;
        description = "Interfaces that the bridge joins.";
      };
      rstp = flag false "Not supported: rapid spanning tree.";
    } "Bridges.";
    vlans = device {
      id = mkOption {
        type = types.ints.between 1 4094;
        description = "Number of the VLAN.";
      };
      interface = text "Interface that carries it.";
    } "802.1Q VLANs.";
    bonds = device {
      interfaces = mkOption {
        type = types.listOf types.str;
        description = "Interfaces that are bound together.";
      };
      driverOptions = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = { mode = "active-backup"; miimon = "100"; };
        description = "Options of the bonding driver.";
      };
      lacp_rate = optional types.str "Old form of `driverOptions.lacp_rate`.";
      miimon = optional types.int "Old form of `driverOptions.miimon`.";
      mode = optional types.str "Old form of `driverOptions.mode`.";
      xmit_hash_policy = optional types.str "Old form of `driverOptions.xmit_hash_policy`.";
    } "Bonds.";
    macvlans = device {
      interface = text "Interface below.";
      mode = optional types.str "`vepa`, `bridge`, `private` or `passthru`.";
    } "Further interfaces with an address of their own on a card.";
    ipvlans = device {
      interface = text "Interface below.";
      mode = optional types.str "`l2`, `l3` or `l3s`.";
    } "Further interfaces on a card that share its hardware address.";
    sits = device {
      remote = optional types.str "Address of the other end.";
      local = optional types.str "Address of this end.";
      ttl = optional types.int "Time to live of outer packets.";
      dev = optional types.str "Interface below.";
      encapsulation = optional (types.submodule {
        options = {
          type = mkOption { type = types.enum [ "fou" "gue" ]; description = "Encapsulation in UDP."; };
          port = mkOption { type = types.port; description = "Destination port."; };
          sourcePort = optional types.port "Source port.";
        };
      }) "Encapsulation of outer packets.";
    } "IPv6 in IPv4 tunnels.";
    greTunnels = device {
      remote = optional types.str "Address of the other end.";
      local = optional types.str "Address of this end.";
      dev = optional types.str "Interface below.";
      ttl = optional types.int "Time to live of outer packets.";
      type = mkOption {
        type = types.enum [ "tun" "tap" "tun6" "tap6" ];
        default = "tap";
        apply = kind: { tun = "gre"; tap = "gretap"; tun6 = "ip6gre"; tap6 = "ip6gretap"; }.${kind};
        description = "Whether the tunnel carries packets (`tun`) or frames (`tap`), over IPv4 or IPv6.";
      };
    } "GRE tunnels.";
    ipips = device {
      remote = optional types.str "Address of the other end.";
      local = optional types.str "Address of this end.";
      ttl = optional types.int "Time to live of outer packets.";
      dev = optional types.str "Interface below.";
      encapsulation = mkOption {
        type = types.enum [ "ipip" "4in6" "ip6ip6" ];
        default = "ipip";
        description = "What is carried in what.";
      };
    } "IP in IP tunnels.";
    wlanInterfaces = device {
      device = text "Radio: an interface that is there when the network is set up, such as `wlan0` of `mac80211_hwsim`.";
      type = mkOption { type = types.enum [ "managed" "ibss" "monitor" "mesh" "wds" ]; default = "managed"; description = "What the interface is."; };
      meshID = optional types.str "Name of the mesh.";
      flags = optional (types.enum [ "none" "fcsfail" "control" "otherbss" "cook" "active" ]) "What a monitor shows.";
      fourAddr = optional types.bool "Whether frames have four addresses.";
      mac = optional types.str "Hardware address.";
    } "Interfaces of radios.";
    fooOverUDP = device {
      port = mkOption { type = types.port; description = "Local port."; };
      protocol = optional (types.ints.between 1 255) "Number of the protocol that is carried; null: GUE.";
      local = optional (types.submodule {
        options = {
          address = text "Local address.";
          dev = optional types.str "Local interface.";
        };
      }) "Where packets are received.";
    } "Receivers of protocols in UDP.";
  };

  config = {
    snowglobe.refused =
      lib.optionalAttrs cfg.useHostResolvConf {
        "networking.useHostResolvConf" = "only containers can have it";
      }
      // lib.optionalAttrs (lib.any (bridge: bridge.rstp) (lib.attrValues cfg.bridges)) {
        "networking.bridges.<name>.rstp" = "Debian has no mstpd";
      }
      // lib.optionalAttrs (lib.any (interface: interface.wakeOnLan.enable) (lib.attrValues cfg.interfaces)) {
        "networking.interfaces.<name>.wakeOnLan" = "a virtual machine has nothing to wake";
      }
      // lib.optionalAttrs (cfg.hostId != null) {
        "networking.hostId" = "only ZFS needs it, which Debian does not have";
      }
      // lib.optionalAttrs (cfg.ipips != { } && lib.any (tunnel: tunnel.encapsulation != "ipip") (lib.attrValues cfg.ipips)) {
        "networking.ipips.<name>.encapsulation" = "only ipip is";
      };

    systemd.services = lib.mapAttrs' radio (lib.groupBy (wlan: wlan.device) (lib.mapAttrsToList (name: wlan: wlan // { inherit name; }) cfg.wlanInterfaces));

    # Without it udev would name cards after their place.
    boot.kernelParams = lib.mkIf (!cfg.usePredictableInterfaceNames) [ "net.ifnames=0" ];

    networking.hosts = {
      "127.0.0.1" = [ "localhost" ];
      "127.0.0.2" = lib.mkIf (ownNames != [ ]) ownNames;
      "::1" = lib.mkIf cfg.enableIPv6 [ "localhost" ];
    };

    environment.etc = {
      hostname = lib.mkIf (cfg.hostName != "") { text = "${cfg.hostName}\n"; };
      hosts.text = hostLines + lib.optionalString (cfg.extraHosts != "") "${cfg.extraHosts}\n" + lib.concatMapStrings (file: builtins.readFile file) cfg.hostFiles;
      "host.conf".text = "multi on\n";
    };

    boot.kernel.sysctl = {
      "net.ipv4.conf.all.forwarding" = lib.mkDefault (lib.any (interface: interface.proxyARP) (lib.attrValues cfg.interfaces));
      "net.ipv6.conf.all.disable_ipv6" = lib.mkDefault (!cfg.enableIPv6);
      "net.ipv6.conf.default.disable_ipv6" = lib.mkDefault (!cfg.enableIPv6);
      # Sockets of programs without rights may ping.
      "net.ipv4.ping_group_range" = lib.mkDefault "0 2147483647";
    }
    // lib.optionalAttrs (cfg.tempAddresses != "disabled") {
      "net.ipv6.conf.default.use_tempaddr" = temporary.${cfg.tempAddresses};
      # Cards that were there before this was read have not got the default; a name of its own wins over the pattern.
      "net.ipv6.conf.*.use_tempaddr" = temporary.${cfg.tempAddresses};
    }
    // lib.listToAttrs (
      map (interface: lib.nameValuePair "net.ipv6.conf.${lib.replaceStrings [ "." ] [ "/" ] interface.name}.use_tempaddr" temporary.${interface.tempAddress}) (
        # The kernel's default is not to have any.
        lib.filter (interface: interface.tempAddress != "disabled" || cfg.tempAddresses != "disabled") (lib.attrValues cfg.interfaces)
      )
    )
    // lib.listToAttrs (
      map (interface: lib.nameValuePair "net.ipv4.conf.${lib.replaceStrings [ "." ] [ "/" ] interface.name}.proxy_arp" true) (
        lib.filter (interface: interface.proxyARP) (lib.attrValues cfg.interfaces)
      )
    );
  };
}
