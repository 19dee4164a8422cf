# `services.mysql`: MariaDB.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault optionalString concatMapStrings;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable required;
  cfg = config.services.mysql;
  format = pkgs.formats.ini { listsAsDuplicateKeys = true; };
  configFile = format.generate "my.cnf" cfg.settings;

  quoted = text: "'${lib.replaceStrings [ "\\" "'" ] [ "\\\\" "''" ] text}'";
  named = name: "`${lib.replaceStrings [ "`" ] [ "``" ] name}`";
  # SQL on standard input, so that the shell changes nothing in it.
  sql = text: "mysql -u ${cfg.user} -N <<'END_OF_SQL'\n${text}\nEND_OF_SQL\n";

  role = cfg.replication.role;

  # Plugins that Debian has in packages of their own.
  pluginPackages = {
    ha_mroonga = pkgs.debianPackages.mariadb-plugin-mroonga;
    ha_rocksdb = pkgs.debianPackages.mariadb-plugin-rocksdb;
    ha_spider = pkgs.debianPackages.mariadb-plugin-spider;
    ha_connect = pkgs.debianPackages.mariadb-plugin-connect;
    ha_oqgraph = pkgs.debianPackages.mariadb-plugin-oqgraph;
  };
  asked = settings: lib.concatMap (name: lib.toList (settings.${name} or [ ])) [ "plugin-load-add" "plugin_load_add" "plugin-load" "plugin_load" ];
  plugins = map (file: lib.removeSuffix ".so" (lib.last (lib.splitString "=" (toString file)))) (asked (cfg.settings.mysqld or { }));
