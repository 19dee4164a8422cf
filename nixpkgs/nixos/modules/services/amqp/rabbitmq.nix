# `services.rabbitmq`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag enable package;
  cfg = config.services.rabbitmq;
in
{
  options.services.rabbitmq = {
    enable = enable "the message broker RabbitMQ";
    package = package "rabbitmq-server" pkgs.rabbitmq-server;
    listenAddress = option types.str "127.0.0.1" "Address; empty: all.";
    port = option types.port 5672 "Port.";
    dataDir = option types.path "/var/lib/rabbitmq" "Where the data lie.";
    unsafeCookie = option types.str "" "Cookie that nodes know each other by; empty: it is made.";
    configItems = option (types.attrsOf types.str) { } "Settings of rabbitmq.conf.";
    config = option types.str "" "Text of advanced.config.";
    plugins = option (types.listOf types.str) [ ] "Plugins.";
    pluginDirs = option (types.listOf types.path) [ ] "Folders with further plugins.";
    managementPlugin.enable = flag false "Whether it is managed over HTTP.";
    managementPlugin.port = option types.port 15672 "Port of that.";
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    users.users.rabbitmq = { description = "RabbitMQ server user"; home = cfg.dataDir; createHome = true; group = "rabbitmq"; uid = config.ids.uids.rabbitmq; };
    users.groups.rabbitmq.gid = config.ids.gids.rabbitmq;

    services.rabbitmq.configItems = {
      "listeners.tcp.1" = lib.mkDefault "${if cfg.listenAddress == "" then "0.0.0.0" else cfg.listenAddress}:${toString cfg.port}";
    }
    // lib.optionalAttrs cfg.managementPlugin.enable {
      "management.tcp.port" = toString cfg.managementPlugin.port;
      "management.tcp.ip" = if cfg.listenAddress == "" then "0.0.0.0" else cfg.listenAddress;
    };
    services.rabbitmq.plugins = lib.optional cfg.managementPlugin.enable "rabbitmq_management";

    systemd.services.rabbitmq = {
      description = "RabbitMQ Server";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      path = [ cfg.package pkgs.coreutils ];
      environment = {
        HOME = cfg.dataDir;
        RABBITMQ_MNESIA_BASE = "${cfg.dataDir}/mnesia";
        RABBITMQ_LOGS = "-";
        RABBITMQ_CONFIG_FILE = pkgs.writeText "rabbitmq.conf" (lib.concatStrings (lib.mapAttrsToList (key: value: "${key}=${value}\n") cfg.configItems));
        RABBITMQ_PLUGINS_DIR = lib.concatStringsSep ":" (map toString cfg.pluginDirs ++ [ "/usr/lib/rabbitmq/lib/rabbitmq_server-${cfg.package.version}/plugins" ]);
        RABBITMQ_ENABLED_PLUGINS_FILE = pkgs.writeText "enabled_plugins" "[ ${lib.concatStringsSep "," cfg.plugins} ].\n";
      }
      // lib.optionalAttrs (cfg.config != "") { RABBITMQ_ADVANCED_CONFIG_FILE = pkgs.writeText "advanced.config" cfg.config; };
      preStart = mkIf (cfg.unsafeCookie != "") ''
        umask 0177
        printf %s ${lib.escapeShellArg cfg.unsafeCookie} >${cfg.dataDir}/.erlang.cookie
      '';
      serviceConfig = {
        ExecStart = "/usr/lib/rabbitmq/bin/rabbitmq-server";
        ExecStop = "/usr/lib/rabbitmq/bin/rabbitmqctl shutdown";
        User = "rabbitmq";
        Group = "rabbitmq";
        LogsDirectory = "rabbitmq";
        WorkingDirectory = cfg.dataDir;
        Type = "notify";
        NotifyAccess = "all";
        UMask = "0027";
        LimitNOFILE = "100000";
        Restart = "on-failure";
        RestartSec = "10";
        TimeoutStartSec = "3600";
      };
    };
  };
}
