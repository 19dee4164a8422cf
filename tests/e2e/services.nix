# Services on one machine, each asked over the network by another: names, web, proxies, data bases, files, logs.
{
  name = "services";

  nodes.server =
    { pkgs, ... }:
    {
      networking.firewall.allowedTCPPorts = [ 21 53 80 2379 6379 8080 9418 19531 ];
      networking.firewall.allowedUDPPorts = [ 53 ];
      networking.firewall.allowedTCPPortRanges = [ { from = 51000; to = 51010; } ];

      users.users.reader = { isNormalUser = true; extraGroups = [ "redis-shelf" ]; };
      users.users.stranger.isNormalUser = true;
      users.users.carrier = { isNormalUser = true; password = "heavy"; };

      services.redis.servers = {
        "" = { enable = true; bind = null; settings.protected-mode = "no"; };
        shelf.enable = true;
      };

      services.bind = {
        enable = true;
        cacheNetworks = [ "any" ];
        zones."globe.test".file = pkgs.writeText "globe.zone" ''
          $TTL 600
          @     SOA   ns hostmaster 1 3600 600 86400 600
          @     NS    ns
          ns    A     192.0.2.53
          snow  A     192.0.2.7
          snow  AAAA  2001:db8::7
        '';
      };

      services.nginx = {
        enable = true;
        defaultHTTPListenPort = 8080;
        virtualHosts.server = {
          root = pkgs.writeTextDir "index.html" "flakes";
          locations."/closed/" = {
            alias = "${pkgs.writeTextDir "index.html" "behind a door"}/";
            basicAuth.keeper = "k3y";
          };
          locations."~ ^/people/([a-z]+)/(.*)$".alias = "/home/$1/shown/$2";
        };
      };
      systemd.services.nginx.serviceConfig.ProtectHome = "read-only";

      services.haproxy = {
        enable = true;
        config = ''
          defaults
            mode http
            timeout connect 20s
            timeout client 60s
            timeout server 60s
          frontend door
            bind *:80
            http-request use-service prometheus-exporter if { path /counters }
            default_backend web
          backend web
            server one 127.0.0.1:8080
        '';
      };

      services.etcd = {
        enable = true;
        listenClientUrls = [ "http://0.0.0.0:2379" ];
        advertiseClientUrls = [ "http://server:2379" ];
      };

      services.vsftpd = {
        enable = true;
        localUsers = true;
        writeEnable = true;
        userlist = [ "carrier" ];
        userlistDeny = false;
        extraConfig = ''
          pasv_min_port=51000
          pasv_max_port=51010
        '';
      };

      environment.systemPackages = [ pkgs.git ];
      services.gitDaemon = { enable = true; basePath = "/srv/git"; exportAll = true; };
      systemd.tmpfiles.rules = [ "d /srv/git 0755 root root -" ];

      services.rsyslogd.enable = true;
      services.journald.enableHttpGateway = true;
      services.atd.enable = true;
    };

  nodes.client =
    { pkgs, ... }:
    {
      environment.systemPackages = with pkgs; [ redis dnsutils git jq ];
    };

  testScript = ''
    start_all()
    server.wait_for_unit("multi-user.target")
    client.wait_for_unit("multi-user.target")

    with subtest("redis: a server on the network, another for one group"):
        server.wait_for_unit("redis.service")
        server.wait_for_unit("redis-shelf.service")
        client.succeed("redis-cli -h server set snow white")
        assert client.succeed("redis-cli -h server get snow") == "white\n"
        server.succeed("su reader -c 'redis-cli -s /run/redis-shelf/redis.sock ping' | grep PONG")
        server.fail("su stranger -c 'redis-cli -s /run/redis-shelf/redis.sock ping' | grep PONG")

    with subtest("bind: a zone of its own"):
        server.wait_for_unit("bind.service")
        assert client.succeed("dig +short snow.globe.test @server") == "192.0.2.7\n"
        assert client.succeed("dig +tcp +short -t AAAA snow.globe.test @server") == "2001:db8::7\n"
        client.fail("host rain.globe.test server")

    with subtest("nginx: passwords, and folders of users"):
        assert client.succeed("curl -sf http://server:8080/") == "flakes"
        client.fail("curl -sf http://server:8080/closed/")
        client.fail("curl -sf http://keeper:wrong@server:8080/closed/")
        assert client.succeed("curl -sf http://keeper:k3y@server:8080/closed/") == "behind a door"
        server.succeed("chmod 711 /home/reader", "install -d -o reader /home/reader/shown", "echo mine > /home/reader/shown/page")
        assert client.succeed("curl -sf http://server:8080/people/reader/page") == "mine\n"

    with subtest("haproxy: before nginx, and after it was reloaded"):
        assert client.succeed("curl -sf http://server/") == "flakes"
        assert "haproxy_process_uptime_seconds" in client.succeed("curl -sf http://server/counters")
        server.succeed("systemctl reload haproxy.service")
        client.wait_until_succeeds("test \"$(curl -sf http://server/)\" = flakes")

    with subtest("etcd: a value"):
        server.wait_until_succeeds("etcdctl endpoint health")
        server.succeed("etcdctl put /globe/kind snow")
        assert "snow" in server.succeed("etcdctl get /globe/kind")
        assert client.succeed("curl -sf http://server:2379/health | jq -r .health") == "true\n"

    with subtest("vsftpd: a file up and down"):
        client.succeed("echo parcel > /root/parcel", "curl -sf -T /root/parcel -u carrier:heavy ftp://server/")
        assert server.succeed("cat /home/carrier/parcel") == "parcel\n"
        assert client.succeed("curl -sf -u carrier:heavy ftp://server/parcel") == "parcel\n"
        client.fail("curl -sf -u carrier:light ftp://server/parcel")
        client.fail("curl -sf -u stranger:heavy ftp://server/")

    with subtest("git: a clone"):
        server.succeed(
            "git init --bare /srv/git/snow.git",
            "git clone /srv/git/snow.git /root/snow",
            "cd /root/snow && git config user.email a@b.c && git config user.name a && echo one > flake && git add flake && git commit -m one && git push",
        )
        client.succeed("git clone git://server/snow.git /root/snow")
        assert client.succeed("cat /root/snow/flake") == "one\n"

    with subtest("logs: by rsyslog, and over HTTP"):
        server.succeed("logger --tag globe a line about snow")
        server.wait_until_succeeds("grep 'globe.*a line about snow' /var/log/messages")
        assert client.succeed("curl -sf http://server:19531/machine | jq -r .hostname") == "server\n"

    with subtest("at: work for later"):
        server.succeed("echo 'id -un > /tmp/later' | su reader -c 'at now'")
        server.wait_for_file("/tmp/later")
        assert server.succeed("cat /tmp/later") == "reader\n"
  '';
}
