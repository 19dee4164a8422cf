# Tunnels, doors and names between two machines: OpenVPN, tinc, iodine, sslh, Babel, Avahi and fail2ban.
let
  keys = import ../keys;
  tinc = name: other: { pkgs, ... }: {
    services.tinc.networks.snow = {
      inherit name;
      rsaPrivateKeyFile = pkgs.writeText "rsa" keys.${name}.private;
      settings.ConnectTo = other;
      hostSettings = {
        client = { addresses = [ { address = "192.168.1.1"; } ]; subnets = [ { address = "10.7.0.1"; } ]; rsaPublicKey = keys.client.public; };
        server = { addresses = [ { address = "192.168.1.2"; port = 655; } ]; subnets = [ { address = "10.7.0.2"; } ]; rsaPublicKey = keys.server.public; };
      };
    };
    networking.interfaces."tinc.snow" = {
      virtual = true;
      virtualType = "tun";
      ipv4.addresses = [ { address = if name == "client" then "10.7.0.1" else "10.7.0.2"; prefixLength = 24; } ];
    };
    systemd.services."tinc.snow" = { after = [ "network-addresses-tinc.snow.service" ]; requires = [ "network-addresses-tinc.snow.service" ]; };
  };
  openvpn = here: there: extra: {
    environment.etc."openvpn.key" = { text = keys.openvpn; mode = "0600"; };
    services.openvpn.servers.snow = {
      config = ''
        dev tun7
        ifconfig ${here} ${there}
        secret /etc/openvpn.key
        cipher AES-256-CBC
        ${extra}
      '';
      up = "ip -o address show dev $dev >/run/tunnel-is-up";
    };
  };
  babel = address: {
    services.babeld = {
      enable = true;
      interfaces.eth1 = { type = "wired"; hello-interval = 1; };
      extraConfig = "redistribute local ip ${address}/32 allow\nredistribute local deny\n";
    };
    networking.interfaces.lo.ipv4.addresses = [ { inherit address; prefixLength = 32; } ];
  };
  open = {
    networking.firewall.allowedTCPPorts = [ 22 443 655 ];
    networking.firewall.allowedUDPPorts = [ 53 655 1194 6696 ];
    networking.firewall.trustedInterfaces = [ "dns0" "tun7" "tinc.snow" ];
  };
in
{
  name = "services-tunnels";

  nodes.server =
    { pkgs, ... }:
    {
      imports = [ open (tinc "server" "client") (openvpn "10.8.0.2" "10.8.0.1" "") (babel "10.9.0.2") ];

      services.openssh.enable = true;
      services.fail2ban = { enable = true; maxretry = 2; bantime-increment.enable = true; };
      services.lighttpd = { enable = true; document-root = pkgs.writeTextDir "page" "flakes\n"; };
      services.sslh = {
        enable = true;
        settings.protocols = [
          { name = "ssh"; host = "localhost"; port = "22"; }
          { name = "http"; host = "localhost"; port = "80"; }
        ];
      };
      services.avahi = {
        enable = true;
        publish = { enable = true; addresses = true; userServices = true; };
        extraServiceFiles.page = ''
          <?xml version="1.0" standalone='no'?>
          <!DOCTYPE service-group SYSTEM "avahi-service.dtd">
          <service-group>
            <name>Snow</name>
            <service><type>_http._tcp</type><port>80</port></service>
          </service-group>
        '';
      };
      services.iodine.server = {
        enable = true;
        ip = "10.53.0.1/24";
        domain = "t.globe.test";
        passwordFile = "${pkgs.writeText "password" "six;arms"}";
      };
    };

  nodes.client =
    { pkgs, ... }:
    {
      imports = [ open (tinc "client" "server") (openvpn "10.8.0.1" "10.8.0.2" "remote 192.168.1.2") (babel "10.9.0.1") ];
      environment.systemPackages = [ pkgs.sshpass ];
      services.avahi = { enable = true; nssmdns4 = true; publish = { enable = true; addresses = true; }; };
      services.iodine.clients.snow = {
        relay = "192.168.1.2";
        server = "t.globe.test";
        passwordFile = "/root/password";
      };
      systemd.tmpfiles.rules = [ "f /root/password 0600 root root - six;arms" ];
    };

  testScript = ''
    start_all()
    server.wait_for_unit("multi-user.target")
    client.wait_for_unit("multi-user.target")

    with subtest("openvpn: through the tunnel, once its commands ran"):
        client.wait_until_succeeds("ping -c 1 -W 2 10.8.0.2")
        server.succeed("grep 10.8.0.2 /run/tunnel-is-up")

    with subtest("tinc: through its network"):
        client.wait_until_succeeds("ping -c 1 -W 2 10.7.0.2")

    with subtest("iodine: through names"):
        client.wait_for_unit("iodine-snow.service")
        client.wait_until_succeeds("ping -c 1 -W 2 10.53.0.1")

    with subtest("babeld: an address that only it tells of"):
        client.wait_until_succeeds("ping -c 1 -W 2 10.9.0.2")
        client.succeed("ip route get 10.9.0.2 | grep 'via 192.168.1.2'")

    with subtest("sslh: one port for pages and for shells"):
        server.wait_for_open_port(443)
        assert client.succeed("curl -sf http://server:443/page") == "flakes\n"
        client.succeed("nc -w 6 server 443 </dev/null | grep SSH-2.0")

    with subtest("avahi: a name, and a service of a file"):
        client.wait_until_succeeds("getent hosts server.local | grep 192.168.1.2")
        client.wait_until_succeeds("avahi-browse -rtp _http._tcp | grep 'Snow.*192.168.1.2'")

    with subtest("fail2ban: who guesses is shut out"):
        server.wait_for_unit("fail2ban.service")
        server.wait_until_succeeds("fail2ban-client status sshd")
        client.succeed("nc -w 3 -z server 22")
        for _ in range(3):
            client.execute("timeout 15 sshpass -p wrong ssh -4 -o StrictHostKeyChecking=no -o ConnectTimeout=5 -o ServerAliveInterval=2 -o ServerAliveCountMax=2 root@server true")
        server.wait_until_succeeds("fail2ban-client status sshd | grep 192.168.1.1")
        client.fail("nc -w 3 -z 192.168.1.2 22")
        server.succeed("fail2ban-client set sshd unbanip 192.168.1.1")
        client.wait_until_succeeds("nc -w 3 -z 192.168.1.2 22")
  '';
}
