# What a request costs, and how late a wait returns, beside the classic driver's way of doing it.
{ pkgs, ... }:
{
  name = "bench-agent";
  nodes.m = {
    environment.systemPackages = [ pkgs.python3 ];
    # Waits a second, makes one condition true, and writes down when it did.
    environment.etc."act.py".text = ''
      import os, socket, sys, time

      what = sys.argv[1]
      time.sleep(1)
      if what == "file":
          open("/tmp/there", "w").close()
          when = time.time()
      elif what == "port":
          listener = socket.create_server(("", 8123))
          when = time.time()
      elif what == "unit":
          when = time.time()
          notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
          notify.connect(os.environ["NOTIFY_SOCKET"])
          notify.send(b"READY=1")
      elif what == "console":
          when = time.time()
          with open("/dev/ttyS0", "w") as console:
              console.write(f"word {sys.argv[2]}\r\n")
      with open("/tmp/new", "w") as file:
          file.write(str(when))
      os.rename("/tmp/new", "/tmp/when")
      time.sleep(3 if what in ("port", "unit") else 0)
    '';
    networking.firewall.enable = false;
  };
  testScript = ''
    import statistics
    import time


    def timed(body, count=20):
        times = []
        for _ in range(count):
            begin = time.monotonic()
            body()
            times.append((time.monotonic() - begin) * 1000)
        return statistics.median(times)


    m.start()
    m.wait_for_unit("multi-user.target")
    m.execute("true")
    print(f"BENCH ask the agent something (a wait that holds already): {timed(lambda: m.wait_for_file('/etc'), 50):.2f} ms")
    inside = "export TIMEFORMAT=%R; time (for i in $(seq 20); do {}; done)"


    def within(command):
        return float(m.execute("( " + inside.format(command) + " ) 2>&1")[1].split()[-1]) * 1000 / 20


    # In turns, so that whatever else the host does disturbs both.
    rounds = [(timed(lambda: m.execute("true"), 10), within("bash -c true")) for _ in range(4)]
    ours, own = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"BENCH execute('true'): {ours:.1f} ms; the guest's own bash -c true: {own:.1f} ms; more: {ours - own:.1f} ms")
    classic = "timeout 900 bash -c \"set -euo pipefail; true\" 2>/dev/null | (base64 -w 0; echo)"
    print(f"BENCH the classic driver's command, its work in the guest alone: {within(classic + ' >/dev/null'):.1f} ms")

    # The agent has set the guest's clock by ours when it was restored: it is late by less than a request takes.
    # What can be said from outside is looked at as well.
    low, high = -1e9, 1e9
    for _ in range(20):
        before = time.time()
        there = float(m.execute("echo $EPOCHREALTIME")[1])
        low, high = max(low, there - time.time()), min(high, there - before)
    print(f"BENCH the guest's clock is ahead by {low * 1000:.1f} to {high * 1000:.1f} ms; taken as 0 below")
    serial = 0


    def lateness(what, wait, count):
        global serial
        times = []
        for _ in range(count):
            serial += 1
            m.succeed("rm -f /tmp/there /tmp/when; systemctl stop bench-unit 2>/dev/null || true")
            if what == "unit":
                m.succeed("systemd-run --quiet --no-block --unit bench-unit -p Type=notify python3 /etc/act.py unit")
            else:
                m.succeed(f"python3 /etc/act.py {what} {serial} >&2 &")
            wait(serial)
            returned = time.time()
            m.wait_for_file("/tmp/when")
            times.append((returned - float(m.succeed("cat /tmp/when"))) * 1000)
            if what == "port":
                m.wait_for_closed_port(8123)
        return f"median {statistics.median(times):.1f} ms, most {max(times):.1f} ms"


    def polled(command):
        def wait(_serial):
            while m.execute(command)[0] != 0:
                time.sleep(1)

        return wait


    waits = {
        "file": (lambda _: m.wait_for_file("/tmp/there"), "test -e /tmp/there"),
        "unit": (lambda _: m.wait_for_unit("bench-unit"), "systemctl is-active --quiet bench-unit"),
        "port": (lambda _: m.wait_for_open_port(8123), "(: </dev/tcp/localhost/8123) 2>/dev/null"),
        "console": (lambda serial: m.wait_for_console_text(f"word {serial}\\b"), None),
    }
    for what, (wait, command) in waits.items():
        line = f"a wait for a {what} returns after it holds: {lateness(what, wait, 7)}"
        if command is not None:
            line += f"; polled once a second: {lateness(what, polled(command), 4)}"
        print("BENCH " + line)
  '';
}
