# `services.xserver`: the X server, sessions and window managers. Debian's X server finds its
# drivers and fonts itself; the configuration has keyboard, screen and sessions.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.xserver;
  display = config.services.displayManager;
  flag = default: description: mkOption { type = types.bool; inherit default description; };
  lines = description: mkOption { type = types.lines; default = ""; inherit description; };
  text = default: description: mkOption { type = types.str; inherit default description; };

  # Window managers: package and command.
  managers = {
    icewm = { package = pkgs.icewm; command = "icewm-session"; };
    i3 = { package = pkgs.i3; command = "i3"; };
    openbox = { package = pkgs.openbox; command = "openbox-session"; };
    fluxbox = { package = pkgs.fluxbox; command = "startfluxbox"; };
    awesome = { package = pkgs.awesome; command = "awesome"; };
    twm = { package = pkgs.xorg.twm; command = "twm"; };
    jwm = { package = pkgs.jwm; command = "jwm"; };
    bspwm = { package = pkgs.bspwm; command = "bspwm"; };
    herbstluftwm = { package = pkgs.herbstluftwm; command = "herbstluftwm"; };
    spectrwm = { package = pkgs.spectrwm; command = "spectrwm"; };
    ratpoison = { package = pkgs.ratpoison; command = "ratpoison"; };
    windowmaker = { package = pkgs.windowmaker; command = "wmaker"; };
    fvwm3 = { package = pkgs.fvwm3; command = "fvwm3"; };
    qtile = { package = pkgs.qtile; command = "qtile start"; };
    dwm = { package = pkgs.dwm; command = "dwm"; };
  };
  enabledManagers = lib.filter (name: cfg.windowManager.${name}.enable) (lib.attrNames managers);

  # What runs in a session: variables and commands of the configuration, then the session, within a
  # user target that `wait_for_x` looks for.
  sessionScript = name: command: pkgs.writeShellScript "xsession-${lib.strings.sanitizeDerivationName name}" ''
    . /etc/profile
    export XDG_SESSION_TYPE=x11
    ${cfg.displayManager.sessionCommands}
    ${lib.optionalString (cfg.autoRepeatDelay != null || cfg.autoRepeatInterval != null)
      "xset r rate ${toString (if cfg.autoRepeatDelay == null then 660 else cfg.autoRepeatDelay)} ${toString (if cfg.autoRepeatInterval == null then 25 else 1000 / cfg.autoRepeatInterval)}"}
    systemctl --user import-environment ${toString (lib.unique ([ "DISPLAY" "XAUTHORITY" "PATH" "XDG_SESSION_ID" "XDG_SESSION_TYPE" "XDG_CURRENT_DESKTOP" ] ++ cfg.displayManager.importedVariables))} || true
    if command -v dbus-update-activation-environment > /dev/null; then
      dbus-update-activation-environment ${if cfg.updateDbusEnvironment then "--all" else "DISPLAY XAUTHORITY"} || true
    fi
    systemctl --user start nixos-fake-graphical-session.target || true
    if [ -x "$HOME/.xprofile" ]; then . "$HOME/.xprofile"; fi
    ${command}
    systemctl --user stop nixos-fake-graphical-session.target || true
  '';

  extraSessions = cfg.displayManager.session;
  desktops = lib.filter (session: session.manage == "desktop") extraSessions;
  windows = lib.filter (session: session.manage == "window") extraSessions ++ map (name: {
    inherit name;
    start = "${lib.optionalString (name == "i3") cfg.windowManager.i3.extraSessionCommands}\n${managers.${name}.command}${lib.optionalString (name == "i3" && cfg.windowManager.i3.configFile != null) " -c ${toString cfg.windowManager.i3.configFile}"} & waitPID=$!";
  }) enabledManagers;

  # What a session shows of itself, where its parts say so.
  described = name: parts: {
    inherit name;
    prettyName = lib.findFirst (text: text != "") name (map (part: part.prettyName or "") parts);
    desktopNames = lib.findFirst (names: names != [ ]) [ name ] (map (part: part.desktopNames or [ ]) parts);
  };
  scripts =
    map (window: described "none+${window.name}" [ window ] // { command = "${autostart}${window.start}\n[ -n \"$waitPID\" ] && wait \"$waitPID\""; }) windows
    ++ map (desktop: described desktop.name [ desktop ] // { command = "${desktop.start}\n[ -n \"$waitPID\" ] && wait \"$waitPID\""; }) desktops
    ++ lib.concatMap (
      desktop:
      map (window: described "${desktop.name}+${window.name}" [ desktop window ] // {
        command = "${window.start}\n${desktop.start}\n[ -n \"$waitPID\" ] && wait \"$waitPID\"";
      }) windows
    ) desktops;

  # Entries of /etc/xdg/autostart, by systemd's units for them.
  autostart = lib.optionalString cfg.desktopManager.runXdgAutostartIfNone "systemctl --user start xdg-desktop-autostart.target || true\n";

  sessionFiles = pkgs.linkFarm "desktops" (
    map (session: {
      name = "share/xsessions/${session.name}.desktop";
      path = pkgs.writeText "session.desktop" ''
        [Desktop Entry]
        Version=1.0
        Type=XSession
        TryExec=${sessionScript session.name session.command}
        Exec=${sessionScript session.name session.command}
        Name=${session.prettyName}
        DesktopNames=${lib.concatStringsSep ";" session.desktopNames}
      '';
    }) scripts
  );

  unsupportedDesktops = [ "plasma5" "kodi" "enlightenment" "cinnamon" "pantheon" "deepin" "budgie" "cde" "phosh" "retroarch" ];
in
{
  imports = [
    ./display-managers.nix
    ./gnome.nix
    (lib.mkRenamedOptionModule [ "services" "xserver" "layout" ] [ "services" "xserver" "xkb" "layout" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "xkbModel" ] [ "services" "xserver" "xkb" "model" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "xkbOptions" ] [ "services" "xserver" "xkb" "options" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "xkbVariant" ] [ "services" "xserver" "xkb" "variant" ])
  ];

  options.services.xserver = {
    enable = flag false "Whether there is an X server.";
    autorun = flag true "Whether the display manager is started when the machine boots.";
    exportConfiguration = flag false "Without effect: the configuration is in /etc/X11 anyway.";
    enableTCP = flag false "Not supported: X over the network.";
    autoRepeatDelay = mkOption { type = types.nullOr types.int; default = null; description = "Milliseconds before a key repeats."; };
    autoRepeatInterval = mkOption { type = types.nullOr types.int; default = null; description = "Milliseconds between repetitions."; };
    inputClassSections = mkOption { type = types.listOf types.lines; default = [ ]; description = "Sections `InputClass`."; };
    modules = mkOption { type = types.listOf types.path; default = [ ]; description = "Not supported: drivers that are not Debian's."; };
    videoDrivers = mkOption { type = types.listOf types.str; default = [ "modesetting" ]; description = "Drivers of the screen."; };
    videoDriver = mkOption { type = types.nullOr types.str; default = null; description = "Driver of the screen."; };
    resolutions = mkOption { type = types.listOf types.attrs; default = [ ]; description = "Sizes of the screen, the first one that works."; };
    defaultDepth = mkOption { type = types.int; default = 0; description = "Bits per pixel; 0: as it is."; };
    dpi = mkOption { type = types.nullOr types.int; default = null; description = "Pixels per inch."; };
    virtualScreen = mkOption { type = types.nullOr types.attrs; default = null; description = "Size of the virtual screen."; };
    config = lines "Text of xorg.conf.";
    extraConfig = lines "Text at the end of xorg.conf.";
    serverFlagsSection = lines "Text of the section `ServerFlags`.";
    moduleSection = lines "Text of the section `Module`.";
    deviceSection = lines "Text of the section `Device`.";
    screenSection = lines "Text of the section `Screen`.";
    monitorSection = lines "Text of the section `Monitor`.";
    serverLayoutSection = lines "Text of the section `ServerLayout`.";
    xrandrHeads = mkOption { type = types.listOf types.unspecified; default = [ ]; description = "Not supported: a machine has one screen."; };
    excludePackages = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages that are left out of `environment.systemPackages`: xterm."; };
    verbose = mkOption { type = types.nullOr types.int; default = 3; description = "How much the server logs."; };
    enableCtrlAltBackspace = flag false "Whether Ctrl-Alt-Backspace ends the server.";
    terminateOnReset = flag true "Whether the server ends with the last client.";
    tty = mkOption { type = types.nullOr types.int; default = 7; description = "Virtual terminal."; };
    display = mkOption { type = types.nullOr types.int; default = 0; description = "Number of the display."; };
    updateDbusEnvironment = flag false "Whether variables are given to D-Bus.";
    wacom.enable = flag false "Not supported.";
    synaptics.enable = flag false "Not supported.";
    libinput.enable = flag true "Whether input devices are used by libinput.";
    xkb = {
      layout = text "us" "Layout of the keyboard.";
      model = text "pc104" "Model of the keyboard.";
      options = mkOption { type = types.commas; default = "terminate:ctrl_alt_bksp"; description = "Options of the keyboard."; };
      variant = text "" "Variant of the layout.";
      dir = mkOption { type = types.path; default = "/usr/share/X11/xkb"; internal = true; description = "Where layouts are."; };
      extraLayouts = mkOption { type = types.attrsOf types.unspecified; default = { }; description = "Not supported."; };
    };
    serverArguments = mkOption {
      type = types.str;
      internal = true;
      default = "-nolisten tcp" + lib.optionalString (!cfg.terminateOnReset) " -noreset" + lib.optionalString (cfg.dpi != null) " -dpi ${toString cfg.dpi}" + lib.optionalString (cfg.verbose != null) " -logverbose ${toString cfg.verbose}";
      description = "Arguments of the X server.";
    };
    displayManager = {
      sessionCommands = lines "Shell commands at the start of every session.";
      setupCommands = lines "Shell commands before the login screen.";
      importedVariables = mkOption { type = types.listOf types.str; default = [ ]; description = "Variables that the user's systemd gets."; };
      session = mkOption {
        type = types.listOf (types.submodule {
          options = {
            manage = mkOption { type = types.enum [ "desktop" "window" ]; description = "What the session is."; };
            name = mkOption { type = types.str; description = "Name."; };
            start = mkOption { type = types.lines; description = "Shell commands that start it; `waitPID` is waited for."; };
            bgSupport = mkOption { type = types.bool; default = false; internal = true; description = "Unused."; };
            prettyName = mkOption { type = types.str; default = ""; description = "Name that is shown."; };
            desktopNames = mkOption { type = types.listOf types.str; default = [ ]; description = "XDG_CURRENT_DESKTOP."; };
          };
        });
        default = [ ];
        description = "Sessions that one can choose.";
      };
      startx.enable = flag false "Whether X is started by users with `startx`, without a display manager.";
      slim.enable = flag false "Not supported.";
    };
    windowManager = lib.mapAttrs (
      name: manager:
      {
        enable = flag false "Whether there are sessions with ${name}.";
        package = mkOption { type = types.package; default = manager.package; description = "The package of ${name}."; };
        extraPackages = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages for sessions with ${name}."; };
      }
      // lib.optionalAttrs (name == "i3") {
        configFile = mkOption { type = types.nullOr types.path; default = null; description = "i3's configuration."; };
        extraSessionCommands = lines "Shell commands before i3.";
      }
    ) managers
    // {
      session = mkOption { type = types.listOf types.attrs; default = [ ]; description = "Further window managers: `name` and `start`."; };
      default = mkOption { type = types.nullOr types.str; default = null; description = "Old form of services.displayManager.defaultSession."; };
    };
    desktopManager = {
      default = mkOption { type = types.nullOr types.str; default = null; description = "Old form of services.displayManager.defaultSession."; };
      session = mkOption { type = types.listOf types.attrs; default = [ ]; description = "Further desktops: `name` and `start`."; };
      runXdgAutostartIfNone = flag false "Whether autostart items run in sessions without a desktop.";
      xterm.enable = flag (cfg.enable && lib.versionOlder config.system.stateVersion "19.09") "Whether there is a session of one xterm.";
      xfce = {
        enable = flag false "Whether there is Xfce.";
        enableXfwm = flag true "Whether Xfce has its own window manager; if not, a session needs another one beside it.";
        noDesktop = flag false "Whether Xfce has no desktop.";
        enableScreensaver = flag true "Whether Xfce has a screen saver.";
      };
      lxqt.enable = flag false "Whether there is LXQt.";
      mate.enable = flag false "Whether there is MATE.";
      wallpaper.mode = text "scale" "Without effect: there is no wallpaper.";
      wallpaper.combineScreens = flag false "Without effect: there is no wallpaper.";
    }
    // lib.genAttrs unsupportedDesktops (name: { enable = flag false "Not supported: ${name}."; });
  };

  config = lib.mkIf cfg.enable {
    snowglobe.refused =
      lib.listToAttrs (map (name: lib.nameValuePair "services.xserver.desktopManager.${name}.enable" "it is not set up") (
        lib.filter (name: cfg.desktopManager.${name}.enable) unsupportedDesktops
      ))
      // lib.optionalAttrs cfg.enableTCP { "services.xserver.enableTCP" = "X is for the machine itself"; }
      // lib.optionalAttrs (cfg.xrandrHeads != [ ]) { "services.xserver.xrandrHeads" = "a machine has one screen"; }
      // lib.optionalAttrs (cfg.modules != [ ]) { "services.xserver.modules" = "drivers are those of Debian's packages"; }
      // lib.optionalAttrs cfg.wacom.enable { "services.xserver.wacom.enable" = "a machine has no such tablet"; }
      // lib.optionalAttrs cfg.synaptics.enable { "services.xserver.synaptics.enable" = "a machine has no touchpad"; }
      // lib.optionalAttrs (cfg.xkb.extraLayouts != { }) { "services.xserver.xkb.extraLayouts" = "layouts are Debian's"; }
      // lib.optionalAttrs cfg.displayManager.slim.enable { "services.xserver.displayManager.slim.enable" = "Debian has no SLiM"; };

    services.xserver.displayManager.session =
      cfg.windowManager.session
      ++ lib.optional cfg.desktopManager.xterm.enable { manage = "desktop"; name = "xterm"; start = "xterm -ls & waitPID=$!"; }
      ++ lib.optional cfg.desktopManager.xfce.enable { manage = "desktop"; name = "xfce"; start = "startxfce4 & waitPID=$!"; }
      ++ lib.optional cfg.desktopManager.lxqt.enable { manage = "desktop"; name = "lxqt"; start = "startlxqt & waitPID=$!"; }
      ++ lib.optional cfg.desktopManager.mate.enable { manage = "desktop"; name = "mate"; start = "mate-session & waitPID=$!"; }
      ++ cfg.desktopManager.session;

    services.displayManager.sessionFolder = sessionFiles;
    services.displayManager.sessionNames = map (session: session.name) scripts;
    services.displayManager.defaultSession =
      let
        old = lib.filter (name: name != null && name != "none") [ cfg.desktopManager.default ];
        window = cfg.windowManager.default;
      in
      lib.mkIf (old != [ ] || (window != null && window != "none")) (
        lib.mkDefault (
          if window == null || window == "none" then lib.head old else if old == [ ] then "none+${window}" else "${lib.head old}+${window}"
        )
      );

    snowglobe.system.debianPackages = [
      "xserver-xorg-core" "xserver-xorg-input-libinput" "xinit" "xauth" "x11-xserver-utils" "x11-utils" "xkb-data" "x11-xkb-utils"
      "fonts-dejavu-core" "fontconfig" "libgl1-mesa-dri" "dbus-user-session"
    ]
    ++ lib.optionals cfg.desktopManager.xfce.enable (
      [ "xfce4-session" "xfce4-panel" "xfce4-settings" "thunar" ]
      ++ lib.optional cfg.desktopManager.xfce.enableXfwm "xfwm4"
      ++ lib.optional (!cfg.desktopManager.xfce.noDesktop) "xfdesktop4"
      ++ lib.optional cfg.desktopManager.xfce.enableScreensaver "xfce4-screensaver"
    )
    ++ lib.optionals cfg.desktopManager.lxqt.enable [ "lxqt-core" ]
    ++ lib.optionals cfg.desktopManager.mate.enable [ "mate-session-manager" "mate-panel" "marco" "caja" ];

    environment.systemPackages =
      lib.subtractLists cfg.excludePackages [ pkgs.xterm ]
      ++ lib.concatMap (name: [ cfg.windowManager.${name}.package ] ++ cfg.windowManager.${name}.extraPackages) enabledManagers
      ++ [ sessionFiles ];
    environment.pathsToLink = [ "/share/xsessions" "/share/wayland-sessions" ];
    environment.sessionVariables.XDG_DATA_DIRS = lib.mkAfter [ "/usr/local/share" "/usr/share" ];

    boot.kernelModules = [ "virtio_gpu" "bochs" "evdev" "virtio_input" "usbhid" "psmouse" ];
    snowglobe.devices = [ "input" "drm" "graphics" ];

    environment.etc = {
      "X11/xorg.conf.d/00-keyboard.conf".text = ''
        Section "InputClass"
          Identifier "Keyboard catchall"
          MatchIsKeyboard "on"
          Option "XkbModel" "${cfg.xkb.model}"
          Option "XkbLayout" "${cfg.xkb.layout}"
          Option "XkbOptions" "${cfg.xkb.options}"
          Option "XkbVariant" "${cfg.xkb.variant}"
        EndSection
      '';
      "X11/xorg.conf.d/10-snowglobe.conf".text = ''
        Section "ServerFlags"
          ${lib.optionalString (!cfg.enableCtrlAltBackspace) "Option \"DontZap\" \"on\""}
          Option "BlankTime" "0"
          Option "StandbyTime" "0"
          Option "SuspendTime" "0"
          Option "OffTime" "0"
          ${cfg.serverFlagsSection}
        EndSection
        Section "Module"
          ${cfg.moduleSection}
        EndSection
        Section "Monitor"
          Identifier "Monitor[0]"
          ${cfg.monitorSection}
        EndSection
        Section "Device"
          Identifier "Device-modesetting[0]"
          Driver "${if cfg.videoDriver != null then cfg.videoDriver else lib.head cfg.videoDrivers}"
          ${cfg.deviceSection}
        EndSection
        Section "Screen"
          Identifier "Screen-modesetting[0]"
          Device "Device-modesetting[0]"
          Monitor "Monitor[0]"
          ${lib.optionalString (cfg.defaultDepth != 0) "DefaultDepth ${toString cfg.defaultDepth}"}
          SubSection "Display"
            ${lib.optionalString (cfg.resolutions != [ ]) "Modes ${
              lib.concatMapStringsSep " " (size: "\"${toString size.x}x${toString size.y}\"") cfg.resolutions
            }"}
            ${lib.optionalString (cfg.virtualScreen != null) "Virtual ${toString cfg.virtualScreen.x} ${toString cfg.virtualScreen.y}"}
          EndSubSection
          ${cfg.screenSection}
        EndSection
        ${lib.optionalString (cfg.serverLayoutSection != "") ''
          Section "ServerLayout"
            Identifier "Layout[all]"
            Screen "Screen-modesetting[0]"
            ${cfg.serverLayoutSection}
          EndSection
        ''}
        ${lib.concatMapStrings (text: "Section \"InputClass\"\n${text}\nEndSection\n") cfg.inputClassSections}
        ${cfg.config}
        ${cfg.extraConfig}
      '';
    };

    systemd.defaultUnit = lib.mkIf cfg.autorun (lib.mkDefault "graphical.target");

    systemd.user.targets.nixos-fake-graphical-session = {
      description = "fake graphical-session target for non-systemd-aware sessions";
      bindsTo = [ "graphical-session.target" ];
      wants = [ "graphical-session-pre.target" ];
    };

    hardware.graphics.enable = lib.mkDefault true;
    fonts.enableDefaultPackages = lib.mkDefault true;
    security.polkit.enable = lib.mkDefault true;
    services.dbus.enable = true;
  };
}
