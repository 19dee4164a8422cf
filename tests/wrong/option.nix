{
  name = "option";
  nodes.machine = {
    services.nginxx.enable = true;
  };
  testScript = "machine.start()";
}
