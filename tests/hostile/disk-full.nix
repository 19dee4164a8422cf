# A machine writes more than the host has room for; tests/host.sh gives the run a small disk.
{
  name = "disk-full";
  nodes.machine = { };
  testScript = ''
    machine.succeed("head -c 400M /dev/urandom > /var/filler && sync")
  '';
}
