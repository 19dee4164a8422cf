# A script that kills itself.
{
  name = "killed";
  nodes = { };
  testScript = ''
    import signal
    os.kill(os.getpid(), signal.SIGKILL)
  '';
}
