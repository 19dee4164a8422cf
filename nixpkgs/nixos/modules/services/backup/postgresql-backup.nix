# `services.postgresqlBackup`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag;
  cfg = config.services.postgresqlBackup;
  package = config.services.postgresql.finalPackage;

  suffixes = { none = ".sql"; gzip = ".sql.gz"; zstd = ".sql.zstd"; };
  compress = {
    none = "cat";
    gzip = "${pkgs.gzip}/bin/gzip -c -${toString cfg.compressionLevel} --rsyncable";
    zstd = "${pkgs.zstd}/bin/zstd -c -${toString cfg.compressionLevel}";
  }.${cfg.compression};
  suffix = suffixes.${cfg.compression};

  # What brackets a dump is random unless it is given; the same data are to give the same file. A key among the options comes later and wins.
  bracket = "--restrict-key=snowglobe";

  service = name: dump: {
    description = "Backup of ${name} database(s)";
    requires = [ "postgresql.service" ];
    after = [ "postgresql.service" ];
    path = [ package ];
    startAt = cfg.startAt;
    script = ''
      set -e -o pipefail
      umask 0077
      current=${lib.escapeShellArg "${cfg.location}/${name}"}
      # Whatever compression was used before: one previous backup stays.
      if [ -e "$current${suffix}" ]; then
        rm -f ${lib.concatMapStringsSep " " (s: ''"$current.prev${s}"'') (lib.attrValues suffixes)}
        mv "$current${suffix}" "$current.prev${suffix}"
      fi
      ${dump} | ${compress} >"$current.in-progress${suffix}"
      mv "$current.in-progress${suffix}" "$current${suffix}"
    '';
    serviceConfig = {
      Type = "oneshot";
      User = "postgres";
    };
  };
in
{
  options.services.postgresqlBackup = {
    enable = flag false "Whether PostgreSQL is backed up.";
    startAt = option (types.either (types.listOf types.str) types.str) "*-*-* 01:15:00" "When.";
    backupAll = option types.bool (cfg.databases == [ ]) "Whether all data bases go into one file.";
    databases = option (types.listOf types.str) [ ] "Data bases, a file each.";
    location = option types.path "/var/backup/postgresql" "Directory of the files.";
    pgdumpOptions = option types.str "-C" "Arguments of pg_dump.";
    pgdumpAllOptions = option types.str "" "Arguments of pg_dumpall.";
    compression = option (types.enum [ "none" "gzip" "zstd" ]) "gzip" "Compression of the files.";
    compressionLevel = option (types.ints.between 1 19) 6 "How hard to compress.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.backupAll -> cfg.databases == [ ];
        message = "services.postgresqlBackup: backupAll and databases exclude each other";
      }
      {
        assertion = cfg.compression == "gzip" -> cfg.compressionLevel <= 9;
        message = "services.postgresqlBackup.compressionLevel: gzip has levels 1 to 9";
      }
    ];
    systemd.tmpfiles.rules = [ "d '${cfg.location}' 0700 postgres - - -" ];
    systemd.services =
      if cfg.backupAll then
        { postgresqlBackup = service "all" "${package}/bin/pg_dumpall ${bracket} ${cfg.pgdumpAllOptions}"; }
      else
        lib.listToAttrs (
          map (name: lib.nameValuePair "postgresqlBackup-${name}" (service name "${package}/bin/pg_dump ${bracket} ${cfg.pgdumpOptions} ${lib.escapeShellArg name}")) cfg.databases
        );
  };
}
