# `services.phpfpm`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault;
  inherit (import ../../short.nix { inherit lib; }) option lines maybe package;
  cfg = config.services.phpfpm;
  runtime = "/run/phpfpm";

  scalar = types.oneOf [ types.str types.int types.bool ];
  text = value: if lib.isBool value then (if value then "yes" else "no") else toString value;
  settingLines = settings: lib.concatStrings (lib.mapAttrsToList (key: value: "${key} = ${text value}\n") settings);

  configFile = name: pool: pkgs.writeText "phpfpm-${name}.conf" ''
    [global]
    ${settingLines cfg.settings}
    ${cfg.extraConfig}
    [${name}]
    ${settingLines pool.settings}
    ${lib.concatStrings (lib.mapAttrsToList (key: value: "env[${key}] = ${toString value}\n") pool.phpEnv)}

  '';
  iniFile = pool: pkgs.writeText "php.ini" (pool.phpPackage.iniText + "\n" + pool.phpOptions);

  poolOptions = { name, config, ... }: {
    options = {
      socket = mkOption {
        type = types.str;
        readOnly = true;
        description = "Where requests are taken.";
      };
      listen = option types.str "" "Address and port, instead of a socket.";
      phpPackage = package "php" cfg.phpPackage;
      phpOptions = option types.lines cfg.phpOptions "Lines of php.ini.";
      phpEnv = option (types.attrsOf types.str) { } "Variables of the scripts.";
      user = mkOption { type = types.str; description = "User that scripts run as."; };
      group = mkOption { type = types.str; description = "Group that scripts run as."; };
      settings = option (types.attrsOf scalar) { } "Settings of the pool.";
    };
    config = {
      socket = if config.listen == "" then "${runtime}/${name}.sock" else config.listen;
      group = mkDefault config.user;
      settings = {
        listen = config.socket;
        user = mkDefault config.user;
        group = mkDefault config.group;
        pm = mkDefault "dynamic";
        "pm.max_children" = mkDefault 32;
        "pm.start_servers" = mkDefault 2;
        "pm.min_spare_servers" = mkDefault 2;
        "pm.max_spare_servers" = mkDefault 4;
        "pm.max_requests" = mkDefault 500;
      };
    };
  };
in
{
  options.services.phpfpm = {
    settings = option (types.attrsOf scalar) { } "Settings of all pools' servers.";
    extraConfig = lines "Further text of the section `global`.";
    phpPackage = package "php" pkgs.php;
    phpOptions = lines "Lines of php.ini.";
    pools = option (types.attrsOf (types.submodule poolOptions)) { } "Pools of PHP, by name.";
  };

  config = mkIf (cfg.pools != { }) {
    services.phpfpm.settings = {
      error_log = mkDefault "syslog";
      daemonize = false;
    };
    systemd.slices.system-phpfpm.description = "PHP FastCGI Process Manager Slice";
    systemd.targets.phpfpm = {
      description = "PHP FastCGI Process manager pools target";
      wantedBy = [ "multi-user.target" ];
    };
    systemd.services = lib.mapAttrs' (name: pool: lib.nameValuePair "phpfpm-${name}" {
      description = "PHP FastCGI Process Manager service for pool ${name}";
      after = [ "network.target" ];
      wantedBy = [ "phpfpm.target" ];
      partOf = [ "phpfpm.target" ];
      documentation = [ "man:php-fpm(8)" ];
      serviceConfig = {
        Slice = "system-phpfpm.slice";
        PrivateDevices = true;
        PrivateTmp = true;
        ProtectSystem = "full";
        ProtectHome = true;
        # Needed for what pools of other users and capabilities do.
        RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" "AF_NETLINK" ];
        Type = "notify";
        ExecStart = "${pool.phpPackage}/bin/php-fpm -y ${configFile name pool} -c ${iniFile pool}";
        ExecReload = "${pkgs.coreutils}/bin/kill -USR2 $MAINPID";
        RuntimeDirectory = "phpfpm";
        RuntimeDirectoryPreserve = true;
        Restart = "always";
      };
    }) cfg.pools;
  };
}
