# MariaDB and PostgreSQL on one machine, asked over the network; a backup; what survives a restart.
{
  name = "databases";

  nodes.server =
    { pkgs, ... }:
    {
      virtualisation.memorySize = 1536;
      networking.firewall.allowedTCPPorts = [ 3306 5432 11211 ];
      users.users.sailor = { isSystemUser = true; group = "crew"; };
      users.users.pirate = { isSystemUser = true; group = "crew"; };
      users.groups.crew = { };

      services.mysql = {
        enable = true;
        package = pkgs.mariadb;
        settings.mysqld.plugin-load-add = [ "ha_rocksdb.so" ];
        initialDatabases = [ { name = "logbook"; schema = pkgs.writeText "logbook.sql" "create table entries (day int); insert into entries values (7);"; } ];
        initialScript = pkgs.writeText "start.sql" "create user 'far'@'%' identified by 'away'; grant select on logbook.* to 'far'@'%';";
        ensureDatabases = [ "hold" ];
        ensureUsers = [ { name = "sailor"; ensurePermissions."hold.*" = "ALL PRIVILEGES"; } ];
      };

      services.postgresql = {
        enable = true;
        enableTCPIP = true;
        ensureDatabases = [ "sailor" ];
        ensureUsers = [
          { name = "sailor"; ensureDBOwnership = true; }
          { name = "pirate"; ensureClauses = { createdb = true; login = true; }; }
        ];
        authentication = "host sailor far samenet scram-sha-256";
        initialScript = pkgs.writeText "start.sql" "create role far login password 'away';";
      };
      services.postgresqlBackup = { enable = true; databases = [ "sailor" ]; };

      services.memcached = { enable = true; listen = "0.0.0.0"; };
    };

  nodes.client = { pkgs, ... }: { environment.systemPackages = with pkgs; [ mariadb-client postgresql netcat ]; };

  testScript = ''
    start_all()
    server.wait_for_unit("mysql.service")
    server.wait_for_unit("postgresql.service")
    client.wait_for_unit("multi-user.target")

    with subtest("MariaDB: first contents, users of the system, a plugin"):
        assert server.succeed("mysql -N -e 'select day from logbook.entries'") == "7\n"
        server.succeed("sudo -u sailor mysql hold -e 'create table rum (barrels int) engine = RocksDB; insert into rum values (3)'")
        assert server.succeed("sudo -u sailor mysql hold -N -e 'select barrels from rum'") == "3\n"
        server.fail("sudo -u pirate mysql -u sailor hold -e 'select 1'")
        server.fail("sudo -u sailor mysql logbook -e 'select 1'")
        assert client.succeed("mariadb -h server -u far -paway -N -e 'select day from logbook.entries'") == "7\n"
        client.fail("mariadb -h server -u far -pnear -e 'select 1'")

    with subtest("PostgreSQL: owners, clauses, passwords"):
        server.succeed("sudo -u sailor psql -c 'create table rum (barrels int)' -c 'insert into rum values (5)' -c 'grant select on rum to far'")
        server.fail("sudo -u pirate psql sailor -c 'select * from rum'")
        server.succeed("sudo -u pirate createdb island")
        assert client.succeed("PGPASSWORD=away psql -h server -U far -At sailor -c 'select barrels from rum'") == "5\n"
        client.fail("PGPASSWORD=near psql -h server -U far sailor -c 'select 1'")

    with subtest("a backup, and the one before it"):
        server.succeed("systemctl start postgresqlBackup-sailor.service")
        server.succeed("zcat /var/backup/postgresql/sailor.sql.gz | grep 'CREATE TABLE.*rum'")
        server.succeed("systemctl start postgresqlBackup-sailor.service")
        server.succeed("test -s /var/backup/postgresql/sailor.prev.sql.gz")
        assert server.succeed("stat -c %a /var/backup/postgresql/sailor.sql.gz") == "600\n"

    with subtest("memcached"):
        client.succeed("printf 'set snow 0 0 5\\r\\nwhite\\r\\nquit\\r\\n' | nc server 11211 | grep STORED")
        client.succeed("printf 'get snow\\r\\nquit\\r\\n' | nc server 11211 | grep white")

    with subtest("what was written is there after a restart"):
        server.succeed("systemctl restart mysql.service postgresql.service")
        assert server.succeed("sudo -u sailor mysql hold -N -e 'select barrels from rum'") == "3\n"
        assert server.succeed("sudo -u sailor psql -At -c 'select barrels from rum'") == "5\n"
  '';
}
