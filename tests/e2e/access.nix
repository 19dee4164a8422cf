# Who may do what: sudo, doas, PAM's limits, OpenSSH with keys and passwords, as a service and by
# socket, keys without a server.
let
  people = {
    users.groups.operators = { };
    users.users = {
      wheeler = { isNormalUser = true; extraGroups = [ "wheel" ]; };
      guest = { isNormalUser = true; password = "open sesame"; };
      operator = { isNormalUser = true; extraGroups = [ "operators" ]; };
    };
  };
in
{
  name = "access";

  nodes.server =
    { ... }:
    {
      imports = [ people ];
      security.sudo = {
        wheelNeedsPassword = false;
        extraRules = [
          { users = [ "guest" ]; commands = [ "ALL" ]; }
          { groups = [ "operators" ]; runAs = "guest"; commands = [ { command = "ALL"; options = [ "NOPASSWD" ]; } ]; }
        ];
      };
      security.doas = { enable = true; wheelNeedsPassword = false; };
      security.pam.services.sshd.limits = [ { domain = "*"; item = "nofile"; type = "-"; value = 777; } ];
      services.openssh = {
        enable = true;
        settings.DenyUsers = [ "operator" ];
        hostKeys = [ { type = "ed25519"; path = "/etc/ssh/ssh_host_ed25519_key"; } ];
      };
    };

  nodes.lazy = {
    services.openssh = {
      enable = true;
      startWhenNeeded = true;
      ports = [ 2222 ];
      hostKeys = [ { type = "ed25519"; path = "/etc/ssh/ssh_host_ed25519_key"; } ];
    };
  };

  nodes.client = {
    services.openssh.generateHostKeys = true;
    services.openssh.hostKeys = [ { type = "ed25519"; path = "/etc/ssh/ssh_host_ed25519_key"; } ];
  };

  testScript = ''
    start_all()
    server.wait_for_unit("sshd.service")
    lazy.wait_for_unit("sshd.socket")
    client.wait_for_unit("multi-user.target")

    with subtest("sudo"):
        assert server.succeed("su - wheeler -c 'sudo -n id -un'") == "root\n"
        server.fail("su - guest -c 'sudo -n true'")
        assert server.succeed("su - guest -c 'echo open sesame | sudo -S id -un'") == "root\n"
        server.fail("su - guest -c 'echo wrong | sudo -S true'")
        assert server.succeed("su - operator -c 'sudo -n -u guest id -un'") == "guest\n"
        server.fail("su - operator -c 'sudo -n true'")

    with subtest("doas"):
        assert server.succeed("su - wheeler -c 'doas id -un'") == "root\n"
        server.fail("su - guest -c 'doas -n true'")

    with subtest("ssh with a key"):
        client.succeed("ssh-keygen -q -t ed25519 -N ''' -f /root/.ssh/id_ed25519")
        key = client.succeed("cat /root/.ssh/id_ed25519.pub").strip()
        for machine in (server, lazy):
            machine.succeed(f"mkdir -m 700 -p /root/.ssh; echo '{key}' > /root/.ssh/authorized_keys")
        ssh = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes"
        assert client.succeed(f"{ssh} server hostname") == "server\n"
        assert client.succeed(f"{ssh} server 'ulimit -n'") == "777\n"
        assert "/usr/bin" not in client.succeed(f"{ssh} server 'echo $PATH'").strip().split(":")
        client.succeed(f"{ssh} server 'which sudo'")

    with subtest("who is kept out"):
        for user in ("guest", "operator"):
            home = f"/home/{user}/.ssh"
            server.succeed(f"install -d -o {user} -m 700 {home}; install -o {user} -m 600 /root/.ssh/authorized_keys {home}/")
        client.succeed(f"{ssh} guest@server true")
        client.fail(f"{ssh} operator@server true")

    with subtest("a server that is started by a connection"):
        lazy.fail("pgrep -x sshd")
        assert client.succeed(f"{ssh} -p 2222 lazy hostname") == "lazy\n"
        lazy.fail("systemctl is-failed 'sshd@*.service'")

    with subtest("keys without a server"):
        client.succeed("test -s /etc/ssh/ssh_host_ed25519_key")
        client.fail("pgrep -x sshd")
  '';
}
