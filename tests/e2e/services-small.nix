# Small services on one machine, asked by another: talk, names, sound, files, secrets, measurements, and copies of data bases.
{
  name = "services-small";

  nodes.server =
    { pkgs, ... }:
    {
      networking.firewall.allowedTCPPorts = [ 88 749 4222 4949 5001 6432 6667 6800 8001 ];
      networking.firewall.allowedUDPPorts = [ 53 69 88 123 ];

      services.endlessh = { enable = true; port = 2022; openFirewall = true; };
      services.nats = { enable = true; jetstream = true; };
      services.ngircd = {
        enable = true;
        config = ''
          [Global]
            Name = server.globe.test
            Info = flakes
            Ports = 6667
            ServerGID = ngircd
            ServerUID = ngircd
            MotdPhrase = "snow"
          [Options]
            DNS = no
            Ident = no
            PAM = no
        '';
      };
      services.tinydns = {
        enable = true;
        data = ''
          .globe.test:192.0.2.53:ns
          =snow.globe.test:192.0.2.7
        '';
      };
      services.icecast = {
        enable = true;
        hostname = "server";
        admin.password = "keeper";
        listen.port = 8001;
      };
      services.atftpd = { enable = true; root = pkgs.writeTextDir "flake" "six arms\n"; };
      services.murmur = { enable = true; openFirewall = true; registerName = "Globe"; };
      services.openntpd = { enable = true; servers = [ ]; extraConfig = "listen on *\nserver 127.127.1.0\n"; };
      services.aria2 = {
        enable = true;
        rpcSecretFile = pkgs.writeText "secret" "flake";
        settings.rpc-listen-all = true;
      };

      services.kerberos_server = {
        enable = true;
        settings.realms."GLOBE.TEST".acl = [ { principal = "admin"; access = [ "add" "cpw" ]; } ];
      };
      security.krb5 = {
        enable = true;
        settings.libdefaults.default_realm = "GLOBE.TEST";
        settings.realms."GLOBE.TEST" = { admin_server = "server"; kdc = "server"; };
      };

      services.collectd = {
        enable = true;
        plugins = { uptime = ""; csv = "DataDir \"/var/lib/collectd/csv\""; };
        extraConfig = "Interval 1";
      };
      services.munin-node = {
        enable = true;
        extraConfig = "allow ^192\\.168\\.1\\.";
        extraPlugins.flakes = pkgs.writeShellScript "flakes" ''
          [ "$1" = config ] && echo "graph_title Flakes" && echo "flakes.label flakes" && exit
          echo "flakes.value 6"
        '';
      };

      services.postgresql = {
        enable = true;
        enableTCPIP = true;
        settings.max_replication_slots = 5;
        authentication = ''
          local replication all trust
          host all all 127.0.0.1/32 trust
        '';
        initialScript = pkgs.writeText "init.sql" ''
          create user ada with login superuser;
          select * from pg_create_physical_replication_slot('copy');
        '';
      };
      services.postgresqlWalReceiver.receivers.main = { directory = "/var/copy"; slot = "copy"; connection = "user=postgres host=/run/postgresql"; };
      systemd.services.postgresql-wal-receiver-main.after = [ "postgresql.service" ];
      services.pgbouncer = {
        enable = true;
        settings = {
          databases.shelf = "host=127.0.0.1 dbname=postgres user=ada";
          pgbouncer = { listen_addr = "*"; auth_type = "any"; };
        };
      };

      services.mysql = {
        enable = true;
        package = pkgs.mariadb;
        ensureDatabases = [ "shelf" ];
      };
      services.mysqlBackup = { enable = true; databases = [ "shelf" ]; compressionAlg = "xz"; };
    };

  nodes.client =
    { pkgs, ... }:
    {
      environment.systemPackages = with pkgs; [ dnsutils postgresql jq krb5 tftp-hpa openssl ];
      security.krb5 = {
        enable = true;
        settings.libdefaults.default_realm = "GLOBE.TEST";
        settings.realms."GLOBE.TEST" = { admin_server = "server"; kdc = "server"; };
      };
      services.ntpd-rs = {
        enable = true;
        useNetworkingTimeServers = false;
        settings.source = [ { mode = "server"; address = "server"; } ];
      };
    };

  testScript = ''
    start_all()
    server.wait_for_unit("multi-user.target")
    client.wait_for_unit("multi-user.target")

    with subtest("endlessh: it never comes to an end"):
        server.wait_for_open_port(2022)
        client.succeed("nc -dvW1 server 2022")

    with subtest("nats: a message to whoever listens"):
        server.wait_for_open_port(4222)
        client.succeed("(printf 'CONNECT {}\\r\\nSUB flakes 1\\r\\n'; sleep 6) | nc -q 1 server 4222 >/root/heard &")
        client.sleep(2)
        client.succeed("printf 'CONNECT {}\\r\\nPUB flakes 3\\r\\none\\r\\nPING\\r\\n' | nc -W 3 server 4222 | grep PONG")
        client.wait_until_succeeds("grep 'MSG flakes 1 3' /root/heard")

    with subtest("ngircd: somebody comes in"):
        server.wait_for_open_port(6667)
        client.wait_until_succeeds("(printf 'NICK ada\\r\\nUSER ada 0 * :Ada\\r\\n'; sleep 3) | nc -q 1 server 6667 | grep 'Welcome to the Internet Relay Network ada'")

    with subtest("tinydns: a name"):
        assert client.succeed("dig +short +norec snow.globe.test @server") == "192.0.2.7\n"

    with subtest("icecast: its state, and what only its keeper sees"):
        server.wait_for_open_port(8001)
        client.succeed("curl -sf http://server:8001/status-json.xsl | jq -e '.icestats.host == \"server\"'")
        client.succeed("curl -sf -u admin:keeper http://server:8001/admin/stats | grep icestats")
        client.fail("curl -sf -u admin:thief http://server:8001/admin/stats")

    with subtest("atftpd: a file"):
        assert client.wait_until_succeeds("curl -sf tftp://server/flake") == "six arms\n"

    with subtest("murmur: it answers by TLS, and by UDP"):
        server.wait_for_open_port(64738)
        client.succeed("openssl s_client -connect server:64738 </dev/null 2>/dev/null | grep 'Murmur Autogenerated Certificate'")

    with subtest("aria2: only with its secret"):
        server.wait_for_open_port(6800)
        ask = "curl -s http://server:6800/jsonrpc -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"aria2.getVersion\",\"params\":[\"token:%s\"]}'"
        assert "version" in client.succeed(ask % "flake")
        assert "Unauthorized" in client.succeed(ask % "sleet")

    with subtest("kerberos: a ticket, and a user that the administrator made"):
        server.succeed("kdb5_util create -s -r GLOBE.TEST -P master", "systemctl restart kadmind.service kdc.service")
        server.wait_for_unit("kdc.service")
        server.wait_for_unit("kadmind.service")
        server.succeed("kadmin.local add_principal -pw secret admin")
        client.succeed("kadmin -p admin -w secret addprinc -pw lovelace ada")
        client.succeed("echo lovelace | kinit ada", "klist | grep krbtgt/GLOBE.TEST")
        client.fail("echo byron | kinit ada")
        client.fail("kadmin -p admin -w secret delprinc -force ada | grep -v 'not permitted\\|privilege' | grep deleted")

    with subtest("collectd: a file of values"):
        server.wait_until_succeeds("ls /var/lib/collectd/csv/server/uptime/uptime-*")

    with subtest("munin: a value of a plugin of ours, and one of its own"):
        server.wait_for_open_port(4949)
        assert "flakes.value 6" in client.succeed("printf 'fetch flakes\\nquit\\n' | nc -q 2 server 4949")
        client.succeed("printf 'list\\nquit\\n' | nc -q 2 server 4949 | grep uptime")

    with subtest("pgbouncer: a data base by another name"):
        server.wait_for_unit("pgbouncer.service")
        assert client.succeed("psql -h server -p 6432 -U anybody -tA shelf -c 'select current_user'") == "ada\n"

    with subtest("postgresql: its log is copied"):
        server.wait_for_unit("postgresql-wal-receiver-main.service")
        server.wait_until_succeeds("ls /var/copy/*.partial")

    with subtest("mysql: a copy that can be read"):
        server.wait_for_unit("mysql.service")
        server.succeed("mysql shelf -e 'create table flakes (arms int); insert into flakes values (6)'")
        server.succeed("systemctl start mysql-backup.service", "xzcat /var/backup/mysql/shelf.xz | grep 'INSERT INTO `flakes` VALUES'")

    with subtest("ntpd-rs asks openntpd"):
        server.wait_for_unit("openntpd.service")
        client.wait_for_unit("ntpd-rs.service")
        client.wait_until_succeeds("ntp-ctl status | grep server")
  '';
}
