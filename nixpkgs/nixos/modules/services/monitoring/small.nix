# What watches machines, a few lines each: collectd and Munin.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable package;
  inherit (config.services) collectd munin-node munin-cron;
  names = option (types.listOf types.str) [ ];
  collectdConf = pkgs.writeText "collectd.conf" collectd.extraConfig;

  # Debian's plugins, as links: what the node chooses by itself, less what is turned off.
  pluginDir = "/etc/munin/plugins";
  nodeConf = pkgs.writeText "munin-node.conf" ''
    log_level 3
    log_file Sys::Syslog
    port 4949
    host *
    background 0
    user root
    group root
    host_name ${config.networking.hostName}
    setsid 0
    ignore_file \.bak$
    ignore_file \.rpm(save|new)$
    ignore_file ^README$
    allow ^::1$
    allow ^127\.0\.0\.1$
    ${munin-node.extraConfig}
  '';
  pluginConf = ''
    [hddtemp_smartctl]
    user root
    group root
    [meminfo]
    user root
    group root
    [ipmi*]
    user root
    group root
    [munin*]
    env.UPDATE_STATSFILE /var/lib/munin/munin-update.stats
    ${munin-node.extraPluginConfig}
  '';
  cronConf = pkgs.writeText "munin.conf" ''
    dbdir /var/lib/munin
    htmldir /var/www/munin
    logdir /var/log/munin
    rundir /run/munin
    tmpldir ${pkgs.munin}/etc/munin/templates
    staticdir ${pkgs.munin}/etc/munin/static
    ${munin-cron.extraGlobalConfig}
    ${munin-cron.hosts}
  '';
