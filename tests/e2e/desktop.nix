# A session of X with a window manager, root logged in by itself; windows, keys and pictures.
{ pkgs, ... }:
{
  name = "desktop";

  nodes.machine = {
    services.xserver = {
      enable = true;
      windowManager.icewm.enable = true;
      displayManager.sessionCommands = "touch /run/session-began";
    };
    services.displayManager.defaultSession = "none+icewm";
    imports = [ <nixpkgs/nixos/tests/common/auto.nix> ];
    test-support.displayManager.auto.enable = true;
    environment.systemPackages = [ pkgs.xdotool pkgs.imagemagick pkgs.xorg.xwd ];
    environment.sessionVariables.SEEN_IN_SESSIONS = "yes";
  };

  testScript = ''
    machine.wait_for_x()
    machine.succeed("test -e /run/session-began")

    with subtest("a window opens and takes keys"):
        machine.succeed("DISPLAY=:0 xterm -title typewriter -class typewriter -fullscreen >&2 &")
        machine.wait_for_window("typewriter")
        machine.wait_until_succeeds("DISPLAY=:0 xdotool getactivewindow getwindowname | grep typewriter")
        machine.send_chars("echo version $XTERM_VERSION, variable $SEEN_IN_SESSIONS > /tmp/typed\n")
        machine.wait_for_file("/tmp/typed")
        machine.wait_until_succeeds("grep -F '${pkgs.xterm.version}' /tmp/typed")

    with subtest("a picture shows the window, which is not one colour"):
        machine.screenshot("typewriter")
        machine.succeed("DISPLAY=:0 xwd -root -silent | convert xwd:- /tmp/screen.png")
        assert int(machine.succeed("identify -format %k /tmp/screen.png")) > 1
  '';
}
