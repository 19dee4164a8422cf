# `networking.dhcpcd`: addresses by DHCP.
#
# The machine's user network (eth0) is emulated by the machine itself and always gives the same
# lease. When nothing else asks for an address, eth0 is configured as that lease would: a DHCP
# client costs more than a second of every boot under emulation.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.networking.dhcpcd;
  net = config.networking;

  interfaces = lib.attrValues net.interfaces;

  asks =
    interface:
    if interface.useDHCP != null then
      interface.useDHCP
    else
      net.useDHCP && interface.ipv4.addresses == [ ];

  below =
    lib.concatMap (bridge: bridge.interfaces) (lib.attrValues net.bridges)
    ++ lib.concatMap (bond: bond.interfaces) (lib.attrValues net.bonds);

  # Cards that the configuration's `networking.interfaces` says nothing about.
  silent = lib.filter (name: !(net.interfaces ? ${name}) && !(lib.elem name below)) (
    lib.attrNames (config.virtualisation.allInterfaces or { })
  );

  clients = map (interface: interface.name) (lib.filter (interface: asks interface && interface.name != "eth0") interfaces);
  others = lib.subtractLists below clients ++ lib.optionals net.useDHCP silent;

  userNetwork = net.interfaces.eth0 or null;
  onUserNetwork = if userNetwork == null then net.useDHCP else asks userNetwork;

  wanted = !net.useNetworkd && cfg.enable && (onUserNetwork || others != [ ]);
  daemon = wanted && (others != [ ] || cfg.always);

  # As dhcpcd has it: loopback, tunnels and containers' ends are not for it.
  denied =
    [ "lo" "peth*" "vif*" "tap*" "tun*" "virbr*" "vnet*" "vboxnet*" "sit*" ]
    ++ map (interface: interface.name) (lib.filter (interface: !(asks interface)) interfaces)
    ++ below
    ++ cfg.denyInterfaces;

  allowed =
    if cfg.allowInterfaces != null then
      cfg.allowInterfaces
    else if net.useDHCP then
      null
    else
      map (interface: interface.name) (lib.filter asks interfaces);

  configFile = ''
    # The machine's name is sent to the server.
    hostname
    option domain_name_servers, domain_name, domain_search, host_name
    option classless_static_routes, ntp_servers, interface_mtu
    nohook lookup-hostname
    denyinterfaces ${toString (lib.unique denied)}
    ${lib.optionalString (allowed != null) "allowinterfaces ${toString allowed}"}
    ${lib.optionalString cfg.persistent "persistent"}
    ${lib.optionalString (!cfg.setHostname) "nohook hostname"}
    ${cfg.extraConfig}
  '';
in
{
  options.networking.dhcpcd = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether dhcpcd asks for addresses.";
    };
    always = mkOption {
      type = types.bool;
      default = lib.filter (line: !(lib.elem (lib.trim line) [ "" "noarp" ])) (lib.splitString "\n" cfg.extraConfig) != [ ] || cfg.allowInterfaces != null || cfg.denyInterfaces != [ ] || cfg.runHook != "" || !(lib.elem cfg.wait [ "background" "any" ]);
      internal = true;
      description = "Whether dhcpcd runs even if only the user network needs an address.";
    };
    persistent = mkOption {
      type = types.bool;
      default = false;
      description = "Whether addresses stay when dhcpcd ends.";
    };
    setHostname = mkOption {
      type = types.bool;
      default = true;
      description = "Whether a machine without a name takes the one that the server gives.";
    };
    denyInterfaces = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Interfaces that dhcpcd leaves alone.";
    };
    allowInterfaces = mkOption {
      type = types.nullOr (types.listOf types.str);
      default = null;
      description = "The only interfaces that dhcpcd configures.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Text at the end of dhcpcd.conf.";
    };
    runHook = mkOption {
      type = types.lines;
      default = "";
      description = "Shell commands run at every change of a lease.";
    };
    wait = mkOption {
      type = types.enum [ "background" "any" "ipv4" "ipv6" "both" "if-carrier-up" ];
      default = "any";
      description = "What dhcpcd waits for before the network counts as online.";
    };
    IPv6rs = mkOption {
      type = types.nullOr types.bool;
      default = null;
      description = "Whether routers are solicited by dhcpcd; null: as it is.";
    };
  };

  config = lib.mkMerge [
    (lib.mkIf (wanted && !daemon) {
      systemd.services.network-addresses-eth0 = {
        description = "Address configuration of eth0";
        wantedBy = [ "network-setup.service" "network.target" ];
        before = [ "network-setup.service" "network.target" ];
        after = [ "network-pre.target" ];
        unitConfig.DefaultDependencies = false;
        unitConfig.ConditionPathExists = "/sys/class/net/eth0";
        conflicts = [ "shutdown.target" ];
        serviceConfig = lib.mkIf (userNetwork == null) {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${pkgs.iproute2}/bin/ip -force -batch ${pkgs.writeText "network-addresses-eth0" ''
            link set dev eth0 up
            address replace 10.0.2.15/24 dev eth0
            route replace default via 10.0.2.2 dev eth0 src 10.0.2.15 metric 1002
          ''}";
        };
      };
    })
    (lib.mkIf daemon {
      environment.etc."dhcpcd.conf".text = configFile;
      environment.etc."dhcpcd.exit-hook" = lib.mkIf (cfg.runHook != "") { text = cfg.runHook; };
      environment.systemPackages = [ pkgs.dhcpcd ];
      users.users.dhcpcd = {
        isSystemUser = true;
        group = "dhcpcd";
        home = "/usr/lib/dhcpcd";
      };
      users.groups.dhcpcd = { };
      systemd.services.dhcpcd = {
        description = "DHCP Client";
        wantedBy = [ "multi-user.target" ];
        wants = [ "network.target" ];
        before = [ "network-online.target" ];
        after = [ "network-pre.target" ];
        stopIfChanged = false;
        path = [ pkgs.dhcpcd pkgs.nettools ];
        unitConfig.ConditionCapability = "CAP_NET_ADMIN";
        serviceConfig = {
          Type = "forking";
          PIDFile = "/run/dhcpcd/pid";
          RuntimeDirectory = "dhcpcd";
          StateDirectory = "dhcpcd";
          ExecStart = "/usr/sbin/dhcpcd --quiet ${lib.optionalString cfg.persistent "--persistent"} ${
            {
              background = "--background";
              any = "--waitip";
              ipv4 = "--waitip=4";
              ipv6 = "--waitip=6";
              both = "--waitip=4 --waitip=6";
              if-carrier-up = "";
            }
            .${cfg.wait}
          } --config /etc/dhcpcd.conf";
          ExecReload = "/usr/sbin/dhcpcd --rebind";
          Restart = "always";
        };
      };
    })
    {
      snowglobe.refused = lib.optionalAttrs (daemon && cfg.IPv6rs == true) {
        "networking.dhcpcd.IPv6rs" = "the kernel solicits routers here";
      };
    }
  ];
}
