# `services.redis`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault mapAttrs' nameValuePair;
  inherit (import ../short.nix { inherit lib; }) option flag maybe package confinement;
  cfg = config.services.redis;
  servers = lib.filterAttrs (_: server: server.enable) cfg.servers;
  unitName = name: "redis${lib.optionalString (name != "") "-${name}"}";

  text = value: if value == true then "yes" else if value == false then "no" else toString value;
  configFile = name: server: pkgs.writeText "${unitName name}.conf" (
    lib.concatStrings (
      lib.mapAttrsToList (key: value: lib.concatMapStrings (one: "${key} ${text one}\n") (lib.toList value)) (
        lib.filterAttrs (_: value: value != null) server.settings
      )
    )
  );

  serverModule = { config, name, ... }: {
    options = {
      enable = flag false "Whether there is this server.";
      user = option types.str (unitName name) "User that the server runs as.";
      group = option types.str config.user "Group that the server runs as.";
      port = option types.port (if name == "" then 6379 else 0) "Port; 0: none.";
      openFirewall = flag false "Whether the firewall lets the port through.";
      extraParams = option (types.listOf types.str) [ ] "Further arguments of the server.";
      bind = option (types.nullOr types.str) (if name == "" then "127.0.0.1" else null) "Address; null: all.";
      unixSocket = option (types.nullOr types.path) "/run/${unitName name}/redis.sock" "Socket.";
      unixSocketPerm = option types.int 660 "Mode of the socket.";
      logLevel = option types.str "notice" "What is logged: debug, verbose, notice or warning.";
      logfile = option types.str "/dev/null" "File of the log.";
      syslog = flag true "Whether the system's log gets the log.";
      databases = option types.int 16 "Number of data bases.";
      maxclients = option types.int 10000 "Most clients at a time.";
      save = option (types.listOf (types.listOf types.int)) [ [ 900 1 ] [ 300 10 ] [ 60 10000 ] ] "When data are written: after so many seconds, if so many keys changed.";
      slaveOf = maybe (types.submodule {
        options = {
          ip = mkOption { type = types.str; description = "Address of the master."; };
          port = mkOption { type = types.port; description = "Port of the master."; };
        };
      }) "Server that this one replicates.";
      masterAuth = maybe types.str "Password of the master, which everybody on the machine can read.";
      masterUser = maybe types.str "User at the master.";
      sentinelMasterName = maybe types.str "Not supported.";
      requirePass = maybe types.str "Password, which everybody on the machine can read.";
      requirePassFile = maybe types.path "File with the password.";
      appendOnly = flag false "Whether each change is appended to a file.";
      appendFsync = option types.str "everysec" "When that file is flushed: no, always or everysec.";
      slowLogLogSlowerThan = option types.int 10000 "Queries slower than so many microseconds are noted.";
      slowLogMaxLen = option types.int 128 "How many are kept.";
      settings = option (types.attrsOf (types.nullOr (types.oneOf [ types.bool types.int types.str (types.listOf types.str) ]))) { } "Settings of redis.conf.";
    };
    config.settings = {
      port = config.port;
      daemonize = false;
      supervised = "systemd";
      loglevel = mkDefault config.logLevel;
      logfile = mkDefault config.logfile;
      syslog-enabled = mkDefault config.syslog;
      databases = mkDefault config.databases;
      maxclients = mkDefault config.maxclients;
      save = mkDefault (if config.save == [ ] then ''""'' else map (pair: "${toString (lib.elemAt pair 0)} ${toString (lib.elemAt pair 1)}") config.save);
      dbfilename = mkDefault "dump.rdb";
      dir = "/var/lib/${unitName name}";
      appendonly = mkDefault config.appendOnly;
      appendfsync = mkDefault config.appendFsync;
      slowlog-log-slower-than = mkDefault config.slowLogLogSlowerThan;
      slowlog-max-len = mkDefault config.slowLogMaxLen;
      bind = mkIf (config.bind != null) (mkDefault config.bind);
      unixsocket = mkIf (config.unixSocket != null) (mkDefault config.unixSocket);
      unixsocketperm = mkIf (config.unixSocket != null) (mkDefault (toString config.unixSocketPerm));
      replicaof = mkIf (config.slaveOf != null) (mkDefault "${config.slaveOf.ip} ${toString config.slaveOf.port}");
      masterauth = mkIf (config.masterAuth != null) (mkDefault config.masterAuth);
      masteruser = mkIf (config.masterUser != null) (mkDefault config.masterUser);
      requirepass = mkIf (config.requirePass != null) (mkDefault config.requirePass);
    };
  };
in
{
  options.services.redis = {
    package = package "redis" pkgs.redis;
    vmOverCommit = flag (servers != { }) "Whether the kernel promises more memory than it has, as saving in the background wants it.";
    servers = option (types.attrsOf (types.submodule serverModule)) { } "Servers, by name; the one without a name is `redis.service`.";
  };

  config = mkIf (servers != { }) {
    assertions = lib.concatLists (lib.mapAttrsToList (name: server: [
      {
        assertion = server.requirePass == null || server.requirePassFile == null;
        message = "services.redis.servers.\"${name}\": only one of requirePass and requirePassFile can be set";
      }
      {
        assertion = server.sentinelMasterName == null;
        message = "services.redis.servers.\"${name}\".sentinelMasterName is not supported";
      }
    ]) servers);

    boot.kernel.sysctl = mkIf cfg.vmOverCommit { "vm.overcommit_memory" = "1"; };
    networking.firewall.allowedTCPPorts = lib.concatMap (server: lib.optional server.openFirewall server.port) (lib.attrValues servers);
    environment.systemPackages = [ cfg.package ];

    users.users = mapAttrs' (name: server: nameValuePair (unitName name) {
      description = "System user for the redis server ${name}";
      isSystemUser = true;
      group = unitName name;
    }) (lib.filterAttrs (name: server: server.user == unitName name) servers);
    users.groups = mapAttrs' (name: _: nameValuePair (unitName name) { }) (
      lib.filterAttrs (name: server: server.user == unitName name || server.group == unitName name) servers
    );

    systemd.services = mapAttrs' (name: server: nameValuePair (unitName name) {
      description = "Redis Server - ${unitName name}";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = confinement // {
        ExecStart = "${cfg.package}/bin/redis-server /var/lib/${unitName name}/redis.conf ${lib.escapeShellArgs server.extraParams}";
        # The server rewrites its configuration, and the password is not for everybody.
        ExecStartPre = "+${pkgs.writeShellScript "${unitName name}-prep-conf" ''
          set -e
          install -m 0600 -o ${server.user} -g ${server.group} ${configFile name server} /var/lib/${unitName name}/redis.conf
          ${lib.optionalString (server.requirePassFile != null) ''
            echo "requirepass $(cat ${lib.escapeShellArg server.requirePassFile})" >>/var/lib/${unitName name}/redis.conf
          ''}
        ''}";
        Type = "notify";
        User = server.user;
        Group = server.group;
        RuntimeDirectory = unitName name;
        RuntimeDirectoryMode = "0750";
        StateDirectory = unitName name;
        StateDirectoryMode = "0700";
        UMask = "0077";
        LimitNOFILE = lib.mkDefault (lib.max (server.maxclients + 32) 4096);
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" ];
      };
    }) servers;
  };
}
