# What commands do and give, edge cases first (../shared/upstream-framework.md, 10.2).
{ lib, ... }:
{
  name = "commands";

  nodes.machine = { };

  testScript = ''
    machine.wait_for_unit("multi-user.target")

    with subtest("status and output"):
        assert machine.execute("exit 3") == (3, "")
        assert machine.execute("echo -n x") == (0, "x")
        assert machine.execute("printf 'a\\n\\n'") == (0, "a\n\n")
        assert machine.succeed("echo a", "echo b") == "a\nb\n"
        machine.fail("false")

    with subtest("the shell is strict"):
        assert machine.execute("false | true")[0] == 1
        assert machine.execute("echo $undefined_variable")[0] != 0
        assert machine.execute("false; echo not reached") == (1, "")

    with subtest("the world of a command"):
        assert machine.succeed("pwd") == "/tmp\n"
        assert machine.succeed("echo $USER $HOME $DISPLAY") == "root /root :0.0\n"
        assert machine.succeed("[[ a == a ]] && echo {1,2} && cat <(echo sub)") == "1 2\nsub\n"
        assert "/run/current-system/sw/bin" in machine.succeed("echo $PATH")
        assert "/usr/bin" not in machine.succeed("echo $PATH").strip().split(":")

    with subtest("time limits"):
        assert machine.execute("sleep 100", timeout=1)[0] == 124
        machine.fail("sleep 100", timeout=1)
        machine.succeed("sleep 0.1", timeout=60)

    with subtest("only standard output counts"):
        assert machine.succeed("echo out; echo err >&2") == "out\n"
        assert machine.succeed("ls /none 2>&1 || true").startswith("ls: ")

    with subtest("background jobs do not hold a command up"):
        machine.succeed("sleep 1000 >&2 &")
        machine.succeed("pgrep -f 'sleep 1000'")

    with subtest("large, odd and empty output"):
        assert len(machine.succeed("head -c 3000000 /dev/zero | tr '\\0' x")) == 3_000_000
        assert machine.succeed("printf '\\xff\\xfea'").endswith("a")
        assert machine.succeed("true") == ""

    with subtest("text of commands"):
        assert machine.succeed("echo \"it's\" 'a \"quote\"' \\$HOME äöü").strip() == "it's a \"quote\" $HOME äöü"
        assert machine.succeed("cat <<EOF\none\ntwo\nEOF") == "one\ntwo\n"

    with subtest("failures say what failed"):
        try:
            machine.succeed("echo some output; exit 7")
        except Exception as e:
            assert "exit code 7" in str(e), str(e)
            assert "echo some output; exit 7" in str(e), str(e)
        else:
            raise Exception("succeed() did not raise")
        try:
            machine.fail("true")
        except Exception as e:
            assert "unexpectedly succeeded" in str(e), str(e)
        else:
            raise Exception("fail() did not raise")

    with subtest("retrying"):
        machine.succeed("(sleep 2; touch /tmp/later) >&2 &")
        machine.wait_until_succeeds("test -e /tmp/later")
        machine.wait_for_file("/tmp/later")
        machine.succeed("(sleep 2; rm /tmp/later) >&2 &")
        machine.wait_until_fails("test -e /tmp/later")

    with subtest("files both ways"):
        import os
        with open("text", "w") as file:
            file.write("from the host\n")
        machine.copy_from_host("text", "/root/deep/text")
        assert machine.succeed("cat /root/deep/text") == "from the host\n"
        machine.succeed("mkdir -p /tmp/tree/sub && echo 1 > /tmp/tree/sub/one && ln -s sub /tmp/tree/link")
        machine.copy_from_vm("/tmp/tree", "got")
        assert open(os.path.join(str(driver.out_dir), "got/tree/sub/one")).read() == "1\n"
  '';
}
