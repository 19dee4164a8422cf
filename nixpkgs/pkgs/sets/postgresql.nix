# PostgreSQL and its extensions.
{ final, lib, row, orFromArchive, insteadOf, ... }:
let
  major = "17";
  home = "/usr/lib/postgresql/${major}";

  programs = [
    "clusterdb" "createdb" "createuser" "dropdb" "dropuser" "initdb" "oid2name" "pg_amcheck"
    "pg_archivecleanup" "pg_basebackup" "pg_checksums" "pg_combinebackup" "pg_config" "pg_controldata"
    "pg_createsubscriber" "pg_ctl" "pg_dump" "pg_dumpall" "pg_isready" "pg_receivewal" "pg_recvlogical"
    "pg_resetwal" "pg_restore" "pg_rewind" "pg_test_fsync" "pg_test_timing" "pg_upgrade" "pg_verifybackup"
    "pg_waldump" "pg_walsummary" "pgbench" "postgres" "psql" "reindexdb" "vacuumdb" "vacuumlo"
  ];

  # nixpkgs' names of extensions, where "postgresql-17-NAME" is not it.
  named = {
    age = "postgresql-${major}-age";
    http = "postgresql-${major}-http";
    pgsql-http = "postgresql-${major}-http";
    pg_cron = "postgresql-${major}-cron";
    pg_hint_plan = "postgresql-${major}-pg-hint-plan";
    pg_partman = "postgresql-${major}-partman";
    pg_repack = "postgresql-${major}-repack";
    pg_similarity = "postgresql-${major}-similarity";
    pg_squeeze = "postgresql-${major}-squeeze";
    pg_rational = "postgresql-${major}-rational";
    pg_roaringbitmap = "postgresql-${major}-roaringbitmap";
    plpgsql_check = "postgresql-${major}-plpgsql-check";
    postgis = "postgresql-${major}-postgis-3";
    postgresql_anonymizer = null;
    plpython3 = "postgresql-plpython3-${major}";
    plperl = "postgresql-plperl-${major}";
    pltcl = "postgresql-pltcl-${major}";
  };
  known = [ "hypopg" "ip4r" "jsquery" "orafce" "pgaudit" "pgpcre" "pgrouting" "pgtap" "pgvector" "plr" "pldebugger" "pglogical" "repmgr" "wal2json" ];
  debianName = name: named.${name} or "postgresql-${major}-${builtins.replaceStrings [ "_" ] [ "-" ] name}";

  extension = name: row name { deb = debianName name; main = null; };
  extensions = orFromArchive (
    lib.genAttrs (known ++ builtins.attrNames (lib.filterAttrs (_: deb: deb != null) named)) extension
    // {
      # Not in Debian; tests ask whether it is broken.
      plv8 = {
        pname = "plv8";
        meta.broken = true;
        outPath = throw "postgresql's extension plv8 is not supported: Debian trixie has no such package";
      };
      postgis = row "postgis" {
        deb = "postgresql-${major}-postgis-3";
        "with" = [ "postgresql-${major}-postgis-3-scripts" ];
        main = null;
      };
    }
  ) debianName;

  make =
    chosen:
    row "postgresql" {
      deb = "postgresql-${major}";
      "with" = [ "postgresql-client-${major}" ] ++ builtins.concatMap (package: package.debian.files) chosen;
      main = "psql";
      dev = [ "postgresql-server-dev-${major}" ];
      links =
        lib.listToAttrs (map (name: lib.nameValuePair "bin/${name}" "${home}/bin/${name}") programs);
      passthru = {
        psqlSchema = major;
        jitSupport = true;
        withPackages = choose: make (chosen ++ lib.flatten (choose extensions));
        withJIT = self chosen;
        withoutJIT = self chosen;
        installedExtensions = chosen;
        pkgs = extensions;
        dlSuffix = ".so";
      };
    };
  self = make;
in
{
  postgresql = make [ ];
  postgresql_17 = final.postgresql;
  postgresql_16 = insteadOf "postgresql_16" final.postgresql;
  postgresql_15 = insteadOf "postgresql_15" final.postgresql;
  postgresql_14 = insteadOf "postgresql_14" final.postgresql;
  postgresql_13 = insteadOf "postgresql_13" final.postgresql;
  postgresql_jit = final.postgresql;
  postgresql_17_jit = final.postgresql;
  postgresql18 = throw "pkgs.postgresql_18 is not supported: Debian trixie has PostgreSQL 17";
  postgresql_18 = throw "pkgs.postgresql_18 is not supported: Debian trixie has PostgreSQL 17";
  postgresqlPackages = extensions;
  postgresql17Packages = extensions;
  postgresqlVersions = {
    inherit (final) postgresql_17;
  };
}
