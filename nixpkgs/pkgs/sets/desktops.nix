# Sets of desktops' programs, and sets that moved.
{ final, lib, row, orFromArchive, ... }:
let
  inherit (builtins) intersectAttrs;
  from = names: lib.genAttrs names (name: final.${name});
  plain = names: lib.genAttrs names (name: row name { main = null; });
in
{
  xorg =
    from [
      "xauth" "xinit" "xeyes" "xclock" "xcalc" "xload" "xwd" "xwud" "xconsole" "xbiff" "xlogo" "xdpyinfo" "xev"
      "xfontsel" "xkill" "xlsatoms" "xlsclients" "xlsfonts" "xmessage" "xprop" "xvinfo" "xwininfo" "xgamma" "xhost"
      "xmodmap" "xrandr" "xrdb" "xrefresh" "xset" "xsetroot" "iceauth" "sessreg" "setxkbmap" "xkbcomp" "xinput"
      "xbacklight" "xdriinfo" "xorgserver" "libX11" "libXext" "libXft" "libXrandr" "libXi" "libXtst" "libXinerama"
      "libxcb" "twm"
    ]
    // {
      xkeyboardconfig = final.xkeyboard-config;
      xcursorthemes = final.xcursor-themes;
      xf86inputlibinput = row "xf86-input-libinput" { deb = "xserver-xorg-input-libinput"; main = null; };
      xf86inputevdev = row "xf86-input-evdev" { deb = "xserver-xorg-input-evdev"; main = null; };
      xf86videovesa = row "xf86-video-vesa" { deb = "xserver-xorg-video-vesa"; main = null; };
      xf86videofbdev = row "xf86-video-fbdev" { deb = "xserver-xorg-video-fbdev"; main = null; };
      fontmiscmisc = row "font-misc-misc" { deb = "xfonts-base"; main = null; };
      fontadobe75dpi = row "font-adobe-75dpi" { deb = "xfonts-75dpi"; main = null; };
      fontadobe100dpi = row "font-adobe-100dpi" { deb = "xfonts-100dpi"; main = null; };
      mkfontscale = row "mkfontscale" { deb = "xfonts-utils"; };
      xvfb = row "xvfb" { main = "Xvfb"; };
    };

  gnome = from [
    "adwaita-icon-theme" "baobab" "cheese" "dconf-editor" "eog" "epiphany" "evince" "file-roller" "gdm" "gedit"
    "gnome-backgrounds" "gnome-bluetooth" "gnome-boxes" "gnome-calculator" "gnome-calendar" "gnome-characters" "gnome-clocks"
    "gnome-contacts" "gnome-control-center" "gnome-disk-utility" "gnome-flashback" "gnome-keyring" "gnome-logs"
    "gnome-maps" "gnome-music" "gnome-panel" "gnome-remote-desktop" "gnome-screenshot" "gnome-session"
    "gnome-settings-daemon" "gnome-shell" "gnome-shell-extensions" "gnome-software" "gnome-system-monitor" "gnome-terminal"
    "gnome-themes-extra" "gnome-tweaks" "gnome-user-docs" "gnome-weather" "gvfs" "mutter" "nautilus" "seahorse" "simple-scan" "sushi"
    "totem" "yelp" "zenity" "gnome-menus" "gnome-online-accounts"
  ];

  kdePackages = orFromArchive (plain [
    "ark" "dolphin" "elisa" "gwenview" "kate" "kcalc" "kde-cli-tools" "konsole" "kwin-wayland" "kwin-x11"
    "okular" "plasma-desktop" "plasma-workspace" "sddm" "systemsettings" "xdg-desktop-portal-kde"
  ] // {
    kwin = row "kwin" { deb = "kwin-wayland"; "with" = [ "kwin-x11" ]; main = null; };
  }) (name: name);
  libsForQt5 = throw "pkgs.libsForQt5 is not supported: Debian trixie's Plasma is version 6; use kdePackages";
  plasma5Packages = throw "pkgs.plasma5Packages is not supported: Debian trixie's Plasma is version 6; use kdePackages";

  xfce = from [ "xfce4-session" "xfce4-panel" "xfce4-terminal" "xfwm4" "thunar" "mousepad" ] // {
    xfdesktop = final.xfdesktop4;
  } // lib.mapAttrs (name: deb: row name { inherit deb; main = null; }) {
    xfce4-settings = "xfce4-settings";
    xfce4-appfinder = "xfce4-appfinder";
    xfce4-notifyd = "xfce4-notifyd";
    xfce4-screenshooter = "xfce4-screenshooter";
    xfce4-taskmanager = "xfce4-taskmanager";
    xfconf = "xfconf";
    tumbler = "tumbler";
    ristretto = "ristretto";
  };

  gst_all_1 = lib.mapAttrs (name: deb: row name { inherit deb; main = null; }) {
    gstreamer = "gstreamer1.0-tools";
    gst-plugins-base = "gstreamer1.0-plugins-base";
    gst-plugins-good = "gstreamer1.0-plugins-good";
    gst-plugins-bad = "gstreamer1.0-plugins-bad";
    gst-plugins-ugly = "gstreamer1.0-plugins-ugly";
    gst-libav = "gstreamer1.0-libav";
  };

  gnomeExtensions = lib.mapAttrs (name: deb: row name { inherit deb; main = null; }) {
    appindicator = "gnome-shell-extension-appindicator";
    dash-to-dock = "gnome-shell-extension-dashtodock";
    dash-to-panel = "gnome-shell-extension-dash-to-panel";
    caffeine = "gnome-shell-extension-caffeine";
    desktop-icons-ng-ding = "gnome-shell-extension-desktop-icons-ng";
  };
}
