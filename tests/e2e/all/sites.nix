# What a small office runs: web servers with PHP, mail, shared files, a cache, a queue of work and measurements.
{ pkgs, ... }:
let
  send = pkgs.writeText "send.py" ''
    import smtplib
    smtplib.SMTP("server").sendmail("boss@client", ["clerk@server"], "Subject: stamps\n\nbring them")
  '';
  read = pkgs.writeText "read.py" ''
    import imaplib
    try:
        imaplib.IMAP4("server").login("clerk", "wrong")
    except imaplib.IMAP4.error:
        pass
    else:
        raise SystemExit("a wrong password was taken")
    box = imaplib.IMAP4("server")
    box.login("clerk", "stamp")
    assert any(b"Drafts" in line for line in box.list()[1]), box.list()
    assert box.select()[1] == [b"1"]
    assert b"bring them" in box.fetch("1", "(RFC822)")[1][0][1]
  '';
in
{
  name = "sites";

  nodes.server =
    { config, pkgs, ... }:
    {
      networking.firewall.allowedTCPPorts = [ 25 80 143 2049 4000 8080 8081 9090 ];
      users.users.clerk = { isNormalUser = true; password = "stamp"; };
      users.users.boss = { isNormalUser = true; password = "chair"; };

      services.httpd = {
        enable = true;
        adminAddr = "clerk@server";
        enablePHP = true;
        phpOptions = "precision = 4";
        virtualHosts.localhost = {
          documentRoot = pkgs.writeTextDir "index.php" "<?php echo 'by httpd: ', 1 / 3;";
          locations."/".index = "index.php";
        };
        virtualHosts."second.test" = {
          documentRoot = pkgs.writeTextDir "index.html" "the second site";
          serverAliases = [ "other.test" ];
        };
      };

      services.phpfpm.pools.office = {
        user = "clerk";
        group = "users";
        settings = { "listen.owner" = config.services.nginx.user; pm = "static"; "pm.max_children" = 2; };
        phpEnv.WORD = "of the pool";
      };
      services.nginx = {
        enable = true;
        statusPage = true;
        defaultHTTPListenPort = 8080;
        virtualHosts.server = {
          default = true;
          root = pkgs.writeTextDir "who.php" "<?php echo posix_getpwuid(posix_geteuid())['name'], ' ', getenv('WORD');";
          locations."~ \\.php$".extraConfig = ''
            fastcgi_pass unix:${config.services.phpfpm.pools.office.socket};
            include ${pkgs.nginx}/conf/fastcgi.conf;
          '';
        };
      };

      services.caddy = {
        enable = true;
        virtualHosts."http://server:8081".extraConfig = ''
          handle /back/* {
            reverse_proxy localhost:80
          }
          respond "by caddy"
        '';
      };

      services.memcached = { enable = true; maxMemory = 32; };
      services.beanstalkd.enable = true;

      services.prometheus = {
        enable = true;
        globalConfig.scrape_interval = "2s";
        exporters.node = { enable = true; enabledCollectors = [ "processes" "systemd" ]; };
        exporters.nginx = { enable = true; scrapeUri = "http://localhost:8080/nginx_status"; };
        scrapeConfigs = [
          { job_name = "node"; static_configs = [ { targets = [ "localhost:9100" ]; } ]; }
          { job_name = "nginx"; static_configs = [ { targets = [ "localhost:9113" ]; } ]; }
        ];
      };

      services.postfix = {
        enable = true;
        hostname = "server";
        destination = [ "server" ];
        networks = [ "192.168.1.0/24" "127.0.0.0/8" ];
        config.home_mailbox = "Maildir/";
      };
      services.dovecot2 = {
        enable = true;
        mailLocation = "maildir:~/Maildir";
        mailboxes.Drafts = { auto = "create"; specialUse = "Drafts"; };
      };

      services.nfs.server = {
        enable = true;
        createMountPoints = true;
        exports = "/srv/papers 192.168.1.0/24(rw,no_root_squash,no_subtree_check,insecure)";
      };
    };

  nodes.client =
    { pkgs, ... }:
    {
      environment.systemPackages = [ pkgs.python3 pkgs.jq ];
      virtualisation.fileSystems."/papers" = {
        device = "server:/srv/papers";
        fsType = "nfs";
        options = [ "vers=4" "noauto" ];
      };
    };

  testScript = ''
    start_all()
    server.wait_for_unit("multi-user.target")
    client.wait_for_unit("multi-user.target")

    with subtest("httpd runs PHP and has sites by name"):
        assert client.succeed("curl -sf http://server/") == "by httpd: 0.3333"
        assert client.succeed("curl -sf -H 'Host: other.test' http://server/") == "the second site"

    with subtest("nginx hands PHP to a pool of one user"):
        assert client.succeed("curl -sf http://server:8080/who.php") == "clerk of the pool"

    with subtest("caddy answers, and asks another"):
        assert client.succeed("curl -sf http://server:8081/") == "by caddy"
        assert "404" in client.succeed("curl -s -o /dev/null -w '%{http_code}' http://server:8081/back/none")

    with subtest("memcached and beanstalkd keep what they are given"):
        server.succeed("printf 'set word 0 0 4\r\nsnow\r\nquit\r\n' | nc -N localhost 11211 | grep STORED")
        assert "snow" in server.succeed("printf 'get word\r\nquit\r\n' | nc -N localhost 11211")
        assert "limit_maxbytes 33554432" in server.succeed("printf 'stats\r\nquit\r\n' | nc -N localhost 11211")
        assert "RESERVED" in server.succeed("printf 'put 1 0 60 4\r\nwork\r\nreserve\r\nquit\r\n' | nc -N localhost 11300")

    with subtest("prometheus measures the machine and nginx"):
        query = "curl -sf 'http://server:9090/api/v1/query?query={}' | jq -e '.data.result | length > 0'"
        client.wait_until_succeeds(query.format("node_processes_threads"))
        # Asked of systemd through D-Bus, as a user that there is only while the exporter runs.
        client.wait_until_succeeds(query.format("node_systemd_system_running"))
        client.wait_until_succeeds(query.format("nginx_http_requests_total%3E0"))

    with subtest("mail is taken by postfix and read through dovecot"):
        client.succeed("python3 ${send}")
        server.wait_until_succeeds("grep -r 'bring them' /home/clerk/Maildir/new")
        client.succeed("python3 ${read}")

    with subtest("files are shared by NFS"):
        client.succeed("mkdir /papers", "mount /papers", "echo signed > /papers/contract")
        assert server.succeed("cat /srv/papers/contract") == "signed\n"
        client.succeed("umount /papers")
  '';
}
