{
  name = "script";
  nodes.machine = { };
  testScript = ''
    machine.succeed("true")
    machin.succeed("false")
  '';
}
