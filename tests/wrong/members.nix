# A set of tests of which one cannot be evaluated: the other one runs.
{
  broken = {
    name = "broken";
    nodes.machine.services.nginxx.enable = true;
    testScript = "";
  };
  sound = {
    name = "sound";
    nodes = { };
    testScript = "print('nothing to boot')";
  };
}