in
{
  imports = [
    (lib.mkRemovedOptionModule [ "services" "mysql" "pidDir" ] "The socket lies in /run/mysqld.")
    (lib.mkRemovedOptionModule [ "services" "mysql" "rootPassword" ] "Use socket authentication.")
    (lib.mkRemovedOptionModule [ "services" "mysql" "extraOptions" ] "Use services.mysql.settings.mysqld instead.")
    (lib.mkRenamedOptionModule [ "services" "mysql" "bind" ] [ "services" "mysql" "settings" "mysqld" "bind-address" ])
    (lib.mkRenamedOptionModule [ "services" "mysql" "port" ] [ "services" "mysql" "settings" "mysqld" "port" ])
  ];

  options.services.mysql = {
    enable = enable "the MySQL server";
    package = mkOption {
      type = types.package;
      example = lib.literalExpression "pkgs.mariadb";
      description = "The server; Debian has MariaDB.";
    };
    user = option types.str "mysql" "User that the server runs as.";
    group = option types.str "mysql" "Group that the server runs as.";
    dataDir = option types.path "/var/lib/mysql" "Where the data lie.";
    configFile = mkOption {
      type = types.path;
      default = configFile;
      defaultText = "made from `settings`";
      description = "The configuration, instead of `settings`.";
    };
    settings = option format.type { } "Settings of my.cnf, by section.";
    initialDatabases = option (types.listOf (types.submodule {
      options = {
        name = required types.str "Name.";
        schema = maybe types.path "SQL that fills it, or a directory of such files.";
      };
    })) [ ] "Data bases of a new server.";
    initialScript = maybe types.path "SQL for a new server.";
    ensureDatabases = option (types.listOf types.str) [ ] "Data bases that exist whenever the service has started.";
    ensureUsers = option (types.listOf (types.submodule {
      options = {
        name = required types.str "Name of the user, who is the system's of that name.";
        ensurePermissions = option (types.attrsOf types.str) { } "What the user may do, by table.";
      };
    })) [ ] "Users that exist whenever the service has started.";
    replication = {
      role = option (types.enum [ "master" "slave" "none" ]) "none" "Part that the server plays.";
      serverId = option types.int 1 "Number of the server.";
      masterHost = maybe types.str "Host of the master.";
      slaveHost = maybe types.str "Host of the slave.";
      masterUser = maybe types.str "User of the replication.";
      masterPassword = maybe types.str "Password of that user.";
      masterPort = option types.port 3306 "Port of the master.";
    };
    galeraCluster.enable = flag false "Not supported.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !cfg.galeraCluster.enable;
        message = "services.mysql.galeraCluster is not supported";
      }
      {
        assertion = role == "none" || (cfg.replication.masterUser != null && cfg.replication.masterPassword != null);
        message = "services.mysql.replication: masterUser and masterPassword are not set";
      }
    ];

    services.mysql.settings.mysqld = lib.mkMerge [
      {
        datadir = cfg.dataDir;
        port = mkDefault 3306;
        socket = mkDefault "/run/mysqld/mysqld.sock";
        pid-file = mkDefault "/run/mysqld/mysqld.pid";
      }
      (mkIf (role == "master" || role == "slave") {
        log-bin = "mysql-bin-${toString cfg.replication.serverId}";
        log-bin-index = "mysql-bin-${toString cfg.replication.serverId}.index";
        relay-log = "mysql-relay-bin";
        server-id = cfg.replication.serverId;
        binlog-ignore-db = [ "information_schema" "performance_schema" "mysql" ];
      })
    ];

    users.users = mkIf (cfg.user == "mysql") {
      mysql = {
        description = "MySQL server user";
        group = cfg.group;
        uid = config.ids.uids.mysql;
      };
    };
    users.groups = mkIf (cfg.group == "mysql") { mysql.gid = config.ids.gids.mysql; };

    environment.systemPackages = [ cfg.package ];
    system.extraDependencies = map (name: pluginPackages.${name}) (lib.filter (name: pluginPackages ? ${name}) plugins);
    environment.etc."my.cnf".source = cfg.configFile;
    systemd.tmpfiles.rules = [
      "d '${cfg.dataDir}' 0700 ${cfg.user} ${cfg.group} - -"
      "z '${cfg.dataDir}' 0700 ${cfg.user} ${cfg.group} - -"
    ];

    systemd.services.mysql = {
      description = "MySQL Server";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      aliases = [ "mariadb.service" ];
      restartTriggers = [ cfg.configFile ];
      unitConfig.RequiresMountsFor = cfg.dataDir;
      path = [ cfg.package pkgs.nettools ];
      preStart = ''
        if ! test -e ${cfg.dataDir}/mysql; then
          mysql_install_db --defaults-file=/etc/my.cnf --basedir=/usr --datadir=${cfg.dataDir} \
            --auth-root-authentication-method=socket --auth-root-socket-user=${cfg.user}
          touch ${cfg.dataDir}/mysql_init
        fi
      '';
      # The service is up when all of this is done: what comes after it may connect.
      postStart = ''
        until mysql -u ${cfg.user} -N -e "SELECT 1" >/dev/null 2>&1; do
          kill -0 "$MAINPID" || exit 1
          sleep 0.1
        done

        if [ -f ${cfg.dataDir}/mysql_init ]; then
          ${concatMapStrings (database: ''
            if ! test -e ${lib.escapeShellArg "${cfg.dataDir}/${database.name}"}; then
              echo "Creating initial database: ${database.name}"
              ${sql "CREATE DATABASE ${named database.name};"}
              ${optionalString (database.schema != null) ''
                if [ -f ${lib.escapeShellArg database.schema} ]; then
                  mysql -u ${cfg.user} -N ${lib.escapeShellArg database.name} <${lib.escapeShellArg database.schema}
                elif [ -d ${lib.escapeShellArg database.schema} ]; then
                  cat ${lib.escapeShellArg database.schema}/mysql-databases/*.sql | mysql -u ${cfg.user} -N ${lib.escapeShellArg database.name}
                fi
              ''}
            fi
          '') cfg.initialDatabases}
          ${optionalString (role == "master") (sql ''
            CREATE USER ${quoted cfg.replication.masterUser}@${quoted cfg.replication.slaveHost} IDENTIFIED BY ${quoted cfg.replication.masterPassword};
            GRANT REPLICATION SLAVE ON *.* TO ${quoted cfg.replication.masterUser}@${quoted cfg.replication.slaveHost};
          '')}
          ${optionalString (role == "slave") (sql ''
            STOP SLAVE;
            CHANGE MASTER TO MASTER_HOST=${quoted cfg.replication.masterHost}, MASTER_PORT=${toString cfg.replication.masterPort}, MASTER_USER=${quoted cfg.replication.masterUser}, MASTER_PASSWORD=${quoted cfg.replication.masterPassword};
            START SLAVE;
          '')}
          ${optionalString (cfg.initialScript != null) "mysql -u ${cfg.user} -N <${lib.escapeShellArg cfg.initialScript}"}
          rm ${cfg.dataDir}/mysql_init
        fi

        ${concatMapStrings (name: sql "CREATE DATABASE IF NOT EXISTS ${named name};") cfg.ensureDatabases}
        ${concatMapStrings (user: sql (
          "CREATE USER IF NOT EXISTS ${quoted user.name}@'localhost' IDENTIFIED WITH unix_socket;\n"
          + lib.concatStrings (lib.mapAttrsToList (table: permission: "GRANT ${permission} ON ${table} TO ${quoted user.name}@'localhost';\n") user.ensurePermissions)
        )) cfg.ensureUsers}
      '';
      serviceConfig = {
        Type = "notify";
        ExecStart = "${cfg.package}/bin/mariadbd --defaults-file=/etc/my.cnf --basedir=/usr $_WSREP_NEW_CLUSTER $_WSREP_START_POSITION";
        User = cfg.user;
        Group = cfg.group;
        Restart = "on-abort";
        RestartSec = "5s";
        TimeoutSec = 300;
        RuntimeDirectory = "mysqld";
        StateDirectory = mkIf (cfg.dataDir == "/var/lib/mysql") "mysql";
        StateDirectoryMode = "0700";
        CapabilityBoundingSet = "";
        NoNewPrivileges = true;
        PrivateTmp = true;
        PrivateDevices = true;
        ProtectHome = mkDefault true;
        RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" ];
      };
    };
  };
}
