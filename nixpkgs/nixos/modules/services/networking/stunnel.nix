# `services.stunnel`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable required;
  cfg = config.services.stunnel;

  value = types.nullOr (types.oneOf [ types.bool types.int types.str types.path ]);
  text = v: if lib.isBool v then (if v then "yes" else "no") else toString v;
  section = name: values: "[${name}]\n" + lib.concatStrings (lib.mapAttrsToList (key: v: "${key}=${text v}\n") (lib.filterAttrs (_: v: v != null) values));

  # Clients check certificates unless told otherwise; `verifyHostname` is the older name of checkHost.
  client = values:
    {
      CAFile = "/etc/ssl/certs/ca-certificates.crt";
      OCSPaia = true;
      verifyChain = true;
    }
    // removeAttrs values [ "verifyHostname" ]
    // {
      checkHost = values.checkHost or (values.verifyHostname or null);
      client = true;
    };
in
{
  options.services.stunnel = {
    enable = enable "stunnel, which wraps connections in TLS";
    user = option (types.nullOr types.str) "nobody" "User that it runs as.";
    group = option (types.nullOr types.str) "nogroup" "Group that it runs as.";
    logLevel = option (types.enum [ "emerg" "alert" "crit" "err" "warning" "notice" "info" "debug" ]) "info" "How much is logged.";
    enableInsecureSSLv3 = flag false "Whether SSL 3 is spoken.";
    servers = option (types.attrsOf (types.attrsOf value)) { } "Servers: what they accept is TLS.";
    clients = mkOption {
      type = types.attrsOf (types.attrsOf value);
      default = { };
      apply = lib.mapAttrs (_: client);
      description = "Clients: what they connect to is TLS.";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.servers != { } || cfg.clients != { };
        message = "services.stunnel: there is neither a server nor a client";
      }
    ]
    ++ lib.mapAttrsToList (name: values: {
      assertion = !(values ? verifyChain && values.verifyChain == true && (values.CAFile or null) == null && (values.CAPath or null) == null);
      message = "services.stunnel: \"${name}\" verifies certificates but has neither CAFile nor CAPath";
    }) (cfg.clients // cfg.servers);

    environment.systemPackages = [ pkgs.stunnel ];
    environment.etc."stunnel.cfg".text = ''
      ${lib.optionalString (cfg.user != null) "setuid = ${cfg.user}"}
      ${lib.optionalString (cfg.group != null) "setgid = ${cfg.group}"}
      debug = ${cfg.logLevel}
      foreground = yes
      syslog = no
      pid =
      ${lib.optionalString cfg.enableInsecureSSLv3 "options = -NO_SSLv3"}
      ${lib.concatStrings (lib.mapAttrsToList section cfg.servers)}
      ${lib.concatStrings (lib.mapAttrsToList section cfg.clients)}
    '';

    systemd.services.stunnel = {
      description = "stunnel TLS tunneling service";
      after = [ "network.target" ];
      wants = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ config.environment.etc."stunnel.cfg".source ];
      # A certificate may come late.
      startLimitIntervalSec = 0;
      serviceConfig = {
        ExecStart = "${pkgs.stunnel}/bin/stunnel /etc/stunnel.cfg";
        # No reload: stunnel binds its ports again then, which `user` may not.
        Restart = "on-failure";
        RestartSec = "1s";
      };
    };
  };
}
