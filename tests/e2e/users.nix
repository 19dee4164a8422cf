# Accounts, passwords, /etc and what a shell sees.
{
  name = "users";

  nodes.machine =
    { pkgs, config, ... }:
    {
      users.users.alice = {
        isNormalUser = true;
        uid = 1234;
        password = "foobar";
        extraGroups = [ "wheel" ];
        packages = [ pkgs.tree ];
        homeMode = "711";
      };
      users.users.daemon-user = {
        isSystemUser = true;
        group = "daemon-group";
      };
      users.groups.daemon-group = { };
      security.sudo.wheelNeedsPassword = false;
      environment.etc."test/plain".text = "plain ${config.networking.hostName}";
      environment.etc."test/secret" = {
        text = "secret";
        mode = "0400";
        user = "alice";
      };
      environment.variables.COLOUR = "blue";
      environment.systemPackages = [ pkgs.jq ];
      time.timeZone = "Europe/Berlin";
    };

  testScript = ''
    machine.wait_for_unit("multi-user.target")

    with subtest("accounts"):
        assert machine.succeed("id -u alice") == "1234\n"
        assert "wheel" in machine.succeed("id -Gn alice")
        assert machine.succeed("stat -c '%a %U' /home/alice") == "711 alice\n"
        assert machine.succeed("id -gn daemon-user") == "daemon-group\n"
        machine.succeed("getent shadow alice | grep -q '^alice:\\$'")

    with subtest("programs of one user"):
        machine.succeed("su -- alice -c 'which tree'")
        machine.fail("su -- root -c 'which tree'")
        machine.succeed("su - alice -c 'which tree'")
        machine.succeed("su - alice -c 'which jq'")

    with subtest("sudo"):
        assert machine.succeed("su - alice -c 'sudo id -u'") == "0\n"

    with subtest("files in /etc"):
        assert machine.succeed("cat /etc/test/plain") == "plain machine"
        machine.succeed("test -L /etc/test/plain")
        assert machine.succeed("stat -c '%a %U' /etc/test/secret") == "400 alice\n"
        machine.fail("su - alice -c 'echo x > /etc/test/plain'")

    with subtest("environment"):
        assert machine.succeed("su - alice -c 'echo $COLOUR'") == "blue\n"
        assert machine.succeed("date -d @0 +%z") == "+0100\n"
        machine.succeed("useradd -m bob && su - bob -c true")
  '';
}
