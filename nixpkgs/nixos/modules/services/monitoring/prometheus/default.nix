# `services.prometheus`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption optional;
  inherit (import ../../short.nix { inherit lib; }) option flag maybe lines enable package required;
  cfg = config.services.prometheus;
  workingDir = "/var/lib/${cfg.stateDir}";

  # What a field of the configuration may be; the server checks it when it starts.
  value = (pkgs.formats.json { }).type;
  fields = types.attrsOf value;
  # Fields that are not set are not written.
  clean = v: if lib.isAttrs v && !(lib.isDerivation v) then lib.mapAttrs (_: clean) (lib.filterAttrs (_: x: x != null) v) else if lib.isList v then map clean v else v;

  generated = {
    global = cfg.globalConfig;
    scrape_configs = cfg.scrapeConfigs;
    remote_write = cfg.remoteWrite;
    remote_read = cfg.remoteRead;
    rule_files = optional (cfg.rules != [ ]) (pkgs.writeText "prometheus.rules" (lib.concatStringsSep "\n" cfg.rules)) ++ cfg.ruleFiles;
    alerting.alertmanagers = cfg.alertmanagers;
  };
  configFile =
    if cfg.configText != null then pkgs.writeText "prometheus.yml" cfg.configText else pkgs.writeText "prometheus.yml" (builtins.toJSON (clean generated));
  configPath = if cfg.enableReload then "/etc/prometheus/prometheus.yaml" else configFile;

  arguments = cfg.extraFlags ++ [
    "--config.file=${configPath}"
    "--storage.tsdb.path=${workingDir}/data/"
    "--web.listen-address=${if lib.hasInfix ":" cfg.listenAddress && !(lib.hasPrefix "[" cfg.listenAddress) then "[${cfg.listenAddress}]" else cfg.listenAddress}:${toString cfg.port}"
  ]
  ++ optional (cfg.webExternalUrl != null) "--web.external-url=${cfg.webExternalUrl}"
  ++ optional (cfg.retentionTime != null) "--storage.tsdb.retention.time=${cfg.retentionTime}"
  ++ optional (cfg.webConfigFile != null) "--web.config.file=${cfg.webConfigFile}";
in
{
  options.services.prometheus = {
    enable = enable "the monitoring server Prometheus";
    package = package "prometheus" pkgs.prometheus;
    port = option types.port 9090 "Port.";
    listenAddress = option types.str "0.0.0.0" "Address.";
    stateDir = option types.str "prometheus2" "Directory of the data, below /var/lib.";
    extraFlags = option (types.listOf types.str) [ ] "Further arguments.";
    enableReload = flag false "Whether a changed configuration is loaded without a restart.";
    environmentFile = maybe types.path "File with variables of the service.";
    configText = maybe types.lines "The whole configuration, instead of the other options.";
    globalConfig = option fields { } "Defaults of all jobs.";
    remoteRead = option (types.listOf fields) [ ] "Where to read from besides the own data.";
    remoteWrite = option (types.listOf fields) [ ] "Where to write what is measured.";
    rules = option (types.listOf types.str) [ ] "Rules for alerts and records.";
    ruleFiles = option (types.listOf types.path) [ ] "Files with such rules.";
    scrapeConfigs = option (types.listOf (types.submodule {
      freeformType = fields;
      options.job_name = required types.str "Name of the job.";
    })) [ ] "What is measured.";
    alertmanagers = option (types.listOf fields) [ ] "Who gets alerts.";
    alertmanagerNotificationQueueCapacity = option types.int 10000 "Alerts that wait at most.";
    webExternalUrl = maybe types.str "URL that clients see.";
    webConfigFile = maybe types.path "Settings of TLS and users.";
    checkConfig = option (types.either types.bool (types.enum [ "syntax-only" ])) true "Harmless: the server checks its configuration whenever it starts, whatever this says.";
    retentionTime = maybe types.str "How long data are kept.";
  };

  config = mkIf cfg.enable {
    services.prometheus.extraFlags = [ "--alertmanager.notification-queue-capacity=${toString cfg.alertmanagerNotificationQueueCapacity}" ];
    users.groups.prometheus.gid = config.ids.gids.prometheus;
    users.users.prometheus = {
      description = "Prometheus daemon user";
      uid = config.ids.uids.prometheus;
      group = "prometheus";
    };
    environment.etc."prometheus/prometheus.yaml" = mkIf cfg.enableReload { source = configFile; };

    systemd.services.prometheus = {
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      reloadTriggers = mkIf cfg.enableReload [ configFile ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/prometheus ${lib.escapeShellArgs arguments}";
        ExecReload = mkIf cfg.enableReload "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        User = "prometheus";
        EnvironmentFile = mkIf (cfg.environmentFile != null) [ cfg.environmentFile ];
        Restart = "always";
        RuntimeDirectory = "prometheus";
        RuntimeDirectoryMode = "0700";
        WorkingDirectory = workingDir;
        StateDirectory = cfg.stateDir;
        StateDirectoryMode = "0700";
        NoNewPrivileges = true;
        PrivateTmp = true;
        PrivateDevices = true;
        ProtectHome = true;
        ProtectSystem = "full";
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" ];
      };
    };
  };
}
