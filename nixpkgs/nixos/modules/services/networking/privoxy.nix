# `services.privoxy`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable;
  cfg = config.services.privoxy;
  atom = types.oneOf [ types.int types.bool types.str types.path ];
  show = name: value:
    if lib.isList value then lib.concatMapStrings (show name) value
    else "${name} ${if lib.isBool value then (if value then "1" else "0") else toString value}\n";
  # Actions and filters come first, and the user's last of all.
  configFile = pkgs.writeText "privoxy.conf" (
    "confdir ${pkgs.privoxy}/etc/privoxy\n" + lib.concatStrings (lib.mapAttrsToList show cfg.settings)
  );
  files = default: user: name: mkOption {
    type = types.listOf types.str;
    inherit default;
    apply = list: list ++ lib.optional (user != "") (toString (pkgs.writeText name user));
    description = "Files, absolute or in the folder of Privoxy's configuration; those of users come last.";
  };
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "privoxy" "enableEditActions" ] [ "services" "privoxy" "settings" "enable-edit-actions" ])
    (lib.mkRenamedOptionModule [ "services" "privoxy" "listenAddress" ] [ "services" "privoxy" "settings" "listen-address" ])
    (lib.mkRenamedOptionModule [ "services" "privoxy" "actionsFiles" ] [ "services" "privoxy" "settings" "actionsfile" ])
    (lib.mkRenamedOptionModule [ "services" "privoxy" "filterFiles" ] [ "services" "privoxy" "settings" "filterfile" ])
    (lib.mkRemovedOptionModule [ "services" "privoxy" "extraConfig" ] "Use services.privoxy.settings instead.")
  ];

  options.services.privoxy = {
    enable = enable "the filtering proxy Privoxy";
    enableTor = flag false "Not supported: requests through Tor.";
    inspectHttps = flag false "Whether requests over TLS are filtered too; needs the settings ca-cert-file and ca-key-file.";
    certsLifetime = option types.str "10d" "How long made certificates are kept, as in tmpfiles.d.";
    userActions = lines "Actions of the user.";
    userFilters = lines "Filters of the user.";
    settings = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf (types.either atom (types.listOf atom));
        options = {
          listen-address = option types.str "127.0.0.1:8118" "Address and port.";
          enable-edit-actions = flag false "Whether actions can be edited in a browser.";
          actionsfile = files [ "match-all.action" "default.action" ] cfg.userActions "user.actions";
          filterfile = files [ "default.filter" ] cfg.userFilters "user.filter";
        };
      };
      default = { };
      description = "Settings; a list is a setting that is repeated.";
    };
  };

  config = mkIf cfg.enable {
    users.users.privoxy = { description = "Privoxy daemon user"; isSystemUser = true; group = "privoxy"; };
    users.groups.privoxy = { };

    systemd.tmpfiles.rules = lib.optional cfg.inspectHttps "d ${cfg.settings.certificate-directory} 0770 privoxy privoxy ${cfg.certsLifetime}";
    snowglobe.refused = mkIf cfg.enableTor { "services.privoxy.enableTor" = "Tor is not set up: machines reach no network that it could use"; };

    services.privoxy.settings = lib.mkMerge [
      {
        temporary-directory = mkDefault "/tmp";
        filterfile = [ "default.filter" ];
        actionsfile = [ "match-all.action" "default.action" ]
          ++ lib.optional cfg.inspectHttps (toString (pkgs.writeText "inspect-all-https.action" "{+https-inspection}\n/\n"));
      }
      (mkIf cfg.inspectHttps {
        ca-directory = "/var/empty";
        certificate-directory = "/run/privoxy/certs";
        trusted-cas-file = "/etc/ssl/certs/ca-certificates.crt";
      })
    ];

    systemd.services.privoxy = {
      description = "Filtering web proxy";
      after = [ "network.target" "nss-lookup.target" ];
      wantedBy = [ "multi-user.target" ];
      unitConfig.ConditionPathExists = mkIf cfg.inspectHttps [ cfg.settings.ca-cert-file cfg.settings.ca-key-file ];
      serviceConfig = {
        User = "privoxy";
        Group = "privoxy";
        ExecStart = "${pkgs.privoxy}/bin/privoxy --no-daemon ${configFile}";
        PrivateDevices = true;
        PrivateTmp = true;
        ProtectHome = true;
        ProtectSystem = "full";
      };
    };
  };
}
