# `fonts`, `hardware.graphics`, sound.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  flag = default: description: mkOption { type = types.bool; inherit default description; };
  pulse = config.services.pulseaudio;
  pipewire = config.services.pipewire;
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "fonts" "fonts" ] [ "fonts" "packages" ])
    (lib.mkRenamedOptionModule [ "hardware" "opengl" "enable" ] [ "hardware" "graphics" "enable" ])
    (lib.mkRenamedOptionModule [ "hardware" "pulseaudio" "enable" ] [ "services" "pulseaudio" "enable" ])
    (lib.mkRenamedOptionModule [ "hardware" "pulseaudio" "systemWide" ] [ "services" "pulseaudio" "systemWide" ])
  ];
  options = {
    fonts = {
      packages = mkOption { type = types.listOf types.path; default = [ ]; description = "Fonts: Debian's packages put them in /usr/share/fonts."; };
      enableDefaultPackages = flag false "Whether usual fonts are installed.";
      fontconfig = {
        enable = flag true "Whether fonts are configured: by Debian's fontconfig.";
        localConf = mkOption { type = types.lines; default = ""; description = "Text of /etc/fonts/local.conf."; };
        defaultFonts = lib.genAttrs [ "monospace" "sansSerif" "serif" "emoji" ] (
          kind: mkOption { type = types.listOf types.str; default = [ ]; description = "Fonts for ${kind}."; }
        );
      };
    };
    hardware.graphics = {
      enable = flag false "Whether programs can draw with OpenGL.";
      enable32Bit = mkOption { type = types.bool; default = false; description = "Not supported: programs of 32 bits."; };
      extraPackages = mkOption { type = types.listOf types.package; default = [ ]; description = "Further drivers."; };
    };
    hardware.bluetooth.enable = flag false "Not supported.";
    sound = {
      enable = flag false "Whether there is sound.";
      extraConfig = mkOption { type = types.lines; default = ""; description = "Text of /etc/asound.conf."; };
    };
    services.pulseaudio = {
      enable = flag false "Whether PulseAudio runs.";
      systemWide = flag false "Not supported: PulseAudio for the system.";
    };
    services.pipewire = {
      enable = flag false "Whether PipeWire runs.";
      alsa.enable = flag false "Whether programs for ALSA play over PipeWire.";
      pulse.enable = flag false "Whether programs for PulseAudio play over PipeWire.";
      wireplumber.enable = flag pipewire.enable "Whether WirePlumber runs.";
    };
    security.rtkit.enable = flag false "Whether programs may ask for real-time priority.";
  };

  config = {
    snowglobe.refused =
      lib.optionalAttrs config.hardware.bluetooth.enable { "hardware.bluetooth.enable" = "a machine has no radio"; }
      // lib.optionalAttrs config.hardware.graphics.enable32Bit { "hardware.graphics.enable32Bit" = "programs are for x86_64"; }
      // lib.optionalAttrs pulse.systemWide { "services.pulseaudio.systemWide" = "PulseAudio runs for each user"; };

    snowglobe.system.debianPackages =
      lib.optional config.hardware.graphics.enable "libgl1-mesa-dri"
      ++ lib.optionals config.fonts.enableDefaultPackages [ "fonts-dejavu-core" "fontconfig" ]
      ++ lib.optionals config.sound.enable [ "alsa-utils" ]
      ++ lib.optionals pulse.enable [ "pulseaudio" "pulseaudio-utils" ]
      ++ lib.optionals pipewire.enable ([ "pipewire" "pipewire-bin" ] ++ lib.optional pipewire.pulse.enable "pipewire-pulse" ++ lib.optional pipewire.alsa.enable "pipewire-alsa" ++ lib.optional pipewire.wireplumber.enable "wireplumber")
      ++ lib.optional config.security.rtkit.enable "rtkit";

    environment.systemPackages = config.fonts.packages ++ config.hardware.graphics.extraPackages;

    environment.etc = {
      "asound.conf" = lib.mkIf (config.sound.extraConfig != "") { text = config.sound.extraConfig; };
      "fonts/local.conf" = lib.mkIf (config.fonts.fontconfig.localConf != "" || lib.any (list: list != [ ]) (lib.attrValues config.fonts.fontconfig.defaultFonts)) {
        text =
          if config.fonts.fontconfig.localConf != "" then
            config.fonts.fontconfig.localConf
          else
            ''
              <?xml version="1.0"?>
              <!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
              <fontconfig>
              ${lib.concatStrings (
                lib.mapAttrsToList (
                  kind: names:
                  lib.optionalString (names != [ ]) "<alias binding=\"same\"><family>${
                    { monospace = "monospace"; sansSerif = "sans-serif"; serif = "serif"; emoji = "emoji"; }.${kind}
                  }</family><prefer>${lib.concatMapStrings (name: "<family>${name}</family>") names}</prefer></alias>\n"
                ) config.fonts.fontconfig.defaultFonts
              )}
              </fontconfig>
            '';
      };
    };

    users.users = lib.mkIf config.security.rtkit.enable { rtkit = { isSystemUser = true; group = "rtkit"; }; };
    users.groups = lib.mkIf config.security.rtkit.enable { rtkit = { }; };

    boot.kernelModules = lib.mkIf (config.sound.enable || pulse.enable || pipewire.enable) [ "snd_hda_intel" "snd_hda_codec_generic" ];
    systemd.user.units = lib.mkMerge [
      (lib.mkIf pulse.enable { "pulseaudio.socket" = { overrideStrategy = "asDropin"; wantedBy = [ "sockets.target" ]; }; })
      (lib.mkIf pipewire.enable { "pipewire.socket" = { overrideStrategy = "asDropin"; wantedBy = [ "sockets.target" ]; }; })
      (lib.mkIf (pipewire.enable && pipewire.pulse.enable) { "pipewire-pulse.socket" = { overrideStrategy = "asDropin"; wantedBy = [ "sockets.target" ]; }; })
      (lib.mkIf (pipewire.enable && pipewire.wireplumber.enable) { "wireplumber.service" = { overrideStrategy = "asDropin"; wantedBy = [ "pipewire.service" ]; }; })
    ];
  };
}
