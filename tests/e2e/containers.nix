# Docker: images, networks and people who may use it.
{ pkgs, ... }:
{
  name = "containers";

  nodes.machine = {
    virtualisation.docker = {
      enable = true;
      autoPrune.enable = true;
      daemon.settings.labels = [ "kind=test" ];
    };
    virtualisation.diskSize = 4096;
    users.users.trusted = { isNormalUser = true; extraGroups = [ "docker" ]; };
    users.users.other.isNormalUser = true;
  };

  testScript = ''
    machine.wait_for_unit("docker.socket")

    with subtest("a container runs Debian's programs on an image of nothing"):
        machine.succeed("tar cf - --files-from /dev/null | docker import - nothing")
        # The store's programs are links to /usr: a container needs both.
        usr = "-v /nix/store:/nix/store:ro -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro"
        machine.succeed(f"docker run -d --name sleeper {usr} nothing /usr/bin/sleep 600")
        machine.succeed("docker ps --format '{{.Names}}' | grep -x sleeper")
        assert machine.succeed(f"docker run --rm {usr} -e WORD=hello nothing /usr/bin/printenv WORD").strip() == "hello"
        machine.fail(f"docker run --rm {usr} nothing /usr/bin/false")

    with subtest("containers have a network of their own"):
        address = machine.succeed("docker inspect -f '{{.NetworkSettings.IPAddress}}' sleeper").strip()
        assert address.startswith("172.17.")
        machine.succeed(f"ping -c 1 {address}")

    with subtest("its group may use it, others may not"):
        machine.succeed("su trusted -c 'docker ps' | grep sleeper")
        machine.fail("su other -c 'docker ps'")

    with subtest("settings and what clears up"):
        assert "kind=test" in machine.succeed("docker info --format '{{.Labels}}'")
        machine.succeed("docker stop -t 1 sleeper", "docker rm sleeper")
        machine.succeed("systemctl start docker-prune", "systemctl list-timers --all | grep docker-prune")
        assert machine.succeed("cat /proc/sys/net/ipv4/conf/all/forwarding").strip() == "1"
  '';
}
