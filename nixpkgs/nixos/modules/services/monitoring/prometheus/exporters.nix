# `services.prometheus.exporters`: one service for each, all alike.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../../short.nix { inherit lib; }) option flag maybe;
  cfg = config.services.prometheus.exporters;

  # Name, port, package, program, what else there is to say.
  kinds = {
    node = {
      port = 9100;
      package = pkgs.prometheus-node-exporter;
      program = "node_exporter";
      options = {
        enabledCollectors = option (types.listOf types.str) [ ] "Further collectors.";
        disabledCollectors = option (types.listOf types.str) [ ] "Collectors to do without.";
      };
      # Debian's has the collector for systemd on by default.
      arguments =
        it:
        map (name: "--collector.${name}") it.enabledCollectors
        ++ map (name: "--no-collector.${name}") (lib.unique (it.disabledCollectors ++ lib.optional (!lib.elem "systemd" it.enabledCollectors) "systemd"));
      # It reads the whole machine.
      service = { ProtectHome = "tmpfs"; PrivateTmp = false; };
    };
    blackbox = {
      port = 9115;
      package = pkgs.prometheus-blackbox-exporter;
      program = "blackbox_exporter";
      options.configFile = lib.mkOption { type = types.path; description = "The configuration."; };
      arguments = it: [ "--config.file=${it.configFile}" ];
      service = { AmbientCapabilities = [ "CAP_NET_RAW" ]; CapabilityBoundingSet = [ "CAP_NET_RAW" ]; };
    };
    nginx = {
      port = 9113;
      package = pkgs.prometheus-nginx-exporter;
      program = "nginx-prometheus-exporter";
      options.scrapeUri = option types.str "http://localhost/nginx_status" "Where nginx tells its state.";
      arguments = it: [ "--nginx.scrape-uri=${it.scrapeUri}" ];
      service = { };
    };
    redis = {
      port = 9121;
      package = pkgs.prometheus-redis-exporter;
      program = "redis_exporter";
      options = { };
      arguments = _: [ ];
      listen = address: "-web.listen-address=${address}";
      service = { };
    };
    bind = {
      port = 9119;
      package = pkgs.prometheus-bind-exporter;
      program = "bind_exporter";
      options.bindURI = option types.str "http://localhost:8053/" "Where BIND tells its state.";
      arguments = it: [ "--bind.stats-url=${it.bindURI}" ];
      service = { };
    };
    postgres = {
      port = 9187;
      package = pkgs.prometheus-postgres-exporter;
      program = "postgres_exporter";
      options = {
        dataSourceName = option types.str "user=postgres database=postgres host=/run/postgresql sslmode=disable" "The server.";
        runAsLocalSuperUser = flag false "Whether to run as postgres.";
      };
      arguments = _: [ ];
      environment = it: { DATA_SOURCE_NAME = it.dataSourceName; };
      user = it: if it.runAsLocalSuperUser then "postgres" else null;
      service = { };
    };
  };

  common = name: kind: {
    enable = flag false "Whether the ${name} exporter runs.";
    port = option types.port kind.port "Port.";
    listenAddress = option types.str "0.0.0.0" "Address.";
    extraFlags = option (types.listOf types.str) [ ] "Further arguments.";
    openFirewall = flag false "Whether the firewall lets the port through.";
    user = option types.str "${name}-exporter" "User of the exporter.";
    group = option types.str "${name}-exporter" "Group of the exporter.";
  };

  enabled = lib.filterAttrs (name: _: cfg.${name}.enable) kinds;
in
{
  options.services.prometheus.exporters = lib.mapAttrs (name: kind: common name kind // kind.options) kinds;

  config = mkIf (enabled != { }) {
    networking.firewall.allowedTCPPorts = lib.concatLists (lib.mapAttrsToList (name: _: lib.optional cfg.${name}.openFirewall cfg.${name}.port) enabled);
    systemd.services = lib.mapAttrs' (name: kind:
      let
        it = cfg.${name};
        address = "${it.listenAddress}:${toString it.port}";
        listen = kind.listen or (address: "--web.listen-address=${address}");
        user = (kind.user or (_: null)) it;
      in
      lib.nameValuePair "prometheus-${name}-exporter" {
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        environment = (kind.environment or (_: { })) it;
        serviceConfig = {
          ExecStart = "${kind.package}/bin/${kind.program} ${lib.escapeShellArgs ([ (listen address) ] ++ kind.arguments it ++ it.extraFlags)}";
          Restart = "always";
          PrivateTmp = true;
          WorkingDirectory = "/tmp";
          DynamicUser = user == null;
          User = if user == null then it.user else user;
          Group = if user == null then it.group else user;
          CapabilityBoundingSet = lib.mkDefault [ "" ];
          NoNewPrivileges = true;
          PrivateDevices = true;
          ProtectHome = true;
          ProtectSystem = "strict";
          UMask = "0077";
        }
        // kind.service;
      }) enabled;
  };
}
