# What `networking.*` makes of cards: bonds, bridges, VLANs, tunnels, leases; the same test for the
# scripted back end and for networkd.
let
  addresses = lib: list: lib.mkOverride 0 (map (address: { inherit address; prefixLength = 24; }) list);

  test = networkd: {
    name = "links-${if networkd then "networkd" else "scripted"}";

    defaults.networking = {
      useNetworkd = networkd;
      useDHCP = false;
      firewall.enable = false;
    };

    nodes = {
      left = { lib, ... }: {
        virtualisation.vlans = [ 1 2 3 ];
        networking = {
          bonds.team = { interfaces = [ "eth2" "eth3" ]; driverOptions = { mode = "active-backup"; primary = "eth2"; miimon = "100"; }; };
          interfaces.team.ipv4.addresses = addresses lib [ "10.1.0.1" ];
          interfaces.eth1.ipv4.addresses = addresses lib [ "10.2.0.1" ];
          interfaces.eth2.ipv4.addresses = lib.mkOverride 0 [ ];
          interfaces.eth3.ipv4.addresses = lib.mkOverride 0 [ ];
          vlans.tagged = { id = 9; interface = "eth1"; };
          interfaces.tagged.ipv4.addresses = addresses lib [ "10.3.0.1" ];
          greTunnels.tunnel = { local = "10.2.0.1"; remote = "10.2.0.2"; dev = "eth1"; type = "tap"; ttl = 99; };
          interfaces.tunnel.ipv4.addresses = addresses lib [ "10.4.0.1" ];
          sits.six = { local = "10.2.0.1"; remote = "10.2.0.2"; dev = "eth1"; };
          interfaces.six.ipv6.addresses = [ { address = "fd00:6::1"; prefixLength = 64; } ];
        };
        services.kea.dhcp4 = {
          enable = true;
          settings = {
            interfaces-config = { interfaces = [ "eth1" ]; service-sockets-max-retries = 20; service-sockets-retry-wait-time = 1000; };
            subnet4 = [ { id = 1; subnet = "10.2.0.0/24"; pools = [ { pool = "10.2.0.100 - 10.2.0.110"; } ]; } ];
          };
        };
      };
      right = { lib, ... }: {
        virtualisation.vlans = [ 1 2 ];
        networking = {
          bridges.bridge.interfaces = [ "eth2" ];
          interfaces.bridge.ipv4.addresses = addresses lib [ "10.1.0.2" ];
          interfaces.eth2.ipv4.addresses = lib.mkOverride 0 [ ];
          interfaces.eth1.ipv4.addresses = addresses lib [ "10.2.0.2" ];
          interfaces.eth1.mtu = 1400;
          vlans.tagged = { id = 9; interface = "eth1"; };
          interfaces.tagged.ipv4.addresses = addresses lib [ "10.3.0.2" ];
          greTunnels.tunnel = { local = "10.2.0.2"; remote = "10.2.0.1"; dev = "eth1"; type = "tap"; };
          interfaces.tunnel.ipv4.addresses = addresses lib [ "10.4.0.2" ];
          sits.six = { local = "10.2.0.2"; remote = "10.2.0.1"; dev = "eth1"; };
          interfaces.six.ipv6.addresses = [ { address = "fd00:6::2"; prefixLength = 64; } ];
          macvlans.second.interface = "eth1";
          interfaces.second.useDHCP = true;
          interfaces.spare = { virtual = true; virtualType = "tap"; };
        };
      };
    };

    testScript = ''
      start_all()
      for machine in (left, right):
          machine.wait_for_unit("network.target")

      with subtest("a bond reaches a bridge"):
          left.wait_until_succeeds("ping -c 1 10.1.0.2")
          left.succeed("grep -q 'active-backup' /proc/net/bonding/team")
          right.succeed("ip -d link show eth2 | grep 'master bridge'")

      with subtest("a VLAN within a network"):
          left.wait_until_succeeds("ping -c 1 10.3.0.2")
          right.succeed("ip -d link show tagged | grep 'vlan protocol 802.1Q id 9'")

      with subtest("tunnels"):
          left.wait_until_succeeds("ping -c 1 10.4.0.2")
          left.succeed("ip -d link show tunnel | grep 'ttl 99'")
          left.wait_until_succeeds("ping -c 1 fd00:6::2")

      with subtest("a lease from another machine, on a second address of a card"):
          left.wait_for_unit("kea-dhcp4-server")
          right.wait_until_succeeds("ip -4 addr show second | grep -F 'inet 10.2.0.1'")

      with subtest("what is said of an interface"):
          right.succeed("ip link show eth1 | grep 'mtu 1400'")
          right.succeed("ip tuntap list | grep '^spare: tap'")
    '';
  };
in
{
  scripted = test false;
  networkd = test true;
}
