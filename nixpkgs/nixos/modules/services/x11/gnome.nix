# `services.desktopManager.gnome`: GNOME on Debian's packages.
#
# A machine has nobody who would look at a tour: the overview stays closed at login, and the screen
# is neither blanked nor locked, else a test would look at a black screen.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.desktopManager.gnome;
  flag = default: description: mkOption { type = types.bool; inherit default description; };

  identifier = "no-overview@snowglobe";
  extension = pkgs.linkFarm "gnome-shell-extension-no-overview" [
    {
      name = "share/gnome-shell/extensions/${identifier}/metadata.json";
      path = pkgs.writeText "metadata.json" (builtins.toJSON {
        uuid = identifier;
        name = "No overview at login";
        description = "Keeps the overview closed when a session starts.";
        shell-version = [ "48" "49" ];
        version = 1;
      });
    }
    {
      name = "share/gnome-shell/extensions/${identifier}/extension.js";
      path = pkgs.writeText "extension.js" ''
        import * as Main from 'resource:///org/gnome/shell/ui/main.js';
        import {Extension} from 'resource:///org/gnome/shell/extensions/extension.js';

        // The shell opens the overview at login only if the session mode has one. It gets it back
        // as soon as the login is over.
        export default class NoOverview extends Extension {
          enable() {
            if (!Main.layoutManager._startingUp)
              return;
            this._had = Main.sessionMode.hasOverview;
            Main.sessionMode.hasOverview = false;
            this._signal = Main.layoutManager.connect('startup-complete', () => this._restore());
          }

          disable() {
            this._restore();
          }

          _restore() {
            if (this._signal === undefined)
              return;
            Main.layoutManager.disconnect(this._signal);
            this._signal = undefined;
            Main.sessionMode.hasOverview = this._had;
          }
        }
      '';
    }
  ];

  # Services of a session for hardware that a machine does not have. Each is a program that GNOME
  # would start at login, seconds of it under emulation.
  idleServices =
    map (name: "org.gnome.SettingsDaemon.${name}") [
      "Color" "PrintNotifications" "Rfkill" "Sharing" "Smartcard" "Sound" "UsbProtection" "Wacom" "Wwan"
    ]
    ++ map (name: "gvfs-${name}-volume-monitor") [ "afc" "goa" "gphoto2" "mtp" "udisks2" ];
  # Programs ask portals for settings when they start, and wait for the answer.
  portals = [ "xdg-desktop-portal" "xdg-desktop-portal-gnome" "xdg-desktop-portal-gtk" ];

  defaults = ''
    [org/gnome/shell]
    enabled-extensions=['${identifier}'${lib.concatMapStrings (name: ", '${name}'") cfg.enabledExtensions}]
    welcome-dialog-last-shown-version='9999'

    [org/gnome/desktop/session]
    idle-delay=uint32 0

    [org/gnome/desktop/screensaver]
    lock-enabled=false
    idle-activation-enabled=false

    [org/gnome/settings-daemon/plugins/power]
    sleep-inactive-ac-type='nothing'
    sleep-inactive-battery-type='nothing'
  '';
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "xserver" "desktopManager" "gnome" "enable" ] [ "services" "desktopManager" "gnome" "enable" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "desktopManager" "gnome" "debug" ] [ "services" "desktopManager" "gnome" "debug" ])
    (lib.mkRenamedOptionModule [ "services" "xserver" "desktopManager" "gnome3" "enable" ] [ "services" "desktopManager" "gnome" "enable" ])
  ];

  options = {
    services.desktopManager.gnome = {
      enable = flag false "Whether there is GNOME.";
      debug = flag false "Whether GNOME's session logs everything.";
      enabledExtensions = mkOption { type = types.listOf types.str; default = [ ]; internal = true; description = "Further extensions that are on."; };
      extraGSettingsOverrides = mkOption { type = types.lines; default = ""; description = "Not supported: further defaults of settings."; };
      extraGSettingsOverridePackages = mkOption { type = types.listOf types.path; default = [ ]; description = "Not supported."; };
      sessionPath = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages whose data the session sees."; };
    };
    environment.gnome.excludePackages = mkOption { type = types.listOf types.package; default = [ ]; description = "Applications that are left out: none comes by itself here."; };
    services.gnome = lib.genAttrs [ "core-shell" "core-os-services" "core-apps" "core-utilities" "core-developer-tools" "games" "gnome-initial-setup" "tinysparql" "localsearch" "evolution-data-server" "gnome-online-accounts" "gnome-remote-desktop" "gnome-browser-connector" "gnome-user-share" "rygel" "sushi" "gnome-settings-daemon" "at-spi2-core" "glib-networking" "gcr-ssh-agent" ] (
      name: { enable = flag false "Without effect: GNOME's ${name} comes with Debian's packages or not at all."; }
    )
    // {
      gnome-keyring.enable = flag false "Whether there is GNOME's keyring.";
    };
    xdg.portal = {
      enable = flag false "Whether programs can use desktop portals in GNOME. (On by default upstream; under emulation they take longer to start than programs wait for.)";
      extraPortals = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages with further portals."; };
      config = mkOption { type = types.attrsOf (types.attrsOf (types.either types.str (types.listOf types.str))); default = { }; description = "Sections of portals.conf: which portal answers for what, by desktop (`common`: every one)."; };
    };
    services.accounts-daemon.enable = flag false "Whether AccountsService runs when it is asked.";
  };

  config = lib.mkMerge [
    (lib.mkIf config.xdg.portal.enable {
      snowglobe.system.debianPackages = [ "xdg-desktop-portal" ];
      environment.systemPackages = config.xdg.portal.extraPortals;
      environment.pathsToLink = [ "/share/xdg-desktop-portal" ];
      environment.etc = lib.mapAttrs' (
        desktop: preferred:
        lib.nameValuePair "xdg/xdg-desktop-portal/${lib.optionalString (desktop != "common") "${desktop}-"}portals.conf" {
          text = lib.generators.toINI { } { inherit preferred; };
        }
      ) (lib.mapAttrs (_: lib.mapAttrs (_: value: lib.concatStringsSep ";" (lib.toList value))) config.xdg.portal.config);
    })
    (lib.mkIf config.services.accounts-daemon.enable { snowglobe.system.debianPackages = [ "accountsservice" ]; })
    (lib.mkIf config.services.gnome.gnome-keyring.enable {
      snowglobe.system.debianPackages = [ "gnome-keyring" "libpam-gnome-keyring" ];
      security.pam.services.login.enableGnomeKeyring = true;
    })
    (lib.mkIf cfg.enable {
      snowglobe.refused =
        lib.optionalAttrs (cfg.extraGSettingsOverrides != "" || cfg.extraGSettingsOverridePackages != [ ]) {
          "services.desktopManager.gnome.extraGSettingsOverrides" = "use programs.dconf or settings in the test script";
        };

      snowglobe.system.debianPackages = [
        "gnome-shell" "gnome-session" "gnome-settings-daemon" "dbus-user-session" "libgl1-mesa-dri" "libpam-systemd" "dconf-cli"
        "dconf-gsettings-backend" "adwaita-icon-theme" "fonts-cantarell" "fonts-dejavu-core" "xwayland" "gsettings-desktop-schemas"
      ];
      environment.systemPackages = [ extension pkgs.gnome-session pkgs.glib ] ++ cfg.sessionPath;
      environment.sessionVariables.XDG_DATA_DIRS = lib.mkAfter [ "/usr/local/share" "/usr/share" ];

      security.polkit.enable = true;
      hardware.graphics.enable = lib.mkDefault true;
      users.users.geoclue = { isSystemUser = true; group = "geoclue"; home = "/var/lib/geoclue"; };
      users.groups.geoclue = { };
      users.users.colord = { isSystemUser = true; group = "colord"; home = "/var/lib/colord"; };
      users.groups.colord = { };
      users.users.rtkit = { isSystemUser = true; group = "rtkit"; };
      users.groups.rtkit = { };

      boot.kernelModules = [ "virtio_gpu" "bochs" "evdev" "virtio_input" "usbhid" ];
      snowglobe.devices = [ "input" "drm" "graphics" ];

      # dconf's defaults are a binary file, compiled where dconf is.
      environment.etc = {
        "dconf/profile/user".text = "user-db:user\nsystem-db:local\n";
        "dconf/db/local.d/00-snowglobe".text = defaults;
      };
      system.activationScripts.dconf.text = "/usr/bin/dconf compile /etc/dconf/db/local /etc/dconf/db/local.d";

      # A virtual screen has no profile of its colours.
      systemd.services.colord.enable = false;
      systemd.user.services = lib.genAttrs (idleServices ++ lib.optionals (!config.xdg.portal.enable) portals) (_: { enable = false; });

      # A desktop needs its time under emulation.
      systemd.user.settings.Manager.DefaultTimeoutStartSec = lib.mkForce "900s";
      systemd.settings.Manager.DefaultTimeoutStartSec = lib.mkForce "900s";
    })
  ];
}
