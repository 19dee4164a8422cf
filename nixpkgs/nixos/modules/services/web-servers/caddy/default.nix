# `services.caddy`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption optionalString concatMapStrings;
  inherit (import ../../short.nix { inherit lib; }) option flag maybe lines enable package;
  cfg = config.services.caddy;
  hosts = lib.attrValues cfg.virtualHosts;
  format = pkgs.formats.json { };

  hostText = host: ''
    ${lib.concatStringsSep ", " ([ host.hostName ] ++ host.serverAliases)} {
      ${optionalString (host.listenAddresses != [ ]) "bind ${lib.concatStringsSep " " host.listenAddresses}"}
      ${optionalString (host.useACMEHost == null && host.logFormat != null) "log {\n${host.logFormat}\n}"}
      ${host.extraConfig}
    }
  '';
  generated = pkgs.writeText "Caddyfile" ''
    {
      ${cfg.globalConfig}
      ${optionalString (cfg.email != null) "email ${cfg.email}"}
      ${optionalString (cfg.acmeCA != null) "acme_ca ${cfg.acmeCA}"}
      ${optionalString (cfg.httpPort != 80) "http_port ${toString cfg.httpPort}"}
      ${optionalString (cfg.httpsPort != 443) "https_port ${toString cfg.httpsPort}"}
      log {
        ${cfg.logFormat}
      }
    }
    ${cfg.extraConfig}
    ${concatMapStrings hostText hosts}
  '';
  isJson = cfg.settings != { };
  file = if isJson then format.generate "caddy.json" cfg.settings else cfg.configFile;
  etcPath = "caddy/${if isJson then "caddy.json" else "caddy_config"}";
  adapter = if isJson then null else cfg.adapter;
  arguments = "--config ${if cfg.enableReload then "/etc/${etcPath}" else file}${optionalString (adapter != null) " --adapter ${adapter}"}";
in
{
  options.services.caddy = {
    enable = enable "the web server Caddy";
    package = package "caddy" pkgs.caddy;
    user = option types.str "caddy" "User that the server runs as.";
    group = option types.str "caddy" "Group that the server runs as.";
    dataDir = option types.path "/var/lib/caddy" "Where its data lie.";
    logDir = option types.path "/var/log/caddy" "Where its logs lie.";
    logFormat = option types.lines "level ERROR" "What is logged.";
    configFile = mkOption {
      type = types.path;
      default = generated;
      defaultText = "made from the other options";
      description = "The configuration, instead of what the other options say.";
    };
    adapter = option (types.nullOr types.str) (if lib.hasSuffix "Caddyfile" (builtins.baseNameOf (toString cfg.configFile)) then "caddyfile" else null) "Language of the configuration.";
    resume = flag false "Whether changes made in the running server are kept.";
    globalConfig = lines "Text of the global block.";
    extraConfig = lines "Further text of the configuration.";
    virtualHosts = option (types.attrsOf (types.submodule ({ name, ... }: {
      options = {
        hostName = option types.str name "Name of the host.";
        serverAliases = option (types.listOf types.str) [ ] "Further names.";
        listenAddresses = option (types.listOf types.str) [ ] "Addresses to listen at.";
        useACMEHost = maybe types.str "Not supported: certificates of security.acme.";
        logFormat = option (types.nullOr types.lines) "output file ${cfg.logDir}/access-${lib.replaceStrings [ "/" " " ] [ "_" "_" ] name}.log" "Where requests are logged.";
        extraConfig = lines "Further text of the host.";
      };
    }))) { } "Hosts, by name.";
    acmeCA = maybe types.str "Where certificates are fetched.";
    email = maybe types.str "Mail address for that.";
    httpPort = option types.port 80 "Port of plain HTTP.";
    httpsPort = option types.port 443 "Port of HTTP over TLS.";
    enableReload = flag true "Whether a changed configuration is loaded without a restart.";
    environmentFile = maybe types.path "File with variables of the service.";
    settings = option format.type { } "The configuration in Caddy's JSON, instead of a Caddyfile.";
  };

  config = mkIf cfg.enable {
    assertions = map (host: {
      assertion = host.useACMEHost == null;
      message = "services.caddy.virtualHosts.\"${host.hostName}\".useACMEHost is not supported";
    }) hosts;

    environment.etc.${etcPath} = mkIf cfg.enableReload { source = file; };
    users.users = mkIf (cfg.user == "caddy") {
      caddy = {
        group = cfg.group;
        isSystemUser = true;
        home = cfg.dataDir;
      };
    };
    users.groups = mkIf (cfg.group == "caddy") { caddy = { }; };

    systemd.services.caddy = {
      description = "Caddy";
      wants = [ "network-online.target" ];
      after = [ "network.target" "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      startLimitIntervalSec = 14400;
      startLimitBurst = 10;
      reloadTriggers = mkIf cfg.enableReload [ file ];
      restartTriggers = mkIf (!cfg.enableReload) [ file ];
      environment.HOME = cfg.dataDir;
      environment.XDG_DATA_HOME = "${cfg.dataDir}/.local/share";
      environment.XDG_CONFIG_HOME = "${cfg.dataDir}/.config";
      serviceConfig = {
        Type = "notify";
        ExecStart = "${cfg.package}/bin/caddy run ${arguments}${optionalString cfg.resume " --resume"}";
        ExecReload = "${cfg.package}/bin/caddy reload ${arguments} --force";
        User = cfg.user;
        Group = cfg.group;
        StateDirectory = mkIf (cfg.dataDir == "/var/lib/caddy") "caddy";
        LogsDirectory = mkIf (cfg.logDir == "/var/log/caddy") "caddy";
        ReadWritePaths = lib.optional (cfg.dataDir != "/var/lib/caddy") cfg.dataDir;
        EnvironmentFile = mkIf (cfg.environmentFile != null) cfg.environmentFile;
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        ProtectHome = true;
        Restart = "on-failure";
        RestartSec = "5s";
      };
    };
  };
}
