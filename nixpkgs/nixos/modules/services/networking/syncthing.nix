# `services.syncthing`: folders that several machines share.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package required;
  cfg = config.services.syncthing;
  json = pkgs.formats.json { };
  clean = value: if lib.isAttrs value then lib.filterAttrs (_: v: v != null && v != { }) (lib.mapAttrs (_: clean) value) else value;
  settings = clean cfg.settings;
  devices = lib.mapAttrsToList (_: device: device // { deviceID = device.id; }) (settings.devices or { });
  autoAccepts = lib.any (device: device.autoAcceptFolders) (lib.attrValues cfg.settings.devices);
  idOf = name: (cfg.settings.devices.${name} or (throw "services.syncthing: folders are shared with ${name}, which is not among settings.devices")).id;
  folders = map (
    folder:
    removeAttrs folder [ "enable" ] // {
      devices = map (device: if lib.isString device then { deviceID = idOf device; } else removeAttrs device [ "name" ] // { deviceID = idOf device.name; }) folder.devices;
    }
  ) (lib.filter (folder: folder.enable) (lib.attrValues (settings.folders or { })));
  unix = lib.hasPrefix "/" cfg.guiAddress;
  at = path: if unix then "--unix-socket ${cfg.guiAddress} http://.${path}" else "${cfg.guiAddress}${path}";

  # The configuration is Syncthing's own: it is changed through its interface, once it runs.
  post = kind: list: lib.concatMapStrings (item: "curl -X POST --json @${pkgs.writeText "${kind}.json" (builtins.toJSON item)} ${at "/rest/config/${kind}"}\n") list;
  prune = kind: key: wanted: ''
    for id in $(curl ${at "/rest/config/${kind}"} | ${pkgs.jq}/bin/jq -r --argjson wanted ${lib.escapeShellArg (builtins.toJSON wanted)} '[.[].${key}] - $wanted | .[]'); do
      [ "$id" = "$own" ] || curl -X DELETE ${at "/rest/config/${kind}"}/$id
    done
  '';
  update = ''
    umask 0077
    # The key can change with the settings of the interface: it is read each time.
    curl() {
      for try in $(seq 120); do
        key=$(sed -n 's:.*<apikey>\(.*\)</apikey>.*:\1:p' ${cfg.configDir}/config.xml 2>/dev/null) || true
        printf 'X-API-Key: %s\n' "$key" >"$RUNTIME_DIRECTORY/headers"
        if [ -n "$key" ] && ${pkgs.curl}/bin/curl -sSfLk -H "@$RUNTIME_DIRECTORY/headers" "$@"; then return; fi
        sleep 1
      done
      return 1
    }
    own=$(curl ${at "/rest/system/status"} | ${pkgs.jq}/bin/jq -r .myID)
    ${post "devices" devices}
    ${lib.optionalString cfg.overrideDevices (prune "devices" "deviceID" (map (device: device.id) devices))}
    ${post "folders" folders}
    ${lib.optionalString cfg.overrideFolders (prune "folders" "id" (map (folder: folder.id) folders))}
    ${lib.concatStrings (lib.mapAttrsToList (key: value: "curl -X PUT --json ${lib.escapeShellArg (builtins.toJSON value)} ${at "/rest/config/${key}"}\n") (removeAttrs settings [ "devices" "folders" ]))}
    if curl ${at "/rest/config/restart-required"} | ${pkgs.jq}/bin/jq -e .requiresRestart >/dev/null; then
      curl -X POST ${at "/rest/system/restart"}
    fi
  '';
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "syncthing" "devices" ] [ "services" "syncthing" "settings" "devices" ])
    (lib.mkRenamedOptionModule [ "services" "syncthing" "folders" ] [ "services" "syncthing" "settings" "folders" ])
    (lib.mkRenamedOptionModule [ "services" "syncthing" "extraOptions" ] [ "services" "syncthing" "settings" ])
    (lib.mkRemovedOptionModule [ "services" "syncthing" "useInotify" ] "Syncthing watches folders by itself.")
  ];

  options.services.syncthing = {
    enable = enable "Syncthing";
    package = package "syncthing" pkgs.syncthing;
    cert = maybe types.str "File with the machine's certificate.";
    key = maybe types.str "File with its key.";
    overrideDevices = flag true "Whether devices that the configuration does not name are removed.";
    overrideFolders = option types.bool (!autoAccepts) "Whether folders that the configuration does not name are removed." // { defaultText = lib.literalMD "unless a device's folders are accepted by themselves"; };
    settings = mkOption {
      default = { };
      description = "Settings, as Syncthing's interface `/rest/config` takes them.";
      type = types.submodule {
        freeformType = json.type;
        options = {
          options = option (types.submodule { freeformType = json.type; }) { } "Settings of the whole program.";
          devices = mkOption {
            default = { };
            description = "Other machines, by name.";
            type = types.attrsOf (types.submodule ({ name, ... }: {
              freeformType = json.type;
              options = {
                name = option types.str name "Name of the device.";
                id = required types.str "Its identity.";
                autoAcceptFolders = flag false "Whether folders that it offers are taken.";
              };
            }));
          };
          folders = mkOption {
            default = { };
            description = "Folders, by name.";
            type = types.attrsOf (types.submodule ({ name, ... }: {
              freeformType = json.type;
              options = {
                enable = flag true "Whether the folder is shared.";
                path = option types.str name "Where the folder is.";
                id = option types.str name "Its identity, the same on every machine.";
                label = option types.str name "What it is called.";
                type = option (types.enum [ "sendreceive" "sendonly" "receiveonly" "receiveencrypted" ]) "sendreceive" "Which way files go.";
                devices = option (types.listOf (types.oneOf [ types.str json.type ])) [ ] "Devices that it is shared with, by name.";
              };
            }));
          };
        };
      };
    };
    guiAddress = option types.str "127.0.0.1:8384" "Address of the interface, or path of a Unix socket.";
    guiPasswordFile = maybe types.str "Not supported: a password of the interface from a file.";
    systemService = flag true "Whether Syncthing runs for the whole system.";
    user = option types.str "syncthing" "User that it runs as.";
    group = option types.str "syncthing" "Group that it runs as.";
    all_proxy = maybe types.str "Proxy for connections to other machines.";
    dataDir = option types.path "/var/lib/syncthing" "Where folders are by default.";
    configDir = option types.path "${cfg.dataDir}/.config/syncthing" "Where the configuration lies.";
    databaseDir = option types.path cfg.configDir "Where what is known of files lies.";
    extraFlags = option (types.listOf types.str) [ ] "Further arguments.";
    openDefaultPorts = flag false "Whether the firewall lets 22000 (TCP and UDP) and 21027 (UDP) through.";
    relay.enable = flag false "Not supported: the relay of Syncthing's.";
  };

  config = mkIf cfg.enable {
    snowglobe.refused = lib.optionalAttrs cfg.relay.enable { "services.syncthing.relay.enable" = "the relay is not set up"; }
      // lib.optionalAttrs (cfg.guiPasswordFile != null) { "services.syncthing.guiPasswordFile" = "the password of the interface is a setting: settings.gui.password"; };
    networking.firewall = mkIf cfg.openDefaultPorts { allowedTCPPorts = [ 22000 ]; allowedUDPPorts = [ 21027 22000 ]; };
    users.users = mkIf (cfg.systemService && cfg.user == "syncthing") {
      syncthing = { inherit (cfg) group; home = cfg.dataDir; createHome = true; uid = config.ids.uids.syncthing; description = "Syncthing daemon user"; };
    };
    users.groups = mkIf (cfg.systemService && cfg.group == "syncthing") { syncthing.gid = config.ids.gids.syncthing; };
    environment.systemPackages = [ cfg.package ];

    systemd.services.syncthing = mkIf cfg.systemService {
      description = "Syncthing service";
      after = [ "network.target" ];
      environment = { STNORESTART = "yes"; STNOUPGRADE = "yes"; inherit (cfg) all_proxy; } // config.networking.proxy.envVars;
      wantedBy = [ "multi-user.target" ];
      preStart = mkIf (cfg.cert != null || cfg.key != null) ''
        mkdir -p ${cfg.configDir}
        ${lib.optionalString (cfg.cert != null) "install -m 0600 ${cfg.cert} ${cfg.configDir}/cert.pem"}
        ${lib.optionalString (cfg.key != null) "install -m 0600 ${cfg.key} ${cfg.configDir}/key.pem"}
      '';
      serviceConfig = {
        Restart = "on-failure";
        SuccessExitStatus = "3 4";
        RestartForceExitStatus = "3 4";
        User = cfg.user;
        Group = cfg.group;
        ExecStart = "${cfg.package}/bin/syncthing serve --no-browser --gui-address=${lib.optionalString unix "unix://"}${cfg.guiAddress} --config=${cfg.configDir} --data=${cfg.databaseDir} ${lib.escapeShellArgs cfg.extraFlags}";
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateMounts = true;
        ProtectControlGroups = true;
        ProtectHostname = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
      };
    };
    systemd.services.syncthing-init = mkIf (cfg.systemService && settings != { }) {
      description = "Syncthing configuration updater";
      requisite = [ "syncthing.service" ];
      after = [ "syncthing.service" ];
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        User = cfg.user;
        RemainAfterExit = true;
        RuntimeDirectory = "syncthing-init";
        Type = "oneshot";
      };
      script = update;
    };
  };
}
