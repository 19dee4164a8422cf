# A script that leaves children behind, which hold its streams and its socket open: they end with it.
{
  name = "fork";
  nodes = { };
  skipTypeCheck = true;
  testScript = ''
    import time
    for _ in range(20):
        if os.fork() == 0:
            os.setsid()
            time.sleep(3600)
            os._exit(0)
    print("forked", flush=True)
  '';
}
