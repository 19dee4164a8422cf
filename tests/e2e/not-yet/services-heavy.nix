# Services that take a while to start under emulation: a broker of messages, a judge of mail, Munin, and copies of data bases.
{
  name = "services-heavy";

  nodes.server =
    { pkgs, ... }:
    {
      networking.firewall.allowedTCPPorts = [ 25 4949 5672 6432 11334 15672 ];
      users.users.ada = { isNormalUser = true; password = "lovelace"; };
      virtualisation.cores = 2;

      services.postfix = {
        enable = true;
        networks = [ "127.0.0.0/8" "192.168.1.0/24" ];
        config.mydestination = [ "globe.test" "localhost" ];
      };
      services.rspamd = {
        enable = true;
        postfix.enable = true;
        workers.controller.bindSockets = [ "0.0.0.0:11334" ];
        locals."options.inc".text = "dns { enable_dnssec = false; nameserver = [\"127.0.0.1\"]; }";
      };

      services.rabbitmq = {
        enable = true;
        listenAddress = "0.0.0.0";
        configItems."loopback_users.guest" = "false";
        managementPlugin.enable = true;
      };

      services.munin-node = {
        enable = true;
        extraConfig = "allow ^192\\.168\\.1\\.";
        extraPlugins.flakes = pkgs.writeShellScript "flakes" ''
          [ "$1" = config ] && echo "graph_title Flakes" && echo "flakes.label flakes" && exit
          echo "flakes.value 6"
        '';
      };

      services.munin-cron = { enable = true; hosts = "[server]\naddress localhost"; };

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
      environment.systemPackages = [ pkgs.swaks pkgs.jq pkgs.postgresql ];
    };

  testScript = ''
    start_all()
    client.wait_for_unit("multi-user.target")

    with subtest("rspamd: what is spam for certain is not taken, other mail is"):
        server.wait_for_unit("rspamd.service")
        server.wait_for_open_port(25)
        server.wait_for_file("/run/rspamd/rspamd-milter.sock")
        client.wait_until_succeeds("curl -sf http://server:11334/ping | grep pong")
        spam = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
        client.fail(f"swaks --silent 2 --server server --to ada@globe.test --from bob@client.test --body '{spam}'")
        client.succeed("swaks --silent 2 --server server --to ada@globe.test --from bob@client.test --body flakes")
        server.wait_until_succeeds("grep -r flakes /var/spool/mail/ada")

    with subtest("rabbitmq: a message through a queue"):
        server.wait_for_unit("rabbitmq.service")
        server.wait_for_open_port(15672)
        there = "http://guest:guest@server:15672/api"
        client.succeed(f"curl -sf -X PUT -H 'content-type: application/json' -d '{{\"durable\":false}}' {there}/queues/%2F/flakes")
        client.succeed(f"curl -sf -X POST -d '{{\"properties\":{{}},\"routing_key\":\"flakes\",\"payload\":\"one\",\"payload_encoding\":\"string\"}}' {there}/exchanges/%2F/amq.default/publish | grep true")
        got = client.succeed(f"curl -sf -X POST -d '{{\"count\":1,\"ackmode\":\"ack_requeue_false\",\"encoding\":\"auto\"}}' {there}/queues/%2F/flakes/get | jq -r '.[0].payload'")
        assert got == "one\n", got
        server.succeed("su -s /bin/sh rabbitmq -c 'rabbitmqctl list_queues' | grep flakes")

    with subtest("munin: a value of a plugin of ours, and one of its own"):
        server.wait_for_open_port(4949)
        assert "flakes.value 6" in client.succeed("printf 'fetch flakes\\nquit\\n' | nc -q 5 192.168.1.2 4949")
        client.succeed("printf 'list\\nquit\\n' | nc -q 5 192.168.1.2 4949 | grep uptime")

    with subtest("munin: a page of it"):
        server.succeed("systemctl start munin-cron.service")
        server.wait_for_file("/var/lib/munin/server/server-flakes-flakes-g.rrd")
        server.succeed("grep Flakes /var/www/munin/server/server/index.html")

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
  '';
}
