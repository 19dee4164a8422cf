# `services.postgresql`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault optionalString concatMapStrings;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines confinement;
  cfg = config.services.postgresql;

  package = if cfg.extensions == [ ] then cfg.package else cfg.package.withPackages (_: cfg.extensions);
  extensionsOf = value: if lib.isFunction value then value cfg.package.pkgs else value;

  valueText =
    value:
    if value == true then
      "yes"
    else if value == false then
      "no"
    else if lib.isString value then
      "'${lib.replaceStrings [ "'" ] [ "''" ] value}'"
    else
      toString value;
  configFile = pkgs.writeText "postgresql.conf" (
    lib.concatStrings (lib.mapAttrsToList (name: value: "${name} = ${valueText value}\n") (lib.filterAttrs (_: value: value != null) cfg.settings))
  );

  home = "/var/lib/postgresql";
  isBelowHome = lib.hasPrefix "${home}/" cfg.dataDir;

  # Names inside SQL and inside the shell.
  identifier = name: ''"${lib.replaceStrings [ ''"'' ] [ ''""'' ] name}"'';
  literal = text: "'${lib.replaceStrings [ "'" ] [ "''" ] text}'";
  sql = statement: "psql -v ON_ERROR_STOP=1 -d postgres -tAc ${lib.escapeShellArg statement}";

  ensureDatabase = name: ''
    ${sql "SELECT 1 FROM pg_database WHERE datname = ${literal name}"} | grep -q 1 || ${sql "CREATE DATABASE ${identifier name}"}
  '';
  ensureUser =
    user:
    let
      clauses = lib.filterAttrs (_: value: value != null) user.ensureClauses;
      word =
        clause: value:
        if clause == "password" then
          "PASSWORD ${literal value}"
        else if clause == "connection_limit" then
          "CONNECTION LIMIT ${toString value}"
        else if value then
          clause
        else
          "no${clause}";
      words = lib.mapAttrsToList word clauses;
    in
    ''
      ${sql "SELECT 1 FROM pg_roles WHERE rolname = ${literal user.name}"} | grep -q 1 || ${sql "CREATE USER ${identifier user.name}"}
      ${optionalString (words != [ ]) (sql "ALTER ROLE ${identifier user.name} ${lib.concatStringsSep " " words}")}
      ${optionalString user.ensureDBOwnership (sql "ALTER DATABASE ${identifier user.name} OWNER TO ${identifier user.name}")}
    '';
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "postgresql" "logLinePrefix" ] [ "services" "postgresql" "settings" "log_line_prefix" ])
    (lib.mkRenamedOptionModule [ "services" "postgresql" "port" ] [ "services" "postgresql" "settings" "port" ])
    (lib.mkRenamedOptionModule [ "services" "postgresql" "extraPlugins" ] [ "services" "postgresql" "extensions" ])
    (lib.mkRemovedOptionModule [ "services" "postgresql" "extraConfig" ] "Use services.postgresql.settings instead.")
  ];

  options.services.postgresql = {
    enable = flag false "Whether to run PostgreSQL.";
    enableJIT = flag false "Whether queries are compiled.";
    package = mkOption {
      type = types.package;
      default = pkgs.postgresql;
      defaultText = lib.literalExpression "pkgs.postgresql";
      description = "PostgreSQL, without extensions.";
    };
    finalPackage = mkOption {
      type = types.package;
      readOnly = true;
      default = package;
      description = "PostgreSQL, with the extensions.";
    };
    checkConfig = flag true "Harmless: the server checks its configuration whenever it starts, whatever this says.";
    dataDir = option types.path "${home}/${cfg.package.psqlSchema}" "Where the data lie.";
    authentication = lines "Lines of pg_hba.conf: who may connect, and how that is checked. The usual ones come last.";
    identMap = lines "Lines of pg_ident.conf: users of the system and of the data base.";
    initdbArgs = option (types.listOf types.str) [ ] "Further arguments of initdb.";
    initialScript = maybe types.path "SQL for a new data base cluster.";
    ensureDatabases = option (types.listOf types.str) [ ] "Data bases that exist whenever the service has started.";
    ensureUsers = option (types.listOf (types.submodule {
      options = {
        name = mkOption { type = types.str; description = "Name of the user."; };
        ensureDBOwnership = flag false "Whether the user owns the data base of the same name.";
        ensureClauses = option (types.submodule {
          options = lib.genAttrs [ "superuser" "createrole" "createdb" "inherit" "login" "replication" "bypassrls" ] (
            clause: maybe types.bool "The user's attribute ${clause}."
          ) // {
            password = maybe types.str "The user's password, as PostgreSQL keeps it (SCRAM or MD5) or in clear.";
            connection_limit = maybe types.int "How many sessions the user may have at once.";
          };
        }) { } "Attributes of the user.";
      };
    })) [ ] "Users that exist whenever the service has started.";
    enableTCPIP = flag false "Whether to listen at all addresses rather than at localhost.";
    extensions = mkOption {
      type = types.either (types.functionTo (types.listOf types.package)) (types.listOf types.package);
      default = [ ];
      apply = extensionsOf;
      description = "Extensions, of `package.pkgs`.";
    };
    settings = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf (types.nullOr (types.oneOf [ types.bool types.float types.int types.str ]));
        options = {
          shared_preload_libraries = mkOption {
            type = types.nullOr (types.coercedTo (types.listOf types.str) (lib.concatStringsSep ",") types.commas);
            default = null;
            description = "Libraries that the server loads.";
          };
          log_line_prefix = option types.str "[%p] " "What each line of the log starts with.";
          port = option types.port 5432 "Port of the server.";
        };
      };
      default = { };
      description = "Settings of postgresql.conf.";
    };
    recoveryConfig = maybe types.lines "Not supported: PostgreSQL has no recovery.conf since version 12.";
    superUser = mkOption {
      type = types.str;
      default = "postgres";
      internal = true;
      readOnly = true;
      description = "The data base's superuser.";
    };
    systemCallFilter = option (types.attrsOf types.anything) { } "Not supported.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.recoveryConfig == null;
        message = "services.postgresql.recoveryConfig is not supported: PostgreSQL ${cfg.package.psqlSchema} has no recovery.conf";
      }
      {
        assertion = cfg.systemCallFilter == { };
        message = "services.postgresql.systemCallFilter is not supported";
      }
    ]
    ++ map (user: {
      assertion = user.ensureDBOwnership -> lib.elem user.name cfg.ensureDatabases;
      message = "services.postgresql.ensureUsers: ${user.name} has ensureDBOwnership, but services.postgresql.ensureDatabases does not name '${user.name}'";
    }) cfg.ensureUsers;

    services.postgresql = {
      settings = {
        hba_file = "${pkgs.writeText "pg_hba.conf" cfg.authentication}";
        ident_file = "${pkgs.writeText "pg_ident.conf" cfg.identMap}";
        log_destination = "stderr";
        listen_addresses = mkDefault (if cfg.enableTCPIP then "*" else "localhost");
        jit = mkDefault (if cfg.enableJIT then "on" else "off");
      };
      authentication = lib.mkAfter ''
        local all postgres peer map=postgres
        local all all peer
        host all all 127.0.0.1/32 md5
        host all all ::1/128 md5
      '';
      identMap = lib.mkAfter ''
        postgres postgres postgres
      '';
    };

    users.users.postgres = {
      uid = config.ids.uids.postgres;
      group = "postgres";
      description = "PostgreSQL server user";
      home = home;
      shell = config.users.defaultUserShell;
    };
    users.groups.postgres.gid = config.ids.gids.postgres;

    environment.systemPackages = [ package ];

    systemd.services.postgresql = {
      description = "PostgreSQL Server";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      environment.PGDATA = cfg.dataDir;
      environment.PGPORT = toString cfg.settings.port;
      path = [ package ];
      preStart = ''
        if ! test -e ${cfg.dataDir}/PG_VERSION; then
          rm -f ${cfg.dataDir}/*.conf
          initdb -U ${cfg.superUser} ${lib.escapeShellArgs cfg.initdbArgs}
          touch ${cfg.dataDir}/.first_startup
        fi
        ln -sfn ${configFile} ${cfg.dataDir}/postgresql.conf
      '';
      # The service is up when all of this is done: what comes after it may connect.
      postStart = ''
        until psql -d postgres -c "" 2>/dev/null; do
          kill -0 "$MAINPID" || exit 1
          sleep 0.1
        done
        if test -e ${cfg.dataDir}/.first_startup; then
          ${optionalString (cfg.initialScript != null) "psql -f ${lib.escapeShellArg cfg.initialScript} -d postgres"}
          rm -f ${cfg.dataDir}/.first_startup
        fi
        ${concatMapStrings ensureDatabase cfg.ensureDatabases}
        ${concatMapStrings ensureUser cfg.ensureUsers}
      '';
      serviceConfig = confinement // {
        ExecStart = "${package}/bin/postgres";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        User = "postgres";
        Group = "postgres";
        Type = "notify";
        RuntimeDirectory = "postgresql";
        # SIGINT: sessions are ended, data are written.
        KillSignal = "SIGINT";
        KillMode = "mixed";
        TimeoutSec = 120;
        Restart = "always";
        UMask = "0077";
        PrivateDevices = true;
        RemoveIPC = false;
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_NETLINK" "AF_UNIX" ];
      }
      // (if isBelowHome then {
        StateDirectory = "postgresql ${lib.removePrefix "/var/lib/" cfg.dataDir}";
        StateDirectoryMode = "0750";
      } else {
        ReadWritePaths = [ cfg.dataDir ];
      });
      unitConfig.RequiresMountsFor = cfg.dataDir;
    };

    # For what others want done between the start of the server and `postgresql.target`.
    systemd.services.postgresql-setup = {
      description = "PostgreSQL Setup";
      requires = [ "postgresql.service" ];
      after = [ "postgresql.service" ];
      wantedBy = [ "postgresql.target" ];
      before = [ "postgresql.target" ];
      path = [ package ];
      environment.PGPORT = toString cfg.settings.port;
      script = ":";
      serviceConfig = {
        User = "postgres";
        Group = "postgres";
        Type = "oneshot";
        RemainAfterExit = true;
      };
    };
    systemd.targets.postgresql = {
      description = "PostgreSQL";
      wantedBy = [ "multi-user.target" ];
      requires = [ "postgresql.service" "postgresql-setup.service" ];
      after = [ "postgresql.service" "postgresql-setup.service" ];
    };
  };
}
