{ lib, pkgs, unit, etc, system, builds, has, lines, directive }:
let
  services = module: lib.attrNames (system module).systemd.services;
  hasService = name: module: lib.elem name (services module);
  eth1 = { networking.interfaces.eth1.ipv4.addresses = [ { address = "10.0.0.1"; prefixLength = 24; } ]; };
in
{
  hostName = { expr = etc "hostname" { networking.hostName = "a"; }; expected = "a\n"; };
  hostNameWrong = { expr = etc "hostname" { networking.hostName = "a.b"; }; fails = true; };
  fqdn = { expr = (system { networking.hostName = "a"; networking.domain = "b.c"; }).networking.fqdn; expected = "a.b.c"; };
  fqdnWithout = { expr = (system { networking.hostName = "a"; }).networking.fqdn; fails = true; };
  fqdnOrHostName = { expr = (system { networking.hostName = "a"; }).networking.fqdnOrHostName; expected = "a"; };
  hosts = {
    expr = lines (etc "hosts" { networking.hostName = "a"; networking.domain = "b"; networking.hosts."10.0.0.1" = [ "x" "y" ]; networking.extraHosts = "1.1.1.1 z"; });
    expected = [ "10.0.0.1 x y" "127.0.0.1 localhost" "127.0.0.2 a.b a" "::1 localhost" "1.1.1.1 z" ];
  };
  resolvConf = {
    expr = lines (etc "resolv.conf" { networking.nameservers = [ "1.1.1.1" ]; networking.search = [ "s" ]; networking.domain = "d"; });
    expected = [ "nameserver 1.1.1.1" "search d s" "options edns0" ];
  };

  temporaryAddresses = {
    expr = map (module: (system module).boot.kernel.sysctl."net.ipv6.conf.eth1.use_tempaddr" or null) [
      eth1
      (lib.recursiveUpdate eth1 { networking.tempAddresses = "enabled"; })
      { networking.interfaces.eth1.tempAddress = "enabled"; }
      { networking.interfaces.eth1.tempAddress = "disabled"; }
      { networking.enableIPv6 = false; networking.interfaces.eth1 = { }; }
    ];
    expected = [ 2 1 1 0 null ];
  };
  addressUnit = { expr = hasService "network-addresses-eth1" eth1; expected = true; };
  addressUnitOrder = { expr = directive "Before" (unit "network-addresses-eth1.service" eth1); expected = [ "Before=network-setup.service network.target" ]; };
  noShellForAddresses = { expr = has "/bin/ip -force -batch " (unit "network-addresses-eth1.service" eth1); expected = true; };
  bridge = { expr = directive "After" (unit "br0-netdev.service" { networking.bridges.br0.interfaces = [ "eth1" ]; }); expected = [ "After=network-pre.target network-addresses-eth1.service" ]; };
  vlanOnBridge = { expr = has "BindsTo=br0-netdev.service" (unit "v-netdev.service" { networking.bridges.br0.interfaces = [ ]; networking.vlans.v = { id = 1; interface = "br0"; }; }); expected = true; };
  vlanTooLarge = { expr = (system { networking.vlans.v = { id = 5000; interface = "e"; }; }).networking.vlans.v.id; fails = true; };
  modules = { expr = lib.elem "8021q" (system { networking.vlans.v = { id = 1; interface = "e"; }; }).snowglobe.system.kernel.initrdModules; expected = true; };

  # The user network's lease is known, so that no client is needed for it.
  noClientForUserNetwork = { expr = hasService "dhcpcd" { }; expected = false; };
  userNetwork = { expr = hasService "network-addresses-eth0" { }; expected = true; };
  userNetworkOff = { expr = hasService "network-addresses-eth0" { networking.useDHCP = false; }; expected = false; };
  client = { expr = hasService "dhcpcd" { networking.interfaces.eth1.useDHCP = true; }; expected = true; };
  clientOff = { expr = hasService "dhcpcd" { networking.dhcpcd.enable = false; networking.interfaces.eth1.useDHCP = true; }; expected = false; };
  clientDenies = { expr = has "eth2" (lib.findFirst (lib.hasPrefix "denyinterfaces") "" (lines (etc "dhcpcd.conf" { networking.interfaces.eth1.useDHCP = true; networking.interfaces.eth2.ipv4.addresses = [ { address = "1.1.1.1"; prefixLength = 8; } ]; }))); expected = true; };

  networkdAddress = {
    expr = lines (etc "systemd/network/40-eth1.network" { imports = [ eth1 { networking.useNetworkd = true; } ]; });
    expected = [ "[Match]" "Name=eth1" "[Network]" "DHCP=no" "IPv6PrivacyExtensions=kernel" "Address=10.0.0.1/24" ];
  };
  networkdBond = {
    expr = has "MIIMonitorSec=100ms" (etc "systemd/network/40-b.netdev" { networking.useNetworkd = true; networking.bonds.b = { interfaces = [ "e" ]; driverOptions.miimon = "100"; }; });
    expected = true;
  };
  networkdBondUnknown = { expr = etc "systemd/network/40-b.netdev" { networking.useNetworkd = true; networking.bonds.b = { interfaces = [ "e" ]; driverOptions.nonsense = "1"; }; }; fails = true; };
  networkSections = {
    expr = lines (etc "systemd/network/a.network" { systemd.network = { enable = true; networks.a = { name = "e"; routes = [ { routeConfig.Gateway = "1.1.1.1"; } { Destination = "2.0.0.0/8"; } ]; }; }; });
    expected = [ "[Match]" "Name=e" "[Network]" "[Route]" "Gateway=1.1.1.1" "[Route]" "Destination=2.0.0.0/8" ];
  };

  firewallUnit = { expr = lib.length (directive "ExecStart" (unit "firewall.service" { })); expected = 2; };
  firewallOneFamily = { expr = lib.length (directive "ExecStart" (unit "firewall.service" { networking.enableIPv6 = false; })); expected = 1; };
  firewallOff = { expr = hasService "firewall" { networking.firewall.enable = false; }; expected = false; };
  firewallCommands = { expr = has "firewall-start" (unit "firewall.service" { networking.firewall.extraCommands = "true"; }); expected = true; };
  portsSorted = { expr = (system { networking.firewall.allowedTCPPorts = [ 80 22 80 ]; }).networking.firewall.allowedTCPPorts; expected = [ 22 80 ]; };
  portTooLarge = { expr = (system { networking.firewall.allowedTCPPorts = [ 70000 ]; }).networking.firewall.allowedTCPPorts; fails = true; };
  nftables = { expr = [ (hasService "nftables" { networking.nftables.enable = true; }) (hasService "firewall" { networking.nftables.enable = true; }) ]; expected = [ true false ]; };
  nftablesOverlap = {
    expr = has "tcp dport { 5, 980-1010 } accept" (system { networking.nftables.enable = true; networking.firewall = { allowedTCPPorts = [ 5 993 ]; allowedTCPPortRanges = [ { from = 990; to = 1010; } { from = 980; to = 1000; } ]; }; }).networking.nftables.tables.nixos-fw.content;
    expected = true;
  };
  nftablesCommands = { expr = builds { networking.nftables.enable = true; networking.firewall.extraCommands = "true"; }; fails = true; };
  forwardFilter = { expr = builds { networking.firewall.filterForward = true; }; fails = true; };
  firewalldNeedsDaemon = { expr = builds { networking.firewall.backend = "firewalld"; }; fails = true; };

  nat = { expr = hasService "nat" { networking.nat.enable = true; }; expected = true; };
  natNft = { expr = hasService "nat" { networking.nat.enable = true; networking.nftables.enable = true; }; expected = false; };
  natForward = { expr = builds { networking.nat = { enable = true; forwardPorts = [ { sourcePort = 1; destination = "1.1.1.1:2"; } ]; }; }; fails = true; };

  wireguard = {
    expr = lib.filter (lib.hasPrefix "wireguard") (services { networking.wireguard.interfaces.wg0 = { privateKey = "k"; peers = [ { publicKey = "a/b="; allowedIPs = [ "1.0.0.0/8" ]; } ]; }; });
    expected = [ "wireguard-wg0" "wireguard-wg0-peer-a-b\\x3d" ];
  };
  wireguardWithoutKey = { expr = builds { networking.wireguard.interfaces.wg0 = { }; }; fails = true; };
  wgQuick = { expr = hasService "wg-quick-wg0" { networking.wg-quick.interfaces.wg0 = { privateKey = "k"; address = [ "1.1.1.1/8" ]; }; }; expected = true; };

  proxy = { expr = (system { networking.proxy.default = "http://p"; networking.proxy.noProxy = "n"; }).environment.sessionVariables.https_proxy; expected = "http://p"; };
}
