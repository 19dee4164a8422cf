# What a request costs, and how late a wait returns, beside the classic driver's way of doing it.
{
  name = "bench-agent";
  nodes.m = { };
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


    begin = time.monotonic()
    m.start()
    print(f"BENCH start to the agent's first answer: {(time.monotonic() - begin) * 1000:.0f} ms")
    m.wait_for_unit("multi-user.target")
    print(f"BENCH start to multi-user.target: {(time.monotonic() - begin) * 1000:.0f} ms")
    m.execute("true")
    print(f"BENCH a wait that holds already (one agent request): {timed(lambda: m.wait_for_file('/etc')):.2f} ms")
    print(f"BENCH execute('true'): {timed(lambda: m.execute('true')):.1f} ms")
    inside = "export TIMEFORMAT=%R; time (for i in $(seq 20); do {}; done)"


    def within(command):
        return float(m.execute("( " + inside.format(command) + " ) 2>&1")[1].split()[-1]) * 1000 / 20


    print(f"BENCH the guest's own bash -c true: {within('bash -c true'):.1f} ms")
    classic = "timeout 900 bash -c \"set -euo pipefail; true\" 2>/dev/null | (base64 -w 0; echo)"
    print(f"BENCH the classic driver's command, inside the guest alone: {within(classic + ' >/dev/null'):.1f} ms")


    def late(wait, act):
        # The guest's clock beside ours: the best of some tries.
        spread, offset = 1e9, 0.0
        for _ in range(10):
            before = time.time()
            there = float(m.execute("echo $EPOCHREALTIME")[1])
            after = time.time()
            if after - before < spread:
                spread, offset = after - before, there - (before + after) / 2
        times = []
        for _ in range(5):
            m.succeed("rm -f /tmp/there /tmp/when; systemctl stop bench-unit 2>/dev/null || true")
            m.succeed(f"(sleep 1; {act}; echo $EPOCHREALTIME > /tmp/when) >&2 &")
            wait()
            returned = time.time()
            m.wait_for_file("/tmp/when")
            there = float(m.succeed("cat /tmp/when"))
            times.append((returned + offset - there) * 1000)
        return statistics.median(times), spread * 500


    value, error = late(lambda: m.wait_for_file("/tmp/there"), "touch /tmp/there")
    print(f"BENCH a wait for a file returns after it is there: {value:.0f} ms, give or take {error:.0f} (1 s polls: 500 ms)")
    value, error = late(lambda: m.wait_for_unit("bench-unit"), "systemd-run --quiet --unit bench-unit sleep 1000")
    print(f"BENCH a wait for a unit returns after it was started: {value:.0f} ms, give or take {error:.0f} (1 s polls: 500 ms)")
  '';
}
