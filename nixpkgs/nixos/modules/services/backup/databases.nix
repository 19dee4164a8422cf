# Copies of data bases: `services.mysqlBackup` and `services.postgresqlWalReceiver`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package required;
  cfg = config.services.mysqlBackup;
  receivers = config.services.postgresqlWalReceiver.receivers;

  level = optionalString (cfg.compressionLevel != null) "-${toString cfg.compressionLevel}";
  algorithms = {
    gzip = { package = pkgs.gzip; suffix = ".gz"; least = 1; most = 9; command = "${pkgs.gzip}/bin/gzip -c ${cfg.gzipOptions} ${level}"; };
    xz = { package = pkgs.xz; suffix = ".xz"; least = 0; most = 9; command = "${pkgs.xz}/bin/xz -z -c ${level} -"; };
    zstd = { package = pkgs.zstd; suffix = ".zst"; least = 1; most = 19; command = "${pkgs.zstd}/bin/zstd ${level} -"; };
  };
  algorithm = algorithms.${cfg.compressionAlg};
  single = name: if lib.isBool cfg.singleTransaction then cfg.singleTransaction else lib.elem name cfg.singleTransaction;
  dump = name: ''
    file="${cfg.location}/${name}${algorithm.suffix}"
    if ${config.services.mysql.package}/bin/mariadb-dump ${optionalString (single name) "--single-transaction"} ${name} | ${algorithm.command} >$file.tmp; then
      mv $file.tmp $file
      echo "saved $file"
    else
      echo "could not save $file"
      rm -f $file.tmp
      failed="$failed ${name}"
    fi
  '';
in
{
  options.services = {
    mysqlBackup = {
      enable = enable "copies of MySQL's data bases";
      calendar = option types.str "01:15:00" "When, as systemd says it.";
      compressionAlg = option (types.enum (lib.attrNames algorithms)) "gzip" "How copies are compressed.";
      compressionLevel = maybe types.int "How well.";
      user = option types.str "mysqlbackup" "User that makes them.";
      databases = option (types.listOf types.str) [ ] "Data bases.";
      location = option types.path "/var/backup/mysql" "Where copies go.";
      singleTransaction = option (types.either types.bool (types.listOf types.str)) false "Whether, or of which, a copy is one transaction.";
      gzipOptions = option types.str "--no-name --rsyncable" "Arguments of gzip.";
    };
    postgresqlWalReceiver.receivers = option (types.attrsOf (types.submodule {
      options = {
        postgresqlPackage = package "postgresql" pkgs.postgresql;
        directory = required types.path "Where the log goes.";
        statusInterval = option types.int 10 "Seconds between reports to the server.";
        slot = option types.str "" "Slot of the server.";
        synchronous = flag false "Whether what came is on the disk at once.";
        compress = option (types.ints.between 0 9) 0 "How well it is compressed.";
        connection = required types.str "The server, as a connection string.";
        extraArgs = option (types.listOf types.str) [ ] "Further arguments.";
        environment = option (types.attrsOf types.str) { } "Variables.";
      };
    })) { } "Receivers of PostgreSQL's log, by name.";
  };

  config = lib.mkMerge [
    (mkIf cfg.enable {
      assertions = [
        {
          assertion = cfg.compressionLevel == null || algorithm.least <= cfg.compressionLevel && cfg.compressionLevel <= algorithm.most;
          message = "services.mysqlBackup.compressionLevel of ${cfg.compressionAlg} is between ${toString algorithm.least} and ${toString algorithm.most}";
        }
        {
          assertion = lib.isBool cfg.singleTransaction || lib.all (name: lib.elem name cfg.databases) cfg.singleTransaction;
          message = "services.mysqlBackup.singleTransaction names data bases that are not saved";
        }
      ];
      users.users = mkIf (cfg.user == "mysqlbackup") { mysqlbackup = { isSystemUser = true; createHome = false; home = cfg.location; group = "nogroup"; }; };
      environment.systemPackages = [ algorithm.package ];
      services.mysql.ensureUsers = [
        {
          name = cfg.user;
          ensurePermissions = lib.listToAttrs (map (name: lib.nameValuePair "`${name}`.*" "SELECT, SHOW VIEW, TRIGGER, LOCK TABLES") cfg.databases);
        }
      ];
      systemd.tmpfiles.rules = [ "d ${cfg.location} 0700 ${cfg.user} - - -" ];
      systemd.timers.mysql-backup = {
        description = "Mysql backup timer";
        wantedBy = [ "timers.target" ];
        timerConfig = { OnCalendar = cfg.calendar; AccuracySec = "5m"; Unit = "mysql-backup.service"; };
      };
      systemd.services.mysql-backup = {
        description = "MySQL backup service";
        serviceConfig = { Type = "oneshot"; User = cfg.user; };
        script = ''
          set -o pipefail
          failed=
          ${lib.concatMapStrings dump cfg.databases}
          [ -z "$failed" ] || { echo "not saved:$failed"; exit 1; }
        '';
      };
    })

    (mkIf (receivers != { }) {
      users.users.postgres = { uid = config.ids.uids.postgres; group = "postgres"; description = "PostgreSQL server user"; };
      users.groups.postgres.gid = config.ids.gids.postgres;
      systemd.tmpfiles.rules = lib.mapAttrsToList (_: receiver: "d ${lib.escapeShellArg receiver.directory} 0750 postgres postgres - -") receivers;
      systemd.services = lib.mapAttrs' (name: receiver: lib.nameValuePair "postgresql-wal-receiver-${name}" {
        description = "PostgreSQL WAL receiver (${name})";
        wantedBy = [ "multi-user.target" ];
        startLimitIntervalSec = 0;
        inherit (receiver) environment;
        serviceConfig = { User = "postgres"; Group = "postgres"; KillSignal = "SIGINT"; Restart = "always"; RestartSec = 60; };
        script = "exec " + toString (
          [
            "${receiver.postgresqlPackage}/bin/pg_receivewal"
            "--no-password"
            "--directory=${lib.escapeShellArg receiver.directory}"
            "--status-interval=${toString receiver.statusInterval}"
            "--dbname=${lib.escapeShellArg receiver.connection}"
          ]
          ++ lib.optional (receiver.compress > 0) "--compress=${toString receiver.compress}"
          ++ lib.optional (receiver.slot != "") "--slot=${lib.escapeShellArg receiver.slot}"
          ++ lib.optional receiver.synchronous "--synchronous"
          ++ receiver.extraArgs
        );
      }) receivers;
    })
  ];
}