in
{
  options.services = {
    collectd = {
      enable = enable "collectd";
      validateConfig = flag true "Whether the configuration is checked before the service starts.";
      package = package "collectd" pkgs.collectd;
      user = option (types.nullOr types.str) "collectd" "User that it runs as.";
      dataDir = option types.path "/var/lib/collectd" "Where it keeps what it measured.";
      autoLoadPlugin = flag false "Whether plugins are loaded once something names them.";
      include = names "Further files.";
      plugins = option (types.attrsOf types.lines) { } "Plugins, and what they are told.";
      extraConfig = lines "Further text of the configuration.";
    };
    munin-node = {
      enable = enable "Munin's node";
      extraConfig = lines "Further text of munin-node.conf.";
      extraPluginConfig = lines "Further text about plugins.";
      extraPlugins = option (types.attrsOf types.path) { } "Further plugins, by name.";
      extraAutoPlugins = option (types.listOf types.path) [ ] "Further plugins, or folders of them, each of which is used if it says that it works.";
      disabledPlugins = names "Plugins that are not used, as patterns.";
    };
    munin-cron = {
      enable = enable "Munin's master, every five minutes";
      extraGlobalConfig = lines "Further text of munin.conf, before hosts.";
      hosts = lines "Hosts that are asked.";
      extraCSS = lines "Further style of pages.";
    };
  };

  config = lib.mkMerge [
    (mkIf collectd.enable {
      services.collectd.extraConfig = lib.mkOrder 1200 ''
        BaseDir "${collectd.dataDir}"
        AutoLoadPlugin ${lib.boolToString collectd.autoLoadPlugin}
        Hostname "${config.networking.hostName}"
        LoadPlugin syslog
        <Plugin "syslog">
          LogLevel "info"
          NotifyLevel "OKAY"
        </Plugin>
        ${lib.concatStrings (lib.mapAttrsToList (name: text: "LoadPlugin ${name}\n<Plugin \"${name}\">\n${text}\n</Plugin>\n") collectd.plugins)}
        ${lib.concatMapStrings (file: "Include \"${file}\"\n") collectd.include}
      '';
      users.users = mkIf (collectd.user == "collectd") { collectd = { isSystemUser = true; group = "collectd"; }; };
      users.groups = mkIf (collectd.user == "collectd") { collectd = { }; };
      systemd.tmpfiles.rules = [ "d '${collectd.dataDir}' - ${toString collectd.user} - - -" ];
      systemd.services.collectd = {
        description = "Collectd Monitoring Agent";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStartPre = mkIf collectd.validateConfig "${collectd.package}/bin/collectd -t -C ${collectdConf}";
          ExecStart = "${collectd.package}/bin/collectd -C ${collectdConf} -f";
          User = collectd.user;
          Restart = "on-failure";
          RestartSec = 3;
        };
      };
    })

    (mkIf (munin-node.enable || munin-cron.enable) {
      environment.systemPackages = [ pkgs.munin ];
      users.users.munin = { description = "Munin monitoring user"; group = "munin"; uid = config.ids.uids.munin; home = "/var/lib/munin"; };
      users.groups.munin.gid = config.ids.gids.munin;
      systemd.tmpfiles.rules = [ "d /run/munin 0755 munin munin -" "d /var/log/munin 0755 munin munin -" "d /var/lib/munin 0755 munin munin -" "d /var/lib/munin/cgi-tmp 0755 munin munin -" "d /var/lib/munin-node/plugin-state 0775 munin munin -" ];
    })

    (mkIf munin-node.enable {
      environment.etc."munin/munin-node.conf".source = nodeConf;
      environment.etc."munin/plugin-conf.d/munin-node".text = pluginConf;
      systemd.services.munin-node = {
        description = "Munin Node";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        path = [ pkgs.munin pkgs.smartmontools pkgs.gawk pkgs.procps pkgs.perl ];
        environment = { MUNIN_LIBDIR = "/usr/share/munin"; MUNIN_PLUGSTATE = "/var/lib/munin-node/plugin-state"; MUNIN_LOGDIR = "/var/log/munin"; };
        preStart = ''
          rm -rf ${pluginDir}
          mkdir -p ${pluginDir}
          munin-node-configure --suggest --shell --families auto,manual --libdir /usr/share/munin/plugins --servicedir ${pluginDir} --sconfdir /etc/munin/plugin-conf.d 2>/dev/null | grep '^ln ' | sh || true
          ${lib.concatMapStrings (place: ''
            for plugin in $(if [ -d ${place} ]; then ls -d ${place}/*; else echo ${place}; fi); do
              [ "$("$plugin" autoconf 2>/dev/null)" != yes ] || ln -sf "$plugin" ${pluginDir}/
            done
          '') munin-node.extraAutoPlugins}
          ${lib.concatStrings (lib.mapAttrsToList (name: file: "ln -sf ${file} ${pluginDir}/${name}\n") munin-node.extraPlugins)}
          ${lib.concatMapStrings (pattern: "rm -f ${pluginDir}/${pattern}\n") munin-node.disabledPlugins}
        '';
        serviceConfig.ExecStart = "${pkgs.munin}/bin/munin-node --foreground --config /etc/munin/munin-node.conf";
        restartTriggers = [ nodeConf pluginConf ];
      };
    })

    (mkIf munin-cron.enable {
      snowglobe.refused = mkIf (munin-cron.extraCSS != "") { "services.munin-cron.extraCSS" = "the style of pages is Debian's"; };
      systemd.tmpfiles.rules = [ "d /var/www/munin 0755 munin munin -" ];
      systemd.timers.munin-cron = {
        description = "batch Munin master programs";
        wantedBy = [ "timers.target" ];
        timerConfig.OnCalendar = "*:0/5";
      };
      systemd.services.munin-cron = {
        description = "batch Munin master programs";
        unitConfig.Documentation = "man:munin-cron(8)";
        environment.MUNIN_CONFIG = cronConf;
        serviceConfig = {
          Type = "oneshot";
          User = "munin";
          ExecStart = "${pkgs.munin}/bin/munin-cron --config ${cronConf}";
        };
      };
    })
  ];
}
