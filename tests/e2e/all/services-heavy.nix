# Services that take a while to start under emulation: a broker of messages, and a judge of mail.
{
  name = "services-heavy";

  nodes.server = {
    networking.firewall.allowedTCPPorts = [ 25 5672 11334 15672 ];
    users.users.ada = { isNormalUser = true; password = "lovelace"; };
    virtualisation.cores = 2;

    services.postfix = {
      enable = true;
      networks = [ "127.0.0.0/8" "192.168.1.0/24" ];
      config.mydestination = [ "globe.test" "localhost" ];
    };
    services.rspamd = {
      enable = true;
      postfix.enable = true;
      workers.controller.bindSockets = [ "0.0.0.0:11334" ];
      locals."options.inc".text = "dns { enable_dnssec = false; nameserver = [\"127.0.0.1\"]; }";
    };

    services.rabbitmq = {
      enable = true;
      listenAddress = "0.0.0.0";
      configItems."loopback_users.guest" = "false";
      managementPlugin.enable = true;
    };
  };

  nodes.client =
    { pkgs, ... }:
    {
      environment.systemPackages = [ pkgs.swaks pkgs.jq ];
    };

  testScript = ''
    start_all()
    client.wait_for_unit("multi-user.target")

    with subtest("rspamd: what is spam for certain is not taken, other mail is"):
        server.wait_for_unit("rspamd.service")
        server.wait_for_open_port(25)
        server.wait_for_file("/run/rspamd/rspamd-milter.sock")
        client.wait_until_succeeds("curl -sf http://server:11334/ping | grep pong")
        spam = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
        client.fail(f"swaks --silent 2 --server server --to ada@globe.test --from bob@client.test --body '{spam}'")
        client.succeed("swaks --silent 2 --server server --to ada@globe.test --from bob@client.test --body flakes")
        server.wait_until_succeeds("grep flakes /var/spool/mail/ada")

    with subtest("rabbitmq: a message through a queue"):
        server.wait_for_unit("rabbitmq.service")
        server.wait_for_open_port(15672)
        there = "http://guest:guest@server:15672/api"
        client.succeed(f"curl -sf -X PUT -H 'content-type: application/json' -d '{{\"durable\":false}}' {there}/queues/%2F/flakes")
        client.succeed(f"curl -sf -X POST -d '{{\"properties\":{{}},\"routing_key\":\"flakes\",\"payload\":\"one\",\"payload_encoding\":\"string\"}}' {there}/exchanges/%2F/amq.default/publish | grep true")
        got = client.succeed(f"curl -sf -X POST -d '{{\"count\":1,\"ackmode\":\"ack_requeue_false\",\"encoding\":\"auto\"}}' {there}/queues/%2F/flakes/get | jq -r '.[0].payload'")
        assert got == "one\n", got
        server.succeed("su -s /bin/sh rabbitmq -c 'rabbitmqctl list_queues' | grep flakes")
  '';
}
