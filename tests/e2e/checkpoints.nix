# Checkpoints: machines, disks, memory, network and consoles go back to one instant, as often as one likes.
{
  name = "checkpoints";

  nodes = {
    a = { };
    b = { };
    idle = { };
  };

  testScript = ''
    a.start()
    b.start()
    for machine in (a, b):
        machine.wait_for_unit("network-online.target")
    a.succeed("ping -c 1 b")

    a.succeed("echo before > /var/on-disk; echo before > /run/in-memory; sync")
    a.succeed("touch /run/keep; (while [ -e /run/keep ]; do date +%s > /run/tick; sleep 0.2; done) >&2 &")
    a.wait_for_file("/run/tick")
    pid = a.succeed("systemctl show -p MainPID --value systemd-journald").strip()
    vlan1.delay(0.01, a, b)
    assert checkpoints() == []
    checkpoint("before")
    assert checkpoints() == ["before"]
    first = a.get_console_log()

    with subtest("the test goes on after it was saved"):
        a.succeed("ping -c 1 b")
        a.succeed("echo after > /var/on-disk; echo after > /run/in-memory; sync; rm /run/keep")
        a.succeed("echo 'said after the checkpoint' > /dev/ttyS0")
        a.wait_for_console_text("said after the checkpoint")
        b.crash()
        idle.start()
        idle.wait_for_unit("multi-user.target")
        idle.succeed("touch /var/was-here")

    def is_back():
        assert a.succeed("cat /var/on-disk /run/in-memory") == "before\nbefore\n"
        assert a.succeed("systemctl show -p MainPID --value systemd-journald").strip() == pid
        assert "said after the checkpoint" not in a.get_console_log()
        assert a.get_console_log().startswith(first[:200])
        assert b.is_up()
        b.succeed("ping -c 1 a")
        old = a.succeed("cat /run/tick")
        a.wait_until_succeeds(f"test $(cat /run/tick) -gt {old.strip()}", timeout=60)

    with subtest("everything goes back"):
        restore("before")
        is_back()
        assert not idle.is_up(), "a machine that did not run is off"

    with subtest("the clock is right"):
        import time
        assert abs(float(a.succeed("date +%s")) - time.time()) < 20

    with subtest("again, after a second checkpoint"):
        a.succeed("echo second > /var/on-disk; echo second > /run/in-memory")
        checkpoint("second")
        a.succeed("echo third > /var/on-disk; echo third > /run/in-memory")
        restore("before")
        is_back()
        restore("second")
        assert a.succeed("cat /var/on-disk /run/in-memory") == "second\nsecond\n"
        assert checkpoints() == ["before", "second"]

    with subtest("a disk of a machine that was off"):
        idle.start()
        idle.wait_for_unit("multi-user.target")
        idle.fail("test -e /var/was-here")
        idle.succeed("echo kept > /var/file; sync")
        idle.shutdown()
        checkpoint("before")
        idle.cleanup_statedir()
        restore("before")
        assert not idle.is_up()
        idle.start()
        assert idle.succeed("cat /var/file") == "kept\n"

    with subtest("a name that is not there"):
        try:
            restore("nothing")
        except Exception as error:
            assert "second, before" in str(error), error
        else:
            raise AssertionError("it restored what is not there")
  '';
}
