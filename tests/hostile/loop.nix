# A script that computes for ever and takes no notice of signals: the test's own time limit ends it.
{
  name = "loop";
  nodes = { };
  globalTimeout = 3;
  testScript = ''
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        pass
  '';
}
