# Variables of every NixOS session.
{ config, lib, ... }:
{
  config.environment = {
    variables = {
      NIXPKGS_CONFIG = "/etc/nix/nixpkgs-config.nix";
      # NIX_PATH is not set: there is no Nix in a machine.
      PAGER = lib.mkDefault "less";
      EDITOR = lib.mkDefault "nano";
    };

    # What `environment.etc` says; and Debian's desktops have parts of their sessions there.
    sessionVariables.XDG_CONFIG_DIRS = [ "/etc/xdg" ];

    # Profiles come in the order in which they are searched.
    profiles = lib.mkAfter [
      "/nix/var/nix/profiles/default"
      "/run/current-system/sw"
    ];

    profileRelativeSessionVariables = {
      PATH = [ "/bin" ];
      INFOPATH = [ "/info" "/share/info" ];
      QTWEBKIT_PLUGIN_PATH = [ "/lib/mozilla/plugins/" ];
      GTK_PATH = [ "/lib/gtk-2.0" "/lib/gtk-3.0" "/lib/gtk-4.0" ];
      XDG_CONFIG_DIRS = [ "/etc/xdg" ];
      XDG_DATA_DIRS = [ "/share" ];
      LIBEXEC_PATH = [ "/lib/libexec" ];
    };

    extraInit = ''
      export NIX_USER_PROFILE_DIR="/nix/var/nix/profiles/per-user/$USER"
      export NIX_PROFILES="${lib.concatStringsSep " " (lib.reverseList config.environment.profiles)}"
    '';
  };
}
