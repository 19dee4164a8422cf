# `services.displayManager`: who logs in on the screen, and with what.
{ config, lib, pkgs, options, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.displayManager;
  x = config.services.xserver;
  lightdm = x.displayManager.lightdm;
  gdm = cfg.gdm;
  flag = default: description: mkOption { type = types.bool; inherit default description; };

  session = if cfg.defaultSession != null then cfg.defaultSession else if cfg.sessionNames != [ ] then lib.head cfg.sessionNames else "default";

  setup = pkgs.writeShellScript "lightdm-setup" x.displayManager.setupCommands;

  lightdmConf = ''
    [LightDM]
    ${lib.optionalString (lightdm.greeter.enable) "greeter-user=lightdm"}
    greeters-directory=/usr/share/xgreeters
    sessions-directory=${lib.concatMapStrings (package: "${package}/share/xsessions:${package}/share/wayland-sessions:") ([ cfg.sessionFolder ] ++ cfg.sessionPackages)}/usr/share/xsessions:/usr/share/wayland-sessions
    ${lib.optionalString (x.tty != null) "minimum-vt=${toString x.tty}"}
    ${lib.optionalString (x.display != null) "minimum-display-number=${toString x.display}"}
    ${lightdm.extraConfig}

    [Seat:*]
    xserver-command=/usr/bin/X ${x.serverArguments}
    user-session=${session}
    # Sessions read /etc/profile themselves; Debian's wrapper would run all of /etc/X11/Xsession.d.
    session-wrapper=/usr/bin/env
    ${lib.optionalString cfg.autoLogin.enable ''
      autologin-user=${cfg.autoLogin.user}
      autologin-user-timeout=${toString lightdm.autoLogin.timeout}
      autologin-session=${session}
    ''}
    ${lib.optionalString (x.displayManager.setupCommands != "") "display-setup-script=${setup}"}
    ${lightdm.extraSeatDefaults}
  '';

  pamAutologin = extra: ''
    auth     requisite pam_nologin.so
    auth     required  pam_succeed_if.so quiet ${extra}
    auth     required  pam_permit.so

    account  sufficient pam_unix.so

    password requisite pam_unix.so nullok yescrypt

    session  optional pam_keyinit.so revoke
    session  required pam_env.so conffile=/etc/pam/environment readenv=0
    session  required pam_unix.so
    session  optional pam_loginuid.so
    session  optional pam_systemd.so
  '';
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "xserver" "displayManager" "autoLogin" "enable" ] [ "services" "displayManager" "autoLogin" "enable" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "displayManager" "autoLogin" "user" ] [ "services" "displayManager" "autoLogin" "user" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "displayManager" "defaultSession" ] [ "services" "displayManager" "defaultSession" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "displayManager" "logToJournal" ] [ "services" "displayManager" "logToJournal" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "displayManager" "gdm" "enable" ] [ "services" "displayManager" "gdm" "enable" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "displayManager" "gdm" "debug" ] [ "services" "displayManager" "gdm" "debug" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "displayManager" "gdm" "wayland" ] [ "services" "displayManager" "gdm" "wayland" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "displayManager" "gdm" "autoSuspend" ] [ "services" "displayManager" "gdm" "autoSuspend" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "displayManager" "gdm" "settings" ] [ "services" "displayManager" "gdm" "settings" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "displayManager" "gdm" "autoLogin" "delay" ] [ "services" "displayManager" "gdm" "autoLogin" "delay" ])
  ];

  options.services = {
    displayManager = {
      enable = flag (lightdm.enable || gdm.enable) "Whether there is a display manager.";
      preStart = mkOption { type = types.lines; default = ""; description = "Shell commands before the display manager."; };
      execCmd = mkOption { type = types.str; default = ""; internal = true; description = "Not supported: another display manager's command."; };
      logToFile = flag false "Without effect: display managers log to the journal.";
      logToJournal = flag true "Whether display managers log to the journal: they do.";
      environment = mkOption { type = types.attrsOf types.unspecified; default = { }; description = "Variables of the display manager."; };
      autoLogin = {
        enable = flag (cfg.autoLogin.user != null) "Whether a user is logged in without being asked.";
        user = mkOption { type = types.nullOr types.str; default = null; description = "Who."; };
      };
      defaultSession = mkOption { type = types.nullOr types.str; default = null; description = "The session that is started unless another is chosen."; };
      sessionPackages = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages that bring sessions."; };
      hiddenUsers = mkOption { type = types.listOf types.str; default = [ "nobody" ]; description = "Users that are not offered."; };
      sessionFolder = mkOption { type = types.raw; internal = true; default = pkgs.linkFarm "desktops" [ ]; description = "Where the configuration's sessions are."; };
      sessionNames = mkOption { type = types.listOf types.str; internal = true; default = [ ]; description = "Their names."; };
      gdm = {
        enable = flag false "Whether GDM runs.";
        debug = flag false "Whether GDM logs everything.";
        wayland = flag true "Whether GDM may use Wayland.";
        autoSuspend = flag true "Whether the machine sleeps at the login screen.";
        banner = mkOption { type = types.nullOr types.lines; default = null; description = "Not supported."; };
        autoLogin.delay = mkOption { type = types.int; default = 0; description = "Seconds before the automatic login."; };
        settings = mkOption { type = types.attrsOf (types.attrsOf (types.oneOf [ types.bool types.int types.str ])); default = { }; description = "Sections of GDM's configuration."; };
      };
      sddm.enable = flag false "Not supported.";
      ly.enable = flag false "Not supported.";
    };
    xserver.displayManager.lightdm = {
      enable = flag false "Whether LightDM runs.";
      greeter.enable = flag true "Whether LightDM may ask for a name.";
      greeters.gtk.enable = flag true "Whether LightDM asks with its GTK greeter.";
      extraConfig = mkOption { type = types.lines; default = ""; description = "Text of the section `[LightDM]`."; };
      extraSeatDefaults = mkOption { type = types.lines; default = ""; description = "Text of the section `[Seat:*]`."; };
      background = mkOption { type = types.unspecified; default = null; description = "Without effect: no background."; };
      autoLogin.timeout = mkOption { type = types.int; default = 0; description = "Seconds before the automatic login."; };
    };
  };

  config = lib.mkMerge [
    {
      assertions = [
        {
          assertion = cfg.autoLogin.enable -> cfg.autoLogin.user != null;
          message = "services.displayManager.autoLogin.enable needs services.displayManager.autoLogin.user.";
        }
        {
          assertion = !(lightdm.enable && gdm.enable);
          message = "Only one display manager can be enabled.";
        }
      ];
      snowglobe.refused =
        lib.optionalAttrs cfg.sddm.enable { "services.displayManager.sddm.enable" = "use lightdm or gdm"; }
        // lib.optionalAttrs cfg.ly.enable { "services.displayManager.ly.enable" = "use lightdm or gdm"; }
        // lib.optionalAttrs (gdm.banner != null) { "services.displayManager.gdm.banner" = "it is not set up"; };
      # An X server without a display manager gets LightDM, as upstream.
      services.xserver.displayManager.lightdm.enable = lib.mkIf (x.enable && !gdm.enable && !x.displayManager.startx.enable) (lib.mkDefault true);
    }
    (lib.mkIf lightdm.enable {
      snowglobe.system.debianPackages = [ "lightdm" "lightdm-gtk-greeter" ];
      users.users.lightdm = { isSystemUser = true; home = "/var/lib/lightdm"; createHome = true; group = "lightdm"; uid = config.ids.uids.lightdm; };
      users.groups.lightdm.gid = config.ids.gids.lightdm;
      environment.etc = {
        "lightdm/lightdm.conf".text = lightdmConf;
        "lightdm/users.conf".text = ''
          [UserList]
          minimum-uid=1000
          hidden-users=${lib.concatStringsSep " " cfg.hiddenUsers}
          hidden-shells=/run/current-system/sw/bin/nologin
        '';
      };
      security.pam.services = {
        lightdm = { startSession = true; allowNullPassword = true; };
        lightdm-greeter.text = ''
          auth     required pam_succeed_if.so audit quiet_success user = lightdm
          auth     optional pam_permit.so
          account  required pam_succeed_if.so audit quiet_success user = lightdm
          account  sufficient pam_unix.so
          password required pam_deny.so
          session  required pam_succeed_if.so audit quiet_success user = lightdm
          session  required pam_env.so conffile=/etc/pam/environment readenv=0
          session  optional pam_systemd.so
          session  optional pam_keyinit.so force revoke
          session  optional pam_permit.so
        '';
        lightdm-autologin.text = pamAutologin "uid >= 1000 quiet";
      };
      systemd.tmpfiles.rules = [
        "d /run/lightdm 0711 lightdm lightdm -"
        "d /var/cache/lightdm 0711 root lightdm -"
        "d /var/lib/lightdm 1770 lightdm lightdm -"
        "d /var/lib/lightdm-data 1775 lightdm lightdm -"
        "d /var/log/lightdm 0711 root lightdm -"
      ];
      systemd.services.display-manager = {
        description = "Display Manager";
        aliases = [ "lightdm.service" ];
        wantedBy = lib.optional x.autorun "graphical.target";
        after = [ "acpid.service" "systemd-logind.service" "systemd-user-sessions.service" "getty@tty7.service" ];
        conflicts = [ "getty@tty7.service" ];
        restartIfChanged = false;
        environment = cfg.environment;
        preStart = cfg.preStart;
        serviceConfig = {
          Type = "dbus";
          BusName = "org.freedesktop.DisplayManager";
          ExecStart = "/usr/sbin/lightdm";
          Restart = "always";
          RestartSec = "200ms";
          SyslogIdentifier = "display-manager";
          IgnoreSIGPIPE = "no";
          KeyringMode = "shared";
          KillMode = "mixed";
        };
      };
    })
    (lib.mkIf gdm.enable {
      snowglobe.system.debianPackages = [ "gdm3" ];
      users.users.Debian-gdm = { isSystemUser = true; home = "/var/lib/gdm3"; group = "Debian-gdm"; description = "Gnome Display Manager"; };
      users.groups.Debian-gdm = { };
      environment.etc =
        let
          ini = lib.generators.toINI { };
          sections = lib.recursiveUpdate {
            daemon = {
              WaylandEnable = gdm.wayland;
              InitialSetupEnable = false;
            }
            // lib.optionalAttrs cfg.autoLogin.enable (
              if gdm.autoLogin.delay > 0 then
                { TimedLoginEnable = true; TimedLogin = cfg.autoLogin.user; TimedLoginDelay = gdm.autoLogin.delay; }
              else
                { AutomaticLoginEnable = true; AutomaticLogin = cfg.autoLogin.user; }
            );
            debug = lib.optionalAttrs gdm.debug { Enable = true; };
            security = { };
            xdmcp = { };
            chooser = { };
          } gdm.settings;
        in
        {
          "gdm3/daemon.conf".text = ini sections;
          "gdm3/greeter.dconf-defaults".text = lib.optionalString (!gdm.autoSuspend) ''
            [org/gnome/settings-daemon/plugins/power]
            sleep-inactive-ac-type='nothing'
          '';
        }
        // lib.genAttrs [ "gdm3/Init/Default" "gdm3/PreSession/Default" "gdm3/PostSession/Default" ] (_: {
          mode = "0755";
          text = "#!/bin/sh\nexit 0\n";
        });
      security.pam.services = {
        gdm-autologin.text = pamAutologin "user != root quiet_success" + "auth optional pam_gdm.so\n";
        gdm-password = { startSession = true; allowNullPassword = true; };
        gdm-launch-environment.text = ''
          auth     required pam_permit.so
          account  required pam_permit.so
          password required pam_deny.so
          session  required pam_env.so conffile=/etc/pam/environment readenv=0
          session  required pam_unix.so
          session  optional pam_systemd.so
          session  optional pam_keyinit.so force revoke
        '';
      };
      systemd.tmpfiles.rules = [
        "d /var/lib/gdm3 1770 root Debian-gdm -"
        "d /var/log/gdm3 1770 root Debian-gdm -"
        "d /var/cache/gdm3 1770 root Debian-gdm -"
      ];
      systemd.services.gdm = {
        overrideStrategy = "asDropin";
        aliases = [ "display-manager.service" ];
        wantedBy = lib.optional x.autorun "graphical.target";
        environment = cfg.environment;
        serviceConfig.ExecStartPre = [ "" ] ++ lib.optional (cfg.preStart != "") "${pkgs.writeShellScript "display-manager-pre-start" cfg.preStart}";
      };
      # The screen is GDM's.
      systemd.services."getty@tty1".enable = lib.mkDefault false;
      systemd.services."autovt@tty1".enable = lib.mkDefault false;
      systemd.defaultUnit = lib.mkDefault "graphical.target";
      services.accounts-daemon.enable = true;
    })
  ];
}
