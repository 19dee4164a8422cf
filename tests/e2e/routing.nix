# Networks that a configuration makes: bridges, VLANs, routes, address translation with both back
# ends of the firewall, DHCP from a real server to a real client, networkd.
let
  router = networkd: nftables: { lib, ... }: {
    virtualisation.vlans = [ 1 2 ];
    networking = {
      useNetworkd = networkd;
      nftables.enable = nftables;
      nat = {
        enable = true;
        internalInterfaces = [ "eth1" ];
        externalInterface = "eth2";
        forwardPorts = [ { sourcePort = 8080; destination = "192.168.1.1:80"; } ];
      };
    };
  };
in
{
  name = "routing";

  nodes = {
    # Numbers go by name: inside is 1, old 2, outside 3 …
    a-inside =
      { nodes, lib, ... }:
      {
        networking.defaultGateway = lib.mkForce "192.168.1.3";
        networking.bridges.br0.interfaces = [ ];
        networking.interfaces.br0.ipv4.addresses = [ { address = "10.9.0.1"; prefixLength = 24; } ];
        networking.vlans.tagged = { id = 7; interface = "eth1"; };
        networking.interfaces.tagged.ipv4.addresses = [ { address = "10.7.0.1"; prefixLength = 24; } ];
        networking.firewall.enable = false;
        networking.interfaces.eth1.ipv4.routes = [ { address = "203.0.113.0"; prefixLength = 24; via = "192.168.1.3"; } ];
      };
    b-outside = {
      virtualisation.vlans = [ 2 ];
      networking.firewall.allowedTCPPorts = [ 81 ];
    };
    c-router = router false false;
    d-router = router true true;
    e-tagged = {
      networking.vlans.tagged = { id = 7; interface = "eth1"; };
      networking.interfaces.tagged.ipv4.addresses = [ { address = "10.7.0.5"; prefixLength = 24; } ];
    };
  };

  testScript = ''
    start_all()
    for machine in (a_inside, b_outside, c_router, d_router, e_tagged):
        machine.wait_for_unit("multi-user.target")

    with subtest("what is made"):
        a_inside.wait_for_unit("br0-netdev.service")
        a_inside.wait_for_unit("network-addresses-br0.service")
        assert "10.9.0.1/24" in a_inside.succeed("ip -4 addr show br0")
        assert "via 192.168.1.3 dev eth1" in a_inside.succeed("ip route show 203.0.113.0/24")
        assert "default via 192.168.1.3" in a_inside.succeed("ip route")

    with subtest("a tagged network"):
        a_inside.wait_until_succeeds("ping -c 1 -W 2 10.7.0.5", timeout=30)

    with subtest("through the router, with its address"):
        a_inside.wait_until_succeeds("ping -c 1 -W 2 192.168.2.2", timeout=30)
        b_outside.succeed("(nc -n -l -v 81 2> /tmp/from) >&2 &")
        # Not wait_for_open_port: a connection ends this listener.
        b_outside.wait_until_succeeds("ss -Htln 'sport = 81' | grep -q .", timeout=30)
        a_inside.succeed("nc -z -w 5 192.168.2.2 81")
        b_outside.wait_until_succeeds("grep 192.168.2.3 /tmp/from", timeout=20)
        b_outside.fail("ping -c 1 -W 1 192.168.1.1")

    with subtest("ports that lead inside"):
        a_inside.succeed("(echo hello | nc -l 80) >&2 &")
        a_inside.wait_until_succeeds("ss -Htln 'sport = 80' | grep -q .", timeout=10)
        assert "hello" in b_outside.succeed("nc -d -w 5 192.168.2.3 8080 || true")

    with subtest("the other back ends"):
        d_router.wait_for_unit("nftables.service")
        d_router.wait_for_unit("systemd-networkd.service")
        d_router.succeed("nft list table ip nixos-nat | grep masquerade")
        d_router.succeed("networkctl status eth1 | grep 192.168.1.4")
        a_inside.succeed("ip route replace default via 192.168.1.4")
        a_inside.wait_until_succeeds("ping -c 1 -W 2 192.168.2.2", timeout=30)

    with subtest("the firewall stops and starts"):
        c_router.succeed("systemctl stop firewall")
        c_router.fail("iptables -S nixos-fw")
        c_router.succeed("systemctl start firewall")
        c_router.succeed("iptables -C INPUT -j nixos-fw")
        assert c_router.succeed("iptables -S INPUT | grep -c nixos-fw") == "1\n"
        c_router.succeed("nixos-firewall-tool open tcp 4711 && iptables -S nixos-fw | grep 4711")
        c_router.succeed("nixos-firewall-tool reset")
        c_router.fail("iptables -S nixos-fw | grep 4711")
  '';
}
