# Waiting for units, and what systemd says of them.
{
  name = "units";

  nodes.machine =
    { pkgs, ... }:
    {
      users.users.alice = {
        isNormalUser = true;
        uid = 1000;
        linger = true;
      };
      systemd.services = {
        quick = {
          wantedBy = [ "multi-user.target" ];
          serviceConfig.Type = "oneshot";
          serviceConfig.RemainAfterExit = true;
          script = "echo quick was here > /run/quick";
        };
        slow = {
          wantedBy = [ "multi-user.target" ];
          serviceConfig.Type = "oneshot";
          serviceConfig.RemainAfterExit = true;
          path = [ pkgs.coreutils ];
          script = "sleep 3; touch /run/slow";
        };
        broken = {
          serviceConfig.Type = "oneshot";
          script = "echo going to fail; exit 9";
        };
        environment = {
          environment.GREETING = "hello world";
          preStart = "echo prepared > /run/prepared";
          serviceConfig.Type = "oneshot";
          serviceConfig.RemainAfterExit = true;
          script = ''echo "$GREETING" > /run/greeting'';
        };
      };
      systemd.timers.tick = {
        wantedBy = [ "timers.target" ];
        timerConfig.OnActiveSec = "1s";
        timerConfig.Unit = "tick.service";
      };
      systemd.services.tick.script = "touch /run/ticked";
      systemd.tmpfiles.rules = [ "d /run/made 0750 alice users -" ];
      systemd.user.services.hello = {
        wantedBy = [ "default.target" ];
        serviceConfig.Type = "oneshot";
        serviceConfig.RemainAfterExit = true;
        script = "id -un > /tmp/hello";
      };
    };

  testScript = ''
    machine.wait_for_unit("quick")
    assert machine.succeed("cat /run/quick") == "quick was here\n"
    machine.wait_for_unit("slow.service")
    machine.succeed("test -e /run/slow")

    with subtest("units that cannot become active"):
        for unit, words in [("missing.service", "is inactive and there are no pending jobs")]:
            try:
                machine.wait_for_unit(unit)
            except Exception as e:
                assert words in str(e), str(e)
            else:
                raise Exception(f"{unit} is active?")
        status, _ = machine.systemctl("start broken.service")
        assert status != 0
        try:
            machine.wait_for_unit("broken.service")
        except Exception as e:
            assert 'reached state "failed"' in str(e), str(e)
        else:
            raise Exception("broken.service is active?")
        machine.succeed("journalctl -u broken.service | grep -q 'going to fail'")

    with subtest("what a service is given"):
        machine.start_job("environment.service")
        machine.wait_for_unit("environment.service")
        assert machine.succeed("cat /run/greeting /run/prepared") == "hello world\nprepared\n"
        assert machine.get_unit_property("environment.service", "SubState") == "exited"
        assert machine.get_unit_info("quick")["ActiveState"] == "active"
        machine.require_unit_state("quick", "active")
        machine.stop_job("environment.service")
        machine.require_unit_state("environment.service", "inactive")

    with subtest("timers and temporary files"):
        machine.wait_for_file("/run/ticked")
        assert machine.succeed("stat -c '%a %U %G' /run/made") == "750 alice users\n"

    with subtest("units of users"):
        machine.wait_for_unit("hello.service", "alice")
        assert machine.succeed("cat /tmp/hello") == "alice\n"
        assert machine.systemctl("is-active hello.service", "alice")[0] == 0
  '';
}
