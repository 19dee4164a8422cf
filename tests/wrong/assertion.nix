# Fails in its script: exit status 1.
{
  name = "assertion";
  nodes.machine = { };
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    machine.succeed("echo to the output; echo to the errors >&2; false")
  '';
}
