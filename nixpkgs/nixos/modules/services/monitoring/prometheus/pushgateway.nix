# `services.prometheus.pushgateway`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../../short.nix { inherit lib; }) option flag maybe enable package;
  cfg = config.services.prometheus.pushgateway;
  argument = name: value: lib.optional (value != null) "--${name}=${value}";
  arguments =
    argument "web.listen-address" cfg.web.listen-address
    ++ argument "web.telemetry-path" cfg.web.telemetry-path
    ++ argument "web.external-url" cfg.web.external-url
    ++ argument "web.route-prefix" cfg.web.route-prefix
    ++ lib.optional cfg.persistMetrics "--persistence.file=/var/lib/${cfg.stateDir}/metrics"
    ++ argument "persistence.interval" cfg.persistence.interval
    ++ argument "log.level" cfg.log.level
    ++ argument "log.format" cfg.log.format
    ++ cfg.extraFlags;
in
{
  options.services.prometheus.pushgateway = {
    enable = enable "the Pushgateway of Prometheus";
    package = package "prometheus-pushgateway" pkgs.prometheus-pushgateway;
    web.listen-address = maybe types.str "Address and port.";
    web.telemetry-path = maybe types.str "Path of the metrics.";
    web.external-url = maybe types.str "URL that clients see.";
    web.route-prefix = maybe types.str "Prefix of all paths.";
    persistence.interval = maybe types.str "How often metrics are saved.";
    log.level = maybe (types.enum [ "debug" "info" "warn" "error" "fatal" ]) "How much is logged.";
    log.format = maybe types.str "Form of the log.";
    extraFlags = option (types.listOf types.str) [ ] "Further arguments.";
    persistMetrics = flag false "Whether metrics survive a restart.";
    stateDir = option types.str "pushgateway" "Directory of the metrics, below /var/lib.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !lib.hasPrefix "/" cfg.stateDir;
        message = "services.prometheus.pushgateway.stateDir is a directory below /var/lib";
      }
    ];
    systemd.services.pushgateway = {
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/pushgateway ${lib.escapeShellArgs arguments}";
        Restart = "always";
        DynamicUser = true;
        StateDirectory = mkIf cfg.persistMetrics cfg.stateDir;
        CapabilityBoundingSet = "";
        NoNewPrivileges = true;
        PrivateDevices = true;
        ProtectHome = true;
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" ];
        UMask = "0077";
      };
    };
  };
}
