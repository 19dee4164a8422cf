let
  nixpkgs = fetchTarball "https://github.com/NixOS/nixpkgs/tarball/nixos-24.11";
  pkgs = import nixpkgs { config = {}; overlays = []; };
in

pkgs.testers.runNixOSTest {
  name = "wayland-firefox";

  nodes.machine = { pkgs, ... }: {
    # Desktop with autologin
    services.xserver.enable = true;
    services.xserver.displayManager.gdm.enable = true;
    services.xserver.desktopManager.gnome.enable = true;
    services.xserver.displayManager.autoLogin.enable = true;
    services.xserver.displayManager.autoLogin.user = "alice";

    users.users.alice = {
      isNormalUser = true;
      extraGroups = [ "wheel" ];
      uid = 1000;  # Pin UID for dbus path
    };

    # Auto-start the application after login
    environment.systemPackages = [
      (pkgs.makeAutostartItem {
        name = "firefox";
        package = pkgs.firefox;
      })
    ];

    # Enable gnome-shell Eval API (unsafe mode)
    systemd.user.services."org.gnome.Shell@wayland" = {
      serviceConfig.ExecStart = [
        ""  # Clear default ExecStart
        "${pkgs.gnome.gnome-shell}/bin/gnome-shell --unsafe-mode"
      ];
    };
  };

  testScript = { nodes, ... }: let
    user = nodes.machine.config.users.users.alice;
    bus = "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/${toString user.uid}/bus";
    gdbus = "${bus} gdbus";
    su = command: "su - ${user.name} -c '${command}'";
    gseval = "call --session -d org.gnome.Shell -o /org/gnome/Shell -m org.gnome.Shell.Eval";
    wmClass = su "${gdbus} ${gseval} global.display.focus_window.wm_class";
  in ''
    machine.wait_until_succeeds("${wmClass} | grep -q 'firefox'")
    machine.sleep(20)
    machine.screenshot("screen")
  '';
}
