# Mail, names and programs behind a web server on one machine, asked by another.
{
  name = "services-mail";

  nodes.server =
    { pkgs, ... }:
    {
      networking.firewall.allowedTCPPorts = [ 25 53 110 143 8000 ];
      networking.firewall.allowedUDPPorts = [ 53 ];
      users.users.ada = { isNormalUser = true; password = "lovelace"; };

      services.postfix = {
        enable = true;
        networks = [ "127.0.0.0/8" "192.168.1.0/24" ];
        config.mydestination = [ "globe.test" "localhost" ];
        config.mailbox_transport = "lmtp:unix:/run/dovecot2/lmtp";
      };
      services.dovecot2 = {
        enable = true;
        enablePop3 = true;
        protocols = [ "lmtp" ];
        mailUser = "vmail";
        mailGroup = "vmail";
        mailboxes.Junk = { auto = "subscribe"; specialUse = "Junk"; };
        extraConfig = ''
          mail_debug = yes
          protocol lmtp {
            auth_username_format = %n
          }
        '';
        sieve.enable = true;
        sieve.beforeScripts = [
          ''
            require "fileinto";
            if header :is "X-Kind" "dull" {
              fileinto "Junk";
              stop;
            }
          ''
        ];
      };
      services.powerdns = {
        enable = true;
        extraConfig = ''
          launch=bind
          bind-config=${pkgs.writeText "named.conf" ''
            zone "globe.test" { type master; file "${pkgs.writeText "zone" ''
              $TTL 600
              @    SOA ns.globe.test. hostmaster.globe.test. 1 3600 600 86400 600
              @    NS  ns
              ns   A   192.0.2.53
              snow A   192.0.2.7
            ''}"; };
          ''}
        '';
      };

      services.uwsgi = {
        enable = true;
        plugins = [ "python3" ];
        instance = {
          type = "emperor";
          vassals.hello = {
            type = "normal";
            master = true;
            http = ":8000";
            module = "wsgi:application";
            chdir = pkgs.writeTextDir "wsgi.py" ''
              from flask import Flask
              application = Flask(__name__)

              @application.route("/<name>")
              def hello(name):
                  return "hello " + name
            '';
            pythonPackages = packages: [ packages.flask ];
          };
        };
      };
    };

  nodes.client =
    { pkgs, ... }:
    {
      environment.systemPackages = [ pkgs.dnsutils pkgs.swaks ];
    };

  testScript = ''
    start_all()
    server.wait_for_unit("multi-user.target")
    client.wait_for_unit("multi-user.target")

    with subtest("powerdns: a zone"):
        server.wait_for_unit("pdns.service")
        assert client.succeed("dig +short snow.globe.test @server") == "192.0.2.7\n"

    with subtest("postfix hands mail to dovecot, a script sorts it, IMAP and POP show it"):
        server.wait_for_unit("dovecot2.service")
        server.wait_for_open_port(25)
        client.succeed("swaks --silent 2 --server server --to ada@globe.test --from bob@client.test --header 'Subject: flakes'")
        client.succeed("swaks --silent 2 --server server --to ada@globe.test --from bob@client.test --header 'Subject: sleet' --header 'X-Kind: dull'")
        client.wait_until_succeeds("curl -sf imap://ada:lovelace@server/ -X 'STATUS INBOX (MESSAGES)' | grep 'MESSAGES 1'")
        client.wait_until_succeeds("curl -sf imap://ada:lovelace@server/ -X 'STATUS Junk (MESSAGES)' | grep 'MESSAGES 1'")
        assert "Subject: flakes" in client.succeed("curl -sf 'imap://ada:lovelace@server/INBOX;MAILINDEX=1'")
        assert "Subject: flakes" in client.succeed("curl -sf pop3://ada:lovelace@server/1")
        client.fail("curl -sf imap://ada:byron@server/")

    with subtest("uwsgi: a program in Python with a package"):
        server.wait_for_unit("uwsgi.service")
        client.wait_until_succeeds("curl -sf http://server:8000/ada")
        assert client.succeed("curl -sf http://server:8000/ada") == "hello ada"
  '';
}
