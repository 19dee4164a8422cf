# `services.cron` and `services.logrotate`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cron = config.services.cron;
  rotate = config.services.logrotate;
  flag = default: description: mkOption { type = types.bool; inherit default description; };

  crontab = pkgs.writeText "systemCronJobs" ''
    SHELL=${pkgs.bash}/bin/bash
    PATH=${config.environment.cronPath}
    ${lib.optionalString (cron.mailto != null) "MAILTO=\"${cron.mailto}\""}
    NIX_CONF_DIR=/etc/nix
    ${lib.concatLines cron.systemCronJobs}
  '';

  value = types.nullOr (types.oneOf [ types.bool types.int types.str (types.listOf types.str) ]);

  entry = name: settings:
    let
      files = lib.toList settings.files;
      directive = key: value:
        if value == null || value == false || lib.elem key [ "files" "enable" "global" "priority" ] then
          ""
        else if lib.elem key [ "prerotate" "postrotate" "firstaction" "lastaction" "preremove" ] then
          "  ${key}\n    ${value}\n  endscript\n"
        else if key == "frequency" then
          "  ${value}\n"
        else if value == true then
          "  ${key}\n"
        else
          "  ${key} ${lib.concatStringsSep " " (map toString (lib.toList value))}\n";
      body = lib.concatStrings (lib.mapAttrsToList directive settings);
    in
    if settings.global then lib.replaceStrings [ "\n  " ] [ "\n" ] (lib.removePrefix "  " body) else "${lib.concatMapStringsSep " " (file: "\"${file}\"") files} {\n${body}}\n";

  entries = lib.filterAttrs (_: settings: settings.enable) rotate.settings;
  ordered = lib.sort (a: b: a.priority < b.priority || (a.priority == b.priority && a.name < b.name)) (
    lib.mapAttrsToList (name: settings: { inherit name settings; inherit (settings) priority; }) entries
  );
  configFile = pkgs.writeText "logrotate.conf" (
    lib.concatMapStrings (one: entry one.name one.settings) ordered + rotate.extraConfig
  );
in
{
  options = {
    environment.cronPath = mkOption {
      type = types.str;
      default = "/run/wrappers/bin:/run/current-system/sw/bin:/usr/sbin:/usr/bin";
      internal = true;
      description = "PATH of cron's jobs.";
    };
    services.cron = {
      enable = flag (cron.systemCronJobs != [ ]) "Whether cron runs.";
      mailto = mkOption { type = types.nullOr types.str; default = null; description = "Who gets what jobs print."; };
      systemCronJobs = mkOption { type = types.listOf types.str; default = [ ]; description = "Lines of the system's crontab."; };
      cronFiles = mkOption { type = types.listOf types.path; default = [ ]; description = "Further crontabs of the system."; };
    };
    services.logrotate = {
      enable = flag (entries != { }) "Whether logs are rotated.";
      allowNetworking = flag false "Harmless: scripts of logrotate may use the network anyway.";
      checkConfig = flag true "Whether the configuration is checked when the machine boots, by logrotate-checkconf.";
      configFile = mkOption { type = types.path; default = configFile; defaultText = "made of the settings"; description = "logrotate.conf."; };
      extraArgs = mkOption { type = types.listOf types.str; default = [ ]; description = "Arguments of logrotate."; };
      extraConfig = mkOption { type = types.lines; default = ""; description = "Text at the end of logrotate.conf."; };
      settings = mkOption {
        type = types.attrsOf (types.submodule (
          { name, ... }:
          {
            freeformType = types.attrsOf value;
            options = {
              enable = flag true "Whether the entry stands in the file.";
              global = flag (name == "header") "Whether the entry is for all files.";
              files = mkOption { type = types.either types.str (types.listOf types.str); default = name; description = "Files."; };
              frequency = mkOption { type = types.nullOr types.str; default = null; description = "How often."; };
              priority = mkOption { type = types.int; default = 1000; description = "Place in the file."; };
            };
          }
        ));
        default = { };
        description = "Files that are rotated.";
      };
    };
  };

  config = lib.mkMerge [
    {
      services.logrotate.settings.header = lib.mapAttrs (_: lib.mkDefault) {
        global = true;
        priority = 100;
        enable = lib.any (name: name != "header") (lib.attrNames rotate.settings) || rotate.extraConfig != "";
        missingok = true;
        notifempty = true;
        frequency = "weekly";
        rotate = 4;
      };
    }
    (lib.mkIf cron.enable {
      environment.systemPackages = [ pkgs.cron ];
      environment.etc.crontab = { source = crontab; mode = "0644"; };
      environment.etc."cron.d/nixos" = lib.mkIf (cron.cronFiles != [ ]) {
        text = lib.concatMapStrings (file: builtins.readFile file) cron.cronFiles;
        mode = "0644";
      };
      security.wrappers.crontab = { setuid = false; setgid = true; owner = "root"; group = "crontab"; source = "/usr/bin/crontab"; };
      users.groups.crontab = { };
      security.pam.services.cron = { };
      systemd.tmpfiles.rules = [ "d /var/spool/cron 0755 root root -" "d /var/spool/cron/crontabs 1730 root crontab -" ];
      systemd.services.cron = {
        description = "Cron Daemon";
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStart = "/usr/sbin/cron -f";
          Restart = "on-failure";
          KillMode = "process";
          IgnoreSIGPIPE = false;
        };
      };
    })
    (lib.mkIf rotate.enable {
      environment.systemPackages = [ pkgs.logrotate ];
      systemd.services.logrotate = {
        description = "Logrotate Service";
        documentation = [ "man:logrotate(8)" "man:logrotate.conf(5)" ];
        startAt = "hourly";
        path = [ pkgs.bash ];
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "/usr/sbin/logrotate ${lib.escapeShellArgs rotate.extraArgs} --state /var/lib/logrotate.status ${rotate.configFile}";
        };
      };
      systemd.services.logrotate-checkconf = lib.mkIf rotate.checkConfig {
        description = "Logrotate configuration check";
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "/usr/sbin/logrotate ${lib.escapeShellArgs rotate.extraArgs} --debug ${rotate.configFile}";
        };
      };
    })
  ];
}
