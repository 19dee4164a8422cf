# Virtual networks: addresses, names, the firewall, cables that are pulled.
{
  name = "network";

  nodes = {
    a = { };
    b-2 =
      { pkgs, ... }:
      {
        virtualisation.vlans = [
          2
          1
        ];
        networking.firewall.allowedTCPPorts = [ 8000 ];
        environment.systemPackages = [ pkgs.socat ];
      };
    c = {
      virtualisation.vlans = [ 2 ];
      networking.firewall.enable = false;
    };
  };

  testScript =
    { nodes, ... }:
    ''
      start_all()
      for machine in (a, b_2, c):
          machine.wait_for_unit("network-online.target")

      with subtest("addresses are upstream's"):
          assert "192.168.1.1/24" in a.succeed("ip -4 addr show eth1")
          assert "2001:db8:1::1/64" in a.succeed("ip -6 addr show eth1")
          assert "52:54:00:12:01:01" in a.succeed("cat /sys/class/net/eth1/address")
          assert "192.168.2.2/24" in b_2.succeed("ip -4 addr show eth1")
          assert "192.168.1.2/24" in b_2.succeed("ip -4 addr show eth2")
          assert "${nodes.a.networking.primaryIPAddress}" == "192.168.1.1"
          assert "${nodes.b-2.networking.primaryIPAddress}" == "192.168.2.2"

      with subtest("names"):
          assert a.succeed("hostname").strip() == "a"
          assert b_2.succeed("hostname").strip() == "b-2"
          a.succeed("getent hosts b-2")

      with subtest("who reaches whom"):
          a.succeed("ping -c 1 192.168.1.2")
          a.succeed("ping -6 -c 1 2001:db8:1::2")
          b_2.succeed("ping -c 1 c")
          a.fail("ping -c 1 -W 1 192.168.2.3")

      with subtest("the firewall"):
          b_2.succeed("socat TCP-LISTEN:8000,fork,reuseaddr EXEC:/run/current-system/sw/bin/true >&2 &")
          b_2.succeed("socat TCP-LISTEN:8001,fork,reuseaddr EXEC:/run/current-system/sw/bin/true >&2 &")
          b_2.wait_for_open_port(8000)
          b_2.wait_for_open_port(8001)
          a.succeed("nc -z -w 5 192.168.1.2 8000")
          a.fail("nc -z -w 2 192.168.1.2 8001")

      with subtest("a pulled cable"):
          a.block()
          a.fail("ping -c 1 -W 1 192.168.1.2")
          a.unblock()
          a.wait_until_succeeds("ping -c 1 -W 1 192.168.1.2")

      with subtest("a cut link"):
          vlan2.cut(b_2, c)
          b_2.fail("ping -c 1 -W 1 192.168.2.3")
          vlan2.heal()
          b_2.wait_until_succeeds("ping -c 1 -W 1 192.168.2.3")
    '';
}
