# `services.aria2`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option flag enable required;
  cfg = config.services.aria2;
  home = "/var/lib/aria2";
  ports = ranges: lib.concatMapStringsSep "," (range: if range.from == range.to then toString range.from else "${toString range.from}-${toString range.to}") ranges;
  show = value: if lib.isList value then ports value else lib.generators.mkValueStringDefault { } value;
  configFile = pkgs.writeText "aria2.conf" (lib.concatStrings (lib.mapAttrsToList (key: value: "${key}=${show value}\n") cfg.settings));
in
{
  imports = [
    (lib.mkRemovedOptionModule [ "services" "aria2" "rpcSecret" ] "Use services.aria2.rpcSecretFile instead.")
    (lib.mkRemovedOptionModule [ "services" "aria2" "extraArguments" ] "Use services.aria2.settings instead.")
    (lib.mkRenamedOptionModule [ "services" "aria2" "downloadDir" ] [ "services" "aria2" "settings" "dir" ])
    (lib.mkRenamedOptionModule [ "services" "aria2" "listenPortRange" ] [ "services" "aria2" "settings" "listen-port" ])
    (lib.mkRenamedOptionModule [ "services" "aria2" "rpcListenPort" ] [ "services" "aria2" "settings" "rpc-listen-port" ])
  ];

  options.services.aria2 = {
    enable = enable "aria2 as a service";
    openPorts = flag false "Whether the firewall lets its ports through.";
    rpcSecretFile = required types.path "File with the secret of the interface.";
    downloadDirPermission = option types.str "0770" "Mode of the folder for files.";
    serviceUMask = option types.str "0022" "Umask of the service.";
    settings = mkOption {
      default = { };
      description = "Settings of aria2.conf.";
      type = types.submodule {
        freeformType = types.attrsOf (types.oneOf [ types.bool types.int types.float types.singleLineStr ]);
        options = {
          save-session = option types.singleLineStr "${home}/aria2.session" "File for what is not whole.";
          dir = option types.singleLineStr "${home}/Downloads" "Where files go.";
          conf-path = option types.singleLineStr "${home}/aria2.conf" "The configuration.";
          enable-rpc = flag true "Whether there is an interface: there has to be one.";
          listen-port = option (types.listOf (types.attrsOf types.port)) [ { from = 6881; to = 6999; } ] "Ports for UDP.";
          rpc-listen-port = option types.port 6800 "Port of the interface.";
        };
      };
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      { assertion = cfg.settings.enable-rpc; message = "services.aria2.settings.enable-rpc has to be true"; }
      { assertion = !(cfg.settings ? rpc-secret); message = "services.aria2: the secret is set by rpcSecretFile"; }
    ];
    networking.firewall = mkIf cfg.openPorts { allowedUDPPortRanges = cfg.settings.listen-port; allowedTCPPorts = [ cfg.settings.rpc-listen-port ]; };
    users.users.aria2 = { group = "aria2"; uid = config.ids.uids.aria2; description = "aria2 user"; inherit home; createHome = false; };
    users.groups.aria2.gid = config.ids.gids.aria2;
    systemd.tmpfiles.rules = [ "d '${home}' 0770 aria2 aria2 - -" "d '${cfg.settings.dir}' ${cfg.downloadDirPermission} aria2 aria2 - -" ];
    systemd.services.aria2 = {
      description = "aria2 Service";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      preStart = ''
        [ -e "${cfg.settings.save-session}" ] || touch "${cfg.settings.save-session}"
        install -m 0600 ${configFile} "${cfg.settings.conf-path}"
        echo "rpc-secret=$(cat "$CREDENTIALS_DIRECTORY/rpcSecretFile")" >>"${cfg.settings.conf-path}"
      '';
      serviceConfig = {
        Restart = "on-abort";
        ExecStart = "${pkgs.aria2}/bin/aria2c --conf-path=${cfg.settings.conf-path}";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        User = "aria2";
        Group = "aria2";
        LoadCredential = "rpcSecretFile:${cfg.rpcSecretFile}";
        UMask = cfg.serviceUMask;
      };
    };
  };
}
