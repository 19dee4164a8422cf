# A running machine is switched to other configurations of its own.
{
  name = "switching";

  nodes.machine =
    { lib, pkgs, ... }:
    {
      services.nginx = {
        enable = true;
        enableReload = true;
        virtualHosts.localhost.root = pkgs.writeTextDir "index.html" "before";
      };
      systemd.services.steady = { wantedBy = [ "multi-user.target" ]; script = "sleep infinity"; };
      systemd.services.passing = { wantedBy = [ "multi-user.target" ]; script = "sleep infinity"; };
      systemd.services.changing = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig.RuntimeDirectory = "changing";
        script = "cat /etc/word > /run/changing/word; sleep infinity";
        restartTriggers = [ "one" ];
      };
      environment.etc.word.text = "one";
      environment.etc.gone.text = "here";

      specialisation.other.configuration = {
        services.nginx.virtualHosts.localhost.root = lib.mkForce (pkgs.writeTextDir "index.html" "after");
        systemd.services.passing.enable = false;
        systemd.services.arriving = { wantedBy = [ "multi-user.target" ]; script = "sleep infinity"; };
        systemd.services.changing.restartTriggers = lib.mkForce [ "two" ];
        environment.etc.word.text = lib.mkForce "two";
        environment.etc.gone.enable = false;
        environment.etc."new/file" = { text = "private"; mode = "0600"; };
      };
      specialisation.broken.configuration.systemd.services.breaking = {
        wantedBy = [ "multi-user.target" ];
        script = "exit 3";
        serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
      };
    };

  testScript = ''
    machine.wait_for_unit("multi-user.target")
    machine.wait_for_open_port(80)
    assert machine.succeed("curl -sf http://localhost/") == "before"

    def pid(unit):
        return machine.succeed(f"systemctl show -P MainPID {unit}").strip()

    steady, nginx, changing = pid("steady"), pid("nginx"), pid("changing")
    said = machine.succeed("/run/current-system/specialisation/other/bin/switch-to-configuration test 2>&1")

    with subtest("what did not change goes on"):
        assert "steady.service" not in said
        assert pid("steady") == steady

    with subtest("what reloads is not stopped"):
        assert pid("nginx") == nginx
        machine.wait_until_succeeds("test \"$(curl -sf http://localhost/)\" = after")

    with subtest("units that changed, went and came"):
        assert "changing.service" in said
        assert pid("changing") != changing
        assert machine.succeed("cat /run/changing/word") == "two"
        machine.fail("systemctl is-active passing.service")
        machine.succeed("systemctl is-active arriving.service")

    with subtest("/etc is the new one"):
        machine.fail("test -e /etc/gone")
        assert machine.succeed("stat -c %a /etc/new/file") == "600\n"

    with subtest("and back"):
        machine.succeed("/run/booted-system/bin/switch-to-configuration test")
        machine.succeed("systemctl is-active passing.service")
        machine.fail("systemctl is-active arriving.service")
        assert machine.succeed("cat /etc/gone") == "here"
        machine.fail("test -e /etc/new/file")

    with subtest("a unit that fails makes the switch fail"):
        status, output = machine.execute("/run/booted-system/specialisation/broken/bin/switch-to-configuration test 2>&1")
        assert status == 4, output
        assert "breaking.service" in output
        assert pid("steady") == steady
  '';
}
