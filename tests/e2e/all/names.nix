# Names, addresses and time given to others: nsd, unbound, dnsmasq, kea and chrony.
{ lib, ... }:
let
  leased.ipv4.addresses = lib.mkForce [ ];
  fixed = address: { ipv4.addresses = lib.mkForce [ { inherit address; prefixLength = 24; } ]; };
in
{
  name = "names";

  nodes.server =
    { pkgs, ... }:
    {
      virtualisation.vlans = [ 1 2 ];
      networking.interfaces.eth2 = fixed "10.2.0.1";
      networking.firewall.allowedTCPPorts = [ 53 5300 ];
      networking.firewall.allowedUDPPorts = [ 53 67 123 5300 ];
      environment.systemPackages = [ pkgs.dnsutils ];

      services.nsd = {
        enable = true;
        port = 5300;
        interfaces = [ "0.0.0.0" ];
        zones."peak.test.".data = ''
          $ORIGIN peak.test.
          $TTL 300
          @     SOA  ns hostmaster 1 3600 600 86400 300
          @     NS   ns
          ns    A    192.0.2.1
          snow  A    192.0.2.2
        '';
      };
      services.unbound = {
        enable = true;
        enableRootTrustAnchor = false;
        resolveLocalQueries = false;
        localControlSocketPath = "/run/unbound/unbound.ctl";
        settings = {
          server = {
            interface = [ "0.0.0.0" ];
            access-control = [ "192.168.1.0/24 allow" "127.0.0.0/8 allow" ];
            do-not-query-localhost = false;
            domain-insecure = "peak.test";
            local-zone = "\"test.\" nodefault";
          };
          stub-zone = [ { name = "peak.test"; stub-addr = "127.0.0.1@5300"; } ];
        };
      };
      services.kea.dhcp4 = {
        enable = true;
        settings = {
          interfaces-config.interfaces = [ "eth2" ];
          lease-database = { type = "memfile"; persist = true; name = "/var/lib/kea/dhcp4.leases"; };
          valid-lifetime = 600;
          subnet4 = [ { id = 1; subnet = "10.2.0.0/24"; pools = [ { pool = "10.2.0.100 - 10.2.0.109"; } ]; } ];
        };
      };
      services.chrony = {
        enable = true;
        servers = [ ];
        extraConfig = ''
          allow 192.168.1.0/24
          local stratum 5
        '';
      };
    };

  nodes.forwarder = {
    virtualisation.vlans = [ 1 3 ];
    networking.interfaces.eth2 = fixed "10.3.0.1";
    networking.firewall.allowedTCPPorts = [ 53 ];
    networking.firewall.allowedUDPPorts = [ 53 67 ];
    services.dnsmasq = {
      enable = true;
      resolveLocalQueries = false;
      settings = {
        interface = "eth2";
        bind-dynamic = true;
        no-resolv = true;
        no-hosts = true;
        address = [ "/cave.test/10.3.0.1" ];
        server = [ "/peak.test/192.168.1.3" ];
        dhcp-range = [ "10.3.0.50,10.3.0.59,1h" ];
        dhcp-option = [ "option:domain-search,cave.test" ];
      };
    };
  };

  nodes.client =
    { pkgs, ... }:
    {
      virtualisation.vlans = [ 1 2 3 ];
      networking.interfaces.eth2 = leased // { useDHCP = true; };
      networking.interfaces.eth3 = leased // { useDHCP = true; };
      environment.systemPackages = [ pkgs.dnsutils ];
      services.chrony = {
        enable = true;
        servers = [ "192.168.1.3" ];
        makestep = { enable = true; threshold = 1; limit = -1; };
      };
    };

  testScript = ''
    start_all()

    with subtest("nsd answers for its zone"):
        server.wait_for_unit("nsd")
        client.wait_for_unit("network.target")
        assert client.wait_until_succeeds("dig +short -p 5300 snow.peak.test @server | grep ^192") == "192.0.2.2\n"
        assert "REFUSED" in client.succeed("dig -p 5300 elsewhere.test @server")

    with subtest("unbound asks nsd, for those that may ask it"):
        server.wait_for_unit("unbound")
        assert client.wait_until_succeeds("dig +short snow.peak.test @server | grep ^192") == "192.0.2.2\n"
        assert "NXDOMAIN" in client.succeed("dig rain.peak.test @server")
        assert "REFUSED" in server.succeed("dig -b 10.2.0.1 snow.peak.test @10.2.0.1")
        server.succeed("unbound-control -s /run/unbound/unbound.ctl -c /etc/unbound/unbound.conf dump_cache | grep snow.peak.test")

    with subtest("kea leases addresses"):
        server.wait_for_unit("kea-dhcp4-server")
        client.wait_until_succeeds("ip -4 -o address show eth2 | grep 'inet 10\\.2\\.0\\.10[0-9]/24'")
        server.wait_until_succeeds("grep 10.2.0.10 /var/lib/kea/dhcp4.leases")
        client.succeed("ping -c 1 10.2.0.1")

    with subtest("dnsmasq leases addresses and answers for names"):
        forwarder.wait_for_unit("dnsmasq")
        client.wait_until_succeeds("ip -4 -o address show eth3 | grep 'inet 10\\.3\\.0\\.5[0-9]/24'")
        forwarder.succeed("grep 10.3.0.5 /var/lib/dnsmasq/dnsmasq.leases")
        assert client.succeed("dig +short cave.test @10.3.0.1") == "10.3.0.1\n"
        assert client.succeed("dig +short snow.peak.test @10.3.0.1") == "192.0.2.2\n"

    with subtest("chrony follows another's clock"):
        client.succeed("date -s '+200 seconds'")
        client.succeed("systemctl restart chronyd")
        client.wait_until_succeeds("chronyc -n tracking | grep -F 192.168.1.3", timeout=120)
        assert abs(int(client.succeed("date +%s")) - int(server.succeed("date +%s"))) < 60
  '';
}
