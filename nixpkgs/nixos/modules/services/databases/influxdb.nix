# `services.influxdb`: InfluxDB 1.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option enable package;
  cfg = config.services.influxdb;
  format = pkgs.formats.toml { };
  settings = lib.recursiveUpdate {
    meta = { bind-address = ":8088"; commit-timeout = "50ms"; dir = "${cfg.dataDir}/meta"; election-timeout = "1s"; heartbeat-timeout = "1s"; hostname = "localhost"; leader-lease-timeout = "500ms"; retention-autocreate = true; };
    data = { dir = "${cfg.dataDir}/data"; wal-dir = "${cfg.dataDir}/wal"; max-wal-size = 104857600; wal-enable-logging = true; wal-flush-interval = "10m"; wal-partition-flush-delay = "2s"; };
    cluster = { shard-writer-timeout = "5s"; write-timeout = "5s"; };
    retention = { enabled = true; check-interval = "30m"; };
    http = { enabled = true; auth-enabled = false; bind-address = ":8086"; https-enabled = false; log-enabled = true; pprof-enabled = false; write-tracing = false; };
    monitor = { store-enabled = false; store-database = "_internal"; store-interval = "10s"; };
    admin = { enabled = true; bind-address = ":8083"; https-enabled = false; };
    graphite = [ { enabled = false; } ];
    udp = [ { enabled = false; } ];
    collectd = [ { enabled = false; typesdb = "/usr/share/collectd/types.db"; database = "collectd_db"; bind-address = ":25826"; } ];
    opentsdb = [ { enabled = false; } ];
    continuous_queries = { enabled = true; log-enabled = true; recompute-previous-n = 2; recompute-no-older-than = "10m"; compute-runs-per-interval = 10; compute-no-more-than = "2m"; };
    hinted-handoff = { enabled = true; dir = "${cfg.dataDir}/hh"; max-size = 1073741824; max-age = "168h"; retry-rate-limit = 0; retry-interval = "1s"; };
  } cfg.extraConfig;
  configFile = format.generate "config.toml" settings;
  port = lib.last (lib.splitString ":" settings.http.bind-address);
in
{
  options.services.influxdb = {
    enable = enable "the data base InfluxDB";
    package = package "influxdb" pkgs.influxdb;
    user = option types.str "influxdb" "User that it runs as.";
    group = option types.str "influxdb" "Group that it runs as.";
    dataDir = option types.path "/var/db/influxdb" "Where the data lie.";
    extraConfig = option format.type { } "Further settings, section by section.";
  };

  config = mkIf cfg.enable {
    users.users = mkIf (cfg.user == "influxdb") { influxdb = { uid = config.ids.uids.influxdb; inherit (cfg) group; description = "Influxdb daemon user"; }; };
    users.groups = mkIf (cfg.group == "influxdb") { influxdb.gid = config.ids.gids.influxdb; };
    systemd.tmpfiles.rules = [ "d '${cfg.dataDir}' 0770 ${cfg.user} ${cfg.group} - -" ];
    systemd.services.influxdb = {
      description = "InfluxDB Server";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/influxd -config ${configFile}";
        User = cfg.user;
        Group = cfg.group;
        Restart = "on-failure";
      };
      # Ready is what answers.
      postStart = lib.mkBefore ''
        until ${pkgs.curl}/bin/curl -s -k -o /dev/null ${if settings.http.https-enabled then "https" else "http"}://127.0.0.1:${port}/ping; do
          sleep 1
        done
      '';
    };
  };
}
