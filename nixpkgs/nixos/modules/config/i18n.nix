# `i18n`, `time`, `location` and `console`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  locale = config.i18n.defaultLocale;
  builtIn = [ "C" "C.UTF-8" "C.utf8" "POSIX" ];
  used = [ locale ] ++ lib.attrValues config.i18n.extraLocaleSettings;
in
{
  options = {
    i18n = {
      defaultLocale = mkOption {
        type = types.str;
        default = "C.UTF-8";
        description = "Language and format. (Upstream: en_US.UTF-8; any but C.UTF-8 installs Debian's locales-all.)";
      };
      extraLocaleSettings = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = { LC_TIME = "de_DE.UTF-8"; };
        description = "Language and format of particular things.";
      };
      supportedLocales = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Locales that are there: all of Debian's, if one besides C.UTF-8 is named.";
      };
      defaultCharset = mkOption { type = types.str; default = "UTF-8"; description = "Only UTF-8 has a meaning here."; };
      glibcLocales = mkOption { type = types.package; default = pkgs.glibcLocales; internal = true; description = "The locales."; };
      inputMethod = mkOption { type = types.submodule { freeformType = types.attrsOf types.unspecified; }; default = { }; description = "Not supported."; };
    };
    time = {
      timeZone = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "Europe/Berlin";
        description = "Time zone; null: UTC, and it may be changed in the machine.";
      };
      hardwareClockInLocalTime = mkOption { type = types.bool; default = false; description = "Not supported."; };
    };
    location = {
      latitude = mkOption { type = types.float; description = "Without effect: nothing in a machine asks where it stands."; };
      longitude = mkOption { type = types.float; description = "Without effect: nothing in a machine asks where it stands."; };
      provider = mkOption { type = types.enum [ "manual" "geoclue2" ]; default = "manual"; description = "Without effect: nothing in a machine asks where it stands."; };
    };
    console = {
      enable = mkOption { type = types.bool; default = true; description = "Whether virtual terminals are set up."; };
      font = mkOption { type = types.nullOr (types.either types.str types.path); default = null; description = "Font of virtual terminals."; };
      keyMap = mkOption { type = types.either types.str types.path; default = "us"; description = "Keyboard of virtual terminals."; };
      colors = mkOption { type = types.listOf types.str; default = [ ]; description = "Not supported."; };
      packages = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages with fonts and key maps."; };
      useXkbConfig = mkOption { type = types.bool; default = false; description = "Not supported: the keyboard of X in virtual terminals."; };
      earlySetup = mkOption { type = types.bool; default = false; description = "Not supported."; };
    };
  };

  config = {
    snowglobe.refused =
      lib.optionalAttrs (config.i18n.inputMethod != { }) { "i18n.inputMethod" = "input methods are not set up"; }
      // lib.optionalAttrs (config.i18n.defaultCharset != "UTF-8") { "i18n.defaultCharset" = "only UTF-8 is supported"; }
      // lib.optionalAttrs config.time.hardwareClockInLocalTime { "time.hardwareClockInLocalTime" = "the machine's clock is in UTC"; }
      // lib.optionalAttrs (config.console.colors != [ ]) { "console.colors" = "colours of virtual terminals are not set up"; }
      // lib.optionalAttrs config.console.useXkbConfig { "console.useXkbConfig" = "set console.keyMap"; }
      // lib.optionalAttrs config.console.earlySetup { "console.earlySetup" = "virtual terminals are set up by systemd"; };

    environment.sessionVariables = { LANG = locale; } // config.i18n.extraLocaleSettings;
    systemd.globalEnvironment = { LANG = lib.mkDefault locale; } // config.i18n.extraLocaleSettings;

    environment.etc = {
      "locale.conf".text = lib.concatStrings (
        lib.mapAttrsToList (name: value: "${name}=${value}\n") ({ LANG = locale; } // config.i18n.extraLocaleSettings)
      );
      zoneinfo = { source = "/usr/share/zoneinfo"; mode = "direct-symlink"; };
      localtime = {
        source = "/usr/share/zoneinfo/${if config.time.timeZone == null then "UTC" else config.time.timeZone}";
        mode = "direct-symlink";
      };
      "vconsole.conf".text = "KEYMAP=${toString config.console.keyMap}\n${
        lib.optionalString (config.console.font != null) "FONT=${toString config.console.font}\n"
      }";
    };

    snowglobe.system.debianPackages =
      lib.optional (lib.any (name: !(lib.elem name builtIn)) used || config.i18n.supportedLocales != [ ]) "locales-all"
      ++ lib.optional (config.time.timeZone != null && config.time.timeZone != "UTC") "tzdata"
      ++ lib.optionals (config.console.keyMap != "us" || config.console.font != null) [ "kbd" "console-data" ];

    # chvt, fgconsole, loadkeys and the like.
    environment.systemPackages = lib.mkIf config.console.enable [ pkgs.kbd ];

    # Debian's systemd has no unit that sets the keyboard: this is upstream's, for keyboards other
    # than the kernel's own.
    systemd.services.systemd-vconsole-setup = lib.mkIf (config.console.enable && (config.console.keyMap != "us" || config.console.font != null)) {
      description = "Virtual Console Setup";
      wantedBy = [ "sysinit.target" ];
      before = [ "sysinit.target" "shutdown.target" "getty@tty1.service" ];
      conflicts = [ "shutdown.target" ];
      unitConfig.DefaultDependencies = false;
      unitConfig.ConditionPathExists = "/dev/tty0";
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart =
          [ "-/usr/bin/loadkeys -q -C /dev/tty0 -u ${toString config.console.keyMap}" ]
          ++ lib.optional (config.console.font != null) "-/usr/bin/setfont -C /dev/tty0 ${toString config.console.font}";
      };
    };
  };
}
