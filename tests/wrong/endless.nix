# A test that never ends by itself: whoever runs it stops it from outside.
{
  name = "endless";
  nodes.machine = { };
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    print("under way", flush=True)
    machine.succeed("sleep 3600")
  '';
}
