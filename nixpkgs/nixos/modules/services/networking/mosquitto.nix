# `services.mosquitto`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package required;
  cfg = config.services.mosquitto;

  value = types.nullOr (types.oneOf [ types.bool types.int types.float types.str types.path ]);
  text = v: if lib.isBool v then lib.boolToString v else toString v;
  settingsText = settings: lib.concatStrings (lib.mapAttrsToList (key: v: "${key} ${text v}\n") (lib.filterAttrs (_: v: v != null) settings));

  userOptions.options = {
    password = maybe types.str "Password, which everybody on the machine can read.";
    passwordFile = maybe types.path "File with the password.";
    hashedPassword = maybe types.str "Password as mosquitto_passwd hashes it.";
    hashedPasswordFile = maybe types.path "File with that.";
    acl = option (types.listOf types.str) [ ] "What the user may read and write.";
  };
  listenerOptions.options = {
    port = option types.port 1883 "Port; 0 with a path as address: a socket.";
    address = maybe types.str "Address, or path of a socket; default: all addresses.";
    authPlugins = option (types.listOf types.attrs) [ ] "Not supported.";
    users = option (types.attrsOf (types.submodule userOptions)) { } "Users, by name.";
    omitPasswordAuth = flag false "Whether passwords are not asked for.";
    acl = option (types.listOf types.str) [ ] "Lines of access control, before those of users.";
    settings = option (types.attrsOf value) { } "Further settings of the listener.";
  };
  bridgeOptions.options = {
    addresses = option (types.listOf (types.submodule {
      options.address = required types.str "Address.";
      options.port = option types.port 1883 "Port.";
    })) [ ] "Where the other server is.";
    topics = option (types.listOf types.str) [ ] "What goes over the bridge.";
    settings = option (types.attrsOf value) { } "Further settings of the bridge.";
  };

  passwordFile = index: "/run/mosquitto/passwd-${toString index}";

  accessFile = index: listener: pkgs.writeText "mosquitto-acl-${toString index}.conf" (
    lib.concatMapStrings (line: "${line}\n") listener.acl
    + lib.concatStrings (
      lib.mapAttrsToList (name: user: "\nuser ${name}\n" + lib.concatMapStrings (line: "topic ${line}\n") user.acl) listener.users
    )
  );

  listenerText = index: listener:
    "listener ${toString listener.port} ${toString listener.address}\n"
    + optionalString (!listener.omitPasswordAuth) "password_file ${passwordFile index}\n"
    + "acl_file ${accessFile index listener}\n"
    + settingsText listener.settings;

  bridgeText = name: bridge:
    "connection ${name}\n"
    + "addresses ${lib.concatMapStringsSep " " (a: "${a.address}:${toString a.port}") bridge.addresses}\n"
    + lib.concatMapStrings (topic: "topic ${topic}\n") bridge.topics
    + settingsText bridge.settings;

  configText =
    "per_listener_settings true\n"
    + "persistence ${lib.boolToString cfg.persistence}\n"
    + lib.concatMapStrings (destination: "log_dest ${destination}\n") cfg.logDest
    + lib.concatMapStrings (kind: "log_type ${kind}\n") cfg.logType
    + settingsText ({ persistence_location = "${cfg.dataDir}/"; } // cfg.settings)
    + lib.concatStrings (lib.imap0 listenerText cfg.listeners)
    + lib.concatStrings (lib.mapAttrsToList bridgeText cfg.bridges)
    + lib.concatMapStrings (directory: "include_dir ${directory}\n") cfg.includeDirs;

  # Passwords in clear are hashed together, then those that are hashed already are added.
  passwords = index: listener:
    let
      file = passwordFile index;
      users = lib.mapAttrsToList (name: user: user // { inherit name; }) listener.users;
      ofKind = kind: lib.filter (user: user.${kind} != null) users;
      name = user: lib.escapeShellArg user.name;
    in
    ''
      rm -f ${file}
      install -m 600 /dev/null ${file}
    ''
    + lib.concatMapStrings (user: "printf '%s:%s\\n' ${name user} ${lib.escapeShellArg user.password} >>${file}\n") (ofKind "password")
    + lib.concatMapStrings (user: "printf '%s:%s\\n' ${name user} \"$(cat ${lib.escapeShellArg user.passwordFile})\" >>${file}\n") (ofKind "passwordFile")
    + "if [ -s ${file} ]; then ${cfg.package}/bin/mosquitto_passwd -U ${file}; fi\n"
    + lib.concatMapStrings (user: "printf '%s:%s\\n' ${name user} ${lib.escapeShellArg user.hashedPassword} >>${file}\n") (ofKind "hashedPassword")
    + lib.concatMapStrings (user: "printf '%s:%s\\n' ${name user} \"$(cat ${lib.escapeShellArg user.hashedPasswordFile})\" >>${file}\n") (ofKind "hashedPasswordFile");
in
{
  options.services.mosquitto = {
    enable = enable "the MQTT server Mosquitto";
    package = package "mosquitto" pkgs.mosquitto;
    listeners = option (types.listOf (types.submodule listenerOptions)) [ ] "Where clients connect.";
    bridges = option (types.attrsOf (types.submodule bridgeOptions)) { } "Connections to other servers, by name.";
    includeDirs = option (types.listOf types.path) [ ] "Directories of further configuration.";
    logDest = option (types.listOf types.str) [ "stderr" ] "Where the log goes.";
    logType = option (types.listOf (types.enum [ "debug" "error" "warning" "notice" "information" "subscribe" "unsubscribe" "websockets" "none" "all" ])) [ ] "What is logged.";
    persistence = flag true "Whether messages and subscriptions survive a restart.";
    dataDir = option types.path "/var/lib/mosquitto" "Where they are kept.";
    settings = option (types.attrsOf value) { } "Further settings of the server.";
  };

  config = mkIf cfg.enable {
    assertions =
      map (listener: {
        assertion = listener.authPlugins == [ ];
        message = "services.mosquitto.listeners.*.authPlugins is not supported";
      }) cfg.listeners
      ++ lib.concatMap (
        listener:
        lib.mapAttrsToList (name: user: {
          assertion = lib.count (x: x != null) [ user.password user.passwordFile user.hashedPassword user.hashedPasswordFile ] <= 1;
          message = "services.mosquitto: user ${name} has more than one password";
        }) listener.users
      ) cfg.listeners;

    environment.etc."mosquitto/mosquitto.conf".text = configText;
    users.users.mosquitto = {
      description = "Mosquitto MQTT Broker Daemon owner";
      group = "mosquitto";
      uid = config.ids.uids.mosquitto;
      home = cfg.dataDir;
      createHome = true;
    };
    users.groups.mosquitto.gid = config.ids.gids.mosquitto;

    systemd.services.mosquitto = {
      description = "Mosquitto MQTT Broker Daemon";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      restartTriggers = [ config.environment.etc."mosquitto/mosquitto.conf".source ];
      preStart = lib.concatStrings (lib.imap0 (index: listener: optionalString (!listener.omitPasswordAuth) (passwords index listener)) cfg.listeners);
      serviceConfig = {
        Type = "notify";
        NotifyAccess = "main";
        User = "mosquitto";
        Group = "mosquitto";
        RuntimeDirectory = "mosquitto";
        WorkingDirectory = cfg.dataDir;
        Restart = "on-failure";
        ExecStart = "${cfg.package}/bin/mosquitto -c /etc/mosquitto/mosquitto.conf";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        NoNewPrivileges = true;
        PrivateTmp = true;
        PrivateDevices = true;
        ProtectHome = true;
        ProtectSystem = "full";
        UMask = "0077";
      };
    };
  };
}
