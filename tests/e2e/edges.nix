# Edges of the machine API: what calls give when machines end, monitor and keyboard, screens, names, our additions.
{
  name = "edges";

  # Its variable begins with something else than a digit.
  nodes."1st-node" = {
    users.users.alice = {
      isNormalUser = true;
      initialPassword = "secret";
    };
  };

  testScript = ''
    from test_driver.errors import RequestedAssertionFailed

    machine.start()
    machine.wait_for_unit("multi-user.target")
    assert machine is _st_node
    assert machine.name == "1st-node"

    with subtest("what is not asked for is not there"):
        assert machine.execute("echo x", check_output=False) == (-2, "")
        assert machine.execute("echo x", check_return=False) == (-1, "x\n")

    with subtest("additions of execute"):
        status, out, err = machine.execute("echo out; echo err >&2; exit 3", stderr=True)
        assert (status, out, err) == (3, "out\n", "err\n"), (status, out, err)
        assert machine.succeed("pwd", cwd="/var") == "/var\n"
        assert machine.succeed("echo $WORD", env={"WORD": "a b"}) == "a b\n"
        assert machine.succeed("whoami; echo $HOME", user="alice") == "alice\n/home/alice\n"
        assert machine.succeed("cat; echo", stdin="typed") == "typed\n"
        try:
            machine.succeed("echo told; echo why >&2; exit 9")
        except RequestedAssertionFailed as error:
            assert (error.status, error.stdout, error.stderr) == (9, "told\n", "why\n"), vars(error)
            assert error.machine == "1st-node" and "exit 9" in str(error.command)

    with subtest("a terminal, typed at"):
        machine.wait_until_tty_matches("1", "login: ")
        machine.send_chars("alice\n")
        machine.wait_until_tty_matches("1", "Password: ")
        machine.send_chars("secret\n")
        machine.wait_until_tty_matches("1", r"alice@1st-node")
        machine.send_chars("echo \"A b: ~/*?\" > typed\n")
        machine.wait_for_file("/home/alice/typed")
        machine.wait_until_succeeds("grep -qx 'A b: ~/\\*?' /home/alice/typed")
        assert "alice@1st-node" in machine.get_tty_text("1")
        machine.dump_tty_contents("1")
        machine.send_key("ctrl-d")
        machine.wait_until_tty_matches("1", "login: ")

    with subtest("pictures"):
        import os
        machine.screenshot("picture")
        machine.screenshot(os.path.join(os.getcwd(), "other.png"))
        for name in ("picture.png", "other.png"):
            with open(name, "rb") as file:
                assert file.read(8) == b"\x89PNG\r\n\x1a\n", name

    with subtest("the monitor"):
        assert "running" in machine.send_monitor_command("info status")
        machine.qmp_client.send("stop")
        event = machine.wait_for_qmp_event(lambda event: event["event"] == "STOP", timeout=60)
        assert event["event"] == "STOP"
        machine.qmp_client.send("cont")

    with subtest("the console"):
        machine.succeed("echo 'a word for the console' > /dev/ttyS0")
        machine.wait_for_console_text("a word for the .onsole")
        assert "a word for the console" in machine.get_console_log()

    with subtest("a machine that reboots without being allowed to ends"):
        machine.execute("systemctl reboot", check_return=False)
        machine.wait_for_shutdown()
        assert not machine.is_up()

    with subtest("a panic ends it"):
        machine.start()
        machine.wait_for_unit("multi-user.target")
        machine.succeed("echo 1 > /proc/sys/kernel/sysrq")
        machine.execute("echo c > /proc/sysrq-trigger &", check_return=False, check_output=False)
        machine.wait_for_shutdown()
        assert not machine.is_up()
        assert "Kernel panic" in machine.get_console_log()

    with subtest("a command starts a machine that is off"):
        assert machine.succeed("hostname") == "1st-node\n"
        assert machine.is_up()
  '';
}
