# `services.unbound`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package;
  cfg = config.services.unbound;

  scalar = types.oneOf [ types.bool types.int types.str types.path ];
  text = value: if lib.isBool value then (if value then "yes" else "no") else toString value;

  # Attribute sets are sections, lists repeat what they stand for.
  line = indent: name: value:
    if value == null then
      ""
    else if lib.isList value then
      lib.concatMapStrings (line indent name) value
    else if lib.isAttrs value then
      "${indent}${name}:\n" + lib.concatStrings (lib.mapAttrsToList (line "${indent}  ") value)
    else
      "${indent}${name}: ${text value}\n";
  # Tags have to be known before they are used.
  serverFirst = settings:
    let
      server = settings.server or { };
      tags = lib.filterAttrs (name: _: name == "define-tag") server;
    in
    "server:\n"
    + lib.concatStrings (lib.mapAttrsToList (line "  ") tags)
    + lib.concatStrings (lib.mapAttrsToList (line "  ") (removeAttrs server [ "define-tag" ]))
    + lib.concatStrings (lib.mapAttrsToList (line "") (removeAttrs settings [ "server" ]));
  configFile = pkgs.writeText "unbound.conf" (serverFirst cfg.settings);
in
{
  options.services.unbound = {
    enable = enable "the resolver Unbound";
    package = package "unbound" pkgs.unbound;
    user = option types.str "unbound" "User that the resolver runs as.";
    group = option types.str "unbound" "Group that the resolver runs as.";
    stateDir = option types.path "/var/lib/unbound" "Where its data lie.";
    checkconf = flag true "Harmless: the resolver checks its configuration whenever it starts, whatever this says.";
    resolveLocalQueries = flag true "Whether the machine itself asks it.";
    enableRootTrustAnchor = flag true "Whether signatures are checked from the root on.";
    localControlSocketPath = maybe types.str "Socket that unbound-control uses; null: none.";
    settings = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf types.anything;
        options.remote-control.control-enable = flag false "Whether the resolver can be controlled while it runs.";
      };
      default = { };
      description = "The configuration, by section.";
    };
  };

  config = mkIf cfg.enable {
    services.unbound.settings = {
      server = {
        directory = mkDefault cfg.stateDir;
        username = ''""'';
        chroot = ''""'';
        pidfile = ''""'';
        use-syslog = mkDefault false;
        do-daemonize = false;
        interface = mkDefault ([ "127.0.0.1" ] ++ lib.optional config.networking.enableIPv6 "::1");
        access-control = mkDefault ([ "127.0.0.0/8 allow" ] ++ lib.optional config.networking.enableIPv6 "::1/128 allow");
        auto-trust-anchor-file = mkIf cfg.enableRootTrustAnchor (mkDefault "${cfg.stateDir}/root.key");
        tls-cert-bundle = mkDefault "/etc/ssl/certs/ca-certificates.crt";
        ip-freebind = mkDefault true;
        define-tag = mkDefault null;
      };
      remote-control = mkIf (cfg.localControlSocketPath != null) {
        control-enable = true;
        control-interface = mkDefault cfg.localControlSocketPath;
        control-use-cert = mkDefault false;
      };
    };

    environment.systemPackages = [ cfg.package ];
    environment.etc."unbound/unbound.conf".source = configFile;
    networking.resolvconf.useLocalResolver = mkIf cfg.resolveLocalQueries (mkDefault true);
    users.users = mkIf (cfg.user == "unbound") {
      unbound = {
        description = "unbound daemon user";
        isSystemUser = true;
        group = cfg.group;
      };
    };
    users.groups = mkIf (cfg.group == "unbound") { unbound = { }; };

    systemd.services.unbound = {
      description = "Unbound recursive Domain Name Server";
      after = [ "network.target" ];
      before = [ "nss-lookup.target" ];
      wants = [ "nss-lookup.target" ];
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ configFile ];
      path = mkIf cfg.settings.remote-control.control-enable [ pkgs.openssl ];
      preStart = ''
        ${lib.optionalString cfg.enableRootTrustAnchor ''
          # The anchor that comes with the program; it renews it by itself.
          if ! [ -e ${cfg.stateDir}/root.key ]; then
            ${cfg.package}/bin/unbound-anchor -l | grep "IN[[:space:]]*DS" >${cfg.stateDir}/root.key.new
            mv ${cfg.stateDir}/root.key.new ${cfg.stateDir}/root.key
          fi
        ''}
        ${lib.optionalString (cfg.settings.remote-control.control-enable && cfg.localControlSocketPath == null) ''
          ${cfg.package}/bin/unbound-control-setup -d ${cfg.stateDir}
        ''}
      '';
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/unbound -p -d -c /etc/unbound/unbound.conf";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        Type = "notify";
        NotifyAccess = "main";
        User = cfg.user;
        Group = cfg.group;
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" "CAP_NET_RAW" ];
        CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" "CAP_NET_RAW" ];
        RuntimeDirectory = "unbound";
        StateDirectory = "unbound";
        NoNewPrivileges = true;
        PrivateTmp = true;
        PrivateDevices = true;
        ProtectHome = true;
        Restart = "on-failure";
        RestartSec = "5s";
      };
    };
  };
}
